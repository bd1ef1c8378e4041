/*
 * Layers in float and bf16: held against the double build's meaning by plain sums in double, the
 * same bits for any number of workers, and tables of rotary angles against transformers' own. That
 * backwards are right is shown in tests/gradient/gradient_layers.c.
 */
#include "base/arena.h"
#include "base/random.h"
#include "fourstage/context.h"
#include "kernels/gemm.h"
#include "kernels/reference.h"
#include "nn/activation.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/rotary.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 137, COLUMNS = 1060, HEAD = 20, OUTPUTS = 90, WORDS = 23, WORKERS = 4 };

static fst__allocator allocator;

static fst__compute *open_compute(int32_t workers)
{
    fst__pool *pool = NULL;
    fst__compute *compute = NULL;
    ck_assert_int_eq(fst__pool_create(&allocator, workers, &pool), FST_OK);
    ck_assert_int_eq(fst__compute_create(&allocator, pool, FST_PROVIDER_CBLAS, &compute), FST_OK);
    return compute;
}

static void close_compute(fst__compute *compute)
{
    fst__pool *pool = compute->pool;
    fst__compute_destroy(&allocator, compute);
    fst__pool_destroy(pool);
}

/* ---- operands: everything that the layers below read and write, in one block to compare */

typedef struct results {
    float sum[ROWS * COLUMNS], normed[ROWS * COLUMNS], mean[ROWS], rstd[ROWS];
    float dstream[ROWS * COLUMNS], dbranch[ROWS * COLUMNS], dgamma[COLUMNS], dbeta[COLUMNS];
    float heads[ROWS * COLUMNS], head_rstd[ROWS * COLUMNS / HEAD], dheads[ROWS * COLUMNS];
    float dhead_gamma[HEAD], turned[ROWS * COLUMNS];
    float pre[ROWS * OUTPUTS], activated[ROWS * OUTPUTS], dinput[ROWS * COLUMNS];
    float dweight[OUTPUTS * COLUMNS], dbias[OUTPUTS];
    float gated[ROWS * COLUMNS / 2], dgated[ROWS * COLUMNS];
    float embedded[ROWS * COLUMNS], dtable[WORDS * COLUMNS], dplaces[ROWS * COLUMNS];
} results;

typedef struct operands {
    int32_t dtype; /* of the matrices; inputs are representable in bf16 */
    float x[ROWS * COLUMNS], branch[ROWS * COLUMNS], dy[ROWS * COLUMNS];
    float gamma[COLUMNS], beta[COLUMNS], head_gamma[HEAD];
    float weight[OUTPUTS * COLUMNS], bias[OUTPUTS], dout[ROWS * OUTPUTS], table[WORDS * COLUMNS];
    int32_t ids[ROWS], positions[ROWS];
    float cosine[ROWS * HEAD / 2], sine[ROWS * HEAD / 2];
} operands;

static void draw(float *target, int64_t count, double scale, double shift, uint64_t stream)
{
    for (int64_t i = 0; i < count; ++i) {
        double value = fst__normal(fst__philox(7, 1, stream, (uint64_t)i), 0);
        target[i] = fst__bf16_to_float(fst__float_to_bf16((float)(scale * value + shift)));
    }
}

static operands *make_operands(void)
{
    operands *o = calloc(1, sizeof *o);
    ck_assert_ptr_nonnull(o);
    draw(o->x, ROWS * COLUMNS, 1, 2, 1);
    draw(o->branch, ROWS * COLUMNS, 1, 0, 2);
    draw(o->dy, ROWS * COLUMNS, 1, 0, 3);
    draw(o->gamma, COLUMNS, 0.3, 1, 4);
    draw(o->beta, COLUMNS, 0.3, 0, 5);
    draw(o->head_gamma, HEAD, 0.3, 1, 6);
    draw(o->weight, OUTPUTS * COLUMNS, 0.05, 0, 7);
    draw(o->bias, OUTPUTS, 1, 0, 8);
    draw(o->dout, ROWS * OUTPUTS, 1, 0, 9);
    draw(o->table, WORDS * COLUMNS, 1, 0, 10);
    for (int32_t r = 0; r < ROWS; ++r) {
        o->ids[r] = r * r % WORDS;
        o->positions[r] = (r * 5 + 1) % ROWS;
    }
    fst__rotary_scaling scaling = {.theta = 1000};
    fst__rotary_tables(o->cosine, o->sine, ROWS, HEAD, &scaling);
    return o;
}

/* A copy of `source` in the operands' dtype, or (NULL) an empty matrix. Freed at the end of a run.
 */
typedef struct store {
    void *block[64];
    int count;
    int32_t dtype;
} store;

static fst__matrix put(store *s, const float *source, int64_t rows, int64_t columns)
{
    fst__matrix m = fst__matrix_of(calloc((size_t)(rows * columns), 4), rows, columns, s->dtype);
    ck_assert(m.data && s->count < 64);
    s->block[s->count++] = m.data;
    if (source && s->dtype == FST_BF16)
        fst__kernels_reference.to_bf16(source, m.data, rows * columns);
    else if (source)
        memcpy(m.data, source, (size_t)(rows * columns) * sizeof *source);
    return m;
}

static void get(fst__matrix m, float *target)
{
    if (m.dtype == FST_BF16)
        fst__kernels_reference.from_bf16(m.data, target, m.rows * m.columns);
    else
        memcpy(target, m.data, (size_t)(m.rows * m.columns) * sizeof *target);
}

static const fst__dropout dropout = {0.25f, 99, 5, 64};

static void run_norms(const fst__compute *compute, const operands *o, results *out, store *s,
                      fst__arena *arena)
{
    fst__norm norm = {FST__NORM_LAYER, 1e-5f, o->gamma, o->beta};
    fst__matrix x = put(s, o->x, ROWS, COLUMNS), branch = put(s, o->branch, ROWS, COLUMNS);
    fst__matrix sum = put(s, NULL, ROWS, COLUMNS), y = put(s, NULL, ROWS, COLUMNS);
    fst__norm_forward(compute, &norm, x, &branch, &dropout, sum, y, out->mean, out->rstd);
    get(sum, out->sum);
    get(y, out->normed);
    fst__matrix dy = put(s, o->dy, ROWS, COLUMNS), dstream = put(s, o->branch, ROWS, COLUMNS);
    fst__matrix dbranch = put(s, NULL, ROWS, COLUMNS);
    fst__norm_backward(compute, &norm, sum, out->mean, out->rstd, dy, dstream, true, &dbranch,
                       &dropout, out->dgamma, out->dbeta, arena);
    get(dstream, out->dstream);
    get(dbranch, out->dbranch);

    fst__matrix heads = put(s, NULL, ROWS, COLUMNS), dheads = put(s, NULL, ROWS, COLUMNS);
    fst__head_norm_forward(compute, o->head_gamma, 1e-5f, x, HEAD, heads, out->head_rstd);
    get(heads, out->heads);
    fst__head_norm_backward(compute, o->head_gamma, x, HEAD, out->head_rstd, dy, dheads,
                            out->dhead_gamma, arena);
    get(dheads, out->dheads);
    fst__rotary_apply(compute, o->cosine, o->sine, o->positions, x, COLUMNS / HEAD, HEAD, HEAD,
                      false);
    get(x, out->turned);
}

static void run_products(const fst__compute *compute, const operands *o, results *out, store *s,
                         fst__arena *arena)
{
    fst__matrix x = put(s, o->branch, ROWS, COLUMNS), w = put(s, o->weight, OUTPUTS, COLUMNS);
    fst__matrix pre = put(s, NULL, ROWS, OUTPUTS), y = put(s, NULL, ROWS, OUTPUTS);
    ck_assert_int_eq(
        fst__linear_activation_forward(compute, x, w, o->bias, FST__ACTIVATION_GELU_TANH, pre, y),
        FST_OK);
    get(pre, out->pre);
    get(y, out->activated);
    fst__matrix dout = put(s, o->dout, ROWS, OUTPUTS), dinput = put(s, NULL, ROWS, COLUMNS);
    fst__activation_backward(compute, FST__ACTIVATION_GELU_TANH, pre, dout);
    ck_assert_int_eq(
        fst__linear_backward(compute, x, w, dout, &dinput, out->dweight, out->dbias, arena),
        FST_OK);
    get(dinput, out->dinput);

    fst__matrix gated = put(s, NULL, ROWS, COLUMNS / 2), dgated = put(s, NULL, ROWS, COLUMNS);
    fst__matrix up = put(s, o->dy, ROWS, COLUMNS / 2);
    fst__gated_forward(compute, FST__ACTIVATION_SILU, x, gated);
    get(gated, out->gated);
    fst__gated_backward(compute, FST__ACTIVATION_SILU, x, up, dgated);
    get(dgated, out->dgated);

    fst__matrix table = put(s, o->table, WORDS, COLUMNS), places = put(s, o->x, ROWS, COLUMNS);
    fst__matrix embedded = put(s, NULL, ROWS, COLUMNS), dy = put(s, o->dy, ROWS, COLUMNS);
    fst__embedding_forward(compute, o->ids, table, o->positions, &places, NULL, NULL, &dropout,
                           embedded);
    get(embedded, out->embedded);
    fst__embedding_backward(compute, o->ids, o->positions, NULL, &dropout, dy, out->dtable,
                            out->dplaces, NULL);
}

static results *run(int32_t workers, const fst__kernels *kernels, const operands *o)
{
    fst__compute *compute = open_compute(workers);
    if (kernels)
        compute->kernels = kernels;
    results *out = calloc(1, sizeof *out);
    store s = {.dtype = o->dtype};
    size_t size = fst__norm_backward_scratch(ROWS, COLUMNS);
    ck_assert(size >= fst__linear_backward_scratch(ROWS, OUTPUTS));
    ck_assert(size >= fst__head_norm_backward_scratch(ROWS, HEAD));
    void *scratch = malloc(size);
    fst__arena arena = fst__arena_over(scratch, size);
    run_norms(compute, o, out, &s, &arena);
    run_products(compute, o, out, &s, &arena);
    ck_assert(!arena.overflow);
    for (int i = 0; i < s.count; ++i)
        free(s.block[i]);
    free(scratch);
    close_compute(compute);
    return out;
}

START_TEST(same_bits_for_any_workers)
{
    for (int half = 0; half < 2; ++half) {
        operands *o = make_operands();
        o->dtype = half ? FST_BF16 : FST_F32;
        results *one = run(1, NULL, o);
        for (int32_t workers = 2; workers <= WORKERS; ++workers) {
            results *more = run(workers, NULL, o);
            ck_assert_mem_eq(one, more, sizeof *one);
            free(more);
        }
        free(one);
        free(o);
    }
}
END_TEST

/* The largest difference of two members, beside the root mean square of the second. */
static double distance(const float *a, const float *b, int64_t count)
{
    double largest = 0, square = 0;
    for (int64_t i = 0; i < count; ++i) {
        double difference = fabs((double)a[i] - (double)b[i]);
        if (!(difference <= largest))
            largest = difference;
        square += (double)b[i] * (double)b[i];
    }
    return largest / sqrt(square / (double)count);
}

#define COMPARE(member)                                                                            \
    do {                                                                                           \
        double d = distance(a->member, b->member, sizeof a->member / sizeof *a->member);           \
        ck_assert_msg(d <= tolerance, "%s %s differs by %g of its size", name, #member, d);        \
    } while (0)

static void compare_results(const char *name, const results *a, const results *b, double tolerance)
{
    COMPARE(sum);
    COMPARE(normed);
    COMPARE(mean);
    COMPARE(rstd);
    COMPARE(dstream);
    COMPARE(dbranch);
    COMPARE(dgamma);
    COMPARE(dbeta);
    COMPARE(heads);
    COMPARE(head_rstd);
    COMPARE(dheads);
    COMPARE(dhead_gamma);
    COMPARE(turned);
    COMPARE(pre);
    COMPARE(activated);
    COMPARE(dinput);
    COMPARE(dweight);
    COMPARE(dbias);
    COMPARE(gated);
    COMPARE(dgated);
    COMPARE(embedded);
    COMPARE(dtable);
    COMPARE(dplaces);
}

/* Over the plain kernels, which sum in double. */
START_TEST(against_plain_kernels)
{
    operands *o = make_operands();
    results *plain = run(1, &fst__kernels_reference, o);
    const fst__kernels *k;
    for (int32_t i = 0; (k = fst__kernels_at(i)); ++i) {
        results *fast = run(2, k, o);
        compare_results(k->name, fast, plain, 2e-5);
        free(fast);
    }
    free(plain);
    free(o);
}
END_TEST

/* bf16 has 8 bits: 2⁻⁹ for each rounding of values up to some 6 times the root mean square. */
START_TEST(bf16)
{
    operands *o = make_operands();
    results *plain = run(1, &fst__kernels_reference, o);
    o->dtype = FST_BF16;
    results *half = run(2, NULL, o);
    compare_results("bf16", half, plain, 0.06);
    free(half);
    free(plain);
    free(o);
}
END_TEST

/* Layers themselves, not only their kernels: the definitions, in double. */
START_TEST(definitions)
{
    operands *o = make_operands();
    results *r = run(2, NULL, o);
    for (int64_t i = 0; i < ROWS; i += 34) {
        double mean = 0, square = 0;
        for (int64_t j = 0; j < COLUMNS; ++j) {
            uint32_t word;
            fst__kernels_reference.random_words(dropout.seed, FST__STREAM_DROPOUT, dropout.step,
                                                64 + (uint64_t)(i * COLUMNS + j), &word, 1);
            double kept = word >= 0x40000000u ? o->branch[i * COLUMNS + j] / 0.75 : 0;
            ck_assert_double_eq_tol(r->sum[i * COLUMNS + j], o->x[i * COLUMNS + j] + kept, 1e-6);
            mean += r->sum[i * COLUMNS + j] / (double)COLUMNS;
        }
        for (int64_t j = 0; j < COLUMNS; ++j)
            square += pow(r->sum[i * COLUMNS + j] - mean, 2) / COLUMNS;
        for (int64_t j = 0; j < COLUMNS; j += 7) {
            double normed = (r->sum[i * COLUMNS + j] - mean) / sqrt(square + 1e-5);
            ck_assert_double_eq_tol(r->normed[i * COLUMNS + j], normed * o->gamma[j] + o->beta[j],
                                    1e-5);
        }
        for (int64_t j = 0; j < OUTPUTS; ++j) {
            double pre = o->bias[j];
            for (int64_t k = 0; k < COLUMNS; ++k)
                pre += (double)o->branch[i * COLUMNS + k] * o->weight[j * COLUMNS + k];
            ck_assert_double_eq_tol(r->pre[i * OUTPUTS + j], pre, 2e-5);
        }
    }
    free(r);
    free(o);
}
END_TEST

/* The mask of a step is the same in every layer that is given it, and another step has another. */
START_TEST(dropout_row)
{
    float x[300], y[300], z[300];
    for (int i = 0; i < 300; ++i)
        x[i] = 1;
    const fst__kernels *k = fst__kernels_select();
    fst__dropout_row(k, &dropout, 10, x, y, 290);
    fst__dropout_row(k, &dropout, 0, x, z, 300);
    ck_assert_mem_eq(y, z + 10, 290 * sizeof *y);
    fst__dropout next = dropout;
    next.step += 1;
    fst__dropout_row(k, &next, 0, x, y, 300);
    ck_assert_mem_ne(y, z, 300 * sizeof *y);
    next.probability = 0;
    fst__dropout_row(k, &next, 0, x, y, 300);
    ck_assert_mem_eq(y, x, sizeof x);
    fst__dropout_row(k, NULL, 0, x, x, 300);
    ck_assert_mem_eq(y, x, sizeof x);
    next.probability = 0.99999999f; /* rounds to 1 in float; nothing may overflow the threshold */
    next.probability = next.probability < 1 ? next.probability : 0.9999999f;
    fst__dropout_row(k, &next, 0, x, y, 300);
    for (int i = 0; i < 300; ++i)
        ck_assert(y[i] == 0);
}
END_TEST

/* Frequencies and attention factors that transformers' ROPE_INIT_FUNCTIONS give for head_dim 16. */
static const struct {
    fst__rotary_scaling scaling;
    double attention_factor, frequency[8];
} rotary_cases[] = {
    {{.kind = FST__ROTARY_DEFAULT, .theta = 10000.0},
     1,
     {1, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005,
      0.000316227786}},
    {{.kind = FST__ROTARY_LINEAR, .factor = 4.0, .theta = 10000.0},
     1,
     {0.25, 0.079056941, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012,
      7.90569466e-05}},
    {{.kind = FST__ROTARY_DYNAMIC, .factor = 2.0, .theta = 10000.0, .original_context = 32},
     1,
     {1, 0.270296127, 0.0730599985, 0.0197478328, 0.00533776265, 0.00144277664, 0.000389976922,
      0.000105409257}},
    {{.kind = FST__ROTARY_LLAMA3,
      .factor = 8.0,
      .low_frequency_factor = 1.0,
      .high_frequency_factor = 4.0,
      .original_context = 32,
      .theta = 500.0},
     1,
     {1, 0.237489685, 0.0311854575, 0.0121561559, 0.00559017016, 0.0025707141, 0.00118217699,
      0.000543639821}},
    {{.kind = FST__ROTARY_YARN, .factor = 4.0, .original_context = 128, .theta = 10000.0},
     1.13862944,
     {1, 0.237170815, 0.049999997, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012,
      7.90569466e-05}},
    {{.kind = FST__ROTARY_YARN,
      .factor = 40.0,
      .original_context = 4096,
      .theta = 10000.0,
      .mscale = 1.0,
      .mscale_all_dim = 0.5,
      .beta_fast = 16.0,
      .beta_slow = 2.0},
     1.15572199,
     {1, 0.316227764, 0.100000001, 0.0316227786, 0.00674999924, 0.00110679714, 2.49999994e-05,
      7.90569447e-06}},
    {{.kind = FST__ROTARY_YARN,
      .factor = 4.0,
      .original_context = 128,
      .theta = 10000.0,
      .attention_factor = 1.25,
      .no_truncate = true},
     1.25,
     {1, 0.225637481, 0.04270567, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012,
      7.90569466e-05}},
};

START_TEST(rotary_tables)
{
    for (size_t i = 0; i < sizeof rotary_cases / sizeof *rotary_cases; ++i) {
        float cosine[64 * 8], sine[64 * 8];
        fst__rotary_tables(cosine, sine, 64, 16, &rotary_cases[i].scaling);
        for (int j = 0; j < 8; ++j) {
            double angle = 3 * rotary_cases[i].frequency[j];
            double factor = rotary_cases[i].attention_factor;
            ck_assert_double_eq_tol(cosine[3 * 8 + j], factor * cos(angle), 2e-6);
            ck_assert_double_eq_tol(sine[3 * 8 + j], factor * sin(angle), 2e-6);
            ck_assert_double_eq_tol(cosine[j], factor, 1e-6);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layers");
    TCase *tests = tcase_create("layers");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, same_bits_for_any_workers);
    tcase_add_test(tests, against_plain_kernels);
    tcase_add_test(tests, bf16);
    tcase_add_test(tests, definitions);
    tcase_add_test(tests, dropout_row);
    tcase_add_test(tests, rotary_tables);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
