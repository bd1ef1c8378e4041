/* Pictures of a Connect Four board. */
#include "env/connect_four.h"

enum { ROWS = FST__FOUR_ROWS, COLUMNS = FST__FOUR_COLUMNS, CELLS = FST__FOUR_CELLS };
enum { TILE = 60, EDGE = 20 };

static const char *const discs[3] = {"·", "●", "○"};
static const char *const colours[3] = {"#f7fafc", "#e53e3e", "#ecc94b"};
static const char *const rims[3] = {"#2c5282", "#9b2c2c", "#b7791f"};

static void write_state_of_play(const fst__four_state *s, int fours, fst__text *text)
{
    int player = s->player != 0;
    if (fours > 0)
        fst__text_printf(text, "%s wins\n", discs[2 - player]);
    else if (s->cells[0] != 0 && s->cells[1] != 0 && s->cells[2] != 0 && s->cells[3] != 0 && s->cells[4] != 0 &&
             s->cells[5] != 0 && s->cells[6] != 0)
        fst__text_append_string(text, "a draw\n");
    else
        fst__text_printf(text, "%s moves\n", discs[1 + player]);
}

/* The winning four in brackets, or else the last disc. */
void fst__four_write_text(const fst__four_state *s, fst__text *text)
{
    uint8_t four[CELLS];
    int fours = fst__four_find(s, four);
    fst__text_append_string(text, "   1  2  3  4  5  6  7\n");
    for (int row = 0; row < ROWS; ++row) {
        fst__text_append_string(text, " │");
        for (int column = 0; column < COLUMNS; ++column) {
            int i = row * COLUMNS + column;
            int marked = fours > 0 ? four[i] : i == (int)s->last;
            fst__text_printf(text, marked ? "(%s)" : " %s ", discs[(int)s->cells[i]]);
        }
        fst__text_append_string(text, "│\n");
    }
    fst__text_append_string(text, " └─────────────────────┘\n");
    write_state_of_play(s, fours, text);
}

void fst__four_write_svg(const fst__four_state *s, fst__text *text)
{
    uint8_t four[CELLS];
    int fours = fst__four_find(s, four);
    int width = COLUMNS * TILE + 2 * EDGE, height = ROWS * TILE + 2 * EDGE;
    fst__text_printf(text,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n"
                     "<rect width=\"%d\" height=\"%d\" fill=\"#f7fafc\"/>\n"
                     "<rect x=\"8\" y=\"8\" width=\"%d\" height=\"%d\" rx=\"18\" fill=\"#3182ce\" stroke=\"#2c5282\" "
                     "stroke-width=\"3\"/>\n",
                     width, height, width, height, width, height, width - 16, height - 16);
    for (int i = 0; i < CELLS; ++i) {
        int x = EDGE + i % COLUMNS * TILE + TILE / 2, y = EDGE + i / COLUMNS * TILE + TILE / 2;
        int colour = (int)s->cells[i], marked = fours > 0 ? four[i] : i == (int)s->last;
        fst__text_printf(text,
                         "<circle cx=\"%d\" cy=\"%d\" r=\"24\" fill=\"%s\" stroke=\"%s\" stroke-width=\"3\"/>\n", x,
                         y, colours[colour], rims[colour]);
        if (colour != 0)
            fst__text_printf(text,
                             "<circle cx=\"%d\" cy=\"%d\" r=\"16\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" "
                             "stroke-opacity=\"0.45\"/>\n",
                             x, y, rims[colour]);
        if (marked && colour != 0)
            fst__text_printf(text, "<circle cx=\"%d\" cy=\"%d\" r=\"%d\" fill=\"#ffffff\"/>\n", x, y,
                             fours > 0 ? 9 : 5);
    }
    fst__text_append_string(text, "</svg>\n");
}
