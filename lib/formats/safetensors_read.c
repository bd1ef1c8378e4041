/* Values out of an open file, as they are or as another floating-point type. */
#include "formats/safetensors.h"

#include "base/error.h"
#include "tensor/bf16.h"

#include <string.h>

enum { CHUNK = 4096 }; /* elements converted at a time */

fst_status fst__safetensors_read(const fst__safetensors *file,
                                 const fst__safetensors_tensor *tensor, void *bytes, size_t size)
{
    if (size != tensor->bytes)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: \"%.200s\" has %zu bytes, not %zu",
                         fst__safetensors_path(file), tensor->name, tensor->bytes, size);
    return fst__safetensors_bytes(file, tensor, 0, bytes, size);
}

static double half_to_double(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31u;
    uint32_t fraction = half & 0x3ffu, bits;
    if (exponent == 0) {
        float small = (float)fraction * 0x1p-24f;
        return sign ? -(double)small : (double)small;
    }
    bits = sign | (exponent == 31 ? 255u : exponent + 112u) << 23 | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* Every source value is a double exactly. */
static void widen(int32_t dtype, const void *from, double *to, size_t count)
{
    if (dtype == FST_F32)
        for (size_t i = 0; i < count; ++i)
            to[i] = (double)((const float *)from)[i];
    else if (dtype == FST_BF16)
        for (size_t i = 0; i < count; ++i)
            to[i] = (double)fst__bf16_to_float(((const fst__bf16 *)from)[i]);
    else if (dtype == FST_F16)
        for (size_t i = 0; i < count; ++i)
            to[i] = half_to_double(((const uint16_t *)from)[i]);
    else
        memcpy(to, from, count * sizeof *to);
}

/* Double to bfloat16 with one rounding. Through float there would be two; so the float is rounded
 * to odd, which keeps for the second rounding whether anything was cut off (Boldo and Melquiond,
 * "Emulation of a FMA and correctly rounded sums", 2008). */
static fst__bf16 double_to_bf16(double value)
{
    float nearest = (float)value;
    uint32_t bits;
    memcpy(&bits, &nearest, sizeof bits);
    double back = (double)nearest;
    if (back != value && value == value) {
        bool away = value < 0 ? back < value : back > value;
        bits = (away ? bits - 1 : bits) | 1u;
    }
    memcpy(&nearest, &bits, sizeof nearest);
    return fst__float_to_bf16(nearest);
}

static void narrow(int32_t dtype, const double *from, char *to, size_t count)
{
    if (dtype == FST_F32) {
        for (size_t i = 0; i < count; ++i) {
            float value = (float)from[i];
            memcpy(to + i * sizeof value, &value, sizeof value);
        }
    } else if (dtype == FST_BF16) {
        for (size_t i = 0; i < count; ++i) {
            fst__bf16 value = double_to_bf16(from[i]);
            memcpy(to + i * sizeof value, &value, sizeof value);
        }
    } else {
        memcpy(to, from, count * sizeof *from);
    }
}

static bool is_float(int32_t dtype)
{
    return dtype == FST_F32 || dtype == FST_F64 || dtype == FST_BF16 || dtype == FST_F16;
}

fst_status fst__safetensors_read_as(const fst__safetensors *file,
                                    const fst__safetensors_tensor *tensor, int32_t dtype,
                                    void *values, size_t elements)
{
    if (dtype != FST_F32 && dtype != FST_F64 && dtype != FST_BF16)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "cannot convert to type %s", fst_dtype_name(dtype));
    if (elements != tensor->elements)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: \"%.200s\" has %zu elements, not %zu",
                         fst__safetensors_path(file), tensor->name, tensor->elements, elements);
    if (!is_float(tensor->dtype))
        return fst__fail(FST_ERR_MISMATCH, "%s: \"%.200s\" is %s, expected floating-point values",
                         fst__safetensors_path(file), tensor->name, fst_dtype_name(tensor->dtype));
    if (tensor->dtype == dtype)
        return fst__safetensors_read(file, tensor, values, tensor->bytes);

    double source[CHUNK], wide[CHUNK];
    size_t from_size = fst_dtype_size(tensor->dtype), to_size = fst_dtype_size(dtype);
    for (size_t first = 0; first < elements; first += CHUNK) {
        size_t count = elements - first < CHUNK ? elements - first : CHUNK;
        fst_status status =
            fst__safetensors_bytes(file, tensor, first * from_size, source, count * from_size);
        if (status != FST_OK)
            return status;
        widen(tensor->dtype, source, wide, count);
        narrow(dtype, wide, (char *)values + first * to_size, count);
    }
    return FST_OK;
}
