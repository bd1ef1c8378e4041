#include "stages/embedding.h"

#include "base/checked.h"
#include "base/error.h"
#include "model/sentence.h"
#include "stages/data_checks.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { LENGTH_STEP = 16 }; /* a few lengths only, so that products meet shapes they know */

/* ---- what of a forward it is ---- */

fst_status fst__embedding_open(fst_model *model, const char *head, int32_t pooling,
                               const char *what, fst__embedding *out)
{
    const fst_sentence_options *sentence = fst__model_sentence(model);
    if (pooling == FST_POOL_AUTO)
        pooling = sentence ? sentence->pooling : FST_POOL_MEAN;
    *out = (fst__embedding){.model = model, .pooling = pooling, .width = model->config.width};
    if (!head) {
        if (pooling < FST_POOL_LAST || pooling > FST_POOL_POOLER)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.pooling: expected an FST_POOL_ value",
                             what);
        if (pooling == FST_POOL_POOLER && !model->config.pooler)
            return fst__fail(FST_ERR_MISMATCH,
                             "%s.pooling: the model has no pooler, see fst_model_config.pooler",
                             what);
        return FST_OK;
    }
    out->head = fst__head_find(model, head);
    if (!out->head)
        return fst__fail(FST_ERR_NOT_FOUND,
                         "%s.head: the model has no head \"%s\"; see fst_model_add_head", what, head);
    if (out->head->options.kind != FST_HEAD_SEQUENCE)
        return fst__fail(FST_ERR_MISMATCH, "%s.head: \"%s\" is not an FST_HEAD_SEQUENCE head", what,
                         head);
    out->width = out->head->options.outputs;
    return FST_OK;
}

fst_status fst__embedding_reserve(const fst__embedding *e, int64_t rows, int64_t *bytes)
{
    fst__allocator *allocator = &e->model->context->allocator;
    size_t size;
    *bytes = 0;
    if (!e->head)
        return FST_OK;
    if (!fst__mul_size((size_t)rows, (size_t)e->width, &size))
        return fst__fail(FST_ERR_NO_MEMORY, "the embeddings are too large");
    fst_status status = fst__buffer_want(allocator, &e->head->output, size);
    if (!status)
        status = fst__buffer_want(allocator, &e->head->gradient, size);
    *bytes = 2 * (int64_t)(size * sizeof(fst__real));
    return status;
}

static const char *output_name(const fst__embedding *e)
{
    return e->head ? e->head->name : "pooled";
}

fst_status fst__embedding_read(const fst__embedding *e, int64_t rows, fst__real *out)
{
    fst_view view;
    if (!e->head && e->pooling != FST_POOL_POOLER)
        return fst__model_pool(e->model, e->pooling, out);
    fst_status status = fst__model_output(e->model, output_name(e), &view);
    if (!status)
        memcpy(out, view.data, (size_t)(rows * e->width) * sizeof *out);
    return status;
}

fst_status fst__embedding_add_gradient(const fst__embedding *e, int64_t rows, fst__real *gradient)
{
    if (!e->head && e->pooling != FST_POOL_POOLER)
        return fst__model_pool_gradient(e->model, e->pooling, gradient);
    const fst_view view = {
        .data = gradient,
        .dtype = FST__REAL_DTYPE,
        .rank = 2,
        .shape = {rows, e->width},
        .strides = {e->width, 1},
    };
    return fst__model_add_gradient(e->model, output_name(e), &view);
}

/* ---- sequences into the model ---- */

static fst_status open_texts(fst__embed_batch *batch, fst__allocator *allocator, int64_t *bytes)
{
    size_t ids;
    if (!fst__mul_size((size_t)batch->rows, (size_t)batch->length, &ids))
        return fst__fail(FST_ERR_NO_MEMORY, "the batch is too large");
    batch->lengths = fst__alloc_array(allocator, (size_t)batch->rows, sizeof *batch->lengths);
    batch->ids = fst__alloc_array(allocator, ids, sizeof *batch->ids);
    *bytes += (int64_t)((size_t)batch->rows * sizeof *batch->lengths + ids * sizeof *batch->ids);
    return batch->lengths && batch->ids ? FST_OK : FST_ERR_NO_MEMORY;
}

static fst_status open_images(fst__embed_batch *batch, const fst_dataset *dataset,
                              const fst_augment_options *augment, const char *name, int64_t *bytes)
{
    size_t image = (size_t)fst__image_values(&fst__images_of(dataset)->pixels->shape) * sizeof(float);
    fst_status status = fst__augmenter_open(dataset, augment, name, &batch->augmenter);
    if (status)
        return status;
    batch->images = fst__alloc_array(&dataset->context->allocator, (size_t)batch->rows, image);
    *bytes += batch->rows * (int64_t)image + fst__augmenter_bytes(batch->augmenter);
    return batch->images ? FST_OK : FST_ERR_NO_MEMORY;
}

fst_status fst__embed_batch_open(fst__embed_batch *batch, const fst_dataset *dataset, int64_t rows,
                                 int64_t length, const fst_augment_options *augment,
                                 const char *name, int64_t *bytes)
{
    fst__allocator *allocator = &dataset->context->allocator;
    *batch = (fst__embed_batch){.rows = rows, .length = length};
    batch->examples = fst__alloc_array(allocator, (size_t)rows, sizeof *batch->examples);
    batch->sequences = fst__alloc_array(allocator, (size_t)rows, sizeof *batch->sequences);
    if (!batch->examples || !batch->sequences)
        return FST_ERR_NO_MEMORY;
    *bytes += 2 * rows * (int64_t)sizeof *batch->examples;
    return fst__is_images(dataset) ? open_images(batch, dataset, augment, name, bytes)
                                   : open_texts(batch, allocator, bytes);
}

void fst__embed_batch_close(fst__embed_batch *batch, fst__allocator *allocator)
{
    fst__free(allocator, batch->images);
    fst__augmenter_close(batch->augmenter);
    fst__free(allocator, batch->ids);
    fst__free(allocator, batch->lengths);
    fst__free(allocator, batch->sequences);
    fst__free(allocator, batch->examples);
}

static int64_t padded_length(const fst__embed_batch *batch, const fst_dataset *dataset,
                             int64_t rows)
{
    int64_t longest = 1;
    for (int64_t b = 0; b < rows; ++b) {
        fst_example example;
        fst__examples_get(dataset, batch->examples[b], batch->sequences[b], &example);
        longest = example.length > longest ? example.length : longest;
    }
    int64_t rounded = (longest + LENGTH_STEP - 1) / LENGTH_STEP * LENGTH_STEP;
    return rounded < batch->length ? rounded : batch->length;
}

static fst_status fill_texts(fst__embed_batch *batch, const fst_dataset *dataset, int64_t rows,
                             int64_t *tokens, fst_batch *input)
{
    int64_t length = padded_length(batch, dataset, rows);
    fst_status status = fst__examples_collate(dataset, batch->examples, batch->sequences, rows,
                                              length, batch->ids, NULL, batch->lengths);
    input->length = length;
    input->ids = batch->ids;
    input->lengths = batch->lengths;
    for (int64_t b = 0; !status && tokens && b < rows; ++b)
        *tokens += batch->lengths[b];
    return status;
}

fst_status fst__embed_batch_forward(fst__embed_batch *batch, fst_model *model, int64_t rows,
                                    const fst__embed_pass *pass, int64_t *tokens)
{
    fst_batch input = {.struct_size = sizeof input, .rows = rows};
    fst_status status = FST_OK;
    if (!batch->augmenter) {
        status = fill_texts(batch, pass->dataset, rows, tokens, &input);
    } else {
        fst__augmenter_read(batch->augmenter, pass->dataset, batch->examples, rows, true,
                            pass->draw, batch->images);
        input.images = batch->images;
        if (tokens)
            *tokens += rows;
    }
    return status ? status : fst__model_forward(model, &input, pass->training, pass->step);
}

fst_status fst__embed_check_data(const fst_model *model, const fst_dataset *dataset,
                                 const char *what)
{
    fst_status status = fst__examples_check_any(dataset, what);
    if (status)
        return status;
    const fst__data_length length = {dataset->documents->examples->longest, "a sequence",
                                     "; max_length and too_long of fst_example_options say what "
                                     "becomes of longer ones"};
    return fst__data_check(model, dataset, what, &length);
}

/* ---- a whole dataset ---- */

fst_embed_options fst__embed_defaults(void)
{
    return (fst_embed_options){.struct_size = sizeof(fst_embed_options),
                               .pooling = FST_POOL_AUTO, .normalise = 1, .rows = 32};
}

static fst_status scale_rows(fst__real *embeddings, int64_t rows, int64_t width, int64_t first,
                             bool normalise)
{
    for (int64_t r = 0; r < rows; ++r) {
        fst__real *row = embeddings + r * width;
        double squares = 0;
        for (int64_t i = 0; i < width; ++i)
            squares += (double)row[i] * (double)row[i];
        if (!isfinite(squares))
            return fst__fail(FST_ERR_NUMERIC,
                             "the embedding of example %" PRId64 " is not finite", first + r);
        for (int64_t i = 0; normalise && squares > 0 && i < width; ++i)
            row[i] = (fst__real)((double)row[i] / sqrt(squares));
    }
    return FST_OK;
}

static fst_status embed_all(const fst__embedding *e, const fst_dataset *dataset,
                            const fst_embed_options *o, fst__real *embeddings)
{
    fst__allocator *allocator = &e->model->context->allocator;
    const fst__examples *examples = dataset->documents->examples;
    const fst__embed_pass pass = {.dataset = dataset};
    int64_t rows = o->rows < examples->count ? o->rows : examples->count, bytes = 0;
    fst__embed_batch batch;
    fst_status status = fst__embed_batch_open(&batch, dataset, rows, examples->longest, NULL,
                                              "fst_augment_options", &bytes);
    for (int64_t first = 0; first < examples->count && !status; first += rows) {
        int64_t n = examples->count - first < rows ? examples->count - first : rows;
        for (int64_t b = 0; b < n; ++b) {
            batch.examples[b] = first + b;
            batch.sequences[b] = o->sequence;
        }
        fst__real *to = embeddings + first * e->width;
        if (!status)
            status = fst__embed_batch_forward(&batch, e->model, n, &pass, NULL);
        if (!status)
            status = fst__embedding_read(e, n, to);
        if (!status)
            status = scale_rows(to, n, e->width, first, o->normalise);
    }
    fst__embed_batch_close(&batch, allocator);
    return status;
}

static fst_status check(const fst_embed_options *o, const fst_dataset *dataset)
{
    const fst__examples *examples = dataset->documents->examples;
    if (o->rows < 1 || o->rows > INT32_MAX / (examples->longest > 0 ? examples->longest : 1))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_embed_options.rows is %" PRId64 ", expected at least 1 and a batch "
                         "of less than 2³¹ tokens",
                         o->rows);
    if (o->normalise != 0 && o->normalise != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_embed_options.normalise: expected 0 or 1");
    for (int64_t i = 0; i < examples->count && !examples->images; ++i) {
        int64_t sequences = examples->first[i + 1] - examples->first[i];
        if (o->sequence < 0 || o->sequence >= sequences)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_embed_options.sequence is %" PRId64 ", example %" PRId64
                             " has %" PRId64,
                             o->sequence, i, sequences);
    }
    return FST_OK;
}

fst_status fst__model_embed(fst_model *model, const fst_dataset *dataset,
                            const fst_embed_options *options, fst__real *embeddings,
                            int64_t capacity, int64_t *count)
{
    fst__embedding embedding;
    int64_t needed;
    fst_status status = fst__embedding_open(model, options->head, options->pooling,
                                            "fst_embed_options", &embedding);
    if (!status)
        status = fst__embed_check_data(model, dataset, "fst_model_embed: dataset");
    if (!status)
        status = check(options, dataset);
    if (status)
        return status;
    if (!fst__mul_i64(dataset->documents->examples->count, embedding.width, &needed))
        return fst__fail(FST_ERR_NO_MEMORY, "fst_model_embed: the embeddings are too large");
    *count = needed;
    if (capacity < needed)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL,
                         "fst_model_embed: capacity is %" PRId64 ", expected %" PRId64
                         " examples × %" PRId64,
                         capacity, needed / embedding.width, embedding.width);
    return embed_all(&embedding, dataset, options, embeddings);
}
