#include "formats/json.h"

#include "base/error.h"
#include "formats/file.h"
#include "formats/scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Whether jansson failed for want of memory. It says so only in some places; in others it calls a
 * good document a syntax error. So a document that our own scanner finds nothing wrong with was
 * refused for memory.
 */
static bool was_memory(const json_error_t *error, const char *bytes, size_t size)
{
    enum json_error_code code = json_error_code(error);
    if (code != json_error_invalid_syntax && code != json_error_unknown)
        return code == json_error_out_of_memory;
    /* Not in place, so that the scanner only reads. */
    fst__scan scan = {.file = "", .bytes = (char *)(uintptr_t)bytes, .size = size};
    char first = fst__scan_peek(&scan);
    if ((first != '{' && first != '[') || fst__scan_skip(&scan) != FST_OK)
        return false;
    return fst__scan_peek(&scan) == '\0' && scan.position == size;
}

fst_status fst__json_parse(const char *bytes, size_t size, const char *name, json_t **root)
{
    if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
        return fst__fail(FST_ERR_FORMAT, "%s: line 1, byte 0: starts with a byte order mark", name);
    json_error_t error = {0};
    json_t *value = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!value) {
        if (was_memory(&error, bytes, size))
            return fst__fail(FST_ERR_NO_MEMORY, "%s: no memory for the JSON document", name);
        return fst__fail(FST_ERR_FORMAT, "%s: line %d, byte %d: %s", name, error.line,
                         error.position, error.text);
    }
    *root = value;
    return FST_OK;
}

fst_status fst__json_read_file(fst__allocator *allocator, const char *path, size_t limit,
                               json_t **root)
{
    char *bytes;
    size_t size;
    fst_status status = fst__file_read(allocator, path, limit, &bytes, &size);
    if (status != FST_OK)
        return status;
    status = fst__json_parse(bytes, size, path, root);
    fst__free(allocator, bytes);
    return status;
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

/* *value is NULL if the member is missing or null and may be. */
static fst_status member(const json_t *object, const char *key, const char *file, bool required,
                         json_t **value)
{
    *value = NULL;
    if (!json_is_object(object))
        return fst__fail(FST_ERR_FORMAT, "%s: \"%s\" is looked for in %s, expected an object", file,
                         key, object ? type_name(object) : "nothing");
    json_t *found = json_object_get(object, key);
    if (found && !json_is_null(found))
        *value = found;
    else if (required)
        return fst__fail(FST_ERR_FORMAT, "%s: \"%s\" is %s", file, key, found ? "null" : "missing");
    return FST_OK;
}

static fst_status wrong_type(const json_t *value, const char *key, const char *file,
                             const char *expected)
{
    return fst__fail(FST_ERR_FORMAT, "%s: \"%s\" is %s, expected %s", file, key, type_name(value),
                     expected);
}

fst_status fst__json_get_int(const json_t *object, const char *key, const char *file, bool required,
                             int64_t *out, int64_t min, int64_t max)
{
    json_t *value;
    fst_status status = member(object, key, file, required, &value);
    if (status != FST_OK || !value)
        return status;
    int64_t number;
    if (json_is_integer(value)) {
        number = json_integer_value(value);
    } else {
        /* 0x1p63 is the first double beyond int64_t. */
        double real = json_is_real(value) ? json_real_value(value) : 0.5;
        if (!(real >= -0x1p63 && real < 0x1p63) || real != floor(real))
            return wrong_type(value, key, file, "an integer");
        number = (int64_t)real;
    }
    if (number < min || number > max)
        return fst__fail(FST_ERR_FORMAT, "%s: \"%s\" is %lld, expected %lld to %lld", file, key,
                         (long long)number, (long long)min, (long long)max);
    *out = number;
    return FST_OK;
}

fst_status fst__json_get_double(const json_t *object, const char *key, const char *file,
                                bool required, double *out, double min, double max)
{
    json_t *value;
    fst_status status = member(object, key, file, required, &value);
    if (status != FST_OK || !value)
        return status;
    if (!json_is_number(value))
        return wrong_type(value, key, file, "a number");
    double number = json_number_value(value);
    if (!(number >= min && number <= max)) {
        char texts[3][FST__JSON_DOUBLE_SIZE];
        fst__json_format_double(number, texts[0]);
        fst__json_format_double(min, texts[1]);
        fst__json_format_double(max, texts[2]);
        return fst__fail(FST_ERR_FORMAT, "%s: \"%s\" is %s, expected %s to %s", file, key, texts[0],
                         texts[1], texts[2]);
    }
    *out = number;
    return FST_OK;
}

fst_status fst__json_get_string(const json_t *object, const char *key, const char *file,
                                bool required, const char **out)
{
    json_t *value;
    fst_status status = member(object, key, file, required, &value);
    if (status != FST_OK || !value)
        return status;
    if (!json_is_string(value))
        return wrong_type(value, key, file, "a string");
    *out = json_string_value(value);
    return FST_OK;
}

fst_status fst__json_get_bool(const json_t *object, const char *key, const char *file,
                              bool required, bool *out)
{
    json_t *value;
    fst_status status = member(object, key, file, required, &value);
    if (status != FST_OK || !value)
        return status;
    if (!json_is_boolean(value))
        return wrong_type(value, key, file, "true or false");
    *out = json_is_true(value);
    return FST_OK;
}

fst_status fst__json_get_object(const json_t *object, const char *key, const char *file,
                                bool required, json_t **out)
{
    json_t *value;
    fst_status status = member(object, key, file, required, &value);
    if (status != FST_OK || !value)
        return status;
    if (!json_is_object(value))
        return wrong_type(value, key, file, "an object");
    *out = value;
    return FST_OK;
}

fst_status fst__json_get_array(const json_t *object, const char *key, const char *file,
                               bool required, json_t **out)
{
    json_t *value;
    fst_status status = member(object, key, file, required, &value);
    if (status != FST_OK || !value)
        return status;
    if (!json_is_array(value))
        return wrong_type(value, key, file, "an array");
    *out = value;
    return FST_OK;
}
