#include "env/picture.h"

void fst__svg_begin(fst__text *text, double width, double height)
{
    fst__text_printf(text,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" "
                     "viewBox=\"0 0 %g %g\">\n",
                     width, height, width, height);
    fst__svg_rectangle(text, 0, 0, width, height, "white");
}

void fst__svg_line(fst__text *text, double x0, double y0, double x1, double y1, double width, const char *colour)
{
    fst__text_printf(text,
                     "<line x1=\"%.5g\" y1=\"%.5g\" x2=\"%.5g\" y2=\"%.5g\" stroke=\"%s\" stroke-width=\"%g\" "
                     "stroke-linecap=\"round\"/>\n",
                     x0, y0, x1, y1, colour, width);
}

void fst__svg_circle(fst__text *text, double x, double y, double radius, const char *fill)
{
    fst__text_printf(text, "<circle cx=\"%.5g\" cy=\"%.5g\" r=\"%g\" fill=\"%s\"/>\n", x, y, radius, fill);
}

void fst__svg_rectangle(fst__text *text, double x, double y, double width, double height, const char *fill)
{
    fst__text_printf(text, "<rect x=\"%.5g\" y=\"%.5g\" width=\"%g\" height=\"%g\" fill=\"%s\"/>\n", x, y, width,
                     height, fill);
}

void fst__svg_label(fst__text *text, double x, double y, const char *label)
{
    fst__text_printf(text,
                     "<text x=\"%.5g\" y=\"%.5g\" font-family=\"sans-serif\" font-size=\"20\" "
                     "text-anchor=\"middle\">%s</text>\n",
                     x, y, label);
}

void fst__svg_end(fst__text *text)
{
    fst__text_append_string(text, "</svg>\n");
}

void fst__text_track(fst__text *text, int columns, char ground, const fst__mark *marks, int count)
{
    for (int column = 0; column < columns; ++column) {
        char character = ground;
        for (int i = 0; i < count; ++i) {
            double place = marks[i].place < 0 ? 0 : marks[i].place > 1 ? 1 : marks[i].place;
            if ((int)(place * (columns - 1) + 0.5) == column)
                character = marks[i].character;
        }
        fst__text_append(text, &character, 1);
    }
    fst__text_append_string(text, "\n");
}
