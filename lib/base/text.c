#include "base/text.h"

#include "base/checked.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void fst__text_append(fst__text *text, const void *bytes, size_t length)
{
    size_t needed;
    if (text->failed || !fst__add_size(text->length, length, &needed) ||
        !fst__add_size(needed, 1, &needed)) {
        text->failed = true;
        return;
    }
    if (needed > text->capacity) {
        size_t capacity = text->capacity + text->capacity / 2 + 256;
        if (capacity < needed)
            capacity = needed;
        char *grown = fst__realloc(text->allocator, text->data, capacity);
        if (!grown) {
            text->failed = true;
            return;
        }
        text->data = grown;
        text->capacity = capacity;
    }
    if (length)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void fst__text_append_string(fst__text *text, const char *string)
{
    fst__text_append(text, string, strlen(string));
}

void fst__text_printf(fst__text *text, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof line)
        text->failed = true;
    else
        fst__text_append(text, line, (size_t)length);
}

void fst__text_destroy(fst__text *text)
{
    fst__free(text->allocator, text->data);
    *text = fst__text_create(text->allocator);
}

/* After a mismatch only the last * has to be tried again, one byte further. */
bool fst__text_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == '?' || *pattern == *text) {
            ++pattern;
            ++text;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        ++pattern;
    return !*pattern;
}

bool fst__text_ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}
