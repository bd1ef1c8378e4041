/* A growing byte buffer. After a failed append every further one fails too; check once at the end. */
#ifndef FST_BASE_TEXT_H
#define FST_BASE_TEXT_H

#include "base/alloc.h"

#include <stdbool.h>

typedef struct fst__text {
    fst__allocator *allocator;
    char *data; /* NUL-terminated once anything was appended; NULL before */
    size_t length;
    size_t capacity;
    bool failed;
} fst__text;

static inline fst__text fst__text_create(fst__allocator *allocator)
{
    return (fst__text){.allocator = allocator};
}

void fst__text_append(fst__text *text, const void *bytes, size_t length);
void fst__text_append_string(fst__text *text, const char *string);
void fst__text_printf(fst__text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fst__text_destroy(fst__text *text);

/* Whether a pattern, in which * stands for any text and ? for one character, matches all of a text. */
bool fst__text_matches(const char *pattern, const char *text);
bool fst__text_ends_with(const char *text, const char *end);

#endif
