/* Examples through the model, padded to the longest of their batch. */
#include "stages/sft/labelled.h"

#include "base/checked.h"
#include "base/error.h"
#include "stages/data_checks.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { LENGTH_STEP = 16 };

fst_status fst__labelled_batch_open(fst__labelled_batch *batch, fst__allocator *allocator,
                                    int64_t rows, int64_t length, bool targets, int64_t *bytes)
{
    size_t ids;
    *batch = (fst__labelled_batch){.rows = rows, .length = length};
    if (!fst__mul_size((size_t)rows, (size_t)length, &ids))
        return FST_ERR_NO_MEMORY;
    batch->indices = fst__alloc_array(allocator, (size_t)rows, sizeof *batch->indices);
    batch->lengths = fst__alloc_array(allocator, (size_t)rows, sizeof *batch->lengths);
    batch->ids = fst__alloc_array(allocator, ids, sizeof *batch->ids);
    if (targets)
        batch->targets = fst__alloc_array(allocator, ids, sizeof *batch->targets);
    if (!batch->indices || !batch->lengths || !batch->ids || (targets && !batch->targets))
        return FST_ERR_NO_MEMORY;
    if (bytes)
        *bytes = rows * (int64_t)(sizeof *batch->indices + sizeof *batch->lengths) +
                 (int64_t)((targets ? 2 : 1) * ids * sizeof *batch->ids);
    return FST_OK;
}

fst_status fst__labelled_batch_open_images(fst__labelled_batch *batch, const fst_dataset *dataset,
                                           int64_t rows, const fst_augment_options *augment,
                                           const char *name, int64_t *bytes)
{
    fst__allocator *allocator = &dataset->context->allocator;
    size_t image = (size_t)fst__image_values(&fst__images_of(dataset)->pixels->shape) * sizeof(float);
    *batch = (fst__labelled_batch){.rows = rows};
    batch->indices = fst__alloc_array(allocator, (size_t)rows, sizeof *batch->indices);
    batch->images = fst__alloc_array(allocator, (size_t)rows, image);
    if (!batch->indices || !batch->images)
        return FST_ERR_NO_MEMORY;
    fst_status status = fst__augmenter_open(dataset, augment, name, &batch->augmenter);
    if (!status && bytes)
        *bytes = rows * (int64_t)(sizeof *batch->indices + image) + fst__augmenter_bytes(batch->augmenter);
    return status;
}

fst_status fst__labelled_batch_want_types(fst__labelled_batch *batch, fst__allocator *allocator,
                                          const fst_model *model, int64_t *bytes)
{
    if (model->config.token_types < 2 || batch->augmenter)
        return FST_OK;
    int64_t ids = batch->rows * batch->length;
    batch->types = fst__alloc_array(allocator, (size_t)ids, sizeof *batch->types);
    if (bytes)
        *bytes += ids * (int64_t)sizeof *batch->types;
    return batch->types ? FST_OK : FST_ERR_NO_MEMORY;
}

void fst__labelled_batch_close(fst__labelled_batch *batch, fst__allocator *allocator)
{
    fst__augmenter_close(batch->augmenter);
    fst__free(allocator, batch->images);
    fst__free(allocator, batch->types);
    fst__free(allocator, batch->targets);
    fst__free(allocator, batch->ids);
    fst__free(allocator, batch->lengths);
    fst__free(allocator, batch->indices);
}

/* A few lengths only, so that products meet shapes they know. */
static int64_t padded_length(const fst__labelled_batch *batch, const fst_dataset *dataset)
{
    int64_t longest = 1;
    for (int64_t b = 0; b < batch->rows; ++b) {
        fst_example example;
        fst__examples_get(dataset, batch->indices[b], 0, &example);
        if (example.length > longest)
            longest = example.length;
    }
    int64_t rounded = (longest + LENGTH_STEP - 1) / LENGTH_STEP * LENGTH_STEP;
    return rounded < batch->length ? rounded : batch->length;
}

int64_t fst__labelled_batch_targets(const fst__labelled_batch *batch, const fst_dataset *dataset)
{
    int64_t count = 0;
    for (int64_t b = 0; b < batch->rows && !batch->augmenter; ++b) {
        fst_example example;
        fst__examples_get(dataset, batch->indices[b], 0, &example);
        count += example.length - 1;
    }
    return count;
}

/* Nothing of a labelled text is marked as trained on: here every id predicts the one behind it. */
static void fill_targets(fst__labelled_batch *batch, int64_t length)
{
    for (int64_t b = 0; b < batch->rows; ++b) {
        const int32_t *ids = batch->ids + b * length;
        for (int64_t t = 0; t < length; ++t)
            batch->targets[b * length + t] = t + 1 < batch->lengths[b] ? ids[t + 1] : FST_IGNORE;
    }
}

static fst_status fill_texts(fst__labelled_batch *batch, const fst_dataset *dataset, bool training,
                             fst_batch *input)
{
    int64_t length = padded_length(batch, dataset);
    fst_status status = fst__examples_collate(dataset, batch->indices, NULL, batch->rows, length,
                                              batch->ids, NULL, batch->lengths);
    if (!status && batch->types)
        status = fst__examples_types(dataset, batch->indices, NULL, batch->rows, length, batch->types);
    bool language = training && batch->targets && !status;
    if (language)
        fill_targets(batch, length);
    *input = (fst_batch){
        .struct_size = sizeof *input,
        .rows = batch->rows,
        .length = length,
        .ids = batch->ids,
        .lengths = batch->lengths,
        .targets = language ? batch->targets : NULL,
        .token_types = batch->types,
    };
    return status;
}

static fst_status fill_images(fst__labelled_batch *batch, const fst_dataset *dataset, bool training,
                              int64_t step, fst_batch *input)
{
    fst__augmenter_read(batch->augmenter, dataset, batch->indices, batch->rows, training,
                        step * batch->rows, batch->images);
    *input = (fst_batch){
        .struct_size = sizeof *input, .rows = batch->rows, .images = batch->images};
    return FST_OK;
}

fst_status fst__labelled_batch_run(fst__labelled_batch *batch, fst_model *model,
                                   const fst__head *head, const fst_dataset *dataset, bool training,
                                   int64_t step, const fst__real **outputs)
{
    fst_batch input;
    fst_view view;
    fst_status status = batch->augmenter ? fill_images(batch, dataset, training, step, &input)
                                         : fill_texts(batch, dataset, training, &input);
    if (!status)
        status = fst__model_forward(model, &input, training, step);
    if (!status)
        status = fst__model_output(model, head->name, &view);
    if (!status)
        *outputs = view.data;
    return status;
}

int64_t fst__labelled_batch_tokens(const fst__labelled_batch *batch)
{
    int64_t tokens = 0;
    for (int64_t b = 0; b < batch->rows; ++b)
        tokens += batch->augmenter ? 1 : batch->lengths[b];
    return tokens;
}

fst_status fst__labelled_predict(fst__labelled_batch *batch, fst_model *model,
                                 const fst__head *head, const fst_dataset *dataset, int64_t from,
                                 int64_t end, fst__real *outputs)
{
    int64_t count = end - from < batch->rows ? end - from : batch->rows;
    int64_t width = head->options.outputs;
    const fst__real *found;
    /* The last batch is filled up with its last example, whose outputs are then not read. */
    for (int64_t b = 0; b < batch->rows; ++b)
        batch->indices[b] = b < count ? from + b : from + count - 1;
    fst_status status = fst__labelled_batch_run(batch, model, head, dataset, false, 0, &found);
    if (status)
        return status;
    for (int64_t i = 0; i < count * width; ++i) {
        if (!isfinite(found[i]))
            return fst__fail(FST_ERR_NUMERIC,
                             "output %" PRId64 " of head \"%s\" for example %" PRId64
                             " is not finite",
                             i % width, head->name, from + i / width);
    }
    memcpy(outputs, found, (size_t)(count * width) * sizeof *outputs);
    return FST_OK;
}

fst_status fst__labelled_find_head(fst_model *model, const char *name, const char *what,
                                   fst__head **head)
{
    if (!name)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: expected the name of a head, it is NULL; see fst_model_add_head", what);
    *head = fst__head_find(model, name);
    if (!*head)
        return fst__fail(FST_ERR_NOT_FOUND, "%s: the model has no head \"%s\"; see fst_model_add_head",
                         what, name);
    if ((*head)->options.kind != FST_HEAD_SEQUENCE)
        return fst__fail(FST_ERR_MISMATCH, "%s: \"%s\" is not an FST_HEAD_SEQUENCE head", what, name);
    return FST_OK;
}

fst_status fst__labelled_check_data(const fst_model *model, const fst_dataset *dataset,
                                    const char *what)
{
    fst_status status = fst__examples_check_any(dataset, what);
    if (status)
        return status;
    const fst__data_length length = {dataset->documents->examples->longest, "a sequence",
                                     "; max_length and too_long of fst_example_options or "
                                     "fst_word_options say what becomes of longer ones"};
    return fst__data_check(model, dataset, what, &length);
}

fst_status fst__sft_predict(fst_model *model, const char *name, const fst_dataset *dataset,
                            int64_t rows, fst__real *outputs, int64_t capacity, int64_t *count)
{
    fst__allocator *allocator = &model->context->allocator;
    fst__head *head = NULL;
    fst_status status = fst__labelled_find_head(model, name, "fst_sft_predict: head", &head);
    if (!status)
        status = fst__labelled_check_data(model, dataset, "fst_sft_predict: dataset");
    if (status)
        return status;
    const fst__examples *examples = dataset->documents->examples;
    int64_t width = head->options.outputs, needed;
    if (rows < 1 || rows > INT32_MAX / (examples->longest > 0 ? examples->longest : 1))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sft_predict: rows is %" PRId64 ", expected at least 1 and a batch of "
                         "less than 2³¹ tokens",
                         rows);
    if (!fst__mul_i64(examples->count, width, &needed))
        return fst__fail(FST_ERR_NO_MEMORY, "fst_sft_predict: the outputs are too large");
    *count = needed;
    if (capacity < needed)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL,
                         "fst_sft_predict: capacity is %" PRId64 ", expected %" PRId64
                         " examples × %" PRId64 " outputs",
                         capacity, examples->count, width);
    fst__labelled_batch batch;
    rows = rows < examples->count ? rows : examples->count;
    status = examples->images
                 ? fst__labelled_batch_open_images(&batch, dataset, rows, NULL, "fst_augment_options", NULL)
                 : fst__labelled_batch_open(&batch, allocator, rows, examples->longest, false, NULL);
    if (!status)
        status = fst__labelled_batch_want_types(&batch, allocator, model, NULL);
    for (int64_t i = 0; i < examples->count && !status; i += rows)
        status = fst__labelled_predict(&batch, model, head, dataset, i, examples->count,
                                       outputs + i * width);
    fst__labelled_batch_close(&batch, allocator);
    return status;
}
