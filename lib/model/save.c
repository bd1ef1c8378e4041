#include "model/save.h"

#include "base/error.h"
#include "formats/file.h"
#include "formats/safetensors.h"
#include "fourstage/context.h"
#include "model/heads_file.h"
#include "model/hugging_face.h"

#include <string.h>

enum { CONFIG_LIMIT = 16 << 20 };

static bool is_buffer(const char *name)
{
    /* Constants that older versions of transformers stored beside the weights. */
    return strstr(name, ".attn.bias") || strstr(name, ".attn.masked_bias") ||
           strstr(name, "rotary_emb.inv_freq");
}

static fst_status check_shape(const fst__piece *piece, const fst__safetensors_tensor *tensor,
                              const char *path)
{
    int64_t first = piece->transposed ? piece->columns : piece->rows;
    int64_t second = piece->transposed ? piece->rows : piece->columns;
    bool fits = tensor->rank == piece->rank && tensor->shape[0] == first &&
                (piece->rank == 1 || tensor->shape[1] == second);
    if (fits)
        return FST_OK;
    return fst__fail(FST_ERR_MISMATCH,
                     "%s: tensor \"%s\" has shape [%lld, %lld] (rank %d), expected [%lld, %lld] by "
                     "config.json",
                     path, tensor->name, (long long)tensor->shape[0], (long long)tensor->shape[1],
                     (int)tensor->rank, (long long)first, (long long)second);
}

/* [rows, columns] from [columns, rows]. */
static void transpose(const fst__real *from, fst__real *to, int64_t rows, int64_t columns)
{
    enum { BLOCK = 32 };
    for (int64_t r0 = 0; r0 < rows; r0 += BLOCK)
        for (int64_t c0 = 0; c0 < columns; c0 += BLOCK)
            for (int64_t r = r0; r < rows && r < r0 + BLOCK; ++r)
                for (int64_t c = c0; c < columns && c < c0 + BLOCK; ++c)
                    to[r * columns + c] = from[c * rows + r];
}

static fst_status find(const fst__safetensors *file, const fst__piece *piece, const char *prefix,
                       fst__safetensors_tensor *tensor)
{
    size_t skip = strlen(prefix);
    if (!fst__safetensors_has(file, piece->name) && strncmp(piece->name, prefix, skip) == 0 &&
        fst__safetensors_has(file, piece->name + skip))
        return fst__safetensors_find(file, piece->name + skip, tensor);
    return fst__safetensors_find(file, piece->name, tensor);
}

static fst_status read_piece(fst_model *model, const fst__safetensors *file,
                             const fst__piece *piece)
{
    if (!piece->parameter)
        return FST_OK;
    fst__safetensors_tensor tensor;
    fst_status status = find(file, piece, fst__piece_prefix(model->config.family), &tensor);
    if (!status)
        status = check_shape(piece, &tensor, fst__safetensors_path(file));
    if (status)
        return status;
    fst__real *values = piece->parameter->value + piece->first_row * piece->columns;
    if (!piece->transposed)
        return fst__safetensors_read_as(file, &tensor, FST__REAL_DTYPE, values, tensor.elements);
    fst__allocator *allocator = &model->context->allocator;
    fst__real *copy = fst__alloc_array(allocator, tensor.elements, sizeof *copy);
    if (!copy)
        return FST_ERR_NO_MEMORY;
    status = fst__safetensors_read_as(file, &tensor, FST__REAL_DTYPE, copy, tensor.elements);
    if (!status)
        transpose(copy, values, piece->rows, piece->columns);
    fst__free(allocator, copy);
    return status;
}

static void warn_of_others(const fst_model *model, const fst__safetensors *file,
                           const fst__piece *pieces, int64_t count)
{
    const char *prefix = fst__piece_prefix(model->config.family);
    size_t skip = strlen(prefix);
    for (size_t i = 0; i < fst__safetensors_count(file); ++i) {
        const char *name = fst__safetensors_at(file, i).name;
        bool known = is_buffer(name) || (model->config.tied && strcmp(name, "lm_head.weight") == 0);
        for (int64_t p = 0; p < count && !known; ++p) {
            known = strcmp(pieces[p].name, name) == 0 ||
                    (strncmp(pieces[p].name, prefix, skip) == 0 &&
                     strcmp(pieces[p].name + skip, name) == 0);
        }
        if (!known)
            fst__log_write(&model->context->log, FST_LOG_WARNING, "%s: tensor \"%s\" is not used",
                           fst__safetensors_path(file), name);
    }
}

static fst_status read_weights(fst_model *model, const char *directory)
{
    fst__allocator *allocator = &model->context->allocator;
    fst__safetensors *file = NULL;
    fst__piece *pieces =
        fst__alloc_array(allocator, (size_t)fst__piece_limit(&model->config), sizeof *pieces);
    if (!pieces)
        return FST_ERR_NO_MEMORY;
    int64_t count = fst__list_pieces(&model->config, &model->parameters, pieces);
    fst_status status = fst__safetensors_open(allocator, directory, &file);
    for (int64_t i = 0; i < count && !status; ++i)
        status = read_piece(model, file, &pieces[i]);
    if (!status)
        warn_of_others(model, file, pieces, count);
    fst__safetensors_close(file);
    fst__free(allocator, pieces);
    if (!status)
        fst__parameters_refresh_working(&model->parameters, model->context->compute);
    return status;
}

static fst_status read_config(fst_context *context, const char *directory, fst_model_config *config)
{
    char *path = fst__path_join(&context->allocator, directory, "config.json");
    if (!path)
        return FST_ERR_NO_MEMORY;
    json_t *root = NULL;
    fst_status status = fst__json_read_file(&context->allocator, path, CONFIG_LIMIT, &root);
    if (!status)
        status = fst__config_from_json(root, path, config);
    if (!status) {
        status = fst__config_resolve(config);
        if (status)
            status = fst__fail_in(FST_ERR_FORMAT, "%s", path);
    }
    json_decref(root);
    fst__free(&context->allocator, path);
    return status;
}

fst_status fst__model_load(fst_context *context, const char *directory,
                           const fst_model_options *options, fst_model **out)
{
    fst_model_config config;
    fst_status status = read_config(context, directory, &config);
    if (status)
        return status;
    fst_model *model;
    status = fst__model_create(context, &config, options, false, &model);
    if (status)
        return status;
    status = read_weights(model, directory);
    if (!status)
        status = fst__heads_load(model, directory);
    if (status) {
        fst__model_release(model);
        return status;
    }
    *out = model;
    return FST_OK;
}

/* Adds a piece; `spare` receives what had to be laid out anew, to be freed after writing. */
static fst_status write_piece(fst__allocator *allocator, fst__safetensors_writer *writer,
                              const fst__piece *piece, fst__real **spare)
{
    int64_t shape[2] = {piece->rows, piece->columns};
    const fst__real *values = NULL;
    if (piece->parameter)
        values = piece->parameter->value + piece->first_row * piece->columns;
    if (piece->transposed || !values) {
        size_t count = (size_t)(piece->rows * piece->columns);
        *spare = fst__alloc_zero(allocator, count * sizeof **spare);
        if (!*spare)
            return FST_ERR_NO_MEMORY;
        if (values) {
            shape[0] = piece->columns;
            shape[1] = piece->rows;
            transpose(values, *spare, piece->columns, piece->rows);
        }
        values = *spare;
    }
    return fst__safetensors_writer_add(writer, piece->name, FST__REAL_DTYPE, piece->rank, shape,
                                       values);
}

static fst_status write_weights(const fst_model *model, const char *path)
{
    fst__allocator *allocator = &model->context->allocator;
    size_t limit = (size_t)fst__piece_limit(&model->config);
    fst__safetensors_writer *writer = NULL;
    int64_t count = 0;
    fst__piece *pieces = fst__alloc_array(allocator, limit, sizeof *pieces);
    fst__real **spare = fst__alloc_zero(allocator, limit * sizeof *spare);
    fst_status status = pieces && spare ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status)
        status = fst__safetensors_writer_create(allocator, &writer);
    if (!status) {
        count = fst__list_pieces(&model->config, &model->parameters, pieces);
        /* transformers refuses a file that does not say which framework's layout it has. */
        status = fst__safetensors_writer_metadata(writer, "format", "pt");
    }
    for (int64_t i = 0; i < count && !status; ++i)
        status = write_piece(allocator, writer, &pieces[i], &spare[i]);
    if (!status)
        status = fst__safetensors_writer_write(writer, path);
    fst__safetensors_writer_destroy(writer);
    for (int64_t i = 0; i < count; ++i)
        fst__free(allocator, spare[i]);
    fst__free(allocator, spare);
    fst__free(allocator, pieces);
    return status;
}

fst_status fst__model_save(const fst_model *model, const char *directory)
{
    fst__allocator *allocator = &model->context->allocator;
    json_t *config = NULL;
    char *config_path = fst__path_join(allocator, directory, "config.json");
    char *weights_path = fst__path_join(allocator, directory, "model.safetensors");
    fst_status status = config_path && weights_path ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status)
        status = fst__config_to_json(&model->config, &config);
    if (!status)
        status = fst__directory_create(directory);
    /* Weights first: a directory with a config.json is a whole one. */
    if (!status)
        status = write_weights(model, weights_path);
    if (!status)
        status = fst__heads_save(model, directory);
    if (!status)
        status = fst__json_write_file(allocator, config_path, config);
    json_decref(config);
    fst__free(allocator, weights_path);
    fst__free(allocator, config_path);
    return status;
}
