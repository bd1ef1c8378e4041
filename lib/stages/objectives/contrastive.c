/*
 * The losses that pull an anchor to its positive and away from everything else. Both are one: rows of
 * anchors against rows of candidates, of NT-Xent the same ones. By blocks of anchors, so that a block
 * of the similarities is all that is ever held:
 *
 *   S = A_b·Cᵀ  →  D = dloss/dS  →  dA_b += D·C,  dC += Dᵀ·A_b
 */
#include "stages/objectives/objectives.h"

#include "base/error.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "stages/objectives/terms.h"

#include <inttypes.h>
#include <string.h>

enum {
    BLOCK = 256, /* anchors whose similarities are held at once */
    PIECE = 1024, /* elements summed as fst__real before a sum goes on in double */
};

/* What one anchor adds. */
typedef struct row_terms {
    double loss, cosine; /* with its positive */
    double uniform;      /* Σ exp(−2‖a − b‖²) */
    bool right;
} row_terms;

typedef struct contrast {
    const fst__compute *compute;
    double factor;   /* 1/τ */
    double own_logit;
    int64_t rows, candidates, width;
    int64_t positives; /* candidates up to here are no hard negatives */
    bool ntxent;       /* an anchor is its own candidate, and its positive half the rows away */
    bool backward;
    fst__real *a, *c;   /* scaled to length 1 */
    fst__real *da, *dc; /* with respect to these; of NT-Xent the same */
    double *norms;      /* of the anchors, then of the candidates */
    fst__real *s;       /* [BLOCK, candidates] similarities, then their gradients */
    row_terms *terms;   /* [BLOCK] */
    int64_t first;      /* anchor of the block at hand */
} contrast;

fst_contrastive_loss_options fst__contrastive_loss_defaults(void)
{
    return (fst_contrastive_loss_options){.struct_size = sizeof(fst_contrastive_loss_options),
                                          .temperature = 0.1};
}

fst_status fst__contrastive_loss_check(const fst_contrastive_loss_options *o)
{
    if (!(o->temperature > 0 && isfinite(o->temperature)))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "temperature is %g, expected a finite number > 0",
                         o->temperature);
    if (!isfinite(o->hard_negative_logit))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "hard_negative_logit is %g, expected a finite number",
                         o->hard_negative_logit);
    return FST_OK;
}

/* ---- length 1, and back ---- */

/* Rows of one array of embeddings. */
typedef struct length_task {
    const fst__real *from; /* [rows, width]; NULL: already in `unit` */
    fst__real *unit;
    double *norms;
    fst__real *gradient; /* of `unit`, becomes that of `from` in `to` */
    fst__real *to;
    int64_t width;
} length_task;

static void scale_row(void *context, int64_t row, int32_t worker)
{
    const length_task *t = context;
    const fst__real *from = t->from + row * t->width;
    fst__real *unit = t->unit + row * t->width;
    double squares = 0;
    (void)worker;
    for (int64_t i = 0; i < t->width; ++i)
        squares += (double)from[i] * (double)from[i];
    double norm = t->norms[row] = sqrt(squares);
    for (int64_t i = 0; i < t->width; ++i)
        unit[i] = norm > 0 ? (fst__real)((double)from[i] / norm) : 0;
}

/* z = u/‖u‖:  du = (dz − z·(z·dz))/‖u‖ */
static void unscale_row(void *context, int64_t row, int32_t worker)
{
    const length_task *t = context;
    const fst__real *z = t->unit + row * t->width, *dz = t->gradient + row * t->width;
    fst__real *to = t->to + row * t->width;
    double along = 0, norm = t->norms[row];
    (void)worker;
    for (int64_t i = 0; i < t->width; ++i)
        along += (double)z[i] * (double)dz[i];
    for (int64_t i = 0; i < t->width; ++i)
        to[i] = norm > 0 ? (fst__real)(((double)dz[i] - (double)z[i] * along) / norm) : 0;
}

static void scale_rows(const contrast *k, const fst__real *from, fst__real *unit, double *norms,
                       int64_t rows)
{
    length_task task = {.from = from, .unit = unit, .norms = norms, .width = k->width};
    fst__pool_run(k->compute->pool, rows, scale_row, &task);
}

static fst_status unscale_rows(const contrast *k, const char *name, fst__real *unit, double *norms,
                               fst__real *gradient, int64_t rows, fst__real *to)
{
    if (!to)
        return FST_OK;
    length_task task = {
        .unit = unit, .norms = norms, .gradient = gradient, .to = to, .width = k->width};
    fst__pool_run(k->compute->pool, rows, unscale_row, &task);
    for (int64_t i = 0; i < rows * k->width; ++i) {
        if (!isfinite(to[i]))
            return fst__fail(FST_ERR_NUMERIC,
                             "contrastive loss: the gradient of %s, row %" PRId64
                             ", is not finite",
                             name, i / k->width);
    }
    return FST_OK;
}

/* ---- one anchor ---- */

/* The candidates that are negatives, as up to three stretches. */
typedef struct stretch {
    int64_t begin, end;
} stretch;

static int64_t positive_of(const contrast *k, int64_t anchor)
{
    int64_t half = k->rows / 2;
    return !k->ntxent ? anchor : anchor < half ? anchor + half : anchor - half;
}

static int negatives_of(const contrast *k, int64_t anchor, stretch out[3])
{
    int64_t a = positive_of(k, anchor), b = k->ntxent ? anchor : a;
    int64_t low = a < b ? a : b, high = a < b ? b : a;
    out[0] = (stretch){0, low};
    out[1] = (stretch){low + 1, high > low ? high : low + 1};
    out[2] = (stretch){high + 1, k->candidates};
    return 3;
}

/* Σ exp(factor·x − shift), kept in y unless NULL. */
static double exp_sum(const fst__kernels *kernels, const fst__real *x, double factor, double shift,
                      fst__real *y, int64_t count)
{
    fst__real unkept[PIECE];
    double sum = 0;
    for (int64_t i = 0; i < count; i += PIECE) {
        int64_t n = count - i < PIECE ? count - i : PIECE;
        sum += (double)kernels->exp_sum_scaled(x + i, (fst__real)factor, (fst__real)shift,
                                               y ? y + i : unkept, n);
    }
    return sum;
}

/* −2‖a − b‖² = 4·cos − 4 */
static double uniform_sum(const contrast *k, const fst__real *s, const stretch *negatives, int count)
{
    double sum = 0;
    for (int i = 0; i < count; ++i) {
        int64_t begin = negatives[i].begin, end = negatives[i].end;
        end = end < k->positives ? end : k->positives;
        if (end > begin)
            sum += exp_sum(k->compute->kernels, s + begin, 4, 4, NULL, end - begin);
    }
    return sum;
}

/* Similarities become their gradients. */
static void contrast_row(void *context, int64_t index, int32_t worker)
{
    const contrast *k = context;
    const fst__kernels *kernels = k->compute->kernels;
    int64_t anchor = k->first + index, positive = positive_of(k, anchor);
    fst__real *s = k->s + index * k->candidates;
    row_terms *terms = &k->terms[index];
    stretch negatives[3];
    int count = negatives_of(k, anchor, negatives);
    double cosine = (double)s[positive], most = -INFINITY, others = 0;
    (void)worker;
    *terms = (row_terms){.cosine = cosine, .uniform = uniform_sum(k, s, negatives, count)};
    for (int64_t c = anchor + k->rows; !k->ntxent && c < k->candidates; c += k->rows)
        s[c] += (fst__real)(k->own_logit / k->factor);
    for (int i = 0; i < count; ++i) {
        if (negatives[i].end > negatives[i].begin)
            most = fmax(most, (double)kernels->max(s + negatives[i].begin,
                                                   negatives[i].end - negatives[i].begin));
    }
    terms->right = cosine > most;
    double shift = k->factor * fmax(most, cosine);
    for (int i = 0; i < count; ++i)
        others += exp_sum(kernels, s + negatives[i].begin, k->factor, shift,
                          k->backward ? s + negatives[i].begin : NULL,
                          negatives[i].end - negatives[i].begin);
    double own = exp(k->factor * cosine - shift), all = own + others;
    terms->loss = log(all) + shift - k->factor * cosine;
    if (!k->backward)
        return;
    double scale = k->factor / (all * (double)k->rows);
    for (int i = 0; i < count; ++i)
        kernels->scale((fst__real)scale, s + negatives[i].begin, s + negatives[i].begin,
                       negatives[i].end - negatives[i].begin);
    if (k->ntxent)
        s[anchor] = 0;
    s[positive] = (fst__real)(-scale * others); /* p − 1 without a difference */
}

/* ---- all of them ---- */

typedef struct contrast_sums {
    double loss, distance, uniform;
    int64_t right;
} contrast_sums;

static fst_status product(const contrast *k, fst__matrix a, bool transpose_a, fst__matrix b,
                          bool transpose_b, bool accumulate, fst__matrix c)
{
    const fst__product p = {.a = a, .b = b, .c = c, .transpose_a = transpose_a,
                            .transpose_b = transpose_b, .accumulate = accumulate};
    return fst__gemm_run(k->compute, &p);
}

static fst__matrix matrix(fst__real *data, int64_t rows, int64_t columns)
{
    return fst__matrix_of(data, rows, columns, FST__REAL_DTYPE);
}

static fst_status contrast_block(contrast *k, int64_t rows, contrast_sums *sums)
{
    fst__matrix a = matrix(k->a + k->first * k->width, rows, k->width);
    fst__matrix da = matrix(k->da + k->first * k->width, rows, k->width);
    fst__matrix c = matrix(k->c, k->candidates, k->width);
    fst__matrix dc = matrix(k->dc, k->candidates, k->width);
    fst__matrix s = matrix(k->s, rows, k->candidates);
    fst_status status = product(k, a, false, c, true, false, s);
    if (status)
        return status;
    fst__pool_run(k->compute->pool, rows, contrast_row, k);
    for (int64_t i = 0; i < rows; ++i) {
        sums->loss += k->terms[i].loss;
        sums->distance += fmax(0, 2 - 2 * k->terms[i].cosine);
        sums->uniform += k->terms[i].uniform;
        sums->right += k->terms[i].right;
    }
    if (!k->backward)
        return FST_OK;
    status = product(k, s, false, c, false, true, da);
    return status ? status : product(k, s, true, a, false, true, dc);
}

static fst_status contrast_all(contrast *k, fst_contrastive_loss *result)
{
    contrast_sums sums = {0};
    fst_status status = FST_OK;
    if (k->backward) {
        memset(k->da, 0, (size_t)(k->rows * k->width) * sizeof *k->da);
        memset(k->dc, 0, (size_t)(k->candidates * k->width) * sizeof *k->dc);
    }
    for (k->first = 0; k->first < k->rows && !status; k->first += BLOCK) {
        int64_t left = k->rows - k->first;
        status = contrast_block(k, left < BLOCK ? left : BLOCK, &sums);
    }
    if (status)
        return status;
    double rows = (double)k->rows, pairs = rows * ((double)k->positives - (k->ntxent ? 2 : 1));
    if (!isfinite(sums.loss))
        return fst__fail(FST_ERR_NUMERIC, "contrastive loss: the loss is %g", sums.loss);
    *result = (fst_contrastive_loss){
        .struct_size = result->struct_size,
        .loss = sums.loss / rows,
        .accuracy = (double)sums.right / rows,
        .alignment = sums.distance / rows,
        .uniformity = pairs > 0 ? log(sums.uniform / pairs) : NAN,
        .count = k->rows,
    };
    return FST_OK;
}

/* ---- memory ---- */

/* `a` and `c` lie one behind the other, as do their norms; of NT-Xent there is only one of them. */
static bool take(contrast *k, fst__arena *scratch)
{
    size_t candidates = (size_t)k->candidates, width = (size_t)k->width;
    size_t rows = (size_t)k->rows, block = rows < BLOCK ? rows : BLOCK;
    size_t row = width * sizeof(fst__real);
    k->a = fst__arena_take(scratch, rows, row);
    k->da = fst__arena_take(scratch, rows, row);
    k->norms = fst__arena_take(scratch, rows + candidates, sizeof(double));
    k->c = k->ntxent ? k->a : fst__arena_take(scratch, candidates, row);
    k->dc = k->ntxent ? k->da : fst__arena_take(scratch, candidates, row);
    k->s = fst__arena_take(scratch, block, candidates * sizeof(fst__real));
    k->terms = fst__arena_take(scratch, block, sizeof *k->terms);
    return !scratch->overflow;
}

size_t fst__contrastive_scratch(int64_t rows, int64_t candidates, int64_t width, bool ntxent)
{
    contrast k = {.rows = rows, .candidates = candidates, .width = width, .ntxent = ntxent};
    fst__arena counting = fst__arena_counting();
    return take(&k, &counting) ? counting.peak : 0;
}

static fst_status open(contrast *k, const fst_contrastive_loss_options *options, fst__arena *scratch)
{
    fst_status status = fst__contrastive_loss_check(options);
    k->factor = 1 / options->temperature;
    k->own_logit = options->hard_negative_logit;
    if (!status && !take(k, scratch))
        status = fst__fail(FST_ERR_INTERNAL, "contrastive loss: scratch memory is too small");
    return status;
}

static fst_status check_sizes(int64_t count, int64_t width)
{
    if (width >= 1 && count >= 1 && count <= INT32_MAX && width <= INT32_MAX)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT,
                     "contrastive loss: examples is %" PRId64 ", width is %" PRId64
                     ", expected at least 1",
                     count, width);
}

/* ---- the two ---- */

fst_status fst__loss_ntxent(const fst__compute *compute, const fst_contrastive_loss_options *options,
                            const fst__real *first, const fst__real *second, int64_t count,
                            int64_t width, fst__real *first_gradient, fst__real *second_gradient,
                            fst__arena *scratch, fst_contrastive_loss *result)
{
    fst_status status = check_sizes(count, width);
    int64_t views = status ? 0 : 2 * count;
    contrast k = {
        .compute = compute, .rows = views, .candidates = views, .positives = views, .width = width,
        .ntxent = true, .backward = first_gradient || second_gradient};
    if (!status && count < 2)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "NT-Xent: examples is 1, expected at least 2");
    if (!status)
        status = fst__terms_check("NT-Xent", "first", first, NULL, count * width);
    if (!status)
        status = fst__terms_check("NT-Xent", "second", second, NULL, count * width);
    size_t mark = fst__arena_mark(scratch);
    if (!status)
        status = open(&k, options, scratch);
    if (!status) {
        scale_rows(&k, first, k.a, k.norms, count);
        scale_rows(&k, second, k.a + count * width, k.norms + count, count);
        status = contrast_all(&k, result);
    }
    if (!status)
        status = unscale_rows(&k, "first", k.a, k.norms, k.da, count, first_gradient);
    if (!status)
        status = unscale_rows(&k, "second", k.a + count * width, k.norms + count,
                              k.da + count * width, count, second_gradient);
    fst__arena_rewind(scratch, mark);
    return status;
}

fst_status fst__loss_infonce(const fst__compute *compute,
                             const fst_contrastive_loss_options *options, const fst__real *anchors,
                             const fst__real *candidates, int64_t count, int64_t candidate_count,
                             int64_t width, fst__real *anchor_gradient,
                             fst__real *candidate_gradient, fst__arena *scratch,
                             fst_contrastive_loss *result)
{
    fst_status status = check_sizes(count, width);
    contrast k = {.compute = compute, .rows = count, .candidates = candidate_count,
                  .positives = count, .width = width,
                  .backward = anchor_gradient || candidate_gradient};
    if (!status && (candidate_count < count || candidate_count % count != 0 || candidate_count < 2 ||
                    candidate_count > INT32_MAX))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "InfoNCE: candidate_count is %" PRId64
                           ", expected a multiple of examples, %" PRId64 ", and at least 2",
                           candidate_count, count);
    if (!status)
        status = fst__terms_check("InfoNCE", "anchors", anchors, NULL, count * width);
    if (!status)
        status = fst__terms_check("InfoNCE", "candidates", candidates, NULL, candidate_count * width);
    size_t mark = fst__arena_mark(scratch);
    if (!status)
        status = open(&k, options, scratch);
    if (!status) {
        scale_rows(&k, anchors, k.a, k.norms, count);
        scale_rows(&k, candidates, k.c, k.norms + count, candidate_count);
        status = contrast_all(&k, result);
    }
    if (!status)
        status = unscale_rows(&k, "anchors", k.a, k.norms, k.da, count, anchor_gradient);
    if (!status)
        status = unscale_rows(&k, "candidates", k.c, k.norms + count, k.dc, candidate_count,
                              candidate_gradient);
    fst__arena_rewind(scratch, mark);
    return status;
}
