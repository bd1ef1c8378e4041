#include "formats/png.h"

#include "base/error.h"

void fst__png_free(fst__allocator *allocator, fst__png *png)
{
    fst__free(allocator, png->pixels);
    png->pixels = NULL;
}

#ifndef FST__HAVE_SPNG

fst_status fst__png_read(fst__allocator *allocator, const char *path, fst__png *out)
{
    *out = (fst__png){0};
    return fst__fail(FST_ERR_UNSUPPORTED,
                     "%s: this library was built without libspng (Debian: libspng-dev)", path);
}

#else

#include "formats/file.h"

#include <spng.h>
#include <stdbool.h>
#include <string.h>

/* The file's bytes as libspng takes them; where it stops, `position` says. */
typedef struct stream {
    const char *path;
    const char *bytes;
    size_t size, position;
} stream;

static int take(spng_ctx *context, void *user, void *to, size_t size)
{
    stream *s = user;
    if (size > s->size - s->position)
        return SPNG_IO_EOF;
    memcpy(to, s->bytes + s->position, size);
    s->position += size;
    return 0;
}

static fst_status fail(const stream *s, int error)
{
    return fst__fail(error == SPNG_EMEM ? FST_ERR_NO_MEMORY : FST_ERR_FORMAT, "%s: byte %zu: %s",
                     s->path, s->position, error == SPNG_IO_EOF ? "ends too early" : spng_strerror(error));
}

/* Dimensions within bounds, before anything of their size is held. */
static fst_status read_header(spng_ctx *context, const stream *s, struct spng_ihdr *header)
{
    int error = spng_set_image_limits(context, FST__PNG_MAX_SIDE, FST__PNG_MAX_SIDE);
    if (!error)
        error = spng_set_chunk_limits(context, FST__PNG_MAX_BYTES, FST__PNG_MAX_BYTES);
    if (!error)
        error = spng_set_crc_action(context, SPNG_CRC_ERROR, SPNG_CRC_ERROR);
    if (!error)
        error = spng_get_ihdr(context, header);
    if (error)
        return fail(s, error);
    if ((uint64_t)header->width * header->height > FST__PNG_MAX_PIXELS)
        return fst__fail(FST_ERR_FORMAT,
                         "%s: byte %zu: %u × %u pixels, more than the %d that are read", s->path,
                         s->position, (unsigned)header->width, (unsigned)header->height,
                         FST__PNG_MAX_PIXELS);
    return FST_OK;
}

/* libspng takes a last chunk without its check sum, or with a wrong one. */
static int check_end(const stream *s)
{
    static const char sum[] = {'\xAE', '\x42', '\x60', '\x82'};
    bool whole = s->position >= sizeof sum &&
                 memcmp(s->bytes + s->position - sizeof sum, sum, sizeof sum) == 0;
    return whole ? 0 : SPNG_ECHUNK_CRC;
}

static void keep_first_of_three(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        pixels[i] = pixels[3 * i];
}

static fst_status decode(fst__allocator *allocator, spng_ctx *context, const stream *s, fst__png *out)
{
    struct spng_ihdr header;
    fst_status status = read_header(context, s, &header);
    if (status)
        return status;
    size_t count = (size_t)header.width * header.height;
    out->pixels = fst__alloc_array(allocator, count, 3);
    if (!out->pixels)
        return FST_ERR_NO_MEMORY;
    int error = spng_decode_image(context, out->pixels, 3 * count, SPNG_FMT_RGB8, 0);
    if (!error)
        error = spng_decode_chunks(context);
    if (!error)
        error = check_end(s);
    if (error)
        return fail(s, error);
    bool grey = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE ||
                header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
    if (grey)
        keep_first_of_three(out->pixels, count);
    out->channels = grey ? 1 : 3;
    out->height = (int32_t)header.height;
    out->width = (int32_t)header.width;
    return FST_OK;
}

fst_status fst__png_read(fst__allocator *allocator, const char *path, fst__png *out)
{
    char *bytes;
    stream s = {.path = path};
    *out = (fst__png){0};
    fst_status status = fst__file_read(allocator, path, FST__PNG_MAX_BYTES, &bytes, &s.size);
    if (status)
        return status;
    s.bytes = bytes;
    spng_ctx *context = spng_ctx_new(0);
    if (!context)
        status = fst__fail(FST_ERR_NO_MEMORY, "%s: no memory to decode it", path);
    else if (spng_set_png_stream(context, take, &s))
        status = fst__fail(FST_ERR_UNSUPPORTED, "%s: libspng %s cannot be used", path,
                           spng_version_string());
    if (!status)
        status = decode(allocator, context, &s, out);
    if (context)
        spng_ctx_free(context);
    fst__free(allocator, bytes);
    if (status)
        fst__png_free(allocator, out);
    return status;
}

#endif
