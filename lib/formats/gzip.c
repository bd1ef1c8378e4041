#include "formats/gzip.h"

#include "base/error.h"
#include "formats/source.h"

#ifndef FST__HAVE_ZLIB

fst_status fst__gzip_open(fst__allocator *allocator, int descriptor, const char *path, size_t size,
                          fst__gzip **out)
{
    return fst__fail(FST_ERR_UNSUPPORTED,
                     "%s: this library was built without zlib (Debian: zlib1g-dev); unpack the file "
                     "first", path);
}

void fst__gzip_close(fst__gzip *gzip)
{
}

fst_status fst__gzip_read(fst__gzip *gzip, char *bytes, size_t size, size_t *got)
{
    return fst__fail(FST_ERR_UNSUPPORTED, "this library was built without zlib");
}

#else

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct fst__gzip {
    fst__allocator *allocator;
    const char *path;
    z_stream stream;
    uint64_t given, limit; /* unpacked bytes */
    size_t offset;         /* the file's byte number behind what was read */
    int descriptor;
    bool in_member; /* between a member's first byte and its end */
    bool ended;     /* the file */
    unsigned char packed[32 * 1024];
};

static void *allocate(void *allocator, uInt count, uInt size)
{
    return fst__alloc_array(allocator, count, size);
}

static void release(void *allocator, void *block)
{
    fst__free(allocator, block);
}

fst_status fst__gzip_open(fst__allocator *allocator, int descriptor, const char *path, size_t size,
                          fst__gzip **out)
{
    fst__gzip *gzip = fst__alloc_zero(allocator, sizeof *gzip);
    if (!gzip)
        return FST_ERR_NO_MEMORY;
    gzip->allocator = allocator;
    gzip->path = path;
    gzip->descriptor = descriptor;
    gzip->limit = FST__SOURCE_SMALL + (uint64_t)FST__SOURCE_RATIO * size;
    gzip->stream = (z_stream){.zalloc = allocate, .zfree = release, .opaque = allocator};
    /* 16: a gzip header and nothing else. Only memory and a foreign zlib can fail here. */
    int result = inflateInit2(&gzip->stream, 16 + MAX_WBITS);
    if (result != Z_OK) {
        fst__free(allocator, gzip);
        return result == Z_MEM_ERROR
                   ? FST_ERR_NO_MEMORY
                   : fst__fail(FST_ERR_UNSUPPORTED, "%s: zlib %s cannot be used", path, zlibVersion());
    }
    *out = gzip;
    return FST_OK;
}

void fst__gzip_close(fst__gzip *gzip)
{
    if (!gzip)
        return;
    inflateEnd(&gzip->stream);
    fst__free(gzip->allocator, gzip);
}

static fst_status refill(fst__gzip *gzip)
{
    ssize_t count;
    do
        count = read(gzip->descriptor, gzip->packed, sizeof gzip->packed);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return fst__fail_errno(errno, "%s: cannot read at byte %zu", gzip->path, gzip->offset);
    gzip->ended = count == 0;
    gzip->offset += (size_t)count;
    gzip->stream.next_in = gzip->packed;
    gzip->stream.avail_in = (uInt)count;
    return FST_OK;
}

static fst_status fail_at(const fst__gzip *gzip, const char *what)
{
    return fst__fail(FST_ERR_FORMAT, "%s: byte %zu: %s", gzip->path,
                     gzip->offset - gzip->stream.avail_in, what);
}

/* One step: some packed bytes are taken, or some unpacked ones given, or both. */
static fst_status step(fst__gzip *gzip)
{
    gzip->in_member = true;
    int result = inflate(&gzip->stream, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
        gzip->in_member = false;
        return inflateReset(&gzip->stream) == Z_OK ? FST_OK : fail_at(gzip, "zlib failed");
    }
    if (result == Z_OK || result == Z_BUF_ERROR)
        return FST_OK;
    if (result == Z_MEM_ERROR)
        return fst__fail(FST_ERR_NO_MEMORY, "%s: no memory to unpack it", gzip->path);
    const char *reason = gzip->stream.msg ? gzip->stream.msg : "the packed bytes are damaged";
    bool header = strcmp(reason, "incorrect header check") == 0;
    return fail_at(gzip, header ? "no gzip header here" : reason);
}

fst_status fst__gzip_read(fst__gzip *gzip, char *bytes, size_t size, size_t *got)
{
    z_stream *stream = &gzip->stream;
    uInt room = size < INT_MAX ? (uInt)size : (uInt)INT_MAX;
    stream->next_out = (Bytef *)bytes;
    stream->avail_out = room;
    *got = 0;
    while (stream->avail_out == room) {
        if (stream->avail_in == 0 && !gzip->ended) {
            fst_status status = refill(gzip);
            if (status)
                return status;
        }
        if (stream->avail_in == 0 && gzip->ended) {
            if (gzip->in_member || gzip->offset == 0)
                return fail_at(gzip, "ends in the middle of its packed data");
            break;
        }
        fst_status status = step(gzip);
        if (status)
            return status;
    }
    *got = room - stream->avail_out;
    gzip->given += *got;
    if (gzip->given > gzip->limit)
        return fst__fail(FST_ERR_FORMAT, "%s: unpacks to more than %llu bytes", gzip->path,
                         (unsigned long long)gzip->limit);
    return FST_OK;
}

#endif
