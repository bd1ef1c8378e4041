#include "formats/json_walk.h"

#include "base/error.h"

#include <string.h>

enum { DEEPEST = 32 };

/* One segment of the path, and where the walk stands in what it goes through. */
typedef struct level {
    const char *name; /* NULL: '*' */
    json_t *value;    /* what the segment is applied to */
    size_t index;     /* '*': the element being visited */
    void *member;     /* '*' over an object: jansson's iterator */
    bool entered;
} level;

struct fst__json_walk {
    fst__allocator *allocator;
    json_t *root;
    const char *file;
    char *names;
    level levels[DEEPEST + 1]; /* the last one is the implied '*' over an array */
    int depth;                 /* segments of the path */
    int now;                   /* the level to go on at; −1 at the end */
    int used;                  /* levels below the object given last */
    int64_t lists;
    bool begun;
    fst__text place;
};

static fst_status split(fst__json_walk *walk, const char *path)
{
    if (!(walk->names = fst__strdup(walk->allocator, path)))
        return FST_ERR_NO_MEMORY;
    for (char *at = walk->names; at;) {
        char *dot = strchr(at, '.');
        if (dot)
            *dot = '\0';
        if (*at == '\0')
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "the path \"%s\" has an empty name", path);
        if (walk->depth == DEEPEST)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "the path \"%s\" has more than %d names", path,
                             DEEPEST);
        walk->levels[walk->depth++].name = strcmp(at, "*") == 0 ? NULL : at;
        at = dot ? dot + 1 : NULL;
    }
    return FST_OK;
}

fst_status fst__json_walk_open(fst__allocator *allocator, const json_t *root, const char *file,
                               const char *path, fst__json_walk **out)
{
    fst__json_walk *walk = fst__alloc_zero(allocator, sizeof *walk);
    if (!walk)
        return FST_ERR_NO_MEMORY;
    walk->allocator = allocator;
    walk->root = (json_t *)(uintptr_t)root; /* jansson's iterators take no const */
    walk->file = file;
    walk->place = fst__text_create(allocator);
    fst_status status = path && *path ? split(walk, path) : FST_OK;
    if (status) {
        fst__json_walk_close(walk);
        return status;
    }
    *out = walk;
    return FST_OK;
}

void fst__json_walk_close(fst__json_walk *walk)
{
    if (!walk)
        return;
    fst__text_destroy(&walk->place);
    fst__free(walk->allocator, walk->names);
    fst__free(walk->allocator, walk);
}

const char *fst__json_walk_place(const fst__json_walk *walk)
{
    return walk->place.data ? walk->place.data : "";
}

int64_t fst__json_walk_list(const fst__json_walk *walk)
{
    return walk->lists;
}

/* "data/3" for the first `count` levels. */
static void write_place(fst__json_walk *walk, int count)
{
    walk->place.length = 0;
    fst__text_append_string(&walk->place, "");
    for (int i = 0; i < count; ++i) {
        const level *at = &walk->levels[i];
        const char *between = i > 0 ? "/" : "";
        if (at->name)
            fst__text_printf(&walk->place, "%s%s", between, at->name);
        else if (at->member)
            fst__text_printf(&walk->place, "%s%s", between, json_object_iter_key(at->member));
        else
            fst__text_printf(&walk->place, "%s%zu", between, at->index);
    }
}

/* For an error: `what` is wrong with what the first `count` levels lead to. */
static fst_status fail_at(fst__json_walk *walk, int count, const char *what)
{
    write_place(walk, count);
    const char *place = fst__json_walk_place(walk);
    return fst__fail(FST_ERR_FORMAT, "%s: %s %s", walk->file, *place ? place : "the root", what);
}

/* The element or member the level stands at; NULL behind the last. */
static json_t *current(const level *at)
{
    if (at->name)
        return at->index == 0 ? json_object_get(at->value, at->name) : NULL;
    if (json_is_array(at->value))
        return json_array_get(at->value, at->index);
    return at->member ? json_object_iter_value(at->member) : NULL;
}

static void advance(level *at)
{
    ++at->index;
    if (at->member)
        at->member = json_object_iter_next(at->value, at->member);
}

static fst_status enter(fst__json_walk *walk, int depth, json_t *value)
{
    level *at = &walk->levels[depth];
    at->value = value;
    at->index = 0;
    at->member = NULL;
    at->entered = true;
    if (at->name && !json_is_object(value))
        return fail_at(walk, depth, "is no object");
    if (at->name && !json_object_get(value, at->name))
        return fst__fail_in(fail_at(walk, depth, "has no such member"), "\"%s\" is looked for",
                            at->name);
    if (!at->name && !json_is_array(value) && !json_is_object(value))
        return fail_at(walk, depth, "is neither an array nor an object");
    if (!at->name && json_is_object(value))
        at->member = json_object_iter(value);
    walk->lists += !at->name;
    walk->now = depth;
    return FST_OK;
}

/* `value` is what `depth` levels lead to: one level deeper, or it is a record. */
static fst_status descend(fst__json_walk *walk, int depth, json_t *value, json_t **object)
{
    if (depth < walk->depth)
        return enter(walk, depth, value);
    if (depth == walk->depth && json_is_array(value) &&
        (depth == 0 || walk->levels[depth - 1].name))
        return enter(walk, depth, value);
    if (!json_is_object(value))
        return fail_at(walk, depth, "is no object");
    write_place(walk, depth);
    *object = value;
    return walk->place.failed ? FST_ERR_NO_MEMORY : FST_OK;
}

fst_status fst__json_walk_next(fst__json_walk *walk, json_t **object)
{
    *object = NULL;
    if (!walk->begun) {
        walk->begun = true;
        walk->now = -1;
        fst_status status = descend(walk, 0, walk->root, object);
        if (status || *object)
            return status;
    }
    while (walk->now >= 0) {
        level *at = &walk->levels[walk->now];
        if (at->entered)
            at->entered = false;
        else
            advance(at);
        json_t *value = current(at);
        if (!value) {
            --walk->now;
            continue;
        }
        fst_status status = descend(walk, walk->now + 1, value, object);
        if (status || *object)
            return status;
    }
    return FST_OK;
}
