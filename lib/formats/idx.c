#include "formats/idx.h"

#include "base/checked.h"
#include "base/error.h"
#include "formats/source.h"

#include <stdbool.h>
#include <string.h>

enum { MAGIC_SIZE = 4, FIRST_BLOCK = 1 << 20, CODE_U8 = 0x08, CODE_F32 = 0x0D };

typedef struct reader {
    fst__allocator *allocator;
    fst__source *source;
    const char *path;
    size_t offset; /* bytes read */
} reader;

/* As many of `size` bytes as there are. */
static fst_status read_some(reader *r, void *bytes, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        size_t more;
        fst_status status = fst__source_read(r->source, (char *)bytes + *got, size - *got, &more);
        if (status)
            return status;
        if (more == 0)
            break;
        *got += more;
        r->offset += more;
    }
    return FST_OK;
}

static fst_status read_all(reader *r, void *bytes, size_t size, const char *what)
{
    size_t got, at = r->offset;
    fst_status status = read_some(r, bytes, size, &got);
    if (!status && got < size)
        status = fst__fail(FST_ERR_FORMAT, "%s: byte %zu: ends here, in its %s from byte %zu on",
                           r->path, r->offset, what, at);
    return status;
}

static fst_status read_type(const reader *r, const unsigned char *magic, fst__idx *idx)
{
    static const char *const foreign[] = {
        [0x09] = "int8", [0x0B] = "int16", [0x0C] = "int32", [0x0E] = "double"};
    unsigned code = magic[2];
    if (magic[0] != 0 || magic[1] != 0)
        return fst__fail(FST_ERR_FORMAT,
                         "%s: byte 0: begins with %02x %02x, expected 00 00, as IDX files do", r->path,
                         magic[0], magic[1]);
    if (code < sizeof foreign / sizeof *foreign && foreign[code])
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: byte 2: elements of type %s are not supported",
                         r->path, foreign[code]);
    if (code != CODE_U8 && code != CODE_F32)
        return fst__fail(FST_ERR_FORMAT, "%s: byte 2: 0x%02x is no type of IDX", r->path, code);
    if (magic[3] < 1 || magic[3] > FST__IDX_MAX_RANK)
        return fst__fail(FST_ERR_FORMAT, "%s: byte 3: %d dimensions, expected 1 … %d", r->path,
                         magic[3], FST__IDX_MAX_RANK);
    idx->type = code == CODE_U8 ? FST__IDX_U8 : FST__IDX_F32;
    idx->rank = magic[3];
    return FST_OK;
}

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static fst_status read_header(reader *r, fst__idx *idx)
{
    unsigned char magic[MAGIC_SIZE], sizes[4 * FST__IDX_MAX_RANK];
    fst_status status = read_all(r, magic, sizeof magic, "header");
    if (!status)
        status = read_type(r, magic, idx);
    if (!status)
        status = read_all(r, sizes, 4 * (size_t)idx->rank, "dimensions");
    idx->count = 1;
    for (int32_t i = 0; !status && i < idx->rank; ++i) {
        idx->shape[i] = big_endian(sizes + 4 * i);
        if (idx->shape[i] == 0)
            status = fst__fail(FST_ERR_FORMAT, "%s: byte %d: dimension %d is 0", r->path,
                               MAGIC_SIZE + 4 * i, (int)i);
        else if (!fst__mul_i64(idx->count, idx->shape[i], &idx->count) ||
                 idx->count > INT64_MAX / (int64_t)sizeof(float))
            status = fst__fail(FST_ERR_FORMAT, "%s: byte %d: the dimensions overflow", r->path,
                               MAGIC_SIZE + 4 * i);
    }
    return status;
}

/* In blocks, each only after those before it were filled. */
static fst_status read_data(reader *r, fst__idx *idx, size_t size)
{
    size_t room = 0, used = 0, got;
    fst_status status = FST_OK;
    while (!status && used < size) {
        size_t wanted = room ? (room > size / 2 ? size : 2 * room) : FIRST_BLOCK;
        room = wanted < size ? wanted : size;
        void *grown = fst__realloc(r->allocator, idx->data, room);
        if (!grown)
            return FST_ERR_NO_MEMORY;
        idx->data = grown;
        status = read_some(r, (char *)grown + used, room - used, &got);
        used += status ? 0 : got;
        if (!status && used < room)
            status = fst__fail(FST_ERR_FORMAT,
                               "%s: byte %zu: ends here, its dimensions ask for %zu bytes more",
                               r->path, r->offset, size - used);
    }
    return status;
}

static fst_status expect_end(reader *r)
{
    char byte[8];
    size_t got, at = r->offset;
    fst_status status = read_some(r, byte, sizeof byte, &got);
    if (!status && got > 0)
        status = fst__fail(FST_ERR_FORMAT, "%s: byte %zu: bytes behind the last element", r->path, at);
    return status;
}

static void to_this_machine(fst__idx *idx)
{
    unsigned char *bytes = idx->data;
    float *values = idx->data;
    for (int64_t i = 0; idx->type == FST__IDX_F32 && i < idx->count; ++i) {
        uint32_t bits = big_endian(bytes + 4 * i);
        memcpy(values + i, &bits, sizeof bits);
    }
}

fst_status fst__idx_read(fst__allocator *allocator, const char *path, fst__idx *out)
{
    reader r = {.allocator = allocator, .path = path};
    *out = (fst__idx){0};
    fst_status status = fst__source_open_bytes(allocator, path, &r.source);
    if (status)
        return status;
    status = read_header(&r, out);
    if (!status)
        status = read_data(&r, out, (size_t)out->count * (out->type == FST__IDX_F32 ? sizeof(float) : 1));
    if (!status)
        status = expect_end(&r);
    fst__source_close(r.source);
    if (status)
        fst__idx_free(allocator, out);
    else
        to_this_machine(out);
    return status;
}

void fst__idx_free(fst__allocator *allocator, fst__idx *idx)
{
    fst__free(allocator, idx->data);
    idx->data = NULL;
}
