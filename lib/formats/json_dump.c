/*
 * JSON out. Not jansson's dump: its form of a double differs between its versions and between
 * locales' threads, and a checkpoint's bytes must not.
 */
#include "formats/json.h"

#include "base/error.h"
#include "formats/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 256 };

/* snprintf and strtod both follow the locale's decimal point, so they agree with each other; only
 * the finished text is rewritten to '.'. */
void fst__json_format_double(double value, char *buffer)
{
    char digits[FST__JSON_DOUBLE_SIZE];
    for (int precision = 15; precision <= 17; ++precision) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    size_t used = 0;
    bool real = false; /* has what makes a JSON number a double and no integer */
    for (const char *from = digits; *from && used < FST__JSON_DOUBLE_SIZE - 3; ++from) {
        bool plain = (*from >= '0' && *from <= '9') || *from == '-' || *from == '+' ||
                     (*from >= 'a' && *from <= 'z');
        if (*from >= 'a' && *from <= 'z')
            real = true;
        if (plain) {
            buffer[used++] = *from;
        } else if (used > 0 && buffer[used - 1] != '.') {
            buffer[used++] = '.'; /* a locale's point may be several bytes */
            real = true;
        }
    }
    if (!real) {
        buffer[used++] = '.';
        buffer[used++] = '0';
    }
    buffer[used] = '\0';
}

void fst__json_append_string(fst__text *text, const char *string, size_t length)
{
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    fst__text_append(text, "\"", 1);
    size_t start = 0;
    for (size_t i = 0; i < length; ++i) {
        unsigned char byte = (unsigned char)string[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        fst__text_append(text, string + start, i - start);
        start = i + 1;
        const char *found = memchr(special, byte, sizeof special - 1);
        if (found) {
            char escape[2] = {'\\', letters[found - special]};
            fst__text_append(text, escape, sizeof escape);
        } else {
            char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
            fst__text_append(text, escape, sizeof escape);
        }
    }
    fst__text_append(text, string + start, length - start);
    fst__text_append(text, "\"", 1);
}

static void new_line(fst__text *text, int indent, int depth)
{
    if (indent == 0)
        return;
    fst__text_append(text, "\n", 1);
    for (int i = 0; i < indent * depth; ++i)
        fst__text_append(text, " ", 1);
}

static fst_status dump(const json_t *value, int indent, int depth, fst__text *text);

static fst_status dump_object(const json_t *object, int indent, int depth, fst__text *text)
{
    /* jansson iterates in the order of insertion; its iterators take no const. */
    json_t *members = (json_t *)(uintptr_t)object;
    fst__text_append(text, "{", 1);
    void *first = json_object_iter(members);
    for (void *at = first; at; at = json_object_iter_next(members, at)) {
        const char *key = json_object_iter_key(at);
        if (at != first)
            fst__text_append(text, ",", 1);
        new_line(text, indent, depth + 1);
        fst__json_append_string(text, key, strlen(key));
        fst__text_append_string(text, indent ? ": " : ":");
        fst_status status = dump(json_object_iter_value(at), indent, depth + 1, text);
        if (status != FST_OK)
            return status;
    }
    if (first)
        new_line(text, indent, depth);
    fst__text_append(text, "}", 1);
    return FST_OK;
}

static fst_status dump_array(const json_t *array, int indent, int depth, fst__text *text)
{
    size_t count = json_array_size(array);
    fst__text_append(text, "[", 1);
    for (size_t i = 0; i < count; ++i) {
        if (i > 0)
            fst__text_append(text, ",", 1);
        new_line(text, indent, depth + 1);
        fst_status status = dump(json_array_get(array, i), indent, depth + 1, text);
        if (status != FST_OK)
            return status;
    }
    if (count > 0)
        new_line(text, indent, depth);
    fst__text_append(text, "]", 1);
    return FST_OK;
}

static fst_status dump(const json_t *value, int indent, int depth, fst__text *text)
{
    char number[FST__JSON_DOUBLE_SIZE];
    if (depth > MAX_DEPTH)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "a JSON document nests deeper than %d", MAX_DEPTH);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return dump_object(value, indent, depth, text);
    case JSON_ARRAY:
        return dump_array(value, indent, depth, text);
    case JSON_STRING:
        fst__json_append_string(text, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        fst__text_printf(text, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        if (!isfinite(json_real_value(value)))
            return fst__fail(FST_ERR_NUMERIC, "JSON has no form for a number that is not finite");
        fst__json_format_double(json_real_value(value), number);
        fst__text_append_string(text, number);
        break;
    case JSON_TRUE:
        fst__text_append_string(text, "true");
        break;
    case JSON_FALSE:
        fst__text_append_string(text, "false");
        break;
    case JSON_NULL:
        fst__text_append_string(text, "null");
        break;
    }
    return FST_OK;
}

fst_status fst__json_dump(const json_t *value, int indent, fst__text *text)
{
    if (!value) /* what jansson's constructors give when memory is out */
        return fst__fail(FST_ERR_NO_MEMORY, "a JSON document could not be built");
    fst_status status = dump(value, indent, 0, text);
    if (status == FST_OK && text->failed)
        status = fst__fail(FST_ERR_NO_MEMORY, "no memory for the text of a JSON document");
    return status;
}

fst_status fst__json_write_file(fst__allocator *allocator, const char *path, const json_t *value)
{
    fst__text text = fst__text_create(allocator);
    fst_status status = fst__json_dump(value, 2, &text);
    fst__text_append(&text, "\n", 1);
    if (status == FST_OK && text.failed)
        status = fst__fail(FST_ERR_NO_MEMORY, "%s: no memory for its text", path);
    if (status == FST_OK)
        status = fst__file_write(allocator, path, text.data, text.length);
    else
        fst__fail_in(status, "%s", path);
    fst__text_destroy(&text);
    return status;
}
