#include "nn/cross_entropy.h"

#include "base/error.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

enum {
    CHUNK = 1024,      /* elements summed in fst__real before they go to a double */
    TASK_SIZE = 16384, /* elements, at least, that make a task worth handing out */
};

fst_status fst__cross_entropy_check(const fst__loss_head *head, int64_t rows, int64_t vocabulary,
                                    int64_t *valid)
{
    *valid = 0;
    for (int64_t i = 0; i < rows; ++i) {
        if (head->targets[i] >= vocabulary)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "target %d of row %lld is not below the vocabulary's %lld",
                             (int)head->targets[i], (long long)i, (long long)vocabulary);
        *valid += head->targets[i] >= 0;
    }
    return FST_OK;
}

/* Σ exp(x - top) in double; x becomes exp(x - top) if `store`. With `entropy`, *entropy = Σ exp(x -
 * top)·(x - top), from which the entropy follows without the cancellation of Σ p·x. */
static double exp_total(const fst__kernels *kernels, fst__real *x, fst__real top, int64_t n,
                        bool store, double *entropy)
{
    fst__real terms[CHUNK];
    double total = 0;
    for (int64_t j = 0; j < n; j += CHUNK) {
        int64_t count = n - j < CHUNK ? n - j : CHUNK;
        if (!entropy) {
            total += (double)kernels->exp_sum(x + j, top, store ? x + j : NULL, count);
            continue;
        }
        kernels->affine(1, x + j, -top, x + j, count);
        total += (double)kernels->exp_sum(x + j, 0, terms, count);
        for (int64_t i = 0; i < count; ++i)
            if (terms[i] > 0 && x[j + i] > (fst__real)-INFINITY) /* 0 · -inf counts as 0 */
                *entropy += (double)terms[i] * (double)x[j + i];
        if (store)
            memcpy(x + j, terms, (size_t)count * sizeof *x);
    }
    return total;
}

static double temperature_of(const fst__loss_head *head)
{
    return head->temperature > 0 ? head->temperature : 1;
}

/* -∞ where the bit is 0. Most bytes are 0 behind a sampler that cuts the tail off, or all ones. */
static void mask_logits(const unsigned char *kept, fst__real *x, int64_t vocabulary)
{
    for (int64_t first = 0; first < vocabulary; first += 8) {
        unsigned bits = kept[first / 8];
        int64_t end = first + 8 < vocabulary ? first + 8 : vocabulary;
        if (bits == 0xff)
            continue;
        for (int64_t j = first; j < end; ++j)
            x[j] = bits >> (j - first) & 1 ? x[j] : (fst__real)-INFINITY;
    }
}

/* From raw logits to those of the distribution. */
static void shape_logits(const fst__loss_head *head, const fst__kernels *kernels, int64_t row,
                         fst__real *x, int64_t vocabulary)
{
    double temperature = temperature_of(head);
    if (temperature != 1)
        kernels->scale((fst__real)(1 / temperature), x, x, vocabulary);
    if (!head->kept)
        return;
    fst__real at_target = x[head->targets[row]];
    mask_logits(head->kept + row * ((vocabulary + 7) / 8), x, vocabulary);
    x[head->targets[row]] = at_target;
}

/* As row_gradient, from x = x - top, with the entropy's part: h = coefficient, H = entropy. */
static void row_gradient_with_entropy(const fst__kernels *kernels, fst__real *x, int64_t vocabulary,
                                      double of_p, double shift, double h, double total, double H)
{
    fst__real terms[CHUNK];
    double log_total = log(total);
    for (int64_t j = 0; j < vocabulary; j += CHUNK) {
        int64_t count = vocabulary - j < CHUNK ? vocabulary - j : CHUNK;
        kernels->exp_sum(x + j, 0, terms, count);
        for (int64_t i = 0; i < count; ++i) {
            double p = (double)terms[i] / total, log_p = (double)x[j + i] - log_total;
            /* 0 · -inf counts as 0, also where rounding up makes e to the -inf more than that */
            bool drawn = p > 0 && x[j + i] > (fst__real)-INFINITY;
            double gradient = drawn ? p * (of_p - h * (log_p + H)) : 0;
            x[j + i] = (fst__real)(gradient + shift);
        }
    }
}

/* x = exp(x - top) becomes the gradient; or x - top, where the row has an entropy coefficient h. */
static void row_gradient(const fst__cross_entropy_block *block, const fst__kernels *kernels,
                         fst__real *x, int64_t target, double weight, double h, double total,
                         double lse, double entropy)
{
    const fst__loss_head *head = block->head;
    int64_t vocabulary = block->logits.columns;
    double smoothing = (double)head->label_smoothing;
    double outer = head->gradient_scale / temperature_of(head), scale = outer * weight;
    double of_p = scale * (1 + 2 * (double)head->z_loss * lse);
    double shift = -scale * smoothing / (double)vocabulary;
    if (h != 0)
        row_gradient_with_entropy(kernels, x, vocabulary, of_p, shift, outer * h, total, entropy);
    else if (shift != 0)
        kernels->affine((fst__real)(of_p / total), x, (fst__real)shift, x, vocabulary);
    else
        kernels->scale((fst__real)(of_p / total), x, x, vocabulary);
    x[target] -= (fst__real)(scale * (1 - smoothing));
}

static void row_loss(const fst__cross_entropy_block *block, const fst__kernels *kernels, int64_t i)
{
    const fst__loss_head *head = block->head;
    int64_t row = block->rows ? block->rows[i] : i, vocabulary = block->logits.columns;
    int64_t target = head->targets[row];
    fst__real *x = fst__matrix_at(block->logits, i, 0);
    if (block->bias)
        kernels->add(x, block->bias, x, vocabulary);
    shape_logits(head, kernels, row, x, vocabulary);
    fst__real top = kernels->max(x, vocabulary);
    double h = block->gradient && head->row_entropies ? (double)head->row_entropies[row] : 0;
    double smoothing = (double)head->label_smoothing;
    double mean = 0, entropy = 0, at_target = (double)x[target];
    if (smoothing != 0)
        mean = (double)kernels->sum(x, vocabulary) / (double)vocabulary;
    bool correct = x[target] == top && (target == 0 || kernels->max(x, target) < top);
    double total = exp_total(kernels, x, top, vocabulary, block->gradient && h == 0,
                             block->row_entropy || h != 0 ? &entropy : NULL);
    double lse = (double)top + log(total);
    entropy = log(total) - entropy / total;
    double weight = head->row_weights ? (double)head->row_weights[row] : 1;
    double nll = smoothing != 0 ? (1 - smoothing) * (lse - at_target) + smoothing * (lse - mean)
                                : lse - at_target;
    block->losses[i] = (fst__row_loss){.loss = weight * nll,
                                       .z = weight * (double)head->z_loss * lse * lse,
                                       .weight = weight,
                                       .valid = true,
                                       .correct = correct};
    if (block->row_logprob)
        block->row_logprob[row] = (fst__real)(at_target - lse);
    if (block->row_entropy)
        block->row_entropy[row] = (fst__real)entropy;
    if (block->gradient)
        row_gradient(block, kernels, x, target, weight, h, total, lse, entropy);
}

static void ignore_row(const fst__cross_entropy_block *block, int64_t i)
{
    int64_t row = block->rows ? block->rows[i] : i;
    block->losses[i] = (fst__row_loss){.valid = false};
    if (block->gradient)
        memset(fst__matrix_at(block->logits, i, 0), 0,
               (size_t)block->logits.columns * sizeof(fst__real));
    if (block->row_logprob)
        block->row_logprob[row] = 0;
    if (block->row_entropy)
        block->row_entropy[row] = 0;
}

typedef struct block_run {
    const fst__compute *compute;
    const fst__cross_entropy_block *block;
    int64_t task_rows;
} block_run;

static void block_task(void *context, int64_t index, int32_t worker)
{
    const block_run *run = context;
    const fst__cross_entropy_block *block = run->block;
    const fst__kernels *kernels = run->compute->kernels;
    int64_t columns = block->logits.columns, end = (index + 1) * run->task_rows;
    (void)worker;
    end = end < block->logits.rows ? end : block->logits.rows;
    for (int64_t i = index * run->task_rows; i < end; ++i) {
        if (block->head->targets[block->rows ? block->rows[i] : i] < 0)
            ignore_row(block, i);
        else
            row_loss(block, kernels, i);
        if (block->gradient && block->half)
            kernels->to_bf16(fst__matrix_at(block->logits, i, 0), block->half + i * columns,
                             columns);
    }
}

void fst__cross_entropy_block_run(const fst__compute *compute,
                                  const fst__cross_entropy_block *block, fst__loss_result *add_to)
{
    block_run run = {compute, block, 1 + TASK_SIZE / (block->logits.columns + 1)};
    int64_t rows = block->logits.rows;
    fst__pool_run(compute->pool, (rows + run.task_rows - 1) / run.task_rows, block_task, &run);
    for (int64_t i = 0; i < rows; ++i) {
        const fst__row_loss *one = &block->losses[i];
        if (!one->valid)
            continue;
        add_to->loss += one->loss;
        add_to->z += one->z;
        add_to->weight += one->weight;
        add_to->rows += 1;
        add_to->correct += one->correct;
    }
}

size_t fst__cross_entropy_scratch(int64_t rows)
{
    fst__arena counting = fst__arena_counting();
    fst__arena_take(&counting, (size_t)rows, sizeof(fst__row_loss));
    return counting.peak;
}

fst_status fst__cross_entropy_rows(const fst__compute *compute, const fst__loss_head *head,
                                   fst__matrix logits, const fst__real *bias, bool gradient,
                                   fst__real *row_logprob, fst__real *row_entropy,
                                   fst__arena *scratch, fst__loss_result *result)
{
    int64_t valid;
    fst_status status = fst__cross_entropy_check(head, logits.rows, logits.columns, &valid);
    if (status != FST_OK)
        return status;
    size_t mark = fst__arena_mark(scratch);
    fst__cross_entropy_block block = {.head = head,
                                      .logits = logits,
                                      .bias = bias,
                                      .gradient = gradient,
                                      .row_logprob = row_logprob,
                                      .row_entropy = row_entropy};
    block.losses = fst__arena_take(scratch, (size_t)logits.rows, sizeof *block.losses);
    if (!block.losses)
        return fst__fail(FST_ERR_INTERNAL, "cross entropy: scratch memory is too small");
    *result = (fst__loss_result){0};
    fst__cross_entropy_block_run(compute, &block, result);
    fst__arena_rewind(scratch, mark);
    return FST_OK;
}
