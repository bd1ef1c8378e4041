/*
 * Strict JSON tokens over bytes in memory, for headers from strangers: no memory of its own, and
 * every error names the byte. Documents whose size is bounded otherwise go through formats/json.h.
 */
#ifndef FST_FORMATS_SCAN_H
#define FST_FORMATS_SCAN_H

#include "fourstage/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct fst__scan {
    const char *file; /* for errors */
    char *bytes;
    size_t size;
    size_t position;
    size_t origin; /* the file's byte number of bytes[0] */
    bool in_place; /* strings are unescaped and NUL-terminated where they stand; such a document can
                    * be read only once more, so do it in the last pass */
} fst__scan;

/* FST_ERR_FORMAT: "file: byte N: …"; `at` is a position in bytes. */
fst_status fst__scan_fail(const fst__scan *scan, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void fst__scan_space(fst__scan *scan);

/* Skips space and gives the next byte without taking it; 0 at the end. */
char fst__scan_peek(fst__scan *scan);

/* Skips space and takes this byte. */
fst_status fst__scan_expect(fst__scan *scan, char byte);

/*
 * Before member or element number `index` of an object or array that ends in `close`: takes the
 * comma, or the end (*more = false). Take the opening byte with fst__scan_expect first.
 */
fst_status fst__scan_more(fst__scan *scan, char close, size_t index, bool *more);

/* A string without NUL; *text and *length are set in the in-place pass only and borrow the bytes. */
fst_status fst__scan_string(fst__scan *scan, char **text, size_t *length);

/* The string and the ':' behind it. */
fst_status fst__scan_key(fst__scan *scan, char **text, size_t *length);

/* An integer from 0 to INT64_MAX; a sign, a fraction and an exponent are refused. */
fst_status fst__scan_natural(fst__scan *scan, int64_t *value);

/* Any one value. */
fst_status fst__scan_skip(fst__scan *scan);

#endif
