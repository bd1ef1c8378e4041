/*
 * A file's text as a stream of bytes: as it lies on the disk, or unpacked where its name ends in
 * ".gz" (RFC 1952, several members one behind the other too). A byte order mark at the beginning is
 * passed over. Memory holds a fixed buffer and never the file.
 *
 * A gzip file that is cut off, fails its check sum or has other bytes behind it is FST_ERR_FORMAT;
 * so is one that unpacks to more than FST__SOURCE_SMALL + FST__SOURCE_RATIO times its own size: text
 * is packed 3 to 20 times, so that what goes far beyond is made to fill a machine's memory.
 * Without zlib, ".gz" is FST_ERR_UNSUPPORTED.
 */
#ifndef FST_FORMATS_SOURCE_H
#define FST_FORMATS_SOURCE_H

#include "base/alloc.h"
#include "fourstage/status.h"

#include <stdbool.h>

enum { FST__SOURCE_SMALL = 64 * 1024 * 1024, FST__SOURCE_RATIO = 256 };

typedef struct fst__source fst__source;

/* latin1: each byte is the code point of its value, given as UTF-8. */
fst_status fst__source_open(fst__allocator *allocator, const char *path, bool latin1,
                            fst__source **out);
/* No text: a byte order mark is a byte like any other. */
fst_status fst__source_open_bytes(fst__allocator *allocator, const char *path, fst__source **out);
void fst__source_close(fst__source *source); /* takes NULL */

/* Up to `size` bytes (size >= 8); *got is 0 at the end only. */
fst_status fst__source_read(fst__source *source, char *bytes, size_t size, size_t *got);

/* All of it in a block of its own, with a NUL behind it that *size does not count. */
fst_status fst__source_read_all(fst__allocator *allocator, const char *path, bool latin1,
                                char **bytes, size_t *size);

#endif
