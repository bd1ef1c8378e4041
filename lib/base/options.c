#include "base/options.h"

#include "base/error.h"

#include <string.h>

/* No struct of this library comes near it; a larger size is an uninitialised field. */
enum { LARGEST_STRUCT = 1 << 16 };

static fst_status check_size(size_t size, const char *name)
{
    if (size < sizeof(size_t) || size > LARGEST_STRUCT)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s.struct_size is %zu; fill the struct with its init function", name, size);
    return FST_OK;
}

fst_status fst__options_overlay(void *ours, size_t ours_size, const void *theirs, const char *name)
{
    if (!theirs) {
        memcpy(ours, &ours_size, sizeof ours_size);
        return FST_OK;
    }
    size_t size;
    memcpy(&size, theirs, sizeof size);
    fst_status status = check_size(size, name);
    if (status)
        return status;
    for (size_t i = ours_size; i < size; ++i) {
        if (((const unsigned char *)theirs)[i] != 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "%s has a non-zero field at byte %zu; this library knows %zu bytes of "
                             "it: the program was compiled for a newer libfourstage",
                             name, i, ours_size);
    }
    memcpy(ours, theirs, size < ours_size ? size : ours_size);
    memcpy(ours, &ours_size, sizeof ours_size);
    return FST_OK;
}

fst_status fst__options_check(const void *theirs, size_t size, const char *name)
{
    if (!theirs)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: the pointer to fill is NULL", name);
    return check_size(size, name);
}

fst_status fst__options_init(void *theirs, size_t size, const void *defaults, size_t ours_size,
                             const char *name)
{
    fst_status status = fst__options_check(theirs, size, name);
    if (status)
        return status;
    memset(theirs, 0, size);
    memcpy(theirs, defaults, size < ours_size ? size : ours_size);
    memcpy(theirs, &size, sizeof size);
    return FST_OK;
}
