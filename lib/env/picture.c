#include "env/picture.h"

#include <math.h>

void fst__text_number(fst__text *text, double value, int decimals)
{
    const double most = 1e9;
    long long unit = 1;
    for (int i = 0; i < decimals; ++i)
        unit *= 10;
    double bounded = value > most ? most : value < -most ? -most : value;
    long long scaled = llround(fabs(bounded) * (double)unit);
    fst__text_printf(text, "%s%lld", bounded < 0 && scaled ? "-" : "", scaled / unit);
    if (decimals > 0)
        fst__text_printf(text, ".%0*lld", decimals, scaled % unit);
}

/* name="value" */
static void attribute(fst__text *text, const char *name, double value)
{
    fst__text_printf(text, " %s=\"", name);
    fst__text_number(text, value, 2);
    fst__text_append_string(text, "\"");
}

void fst__svg_begin(fst__text *text, double width, double height)
{
    fst__text_append_string(text, "<svg xmlns=\"http://www.w3.org/2000/svg\"");
    attribute(text, "width", width);
    attribute(text, "height", height);
    fst__text_printf(text, " viewBox=\"0 0 %d %d\">\n", (int)width, (int)height);
    fst__svg_rectangle(text, 0, 0, width, height, "white");
}

void fst__svg_line(fst__text *text, double x0, double y0, double x1, double y1, double width, const char *colour)
{
    fst__text_append_string(text, "<line");
    attribute(text, "x1", x0);
    attribute(text, "y1", y0);
    attribute(text, "x2", x1);
    attribute(text, "y2", y1);
    attribute(text, "stroke-width", width);
    fst__text_printf(text, " stroke=\"%s\" stroke-linecap=\"round\"/>\n", colour);
}

void fst__svg_circle(fst__text *text, double x, double y, double radius, const char *fill)
{
    fst__text_append_string(text, "<circle");
    attribute(text, "cx", x);
    attribute(text, "cy", y);
    attribute(text, "r", radius);
    fst__text_printf(text, " fill=\"%s\"/>\n", fill);
}

void fst__svg_rectangle(fst__text *text, double x, double y, double width, double height, const char *fill)
{
    fst__text_append_string(text, "<rect");
    attribute(text, "x", x);
    attribute(text, "y", y);
    attribute(text, "width", width);
    attribute(text, "height", height);
    fst__text_printf(text, " fill=\"%s\"/>\n", fill);
}

void fst__svg_point(fst__text *text, double x, double y)
{
    fst__text_number(text, x, 2);
    fst__text_append_string(text, ",");
    fst__text_number(text, y, 2);
    fst__text_append_string(text, " ");
}

void fst__svg_label(fst__text *text, double x, double y, const char *label)
{
    fst__text_append_string(text, "<text");
    attribute(text, "x", x);
    attribute(text, "y", y);
    fst__text_printf(text, " font-family=\"sans-serif\" font-size=\"20\" text-anchor=\"middle\">%s</text>\n", label);
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
