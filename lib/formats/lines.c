#include "formats/lines.h"

#include "base/error.h"
#include "formats/source.h"

#include <string.h>

enum { FIRST_ROOM = 64 * 1024 };

struct fst__lines {
    fst__allocator *allocator;
    fst__source *source;
    char *path;
    char *bytes; /* what was read and is not given yet: [begin, end) */
    size_t room, begin, end;
    int64_t number;
    bool ended; /* nothing more is to be read */
};

fst_status fst__lines_open(fst__allocator *allocator, const char *path, bool latin1,
                           fst__lines **out)
{
    fst__lines *lines = fst__alloc(allocator, sizeof *lines);
    if (!lines)
        return FST_ERR_NO_MEMORY;
    *lines = (fst__lines){.allocator = allocator, .room = FIRST_ROOM};
    lines->path = fst__strdup(allocator, path);
    lines->bytes = lines->path ? fst__alloc(allocator, lines->room) : NULL;
    fst_status status = lines->bytes ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status)
        status = fst__source_open(allocator, path, latin1, &lines->source);
    if (status) {
        fst__lines_close(lines);
        return status;
    }
    *out = lines;
    return FST_OK;
}

void fst__lines_close(fst__lines *lines)
{
    if (!lines)
        return;
    fst__source_close(lines->source);
    fst__free(lines->allocator, lines->bytes);
    fst__free(lines->allocator, lines->path);
    fst__free(lines->allocator, lines);
}

/* Reads on behind what is held, after making room at the front or at the back. */
static fst_status fill(fst__lines *lines)
{
    size_t held = lines->end - lines->begin;
    memmove(lines->bytes, lines->bytes + lines->begin, held);
    lines->begin = 0;
    lines->end = held;
    if (held > FST__LINE_LIMIT)
        return fst__fail(FST_ERR_FORMAT, "%s: line %lld is longer than %d bytes", lines->path,
                         (long long)lines->number + 1, FST__LINE_LIMIT);
    if (lines->room - held < FIRST_ROOM / 2) {
        char *grown = fst__realloc(lines->allocator, lines->bytes, 2 * lines->room);
        if (!grown)
            return FST_ERR_NO_MEMORY;
        lines->bytes = grown;
        lines->room *= 2;
    }
    size_t got;
    fst_status status = fst__source_read(lines->source, lines->bytes + held, lines->room - held, &got);
    if (status)
        return status;
    lines->ended = got == 0;
    lines->end += got;
    return FST_OK;
}

fst_status fst__lines_next(fst__lines *lines, fst__line *line, bool *found)
{
    size_t searched = 0;
    for (;;) {
        const char *start = lines->bytes + lines->begin;
        size_t held = lines->end - lines->begin;
        const char *end = memchr(start + searched, '\n', held - searched);
        if (end || lines->ended) {
            size_t length = end ? (size_t)(end - start) : held;
            lines->begin += end ? length + 1 : length;
            bool carriage = length > 0 && start[length - 1] == '\r';
            *found = end || held > 0;
            lines->number += *found;
            *line = (fst__line){.text = start,
                                .length = length - carriage,
                                .end = carriage ? (end ? "\r\n" : "\r") : end ? "\n" : "",
                                .number = lines->number};
            return FST_OK;
        }
        searched = held;
        fst_status status = fill(lines);
        if (status)
            return status;
    }
}
