/* Tagged sentences from the caller's arrays and from files. */
#include "base/error.h"
#include "base/utf8.h"
#include "data/word_builder.h"
#include "formats/conll.h"

#include <string.h>

static fst_status finish(fst__word_builder *builder, fst_status status, fst_dataset **out)
{
    if (!status)
        status = fst__word_builder_finish(builder, out);
    fst__word_builder_close(builder);
    return status;
}

/* ---- from memory */

static fst_status add_word(fst__word_builder *builder, const char *word, const char *tag)
{
    size_t wrong, length = word ? strlen(word) : 0;
    if (length == 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "it is %s", word ? "empty" : "NULL");
    if (!fst__is_utf8(word, length, &wrong))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "it is not UTF-8 at its byte %zu", wrong);
    if (tag && !fst__is_utf8(tag, strlen(tag), &wrong))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "its tag is not UTF-8 at its byte %zu", wrong);
    return fst__word_builder_word(builder, word, length, tag, tag ? strlen(tag) : 0);
}

static fst_status add_sentence(fst__word_builder *builder, const char *const *words,
                               const char *const *tags, const int64_t *offsets, int64_t index)
{
    fst_status status = FST_OK;
    if (offsets[0] != 0 || offsets[index + 1] <= offsets[index])
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "offsets[%lld] is %lld, expected to begin with 0 and to rise",
                         (long long)(offsets[0] != 0 ? 0 : index + 1),
                         (long long)(offsets[0] != 0 ? offsets[0] : offsets[index + 1]));
    for (int64_t w = offsets[index]; w < offsets[index + 1] && !status; ++w) {
        status = add_word(builder, words[w], tags ? tags[w] : NULL);
        if (status)
            return fst__fail_in(status, "sentence %lld: word %lld", (long long)index,
                                (long long)(w - offsets[index]));
    }
    status = fst__word_builder_sentence(builder);
    return status ? fst__fail_in(status, "sentence %lld", (long long)index) : FST_OK;
}

fst_status fst__dataset_from_words(fst_context *context, const fst_tokenizer *tokenizer,
                                   const char *const *words, const char *const *tags,
                                   const int64_t *offsets, int64_t sentences,
                                   const fst_word_options *options, fst_dataset **out)
{
    fst__word_builder builder;
    fst_status status =
        fst__word_builder_open(&builder, context, tokenizer, options, FST_ERR_INVALID_ARGUMENT);
    for (int64_t s = 0; s < sentences && !status && !fst__word_builder_full(&builder); ++s)
        status = add_sentence(&builder, words, tags, offsets, s);
    return finish(&builder, status, out);
}

/* ---- from files */

static fst_status add_event(fst__word_builder *builder, const fst__conll_event *event,
                            const char *path)
{
    fst_status status = event->kind == FST__CONLL_WORD
                            ? fst__word_builder_word(builder, event->word, event->word_length,
                                                     event->tag, event->tag_length)
                            : fst__word_builder_sentence(builder);
    return status ? fst__fail_in(status, "%s: line %lld", path, (long long)event->line) : FST_OK;
}

static fst_status add_file(fst__word_builder *builder, const char *path)
{
    const fst_word_options *o = &builder->options;
    const fst__conll_options options = {
        .separator = o->columns == FST_COLUMNS_TAB      ? FST__CONLL_TAB
                     : o->columns == FST_COLUMNS_SPACES ? FST__CONLL_SPACES
                                                        : FST__CONLL_AUTO,
        .word = o->word_column,
        .tag = o->tag_column,
        .has_tags = !o->no_tags,
        .has_ids = o->id_column >= 0,
        .id = o->id_column,
        .comments = o->comments,
        .latin1 = o->latin1,
    };
    fst__conll *conll;
    fst_status status = fst__conll_open(&builder->context->allocator, path, &options, &conll);
    if (status)
        return status;
    while (!status && !fst__word_builder_full(builder)) {
        fst__conll_event event;
        status = fst__conll_next(conll, &event);
        if (status || event.kind == FST__CONLL_END)
            break;
        status = add_event(builder, &event, path);
    }
    fst__conll_close(conll);
    return status;
}

fst_status fst__dataset_load_conll(fst_context *context, const fst_tokenizer *tokenizer,
                                   const char *const *paths, int64_t count,
                                   const fst_word_options *options, fst_dataset **out)
{
    fst__word_builder builder;
    fst_status status = fst__word_builder_open(&builder, context, tokenizer, options, FST_ERR_FORMAT);
    for (int64_t i = 0; i < count && !status && !fst__word_builder_full(&builder); ++i)
        status = paths[i]
                     ? add_file(&builder, paths[i])
                     : fst__fail(FST_ERR_INVALID_ARGUMENT, "paths[%lld] is NULL", (long long)i);
    return finish(&builder, status, out);
}
