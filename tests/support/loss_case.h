/* A case of the loss head with random inputs, and its loss and gradients written out in double. */
#ifndef FST_TESTS_LOSS_CASE_H
#define FST_TESTS_LOSS_CASE_H

#include "attention_case.h"
#include "nn/loss_head.h"

enum { LOSS_SMOOTH = 1, LOSS_Z = 2, LOSS_WEIGHTS = 4, LOSS_IGNORED = 8, LOSS_BIAS = 16 };

typedef struct loss_case {
    int64_t rows, width, vocabulary;
    fst__loss_head head;
    fst__matrix hidden, weight, dhidden;
    fst__matrix bias, row_weights, dweight, dbias; /* fst__real; bias.data may be NULL */
    fst__real *logprob, *entropy;                  /* [R] */
    int32_t *targets;
    fst__loss_result result;
} loss_case;

static inline loss_case loss_create(int64_t rows, int64_t width, int64_t vocabulary, int options,
                                    int64_t gap, int32_t dtype)
{
    loss_case c;
    memset(&c, 0, sizeof c);
    c.rows = rows;
    c.width = width;
    c.vocabulary = vocabulary;
    c.hidden = case_matrix(rows, width, gap, dtype, 1);
    c.weight = case_matrix(vocabulary, width, gap, dtype, 2);
    c.dhidden = case_matrix(rows, width, gap, dtype, 3);
    c.bias = case_matrix(1, vocabulary, 0, FST__REAL_DTYPE, 4);
    c.row_weights = case_matrix(1, rows, 0, FST__REAL_DTYPE, 5);
    c.dweight = case_matrix(vocabulary, width, 0, FST__REAL_DTYPE, 6);
    c.dbias = case_matrix(1, vocabulary, 0, FST__REAL_DTYPE, 7);
    c.logprob = malloc((size_t)rows * sizeof *c.logprob);
    c.entropy = malloc((size_t)rows * sizeof *c.entropy);
    c.targets = malloc((size_t)rows * sizeof *c.targets);
    for (int64_t i = 0; i < rows; ++i) {
        uint32_t word = fst__philox(3, FST__STREAM_MASKING, 0, (uint64_t)i).word[0];
        bool ignored = options & LOSS_IGNORED && word % 3 == 0;
        c.targets[i] = ignored ? -1 - (int32_t)(word % 100) : (int32_t)(word / 3 % vocabulary);
    }
    if (!(options & LOSS_BIAS)) {
        free(c.bias.data);
        c.bias.data = NULL;
    }
    c.head.targets = c.targets;
    c.head.row_weights = options & LOSS_WEIGHTS ? c.row_weights.data : NULL;
    c.head.gradient_scale = 0.25;
    c.head.label_smoothing = options & LOSS_SMOOTH ? (fst__real)0.1 : 0;
    c.head.z_loss = options & LOSS_Z ? (fst__real)0.01 : 0;
    return c;
}

static inline void loss_destroy(loss_case *c)
{
    fst__matrix all[] = {c->hidden,      c->weight,  c->dhidden, c->bias,
                         c->row_weights, c->dweight, c->dbias};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        free(all[i].data);
    free(c->logprob);
    free(c->entropy);
    free(c->targets);
}

static inline fst_status loss_run(const fst__compute *compute, loss_case *c, bool gradient)
{
    size_t size =
        fst__loss_head_scratch(compute, c->rows, c->width, c->vocabulary, c->hidden.dtype, false);
    void *block = fst__alloc(&case_allocator, size);
    fst__arena arena = fst__arena_over(block, size);
    fst__output_layer layer = {
        .weight = c->weight,
        .bias = c->bias.data,
        .dweight = gradient ? c->dweight.data : NULL,
        .dbias = gradient ? c->dbias.data : NULL,
    };
    fst_status status =
        fst__loss_head_run(compute, &c->head, &layer, c->hidden, c->logprob, c->entropy,
                           gradient ? &c->dhidden : NULL, &arena, &c->result);
    if (status == FST_OK)
        ck_assert(arena.used == 0 && !arena.overflow && arena.peak == size);
    fst__free(&case_allocator, block);
    return status;
}

/* Logits of row i and the gradient with respect to them, both [V]; results go to *r, and to
 * *logprob and *entropy. Nothing happens for an ignored row, whose gradient is 0. */
static inline void reference_loss_row(const loss_case *c, int64_t i, double *x, double *dx,
                                      fst__loss_result *r, double *logprob, double *entropy)
{
    int64_t v = c->vocabulary, target = c->targets[i];
    double top = -INFINITY, total = 0, mean = 0;
    *logprob = *entropy = 0;
    memset(dx, 0, (size_t)v * sizeof *dx);
    if (target < 0)
        return;
    int64_t best = 0;
    for (int64_t j = 0; j < v; ++j) {
        x[j] = c->bias.data ? case_get(c->bias, 0, j) : 0;
        for (int64_t k = 0; k < c->width; ++k)
            x[j] += case_get(c->hidden, i, k) * case_get(c->weight, j, k);
        best = x[j] > x[best] ? j : best;
        top = x[j] > top ? x[j] : top;
        mean += x[j] / (double)v;
    }
    for (int64_t j = 0; j < v; ++j)
        total += exp(x[j] - top);
    double lse = top + log(total), eps = (double)c->head.label_smoothing;
    double w = c->head.row_weights ? (double)c->head.row_weights[i] : 1;
    double z = (double)c->head.z_loss;
    for (int64_t j = 0; j < v; ++j) {
        double p = exp(x[j] - lse);
        *entropy -= p > 0 ? p * (x[j] - lse) : 0;
        dx[j] = p * (1 + 2 * z * lse) - (j == target ? 1 - eps : 0) - eps / (double)v;
        dx[j] *= w * c->head.gradient_scale;
    }
    *logprob = x[target] - lse;
    r->loss += w * ((1 - eps) * (lse - x[target]) + eps * (lse - mean));
    r->z += w * z * lse * lse;
    r->weight += w;
    r->rows += 1;
    r->correct += best == target;
}

#endif
