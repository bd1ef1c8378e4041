/* The thread's error text, and the one way to leave with an error. */
#ifndef FST_BASE_ERROR_H
#define FST_BASE_ERROR_H

#include "fourstage/status.h"

/* Stores the text and returns `status`, so that a caller writes `return fst__fail(…)`. */
fst_status fst__fail(fst_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "context: " in front of the present text and returns `status` unchanged. */
fst_status fst__fail_in(fst_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As fst__fail with FST_ERR_IO, with the text of errno value `error` behind it. */
fst_status fst__fail_errno(int error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

const char *fst__error_text(void);

#endif
