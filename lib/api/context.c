#include "fourstage/context.h"

#include "base/context.h"
#include "base/error.h"
#include "base/options.h"
#include "kernels/compute.h"
#include "kernels/gemm.h"
#include "kernels/gemm_cblas.h"


enum { MOST_THREADS = 256, MOST_AUTOMATIC_THREADS = 64 };

static fst_context_options default_options(void)
{
    return (fst_context_options){
        .struct_size = sizeof(fst_context_options),
        .provider = FST_PROVIDER_AUTO,
        .blas_single_thread = 1,
        .log_level = FST_LOG_INFO,
    };
}

fst_status fst_context_options_init(fst_context_options *options, size_t size)
{
    fst_context_options defaults = default_options();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_context_options");
}

static fst_status check(const fst_context_options *o)
{
    if (o->threads < 0 || o->threads > MOST_THREADS)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_context_options.threads is %d, expected 0 to %d", (int)o->threads,
                         MOST_THREADS);
    if (o->provider < FST_PROVIDER_AUTO || o->provider > FST_PROVIDER_REFERENCE)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_context_options.provider is %d, none of FST_PROVIDER_",
                         (int)o->provider);
    if (!o->allocate != !o->release)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_context_options.allocate and release: set both or neither");
    return FST_OK;
}

static void dispose(fst_context *context)
{
    /* The context lies in its own allocator: copy what frees it last. */
    fst__allocator allocator = context->allocator;
    fst__compute_destroy(&context->allocator, context->compute);
    fst__pool_destroy(context->pool);
    if (context->blas_single_thread)
        fst__blas_single_thread_leave();
    fst__free(&allocator, context);
}

fst_status fst_context_create(const fst_context_options *options, fst_context **out)
{
    if (!out)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_context_create: context is NULL");
    fst_context_options o = default_options();
    fst_status status = fst__options_overlay(&o, sizeof o, options, "fst_context_options");
    if (!status)
        status = check(&o);
    if (status)
        return status;
    fst__allocator allocator = {
        .allocate = o.allocate, .release = o.release, .user = o.allocate_user};
    fst_context *context = fst__alloc_zero(&allocator, sizeof *context);
    if (!context)
        return FST_ERR_NO_MEMORY;
    context->references = 1;
    context->allocator.allocate = allocator.allocate;
    context->allocator.release = allocator.release;
    context->allocator.user = allocator.user;
    context->allocator.live_bytes = allocator.live_bytes;
    context->allocator.peak_bytes = allocator.peak_bytes;
    context->allocator.allocations = allocator.allocations;
    context->log = (fst__log){.write = o.log, .user = o.log_user, .least = o.log_level};
    context->seed = (uint64_t)o.seed;
    context->dispose = dispose;
    int32_t threads = o.threads;
    if (threads == 0) {
        threads = fst__processor_count();
        if (threads > MOST_AUTOMATIC_THREADS)
            threads = MOST_AUTOMATIC_THREADS;
    }
    if (o.blas_single_thread) {
        fst__blas_single_thread_enter();
        context->blas_single_thread = true;
    }
    status = fst__pool_create(&context->allocator, threads, &context->pool);
    if (!status)
        status = fst__compute_create(&context->allocator, context->pool, o.provider,
                                     &context->compute);
    if (status) {
        dispose(context);
        return status;
    }
    *out = context;
    return FST_OK;
}

void fst_context_destroy(fst_context *context)
{
    fst__context_release(context);
}

fst_status fst_context_get_info(const fst_context *context, fst_context_info *info, size_t size)
{
    if (!context)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_context_get_info: context is NULL");
    const fst__gemm *gemm = context->compute->gemm;
    fst_context_info ours = {
        .threads = fst__pool_workers(context->pool),
        .provider = fst__gemm_provider(gemm),
        .bf16 = fst__gemm_has_bf16(gemm),
        .live_bytes = atomic_load(&context->allocator.live_bytes),
        .peak_bytes = atomic_load(&context->allocator.peak_bytes),
        .allocations = atomic_load(&context->allocator.allocations),
        .provider_name = fst__gemm_provider_name(gemm),
    };
    return fst__options_init(info, size, &ours, sizeof ours, "fst_context_info");
}

const char *fst_version(void)
{
    return FST__VERSION;
}

int32_t fst_abi_version(void)
{
    return FST__ABI_VERSION;
}
