#include "formats/source.h"

#include "base/checked.h"
#include "base/error.h"
#include "formats/file.h"
#include "formats/gzip.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct fst__source {
    fst__allocator *allocator;
    char *path;
    fst__gzip *gzip; /* NULL: the file's own bytes */
    size_t offset;   /* bytes read, for errors */
    int descriptor;
    bool latin1;
    bool begun; /* past the place of a byte order mark */
};

static bool is_packed(const char *path)
{
    size_t length = strlen(path);
    return length > 3 && strcmp(path + length - 3, ".gz") == 0;
}

fst_status fst__source_open(fst__allocator *allocator, const char *path, bool latin1,
                            fst__source **out)
{
    fst__source *source = fst__alloc_zero(allocator, sizeof *source);
    if (!source)
        return FST_ERR_NO_MEMORY;
    source->allocator = allocator;
    source->descriptor = -1;
    source->latin1 = latin1;
    size_t size;
    fst_status status = FST_ERR_NO_MEMORY;
    if (!(source->path = fst__strdup(allocator, path)))
        goto fail;
    status = fst__file_open(path, &source->descriptor, &size);
    if (!status && is_packed(path))
        status = fst__gzip_open(allocator, source->descriptor, source->path, size, &source->gzip);
    if (status)
        goto fail;
    *out = source;
    return FST_OK;
fail:
    fst__source_close(source);
    return status;
}

fst_status fst__source_open_bytes(fst__allocator *allocator, const char *path, fst__source **out)
{
    fst_status status = fst__source_open(allocator, path, false, out);
    if (!status)
        (*out)->begun = true;
    return status;
}

void fst__source_close(fst__source *source)
{
    if (!source)
        return;
    fst__gzip_close(source->gzip);
    if (source->descriptor >= 0)
        close(source->descriptor);
    fst__free(source->allocator, source->path);
    fst__free(source->allocator, source);
}

static fst_status read_plain(fst__source *source, char *bytes, size_t size, size_t *got)
{
    ssize_t count;
    do
        count = read(source->descriptor, bytes, size);
    while (count < 0 && errno == EINTR);
    *got = 0;
    if (count < 0)
        return fst__fail_errno(errno, "%s: cannot read at byte %zu", source->path, source->offset);
    *got = (size_t)count;
    source->offset += *got;
    return FST_OK;
}

static fst_status read_raw(fst__source *source, char *bytes, size_t size, size_t *got)
{
    return source->gzip ? fst__gzip_read(source->gzip, bytes, size, got)
                        : read_plain(source, bytes, size, got);
}

/* In place, from the back: bytes has room for twice its count. */
static size_t widen(char *bytes, size_t count)
{
    size_t total = count;
    for (size_t i = 0; i < count; ++i)
        total += (unsigned char)bytes[i] >= 0x80;
    for (size_t from = count, to = total; from < to;) {
        unsigned char byte = (unsigned char)bytes[--from];
        if (byte >= 0x80) {
            bytes[--to] = (char)(0x80 | (byte & 0x3F));
            bytes[--to] = (char)(0xC0 | byte >> 6);
        } else {
            bytes[--to] = (char)byte;
        }
    }
    return total;
}

/* Takes the mark off the first bytes, of which there are at least three if the file has them. */
static fst_status begin(fst__source *source, char *bytes, size_t size, size_t *got)
{
    source->begun = true;
    while (*got < 3) {
        size_t more;
        fst_status status = read_raw(source, bytes + *got, size - *got, &more);
        if (status)
            return status;
        if (more == 0)
            return FST_OK;
        *got += more;
    }
    if (memcmp(bytes, "\xEF\xBB\xBF", 3) != 0)
        return FST_OK;
    *got -= 3;
    memmove(bytes, bytes + 3, *got);
    /* No bytes are left of a buffer's worth, yet the file may go on. */
    return *got == 0 ? read_raw(source, bytes, size, got) : FST_OK;
}

fst_status fst__source_read(fst__source *source, char *bytes, size_t size, size_t *got)
{
    size_t room = source->latin1 ? size / 2 : size;
    fst_status status = read_raw(source, bytes, room, got);
    if (!status && !source->begun && !source->latin1)
        status = begin(source, bytes, room, got);
    if (!status && source->latin1)
        *got = widen(bytes, *got);
    return status;
}

fst_status fst__source_read_all(fst__allocator *allocator, const char *path, bool latin1,
                                char **out, size_t *size)
{
    fst__source *source;
    fst_status status = fst__source_open(allocator, path, latin1, &source);
    if (status)
        return status;
    char *bytes = NULL;
    size_t room = 0, used = 0, got = 1;
    while (!status && got > 0) {
        if (room - used < 4096) {
            size_t wanted;
            char *grown = fst__mul_size(room ? room : 32 * 1024, 2, &wanted)
                              ? fst__realloc(allocator, bytes, wanted)
                              : NULL;
            if (!grown) {
                status = FST_ERR_NO_MEMORY;
                break;
            }
            bytes = grown;
            room = wanted;
        }
        status = fst__source_read(source, bytes + used, room - used - 1, &got);
        used += status ? 0 : got;
    }
    fst__source_close(source);
    if (status) {
        fst__free(allocator, bytes);
        return status;
    }
    bytes[used] = '\0';
    *out = bytes;
    *size = used;
    return FST_OK;
}
