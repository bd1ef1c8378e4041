#include "formats/jsonl.h"

#include "base/error.h"
#include "formats/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_ROOM = 64 * 1024 };

struct fst__jsonl {
    fst__allocator *allocator;
    char *path;
    char *place;
    size_t place_room;
    char *bytes; /* what was read and is not given yet: [begin, end) */
    size_t room, begin, end;
    size_t offset; /* the file's byte number of bytes[begin] */
    int64_t line;
    int descriptor;
    bool ended; /* nothing more is to be read */
};

fst_status fst__jsonl_open(fst__allocator *allocator, const char *path, fst__jsonl **out)
{
    fst__jsonl *reader = fst__alloc(allocator, sizeof *reader);
    if (!reader)
        return FST_ERR_NO_MEMORY;
    *reader = (fst__jsonl){.allocator = allocator, .descriptor = -1, .room = FIRST_ROOM};
    reader->place_room = strlen(path) + 80;
    reader->path = fst__strdup(allocator, path);
    reader->place = fst__alloc_zero(allocator, reader->place_room);
    reader->bytes = fst__alloc(allocator, reader->room);
    fst_status status = reader->path && reader->place && reader->bytes ? FST_OK : FST_ERR_NO_MEMORY;
    if (status == FST_OK)
        status = fst__file_open(path, &reader->descriptor, NULL);
    if (status != FST_OK) {
        fst__jsonl_close(reader);
        return status;
    }
    *out = reader;
    return FST_OK;
}

void fst__jsonl_close(fst__jsonl *reader)
{
    if (!reader)
        return;
    if (reader->descriptor >= 0)
        close(reader->descriptor);
    fst__free(reader->allocator, reader->bytes);
    fst__free(reader->allocator, reader->place);
    fst__free(reader->allocator, reader->path);
    fst__free(reader->allocator, reader);
}

const char *fst__jsonl_place(const fst__jsonl *reader)
{
    return reader->place;
}

/* Reads on behind what is held, after making room at the front or at the back. */
static fst_status fill(fst__jsonl *reader)
{
    size_t held = reader->end - reader->begin;
    memmove(reader->bytes, reader->bytes + reader->begin, held);
    reader->begin = 0;
    reader->end = held;
    if (held > FST__JSONL_LINE_LIMIT)
        return fst__fail(FST_ERR_FORMAT, "%s: line %lld (from byte %zu) is longer than %d bytes",
                         reader->path, (long long)reader->line + 1, reader->offset,
                         FST__JSONL_LINE_LIMIT);
    if (held == reader->room) {
        char *grown = fst__realloc(reader->allocator, reader->bytes, 2 * reader->room);
        if (!grown)
            return FST_ERR_NO_MEMORY;
        reader->bytes = grown;
        reader->room *= 2;
    }
    ssize_t count;
    do
        count = read(reader->descriptor, reader->bytes + held, reader->room - held);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return fst__fail_errno(errno, "%s: cannot read at byte %zu", reader->path,
                               reader->offset + held);
    reader->ended = count == 0;
    reader->end += (size_t)count;
    return FST_OK;
}

/* The next line without its end. False in *found: there is none. */
static fst_status take_line(fst__jsonl *reader, const char **line, size_t *length, bool *found)
{
    size_t searched = 0;
    for (;;) {
        const char *start = reader->bytes + reader->begin;
        size_t held = reader->end - reader->begin, taken = held;
        const char *end = memchr(start + searched, '\n', held - searched);
        if (end)
            taken = (size_t)(end - start) + 1;
        if (end || reader->ended) {
            *found = held > 0;
            *line = start;
            *length = end ? taken - 1 : taken;
            if (*length > 0 && start[*length - 1] == '\r')
                --*length;
            reader->begin += taken;
            return FST_OK;
        }
        searched = held;
        fst_status status = fill(reader);
        if (status != FST_OK)
            return status;
    }
}

static bool is_blank(const char *line, size_t length)
{
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        --length;
    return length == 0;
}

fst_status fst__jsonl_next(fst__jsonl *reader, json_t **object, int64_t *line)
{
    const char *bytes;
    size_t length;
    bool found, blank;
    *object = NULL;
    do {
        fst_status status = take_line(reader, &bytes, &length, &found);
        if (status != FST_OK || !found)
            return status;
        ++reader->line;
        snprintf(reader->place, reader->place_room, "%s: line %lld (from byte %zu)", reader->path,
                 (long long)reader->line, reader->offset);
        /* The line began at offset; the next one begins where it ended. */
        reader->offset += (size_t)(reader->bytes + reader->begin - bytes);
        blank = is_blank(bytes, length);
    } while (blank);
    if (line)
        *line = reader->line;
    json_t *root;
    fst_status status = fst__json_parse(bytes, length, reader->place, &root);
    if (status != FST_OK)
        return status;
    if (!json_is_object(root)) {
        json_decref(root);
        return fst__fail(FST_ERR_FORMAT, "%s: an array, expected an object", reader->place);
    }
    *object = root;
    return FST_OK;
}
