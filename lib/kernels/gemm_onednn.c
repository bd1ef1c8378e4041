/*
 * Products by oneDNN. float32 goes through dnnl_sgemm, which needs no preparation and is as fast
 * as a matmul primitive. bfloat16 has only primitives, which take milliseconds to make, so each
 * worker keeps those of the shapes it met. They are made for all workers when the first of them
 * meets a shape: which worker gets a tile is chance, and a later step must not stop for it.
 */
#include "kernels/gemm_onednn_matmul.h"
#include "kernels/gemm_provider.h"

#include "base/error.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* The cache of one worker: SETS sets of WAYS places; the longest unused of a set makes room. */
enum { SETS = 64, WAYS = 8 };

typedef struct tile_key {
    int64_t m, n, k, lda, ldb, ldc;
    int64_t kind; /* transposes, accumulation, dtype of C */
} tile_key;

typedef struct cache_slot {
    tile_key key;
    fst__matmul matmul;
    uint64_t used; /* clock of the last use */
} cache_slot;

typedef struct worker_state {
    /* Held while the worker runs a bfloat16 tile or somebody prepares one for it. */
    pthread_mutex_t lock;
    dnnl_stream_t stream;
    void *scratchpad; /* as large as the largest of its primitives wants */
    size_t scratchpad_size;
    uint64_t clock;
    cache_slot slots[SETS][WAYS];
} worker_state;

/*
 * oneDNN is built with OpenMP on most systems, and would start a team of threads inside each of our
 * workers. The team's size is a variable of each thread: it is 1 for the duration of a call and
 * then again what it was, since worker 0 is the host's thread. The functions are looked up by name,
 * because the library itself does not link OpenMP.
 */
typedef struct openmp_calls {
    int (*get)(void); /* NULL: no OpenMP in this process */
    void (*set)(int threads);
} openmp_calls;

typedef struct onednn_state {
    fst__allocator *allocator;
    dnnl_engine_t engine;
    openmp_calls openmp;
    bool bf16;   /* oneDNN has kernels for it */
    void *cblas; /* state of the CBLAS provider, which converts where oneDNN will not do */
    int32_t workers;
    worker_state *worker; /* [workers] */
} onednn_state;

static openmp_calls find_openmp(void)
{
    openmp_calls found = {0};
    void *get = dlsym(RTLD_DEFAULT, "omp_get_max_threads");
    void *set = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (get && set) { /* ISO C has no cast from an object's pointer to a function's */
        memcpy(&found.get, &get, sizeof get);
        memcpy(&found.set, &set, sizeof set);
    }
    return found;
}

static int enter_single_thread(const openmp_calls *openmp)
{
    int before = openmp->get ? openmp->get() : 1;
    if (before != 1)
        openmp->set(1);
    return before;
}

static void leave_single_thread(const openmp_calls *openmp, int before)
{
    if (before != 1)
        openmp->set(before);
}

/*
 * oneDNN 2.6.3's float32 kernels keep values on the stack below where the system lets them: a signal
 * that arrives while one runs has its frame written over them, and then addresses are garbage. Our
 * workers take no signals, but worker 0 is a thread of the host: there they wait until the tile is
 * done, a millisecond at most. Faults are not held back, since a host may handle them.
 */
static void hold_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t held;
    sigfillset(&held);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; ++i)
        sigdelset(&held, faults[i]);
    pthread_sigmask(SIG_BLOCK, &held, before);
}

static bool processor_has(dnnl_cpu_isa_t isa)
{
    return (dnnl_get_effective_cpu_isa() & isa) == isa; /* each is the bits of those it includes */
}

bool fst__onednn_suits_processor(void)
{
    unsigned runtime = dnnl_version()->cpu_runtime;
    bool one_thread = runtime == DNNL_RUNTIME_SEQ || runtime == DNNL_RUNTIME_THREADPOOL ||
                      (runtime == DNNL_RUNTIME_OMP && find_openmp().get);
    return one_thread && processor_has(dnnl_cpu_isa_avx512_core);
}

/* oneDNN's word for what went wrong. */
static fst_status fail(dnnl_status_t status, const fst__product *tile)
{
    if (status == dnnl_out_of_memory)
        return fst__gemm_fail(FST_ERR_NO_MEMORY, tile, "oneDNN is out of memory");
    char text[48];
    snprintf(text, sizeof text, "oneDNN status %d", (int)status);
    return fst__gemm_fail(FST_ERR_INTERNAL, tile, text);
}

/* The cache */

static tile_key key_of(const fst__product *tile)
{
    return (tile_key){
        .m = tile->c.rows,
        .n = tile->c.columns,
        .k = fst__product_depth(tile),
        .lda = tile->a.stride,
        .ldb = tile->b.stride,
        .ldc = tile->c.stride,
        .kind = (tile->transpose_a ? 1 : 0) | (tile->transpose_b ? 2 : 0) |
                (tile->accumulate ? 4 : 0) | (tile->c.dtype == FST_BF16 ? 8 : 0),
    };
}

static bool same_key(const tile_key *x, const tile_key *y)
{
    return x->m == y->m && x->n == y->n && x->k == y->k && x->lda == y->lda && x->ldb == y->ldb &&
           x->ldc == y->ldc && x->kind == y->kind;
}

static cache_slot *set_of(worker_state *worker, const tile_key *key)
{
    uint64_t hash = 0;
    const int64_t parts[] = {key->m, key->n, key->k, key->lda, key->ldb, key->ldc, key->kind};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i)
        hash = (hash ^ (uint64_t)parts[i]) * 0x9E3779B97F4A7C15u;
    return worker->slots[hash >> 58]; /* SETS = 2^6 */
}

static cache_slot *find(worker_state *worker, const tile_key *key)
{
    cache_slot *set = set_of(worker, key);
    for (int i = 0; i < WAYS; ++i) {
        if (set[i].matmul.primitive && same_key(&set[i].key, key)) {
            set[i].used = ++worker->clock;
            return &set[i];
        }
    }
    return NULL;
}

static fst_status grow_scratchpad(onednn_state *state, worker_state *worker, size_t size,
                                  const fst__product *tile)
{
    if (size <= worker->scratchpad_size)
        return FST_OK;
    void *larger = fst__alloc(state->allocator, size);
    if (!larger)
        return fst__gemm_fail(FST_ERR_NO_MEMORY, tile, "no memory for oneDNN's scratchpad");
    fst__free(state->allocator, worker->scratchpad);
    worker->scratchpad = larger;
    worker->scratchpad_size = size;
    return FST_OK;
}

/* The tile's primitive for one worker, made if need be. The caller holds the worker's lock. */
static fst_status obtain(onednn_state *state, worker_state *worker, const tile_key *key,
                         const fst__product *tile, cache_slot **out)
{
    *out = find(worker, key);
    if (*out)
        return FST_OK;
    cache_slot *set = set_of(worker, key), *oldest = &set[0];
    for (int i = 1; i < WAYS && oldest->matmul.primitive; ++i)
        if (!set[i].matmul.primitive || set[i].used < oldest->used)
            oldest = &set[i];
    fst__matmul_destroy(&oldest->matmul);
    dnnl_status_t made = fst__matmul_create(state->engine, tile, &oldest->matmul);
    if (made != dnnl_success)
        return fail(made, tile);
    fst_status status = grow_scratchpad(state, worker, oldest->matmul.scratchpad_size, tile);
    if (status != FST_OK) {
        fst__matmul_destroy(&oldest->matmul);
        return status;
    }
    oldest->key = *key;
    oldest->used = ++worker->clock;
    *out = oldest;
    return FST_OK;
}

static fst_status obtain_for_all(onednn_state *state, const tile_key *key, const fst__product *tile)
{
    fst_status status = FST_OK;
    for (int32_t i = 0; i < state->workers && status == FST_OK; ++i) {
        cache_slot *unused;
        pthread_mutex_lock(&state->worker[i].lock);
        status = obtain(state, &state->worker[i], key, tile, &unused);
        pthread_mutex_unlock(&state->worker[i].lock);
    }
    return status;
}

/* Running */

static fst_status run_bf16(onednn_state *state, int32_t number, const fst__product *tile)
{
    tile_key key = key_of(tile);
    worker_state *worker = &state->worker[number];
    fst_status status = FST_OK;
    pthread_mutex_lock(&worker->lock);
    cache_slot *slot = find(worker, &key);
    if (!slot) {
        pthread_mutex_unlock(&worker->lock);
        status = obtain_for_all(state, &key, tile);
        pthread_mutex_lock(&worker->lock);
        if (status == FST_OK) /* again: another shape may have pushed it out */
            status = obtain(state, worker, &key, tile, &slot);
    }
    if (status == FST_OK) {
        dnnl_status_t ran =
            fst__matmul_run(&slot->matmul, worker->stream, tile, worker->scratchpad);
        if (ran != dnnl_success)
            status = fail(ran, tile);
    }
    pthread_mutex_unlock(&worker->lock);
    return status;
}

static fst_status run_f32(const fst__product *tile)
{
    dnnl_status_t ran = dnnl_sgemm(tile->transpose_a ? 'T' : 'N', tile->transpose_b ? 'T' : 'N',
                                   tile->c.rows, tile->c.columns, fst__product_depth(tile), 1.0f,
                                   tile->a.data, tile->a.stride, tile->b.data, tile->b.stride,
                                   tile->accumulate ? 1.0f : 0.0f, tile->c.data, tile->c.stride);
    return ran == dnnl_success ? FST_OK : fail(ran, tile);
}

/* oneDNN 3.7.2's bfloat16 matmul takes the stride of a single column for 1: it reads such an A and
 * writes such a C in the wrong places. */
static bool is_strided_column(const fst__product *tile)
{
    return (tile->c.rows == 1 && tile->transpose_a && tile->a.stride > 1) ||
           (tile->c.columns == 1 && tile->c.stride > 1);
}

static fst_status run(void *opaque, int32_t worker, const fst__product *tile)
{
    onednn_state *state = opaque;
    bool bf16 = tile->a.dtype == FST_BF16;
    if (bf16 && (!state->bf16 || is_strided_column(tile)))
        return fst__provider_cblas.run(state->cblas, worker, tile);
    sigset_t signals;
    if (worker == 0)
        hold_signals(&signals);
    int before = enter_single_thread(&state->openmp);
    fst_status status = bf16 ? run_bf16(state, worker, tile) : run_f32(tile);
    leave_single_thread(&state->openmp, before);
    if (worker == 0)
        pthread_sigmask(SIG_SETMASK, &signals, NULL);
    return status;
}

/* Creation */

static void destroy_worker(onednn_state *state, worker_state *worker)
{
    for (int i = 0; i < SETS * WAYS; ++i)
        fst__matmul_destroy(&worker->slots[i / WAYS][i % WAYS].matmul);
    if (worker->stream)
        dnnl_stream_destroy(worker->stream);
    fst__free(state->allocator, worker->scratchpad);
    pthread_mutex_destroy(&worker->lock);
}

static void destroy(void *opaque)
{
    onednn_state *state = opaque;
    if (!state)
        return;
    for (int32_t i = 0; state->worker && i < state->workers; ++i)
        destroy_worker(state, &state->worker[i]);
    if (state->engine)
        dnnl_engine_destroy(state->engine);
    fst__provider_cblas.destroy(state->cblas);
    fst__free(state->allocator, state->worker);
    fst__free(state->allocator, state);
}

static fst_status create(fst__allocator *allocator, int32_t workers, void **out)
{
    onednn_state *state = fst__alloc_zero(allocator, sizeof *state);
    if (!state)
        return FST_ERR_NO_MEMORY;
    state->allocator = allocator;
    state->openmp = find_openmp();
    state->bf16 = processor_has(dnnl_cpu_isa_avx512_core);
    fst_status status = fst__provider_cblas.create(allocator, workers, &state->cblas);
    if (status != FST_OK)
        goto fail;
    status = FST_ERR_NO_MEMORY;
    state->worker = fst__alloc_zero(allocator, (size_t)workers * sizeof *state->worker);
    if (!state->worker)
        goto fail;
    state->workers = workers;
    for (int32_t i = 0; i < workers; ++i)
        pthread_mutex_init(&state->worker[i].lock, NULL);
    status = FST_OK;
    dnnl_status_t made = dnnl_engine_create(&state->engine, dnnl_cpu, 0);
    for (int32_t i = 0; i < workers && made == dnnl_success; ++i)
        made =
            dnnl_stream_create(&state->worker[i].stream, state->engine, dnnl_stream_default_flags);
    if (made != dnnl_success) {
        status = fst__fail(made == dnnl_out_of_memory ? FST_ERR_NO_MEMORY : FST_ERR_INTERNAL,
                           "oneDNN cannot be set up: status %d", (int)made);
        goto fail;
    }
    *out = state;
    return FST_OK;

fail:
    destroy(state);
    return status;
}

static bool has_bf16(void)
{
    return processor_has(dnnl_cpu_isa_avx512_core_bf16);
}

static void name(char *text, size_t size)
{
    const dnnl_version_t *version = dnnl_version();
    const char *isa = has_bf16()                                ? "avx512_core_bf16"
                      : processor_has(dnnl_cpu_isa_avx512_core) ? "avx512_core"
                      : processor_has(dnnl_cpu_isa_avx2)        ? "avx2"
                                                                : "sse41";
    snprintf(text, size, "oneDNN %d.%d.%d %s", version->major, version->minor, version->patch, isa);
}

const fst__provider fst__provider_onednn = {
    FST_PROVIDER_ONEDNN, create, destroy, run, has_bf16, name,
};
