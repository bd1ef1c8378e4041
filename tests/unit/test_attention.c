/* Attention by tiles against attention written out, at sizes on both sides of the tiles' edges. */
#include "../support/attention_case.h"

#include "nn/attention_decode.h"
#include "nn/attention_tiles.h"

/* Gradients of attention written out, in double: dq [rows, H·D], dk, dv [kv_rows, Hkv·D]. */
static void reference_backward(const attention_case *c, double *dq, double *dk, double *dv)
{
    const fst__attention *a = &c->a;
    int64_t size = a->head_size, width = a->heads * size, kv_width = a->kv_heads * size;
    double *p = malloc((size_t)a->keys * sizeof *p), *out = malloc((size_t)size * sizeof *out);
    for (int64_t row = 0; row < a->batch * a->queries; ++row)
        for (int64_t h = 0; h < a->heads; ++h) {
            int64_t b = row / a->queries, g = h / (a->heads / a->kv_heads);
            reference_row(c, b, h, row % a->queries, p, out);
            double delta = 0;
            for (int64_t d = 0; d < size; ++d)
                delta += out[d] * case_get(c->dout, row, h * size + d);
            for (int64_t j = a->first_key[row]; j < a->end_key[row]; ++j) {
                int64_t k_row = b * a->keys + j;
                double dp = 0;
                for (int64_t d = 0; d < size; ++d)
                    dp +=
                        case_get(c->dout, row, h * size + d) * case_get(c->v, k_row, g * size + d);
                double ds = p[j] * (dp - delta) * (double)a->scale;
                for (int64_t d = 0; d < size; ++d) {
                    dv[k_row * kv_width + g * size + d] +=
                        p[j] * case_get(c->dout, row, h * size + d);
                    dk[k_row * kv_width + g * size + d] += ds * case_get(c->q, row, h * size + d);
                    dq[row * width + h * size + d] += ds * case_get(c->k, k_row, g * size + d);
                }
            }
        }
    free(p);
    free(out);
}

/* Largest difference, relative to the largest expected magnitude. */
static double difference(fst__matrix got, const double *expected)
{
    double most = 0, size = 1e-30;
    for (int64_t i = 0; i < got.rows; ++i)
        for (int64_t j = 0; j < got.columns; ++j) {
            double e = expected[i * got.columns + j], g = case_get(got, i, j);
            if (!isfinite(g))
                return INFINITY;
            most = fmax(most, fabs(g - e));
            size = fmax(size, fabs(e));
        }
    return most / size;
}

static double *zeros(int64_t count)
{
    return calloc((size_t)count + 1, sizeof(double));
}

static void check_forward(const attention_case *c, double tolerance)
{
    const fst__attention *a = &c->a;
    int64_t size = a->head_size, width = a->heads * size;
    double *expected = zeros(c->q.rows * width), *p = zeros(a->keys), *out = zeros(size);
    for (int64_t row = 0; row < c->q.rows; ++row)
        for (int64_t h = 0; h < a->heads; ++h) {
            int64_t b = row / a->queries, t = row % a->queries;
            double lse = reference_row(c, b, h, t, p, out);
            double got = (double)c->lse[(b * a->heads + h) * a->queries + t];
            if (lse == -INFINITY)
                ck_assert(got == -INFINITY);
            else
                ck_assert_double_eq_tol(got, lse, 1e-4);
            memcpy(expected + row * width + h * size, out, (size_t)size * sizeof *out);
        }
    double error = difference(c->out, expected);
    ck_assert_msg(error < tolerance, "output differs by %g", error);
    ck_assert(case_gaps_untouched(c->out));
    free(expected);
    free(p);
    free(out);
}

static void check_backward(const attention_case *c, double tolerance)
{
    double *dq = zeros(c->dq.rows * c->dq.columns);
    double *dk = zeros(c->dk.rows * c->dk.columns), *dv = zeros(c->dv.rows * c->dv.columns);
    reference_backward(c, dq, dk, dv);
    double errors[] = {difference(c->dq, dq), difference(c->dk, dk), difference(c->dv, dv)};
    for (int i = 0; i < 3; ++i)
        ck_assert_msg(errors[i] < tolerance, "gradient %c differs by %g", "qkv"[i], errors[i]);
    ck_assert(case_gaps_untouched(c->dq) && case_gaps_untouched(c->dk) &&
              case_gaps_untouched(c->dv));
    free(dq);
    free(dk);
    free(dv);
}

typedef struct shape {
    int64_t batch, heads, kv_heads, head_size, queries, keys, gap;
} shape;

static const shape shapes[] = {
    {1, 1, 1, 4, 1, 1, 0},      {2, 3, 3, 5, 7, 7, 3},       {1, 4, 2, 16, 63, 63, 0},
    {1, 2, 1, 8, 64, 65, 1},    {2, 2, 2, 32, 127, 127, 64}, {1, 2, 2, 12, 128, 256, 0},
    {1, 3, 1, 16, 129, 257, 5}, {1, 2, 2, 8, 300, 520, 0},   {3, 4, 4, 8, 65, 65, 0},
    {1, 1, 1, 8, 140, 1030, 0}, {1, 2, 1, 33, 5, 300, 0},
};

START_TEST(test_float)
{
    fst__compute *compute = case_compute(2);
    shape s = shapes[_i / MASKS];
    attention_case c = case_create(s.batch, s.heads, s.kv_heads, s.head_size, s.queries, s.keys,
                                   _i % MASKS, s.gap, FST__REAL_DTYPE);
    ck_assert_int_eq(case_forward(compute, &c), FST_OK);
    check_forward(&c, 2e-6);
    ck_assert_int_eq(case_backward(compute, &c), FST_OK);
    check_backward(&c, 1e-5);
    case_destroy(&c);
    case_close(compute);
}
END_TEST

START_TEST(test_bf16)
{
    fst__compute *compute = case_compute(2);
    shape s = shapes[_i / MASKS];
    attention_case c = case_create(s.batch, s.heads, s.kv_heads, s.head_size, s.queries, s.keys,
                                   _i % MASKS, s.gap, FST_BF16);
    ck_assert_int_eq(case_forward(compute, &c), FST_OK);
    check_forward(&c, 0.01); /* 2⁻⁸ is half a unit in the last place */
    ck_assert_int_eq(case_backward(compute, &c), FST_OK);
    check_backward(&c, 0.02);
    case_destroy(&c);
    case_close(compute);
}
END_TEST

/* Scores of several hundreds: the online maximum has to move without overflow. */
START_TEST(test_large_scores)
{
    fst__compute *compute = case_compute(1);
    attention_case c = case_create(1, 2, 2, 16, 130, 600, MASK_FULL, 0, FST__REAL_DTYPE);
    c.a.scale = 40;
    ck_assert_int_eq(case_forward(compute, &c), FST_OK);
    for (int64_t i = 0; i < c.out.rows; ++i)
        for (int64_t j = 0; j < c.out.columns; ++j)
            ck_assert(isfinite(case_get(c.out, i, j)));
    double p[600], out[16];
    double lse = reference_row(&c, 0, 1, 129, p, out);
    ck_assert_double_eq_tol((double)c.lse[1 * 130 + 129] / lse, 1, 1e-5);
    case_destroy(&c);
    case_close(compute);
}
END_TEST

/* A NaN in one key reaches exactly the queries that see it. */
START_TEST(test_nan)
{
    fst__compute *compute = case_compute(1);
    attention_case c = case_create(1, 1, 1, 8, 300, 300, MASK_CAUSAL, 0, FST__REAL_DTYPE);
    *(fst__real *)fst__matrix_at(c.k, 270, 3) = (fst__real)NAN;
    ck_assert_int_eq(case_forward(compute, &c), FST_OK);
    for (int64_t t = 0; t < 300; ++t) {
        ck_assert_int_eq(isnan(case_get(c.out, t, 0)) != 0, t >= 270);
        ck_assert_int_eq(isnan((double)c.lse[t]) != 0, t >= 270);
    }
    case_destroy(&c);
    case_close(compute);
}
END_TEST

static bool same(fst__matrix a, fst__matrix b)
{
    return memcmp(a.data, b.data, (size_t)(a.rows * a.stride) * fst__element_size(a.dtype)) == 0;
}

/* Splitting by heads (first), by keys (second) and not at all (third), with dropout. */
START_TEST(test_workers)
{
    static const shape cases[] = {
        {1, 4, 2, 16, 200, 200, 0}, {1, 2, 2, 16, 300, 1100, 0}, {3, 3, 3, 16, 150, 300, 0}};
    shape s = cases[_i / 2];
    attention_case c[4];
    for (int w = 0; w < 4; ++w) {
        fst__compute *compute = case_compute(w + 1);
        c[w] = case_create(s.batch, s.heads, s.kv_heads, s.head_size, s.queries, s.keys,
                           MASK_CAUSAL, 0, _i % 2 ? FST_BF16 : FST__REAL_DTYPE);
        c[w].a.dropout = (fst__dropout){(fst__real)0.2, 7, 3, 1000};
        ck_assert_int_eq(case_forward(compute, &c[w]), FST_OK);
        ck_assert_int_eq(case_backward(compute, &c[w]), FST_OK);
        ck_assert(same(c[0].out, c[w].out) && same(c[0].dq, c[w].dq));
        ck_assert(same(c[0].dk, c[w].dk) && same(c[0].dv, c[w].dv));
        case_close(compute);
    }
    for (int w = 0; w < 4; ++w)
        case_destroy(&c[w]);
}
END_TEST

/* With V the identity an output row is the row of dropped probabilities: each is 0 or P/(1 - p),
 * and about p of them are 0. */
START_TEST(test_dropout)
{
    fst__compute *compute = case_compute(2);
    int64_t n = 160;
    attention_case c = case_create(1, 1, 1, n, n, n, MASK_FULL, 0, FST__REAL_DTYPE);
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j)
            *(fst__real *)fst__matrix_at(c.v, i, j) = i == j;
    c.a.dropout = (fst__dropout){(fst__real)0.25, 5, 9, 64};
    ck_assert_int_eq(case_forward(compute, &c), FST_OK);
    double *p = zeros(n), *out = zeros(n);
    int64_t dropped = 0;
    for (int64_t t = 0; t < n; ++t) {
        reference_row(&c, 0, 0, t, p, out);
        for (int64_t j = 0; j < n; ++j) {
            double got = case_get(c.out, t, j);
            dropped += got == 0;
            ck_assert(got == 0 || fabs(got - p[j] / 0.75) < 1e-5);
        }
    }
    double share = (double)dropped / (double)(n * n);
    ck_assert_double_eq_tol(share, 0.25, 0.02);
    free(p);
    free(out);
    case_destroy(&c);
    case_close(compute);
}
END_TEST

START_TEST(test_scratch_too_small)
{
    fst__compute *compute = case_compute(1);
    attention_case c = case_create(1, 1, 1, 8, 10, 10, MASK_FULL, 0, FST__REAL_DTYPE);
    char block[256];
    fst__arena arena = fst__arena_over(block, sizeof block);
    ck_assert_int_eq(fst__attention_forward(compute, &c.a, c.q, c.k, c.v, c.out, c.lse, &arena),
                     FST_ERR_INTERNAL);
    case_destroy(&c);
    case_close(compute);
}
END_TEST

/* The cache holds [sequence][head][position], with NaN behind each sequence's length. */
static void *make_cache(fst__matrix rows, int64_t batch, int64_t keys, int64_t kv_heads,
                        int64_t size, int64_t capacity, const int32_t *lengths)
{
    size_t element = fst__element_size(rows.dtype);
    char *cache = malloc((size_t)(batch * kv_heads * capacity * size) * element);
    memset(cache, 0xff, (size_t)(batch * kv_heads * capacity * size) * element);
    for (int64_t b = 0; b < batch; ++b)
        for (int64_t g = 0; g < kv_heads; ++g)
            for (int64_t j = 0; j < lengths[b]; ++j)
                memcpy(cache + (size_t)(((b * kv_heads + g) * capacity + j) * size) * element,
                       fst__matrix_at(rows, b * keys + j, g * size), (size_t)size * element);
    return cache;
}

typedef struct decode_options {
    int64_t window;
    int64_t queries[3];
} decode_options;

/* Ragged lengths; each sequence's newest rows equal causal attention's last rows. */
static void check_decode(int32_t dtype, decode_options options, int32_t workers)
{
    enum { BATCH = 3, KEYS = 520, CAPACITY = 530, HEADS = 4, KV_HEADS = 2, SIZE = 24 };
    static const int32_t lengths[BATCH] = {520, 3, 257};
    fst__compute *compute = case_compute(workers);
    attention_case c = case_create(BATCH, HEADS, KV_HEADS, SIZE, KEYS, KEYS, MASK_CAUSAL, 0, dtype);
    for (int64_t i = 0; i < BATCH * KEYS; ++i)
        if (options.window && c.end[i] > options.window)
            c.first[i] = c.end[i] - (int32_t)options.window;
    int32_t counts[BATCH];
    int64_t total = 0;
    for (int b = 0; b < BATCH; ++b)
        total += counts[b] = (int32_t)options.queries[b];
    fst__matrix q = case_matrix(total, HEADS * SIZE, 2, dtype, 11);
    fst__matrix out = case_matrix(total, HEADS * SIZE, 2, dtype, 12);
    int64_t row = 0;
    for (int b = 0; b < BATCH; ++b)
        for (int64_t r = 0; r < counts[b]; ++r, ++row)
            memcpy(fst__matrix_at(q, row, 0),
                   fst__matrix_at(c.q, b * KEYS + lengths[b] - counts[b] + r, 0),
                   HEADS * SIZE * fst__element_size(dtype));
    fst__attention_decode decode = {.sequences = BATCH,
                                    .heads = HEADS,
                                    .kv_heads = KV_HEADS,
                                    .head_size = SIZE,
                                    .capacity = CAPACITY,
                                    .scale = c.a.scale,
                                    .lengths = lengths,
                                    .new_queries = counts,
                                    .window = options.window,
                                    .cache_dtype = dtype};
    void *keys = make_cache(c.k, BATCH, KEYS, KV_HEADS, SIZE, CAPACITY, lengths);
    void *values = make_cache(c.v, BATCH, KEYS, KV_HEADS, SIZE, CAPACITY, lengths);
    decode.key_cache = keys;
    decode.value_cache = values;
    size_t size = fst__attention_decode_scratch(compute, &decode);
    void *block = fst__alloc(&case_allocator, size);
    fst__arena arena = fst__arena_over(block, size);
    ck_assert_int_eq(fst__attention_decode_run(compute, &decode, q, out, &arena), FST_OK);
    ck_assert(arena.used == 0 && arena.peak == size);
    double p[KEYS], expected[SIZE];
    row = 0;
    for (int b = 0; b < BATCH; ++b)
        for (int64_t r = 0; r < counts[b]; ++r, ++row)
            for (int64_t h = 0; h < HEADS; ++h) {
                reference_row(&c, b, h, lengths[b] - counts[b] + r, p, expected);
                for (int64_t d = 0; d < SIZE; ++d)
                    ck_assert_double_eq_tol(case_get(out, row, h * SIZE + d), expected[d],
                                            dtype == FST_BF16 ? 0.02 : 3e-6);
            }
    ck_assert(case_gaps_untouched(out));
    fst__free(&case_allocator, block);
    free(keys);
    free(values);
    free(q.data);
    free(out.data);
    case_destroy(&c);
    case_close(compute);
}

START_TEST(test_decode)
{
    static const decode_options options[] = {
        {0, {1, 1, 1}}, {0, {2, 3, 0}}, {100, {1, 1, 1}}, {1, {2, 0, 1}}, {0, {0, 0, 9}}};
    check_decode(FST__REAL_DTYPE, options[_i], 1 + _i % 3);
    check_decode(FST_BF16, options[_i], 1 + _i % 3);
}
END_TEST

int main(void)
{
    int count = (int)(sizeof shapes / sizeof *shapes) * MASKS;
    TCase *tcase = tcase_create("attention");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_float, 0, count);
    tcase_add_loop_test(tcase, test_bf16, 0, count);
    tcase_add_test(tcase, test_large_scores);
    tcase_add_test(tcase, test_nan);
    tcase_add_loop_test(tcase, test_workers, 0, 6);
    tcase_add_test(tcase, test_dropout);
    tcase_add_test(tcase, test_scratch_too_small);
    tcase_add_loop_test(tcase, test_decode, 0, 5);
    Suite *suite = suite_create("attention");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
