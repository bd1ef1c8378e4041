#include "base/error.h"

const char *fst_last_error(void)
{
    return fst__error_text();
}

const char *fst_status_name(fst_status status)
{
    static const struct {
        fst_status status;
        const char *name;
    } names[] = {
#define NAMED(code) {code, #code}
        NAMED(FST_OK),
        NAMED(FST_STOPPED),
        NAMED(FST_ERR_INVALID_ARGUMENT),
        NAMED(FST_ERR_NO_MEMORY),
        NAMED(FST_ERR_IO),
        NAMED(FST_ERR_FORMAT),
        NAMED(FST_ERR_UNSUPPORTED),
        NAMED(FST_ERR_STATE),
        NAMED(FST_ERR_NOT_FOUND),
        NAMED(FST_ERR_NUMERIC),
        NAMED(FST_ERR_BUFFER_TOO_SMALL),
        NAMED(FST_ERR_BUSY),
        NAMED(FST_ERR_MISMATCH),
        NAMED(FST_ERR_INTERNAL),
#undef NAMED
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
        if (names[i].status == status)
            return names[i].name;
    }
    return "unknown status";
}
