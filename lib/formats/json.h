/*
 * JSON documents, read strictly: one value, no duplicate keys, no NaN, valid UTF-8, no text behind
 * it. Errors name the file, line and byte; the getters' errors name the file and the key.
 *
 * json_t is jansson's; its memory comes from malloc, since its allocator is one for the process and
 * therefore the host's. Release with json_decref.
 */
#ifndef FST_FORMATS_JSON_H
#define FST_FORMATS_JSON_H

#include "base/alloc.h"
#include "base/text.h"
#include "fourstage/status.h"

#include <jansson.h>
#include <stdbool.h>

/* The root is an object or an array. `limit` bounds the file's size. */
fst_status fst__json_read_file(fst__allocator *allocator, const char *path, size_t limit,
                               json_t **root);

/* `name` stands for the file in errors. */
fst_status fst__json_parse(const char *bytes, size_t size, const char *name, json_t **root);

/*
 * Members of `object`. A missing member, and one that is null, leaves *out alone unless `required`.
 * Numbers outside [min, max] are refused; NaN never is in range. An integer serves as a double, a
 * double as an integer only if it is whole. Strings and objects are borrowed from `object`.
 */
fst_status fst__json_get_int(const json_t *object, const char *key, const char *file, bool required,
                             int64_t *out, int64_t min, int64_t max);
fst_status fst__json_get_double(const json_t *object, const char *key, const char *file,
                                bool required, double *out, double min, double max);
fst_status fst__json_get_string(const json_t *object, const char *key, const char *file,
                                bool required, const char **out);
fst_status fst__json_get_bool(const json_t *object, const char *key, const char *file,
                              bool required, bool *out);
fst_status fst__json_get_object(const json_t *object, const char *key, const char *file,
                                bool required, json_t **out);
fst_status fst__json_get_array(const json_t *object, const char *key, const char *file,
                               bool required, json_t **out);

/*
 * Appends `value` to `text`: members in the order they were set, `indent` spaces a level (0: all on
 * one line, no spaces), each double as the shortest of its 15-, 16- and 17-digit forms that reads
 * back to the same bits, always with '.', whatever the locale. The same document gives the same
 * bytes everywhere. A double that is not finite is FST_ERR_NUMERIC.
 */
fst_status fst__json_dump(const json_t *value, int indent, fst__text *text);

/* Dumps with an indent of 2 and a newline at the end through the atomic writer. */
fst_status fst__json_write_file(fst__allocator *allocator, const char *path, const json_t *value);

/* "string" with its quotes, escaped where JSON demands it and nowhere else. */
void fst__json_append_string(fst__text *text, const char *string, size_t length);

/* The number as above; `buffer` takes at least FST__JSON_DOUBLE_SIZE bytes. */
enum { FST__JSON_DOUBLE_SIZE = 40 };
void fst__json_format_double(double value, char *buffer);

#endif
