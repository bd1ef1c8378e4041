#include "kernels/compute.h"

#include "base/error.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"

fst_status fst__compute_create(fst__allocator *allocator, fst__pool *pool, int32_t provider,
                               fst__compute **out)
{
    fst__compute *compute = fst__alloc_zero(allocator, sizeof *compute);
    if (!compute)
        return FST_ERR_NO_MEMORY;
    compute->pool = pool;
    compute->kernels = fst__kernels_select();
    fst_status status =
        fst__gemm_create(allocator, fst__pool_workers(pool), provider, &compute->gemm);
    if (status != FST_OK) {
        fst__free(allocator, compute);
        return status;
    }
    *out = compute;
    return FST_OK;
}

void fst__compute_destroy(fst__allocator *allocator, fst__compute *compute)
{
    if (!compute)
        return;
    fst__gemm_destroy(compute->gemm);
    fst__free(allocator, compute);
}
