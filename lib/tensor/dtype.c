#include "fourstage/view.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [FST_F32] = {"F32", 4}, [FST_F64] = {"F64", 8}, [FST_BF16] = {"BF16", 2},
    [FST_F16] = {"F16", 2}, [FST_I64] = {"I64", 8}, [FST_I32] = {"I32", 4},
    [FST_I16] = {"I16", 2}, [FST_I8] = {"I8", 1},   [FST_U8] = {"U8", 1},
    [FST_BOOL] = {"BOOL", 1},
};

enum { DTYPE_COUNT = sizeof dtypes / sizeof dtypes[0] };

size_t fst_dtype_size(int32_t dtype)
{
    return dtype >= 0 && dtype < DTYPE_COUNT ? dtypes[dtype].size : 0;
}

const char *fst_dtype_name(int32_t dtype)
{
    return dtype >= 0 && dtype < DTYPE_COUNT ? dtypes[dtype].name : "unknown";
}
