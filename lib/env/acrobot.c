/*
 * Acrobot: Sutton, "Generalization in reinforcement learning" (1996), with the book's equations, integrated by one step of
 * Runge and Kutta's fourth order, as Gymnasium's classic_control/acrobot.py has them. State: θ₁, θ₂ (of the second
 * link against the first), θ̇₁, θ̇₂.
 */
#include "env/kinds.h"
#include "env/picture.h"

#include <math.h>
#include <string.h>

#define MOST_SPEED_1 (4 * M_PI)
#define MOST_SPEED_2 (9 * M_PI)

static fst_status describe(const fst__env_kind *kind, fst_env_make_options *options, fst__env_shape *shape)
{
    static const float high[] = {1, 1, 1, 1, (float)MOST_SPEED_1, (float)MOST_SPEED_2};
    static const float low[] = {-1, -1, -1, -1, (float)-MOST_SPEED_1, (float)-MOST_SPEED_2};
    shape->observation.shape[0] = 6;
    shape->observation.low = low;
    shape->observation.high = high;
    shape->action.kind = FST_SPACE_DISCRETE;
    shape->action.n = 3;
    shape->state = 4;
    shape->max_steps = 500;
    shape->nanoseconds = 400;
    return FST_OK;
}

static void reset(const fst__env_kind *kind, const fst_env_make_options *options, uint64_t seed, double *state)
{
    for (uint64_t i = 0; i < 4; ++i)
        state[i] = (float)fst__env_uniform(seed, 0, i, -0.1, 0.1); /* Gymnasium's first state is of floats */
}

/* Masses, lengths and moments are 1, centres of mass at 0.5. */
static void derive(const double *s, double torque, double *d)
{
    const double m1 = 1, m2 = 1, l1 = 1, lc1 = 0.5, lc2 = 0.5, i1 = 1, i2 = 1, g = 9.8;
    double theta1 = s[0], theta2 = s[1], dtheta1 = s[2], dtheta2 = s[3];
    double sine2 = sin(theta2), cosine2 = cos(theta2);
    double d1 = m1 * (lc1 * lc1) + m2 * (l1 * l1 + lc2 * lc2 + 2 * l1 * lc2 * cosine2) + i1 + i2;
    double d2 = m2 * (lc2 * lc2 + l1 * lc2 * cosine2) + i2;
    double phi2 = m2 * lc2 * g * cos(theta1 + theta2 - M_PI / 2.0);
    double phi1 = -m2 * l1 * lc2 * (dtheta2 * dtheta2) * sine2 - 2 * m2 * l1 * lc2 * dtheta2 * dtheta1 * sine2 +
                  (m1 * lc1 + m2 * l1) * g * cos(theta1 - M_PI / 2) + phi2;
    double ddtheta2 = (torque + d2 / d1 * phi1 - m2 * l1 * lc2 * (dtheta1 * dtheta1) * sine2 - phi2) /
                      (m2 * (lc2 * lc2) + i2 - d2 * d2 / d1);
    d[0] = dtheta1;
    d[1] = dtheta2;
    d[2] = -(d2 * ddtheta2 + phi1) / d1;
    d[3] = ddtheta2;
}

static double wrap(double x, double least, double most)
{
    while (x > most)
        x -= most - least;
    while (x < least)
        x += most - least;
    return x;
}

static double bound(double x, double most)
{
    return x < -most ? -most : x > most ? most : x;
}

static void step(const fst__env_kind *kind, fst__env_move *move)
{
    const double dt = 0.2;
    double torque = *(const int32_t *)move->action - 1.0;
    double *s = move->state, k1[4], k2[4], k3[4], k4[4], at[4];
    derive(s, torque, k1);
    for (int i = 0; i < 4; ++i)
        at[i] = s[i] + dt / 2 * k1[i];
    derive(at, torque, k2);
    for (int i = 0; i < 4; ++i)
        at[i] = s[i] + dt / 2 * k2[i];
    derive(at, torque, k3);
    for (int i = 0; i < 4; ++i)
        at[i] = s[i] + dt * k3[i];
    derive(at, torque, k4);
    for (int i = 0; i < 4; ++i)
        s[i] += dt / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
    s[0] = wrap(s[0], -M_PI, M_PI);
    s[1] = wrap(s[1], -M_PI, M_PI);
    s[2] = bound(s[2], MOST_SPEED_1);
    s[3] = bound(s[3], MOST_SPEED_2);
    move->terminated = -cos(s[0]) - cos(s[1] + s[0]) > 1.0;
    move->reward = move->terminated ? 0 : -1;
}

static void observe(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                    void *observation)
{
    const double values[] = {cos(state[0]), sin(state[0]), cos(state[1]), sin(state[1]), state[2], state[3]};
    for (int i = 0; i < 6; ++i)
        ((float *)observation)[i] = (float)values[i];
}

/* Angles far outside would take for ever to wrap. */
static bool accepts(const fst__env_kind *kind, const fst_env_make_options *options, const double *state)
{
    return fabs(state[0]) <= M_PI && fabs(state[1]) <= M_PI && fabs(state[2]) <= MOST_SPEED_1 &&
           fabs(state[3]) <= MOST_SPEED_2;
}

static void render(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                   const float *trail, int64_t points, int32_t format, fst__text *text)
{
    double x1 = sin(state[0]), y1 = -cos(state[0]);
    double x2 = x1 + sin(state[0] + state[1]), y2 = y1 - cos(state[0] + state[1]);
    if (format == FST_RENDER_TEXT) {
        enum { ROWS = 9, COLUMNS = 17 };
        char rows[ROWS][COLUMNS + 1];
        memset(rows, ' ', sizeof rows);
        memset(rows[2], '-', COLUMNS); /* the height to reach: 1 above the joint */
        const double places[][2] = {{0, 0}, {x1 / 2, y1 / 2}, {x1, y1}, {(x1 + x2) / 2, (y1 + y2) / 2}, {x2, y2}};
        for (int i = 0; i < 5; ++i) {
            int row = (int)((2 - places[i][1]) * 2 + 0.5), column = (int)((places[i][0] + 2) * 4 + 0.5);
            rows[row][column] = i == 4 ? 'O' : i % 2 ? '.' : 'o';
        }
        for (int row = 0; row < ROWS; ++row) {
            rows[row][COLUMNS] = '\n';
            fst__text_append(text, rows[row], COLUMNS + 1);
        }
        return;
    }
    const double scale = 500 / 4.4, middle = 250;
    fst__svg_begin(text, 500, 500);
    fst__svg_line(text, 0, middle - scale, 500, middle - scale, 1, "black");
    fst__svg_line(text, middle, middle, middle + x1 * scale, middle - y1 * scale, 14, "#00cccc");
    fst__svg_line(text, middle + x1 * scale, middle - y1 * scale, middle + x2 * scale, middle - y2 * scale, 14,
                  "#00cccc");
    fst__svg_circle(text, middle, middle, 9, "#cccc00");
    fst__svg_circle(text, middle + x1 * scale, middle - y1 * scale, 9, "#cccc00");
    fst__svg_end(text);
}

const fst__env_kind fst__env_acrobot = {
    .name = "Acrobot-v1",
    .describe = describe,
    .reset = reset,
    .step = step,
    .observe = observe,
    .accepts = accepts,
    .render = render,
};
