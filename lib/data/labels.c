#include "data/labels.h"

#include "base/error.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

json_t *fst__record_field(const json_t *record, const char *name)
{
    json_t *member = json_object_get(record, name);
    const char *dot = strchr(name, '.');
    while (!member && dot) {
        json_t *inner = json_object_getn(record, name, (size_t)(dot - name));
        if (!inner)
            return NULL;
        record = inner;
        name = dot + 1;
        member = json_object_get(record, name);
        dot = strchr(name, '.');
    }
    return member;
}

bool fst__parse_number(const char *text, size_t length, double *value)
{
    while (length > 0 && (text[0] == ' ' || text[0] == '\t'))
        ++text, --length;
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        --length;
    if (length == 0 || !(text[0] == '-' || (text[0] >= '0' && text[0] <= '9')))
        return false;
    json_t *number = json_loadb(text, length, JSON_DECODE_ANY, NULL);
    bool found = json_is_number(number);
    if (found)
        *value = json_number_value(number);
    json_decref(number);
    return found;
}

/* "name=number" up to `end`. */
static fst_status parse_value(fst__label *label, const char *entry, const char *end, int64_t index)
{
    const char *equals = end;
    while (equals > entry && equals[-1] != '=')
        --equals;
    double value;
    if (equals == entry || !fst__parse_number(equals, (size_t)(end - equals), &value))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "label_values[%lld]: \"%.*s\", expected name=number", (long long)index,
                         (int)(end - entry < 60 ? end - entry : 60), entry);
    size_t length = (size_t)(equals - 1 - entry);
    if (length == 1 && *entry == '*') {
        label->has_other = true;
        label->other = value;
    } else {
        label->values[label->value_count++] = (fst__label_value){entry, length, value};
    }
    return FST_OK;
}

static fst_status parse_values(fst__allocator *allocator, fst__label *label, const char *list,
                               int64_t index)
{
    size_t entries = 1;
    for (const char *at = list; *at; ++at)
        entries += *at == ',';
    label->values = fst__alloc_array(allocator, entries, sizeof *label->values);
    if (!label->values)
        return FST_ERR_NO_MEMORY;
    fst_status status = FST_OK;
    for (const char *entry = list; !status;) {
        const char *comma = strchr(entry, ',');
        const char *end = comma ? comma : entry + strlen(entry);
        status = parse_value(label, entry, end, index);
        if (!comma)
            break;
        entry = comma + 1;
    }
    return status;
}

fst_status fst__labels_open(fst__labels *labels, fst__allocator *allocator,
                            const fst_example_options *options, int64_t count)
{
    *labels = (fst__labels){.allocator = allocator};
    labels->labels = fst__alloc_zero(allocator, (size_t)count * sizeof *labels->labels);
    labels->row = fst__alloc_array(allocator, (size_t)count, sizeof(float));
    if (!labels->labels || !labels->row)
        return FST_ERR_NO_MEMORY;
    labels->count = count;
    if (count > 1 && !options->label_fields)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "label_count is %lld and label_fields is NULL; it names a field for each",
                         (long long)count);
    fst_status status = FST_OK;
    for (int64_t i = 0; i < count && !status; ++i) {
        fst__label *label = &labels->labels[i];
        label->field = options->label_fields ? options->label_fields[i] : "label";
        if (!label->field)
            status =
                fst__fail(FST_ERR_INVALID_ARGUMENT, "label_fields[%lld] is NULL", (long long)i);
        else if (options->label_values && options->label_values[i])
            status = parse_values(allocator, label, options->label_values[i], i);
    }
    return status;
}

void fst__labels_close(fst__labels *labels)
{
    if (!labels->allocator)
        return;
    for (int64_t i = 0; i < labels->count; ++i)
        fst__free(labels->allocator, labels->labels[i].values);
    fst__free(labels->allocator, labels->row);
    fst__free(labels->allocator, labels->labels);
    *labels = (fst__labels){0};
}

static double named_value(const fst__label *label, const char *name)
{
    size_t length = strlen(name);
    for (int64_t i = 0; i < label->value_count; ++i) {
        const fst__label_value *value = &label->values[i];
        if (value->length == length && memcmp(value->name, name, length) == 0)
            return value->value;
    }
    return label->has_other ? label->other : (double)NAN;
}

/* A value that is no array; an empty text is missing. */
static fst_status read_scalar(const fst__label *label, const json_t *value, double *out)
{
    bool named = label->value_count > 0 || label->has_other;
    char digits[32];
    const char *text = json_string_value(value);
    if (json_is_boolean(value)) {
        text = json_is_true(value) ? "true" : "false";
        *out = json_is_true(value);
    } else if (json_is_number(value)) {
        *out = json_number_value(value);
        if (json_is_integer(value)) {
            snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
            text = digits;
        }
    } else if (!text) {
        return fst__fail(FST_ERR_FORMAT, "\"%s\" is an object, expected a number or a text",
                         label->field);
    } else if (!*text) {
        *out = (double)NAN;
        return FST_OK;
    } else if (!named && !fst__parse_number(text, strlen(text), out)) {
        return fst__fail(FST_ERR_FORMAT,
                         "\"%s\" is \"%.60s\", expected a number; label_values gives texts one",
                         label->field, text);
    }
    if (named && text)
        *out = named_value(label, text);
    if (fabs(*out) > FLT_MAX)
        return fst__fail(FST_ERR_FORMAT, "\"%s\" is %g, which is no float", label->field, *out);
    return FST_OK;
}

/* Of an array the greatest of what is there. */
static fst_status read_value(const fst__label *label, const json_t *value, double *out)
{
    *out = (double)NAN;
    if (!value || json_is_null(value))
        return FST_OK;
    if (!json_is_array(value))
        return read_scalar(label, value, out);
    fst_status status = FST_OK;
    for (size_t i = 0; i < json_array_size(value) && !status; ++i) {
        const json_t *element = json_array_get(value, i);
        double one = (double)NAN;
        if (json_is_array(element))
            status = fst__fail(FST_ERR_FORMAT, "\"%s\" is an array of arrays", label->field);
        else if (!json_is_null(element))
            status = read_scalar(label, element, &one);
        if (!status && (isnan(*out) || one > *out))
            *out = isnan(one) ? *out : one;
    }
    return status;
}

fst_status fst__labels_read(fst__labels *labels, const json_t *record, int64_t file_index)
{
    for (int64_t i = 0; i < labels->count; ++i) {
        const fst__label *label = &labels->labels[i];
        double value = (double)file_index;
        if (strcmp(label->field, "@file") != 0) {
            fst_status status = read_value(label, fst__record_field(record, label->field), &value);
            if (status)
                return status;
        }
        labels->row[i] = (float)value;
    }
    return FST_OK;
}
