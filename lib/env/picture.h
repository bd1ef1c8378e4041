/* Pieces of pictures. No number goes through printf, whose decimal point is the host's locale's. */
#ifndef FST_ENV_PICTURE_H
#define FST_ENV_PICTURE_H

#include "base/text.h"

/* With so many decimals; values beyond a billion are cut to one. */
void fst__text_number(fst__text *text, double value, int decimals);

/* Numbers are pixels. */
void fst__svg_begin(fst__text *text, double width, double height);
void fst__svg_line(fst__text *text, double x0, double y0, double x1, double y1, double width, const char *colour);
void fst__svg_circle(fst__text *text, double x, double y, double radius, const char *fill);
void fst__svg_rectangle(fst__text *text, double x, double y, double width, double height, const char *fill);
void fst__svg_point(fst__text *text, double x, double y); /* of a polyline: "x,y " */
void fst__svg_label(fst__text *text, double x, double y, const char *label);
void fst__svg_end(fst__text *text);

/* A line of `columns` characters with marks at places 0 … 1; the last mark at a place wins. */
typedef struct fst__mark {
    double place;
    char character;
} fst__mark;
void fst__text_track(fst__text *text, int columns, char ground, const fst__mark *marks, int count);

#endif
