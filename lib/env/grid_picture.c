/* Pictures of a grid world, from above. */
#include "env/grid.h"

enum { TILE = 32, VIEW = FST__GRID_VIEW };

static const char *const arrows[4] = {"▶ ", "▼ ", "◀ ", "▲ "};
static const char *const words[4] = {"right", "down", "left", "up"};
static const char *const signs[] = {"  ", "██", "⚷ ", "★ ", "╱ ", "▒▒", "▓▓"};

void fst__grid_write_text(const fst__grid_variant *variant, const fst__grid_state *s, fst__text *text)
{
    for (int y = 0; y < variant->side; ++y) {
        for (int x = 0; x < variant->side; ++x) {
            bool agent = x == (int)s->x && y == (int)s->y;
            int cell = (int)s->cells[y * variant->side + x];
            fst__text_append_string(text, agent ? arrows[(int)s->direction] : signs[cell]);
        }
        fst__text_append_string(text, "\n");
    }
    fst__text_printf(text, "facing %s%s\n", words[(int)s->direction],
                     s->carrying == FST__GRID_KEY ? ", carrying the key" : "");
}

static void write_key(fst__text *text, int x, int y)
{
    fst__text_printf(text,
                     "<g fill=\"none\" stroke=\"#c99700\" stroke-width=\"3\" stroke-linecap=\"round\">"
                     "<circle cx=\"%d\" cy=\"%d\" r=\"5\"/><path d=\"M%d %dv13m0 -5h5m-5 5h6\"/></g>\n",
                     x + 14, y + 10, x + 14, y + 15);
}

static void write_door(fst__text *text, int x, int y, int cell)
{
    if (cell == FST__GRID_DOOR_OPEN) {
        fst__text_printf(text,
                         "<rect x=\"%d\" y=\"%d\" width=\"5\" height=\"%d\" fill=\"#e0b000\"/>\n", x + TILE - 6,
                         y + 1, TILE - 2);
        return;
    }
    bool locked = cell == FST__GRID_DOOR_LOCKED;
    fst__text_printf(text,
                     "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\" fill=\"%s\" stroke=\"#8a6800\" "
                     "stroke-width=\"2\"/>\n",
                     x + 2, y + 2, TILE - 4, TILE - 4, locked ? "#e0b000" : "#f5e3a0");
    if (locked)
        fst__text_printf(text,
                         "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"#5c4500\"/><path d=\"M%d %dl-3 8h6z\" "
                         "fill=\"#5c4500\"/>\n",
                         x + TILE / 2, y + 13, x + TILE / 2, y + 14);
    else
        fst__text_printf(text, "<circle cx=\"%d\" cy=\"%d\" r=\"3\" fill=\"#8a6800\"/>\n", x + TILE - 9,
                         y + TILE / 2);
}

static void write_cell(fst__text *text, int x, int y, int cell)
{
    switch (cell) {
    case FST__GRID_WALL:
        fst__text_printf(text, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#4a5568\"/>\n", x, y,
                         TILE, TILE);
        break;
    case FST__GRID_GOAL:
        fst__text_printf(text,
                         "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"#38a169\"/>\n",
                         x + 3, y + 3, TILE - 6, TILE - 6);
        break;
    case FST__GRID_KEY:
        write_key(text, x, y);
        break;
    case FST__GRID_DOOR_OPEN:
    case FST__GRID_DOOR_CLOSED:
    case FST__GRID_DOOR_LOCKED:
        write_door(text, x, y, cell);
        break;
    default:
        break;
    }
}

/* What the agent sees, lit; walls come over it. */
static void write_sight(const fst__grid_variant *variant, const fst__grid_state *s, fst__text *text)
{
    uint8_t view[VIEW * VIEW];
    fst__grid_see(variant, s, view);
    for (int i = 0; i < VIEW * VIEW; ++i) {
        int x, y;
        fst__grid_place_of_view(s, i / VIEW, i % VIEW, &x, &y);
        if (view[i] != FST__GRID_UNSEEN && x >= 0 && y >= 0 && x < variant->side && y < variant->side)
            fst__text_printf(text, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", x * TILE, y * TILE,
                             TILE, TILE);
    }
}

void fst__grid_write_svg(const fst__grid_variant *variant, const fst__grid_state *s, fst__text *text)
{
    int size = variant->side * TILE;
    fst__text_printf(text,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n"
                     "<defs><pattern id=\"cells\" width=\"%d\" height=\"%d\" patternUnits=\"userSpaceOnUse\">"
                     "<path d=\"M%d 0H0V%d\" fill=\"none\" stroke=\"#cbd5e0\"/></pattern></defs>\n"
                     "<rect width=\"%d\" height=\"%d\" fill=\"#f7fafc\"/>\n",
                     size, size, size, size, TILE, TILE, TILE, TILE, size, size);
    fst__text_printf(text, "<rect width=\"%d\" height=\"%d\" fill=\"url(#cells)\"/>\n", size, size);
    fst__text_append_string(text, "<g fill=\"#ecc94b\" fill-opacity=\"0.28\">\n");
    write_sight(variant, s, text);
    fst__text_append_string(text, "</g>\n");
    for (int i = 0; i < variant->side * variant->side; ++i)
        write_cell(text, i % variant->side * TILE, i / variant->side * TILE, (int)s->cells[i]);
    int x = (int)s->x * TILE, y = (int)s->y * TILE;
    fst__text_printf(text,
                     "<path d=\"M-11 -10L13 0L-11 10Q-6 0 -11 -10Z\" fill=\"#e53e3e\" "
                     "transform=\"translate(%d %d) rotate(%d)\"/>\n",
                     x + TILE / 2, y + TILE / 2, 90 * (int)s->direction);
    if (s->carrying == FST__GRID_KEY) {
        fst__text_printf(text, "<g transform=\"translate(%d %d) scale(0.6)\">", x + 14, y + 12);
        write_key(text, 0, 0);
        fst__text_append_string(text, "</g>\n");
    }
    fst__text_append_string(text, "</svg>\n");
}
