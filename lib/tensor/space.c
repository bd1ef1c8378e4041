#include "tensor/space.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/options.h"

#include <math.h>
#include <string.h>

fst_space fst__space_defaults(void)
{
    return (fst_space){.struct_size = sizeof(fst_space), .kind = FST_SPACE_BOX, .dtype = FST_F32, .rank = 1};
}

fst_status fst__space_take(const fst_space *theirs, const char *name, fst_space *ours)
{
    *ours = fst__space_defaults();
    fst_status status = fst__options_overlay(ours, sizeof *ours, theirs, name);
    return status ? status : fst__space_check(ours, name);
}

static fst_status check_bounds(const fst_space *space, const char *name, int64_t elements)
{
    if (!space->low && !space->high)
        return FST_OK;
    if (space->dtype != FST_F32)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.%s is given, but only a Box of FST_F32 has bounds", name,
                         space->low ? "low" : "high");
    for (int64_t i = 0; i < elements; ++i) {
        float low = space->low ? space->low[i] : -INFINITY, high = space->high ? space->high[i] : INFINITY;
        if (!(low <= high) || low == INFINITY || high == -INFINITY)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.low[%lld] is %g and %s.high[%lld] is %g", name,
                             (long long)i, (double)low, name, (long long)i, (double)high);
    }
    return FST_OK;
}

static fst_status check_box(const fst_space *space, const char *name)
{
    if (space->dtype != FST_F32 && space->dtype != FST_U8)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.dtype is %d, expected FST_F32 or FST_U8", name,
                         (int)space->dtype);
    if (space->rank < 1 || space->rank > FST_SPACE_MAX_RANK)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.rank is %d, expected 1 … %d", name, (int)space->rank,
                         FST_SPACE_MAX_RANK);
    int64_t elements = (int64_t)sizeof(float);
    for (int32_t i = 0; i < space->rank; ++i) {
        if (space->shape[i] < 1)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.shape[%d] is %lld, expected at least 1", name, (int)i,
                             (long long)space->shape[i]);
        if (!fst__mul_i64(elements, space->shape[i], &elements) || elements > INT32_MAX)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.shape has too many elements", name);
    }
    return check_bounds(space, name, fst__space_elements(space));
}

static fst_status check_counts(const fst_space *space, const char *name)
{
    if (!space->counts)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.counts is NULL", name);
    int64_t sum = 0;
    for (int64_t i = 0; i < space->shape[0]; ++i) {
        if (space->counts[i] < 1 || space->counts[i] > INT32_MAX)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.counts[%lld] is %lld, expected at least 1", name,
                             (long long)i, (long long)space->counts[i]);
        sum += space->counts[i];
        if (sum > INT32_MAX)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.counts has too many choices", name);
    }
    return FST_OK;
}

fst_status fst__space_check(const fst_space *space, const char *name)
{
    if (space->reserved != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.reserved is not 0", name);
    switch (space->kind) {
    case FST_SPACE_BOX:
        return check_box(space, name);
    case FST_SPACE_DISCRETE:
        if (space->n < 1 || space->n > INT32_MAX)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.n is %lld, expected at least 1", name,
                             (long long)space->n);
        return FST_OK;
    case FST_SPACE_MULTI_DISCRETE:
    case FST_SPACE_MULTI_BINARY:
        if (space->rank != 1)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.rank is %d, expected 1", name, (int)space->rank);
        if (space->shape[0] < 1 || space->shape[0] > INT32_MAX / 4)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.shape[0] is %lld, expected at least 1", name,
                             (long long)space->shape[0]);
        return space->kind == FST_SPACE_MULTI_DISCRETE ? check_counts(space, name) : FST_OK;
    default:
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.kind is %d, expected an FST_SPACE_ value", name,
                         (int)space->kind);
    }
}

static fst_status copy_array(fst__allocator *allocator, const void *from, int64_t count, size_t size, void **to)
{
    *to = NULL;
    if (!from)
        return FST_OK;
    *to = fst__alloc_array(allocator, (size_t)count, size);
    if (!*to)
        return FST_ERR_NO_MEMORY;
    memcpy(*to, from, (size_t)count * size);
    return FST_OK;
}

fst_status fst__space_copy(fst__allocator *allocator, const fst_space *from, fst_space *to)
{
    int64_t elements = fst__space_elements(from);
    bool box = from->kind == FST_SPACE_BOX, multi = from->kind == FST_SPACE_MULTI_DISCRETE;
    void *counts = NULL, *low = NULL, *high = NULL;
    fst_status status = copy_array(allocator, multi ? from->counts : NULL, elements, sizeof *from->counts, &counts);
    if (!status)
        status = copy_array(allocator, box ? from->low : NULL, elements, sizeof *from->low, &low);
    if (!status)
        status = copy_array(allocator, box ? from->high : NULL, elements, sizeof *from->high, &high);
    *to = *from;
    to->counts = counts;
    to->low = low;
    to->high = high;
    if (status)
        fst__space_free(allocator, to);
    return status;
}

void fst__space_free(fst__allocator *allocator, fst_space *space)
{
    fst__free(allocator, (void *)space->high);
    fst__free(allocator, (void *)space->low);
    fst__free(allocator, (void *)space->counts);
    space->counts = NULL;
    space->low = space->high = NULL;
}

int64_t fst__space_elements(const fst_space *space)
{
    int64_t elements = 1;
    for (int32_t i = 0; space->kind != FST_SPACE_DISCRETE && i < space->rank; ++i)
        elements *= space->shape[i];
    return elements;
}

int64_t fst__space_bytes(const fst_space *space)
{
    int64_t size = space->kind == FST_SPACE_BOX && space->dtype == FST_U8 ? 1 : 4;
    return size * fst__space_elements(space);
}

int64_t fst__space_choices(const fst_space *space)
{
    int64_t choices = 0;
    for (int64_t g = 0; g < fst__space_groups(space); ++g)
        choices += fst__space_group_choices(space, g);
    return choices;
}

int64_t fst__space_groups(const fst_space *space)
{
    if (space->kind == FST_SPACE_DISCRETE)
        return 1;
    return space->kind == FST_SPACE_MULTI_DISCRETE ? space->shape[0] : 0;
}

int64_t fst__space_group_choices(const fst_space *space, int64_t group)
{
    return space->kind == FST_SPACE_DISCRETE ? space->n : space->counts[group];
}

static fst_status check_floats(const fst_space *space, const float *value, const char *noun)
{
    int64_t elements = fst__space_elements(space);
    for (int64_t i = 0; i < elements; ++i) {
        if (!isfinite(value[i]))
            return fst__fail(FST_ERR_NUMERIC, "%s[%lld] is %g", noun, (long long)i, (double)value[i]);
        if ((space->low && value[i] < space->low[i]) || (space->high && value[i] > space->high[i]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s[%lld] is %g, expected %g … %g", noun, (long long)i,
                             (double)value[i], space->low ? (double)space->low[i] : -(double)INFINITY,
                             space->high ? (double)space->high[i] : (double)INFINITY);
    }
    return FST_OK;
}

fst_status fst__space_check_value(const fst_space *space, const void *value, const char *noun)
{
    if (space->kind == FST_SPACE_BOX)
        return space->dtype == FST_F32 ? check_floats(space, value, noun) : FST_OK;
    const int32_t *choices = value;
    if (space->kind == FST_SPACE_DISCRETE) {
        if (choices[0] < 0 || choices[0] >= space->n)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %d, expected 0 … %lld", noun, (int)choices[0],
                             (long long)space->n - 1);
        return FST_OK;
    }
    for (int64_t i = 0; i < space->shape[0]; ++i) {
        int64_t count = space->kind == FST_SPACE_MULTI_BINARY ? 2 : space->counts[i];
        if (choices[i] < 0 || choices[i] >= count)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s[%lld] is %d, expected 0 … %lld", noun, (long long)i,
                             (int)choices[i], (long long)count - 1);
    }
    return FST_OK;
}

void fst__space_clip(const fst_space *space, const void *value, void *clipped)
{
    if (space->kind != FST_SPACE_BOX || space->dtype != FST_F32 || (!space->low && !space->high)) {
        memcpy(clipped, value, (size_t)fst__space_bytes(space));
        return;
    }
    const float *from = value;
    float *to = clipped;
    int64_t elements = fst__space_elements(space);
    for (int64_t i = 0; i < elements; ++i) {
        to[i] = from[i]; /* a NaN stays one */
        if (space->low && to[i] < space->low[i])
            to[i] = space->low[i];
        if (space->high && to[i] > space->high[i])
            to[i] = space->high[i];
    }
}

fst_status fst__space_check_mask(const fst_space *space, const uint8_t *mask)
{
    const uint8_t *group = mask;
    for (int64_t g = 0; g < fst__space_groups(space); ++g) {
        int64_t count = fst__space_group_choices(space, g);
        bool any = false;
        for (int64_t i = 0; i < count; ++i) {
            if (group[i] > 1)
                return fst__fail(FST_ERR_INVALID_ARGUMENT, "mask[%lld] is %d, expected 0 or 1",
                                 (long long)(group - mask + i), (int)group[i]);
            any |= group[i] == 1;
        }
        if (!any)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "the mask allows nothing (mask[%lld … %lld] are 0)",
                             (long long)(group - mask), (long long)(group - mask + count - 1));
        group += count;
    }
    return FST_OK;
}

fst_status fst__space_check_allowed(const fst_space *space, const uint8_t *mask, const void *value, const char *noun)
{
    const int32_t *choices = value;
    for (int64_t g = 0; g < fst__space_groups(space); ++g) {
        if (!mask[choices[g]])
            return space->kind == FST_SPACE_DISCRETE
                       ? fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %d, which the mask forbids", noun,
                                   (int)choices[g])
                       : fst__fail(FST_ERR_INVALID_ARGUMENT, "%s[%lld] is %d, which the mask forbids", noun,
                                   (long long)g, (int)choices[g]);
        mask += fst__space_group_choices(space, g);
    }
    return FST_OK;
}
