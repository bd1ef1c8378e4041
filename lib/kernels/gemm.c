#include "kernels/gemm.h"

#include "base/error.h"
#include "kernels/gemm_provider.h"
#include "kernels/kernels.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 96, TEXT_SIZE = 512 };

/* Of one task: multiplications (about 10 µs), and bytes of B where B is streamed. */
enum { LEAST_WORK = 1 << 20, PART_BYTES = 1 << 17 };

struct fst__gemm {
    fst__allocator *allocator;
    const fst__provider *provider;
    void *state; /* the provider's */
    char name[NAME_SIZE];

    pthread_mutex_t record_lock;
    fst__gemm_shape *shapes; /* NULL: not recording */
    int64_t capacity;
    int64_t *count;
};

/* Creation */

static fst_status choose_provider(int32_t id, const fst__provider **out)
{
    switch (id) {
    case FST_PROVIDER_AUTO:
        *out = &fst__provider_cblas;
#if defined FST__HAVE_ONEDNN && !defined FST__REAL_DOUBLE
        if (fst__onednn_suits_processor())
            *out = &fst__provider_onednn;
#endif
        return FST_OK;
    case FST_PROVIDER_CBLAS:
        *out = &fst__provider_cblas;
        return FST_OK;
    case FST_PROVIDER_ONEDNN:
#if defined FST__HAVE_ONEDNN && !defined FST__REAL_DOUBLE
        *out = &fst__provider_onednn;
        return FST_OK;
#else
        return fst__fail(FST_ERR_UNSUPPORTED,
                         "provider oneDNN: this build lacks it (package libdnnl-dev)");
#endif
    case FST_PROVIDER_REFERENCE:
        *out = &fst__provider_reference;
        return FST_OK;
    default:
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "provider %" PRId32 ": expected one of the FST_PROVIDER_ values 0 to 3",
                         id);
    }
}

fst_status fst__gemm_create(fst__allocator *allocator, int32_t workers, int32_t provider,
                            fst__gemm **out)
{
    const fst__provider *chosen = NULL;
    fst_status status = choose_provider(provider, &chosen);
    if (status != FST_OK)
        return status;
    fst__gemm *gemm = fst__alloc_zero(allocator, sizeof *gemm);
    if (!gemm)
        return FST_ERR_NO_MEMORY;
    gemm->allocator = allocator;
    gemm->provider = chosen;
    status = chosen->create(allocator, workers, &gemm->state);
    if (status != FST_OK) {
        fst__free(allocator, gemm);
        return status;
    }
    chosen->name(gemm->name, sizeof gemm->name);
    pthread_mutex_init(&gemm->record_lock, NULL);
    *out = gemm;
    return FST_OK;
}

void fst__gemm_destroy(fst__gemm *gemm)
{
    if (!gemm)
        return;
    gemm->provider->destroy(gemm->state);
    pthread_mutex_destroy(&gemm->record_lock);
    fst__free(gemm->allocator, gemm);
}

int32_t fst__gemm_provider(const fst__gemm *gemm)
{
    return gemm->provider->id;
}

const char *fst__gemm_provider_name(const fst__gemm *gemm)
{
    return gemm->name;
}

bool fst__gemm_has_bf16(const fst__gemm *gemm)
{
    return gemm->provider->has_bf16();
}

/* Recording */

void fst__gemm_record(fst__gemm *gemm, fst__gemm_shape *shapes, int64_t capacity, int64_t *count)
{
    pthread_mutex_lock(&gemm->record_lock);
    gemm->shapes = shapes;
    gemm->capacity = capacity;
    gemm->count = count;
    pthread_mutex_unlock(&gemm->record_lock);
}

static bool same_shape(const fst__gemm_shape *x, const fst__gemm_shape *y)
{
    return x->m == y->m && x->n == y->n && x->k == y->k && x->lda == y->lda && x->ldb == y->ldb &&
           x->ldc == y->ldc && x->transpose_a == y->transpose_a &&
           x->transpose_b == y->transpose_b && x->accumulate == y->accumulate &&
           x->tile == y->tile && x->dtype == y->dtype && x->dtype_c == y->dtype_c;
}

static void record(fst__gemm *gemm, const fst__product *product, bool tile)
{
    fst__gemm_shape shape = {
        .m = product->c.rows,
        .n = product->c.columns,
        .k = fst__product_depth(product),
        .lda = product->a.stride,
        .ldb = product->b.stride,
        .ldc = product->c.stride,
        .calls = 1,
        .transpose_a = product->transpose_a,
        .transpose_b = product->transpose_b,
        .accumulate = product->accumulate,
        .tile = tile,
        .dtype = product->a.dtype,
        .dtype_c = product->c.dtype,
    };
    pthread_mutex_lock(&gemm->record_lock);
    int64_t i = 0;
    while (i < *gemm->count && !same_shape(&gemm->shapes[i], &shape))
        ++i;
    if (i < *gemm->count)
        ++gemm->shapes[i].calls;
    else if (i < gemm->capacity)
        gemm->shapes[(*gemm->count)++] = shape;
    pthread_mutex_unlock(&gemm->record_lock);
}

/* Checks */

fst_status fst__gemm_fail(fst_status status, const fst__product *tile, const char *what)
{
    return fst__fail(status,
                     "product [%" PRId64 ", %" PRId64 "]%s · [%" PRId64 ", %" PRId64
                     "]%s = [%" PRId64 ", %" PRId64 "]: %s",
                     tile->a.rows, tile->a.columns, tile->transpose_a ? "ᵀ" : "", tile->b.rows,
                     tile->b.columns, tile->transpose_b ? "ᵀ" : "", tile->c.rows, tile->c.columns,
                     what);
}

static bool sound(fst__matrix matrix)
{
    return matrix.rows >= 0 && matrix.columns >= 0 && matrix.stride >= matrix.columns &&
           (matrix.data || matrix.rows == 0 || matrix.columns == 0);
}

static fst_status check(const fst__product *product)
{
    fst__matrix a = product->a, b = product->b, c = product->c;
    int64_t b_depth = product->transpose_b ? b.columns : b.rows;
    if (!sound(a) || !sound(b) || !sound(c))
        return fst__gemm_fail(FST_ERR_INTERNAL, product, "a matrix has a bad size or no data");
    if ((product->transpose_a ? a.columns : a.rows) != c.rows ||
        (product->transpose_b ? b.rows : b.columns) != c.columns ||
        fst__product_depth(product) != b_depth)
        return fst__gemm_fail(FST_ERR_INTERNAL, product, "the shapes do not fit");
    bool real = a.dtype == FST__REAL_DTYPE && c.dtype == FST__REAL_DTYPE;
    bool bf16 = a.dtype == FST_BF16 && (c.dtype == FST_BF16 || c.dtype == FST__REAL_DTYPE);
    if (a.dtype != b.dtype || !(real || bf16))
        return fst__gemm_fail(FST_ERR_INTERNAL, product, "the dtypes do not fit");
    if (product->accumulate && c.dtype != FST__REAL_DTYPE)
        return fst__gemm_fail(FST_ERR_INTERNAL, product, "cannot accumulate in bfloat16");
    return FST_OK;
}

/* The work itself */

/* Up to so many rows, streaming B past them beats any blocked product, which packs B first. */
enum { FEW_ROWS = 16 };

static bool has_few_rows(const fst__gemm *gemm, const fst__product *product)
{
    return product->c.rows <= FEW_ROWS && product->transpose_b && !product->transpose_a &&
           gemm->provider->id != FST_PROVIDER_REFERENCE;
}

static void clear(fst__matrix c)
{
    for (int64_t i = 0; i < c.rows; ++i)
        memset(fst__matrix_at(c, i, 0), 0, (size_t)c.columns * fst__element_size(c.dtype));
}

static fst_status run_tile(const fst__compute *compute, int32_t worker, const fst__product *tile)
{
    const fst__gemm *gemm = compute->gemm;
    if (tile->c.rows == 0 || tile->c.columns == 0)
        return FST_OK;
    if (fst__product_depth(tile) == 0) { /* an empty sum, which no provider is asked for */
        if (!tile->accumulate)
            clear(tile->c);
        return FST_OK;
    }
    if (has_few_rows(gemm, tile)) {
        compute->kernels->product_few_rows(tile);
        return FST_OK;
    }
    return gemm->provider->run(gemm->state, worker, tile);
}

fst_status fst__gemm_run_tile(const fst__compute *compute, int32_t worker,
                              const fst__product *product)
{
    fst_status status = check(product);
    if (status != FST_OK)
        return status;
    if (compute->gemm->shapes)
        record(compute->gemm, product, true);
    return run_tile(compute, worker, product);
}

typedef struct split {
    const fst__compute *compute;
    const fst__product *product;
    int64_t rows, columns; /* of a tile */
    int64_t across;        /* tiles side by side */
    _Atomic fst_status status;
    char text[TEXT_SIZE]; /* error text of the tile that failed first, from its thread */
} split;

static int64_t ceiling(int64_t x, int64_t y)
{
    return (x + y - 1) / y;
}

static int64_t smaller(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

/* x in equal parts of at most `most`, each a multiple of `unit` but for the last. */
static int64_t part(int64_t x, int64_t most, int64_t unit)
{
    return ceiling(ceiling(x, ceiling(x, most)), unit) * unit;
}

/* Few rows: parts of B large enough to be worth a task. They depend on B alone, lest a row's result
 * depend on the number of rows. */
static void choose_few_rows_tiles(split *job)
{
    int64_t n = job->product->c.columns;
    int64_t row_bytes =
        fst__product_depth(job->product) * (int64_t)fst__element_size(job->product->b.dtype);
    int64_t columns = 1 + PART_BYTES / (row_bytes + 1);
    job->rows = FEW_ROWS;
    job->columns = part(n, columns < n / 64 ? n / 64 : columns, 16);
}

/*
 * Tile sizes depend on the product's shape and on nothing else. Large tiles run fastest, since what
 * the provider packs serves longer; but there must be enough for many workers to end together, and
 * none so small that waking a worker for it costs more than it does.
 */
static void choose_tiles(split *job)
{
    static const int64_t sizes[][2] = {{256, 512}, {256, 256}, {128, 384}, {128, 256},
                                       {128, 128}, {64, 128},  {64, 64}};
    enum { COUNT = sizeof sizes / sizeof *sizes, ENOUGH = 12 };
    int64_t m = job->product->c.rows, n = job->product->c.columns;
    int64_t k = fst__product_depth(job->product);
    for (int i = 0; i < COUNT; ++i) {
        int64_t rows = part(m, sizes[i][0], 16), columns = part(n, sizes[i][1], 64);
        if (i > 0 && rows * columns * k < LEAST_WORK)
            return;
        job->rows = rows;
        job->columns = columns;
        if (ceiling(m, rows) * ceiling(n, columns) >= ENOUGH)
            return;
    }
}

static void run_one(void *context, int64_t index, int32_t worker)
{
    split *job = context;
    if (atomic_load_explicit(&job->status, memory_order_relaxed) != FST_OK)
        return;
    const fst__product *product = job->product;
    int64_t row = index / job->across * job->rows, column = index % job->across * job->columns;
    int64_t rows = smaller(job->rows, product->c.rows - row);
    int64_t columns = smaller(job->columns, product->c.columns - column);
    fst__product tile = *product;
    tile.a = fst__product_a_rows(product, row, rows);
    tile.b = fst__product_b_columns(product, column, columns);
    tile.c = fst__matrix_columns(fst__matrix_rows(product->c, row, rows), column, columns);
    tile.epilogue = NULL;
    fst_status status = run_tile(job->compute, worker, &tile);
    if (status != FST_OK) {
        fst_status none = FST_OK;
        if (atomic_compare_exchange_strong(&job->status, &none, status))
            snprintf(job->text, sizeof job->text, "%s", fst__error_text());
        return;
    }
    if (product->epilogue)
        product->epilogue->apply(product->epilogue->context, product->c, row, rows, column, columns,
                                 worker);
}

fst_status fst__gemm_run(const fst__compute *compute, const fst__product *product)
{
    fst_status status = check(product);
    if (status != FST_OK)
        return status;
    if (compute->gemm->shapes)
        record(compute->gemm, product, false);
    if (product->c.rows == 0 || product->c.columns == 0)
        return FST_OK;
    split job = {.compute = compute, .product = product};
    if (has_few_rows(compute->gemm, product))
        choose_few_rows_tiles(&job);
    else
        choose_tiles(&job);
    job.across = ceiling(product->c.columns, job.columns);
    fst__pool_run(compute->pool, ceiling(product->c.rows, job.rows) * job.across, run_one, &job);
    status = atomic_load(&job.status);
    return status == FST_OK ? FST_OK : fst__fail(status, "%s", job.text);
}
