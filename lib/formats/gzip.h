/* gzip's bytes out of a file that source.h reads. Without zlib, open is FST_ERR_UNSUPPORTED. */
#ifndef FST_FORMATS_GZIP_H
#define FST_FORMATS_GZIP_H

#include "base/alloc.h"
#include "fourstage/status.h"

typedef struct fst__gzip fst__gzip;

/* `descriptor` and `path` (for errors) are borrowed; size is the file's. */
fst_status fst__gzip_open(fst__allocator *allocator, int descriptor, const char *path, size_t size,
                          fst__gzip **out);
void fst__gzip_close(fst__gzip *gzip); /* takes NULL */

/* Up to `size` bytes; *got is 0 at the end only. */
fst_status fst__gzip_read(fst__gzip *gzip, char *bytes, size_t size, size_t *got);

#endif
