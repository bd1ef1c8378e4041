/* <string.h> then declares the POSIX strerror_r, which returns an int. */
#undef _GNU_SOURCE
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ERROR_TEXT_SIZE = 1024 };

/* The only state that belongs to no handle: each thread has the text of its own last error. */
static _Thread_local char error_text[ERROR_TEXT_SIZE];

static void set_text(const char *format, va_list arguments)
{
    vsnprintf(error_text, sizeof error_text, format, arguments);
}

/* What does not fit is cut off: the beginning says the most. */
static void append(const char *more)
{
    size_t used = strlen(error_text), length = strlen(more), room = sizeof error_text - 1 - used;
    length = length < room ? length : room;
    memcpy(error_text + used, more, length);
    error_text[used + length] = '\0';
}

fst_status fst__fail(fst_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_text(format, arguments);
    va_end(arguments);
    return status;
}

fst_status fst__fail_in(fst_status status, const char *format, ...)
{
    char inner[ERROR_TEXT_SIZE];
    memcpy(inner, error_text, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    set_text(format, arguments);
    va_end(arguments);
    append(": ");
    append(inner);
    return status;
}

fst_status fst__fail_errno(int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_text(format, arguments);
    va_end(arguments);
    char reason[128];
    /* strerror is not thread-safe; strerror_r is. */
    if (strerror_r(error, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "errno %d", error);
    append(": ");
    append(reason);
    return FST_ERR_IO;
}

const char *fst__error_text(void)
{
    return error_text;
}
