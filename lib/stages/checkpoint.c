#include "stages/checkpoint.h"

#include "base/error.h"
#include "formats/json.h"
#include "kernels/compute.h"
#include "kernels/gemm.h"
#include "stages/checksum.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "fourstage checkpoint 1"

enum {
    NAME_SIZE = 512,
    TEXT_SIZE = FST__JSON_DOUBLE_SIZE > 32 ? FST__JSON_DOUBLE_SIZE : 32,
    READ_SIZE = 1 << 20,
};

static const char *path_of(const fst__visitor *visitor)
{
    return fst__safetensors_path(visitor->file);
}

static void compose(fst__visitor *visitor, char *out, const char *prefix, const char *name)
{
    int length = snprintf(out, NAME_SIZE, name ? "%s.%s" : "%s", prefix, name);
    if (length < 0 || length >= NAME_SIZE)
        visitor->status = fst__fail(FST_ERR_INTERNAL, "a field named %.40s… is too long", out);
}

/* ---- tensors ---- */

static size_t view_bytes(const fst_view *view)
{
    size_t bytes = fst_dtype_size(view->dtype);
    for (int32_t d = 0; d < view->rank; ++d)
        bytes *= (size_t)view->shape[d];
    return bytes;
}

static uint64_t checksum_of(const void *bytes, size_t count, const char *name)
{
    fst__checksum sum = fst__checksum_begin();
    fst__checksum_add(&sum, bytes, count);
    return fst__checksum_end(&sum, name);
}

static void write_tensor(fst__visitor *visitor, const char *name, const fst_view *view)
{
    visitor->status = fst__safetensors_writer_add(visitor->writer, name, view->dtype, view->rank,
                                                  view->shape, view->data);
    visitor->checksum += checksum_of(view->data, view_bytes(view), name);
}

static void find_tensor(fst__visitor *visitor, const char *name, const fst_view *view,
                        fst__safetensors_tensor *tensor)
{
    if (!fst__safetensors_has(visitor->file, name)) {
        visitor->status = fst__fail(FST_ERR_FORMAT, "%s: no \"%s\", which a checkpoint of this run has",
                                    path_of(visitor), name);
        return;
    }
    visitor->status = fst__safetensors_find(visitor->file, name, tensor);
    if (visitor->status)
        return;
    bool fits = tensor->dtype == view->dtype && tensor->rank == view->rank;
    for (int32_t d = 0; fits && d < view->rank; ++d)
        fits = tensor->shape[d] == view->shape[d];
    if (!fits)
        visitor->status =
            fst__fail(FST_ERR_MISMATCH, "%s: \"%s\" has another type or shape than in this run",
                      path_of(visitor), name);
}

static void visit(fst__visitor *visitor, const char *name, const fst_view *view)
{
    ++visitor->tensors;
    if (visitor->mode == FST__VISIT_WRITE) {
        write_tensor(visitor, name, view);
        return;
    }
    fst__safetensors_tensor tensor;
    find_tensor(visitor, name, view, &tensor);
    if (!visitor->status && visitor->mode == FST__VISIT_READ)
        visitor->status =
            fst__safetensors_read(visitor->file, &tensor, view->data, view_bytes(view));
}

void fst__visit_view(fst__visitor *visitor, const char *prefix, const char *name,
                     const fst_view *view)
{
    char full[NAME_SIZE];
    if (!visitor->status)
        compose(visitor, full, prefix, name);
    if (!visitor->status)
        visit(visitor, full, view);
}

int64_t fst__visit_i64(fst__visitor *visitor, const char *prefix, const char *name, int64_t *value,
                       int64_t least, int64_t most)
{
    char full[NAME_SIZE];
    if (!visitor->status)
        compose(visitor, full, prefix, name);
    if (visitor->status)
        return *value;
    fst_view view = {.data = value, .dtype = FST_I64};
    visit(visitor, full, &view);
    if (visitor->status || visitor->mode != FST__VISIT_CHECK)
        return *value;
    int64_t in_file = 0;
    fst__safetensors_tensor tensor;
    visitor->status = fst__safetensors_find(visitor->file, full, &tensor);
    if (!visitor->status)
        visitor->status = fst__safetensors_read(visitor->file, &tensor, &in_file, sizeof in_file);
    if (!visitor->status && (in_file < least || in_file > most))
        visitor->status = fst__fail(FST_ERR_MISMATCH,
                                    "%s: \"%s\" is %" PRId64 ", expected %" PRId64 " to %" PRId64
                                    " in this run",
                                    path_of(visitor), full, in_file, least, most);
    return visitor->status ? *value : in_file;
}

void fst__visit_doubles(fst__visitor *visitor, const char *prefix, const char *name, double *values,
                        int64_t count)
{
    fst_view view = {
        .data = values, .dtype = FST_F64, .rank = 1, .shape = {count}, .strides = {1}};
    fst__visit_view(visitor, prefix, name, &view);
}

/* ---- settings ---- */

static void setting_text(const fst__setting *setting, const void *structure, char *text)
{
    const char *at = (const char *)structure + setting->offset;
    switch (setting->kind) {
    case FST__SETTING_I32: {
        int32_t value;
        memcpy(&value, at, sizeof value);
        snprintf(text, TEXT_SIZE, "%" PRId32, value);
        return;
    }
    case FST__SETTING_I64: {
        int64_t value;
        memcpy(&value, at, sizeof value);
        snprintf(text, TEXT_SIZE, "%" PRId64, value);
        return;
    }
    case FST__SETTING_F64: {
        double value;
        memcpy(&value, at, sizeof value);
        fst__json_format_double(value, text);
        return;
    }
    }
}

void fst__visit_setting_text(fst__visitor *visitor, const char *key, const char *value, int strict)
{
    if (visitor->status)
        return;
    if (visitor->mode == FST__VISIT_WRITE) {
        visitor->status = fst__safetensors_writer_metadata(visitor->writer, key, value);
        visitor->checksum += checksum_of(value, strlen(value), key);
        return;
    }
    if (visitor->mode == FST__VISIT_READ)
        return;
    const char *saved = fst__safetensors_metadata(visitor->file, key);
    if (saved)
        visitor->checksum += checksum_of(saved, strlen(saved), key);
    if (!saved)
        visitor->status = fst__fail(FST_ERR_FORMAT,
                                    "%s: no \"%s\" in its metadata, which a checkpoint of this run has",
                                    path_of(visitor), key);
    else if (strcmp(saved, value) != 0 && strict)
        visitor->status = fst__fail(FST_ERR_MISMATCH, "%s: %s was %.100s, in this run it is %s",
                                    path_of(visitor), key, saved, value);
    else if (strcmp(saved, value) != 0)
        fst__log_write(&visitor->context->log, FST_LOG_WARNING,
                       "%s: %s was %.100s, in this run it is %s", path_of(visitor), key, saved,
                       value);
}

void fst__visit_setting_bytes(fst__visitor *visitor, const char *key, const void *bytes, size_t size,
                              int strict)
{
    char text[32] = "none";
    if (bytes)
        snprintf(text, sizeof text, "%016" PRIx64, checksum_of(bytes, size, key));
    fst__visit_setting_text(visitor, key, text, strict);
}

void fst__visit_settings(fst__visitor *visitor, const char *prefix, const fst__setting *settings,
                         size_t count, const void *structure)
{
    char key[NAME_SIZE], text[TEXT_SIZE];
    for (size_t i = 0; i < count && !visitor->status; ++i) {
        compose(visitor, key, prefix, settings[i].name);
        setting_text(&settings[i], structure, text);
        fst__visit_setting_text(visitor, key, text, settings[i].strict);
    }
}

/* What every checkpoint begins with. */
static void visit_head(fst__visitor *visitor, const char *stage)
{
    char seed[TEXT_SIZE];
    snprintf(seed, sizeof seed, "%" PRIu64, visitor->context->seed);
    fst__visit_setting_text(visitor, "format", FORMAT, 1);
    fst__visit_setting_text(visitor, "stage", stage, 1);
    fst__visit_setting_text(visitor, "seed", seed, 1);
    fst__visit_setting_text(visitor, "provider",
                            fst__gemm_provider_name(visitor->context->compute->gemm), 0);
}

/* ---- files ---- */

fst_status fst__checkpoint_write(fst_context *context, const char *path, const char *stage,
                                 fst__walk walk, void *owner)
{
    fst__visitor visitor = {.mode = FST__VISIT_WRITE, .context = context};
    fst_status status = fst__safetensors_writer_create(&context->allocator, &visitor.writer);
    if (status)
        return status;
    visit_head(&visitor, stage);
    walk(owner, &visitor);
    status = visitor.status;
    char checksum[TEXT_SIZE];
    snprintf(checksum, sizeof checksum, "%016" PRIx64, visitor.checksum);
    if (!status)
        status = fst__safetensors_writer_metadata(visitor.writer, "checksum", checksum);
    if (!status)
        status = fst__safetensors_writer_write(visitor.writer, path);
    fst__safetensors_writer_destroy(visitor.writer);
    return status;
}

static fst_status tensor_checksum(const fst__safetensors *file,
                                  const fst__safetensors_tensor *tensor, char *buffer, uint64_t *out)
{
    fst__checksum sum = fst__checksum_begin();
    for (size_t done = 0; done < tensor->bytes;) {
        size_t count = tensor->bytes - done < READ_SIZE ? tensor->bytes - done : READ_SIZE;
        fst_status status = fst__safetensors_bytes(file, tensor, done, buffer, count);
        if (status)
            return status;
        fst__checksum_add(&sum, buffer, count);
        done += count;
    }
    *out = fst__checksum_end(&sum, tensor->name);
    return FST_OK;
}

/* `total`: what the settings came to. */
static fst_status check_checksum(fst_context *context, const fst__safetensors *file, uint64_t total)
{
    const char *path = fst__safetensors_path(file);
    const char *saved = fst__safetensors_metadata(file, "checksum");
    if (!saved)
        return fst__fail(FST_ERR_FORMAT, "%s: no \"checksum\" in its metadata", path);
    char *buffer = fst__alloc(&context->allocator, READ_SIZE);
    if (!buffer)
        return FST_ERR_NO_MEMORY;
    fst_status status = FST_OK;
    for (size_t i = 0; !status && i < fst__safetensors_count(file); ++i) {
        fst__safetensors_tensor tensor = fst__safetensors_at(file, i);
        uint64_t sum = 0;
        status = tensor_checksum(file, &tensor, buffer, &sum);
        total += sum;
    }
    fst__free(&context->allocator, buffer);
    char text[TEXT_SIZE];
    snprintf(text, sizeof text, "%016" PRIx64, total);
    if (!status && strcmp(text, saved) != 0)
        return fst__fail(FST_ERR_FORMAT, "%s: the checksum is %s, expected %.40s: the file is damaged",
                         path, text, saved);
    return status;
}

static fst_status check_file(fst__visitor *visitor, const char *stage, fst__walk walk, void *owner)
{
    const char *path = path_of(visitor);
    const char *format = fst__safetensors_metadata(visitor->file, "format");
    if (!format || strcmp(format, FORMAT) != 0)
        return fst__fail(FST_ERR_FORMAT, "%s: not a checkpoint that this library knows: its metadata "
                                         "has format %.100s, expected " FORMAT,
                         path, format ? format : "(none)");
    visit_head(visitor, stage);
    walk(owner, visitor);
    if (visitor->status)
        return visitor->status;
    if (visitor->tensors != fst__safetensors_count(visitor->file))
        return fst__fail(FST_ERR_MISMATCH, "%s: %zu tensors, this run's state has %zu", path,
                         fst__safetensors_count(visitor->file), visitor->tensors);
    return check_checksum(visitor->context, visitor->file, visitor->checksum);
}

fst_status fst__checkpoint_read(fst_context *context, const char *path, const char *stage,
                                fst__walk walk, void *owner, bool *changed)
{
    *changed = false;
    fst__safetensors *file;
    fst_status status = fst__safetensors_open(&context->allocator, path, &file);
    if (status)
        return status;
    fst__visitor visitor = {.mode = FST__VISIT_CHECK, .context = context, .file = file};
    status = check_file(&visitor, stage, walk, owner);
    if (!status) {
        *changed = true;
        visitor = (fst__visitor){.mode = FST__VISIT_READ, .context = context, .file = file};
        walk(owner, &visitor);
        status = visitor.status;
    }
    fst__safetensors_close(file);
    return status;
}
