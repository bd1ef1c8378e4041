/* A checkpoint taken apart and written again, with a part left out or changed. */
#ifndef TESTS_SUPPORT_CHECKPOINT_PARTS_H
#define TESTS_SUPPORT_CHECKPOINT_PARTS_H

#include "formats/json.h"
#include "formats/safetensors.h"
#include "small_run.h"
#include "stages/checksum.h"

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

typedef struct parts {
    fst__allocator allocator;
    fst__safetensors *file;
    json_t *header;
    char **values; /* of each tensor */
} parts;

static inline void take_apart(parts *p, const char *path)
{
    memset(p, 0, sizeof *p);
    PARTS_OK(fst__safetensors_open(&p->allocator, path, &p->file));
    size_t count = fst__safetensors_count(p->file), size;
    p->values = malloc(count * sizeof *p->values);
    for (size_t i = 0; i < count; ++i) {
        fst__safetensors_tensor t = fst__safetensors_at(p->file, i);
        p->values[i] = malloc(t.bytes + 1);
        PARTS_OK(fst__safetensors_read(p->file, &t, p->values[i], t.bytes));
    }
    char *bytes = small_read_file(path, &size);
    uint64_t length;
    memcpy(&length, bytes, sizeof length);
    PARTS_OK(fst__json_parse(bytes + 8, length, path, &p->header));
    free(bytes);
}

static inline void parts_free(parts *p)
{
    for (size_t i = 0; i < fst__safetensors_count(p->file); ++i)
        free(p->values[i]);
    free(p->values);
    json_decref(p->header);
    fst__safetensors_close(p->file);
}

static inline uint64_t checksum_of(const void *bytes, size_t count, const char *name)
{
    fst__checksum sum = fst__checksum_begin();
    fst__checksum_add(&sum, bytes, count);
    return fst__checksum_end(&sum, name);
}

/* Without tensor or metadata entry `without` (NULL: with all); the checksum is made anew. */
static inline void write_again(parts *p, const char *path, const char *without)
{
    fst__safetensors_writer *writer;
    uint64_t checksum = 0;
    const char *key;
    json_t *value, *metadata = json_object_get(p->header, "__metadata__");
    PARTS_OK(fst__safetensors_writer_create(&p->allocator, &writer));
    for (size_t i = 0; i < fst__safetensors_count(p->file); ++i) {
        fst__safetensors_tensor t = fst__safetensors_at(p->file, i);
        if (without && strcmp(t.name, without) == 0)
            continue;
        PARTS_OK(fst__safetensors_writer_add(writer, t.name, t.dtype, t.rank, t.shape, p->values[i]));
        checksum += checksum_of(p->values[i], t.bytes, t.name);
    }
    json_object_foreach(metadata, key, value) {
        const char *saved = json_string_value(value);
        if (strcmp(key, "checksum") != 0)
            checksum += checksum_of(saved, strlen(saved), key);
    }
    char text[32];
    snprintf(text, sizeof text, "%016" PRIx64, checksum);
    json_object_foreach(metadata, key, value) {
        if (without && strcmp(key, without) == 0)
            continue;
        PARTS_OK(fst__safetensors_writer_metadata(
            writer, key, strcmp(key, "checksum") == 0 ? text : json_string_value(value)));
    }
    PARTS_OK(fst__safetensors_writer_write(writer, path));
    fst__safetensors_writer_destroy(writer);
}

/* Tensors, then entries of the metadata. */
static inline size_t parts_fields(const parts *p)
{
    return fst__safetensors_count(p->file) +
           json_object_size(json_object_get(p->header, "__metadata__"));
}

static inline const char *parts_field(const parts *p, size_t index)
{
    size_t tensors = fst__safetensors_count(p->file);
    if (index < tensors)
        return fst__safetensors_at(p->file, index).name;
    void *at = json_object_iter(json_object_get(p->header, "__metadata__"));
    for (size_t i = tensors; i < index; ++i)
        at = json_object_iter_next(json_object_get(p->header, "__metadata__"), at);
    return json_object_iter_key(at);
}

/* The first value becomes another, far from the one that was there. */
static inline void parts_change(const fst__safetensors_tensor *t, char *values, int way)
{
    double step = way == 0 ? 1 : -1;
    if (t->dtype == FST_I64) {
        int64_t value;
        memcpy(&value, values, sizeof value);
        value += (int64_t)step;
        memcpy(values, &value, sizeof value);
    } else if (t->dtype == FST_F64) {
        double value;
        memcpy(&value, values, sizeof value);
        value = isnan(value) ? 1 : value + step;
        memcpy(values, &value, sizeof value);
    } else if (t->dtype == FST_I32) {
        int32_t value;
        memcpy(&value, values, sizeof value);
        value += (int32_t)step;
        memcpy(values, &value, sizeof value);
    } else if (t->dtype == FST_U8) {
        for (size_t i = 0; i < t->bytes; ++i)
            values[i] = (char)(way == 0 ? values[i] ^ 0x55 : ~values[i]);
    } else {
        float value;
        ck_assert_int_eq(t->dtype, FST_F32);
        memcpy(&value, values, sizeof value);
        value += way == 0 ? 0.125f : -0.125f;
        memcpy(values, &value, sizeof value);
    }
}

#endif
