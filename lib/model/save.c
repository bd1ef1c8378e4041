#include "model/save.h"

#include "base/error.h"
#include "formats/file.h"
#include "formats/safetensors.h"
#include "fourstage/context.h"
#include "model/heads.h"
#include "model/heads_file.h"
#include "model/hugging_face.h"
#include "model/hugging_face_encoder.h"
#include "model/hugging_face_image.h"
#include "model/own_directory.h"
#include "model/sentence.h"

#include <stdio.h>
#include <string.h>

enum { CONFIG_LIMIT = 16 << 20 };

/* A directory being read. */
typedef struct source {
    json_t *config;
    char *config_path;
    fst__safetensors *file;  /* model.safetensors or its shards */
    fst__safetensors *aside; /* heads.safetensors, or NULL */
} source;

static bool is_buffer(const char *name)
{
    /* Constants that older versions of transformers stored beside the weights. */
    return strstr(name, ".attn.bias") || strstr(name, ".attn.masked_bias") ||
           strstr(name, "rotary_emb.inv_freq") || strstr(name, "embeddings.position_ids") ||
           strstr(name, "embeddings.token_type_ids") ||
           strstr(name, "normalization.num_batches_tracked");
}

/* What a model whose output matrix is its embedding has no use for. */
static bool is_tied(const char *name)
{
    static const char *const names[] = {"lm_head.weight", "decoder.weight", "lm_head.decoder.weight",
                                        "lm_head.decoder.bias", "cls.predictions.decoder.weight",
                                        "cls.predictions.decoder.bias"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        found |= strcmp(names[i], name) == 0;
    return found;
}

static fst_status check_long_shape(const fst__piece *piece, const fst__safetensors_tensor *tensor,
                                   const char *path)
{
    bool fits = tensor->rank == piece->rank;
    for (int32_t d = 0; fits && d < piece->rank; ++d)
        fits = tensor->shape[d] == piece->shape[d];
    if (fits)
        return FST_OK;
    return fst__fail(FST_ERR_MISMATCH,
                     "%s: tensor \"%s\" has shape [%lld, %lld, %lld, %lld] (rank %d), expected [%lld, "
                     "%lld, %lld, %lld] (rank %d) by config.json",
                     path, tensor->name, (long long)tensor->shape[0], (long long)tensor->shape[1],
                     (long long)tensor->shape[2], (long long)tensor->shape[3], (int)tensor->rank,
                     (long long)piece->shape[0], (long long)piece->shape[1],
                     (long long)piece->shape[2], (long long)piece->shape[3], (int)piece->rank);
}

static fst_status check_shape(const fst__piece *piece, const fst__safetensors_tensor *tensor,
                              const char *path)
{
    if (piece->rank > 2)
        return check_long_shape(piece, tensor, path);
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

/* A convolution's rows from [channels, places] to [places, channels], or, if `out`, back. */
static void turn_rows(const fst__piece *piece, const fst__real *from, fst__real *to, bool out)
{
    int64_t channels = piece->columns / piece->places;
    for (int64_t r = 0; r < piece->rows; ++r)
        transpose(from + r * piece->columns, to + r * piece->columns,
                  out ? channels : piece->places, out ? piece->places : channels);
}

/* "…LayerNorm.gamma" of "…LayerNorm.weight", "….beta" of "….bias", as TensorFlow's BERT named them;
 * "….decoder.bias" of a masked-LM head's "….bias". */
static bool older_name(const char *name, char older[FST__PIECE_NAME_SIZE + 8])
{
    static const char *const ends[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
                                          {"LayerNorm.bias", "LayerNorm.beta"},
                                          {"cls.predictions.bias", "cls.predictions.decoder.bias"},
                                          {"lm_head.bias", "lm_head.decoder.bias"}};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; ++i) {
        size_t tail = strlen(ends[i][0]);
        if (length < tail || strcmp(name + length - tail, ends[i][0]) != 0)
            continue;
        snprintf(older, FST__PIECE_NAME_SIZE + 8, "%.*s%s", (int)(length - tail), name, ends[i][1]);
        return true;
    }
    return false;
}

/* Whether the file's tensor `name` is the piece: by its name, without the prefix that base-model
 * files leave out, or by an older name. */
static bool is_piece(const fst__piece *piece, const char *prefix, const char *name)
{
    size_t skip = strncmp(piece->name, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
    char older[FST__PIECE_NAME_SIZE + 8];
    if (strcmp(name, piece->name) == 0 || strcmp(name, piece->name + skip) == 0)
        return true;
    return older_name(piece->name, older) &&
           (strcmp(name, older) == 0 || strcmp(name, older + skip) == 0);
}

static fst_status find(const fst__safetensors *file, const fst__piece *piece, const char *prefix,
                       fst__safetensors_tensor *tensor)
{
    size_t skip = strncmp(piece->name, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
    char older[FST__PIECE_NAME_SIZE + 8];
    const char *names[4] = {piece->name, piece->name + skip};
    if (older_name(piece->name, older)) {
        names[2] = older;
        names[3] = older + skip;
    }
    for (int i = 0; i < 4 && names[i]; ++i) {
        if (fst__safetensors_has(file, names[i]))
            return fst__safetensors_find(file, names[i], tensor);
    }
    return fst__safetensors_find(file, piece->name, tensor);
}

static fst_status read_piece(fst_model *model, const source *from, const fst__piece *piece)
{
    if (!piece->parameter)
        return FST_OK;
    const fst__safetensors *file = from->file;
    fst__safetensors_tensor tensor;
    fst_status status;
    if (piece->aside && from->aside && fst__safetensors_has(from->aside, piece->parameter->name)) {
        file = from->aside;
        status = fst__safetensors_find(file, piece->parameter->name, &tensor);
    } else {
        status = find(file, piece, fst__piece_prefix(model->config.family), &tensor);
    }
    if (!status)
        status = check_shape(piece, &tensor, fst__safetensors_path(file));
    if (status)
        return status;
    fst__real *values = piece->parameter->value + piece->first_row * piece->columns;
    if (!piece->transposed && !piece->places)
        return fst__safetensors_read_as(file, &tensor, FST__REAL_DTYPE, values, tensor.elements);
    fst__allocator *allocator = &model->context->allocator;
    fst__real *copy = fst__alloc_array(allocator, tensor.elements, sizeof *copy);
    if (!copy)
        return FST_ERR_NO_MEMORY;
    status = fst__safetensors_read_as(file, &tensor, FST__REAL_DTYPE, copy, tensor.elements);
    if (!status && piece->places)
        turn_rows(piece, copy, values, false);
    else if (!status)
        transpose(copy, values, piece->rows, piece->columns);
    fst__free(allocator, copy);
    return status;
}

static void warn_of_others(const fst_model *model, const fst__safetensors *file,
                           const fst__piece *pieces, int64_t count)
{
    const char *prefix = fst__piece_prefix(model->config.family);
    for (size_t i = 0; i < fst__safetensors_count(file); ++i) {
        const char *name = fst__safetensors_at(file, i).name;
        bool known = is_buffer(name) || (model->config.tied && is_tied(name));
        for (int64_t p = 0; p < count && !known; ++p)
            known = is_piece(&pieces[p], prefix, name);
        if (!known)
            fst__log_write(&model->context->log, FST_LOG_WARNING, "%s: tensor \"%s\" is not used",
                           fst__safetensors_path(file), name);
    }
}

static fst_status read_weights(fst_model *model, const source *from)
{
    fst__allocator *allocator = &model->context->allocator;
    fst__piece *pieces =
        fst__alloc_array(allocator, (size_t)fst__piece_limit(&model->config), sizeof *pieces);
    if (!pieces)
        return FST_ERR_NO_MEMORY;
    int64_t count = fst__list_pieces(model, pieces);
    fst_status status = FST_OK;
    for (int64_t i = 0; i < count && !status; ++i)
        status = read_piece(model, from, &pieces[i]);
    if (!status)
        warn_of_others(model, from->file, pieces, count);
    fst__free(allocator, pieces);
    if (!status)
        fst__parameters_refresh_working(&model->parameters, model->context->compute);
    return status;
}

static void close_source(fst_context *context, source *from)
{
    fst__safetensors_close(from->aside);
    fst__safetensors_close(from->file);
    json_decref(from->config);
    fst__free(&context->allocator, from->config_path);
}

static fst_status open_source(fst_context *context, const char *directory, source *from)
{
    fst__allocator *allocator = &context->allocator;
    *from = (source){.config_path = fst__path_join(allocator, directory, "config.json")};
    if (!from->config_path)
        return FST_ERR_NO_MEMORY;
    fst_status status =
        fst__json_read_file(allocator, from->config_path, CONFIG_LIMIT, &from->config);
    if (!status)
        status = fst__safetensors_open(allocator, directory, &from->file);
    if (!status)
        status = fst__heads_open(allocator, directory, &from->aside);
    return status;
}

static fst_status read_config(const source *from, fst_model_config *config)
{
    fst_status status = fst__config_from_json(from->config, from->config_path, config);
    if (status)
        return status;
    if (fst__is_encoder_family(config->family) && !fst__is_own_config(config))
        fst__encoder_config_complete(from->file, from->aside, config);
    status = fst__config_resolve(config);
    return status ? fst__fail_in(FST_ERR_FORMAT, "%s", from->config_path) : FST_OK;
}

/* All heads in their order: those of heads.safetensors, and the class's own where that does not
 * tell its place. */
static fst_status read_heads(fst_model *model, const source *from)
{
    fst_head_options own = {0};
    fst_status status = FST_OK;
    if (fst__is_own_config(&model->config))
        status = FST_OK; /* all of them are in heads.safetensors */
    else if (fst__is_image_family(model->config.family))
        status = fst__image_head_read(from->file, &model->config, &own);
    else if (fst__is_encoder_family(model->config.family))
        status = fst__encoder_head_read(from->config, from->config_path, from->file,
                                        &model->config, &own);
    if (!status && from->aside)
        status = fst__heads_read(model, from->aside, &own);
    if (status || !own.name)
        return status;
    if (!fst__head_find(model, own.name)) {
        status = fst__model_add_head(model, &own, false);
        if (status)
            return fst__fail_in(status == FST_ERR_NO_MEMORY ? status : FST_ERR_FORMAT, "%s",
                                from->config_path);
    }
    return fst__encoder_labels_read(from->config, from->config_path, model,
                                    fst__head_find(model, own.name));
}

static fst_status load(fst_context *context, const source *from, const fst_model_options *options,
                       fst_model **out)
{
    fst_model_config config;
    fst_model *model;
    fst_status status = read_config(from, &config);
    if (status)
        return status;
    status = fst__model_create(context, &config, options, false, &model);
    if (status)
        return status;
    status = read_heads(model, from);
    if (!status)
        status = read_weights(model, from);
    if (status) {
        fst__model_release(model);
        return status;
    }
    *out = model;
    return FST_OK;
}

fst_status fst__model_load(fst_context *context, const char *directory,
                           const fst_model_options *options, fst_model **out)
{
    source from;
    fst_status status = open_source(context, directory, &from);
    if (!status)
        status = load(context, &from, options, out);
    close_source(context, &from);
    if (status)
        return status;
    status = fst__sentence_load(*out, directory);
    if (status) {
        fst__model_release(*out);
        *out = NULL;
    }
    return status;
}

/* Adds a piece; `spare` receives what had to be laid out anew, to be freed after writing. */
static fst_status write_piece(fst__allocator *allocator, fst__safetensors_writer *writer,
                              const fst__piece *piece, const char *name, fst__real **spare)
{
    int64_t shape[4] = {piece->rows, piece->columns};
    if (piece->rank > 2)
        memcpy(shape, piece->shape, sizeof shape);
    const fst__real *values = NULL;
    if (piece->parameter)
        values = piece->parameter->value + piece->first_row * piece->columns;
    if (piece->transposed || piece->places || !values) {
        size_t count = (size_t)(piece->rows * piece->columns);
        *spare = fst__alloc_zero(allocator, count * sizeof **spare);
        if (!*spare)
            return FST_ERR_NO_MEMORY;
        if (values && piece->places) {
            turn_rows(piece, values, *spare, true);
        } else if (values) {
            shape[0] = piece->columns;
            shape[1] = piece->rows;
            transpose(values, *spare, piece->columns, piece->rows);
        }
        values = *spare;
    }
    return fst__safetensors_writer_add(writer, name, FST__REAL_DTYPE, piece->rank, shape, values);
}

/* The bare encoder's file leaves the prefix out. */
static const char *written_name(const fst_model *model, const fst__piece *piece)
{
    const char *prefix = fst__piece_prefix(model->config.family);
    if (fst__is_own_config(&model->config))
        return piece->name;
    bool base = fst__is_image_family(model->config.family)
                    ? !fst__image_class_head(model)
                    : fst__is_encoder_family(model->config.family) &&
                          fst__encoder_class_of(model).kind == FST__ENCODER_MODEL;
    bool bare = base && strncmp(piece->name, prefix, strlen(prefix)) == 0;
    return bare ? piece->name + strlen(prefix) : piece->name;
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
        count = fst__list_pieces(model, pieces);
        /* transformers refuses a file that does not say which framework's layout it has. */
        status = fst__safetensors_writer_metadata(writer, "format", "pt");
    }
    for (int64_t i = 0; i < count && !status; ++i) {
        if (!pieces[i].aside)
            status = write_piece(allocator, writer, &pieces[i], written_name(model, &pieces[i]),
                                 &spare[i]);
    }
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
        status = fst__config_to_json(model, &config);
    if (!status)
        status = fst__directory_create(directory);
    /* Weights first: a directory with a config.json is a whole one. */
    if (!status)
        status = write_weights(model, weights_path);
    if (!status)
        status = fst__heads_save(model, directory);
    if (!status)
        status = fst__sentence_save(model, directory);
    if (!status)
        status = fst__json_write_file(allocator, config_path, config);
    json_decref(config);
    fst__free(allocator, weights_path);
    fst__free(allocator, config_path);
    return status;
}
