/*
 * A text file's lines as a stream: memory holds one line and not the file. Lines end in \n or \r\n;
 * the last one may lack it. The bytes come through source.h.
 */
#ifndef FST_FORMATS_LINES_H
#define FST_FORMATS_LINES_H

#include "base/alloc.h"
#include "fourstage/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FST__LINE_LIMIT = 256 * 1024 * 1024 }; /* bytes */

typedef struct fst__lines fst__lines;

typedef struct fst__line {
    const char *text; /* borrowed until the next call */
    size_t length;    /* without the end */
    const char *end;  /* "\n", "\r\n"; of the last line "" or "\r" too */
    int64_t number;   /* from 1 */
} fst__line;

fst_status fst__lines_open(fst__allocator *allocator, const char *path, bool latin1,
                           fst__lines **out);
void fst__lines_close(fst__lines *lines); /* takes NULL */

/* False in *found: there is none any more. */
fst_status fst__lines_next(fst__lines *lines, fst__line *line, bool *found);

#endif
