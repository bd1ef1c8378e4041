/*
 * The gradient of a convolution's input, as products of patches of dy: no two tasks write one pixel.
 *
 * Pixel h of the input met tap i of output (h + padding − i) / stride, where that divides: pixels of
 * one remainder ("phase") of h modulo the stride meet the same taps, every stride-th one, and their
 * outputs are neighbours. So each phase, down and across, is a convolution of dy with stride 1 by
 * those taps, in reverse. With stride 1 there is one phase and it meets all taps.
 */
#include "base/error.h"
#include "nn/convolution_tiles.h"

/* Taps of a phase along one side: last, last − stride, … (reversed: outputs ascend). */
typedef struct phase_side {
    int64_t taps, last, start; /* start: the output that tap `last` of the phase's first pixel met */
    int64_t pixels;
} phase_side;

static phase_side side_of(const fst__convolution *c, int64_t phase, int64_t pixels)
{
    phase_side s = {.pixels = (pixels - phase + c->stride - 1) / c->stride};
    int64_t first = (phase + c->padding) % c->stride; /* the least tap */
    if (first >= c->kernel)
        return s;
    s.taps = (c->kernel - 1 - first) / c->stride + 1;
    s.last = first + (s.taps - 1) * c->stride;
    s.start = (phase + c->padding - s.last) / c->stride; /* divides: exact below 0 too */
    return s;
}

typedef struct input_job {
    const fst__compute *compute;
    const fst__convolution *convolution;
    fst__matrix weight, dy, dx;
    bool accumulate;
    phase_side down, across;
    int64_t phase_down, phase_across;
    fst__matrix turned;   /* [taps·O, C]: the phase's taps of the weights */
    fst__patches patches; /* of dy */
    bool plain;           /* they are dy's rows, and dx's rows are the product's */
    bool direct;          /* the product goes straight into dx */
    int64_t rows, tile_rows;
    fst__worker_tiles tiles, products;
    fst__tile_error error;
} input_job;

/* Row (tap, o) of the turned weights: w[o, i, j, ·]. */
static void turn_task(void *context, int64_t tap, int32_t worker)
{
    const input_job *job = context;
    const fst__convolution *c = job->convolution;
    int64_t i = job->down.last - tap / job->across.taps * c->stride;
    int64_t j = job->across.last - tap % job->across.taps * c->stride;
    size_t bytes = (size_t)c->channels * fst__element_size(job->weight.dtype);
    for (int64_t o = 0; o < c->outputs; ++o)
        memcpy(fst__matrix_at(job->turned, tap * c->outputs + o, 0),
               fst__matrix_at(job->weight, o, (i * c->kernel + j) * c->channels), bytes);
}

/* The pixel of dx that row `index` of the phase's products belongs to. */
static int64_t pixel_of(const input_job *job, int64_t index)
{
    const fst__convolution *c = job->convolution;
    int64_t per_image = job->down.pixels * job->across.pixels;
    int64_t h = index % per_image / job->across.pixels * c->stride + job->phase_down;
    int64_t w = index % job->across.pixels * c->stride + job->phase_across;
    return (index / per_image * c->height + h) * c->width + w;
}

static void spread(const input_job *job, int64_t first, fst__matrix product)
{
    const fst__kernels *k = job->compute->kernels;
    fst__real scratch[FST__CHUNK];
    for (int64_t r = 0; r < product.rows; ++r) {
        int64_t pixel = pixel_of(job, first + r);
        for (int64_t column = 0; column < product.columns; column += FST__CHUNK) {
            int64_t n = fst__chunk(product.columns, column);
            fst__real *value = fst__matrix_at(product, r, column);
            if (job->accumulate)
                k->add(fst__row_read(k, job->dx, pixel, column, n, scratch), value, value, n);
            fst__row_write(k, job->dx, pixel, column, n, value);
        }
    }
}

static void clear(const input_job *job, int64_t first, int64_t rows)
{
    size_t bytes = (size_t)job->dx.columns * fst__element_size(job->dx.dtype);
    for (int64_t r = first; r < first + rows; ++r)
        memset(fst__matrix_at(job->dx, pixel_of(job, r), 0), 0, bytes);
}

static void input_task(void *context, int64_t index, int32_t worker)
{
    input_job *job = context;
    int64_t row = index * job->tile_rows, rows = job->rows - row;
    rows = rows < job->tile_rows ? rows : job->tile_rows;
    if (!job->turned.rows) { /* no tap meets this phase */
        if (!job->accumulate)
            clear(job, row, rows);
        return;
    }
    fst__product product = {.b = job->turned, .accumulate = job->direct && job->accumulate};
    if (job->plain) {
        product.a = fst__matrix_rows(job->dy, row, rows);
    } else {
        product.a = fst__worker_tile(job->tiles, worker, rows, job->turned.rows, job->dy.dtype);
        fst__patches_gather(job->compute->kernels, &job->patches, row, product.a);
    }
    product.c = job->direct ? fst__matrix_rows(job->dx, row, rows)
                            : fst__worker_tile(job->products, worker, rows, job->dx.columns,
                                               FST__REAL_DTYPE);
    fst_status status = fst__gemm_run_tile(job->compute, worker, &product);
    if (status)
        fst__tile_failed(&job->error, status);
    else if (!job->direct)
        spread(job, row, product.c);
}

static void prepare_phase(input_job *job, int64_t phase_down, int64_t phase_across)
{
    const fst__convolution *c = job->convolution;
    job->phase_down = phase_down;
    job->phase_across = phase_across;
    job->down = side_of(c, phase_down, c->height);
    job->across = side_of(c, phase_across, c->width);
    job->patches = (fst__patches){
        .source = job->dy,
        .height = fst__convolution_height(c), .width = fst__convolution_width(c),
        .rows = job->down.pixels, .columns = job->across.pixels,
        .step = 1,
        .top = job->down.start, .left = job->across.start,
        .taps_down = job->down.taps, .taps_across = job->across.taps,
    };
    int64_t size = job->down.taps * job->across.taps * c->outputs;
    job->turned = fst__matrix_of(NULL, size, c->channels, job->weight.dtype);
    job->rows = c->batch * job->down.pixels * job->across.pixels;
    job->tile_rows = fst__tile_rows(job->rows, size);
    job->plain = fst__convolution_is_plain(c);
}

static bool take_phase_scratch(fst__arena *arena, input_job *job)
{
    const fst__convolution *c = job->convolution;
    size_t element = fst__element_size(job->weight.dtype);
    job->turned.data =
        fst__arena_take(arena, (size_t)job->turned.rows, (size_t)c->channels * element);
    if (!job->plain)
        job->tiles = fst__worker_tiles_take(arena, job->compute, job->tile_rows, job->turned.rows,
                                            job->weight.dtype);
    if (!job->direct)
        job->products = fst__worker_tiles_take(arena, job->compute, job->tile_rows, c->channels,
                                               FST__REAL_DTYPE);
    return arena->base && !arena->overflow;
}

fst_status fst__convolution_input_gradient(const fst__compute *compute, const fst__convolution *c,
                                           fst__matrix weight, fst__matrix dy, fst__matrix dx,
                                           bool accumulate, fst__arena *scratch)
{
    input_job job = {
        .compute = compute, .convolution = c, .weight = weight, .dy = dy, .dx = dx,
        .accumulate = accumulate,
        .direct = c->stride == 1 && !(accumulate && dx.dtype == FST_BF16),
    };
    fst_status status = FST_OK;
    for (int64_t phase = 0; phase < c->stride * c->stride && !status; ++phase) {
        size_t mark = fst__arena_mark(scratch);
        prepare_phase(&job, phase / c->stride, phase % c->stride);
        if (!take_phase_scratch(scratch, &job))
            return fst__fail(FST_ERR_INTERNAL, "convolution: the scratch planned is too small");
        if (job.turned.rows)
            fst__pool_run(compute->pool, job.down.taps * job.across.taps, turn_task, &job);
        fst__pool_run(compute->pool, fst__blocks(job.rows, job.tile_rows), input_task, &job);
        status = fst__tile_status(&job.error);
        fst__arena_rewind(scratch, mark);
    }
    return status;
}

size_t fst__convolution_input_scratch(const fst__compute *compute, const fst__convolution *c,
                                      int32_t dtype)
{
    size_t most = 0;
    for (int64_t phase = 0; phase < c->stride * c->stride; ++phase) {
        input_job job = {.compute = compute, .convolution = c, .weight.dtype = dtype};
        prepare_phase(&job, phase / c->stride, phase % c->stride);
        fst__arena counting = fst__arena_counting();
        take_phase_scratch(&counting, &job);
        most = counting.peak > most ? counting.peak : most;
    }
    return most;
}
