/* The classes of tagged words: given, another dataset's, or those that occur. */
#include "base/error.h"
#include "data/word_builder.h"

#include <string.h>

enum { MOST_TAGS = UINT16_MAX };

/* Where among the sorted classes the tag stands, or would. */
static int64_t find(const fst__word_builder *builder, const char *tag, size_t length, bool *found)
{
    const fst__strings *names = &builder->words->names;
    int64_t low = 0, high = names->count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        const char *name = fst__strings_get(names, builder->sorted[middle]);
        size_t known = strlen(name);
        int order = memcmp(name, tag, known < length ? known : length);
        if (order == 0)
            order = (known > length) - (known < length);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

static fst_status insert(fst__word_builder *builder, int64_t at, const char *tag, size_t length)
{
    fst__strings *names = &builder->words->names;
    if (names->count == MOST_TAGS)
        return fst__fail(builder->refusal, "more than %d different tags", MOST_TAGS);
    if (names->count == builder->sorted_capacity) {
        int64_t larger = builder->sorted_capacity ? 2 * builder->sorted_capacity : 64;
        int32_t *sorted = fst__realloc_array(&builder->context->allocator, builder->sorted,
                                             (size_t)larger, sizeof *sorted);
        if (!sorted)
            return FST_ERR_NO_MEMORY;
        builder->sorted = sorted;
        builder->sorted_capacity = larger;
    }
    fst_status status = fst__strings_append(names, tag, length);
    if (status)
        return status;
    memmove(builder->sorted + at + 1, builder->sorted + at,
            (size_t)(names->count - 1 - at) * sizeof *builder->sorted);
    builder->sorted[at] = (int32_t)(names->count - 1);
    return FST_OK;
}

static fst_status add_given(fst__word_builder *builder, const char *tag, int64_t index)
{
    bool found;
    if (!tag || !*tag)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_word_options.tags[%lld] is %s",
                         (long long)index, tag ? "empty" : "NULL");
    int64_t at = find(builder, tag, strlen(tag), &found);
    if (found)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_word_options.tags[%lld], \"%s\", is there twice",
                         (long long)index, tag);
    return insert(builder, at, tag, strlen(tag));
}

fst_status fst__word_tags_open(fst__word_builder *builder)
{
    const fst_word_options *o = &builder->options;
    const fst__words *other = NULL;
    if (o->tag_count < 0 || (o->tag_count > 0) != (o->tags != NULL))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_word_options.tag_count is %lld, tags is %s", (long long)o->tag_count,
                         o->tags ? "not NULL" : "NULL");
    if (o->tags && o->tags_of)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_word_options: tags and tags_of are both given");
    if (o->tags_of) {
        fst_status status = fst__words_check(o->tags_of, "fst_word_options.tags_of");
        other = status ? NULL : o->tags_of->documents->tokens->words;
        if (status || other->names.count == 0)
            return fst__fail(FST_ERR_MISMATCH, "fst_word_options.tags_of is a dataset without tags");
    }
    fst_status status = FST_OK;
    for (int64_t i = 0; i < o->tag_count && !status; ++i)
        status = add_given(builder, o->tags[i], i);
    for (int64_t i = 0; other && i < other->names.count && !status; ++i)
        status = add_given(builder, fst__strings_get(&other->names, i), i);
    builder->fixed_tags = o->tags || o->tags_of;
    return status;
}

fst_status fst__word_tags_class(fst__word_builder *builder, const char *tag, size_t length,
                                int32_t *out)
{
    bool found;
    if (length == 0)
        return fst__fail(builder->refusal, "the tag is empty");
    int64_t at = find(builder, tag, length, &found);
    if (!found && builder->fixed_tags)
        return fst__fail(builder->refusal,
                         "the tag \"%.*s\" is none of the %lld that are known, \"%s\" and so on",
                         (int)(length < 128 ? length : 128), tag,
                         (long long)builder->words->names.count,
                         fst__strings_get(&builder->words->names, 0));
    fst_status status = found ? FST_OK : insert(builder, at, tag, length);
    if (!status)
        *out = builder->sorted[at];
    return status;
}

fst_status fst__word_tags_order(fst__word_builder *builder)
{
    fst__words *words = builder->words;
    fst__allocator *allocator = &builder->context->allocator;
    int64_t count = words->names.count, placed = 0;
    bool has_outside = false;
    if (builder->fixed_tags || count == 0)
        return FST_OK;
    int64_t outside = find(builder, "O", 1, &has_outside);
    int32_t *place = fst__alloc_array(allocator, (size_t)count, sizeof *place);
    fst__strings names = {.text = fst__text_create(allocator)};
    fst_status status = place ? FST_OK : FST_ERR_NO_MEMORY;
    for (int64_t i = has_outside ? -1 : 0; i < count && !status; ++i) {
        if (has_outside && i == outside)
            continue;
        int32_t old = builder->sorted[i < 0 ? outside : i];
        const char *name = fst__strings_get(&words->names, old);
        place[old] = (int32_t)placed++;
        status = fst__strings_append(&names, name, strlen(name));
    }
    if (status) {
        fst__strings_free(&names);
        fst__free(allocator, place);
        return status;
    }
    for (int64_t w = 0; w < words->words.count; ++w)
        words->tags[w] = words->tags[w] < 0 ? FST_IGNORE : place[words->tags[w]];
    for (int64_t i = 0; i < words->id_count; ++i)
        words->classes[i] = words->classes[i] < 0 ? FST_IGNORE : place[words->classes[i]];
    fst__free(allocator, place);
    fst__strings_free(&words->names);
    words->names = names;
    return FST_OK;
}
