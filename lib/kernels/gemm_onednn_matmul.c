#include "kernels/gemm_onednn_matmul.h"

#include "kernels/gemm_provider.h"

#include <string.h>

/* What changed from version 2 to 3: memory descriptors became objects to be destroyed, operation
 * descriptors vanished, and a sum got a zero point and a dtype. */
#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t descriptor;

static dnnl_status_t describe(descriptor *out, int64_t rows, int64_t columns, int64_t row_stride,
                              int64_t column_stride, dnnl_data_type_t dtype)
{
    dnnl_dims_t sizes = {rows, columns}, strides = {row_stride, column_stride};
    return dnnl_memory_desc_create_with_strides(out, 2, sizes, dtype, strides);
}

static void forget(descriptor *d)
{
    if (*d)
        dnnl_memory_desc_destroy(*d);
}

static dnnl_status_t append_sum(dnnl_post_ops_t operations)
{
    return dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef);
}

static dnnl_status_t plan(dnnl_primitive_desc_t *out, dnnl_engine_t engine, descriptor *a,
                          descriptor *b, descriptor *c, const_dnnl_primitive_attr_t attributes)
{
    return dnnl_matmul_primitive_desc_create(out, engine, *a, *b, NULL, *c, attributes);
}

static dnnl_status_t make_memory(dnnl_memory_t *out, descriptor *d, dnnl_engine_t engine)
{
    return dnnl_memory_create(out, *d, engine, DNNL_MEMORY_NONE);
}

#else

typedef dnnl_memory_desc_t descriptor;

static dnnl_status_t describe(descriptor *out, int64_t rows, int64_t columns, int64_t row_stride,
                              int64_t column_stride, dnnl_data_type_t dtype)
{
    dnnl_dims_t sizes = {rows, columns}, strides = {row_stride, column_stride};
    return dnnl_memory_desc_init_by_strides(out, 2, sizes, dtype, strides);
}

static void forget(descriptor *d)
{
}

static dnnl_status_t append_sum(dnnl_post_ops_t operations)
{
    return dnnl_post_ops_append_sum(operations, 1.0f);
}

static dnnl_status_t plan(dnnl_primitive_desc_t *out, dnnl_engine_t engine, descriptor *a,
                          descriptor *b, descriptor *c, const_dnnl_primitive_attr_t attributes)
{
    dnnl_matmul_desc_t operation;
    dnnl_status_t status = dnnl_matmul_desc_init(&operation, a, b, NULL, c);
    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(out, &operation, attributes, engine, NULL);
}

static dnnl_status_t make_memory(dnnl_memory_t *out, descriptor *d, dnnl_engine_t engine)
{
    return dnnl_memory_create(out, d, engine, DNNL_MEMORY_NONE);
}

#endif

/* The caller owns the scratchpad: a primitive with one of its own could not run on two threads. */
static dnnl_status_t make_attributes(bool accumulate, dnnl_primitive_attr_t *out)
{
    dnnl_post_ops_t operations = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && accumulate) {
        status = dnnl_post_ops_create(&operations);
        if (status == dnnl_success)
            status = append_sum(operations);
        if (status == dnnl_success)
            status = dnnl_primitive_attr_set_post_ops(*out, operations);
        if (operations)
            dnnl_post_ops_destroy(operations);
    }
    return status;
}

static dnnl_status_t make_scratchpad(dnnl_engine_t engine, const_dnnl_primitive_desc_t planned,
                                     fst__matmul *out)
{
#if DNNL_VERSION_MAJOR >= 3
    const_dnnl_memory_desc_t d =
#else
    const dnnl_memory_desc_t *d =
#endif
        dnnl_primitive_desc_query_md(planned, dnnl_query_scratchpad_md, 0);
    out->scratchpad_size = d ? dnnl_memory_desc_get_size(d) : 0;
    if (out->scratchpad_size == 0)
        return dnnl_success;
    return dnnl_memory_create(&out->scratchpad, d, engine, DNNL_MEMORY_NONE);
}

static dnnl_data_type_t data_type(int32_t dtype)
{
    return dtype == FST_BF16 ? dnnl_bf16 : dnnl_f32;
}

dnnl_status_t fst__matmul_create(dnnl_engine_t engine, const fst__product *tile, fst__matmul *out)
{
    int64_t m = tile->c.rows, n = tile->c.columns, k = fst__product_depth(tile);
    int64_t lda = tile->a.stride, ldb = tile->b.stride;
    bool ta = tile->transpose_a, tb = tile->transpose_b;
    descriptor a, b, c;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t planned = NULL;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    memset(&c, 0, sizeof c);
    memset(out, 0, sizeof *out);

    dnnl_status_t status = describe(&a, m, k, ta ? 1 : lda, ta ? lda : 1, data_type(tile->a.dtype));
    if (status == dnnl_success)
        status = describe(&b, k, n, tb ? 1 : ldb, tb ? ldb : 1, data_type(tile->b.dtype));
    if (status == dnnl_success)
        status = describe(&c, m, n, tile->c.stride, 1, data_type(tile->c.dtype));
    if (status == dnnl_success)
        status = make_attributes(tile->accumulate, &attributes);
    if (status == dnnl_success)
        status = plan(&planned, engine, &a, &b, &c, attributes);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&out->primitive, planned);
    if (status == dnnl_success)
        status = make_memory(&out->a, &a, engine);
    if (status == dnnl_success)
        status = make_memory(&out->b, &b, engine);
    if (status == dnnl_success)
        status = make_memory(&out->c, &c, engine);
    if (status == dnnl_success)
        status = make_scratchpad(engine, planned, out);

    if (planned)
        dnnl_primitive_desc_destroy(planned);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    forget(&c);
    forget(&b);
    forget(&a);
    if (status != dnnl_success)
        fst__matmul_destroy(out);
    return status;
}

dnnl_status_t fst__matmul_run(const fst__matmul *matmul, dnnl_stream_t stream,
                              const fst__product *tile, void *scratchpad)
{
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, matmul->a},
                                   {DNNL_ARG_WEIGHTS, matmul->b},
                                   {DNNL_ARG_DST, matmul->c},
                                   {DNNL_ARG_SCRATCHPAD, matmul->scratchpad}};
    dnnl_status_t status = dnnl_memory_set_data_handle(matmul->a, tile->a.data);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(matmul->b, tile->b.data);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(matmul->c, tile->c.data);
    if (status == dnnl_success && matmul->scratchpad)
        status = dnnl_memory_set_data_handle(matmul->scratchpad, scratchpad);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(matmul->primitive, stream, matmul->scratchpad ? 4 : 3,
                                        arguments);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    return status;
}

void fst__matmul_destroy(fst__matmul *matmul)
{
    dnnl_memory_t memories[] = {matmul->a, matmul->b, matmul->c, matmul->scratchpad};
    for (size_t i = 0; i < sizeof memories / sizeof *memories; ++i)
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
    if (matmul->primitive)
        dnnl_primitive_destroy(matmul->primitive);
    memset(matmul, 0, sizeof *matmul);
}
