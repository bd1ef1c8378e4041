/* Where the library speaks: the host's sink, or nowhere. */
#ifndef FST_BASE_LOG_H
#define FST_BASE_LOG_H

#include <stdint.h>

typedef struct fst__log {
    int32_t (*write)(int32_t level, const char *text, void *user); /* NULL: silent */
    void *user;
    int32_t least; /* FST_LOG_ level below which nothing is written */
} fst__log;

void fst__log_write(const fst__log *log, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
