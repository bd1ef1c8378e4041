#include "data/example_builder.h"

#include "base/error.h"
#include "base/utf8.h"
#include "data/text_builder.h"

#include <math.h>
#include <string.h>

fst_example_options fst__example_defaults(void)
{
    return (fst_example_options){.struct_size = sizeof(fst_example_options),
                                 .kind = FST_EXAMPLES_CONVERSATIONS,
                                 .format = FST_FORMAT_AUTO,
                                 .too_long = FST_TOO_LONG_ERROR};
}

static fst_status check_options(const fst_example_options *o)
{
    if (o->too_long < FST_TOO_LONG_ERROR || o->too_long > FST_TOO_LONG_CUT_END)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "too_long %d is none of the FST_TOO_LONG_ values", o->too_long);
    const struct {
        const char *name;
        int32_t value;
    } flags[] = {{"drop_useless", o->drop_useless},
                 {"header", o->header},
                 {"add_bos", o->add_bos},
                 {"add_eos", o->add_eos},
                 {"latin1", o->latin1}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; ++i) {
        if (flags[i].value != 0 && flags[i].value != 1)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %d, expected 0 or 1", flags[i].name,
                             flags[i].value);
    }
    const struct {
        const char *name;
        int64_t value, maximum;
    } counts[] = {{"max_length", o->max_length, (int64_t)1 << 24},
                  {"maximum_examples", o->maximum_examples, INT64_MAX},
                  {"history", o->history, 4096},
                  {"label_count", o->label_count, 1 << 16}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
        if (counts[i].value < 0 || counts[i].value > counts[i].maximum)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %lld, expected 0 … %lld",
                             counts[i].name, (long long)counts[i].value,
                             (long long)counts[i].maximum);
    }
    return FST_OK;
}

static fst_status find_special(const fst__example_builder *builder, int32_t add, int32_t role,
                               const char *name, int32_t *id)
{
    *id = -1;
    if (!add)
        return FST_OK;
    if (builder->has_chat)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s goes with texts without a template; in a template, begin and "
                         "assistant_suffix or add_end do that",
                         name);
    *id = fst__tokenizer_special_id(builder->tokenizer, role);
    if (*id < 0)
        return fst__fail(FST_ERR_NOT_FOUND, "%s is 1 and the tokenizer has no such token", name);
    return FST_OK;
}

/* What stands around and between texts. */
static fst_status open_texts(fst__example_builder *builder)
{
    const fst_example_options *o = &builder->options;
    fst_status status = FST_OK;
    if (builder->has_chat)
        status = fst__chat_open(&builder->chat, builder->tokenizer, o->chat);
    const fst__chat *chat = &builder->chat;
    if (!status && (o->kind == FST_EXAMPLES_CONVERSATIONS || o->kind == FST_EXAMPLES_PREFERENCES) &&
        chat->end_id < 0 && chat->suffix[FST__ROLE_ASSISTANT].special_count == 0)
        fst__log_write(&builder->context->log, FST_LOG_WARNING,
                       "the template ends answers with no special token of this tokenizer, so that "
                       "generation has none to stop at");
    if (!status)
        status = find_special(builder, o->add_bos, FST_TOKEN_BOS, "add_bos", &builder->bos_id);
    if (!status)
        status = find_special(builder, o->add_eos, FST_TOKEN_EOS, "add_eos", &builder->eos_id);
    return status;
}

/* When it is first needed: a tokenizer of characters may have no token for a line's end. */
static fst_status open_separator(fst__example_builder *builder, fst__chat_text *separator,
                                 const char *text)
{
    if (separator->text)
        return FST_OK;
    return fst__chat_text_open(separator, builder->tokenizer, text ? text : "\n");
}

fst_status fst__example_builder_open(fst__example_builder *builder, fst_context *context,
                                     const fst_tokenizer *tokenizer,
                                     const fst_example_options *options, int32_t kind,
                                     fst_status refusal)
{
    *builder = (fst__example_builder){.context = context,
                                      .tokenizer = tokenizer,
                                      .options = *options,
                                      .refusal = refusal,
                                      .ids = {.allocator = &context->allocator}};
    fst__rendering_open(&builder->rendering, &context->allocator);
    builder->options.kind = kind;
    if (kind != FST_EXAMPLES_PAIRS &&
        (kind < FST_EXAMPLES_CONVERSATIONS || kind > FST_EXAMPLES_PROMPTS))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "kind %d is none of the FST_EXAMPLES_ values",
                         kind);
    fst_status status = check_options(options);
    if (status)
        return status;
    if (kind == FST_EXAMPLES_LABELLED)
        builder->label_count = options->label_count ? options->label_count : 1;
    if (kind == FST_EXAMPLES_PAIRS)
        builder->label_count = options->label_count;
    builder->has_chat =
        options->chat || kind == FST_EXAMPLES_CONVERSATIONS || kind == FST_EXAMPLES_PREFERENCES;
    return open_texts(builder);
}

void fst__example_builder_close(fst__example_builder *builder)
{
    fst__allocator *allocator = &builder->context->allocator;
    fst__free(allocator, builder->margins);
    fst__free(allocator, builder->labels);
    fst__free(allocator, builder->first);
    fst__free(allocator, builder->seconds);
    fst__free(allocator, builder->offsets);
    fst__trained_ids_destroy(&builder->ids);
    fst__rendering_close(&builder->rendering);
    fst__chat_text_close(&builder->history_separator, builder->tokenizer);
    fst__chat_text_close(&builder->pair_separator, builder->tokenizer);
    fst__chat_close(&builder->chat);
    *builder = (fst__example_builder){.context = builder->context};
}

bool fst__example_builder_full(const fst__example_builder *builder)
{
    int64_t maximum = builder->options.maximum_examples;
    return maximum > 0 && builder->examples >= maximum;
}

/* Room for one element more behind `count` and the end, in an array by doubling. */
static fst_status grow(fst__allocator *allocator, void **array, int64_t capacity, size_t size)
{
    void *block = fst__realloc_array(allocator, *array, (size_t)capacity, size);
    if (!block)
        return FST_ERR_NO_MEMORY;
    *array = block;
    return FST_OK;
}

static fst_status begin_sequence(fst__example_builder *builder)
{
    fst_status status = FST_OK;
    if (builder->sequences + 2 > builder->offset_capacity) {
        int64_t larger = builder->offset_capacity ? 2 * builder->offset_capacity : 64;
        status =
            grow(&builder->context->allocator, (void **)&builder->offsets, larger, sizeof(int64_t));
        if (!status)
            status = grow(&builder->context->allocator, (void **)&builder->seconds, larger, sizeof(int64_t));
        if (status)
            return status;
        builder->offset_capacity = larger;
    }
    builder->offsets[builder->sequences] = builder->ids.count;
    builder->seconds[builder->sequences] = -1;
    return FST_OK;
}

static fst_status end_sequence(fst__example_builder *builder, fst_status status)
{
    if (status)
        return status;
    builder->offsets[++builder->sequences] = builder->ids.count;
    return FST_OK;
}

fst_status fst__example_builder_messages(fst__example_builder *builder,
                                         const fst__message *messages, int64_t count,
                                         bool generation_prompt, const char *input_system)
{
    fst_status status = begin_sequence(builder);
    if (!status)
        status = fst__chat_encode(&builder->chat, &builder->rendering, messages, count,
                                  generation_prompt, input_system, &builder->ids);
    return end_sequence(builder, status);
}

static fst_status render_plain(fst__example_builder *builder, const char *text)
{
    size_t length = strlen(text), wrong;
    if (!fst__is_utf8(text, length, &wrong))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "the text is not UTF-8 at its byte %zu", wrong);
    return fst__render_content(&builder->rendering, text, length);
}

fst_status fst__example_builder_text(fst__example_builder *builder, const char *const *history,
                                     int64_t history_count, const char *text, const char *pair)
{
    fst__rendering *rendering = &builder->rendering;
    fst_status status = begin_sequence(builder);
    if (!status && history_count > 0)
        status = open_separator(builder, &builder->history_separator,
                                builder->options.history_separator);
    if (!status && pair)
        status = open_separator(builder, &builder->pair_separator, builder->options.pair_separator);
    if (!status && builder->bos_id >= 0)
        status = fst__render_id(rendering, builder->bos_id, false);
    for (int64_t i = 0; i < history_count && !status; ++i) {
        status = render_plain(builder, history[i]);
        if (!status)
            status = fst__render_text(rendering, &builder->history_separator);
    }
    if (!status)
        status = render_plain(builder, text);
    if (!status && pair)
        status = fst__render_text(rendering, &builder->pair_separator);
    if (!status && pair) {
        rendering->mark = rendering->text.length;
        status = render_plain(builder, pair);
    }
    if (!status && builder->eos_id >= 0)
        status = fst__render_id(rendering, builder->eos_id, false);
    if (!status)
        status = fst__render_finish(rendering, builder->tokenizer, &builder->ids);
    else
        fst__rendering_clear(rendering);
    if (!status && pair) {
        builder->seconds[builder->sequences] = rendering->marked - builder->offsets[builder->sequences];
        builder->has_seconds = true;
    }
    return end_sequence(builder, status);
}

void fst__example_builder_abandon(fst__example_builder *builder)
{
    builder->sequences = builder->first ? builder->first[builder->examples] : 0;
    builder->ids.count = builder->sequences ? builder->offsets[builder->sequences] : 0;
}

fst_status fst__example_builder_useless(fst__example_builder *builder, const char *why,
                                        const char *place)
{
    fst__example_builder_abandon(builder);
    if (!builder->options.drop_useless)
        return fst__fail(builder->refusal, "%s: %s; drop_useless leaves such examples out", place,
                         why);
    builder->dropped.useless += 1;
    return FST_OK;
}

/* Takes the dataset's arrays over from the builder. */
static fst_status make_documents(fst__example_builder *builder, fst__documents **out)
{
    fst_context *context = builder->context;
    size_t count = (size_t)builder->ids.count;
    int32_t *ids =
        fst__realloc_array(&context->allocator, builder->ids.ids, count, sizeof(int32_t));
    if (!ids)
        return FST_ERR_NO_MEMORY;
    builder->ids.ids = ids;
    uint8_t *trained = fst__realloc(&context->allocator, builder->ids.trained, count);
    if (!trained)
        return FST_ERR_NO_MEMORY;
    builder->ids.trained = trained;
    fst__tokens tokens = {.ids = ids,
                          .owned = ids,
                          .trained = trained,
                          .type = FST_TOKENS_I32,
                          .count = builder->ids.count};
    tokens.vocabulary = fst__tokenizer_vocabulary_size(builder->tokenizer);
    fst_status status = fst__token_bytes_of(builder->tokenizer, &context->allocator,
                                            (int32_t)tokens.vocabulary, &tokens.token_bytes);
    if (status)
        return status;
    builder->ids = (fst__trained_ids){.allocator = &context->allocator};
    return fst__documents_create(context, &tokens, builder->offsets, builder->sequences, out);
}

static fst__examples *make_examples(const fst__example_builder *builder)
{
    fst__examples *examples = fst__examples_alloc(
        &builder->context->allocator, builder->options.kind, builder->examples,
        builder->label_count, builder->options.kind == FST_EXAMPLES_PREFERENCES);
    if (!examples)
        return NULL;
    if (builder->has_seconds && !fst__examples_want_seconds(examples, &builder->context->allocator, builder->sequences)) {
        fst__examples_free(examples, &builder->context->allocator);
        return NULL;
    }
    if (examples->seconds)
        memcpy(examples->seconds, builder->seconds, (size_t)builder->sequences * sizeof(int64_t));
    size_t count = (size_t)builder->examples;
    memcpy(examples->first, builder->first, (count + 1) * sizeof(int64_t));
    if (examples->labels)
        memcpy(examples->labels, builder->labels,
               count * (size_t)builder->label_count * sizeof(float));
    if (examples->margins)
        memcpy(examples->margins, builder->margins, count * sizeof(double));
    examples->dropped = builder->dropped;
    return examples;
}

fst_status fst__example_builder_finish(fst__example_builder *builder, fst_dataset **out)
{
    if (builder->examples == 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "not one example is left: %lld too long, %lld useless",
                         (long long)builder->dropped.too_long, (long long)builder->dropped.useless);
    fst__examples *examples = make_examples(builder);
    fst__documents *documents;
    fst_status status = examples ? make_documents(builder, &documents) : FST_ERR_NO_MEMORY;
    if (status) {
        fst__examples_free(examples, &builder->context->allocator);
        return status;
    }
    fst__examples_measure(examples, documents);
    documents->examples = examples;
    return fst__dataset_create(builder->context, documents, out);
}
