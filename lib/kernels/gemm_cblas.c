/*
 * Products by CBLAS; the only file that knows it. BLAS has no bfloat16: such tiles are converted
 * block by block into per-worker scratch, multiplied in fst__real, and rounded on the way out.
 */
#include "kernels/gemm_cblas.h"
#include "kernels/gemm_provider.h"

#include "base/error.h"
#include "tensor/bf16.h"

#include <cblas.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

/* Absent from other BLAS libraries, hence weak. */
extern void openblas_set_num_threads(int threads) __attribute__((weak));
extern int openblas_get_num_threads(void) __attribute__((weak));
extern char *openblas_get_config(void) __attribute__((weak));
extern char *openblas_get_corename(void) __attribute__((weak));

/* Blocks of a converted product: op(A) [BLOCK_M, BLOCK_K], op(B) [BLOCK_K, BLOCK_N]. */
enum { BLOCK_M = 128, BLOCK_N = 256, BLOCK_K = 512 };

typedef struct scratch {
    fst__real a[BLOCK_M * BLOCK_K];
    fst__real b[BLOCK_K * BLOCK_N];
    fst__real c[BLOCK_M * BLOCK_N];
} scratch;

typedef struct cblas_state {
    fst__allocator *allocator;
    int32_t workers;
    pthread_mutex_t lock;       /* guards the first allocation of the scratches */
    _Atomic(scratch *) scratch; /* [workers], made when the first bfloat16 product comes */
} cblas_state;

static struct {
    pthread_mutex_t lock;
    int64_t holders;
    int threads_before;
} single_thread = {.lock = PTHREAD_MUTEX_INITIALIZER};

void fst__blas_single_thread_enter(void)
{
    if (!openblas_set_num_threads || !openblas_get_num_threads)
        return;
    pthread_mutex_lock(&single_thread.lock);
    if (single_thread.holders++ == 0) {
        single_thread.threads_before = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
    pthread_mutex_unlock(&single_thread.lock);
}

void fst__blas_single_thread_leave(void)
{
    if (!openblas_set_num_threads || !openblas_get_num_threads)
        return;
    pthread_mutex_lock(&single_thread.lock);
    if (single_thread.holders > 0 && --single_thread.holders == 0)
        openblas_set_num_threads(single_thread.threads_before);
    pthread_mutex_unlock(&single_thread.lock);
}

/* C = op(A)·op(B) + beta·C on fst__real; every size fits an int. */
static void multiply(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                     const fst__real *a, int64_t lda, const fst__real *b, int64_t ldb,
                     fst__real beta, fst__real *c, int64_t ldc)
{
    CBLAS_TRANSPOSE ta = transpose_a ? CblasTrans : CblasNoTrans;
    CBLAS_TRANSPOSE tb = transpose_b ? CblasTrans : CblasNoTrans;
#ifdef FST__REAL_DOUBLE
    cblas_dgemm(CblasRowMajor, ta, tb, (int)m, (int)n, (int)k, 1.0, a, (int)lda, b, (int)ldb, beta,
                c, (int)ldc);
#else
    cblas_sgemm(CblasRowMajor, ta, tb, (int)m, (int)n, (int)k, 1.0f, a, (int)lda, b, (int)ldb, beta,
                c, (int)ldc);
#endif
}

/* The block of `matrix` (bfloat16) at (row, column), as it stands, packed to stride `columns`. */
static void convert(fst__matrix matrix, int64_t row, int64_t rows, int64_t column, int64_t columns,
                    fst__real *out)
{
    for (int64_t i = 0; i < rows; ++i) {
        const fst__bf16 *in = fst__matrix_at(matrix, row + i, column);
        for (int64_t j = 0; j < columns; ++j)
            out[i * columns + j] = (fst__real)fst__bf16_to_float(in[j]);
    }
}

static void round_out(fst__matrix c, int64_t row, int64_t rows, int64_t column, int64_t columns,
                      const fst__real *in)
{
    for (int64_t i = 0; i < rows; ++i) {
        fst__bf16 *out = fst__matrix_at(c, row + i, column);
        for (int64_t j = 0; j < columns; ++j)
            out[j] = fst__float_to_bf16((float)in[i * columns + j]);
    }
}

static int64_t smaller(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

/* The block of C at (i, j), [rows, columns], summed over k in steps of BLOCK_K. */
static void run_bf16_block(scratch *s, const fst__product *tile, int64_t i, int64_t rows, int64_t j,
                           int64_t columns)
{
    bool rounds = tile->c.dtype == FST_BF16;
    fst__real *c = rounds ? s->c : fst__matrix_at(tile->c, i, j);
    int64_t ldc = rounds ? columns : tile->c.stride;
    int64_t k = fst__product_depth(tile);
    for (int64_t p = 0; p < k; p += BLOCK_K) {
        int64_t depth = smaller(BLOCK_K, k - p);
        if (tile->transpose_a)
            convert(tile->a, p, depth, i, rows, s->a);
        else
            convert(tile->a, i, rows, p, depth, s->a);
        if (tile->transpose_b)
            convert(tile->b, j, columns, p, depth, s->b);
        else
            convert(tile->b, p, depth, j, columns, s->b);
        fst__real beta = p > 0 || tile->accumulate ? 1 : 0;
        multiply(tile->transpose_a, tile->transpose_b, rows, columns, depth, s->a,
                 tile->transpose_a ? rows : depth, s->b, tile->transpose_b ? depth : columns, beta,
                 c, ldc);
    }
    if (rounds)
        round_out(tile->c, i, rows, j, columns, s->c);
}

/* One scratch for each worker at once, so that no worker allocates in a later step. */
static scratch *scratches(cblas_state *state)
{
    scratch *all = atomic_load_explicit(&state->scratch, memory_order_acquire);
    if (all)
        return all;
    pthread_mutex_lock(&state->lock);
    all = atomic_load_explicit(&state->scratch, memory_order_relaxed);
    if (!all) {
        all = fst__alloc_array(state->allocator, (size_t)state->workers, sizeof *all);
        atomic_store_explicit(&state->scratch, all, memory_order_release);
    }
    pthread_mutex_unlock(&state->lock);
    return all;
}

static fst_status run_bf16(cblas_state *state, int32_t worker, const fst__product *tile)
{
    scratch *all = scratches(state);
    if (!all)
        return fst__gemm_fail(FST_ERR_NO_MEMORY, tile, "no memory to convert bfloat16");
    for (int64_t j = 0; j < tile->c.columns; j += BLOCK_N)
        for (int64_t i = 0; i < tile->c.rows; i += BLOCK_M)
            run_bf16_block(&all[worker], tile, i, smaller(BLOCK_M, tile->c.rows - i), j,
                           smaller(BLOCK_N, tile->c.columns - j));
    return FST_OK;
}

static fst_status run(void *opaque, int32_t worker, const fst__product *tile)
{
    int64_t k = fst__product_depth(tile);
    if (tile->c.rows > INT_MAX || tile->c.columns > INT_MAX || k > INT_MAX ||
        tile->a.stride > INT_MAX || tile->b.stride > INT_MAX || tile->c.stride > INT_MAX)
        return fst__gemm_fail(FST_ERR_UNSUPPORTED, tile, "a size is beyond BLAS's int");
    if (tile->a.dtype == FST_BF16)
        return run_bf16(opaque, worker, tile);
    multiply(tile->transpose_a, tile->transpose_b, tile->c.rows, tile->c.columns, k, tile->a.data,
             tile->a.stride, tile->b.data, tile->b.stride, tile->accumulate ? 1 : 0, tile->c.data,
             tile->c.stride);
    return FST_OK;
}

static void destroy(void *opaque)
{
    cblas_state *state = opaque;
    if (!state)
        return;
    fst__free(state->allocator, atomic_load(&state->scratch));
    pthread_mutex_destroy(&state->lock);
    fst__free(state->allocator, state);
}

static fst_status create(fst__allocator *allocator, int32_t workers, void **out)
{
    cblas_state *state = fst__alloc_zero(allocator, sizeof *state);
    if (!state)
        return FST_ERR_NO_MEMORY;
    state->allocator = allocator;
    state->workers = workers;
    pthread_mutex_init(&state->lock, NULL);
    *out = state;
    return FST_OK;
}

static bool has_bf16(void)
{
    return false;
}

/* OpenBLAS's text begins "OpenBLAS 0.3.21 NO_LAPACKE …". */
static void name(char *text, size_t size)
{
    int version = 0, length = 0;
    const char *config = openblas_get_config ? openblas_get_config() : "";
    if (sscanf(config, "OpenBLAS %n%*s%n", &version, &length) == 0 && length > version)
        snprintf(text, size, "OpenBLAS %.*s %s", length - version, config + version,
                 openblas_get_corename ? openblas_get_corename() : "");
    else
        snprintf(text, size, "CBLAS");
}

const fst__provider fst__provider_cblas = {
    FST_PROVIDER_CBLAS, create, destroy, run, has_bf16, name,
};
