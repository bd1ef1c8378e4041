/*
 * Rendered text to ids. Special tokens of the template cut the text; what stands between two of
 * them is tokenised as one, and offsets tell which of the tokens begin inside a span that is
 * trained.
 */
#include "base/error.h"
#include "data/chat.h"

#include <string.h>

void fst__rendering_open(fst__rendering *rendering, fst__allocator *allocator)
{
    *rendering = (fst__rendering){.text = fst__text_create(allocator),
                                  .pieces = {.allocator = allocator, .with_offsets = true}};
}

void fst__rendering_close(fst__rendering *rendering)
{
    fst__allocator *allocator = rendering->text.allocator;
    if (!allocator)
        return;
    fst__ids_destroy(&rendering->pieces);
    fst__free(allocator, rendering->spans);
    fst__free(allocator, rendering->special);
    fst__text_destroy(&rendering->text);
    *rendering = (fst__rendering){0};
}

void fst__rendering_clear(fst__rendering *rendering)
{
    rendering->text.length = 0;
    rendering->special_count = rendering->span_count = 0;
    rendering->mark = 0;
}

void fst__trained_ids_destroy(fst__trained_ids *ids)
{
    if (!ids->allocator)
        return;
    fst__free(ids->allocator, ids->trained);
    fst__free(ids->allocator, ids->ids);
    *ids = (fst__trained_ids){0};
}

fst_status fst__trained_ids_append(fst__trained_ids *ids, int32_t id, bool trained)
{
    if (ids->count == ids->capacity) {
        int64_t larger = ids->capacity < 256 ? 256 : 2 * ids->capacity;
        int32_t *grown =
            fst__realloc_array(ids->allocator, ids->ids, (size_t)larger, sizeof(int32_t));
        if (!grown)
            return FST_ERR_NO_MEMORY;
        ids->ids = grown;
        uint8_t *marks = fst__realloc(ids->allocator, ids->trained, (size_t)larger);
        if (!marks)
            return FST_ERR_NO_MEMORY;
        ids->trained = marks;
        ids->capacity = larger;
    }
    ids->ids[ids->count] = id;
    ids->trained[ids->count++] = trained;
    return FST_OK;
}

fst_status fst__chat_text_open(fst__chat_text *text, const fst_tokenizer *tokenizer,
                               const char *string)
{
    fst__allocator *allocator = fst__tokenizer_allocator(tokenizer);
    *text = (fst__chat_text){.text = string ? string : ""};
    text->length = strlen(text->text);
    fst__ids ids = {.allocator = allocator, .with_offsets = true};
    fst_status status = fst__ids_reserve(&ids, text->length + 1);
    if (!status)
        status = fst__tokenizer_encode(tokenizer, text->text, text->length, false, true, &ids);
    if (!status && !(text->special = fst__alloc_array(allocator, ids.count, sizeof(fst__special))))
        status = FST_ERR_NO_MEMORY;
    for (size_t i = 0; i < ids.count && !status; ++i) {
        const char *bytes;
        size_t length;
        bool special;
        if (fst__tokenizer_token(tokenizer, ids.ids[i], &bytes, &length, &special) && special)
            text->special[text->special_count++] =
                (fst__special){.begin = (size_t)ids.offsets[2 * i],
                               .end = (size_t)ids.offsets[2 * i + 1],
                               .id = ids.ids[i]};
    }
    fst__ids_destroy(&ids);
    return status;
}

void fst__chat_text_close(fst__chat_text *text, const fst_tokenizer *tokenizer)
{
    fst__free(fst__tokenizer_allocator(tokenizer), text->special);
    *text = (fst__chat_text){0};
}

static fst_status add_special(fst__rendering *rendering, fst__special special)
{
    if (rendering->special_count == rendering->special_capacity) {
        size_t larger = rendering->special_capacity ? 2 * rendering->special_capacity : 32;
        fst__special *grown = fst__realloc_array(rendering->text.allocator, rendering->special,
                                                 larger, sizeof *grown);
        if (!grown)
            return FST_ERR_NO_MEMORY;
        rendering->special = grown;
        rendering->special_capacity = larger;
    }
    rendering->special[rendering->special_count++] = special;
    return FST_OK;
}

fst_status fst__render_train(fst__rendering *rendering, size_t begin, size_t end)
{
    if (begin == end)
        return FST_OK;
    if (rendering->span_count == rendering->span_capacity) {
        size_t larger = rendering->span_capacity ? 2 * rendering->span_capacity : 32;
        size_t *grown = fst__realloc_array(rendering->text.allocator, rendering->spans, larger,
                                           2 * sizeof *grown);
        if (!grown)
            return FST_ERR_NO_MEMORY;
        rendering->spans = grown;
        rendering->span_capacity = larger;
    }
    rendering->spans[2 * rendering->span_count] = begin;
    rendering->spans[2 * rendering->span_count++ + 1] = end;
    return FST_OK;
}

fst_status fst__render_content(fst__rendering *rendering, const char *content, size_t length)
{
    fst__text_append(&rendering->text, content, length);
    return rendering->text.failed ? FST_ERR_NO_MEMORY : FST_OK;
}

fst_status fst__render_text(fst__rendering *rendering, const fst__chat_text *text)
{
    size_t begin = rendering->text.length;
    fst_status status = fst__render_content(rendering, text->text, text->length);
    for (size_t i = 0; i < text->special_count && !status; ++i) {
        fst__special special = text->special[i];
        special.begin += begin;
        special.end += begin;
        status = add_special(rendering, special);
    }
    return status;
}

fst_status fst__render_id(fst__rendering *rendering, int32_t id, bool trained)
{
    size_t at = rendering->text.length;
    return add_special(rendering, (fst__special){at, at, id, trained});
}

/* Is the byte in a trained span? *span goes forward with rising places. */
static bool is_trained(const fst__rendering *rendering, size_t place, size_t *span)
{
    while (*span < rendering->span_count && rendering->spans[2 * *span + 1] <= place)
        ++*span;
    return *span < rendering->span_count && rendering->spans[2 * *span] <= place;
}

/* An id at this byte is about to be the id of that number. */
static void pass_mark(fst__rendering *rendering, size_t place, int64_t number)
{
    if (rendering->mark && rendering->marked < 0 && place >= rendering->mark)
        rendering->marked = number;
}

static fst_status encode_stretch(fst__rendering *rendering, const fst_tokenizer *tokenizer,
                                 size_t begin, size_t end, size_t *span, fst__trained_ids *out)
{
    if (begin >= end)
        return FST_OK;
    fst__ids *pieces = &rendering->pieces;
    pieces->count = 0;
    fst_status status = fst__tokenizer_encode(tokenizer, rendering->text.data + begin, end - begin,
                                              false, false, pieces);
    for (size_t i = 0; i < pieces->count && !status; ++i) {
        size_t place = begin + (size_t)pieces->offsets[2 * i];
        bool trained = is_trained(rendering, place, span);
        pass_mark(rendering, place, out->count);
        status = fst__trained_ids_append(out, pieces->ids[i], trained);
    }
    return status;
}

fst_status fst__render_finish(fst__rendering *rendering, const fst_tokenizer *tokenizer,
                              fst__trained_ids *out)
{
    size_t from = 0, span = 0;
    int64_t before = out->count;
    fst_status status = FST_OK;
    rendering->marked = -1;
    for (size_t i = 0; i < rendering->special_count && !status; ++i) {
        const fst__special *special = &rendering->special[i];
        status = encode_stretch(rendering, tokenizer, from, special->begin, &span, out);
        bool trained = special->trained || (special->end > special->begin &&
                                            is_trained(rendering, special->begin, &span));
        if (!status) {
            pass_mark(rendering, special->begin, out->count);
            status = fst__trained_ids_append(out, special->id, trained);
        }
        from = special->end;
    }
    if (!status)
        status = encode_stretch(rendering, tokenizer, from, rendering->text.length, &span, out);
    pass_mark(rendering, rendering->text.length, out->count);
    if (status)
        out->count = before;
    fst__rendering_clear(rendering);
    return status;
}
