#include "nn/loss_head.h"

#include "base/error.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"

#include <string.h>

enum {
    BLOCK_ELEMENTS = 8 << 20, /* logits of a block: 32 MiB in float */
    BLOCK_LEAST = 32,         /* rows, however large the vocabulary */
    BLOCK_MOST = 1024,
    /* Blocks of gathered rows are filled up with zero rows to a multiple of this: the number of
     * labelled rows changes from batch to batch, and each new shape costs the provider a primitive.
     */
    ROW_STEP = 32,
    BIAS_COLUMNS = 1024, /* columns of dbias that one task adds up */
};

typedef struct head_run {
    const fst__compute *compute;
    const fst__output_layer *layer;
    fst__matrix hidden, weight;
    const fst__matrix *dhidden;
    bool features_gradient; /* is wanted: for dhidden or the transform */
    int64_t block_rows;
    bool gathered; /* rows are ignored, so the others are brought together */
    fst__cross_entropy_block block;
    fst__real *logits;  /* [block_rows, V] */
    int64_t *rows;      /* [block_rows] */
    void *hidden_rows;  /* [block_rows, C] */
    void *dhidden_rows; /* [block_rows, C] */
    fst__transform_memory transform;
} head_run;

static int64_t block_size(int64_t rows, int64_t vocabulary)
{
    int64_t size = BLOCK_ELEMENTS / (vocabulary > 0 ? vocabulary : 1);
    size -= size % BLOCK_LEAST;
    size = size < BLOCK_LEAST ? BLOCK_LEAST : size > BLOCK_MOST ? BLOCK_MOST : size;
    return rows < size ? rows : size;
}

static void plan(head_run *run, int64_t rows, int64_t width, int64_t vocabulary, int32_t dtype,
                 bool transform, fst__arena *scratch)
{
    run->block_rows = block_size(rows, vocabulary);
    size_t count = (size_t)run->block_rows;
    run->logits = fst__arena_take(scratch, count * (size_t)vocabulary, sizeof(fst__real));
    if (dtype == FST_BF16)
        run->block.half = fst__arena_take(scratch, count * (size_t)vocabulary, sizeof(fst__bf16));
    run->block.losses = fst__arena_take(scratch, count, sizeof(fst__row_loss));
    run->rows = fst__arena_take(scratch, count, sizeof *run->rows);
    size_t element = fst__element_size(dtype);
    run->hidden_rows = fst__arena_take(scratch, count * (size_t)width, element);
    run->dhidden_rows = fst__arena_take(scratch, count * (size_t)width, element);
    if (transform)
        fst__transform_take(scratch, run->block_rows, width, dtype, &run->transform);
}

static void bias_task(void *context, int64_t index, int32_t worker)
{
    const head_run *run = context;
    int64_t first = index * BIAS_COLUMNS, count = run->weight.rows - first;
    (void)worker;
    count = count < BIAS_COLUMNS ? count : BIAS_COLUMNS;
    for (int64_t i = 0; i < run->block.logits.rows; ++i)
        run->compute->kernels->axpy(1, fst__matrix_at(run->block.logits, i, first),
                                    run->layer->dbias + first, count);
}

static size_t row_bytes(fst__matrix matrix)
{
    return (size_t)matrix.columns * fst__element_size(matrix.dtype);
}

/* The hidden states of the block's `count` rows: a view, or gathered and filled up with zeros. */
static fst__matrix block_hidden(const head_run *run, int64_t count)
{
    if (!run->gathered)
        return fst__matrix_rows(run->hidden, run->rows[0], count);
    int64_t rows = (count + ROW_STEP - 1) / ROW_STEP * ROW_STEP;
    rows = rows < run->block_rows ? rows : run->block_rows;
    fst__matrix hidden =
        fst__matrix_of(run->hidden_rows, rows, run->hidden.columns, run->hidden.dtype);
    for (int64_t i = 0; i < count; ++i)
        memcpy(fst__matrix_at(hidden, i, 0), fst__matrix_at(run->hidden, run->rows[i], 0),
               row_bytes(hidden));
    for (int64_t i = count; i < rows; ++i)
        memset(fst__matrix_at(hidden, i, 0), 0, row_bytes(hidden));
    return hidden;
}

/* The gradient of the features goes on to dhidden, through the transform if there is one. */
static fst_status hidden_gradient(head_run *run, fst__matrix hidden, fst__matrix dlogits,
                                  int64_t count)
{
    const fst__head_transform *transform = run->layer->transform;
    fst__matrix dhidden = {0};
    if (run->dhidden)
        dhidden = run->gathered ? fst__matrix_of(run->dhidden_rows, hidden.rows, hidden.columns,
                                                 hidden.dtype)
                                : fst__matrix_rows(*run->dhidden, run->rows[0], count);
    fst__product product = {.a = dlogits, .b = run->weight};
    product.c = transform ? fst__matrix_rows(run->transform.features, 0, hidden.rows) : dhidden;
    fst_status status = fst__gemm_run(run->compute, &product);
    if (!status && transform)
        status = fst__transform_backward(run->compute, transform, hidden, count, &run->transform,
                                         run->dhidden ? &dhidden : NULL);
    if (run->dhidden && run->gathered)
        for (int64_t i = 0; i < count && status == FST_OK; ++i)
            memcpy(fst__matrix_at(*run->dhidden, run->rows[i], 0), fst__matrix_at(dhidden, i, 0),
                   row_bytes(dhidden));
    return status;
}

/* dlogits: of all rows, those that fill the block up being 0. */
static fst_status block_gradient(head_run *run, fst__matrix hidden, fst__matrix features,
                                 fst__matrix dlogits, int64_t count)
{
    fst_status status = FST_OK;
    if (run->layer->dbias)
        fst__pool_run(run->compute->pool, (run->weight.rows + BIAS_COLUMNS - 1) / BIAS_COLUMNS,
                      bias_task, run);
    if (run->layer->dweight) {
        fst__product product = {
            .a = dlogits, .b = features, .transpose_a = true, .accumulate = true};
        product.c = fst__matrix_of(run->layer->dweight, run->weight.rows, run->weight.columns,
                                   FST__REAL_DTYPE);
        status = fst__gemm_run(run->compute, &product);
    }
    if (!run->features_gradient || status != FST_OK)
        return status;
    return hidden_gradient(run, hidden, dlogits, count);
}

/* The block of rows run->rows[0 … count). */
static fst_status run_block(head_run *run, int64_t count, fst__loss_result *result)
{
    int64_t vocabulary = run->weight.rows;
    fst__matrix hidden = block_hidden(run, count), features = hidden;
    fst_status status = FST_OK;
    if (run->layer->transform) {
        status = fst__transform_forward(run->compute, run->layer->transform, hidden, count,
                                        &run->transform);
        features = fst__matrix_rows(run->transform.features, 0, hidden.rows);
    }
    fst__matrix logits = fst__matrix_of(run->logits, hidden.rows, vocabulary, FST__REAL_DTYPE);
    fst__product product = {.a = features, .b = run->weight, .c = logits, .transpose_b = true};
    if (status == FST_OK)
        status = fst__gemm_run(run->compute, &product);
    if (status != FST_OK)
        return status;
    run->block.logits = fst__matrix_rows(logits, 0, count);
    fst__cross_entropy_block_run(run->compute, &run->block, result);
    if (!run->block.gradient)
        return FST_OK;
    fst__matrix dlogits = run->block.half
                              ? fst__matrix_of(run->block.half, hidden.rows, vocabulary, FST_BF16)
                              : logits;
    for (int64_t i = count; i < hidden.rows; ++i)
        memset(fst__matrix_at(dlogits, i, 0), 0, row_bytes(dlogits));
    return block_gradient(run, hidden, features, dlogits, count);
}

/* What the products will not write: the outputs of ignored rows. */
static void clear_ignored(const head_run *run)
{
    for (int64_t i = 0; i < run->hidden.rows; ++i) {
        if (run->block.head->targets[i] >= 0)
            continue;
        if (run->dhidden)
            memset(fst__matrix_at(*run->dhidden, i, 0), 0, row_bytes(*run->dhidden));
        if (run->block.row_logprob)
            run->block.row_logprob[i] = 0;
        if (run->block.row_entropy)
            run->block.row_entropy[i] = 0;
    }
}

fst_status fst__loss_head_run(const fst__compute *compute, const fst__loss_head *head,
                              const fst__output_layer *layer, fst__matrix hidden,
                              fst__real *row_logprob, fst__real *row_entropy,
                              const fst__matrix *dhidden, fst__arena *scratch,
                              fst__loss_result *result)
{
    fst__matrix weight = layer->weight;
    head_run run = {
        .compute = compute, .layer = layer, .hidden = hidden, .weight = weight, .dhidden = dhidden};
    run.features_gradient = dhidden || fst__transform_trains(layer->transform);
    run.block = (fst__cross_entropy_block){
        .head = head,
        .bias = layer->bias,
        .row_logprob = row_logprob,
        .row_entropy = row_entropy,
        .gradient = run.features_gradient || layer->dweight || layer->dbias,
    };
    int64_t valid;
    fst_status status = fst__cross_entropy_check(head, hidden.rows, weight.rows, &valid);
    if (status != FST_OK)
        return status;
    run.gathered = valid < hidden.rows;
    size_t mark = fst__arena_mark(scratch);
    plan(&run, hidden.rows, hidden.columns, weight.rows, hidden.dtype,
         layer->transform != NULL, scratch);
    if (scratch->overflow || !run.logits)
        return fst__fail(FST_ERR_INTERNAL, "loss head: scratch memory is too small");
    run.block.rows = run.rows;
    *result = (fst__loss_result){0};
    int64_t count = 0;
    for (int64_t i = 0; i < hidden.rows && status == FST_OK; ++i) {
        if (head->targets[i] >= 0)
            run.rows[count++] = i;
        if (count == run.block_rows || (count > 0 && i + 1 == hidden.rows)) {
            status = run_block(&run, count, result);
            count = 0;
        }
    }
    clear_ignored(&run);
    fst__arena_rewind(scratch, mark);
    return status == FST_OK ? FST_OK : fst__fail_in(status, "loss head");
}

size_t fst__loss_head_scratch(const fst__compute *compute, int64_t rows, int64_t width,
                              int64_t vocabulary, int32_t dtype, bool transform)
{
    fst__arena counting = fst__arena_counting();
    head_run run = {.compute = compute};
    plan(&run, rows, width, vocabulary, dtype, transform, &counting);
    return counting.peak;
}
