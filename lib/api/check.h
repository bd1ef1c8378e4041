/* What the body of an exported function asks of its arguments. */
#ifndef FST_API_CHECK_H
#define FST_API_CHECK_H

#include "base/error.h"

/* FST_OK, or FST_ERR_INVALID_ARGUMENT with "function: name is NULL". */
static inline fst_status fst__check_pointer(const void *pointer, const char *function,
                                            const char *name)
{
    if (pointer)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: %s is NULL", function, name);
}

#endif
