/* Every provider against sums in double, on shapes that no tile size divides. */
#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "fourstage/context.h"
#include "kernels/gemm.h"
#include "kernels/gemm_cblas.h"
#include "tensor/bf16.h"

#include <check.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static fst__allocator allocator;

static const int32_t providers[] = {FST_PROVIDER_REFERENCE, FST_PROVIDER_CBLAS,
                                    FST_PROVIDER_ONEDNN};

/* NULL where this build lacks the provider. */
static fst__compute *open_compute(int32_t provider, int32_t workers)
{
    fst__pool *pool = NULL;
    fst__compute *compute = NULL;
    ck_assert_int_eq(fst__pool_create(&allocator, workers, &pool), FST_OK);
    fst_status status = fst__compute_create(&allocator, pool, provider, &compute);
    if (status == FST_ERR_UNSUPPORTED && provider == FST_PROVIDER_ONEDNN) {
        fst__pool_destroy(pool);
        return NULL;
    }
    ck_assert_int_eq(status, FST_OK);
    return compute;
}

static void close_compute(fst__compute *compute)
{
    fst__pool *pool = compute->pool;
    fst__compute_destroy(&allocator, compute);
    fst__pool_destroy(pool);
    ck_assert_int_eq(allocator.live_bytes, 0);
}

/* A small generator: one Philox stream per test case. */
typedef struct draw {
    uint64_t seed, index;
} draw;

static uint32_t next_word(draw *d)
{
    return fst__philox(d->seed, 1, 0, d->index++).word[0];
}

static int64_t between(draw *d, int64_t low, int64_t high)
{
    return low + (int64_t)(next_word(d) % (uint64_t)(high - low + 1));
}

static void set_element(fst__matrix matrix, int64_t i, int64_t j, double value)
{
    void *at = fst__matrix_at(matrix, i, j);
    if (matrix.dtype == FST_BF16)
        *(fst__bf16 *)at = fst__float_to_bf16((float)value);
    else
        *(fst__real *)at = (fst__real)value;
}

static double get_element(fst__matrix matrix, int64_t i, int64_t j)
{
    const void *at = fst__matrix_at(matrix, i, j);
    return matrix.dtype == FST_BF16 ? (double)fst__bf16_to_float(*(const fst__bf16 *)at)
                                    : (double)*(const fst__real *)at;
}

/* Gaps between rows hold NaN in A and B, which must not be read, and 77 in C, which must stay. */
static fst__matrix make_matrix(draw *d, int64_t rows, int64_t columns, int64_t stride,
                               int32_t dtype, double gap)
{
    size_t size = (size_t)(rows * stride + 1) * fst__element_size(dtype);
    fst__matrix matrix = {malloc(size), rows, stride, stride, dtype};
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < stride; ++j)
            set_element(matrix, i, j,
                        j < columns ? 2.0 * fst__uniform_float(next_word(d)) - 1.0 : gap);
    matrix.columns = columns;
    return matrix;
}

typedef struct problem {
    fst__product product;
    double *expected; /* [m, n] */
    double *scale;    /* [m, n] sum of |a·b|, to which errors are relative */
} problem;

/* The matrix or its transpose as doubles without gaps. */
static double *dense(fst__matrix matrix, bool transpose)
{
    double *out = malloc((size_t)(matrix.rows * matrix.columns + 1) * sizeof *out);
    for (int64_t i = 0; i < matrix.rows; ++i)
        for (int64_t j = 0; j < matrix.columns; ++j)
            out[transpose ? j * matrix.rows + i : i * matrix.columns + j] =
                get_element(matrix, i, j);
    return out;
}

static problem make_problem(draw *d, int64_t m, int64_t n, int64_t k, int32_t dtype,
                            int32_t dtype_c, int variant)
{
    problem p = {0};
    fst__product *product = &p.product;
    product->transpose_a = variant & 1;
    product->transpose_b = variant & 2;
    product->accumulate = (variant & 4) && dtype_c != FST_BF16;
    int64_t ar = product->transpose_a ? k : m, ac = product->transpose_a ? m : k;
    int64_t br = product->transpose_b ? n : k, bc = product->transpose_b ? k : n;
    int64_t gap = variant & 8 ? between(d, 1, 19) : 0;
    product->a = make_matrix(d, ar, ac, ac + gap, dtype, NAN);
    product->b = make_matrix(d, br, bc, bc + gap / 2, dtype, NAN);
    product->c = make_matrix(d, m, n, n + gap / 3, dtype_c, 77.0);
    p.expected = malloc((size_t)(m * n + 1) * sizeof *p.expected);
    p.scale = malloc((size_t)(m * n + 1) * sizeof *p.scale);
    double *a = dense(product->a, product->transpose_a);
    double *b = dense(product->b, !product->transpose_b);
    for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
            double sum = product->accumulate ? get_element(product->c, i, j) : 0.0;
            double scale = fabs(sum);
            for (int64_t l = 0; l < k; ++l) {
                sum += a[i * k + l] * b[j * k + l];
                scale += fabs(a[i * k + l] * b[j * k + l]);
            }
            p.expected[i * n + j] = sum;
            p.scale[i * n + j] = scale;
            if (!product->accumulate) /* what was there must not leak into the result */
                set_element(product->c, i, j, NAN);
        }
    }
    free(a);
    free(b);
    return p;
}

static void free_problem(problem *p)
{
    free(p->product.a.data);
    free(p->product.b.data);
    free(p->product.c.data);
    free(p->expected);
    free(p->scale);
}

static void check_result(const problem *p, const char *who)
{
    fst__matrix c = p->product.c;
    int64_t m = c.rows, n = c.columns;
    double tolerance = sizeof(fst__real) == 8 ? 1e-14 : 2e-6;
    for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
            double expected = p->expected[i * n + j], got = get_element(c, i, j);
            double allowed = tolerance * p->scale[i * n + j] + 1e-30;
            if (c.dtype == FST_BF16)
                allowed += fabs(expected) / 256.0;
            if (fabs(got - expected) <= allowed) /* false for NaN */
                continue;
            ck_abort_msg(
                "%s dtype %d to %d m %d n %d k %d (%d %d %d) at %d,%d: %.9g, expected %.9g", who,
                (int)p->product.a.dtype, (int)c.dtype, (int)m, (int)n,
                (int)(p->product.transpose_a ? p->product.a.rows : p->product.a.columns),
                p->product.transpose_a, p->product.transpose_b, p->product.accumulate, (int)i,
                (int)j, got, expected);
        }
        for (int64_t j = n; j < c.stride; ++j) {
            fst__matrix whole = c;
            whole.columns = c.stride;
            if (get_element(whole, i, j) != 77.0)
                ck_abort_msg("%s wrote between rows", who);
        }
    }
}

static void run_case(fst__compute *compute, draw *d, int64_t m, int64_t n, int64_t k, int32_t dtype,
                     int32_t dtype_c, int variant, bool tile)
{
    problem p = make_problem(d, m, n, k, dtype, dtype_c, variant);
    fst_status status =
        tile ? fst__gemm_run_tile(compute, 0, &p.product) : fst__gemm_run(compute, &p.product);
    ck_assert_msg(status == FST_OK, "%s", fst__error_text());
    check_result(&p, fst__gemm_provider_name(compute->gemm));
    free_problem(&p);
}

static void run_all_dtypes(fst__compute *compute, draw *d, int64_t m, int64_t n, int64_t k,
                           int variant, bool tile)
{
    run_case(compute, d, m, n, k, FST__REAL_DTYPE, FST__REAL_DTYPE, variant, tile);
    run_case(compute, d, m, n, k, FST_BF16, FST__REAL_DTYPE, variant, tile);
    run_case(compute, d, m, n, k, FST_BF16, FST_BF16, variant, tile);
}

/* Sizes 0 and 1 meet every transpose, accumulation and stride. */
START_TEST(test_tiny)
{
    fst__compute *compute = open_compute(providers[_i], 2);
    if (!compute)
        return;
    draw d = {.seed = 11};
    static const int64_t sizes[] = {0, 1, 3};
    for (int mi = 0; mi < 3; ++mi)
        for (int ni = 0; ni < 3; ++ni)
            for (int ki = 0; ki < 3; ++ki)
                for (int variant = 0; variant < 16; ++variant)
                    run_all_dtypes(compute, &d, sizes[mi], sizes[ni], sizes[ki], variant,
                                   variant & 1);
    close_compute(compute);
}
END_TEST

START_TEST(test_random_shapes)
{
    fst__compute *compute = open_compute(providers[_i], 2);
    if (!compute)
        return;
    draw d = {.seed = 12};
    for (int round = 0; round < 40; ++round) {
        int64_t m = between(&d, 1, 150), n = between(&d, 1, 150), k = between(&d, 1, 200);
        run_all_dtypes(compute, &d, m, n, k, round % 16, round % 3 == 0);
    }
    close_compute(compute);
}
END_TEST

/* Few rows, as when one token per sequence is generated. */
START_TEST(test_few_rows)
{
    fst__compute *compute = open_compute(providers[_i], 2);
    if (!compute)
        return;
    draw d = {.seed = 13};
    for (int64_t m = 1; m <= 20; ++m)
        for (int variant = 0; variant < 16; variant += 2)
            run_all_dtypes(compute, &d, m, between(&d, 1, 400), between(&d, 1, 300), variant,
                           false);
    close_compute(compute);
}
END_TEST

/* More tiles than one in both directions, with ragged ends, and deep sums. */
START_TEST(test_large_shapes)
{
    if (providers[_i] == FST_PROVIDER_REFERENCE)
        return;
    fst__compute *compute = open_compute(providers[_i], 2);
    if (!compute)
        return;
    draw d = {.seed = 14};
    static const int64_t shapes[][3] = {{1030, 70, 33}, {70, 2100, 40},  {515, 1030, 20},
                                        {65, 70, 4100}, {129, 257, 513}, {300, 300, 900}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; ++s)
        for (int variant = 0; variant < 16; variant += 5)
            run_all_dtypes(compute, &d, shapes[s][0], shapes[s][1], shapes[s][2], variant, false);
    close_compute(compute);
}
END_TEST

typedef struct coverage {
    int32_t *touched; /* [m, n] */
    const double *expected;
    int32_t workers;
    bool wrong;
} coverage;

static void cover(void *context, fst__matrix c, int64_t row, int64_t rows, int64_t column,
                  int64_t columns, int32_t worker)
{
    coverage *seen = context;
    if (worker < 0 || worker >= seen->workers)
        seen->wrong = true;
    for (int64_t i = row; i < row + rows; ++i)
        for (int64_t j = column; j < column + columns; ++j) {
            ++seen->touched[i * c.columns + j];
            if (fabs(get_element(c, i, j) - seen->expected[i * c.columns + j]) > 0.01)
                seen->wrong = true;
        }
}

/* The epilogue sees each element once, with its final value. */
START_TEST(test_epilogue)
{
    fst__compute *compute = open_compute(providers[_i], 3);
    if (!compute)
        return;
    draw d = {.seed = 15};
    static const int64_t shapes[][3] = {{1, 1, 1},   {1, 1500, 7},  {600, 1, 3},  {530, 1100, 2},
                                        {40, 40, 0}, {3, 900, 100}, {17, 33, 65}, {0, 5, 3}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; ++s) {
        int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        problem p = make_problem(&d, m, n, k, FST__REAL_DTYPE, FST__REAL_DTYPE, (int)s * 2);
        coverage seen = {calloc((size_t)(m * n + 1), sizeof(int32_t)), p.expected, 3, false};
        fst__epilogue epilogue = {cover, &seen};
        p.product.epilogue = &epilogue;
        ck_assert_int_eq(fst__gemm_run(compute, &p.product), FST_OK);
        ck_assert(!seen.wrong);
        for (int64_t i = 0; i < m * n; ++i)
            if (seen.touched[i] != 1)
                ck_abort_msg("element %d was seen %d times", (int)i, (int)seen.touched[i]);
        free(seen.touched);
        free_problem(&p);
    }
    close_compute(compute);
}
END_TEST

/* The same bits for any number of workers. */
START_TEST(test_bit_identity)
{
    static const int64_t shapes[][3] = {
        {1, 700, 300}, {8, 300, 64}, {700, 900, 130}, {96, 96, 2050}, {520, 64, 64}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; ++s) {
        for (int kind = 0; kind < 6; ++kind) {
            int32_t dtype = kind % 3 == 0 ? FST__REAL_DTYPE : FST_BF16;
            int32_t dtype_c = kind % 3 == 2 ? FST_BF16 : FST__REAL_DTYPE;
            void *first = NULL;
            for (int32_t workers = 1; workers <= 4; ++workers) {
                fst__compute *compute = open_compute(providers[_i], workers);
                if (!compute)
                    return;
                draw d = {.seed = 16 + s};
                problem p = make_problem(&d, shapes[s][0], shapes[s][1], shapes[s][2], dtype,
                                         dtype_c, kind < 3 ? 2 : 5);
                ck_assert_int_eq(fst__gemm_run(compute, &p.product), FST_OK);
                size_t size =
                    (size_t)(p.product.c.rows * p.product.c.stride) * fst__element_size(dtype_c);
                if (!first) {
                    first = malloc(size);
                    memcpy(first, p.product.c.data, size);
                }
                ck_assert_msg(memcmp(first, p.product.c.data, size) == 0,
                              "shape %zu kind %d: %d workers give other bits", s, kind, workers);
                free_problem(&p);
                close_compute(compute);
            }
            free(first);
        }
    }
}
END_TEST

/* A row's result does not depend on how many rows stand beside it, where few do: a sequence that
 * is generated in a batch gets the same bits as alone. */
START_TEST(test_rows_independent)
{
    fst__compute *compute = open_compute(providers[_i], 2);
    if (!compute)
        return;
    for (int kind = 0; kind < 2; ++kind) {
        int32_t dtype = kind ? FST_BF16 : FST__REAL_DTYPE;
        draw d = {.seed = 17};
        int64_t n = 333, k = 517;
        problem p = make_problem(&d, 16, n, k, dtype, FST__REAL_DTYPE, 2);
        ck_assert_int_eq(fst__gemm_run(compute, &p.product), FST_OK);
        fst__real *alone = malloc((size_t)(16 * n) * sizeof *alone);
        for (int64_t m = 1; m < 16; ++m) {
            fst__product part = p.product;
            part.a = fst__matrix_rows(part.a, 16 - m, m);
            part.c = fst__matrix_of(alone, m, n, FST__REAL_DTYPE);
            ck_assert_int_eq(fst__gemm_run(compute, &part), FST_OK);
            ck_assert_int_eq(memcmp(alone, fst__matrix_at(p.product.c, 16 - m, 0),
                                    (size_t)(m * n) * sizeof *alone),
                             0);
        }
        free(alone);
        free_problem(&p);
    }
    close_compute(compute);
}
END_TEST

/* Once a shape was met, whichever worker gets a tile of it allocates nothing. */
START_TEST(test_steady)
{
    fst__compute *compute = open_compute(providers[_i], 4);
    if (!compute)
        return;
    for (int kind = 0; kind < 3; ++kind) {
        draw d = {.seed = 19};
        problem p = make_problem(&d, 300, 290, 70, kind ? FST_BF16 : FST__REAL_DTYPE,
                                 kind == 2 ? FST_BF16 : FST__REAL_DTYPE, 2);
        ck_assert_int_eq(fst__gemm_run(compute, &p.product), FST_OK);
        int64_t before = allocator.allocations;
        for (int round = 0; round < 20; ++round)
            ck_assert_int_eq(fst__gemm_run(compute, &p.product), FST_OK);
        ck_assert_int_eq(allocator.allocations, before);
        free_problem(&p);
    }
    close_compute(compute);
}
END_TEST

/* More shapes than a provider may keep prepared. */
START_TEST(test_many_shapes)
{
    fst__compute *compute = open_compute(providers[_i], 1);
    if (!compute)
        return;
    draw d = {.seed = 20};
    for (int round = 0; round < 2; ++round)
        for (int64_t k = 1; k <= (round ? 50 : 600); ++k)
            run_case(compute, &d, 3, 2, k, FST_BF16, FST_BF16, (int)k % 2, true);
    close_compute(compute);
}
END_TEST

/* A provider that sets OpenMP's number of threads for its own calls leaves the host's alone. */
START_TEST(test_host_openmp)
{
    int (*get)(void) = NULL;
    void (*set)(int) = NULL;
    void *get_address = dlsym(RTLD_DEFAULT, "omp_get_max_threads");
    void *set_address = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (!get_address || !set_address)
        return;
    memcpy(&get, &get_address, sizeof get);
    memcpy(&set, &set_address, sizeof set);
    set(5);
    fst__compute *compute = open_compute(providers[_i], 2);
    if (!compute)
        return;
    draw d = {.seed = 21};
    run_all_dtypes(compute, &d, 70, 80, 90, 0, false);
    ck_assert_int_eq(get(), 5);
    close_compute(compute);
}
END_TEST

/* A child of fork multiplies with the parent's context. */
START_TEST(test_fork)
{
    fst__compute *compute = open_compute(providers[_i], 2);
    if (!compute)
        return;
    draw d = {.seed = 22};
    run_all_dtypes(compute, &d, 300, 70, 60, 0, false);
    for (int i = 0; i < 20; ++i) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            alarm(20);
            problem p = make_problem(&d, 300, 80 + i, 60, i % 2 ? FST_BF16 : FST__REAL_DTYPE,
                                     FST__REAL_DTYPE, i);
            fst_status status = fst__gemm_run(compute, &p.product);
            double off = get_element(p.product.c, 299, 7) - p.expected[299 * (80 + i) + 7];
            _exit(status == FST_OK && fabs(off) < 1e-3 ? 0 : 1);
        }
        int outcome = 0;
        ck_assert_int_eq(waitpid(child, &outcome, 0), child);
        ck_assert_msg(WIFEXITED(outcome) && WEXITSTATUS(outcome) == 0, "child %d: %x", i, outcome);
    }
    close_compute(compute);
}
END_TEST

static void *give_or_refuse(size_t size, void *user)
{
    int *left = user;
    return (*left)-- > 0 ? malloc(size) : NULL;
}

static void give_back(void *block, void *user)
{
    free(block);
}

/* Memory is refused at each allocation in turn: an error and no leak, or a right result. */
START_TEST(test_refused_memory)
{
    fst__pool *pool = NULL;
    ck_assert_int_eq(fst__pool_create(&allocator, 2, &pool), FST_OK);
    draw d = {.seed = 23};
    bool whole = false;
    for (int allowed = 0; !whole; ++allowed) {
        ck_assert_int_lt(allowed, 100);
        int left = allowed;
        fst__allocator scarce = {give_or_refuse, give_back, &left, 0, 0, 0};
        fst__compute *compute = NULL;
        problem p = make_problem(&d, 200, 150, 70, FST_BF16, FST_BF16, 0);
        fst_status status = fst__compute_create(&scarce, pool, providers[_i], &compute);
        if (status == FST_OK)
            status = fst__gemm_run(compute, &p.product);
        if (status == FST_OK) {
            check_result(&p, "scarce memory");
            whole = left >= 0;
        } else if (status == FST_ERR_UNSUPPORTED) {
            whole = true; /* no such provider in this build */
        } else {
            ck_assert_int_eq(status, FST_ERR_NO_MEMORY);
            ck_assert_int_gt(strlen(fst__error_text()), 0);
        }
        fst__compute_destroy(&scarce, compute);
        ck_assert_int_eq(scarce.live_bytes, 0);
        free_problem(&p);
    }
    fst__pool_destroy(pool);
}
END_TEST

extern int openblas_get_num_threads(void) __attribute__((weak));
extern void openblas_set_num_threads(int threads) __attribute__((weak));

/* The count is 1 while anybody wants it so, then again what it was. */
START_TEST(test_blas_single_thread)
{
    if (!openblas_get_num_threads || !openblas_set_num_threads)
        return;
    openblas_set_num_threads(2);
    int before = openblas_get_num_threads();
    fst__blas_single_thread_enter();
    ck_assert_int_eq(openblas_get_num_threads(), 1);
    fst__blas_single_thread_enter();
    fst__blas_single_thread_leave();
    ck_assert_int_eq(openblas_get_num_threads(), 1);
    fst__blas_single_thread_leave();
    ck_assert_int_eq(openblas_get_num_threads(), before);
    fst__blas_single_thread_leave(); /* one too many does no harm */
    ck_assert_int_eq(openblas_get_num_threads(), before);
}
END_TEST

START_TEST(test_refusals)
{
    fst__compute *compute = open_compute(FST_PROVIDER_CBLAS, 1);
    fst__real data[64] = {0};
    fst__product good = {.a = fst__matrix_of(data, 2, 3, FST__REAL_DTYPE),
                         .b = fst__matrix_of(data + 16, 3, 4, FST__REAL_DTYPE),
                         .c = fst__matrix_of(data + 32, 2, 4, FST__REAL_DTYPE)};
    ck_assert_int_eq(fst__gemm_run(compute, &good), FST_OK);
    fst__product bad = good;
    bad.b.rows = 5;
    ck_assert_int_eq(fst__gemm_run(compute, &bad), FST_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(fst__error_text(), "[5, 4]"));
    bad = good;
    bad.a.stride = 2;
    ck_assert_int_eq(fst__gemm_run_tile(compute, 0, &bad), FST_ERR_INTERNAL);
    bad = good;
    bad.b.dtype = FST_BF16;
    ck_assert_int_eq(fst__gemm_run(compute, &bad), FST_ERR_INTERNAL);
    bad = good;
    bad.c.dtype = FST_BF16;
    ck_assert_int_eq(fst__gemm_run(compute, &bad), FST_ERR_INTERNAL);
    bad.a.dtype = bad.b.dtype = FST_BF16;
    ck_assert_int_eq(fst__gemm_run(compute, &bad), FST_OK);
    bad.accumulate = true;
    ck_assert_int_eq(fst__gemm_run(compute, &bad), FST_ERR_INTERNAL);
    bad = good;
    bad.a.stride = bad.c.stride = (int64_t)1 << 40; /* one row, so nothing lies beyond */
    bad.a.rows = bad.c.rows = 1;
    ck_assert_int_eq(fst__gemm_run(compute, &bad), FST_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(fst__error_text(), "[1, 3]"));
    close_compute(compute);

    fst__compute *none = NULL;
    fst__pool *pool = NULL;
    ck_assert_int_eq(fst__pool_create(&allocator, 1, &pool), FST_OK);
    ck_assert_int_eq(fst__compute_create(&allocator, pool, 9, &none), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_null(none);
    fst__pool_destroy(pool);
    ck_assert_int_eq(allocator.live_bytes, 0);
}
END_TEST

START_TEST(test_record)
{
    fst__compute *compute = open_compute(FST_PROVIDER_CBLAS, 2);
    fst__gemm_shape shapes[2];
    int64_t count = 0;
    draw d = {.seed = 18};
    fst__gemm_record(compute->gemm, shapes, 2, &count);
    for (int i = 0; i < 3; ++i)
        run_case(compute, &d, 20, 30, 40, FST__REAL_DTYPE, FST__REAL_DTYPE, 2, false);
    run_case(compute, &d, 20, 30, 40, FST_BF16, FST_BF16, 1, true);
    run_case(compute, &d, 1, 1, 1, FST_BF16, FST_BF16, 1, true); /* beyond the capacity */
    fst__gemm_record(compute->gemm, NULL, 0, NULL);
    run_case(compute, &d, 20, 30, 40, FST__REAL_DTYPE, FST__REAL_DTYPE, 2, false);
    ck_assert_int_eq(count, 2);
    ck_assert_int_eq(shapes[0].calls, 3);
    ck_assert(shapes[0].m == 20 && shapes[0].n == 30 && shapes[0].k == 40);
    ck_assert(shapes[0].transpose_b && !shapes[0].transpose_a && !shapes[0].tile);
    ck_assert(shapes[1].calls == 1 && shapes[1].tile && shapes[1].transpose_a);
    ck_assert_int_eq(shapes[1].dtype_c, FST_BF16);
    close_compute(compute);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gemm");
    TCase *tcase = tcase_create("gemm");
    tcase_set_timeout(tcase, 100);
    int count = (int)(sizeof providers / sizeof *providers);
    tcase_add_loop_test(tcase, test_tiny, 0, count);
    tcase_add_loop_test(tcase, test_random_shapes, 0, count);
    tcase_add_loop_test(tcase, test_few_rows, 0, count);
    tcase_add_loop_test(tcase, test_large_shapes, 0, count);
    tcase_add_loop_test(tcase, test_epilogue, 0, count);
    tcase_add_loop_test(tcase, test_bit_identity, 0, count);
    tcase_add_loop_test(tcase, test_rows_independent, 0, count);
    tcase_add_loop_test(tcase, test_steady, 0, count);
    tcase_add_loop_test(tcase, test_many_shapes, 0, count);
    tcase_add_loop_test(tcase, test_host_openmp, 0, count);
    tcase_add_loop_test(tcase, test_fork, 0, count);
    tcase_add_loop_test(tcase, test_refused_memory, 0, count);
    tcase_add_test(tcase, test_blas_single_thread);
    tcase_add_test(tcase, test_refusals);
    tcase_add_test(tcase, test_record);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
