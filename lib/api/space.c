#include "tensor/space.h"

#include "api/check.h"
#include "base/options.h"

fst_status fst_space_init(fst_space *space, size_t size)
{
    const fst_space defaults = fst__space_defaults();
    return fst__options_init(space, size, &defaults, sizeof defaults, "fst_space");
}

static fst_status take(const char *function, const fst_space *space, const void *out, const char *name,
                       fst_space *ours)
{
    fst_status status = fst__check_pointer(space, function, "space");
    if (!status)
        status = fst__check_pointer(out, function, name);
    return status ? status : fst__space_take(space, "space", ours);
}

fst_status fst_space_get_bytes(const fst_space *space, int64_t *bytes)
{
    fst_space ours;
    fst_status status = take("fst_space_get_bytes", space, bytes, "bytes", &ours);
    if (!status)
        *bytes = fst__space_bytes(&ours);
    return status;
}

fst_status fst_space_get_choices(const fst_space *space, int64_t *choices)
{
    fst_space ours;
    fst_status status = take("fst_space_get_choices", space, choices, "choices", &ours);
    if (!status)
        *choices = fst__space_choices(&ours);
    return status;
}
