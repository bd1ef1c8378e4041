/*
 * Pictures of the robot's world from above, y upwards. Coordinates are whole millimetres: no number that a
 * locale could write with a comma.
 */
#include "env/robot.h"

#include <math.h>
#include <string.h>

static int millimetres(double metres)
{
    return (int)lrint(fmin(fmax(metres, -1000), 1000) * 1000);
}

static int across(double x)
{
    return millimetres(x);
}

static int down(double y)
{
    return millimetres(FST__ROBOT_ROOM - y);
}

static void write_room(fst__text *text)
{
    int size = millimetres(FST__ROBOT_ROOM);
    fst__text_printf(text,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-150 -150 %d %d\" width=\"640\" "
                     "height=\"640\">\n"
                     "<defs><pattern id=\"metre\" width=\"1000\" height=\"1000\" patternUnits=\"userSpaceOnUse\">"
                     "<path d=\"M1000 0H0V1000\" fill=\"none\" stroke=\"#e2e8f0\" stroke-width=\"14\"/></pattern>"
                     "</defs>\n",
                     size + 300, size + 300);
    fst__text_printf(text,
                     "<rect x=\"-150\" y=\"-150\" width=\"%d\" height=\"%d\" rx=\"120\" fill=\"#4a5568\"/>\n"
                     "<rect width=\"%d\" height=\"%d\" fill=\"#fbfdff\"/>\n"
                     "<rect width=\"%d\" height=\"%d\" fill=\"url(#metre)\"/>\n",
                     size + 300, size + 300, size, size, size, size);
}

static void write_obstacle(fst__text *text, const fst__robot_obstacle *o)
{
    if (o->round != 0)
        fst__text_printf(text, "<circle cx=\"%d\" cy=\"%d\" r=\"%d\"/>\n", across(o->x), down(o->y),
                         millimetres(o->half_width));
    else
        fst__text_printf(text, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"30\"/>\n",
                         across(o->x - o->half_width), down(o->y + o->half_height),
                         millimetres(2 * o->half_width), millimetres(2 * o->half_height));
}

/* The line is where it goes in the next second. */
static void write_mover(fst__text *text, const fst__robot_mover *m)
{
    int x = across(m->x), y = down(m->y);
    fst__text_printf(text,
                     "<circle cx=\"%d\" cy=\"%d\" r=\"%d\" fill=\"#ed8936\"/>"
                     "<path d=\"M%d %dL%d %d\" stroke=\"#9c4221\" stroke-width=\"50\" stroke-linecap=\"round\"/>"
                     "<circle cx=\"%d\" cy=\"%d\" r=\"50\" fill=\"#9c4221\"/>\n",
                     x, y, millimetres(m->radius), x, y, across(m->x + m->velocity_x), down(m->y + m->velocity_y),
                     x, y);
}

static void write_goal(fst__text *text, const fst__robot_state *s)
{
    int x = across(s->goal_x), y = down(s->goal_y), radius = millimetres(FST__ROBOT_GOAL_RADIUS);
    fst__text_printf(text,
                     "<circle cx=\"%d\" cy=\"%d\" r=\"%d\" fill=\"#c6f6d5\" stroke=\"#38a169\" stroke-width=\"40\"/>"
                     "<circle cx=\"%d\" cy=\"%d\" r=\"%d\" fill=\"#38a169\"/>\n",
                     x, y, radius, x, y, radius / 3);
}

static void write_rays(const fst__robot_rules *rules, const fst__robot_state *s, fst__text *text)
{
    fst__text_append_string(text, "<path d=\"");
    for (int i = 0; i < rules->rays; ++i) {
        double angle = s->heading + 6.283185307179586476925 * i / rules->rays;
        fst__text_printf(text, "M%d %dL%d %d", across(s->x), down(s->y), across(s->x + s->ranges[i] * cos(angle)),
                         down(s->y + s->ranges[i] * sin(angle)));
    }
    fst__text_append_string(
        text, "\" fill=\"none\" stroke=\"#e53e3e\" stroke-width=\"14\" stroke-opacity=\"0.3\"/>\n"
              "<g fill=\"#e53e3e\">\n");
    for (int i = 0; i < rules->rays; ++i) {
        double angle = s->heading + 6.283185307179586476925 * i / rules->rays;
        if (s->ranges[i] < FST__ROBOT_RANGE)
            fst__text_printf(text, "<circle cx=\"%d\" cy=\"%d\" r=\"28\"/>\n",
                             across(s->x + s->ranges[i] * cos(angle)), down(s->y + s->ranges[i] * sin(angle)));
    }
    fst__text_append_string(text, "</g>\n");
}

/* Every few steps are enough for the eye. */
static void write_path(const fst__robot_state *s, const float *path, int64_t points, fst__text *text)
{
    if (points < 1)
        return;
    int64_t stride = 1 + points / 400;
    fst__text_append_string(text, "<path d=\"");
    for (int64_t i = 0; i < points; i += stride)
        fst__text_printf(text, "%c%d %d", i == 0 ? 'M' : 'L', across(path[2 * i]), down(path[2 * i + 1]));
    fst__text_printf(text,
                     "L%d %d\" fill=\"none\" stroke=\"#3182ce\" stroke-width=\"60\" stroke-opacity=\"0.55\" "
                     "stroke-linecap=\"round\" stroke-linejoin=\"round\"/>\n",
                     across(s->x), down(s->y));
    fst__text_printf(text,
                     "<circle cx=\"%d\" cy=\"%d\" r=\"90\" fill=\"#fbfdff\" stroke=\"#3182ce\" "
                     "stroke-width=\"40\"/>\n",
                     across(path[0]), down(path[1]));
}

static void write_robot(const fst__robot_state *s, fst__text *text)
{
    int degrees = (int)lrint(-s->heading * (360 / 6.283185307179586476925));
    fst__text_printf(text,
                     "<g transform=\"translate(%d %d) rotate(%d)\">"
                     "<rect x=\"-90\" y=\"-215\" width=\"180\" height=\"70\" rx=\"25\" fill=\"#1a202c\"/>"
                     "<rect x=\"-90\" y=\"145\" width=\"180\" height=\"70\" rx=\"25\" fill=\"#1a202c\"/>"
                     "<circle r=\"%d\" fill=\"#3182ce\" stroke=\"#2c5282\" stroke-width=\"25\"/>"
                     "<path d=\"M-70 -95L120 0L-70 95L-30 0Z\" fill=\"#ffffff\"/></g>\n",
                     across(s->x), down(s->y), degrees % 360, millimetres(FST__ROBOT_RADIUS) - 12);
}

void fst__robot_write_svg(const fst__robot_rules *rules, const fst__robot_state *s, const float *path,
                          int64_t points, fst__text *text)
{
    write_room(text);
    write_goal(text, s);
    write_rays(rules, s, text);
    fst__text_append_string(text, "<g fill=\"#718096\" stroke=\"#4a5568\" stroke-width=\"20\">\n");
    for (int i = 0; i < (int)s->obstacle_count; ++i)
        write_obstacle(text, &s->obstacles[i]);
    fst__text_append_string(text, "</g>\n");
    write_path(s, path, points, text);
    for (int i = 0; i < (int)s->mover_count; ++i)
        write_mover(text, &s->movers[i]);
    write_robot(s, text);
    fst__text_append_string(text, "</svg>\n");
}

/* A character is as high as two are wide. */
enum { ROWS = 20, COLUMNS = 2 * ROWS };

static void put(char canvas[ROWS][COLUMNS], double x, double y, char sign)
{
    double column = floor(x * (COLUMNS / FST__ROBOT_ROOM));
    double row = floor((FST__ROBOT_ROOM - y) * (ROWS / FST__ROBOT_ROOM));
    if (column >= 0 && column < COLUMNS && row >= 0 && row < ROWS)
        canvas[(int)row][(int)column] = sign;
}

static bool in_mover(const fst__robot_state *s, double x, double y)
{
    for (int i = 0; i < (int)s->mover_count; ++i) {
        double dx = x - s->movers[i].x, dy = y - s->movers[i].y;
        if (dx * dx + dy * dy < s->movers[i].radius * s->movers[i].radius)
            return true;
    }
    return false;
}

void fst__robot_write_text(const fst__robot_rules *rules, const fst__robot_state *s, const float *path,
                           int64_t points, fst__text *text)
{
    static const char arrows[4] = {'>', '^', '<', 'v'};
    char canvas[ROWS][COLUMNS];
    for (int row = 0; row < ROWS; ++row)
        for (int column = 0; column < COLUMNS; ++column) {
            double x = (column + 0.5) * (FST__ROBOT_ROOM / COLUMNS);
            double y = FST__ROBOT_ROOM - (row + 0.5) * (FST__ROBOT_ROOM / ROWS);
            canvas[row][column] = in_mover(s, x, y) ? 'o' : fst__robot_clearance(s, x, y) <= 0 ? '#' : ' ';
        }
    for (int64_t i = 0; i < points; ++i)
        put(canvas, path[2 * i], path[2 * i + 1], '.');
    for (int i = 0; i < (int)s->mover_count; ++i)
        put(canvas, s->movers[i].x, s->movers[i].y, 'o');
    put(canvas, s->goal_x, s->goal_y, 'G');
    put(canvas, s->x, s->y, arrows[((int)lrint(s->heading * (4 / 6.283185307179586476925)) % 4 + 4) % 4]);
    fst__text_append_string(text, "+----------------------------------------+\n");
    for (int row = 0; row < ROWS; ++row)
        fst__text_printf(text, "|%.*s|\n", COLUMNS, canvas[row]);
    fst__text_append_string(text, "+----------------------------------------+\n");
}
