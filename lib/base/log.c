#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void fst__log_write(const fst__log *log, int32_t level, const char *format, ...)
{
    if (!log->write || level < log->least)
        return;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log->write(level, text, log->user);
}
