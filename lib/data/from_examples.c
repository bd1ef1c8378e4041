/* Examples from the caller's memory. */
#include "base/error.h"
#include "data/example_builder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PLACE = 64 };

static fst_status missing(const char *name, int64_t index)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s[%lld] is NULL", name, (long long)index);
}

static fst_status check_offsets(const int64_t *offsets, int64_t count, int64_t least)
{
    if (offsets[0] != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "offsets[0] is %lld, expected 0",
                         (long long)offsets[0]);
    for (int64_t i = 0; i < count; ++i) {
        if (offsets[i + 1] < offsets[i] || offsets[i + 1] - offsets[i] < least)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "offsets[%lld] is %lld, expected at least %lld", (long long)i + 1,
                             (long long)offsets[i + 1], (long long)(offsets[i] + least));
    }
    return FST_OK;
}

/* Common end of all: the dataset where all went well. */
static fst_status finish(fst__example_builder *builder, fst_status status, fst_dataset **out)
{
    if (!status)
        status = fst__example_builder_finish(builder, out);
    fst__example_builder_close(builder);
    return status;
}

static fst_status add_conversation(fst__example_builder *builder, const char *const *roles,
                                   const char *const *contents, int64_t begin, int64_t end,
                                   fst__message *messages, const char *place)
{
    for (int64_t i = begin; i < end; ++i) {
        fst__message *message = &messages[i - begin];
        if (!roles[i] || !contents[i])
            return missing(!roles[i] ? "roles" : "contents", i);
        fst_status status = fst__role_parse(roles[i], &message->role);
        if (status)
            return fst__fail_in(status, "%s: message %lld", place, (long long)(i - begin));
        message->content = contents[i];
        message->length = strlen(contents[i]);
    }
    return fst__example_builder_conversation(builder, messages, end - begin, NULL, place);
}

fst_status fst__dataset_from_conversations(fst_context *context, const fst_tokenizer *tokenizer,
                                           const char *const *roles, const char *const *contents,
                                           const int64_t *offsets, int64_t conversations,
                                           const fst_example_options *options, fst_dataset **out)
{
    fst__example_builder builder;
    fst_status status =
        fst__example_builder_open(&builder, context, tokenizer, options, FST_EXAMPLES_CONVERSATIONS,
                                  FST_ERR_INVALID_ARGUMENT);
    if (!status)
        status = check_offsets(offsets, conversations, 1);
    int64_t most = 0;
    for (int64_t c = 0; c < conversations && !status; ++c)
        most = offsets[c + 1] - offsets[c] > most ? offsets[c + 1] - offsets[c] : most;
    fst__message *messages =
        status ? NULL : fst__alloc_array(&context->allocator, (size_t)most, sizeof *messages);
    if (!status && !messages)
        status = FST_ERR_NO_MEMORY;
    for (int64_t c = 0; c < conversations && !status && !fst__example_builder_full(&builder); ++c) {
        char place[PLACE];
        snprintf(place, sizeof place, "conversation %lld", (long long)c);
        status = add_conversation(&builder, roles, contents, offsets[c], offsets[c + 1], messages,
                                  place);
    }
    fst__free(&context->allocator, messages);
    return finish(&builder, status, out);
}

static fst_status check_labels(const fst__example_builder *builder, const float *labels,
                               const char *place)
{
    for (int64_t i = 0; i < builder->label_count; ++i) {
        if (isinf(labels[i]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "%s: label %lld is %g, expected a number, or NaN where it is missing",
                             place, (long long)i, (double)labels[i]);
    }
    return FST_OK;
}

static fst_status add_labelled(fst__example_builder *builder, const char *text, const char *pair,
                               const float *labels, int64_t index)
{
    char place[PLACE];
    snprintf(place, sizeof place, "example %lld", (long long)index);
    fst_status status = check_labels(builder, labels, place);
    return status ? status
                  : fst__example_builder_labelled(builder, NULL, 0, text, pair, labels, place);
}

fst_status fst__dataset_from_labelled(fst_context *context, const fst_tokenizer *tokenizer,
                                      const char *const *texts, const char *const *pairs,
                                      const float *labels, int64_t examples,
                                      const fst_example_options *options, fst_dataset **out)
{
    fst__example_builder builder;
    fst_status status = fst__example_builder_open(&builder, context, tokenizer, options,
                                                  FST_EXAMPLES_LABELLED, FST_ERR_INVALID_ARGUMENT);
    for (int64_t i = 0; i < examples && !status && !fst__example_builder_full(&builder); ++i) {
        if (!texts[i] || (pairs && !pairs[i]))
            status = missing(!texts[i] ? "texts" : "pairs", i);
        else
            status = add_labelled(&builder, texts[i], pairs ? pairs[i] : NULL,
                                  labels + i * builder.label_count, i);
    }
    return finish(&builder, status, out);
}

static fst_status add_preference(fst__example_builder *builder, const char *prompt,
                                 const char *const *answers, const int64_t *offsets, double margin,
                                 int64_t index)
{
    char place[PLACE];
    snprintf(place, sizeof place, "example %lld", (long long)index);
    if (!prompt)
        return missing("prompts", index);
    for (int64_t a = offsets[0]; a < offsets[1]; ++a) {
        if (!answers[a])
            return missing("answers", a);
    }
    if (!isfinite(margin))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: margin is %g, expected a number", place,
                         margin);
    fst__message messages[2] = {{FST__ROLE_USER, prompt, strlen(prompt), false}};
    return fst__example_builder_preference(builder, messages, 1, answers + offsets[0],
                                           offsets[1] - offsets[0], margin, NULL, place);
}

fst_status fst__dataset_from_preferences(fst_context *context, const fst_tokenizer *tokenizer,
                                         const char *const *prompts, const char *const *answers,
                                         const int64_t *offsets, const float *margins,
                                         int64_t examples, const fst_example_options *options,
                                         fst_dataset **out)
{
    fst__example_builder builder;
    fst_status status = fst__example_builder_open(
        &builder, context, tokenizer, options, FST_EXAMPLES_PREFERENCES, FST_ERR_INVALID_ARGUMENT);
    if (!status)
        status = check_offsets(offsets, examples, 2);
    for (int64_t i = 0; i < examples && !status && !fst__example_builder_full(&builder); ++i)
        status = add_preference(&builder, prompts[i], answers, offsets + i,
                                margins ? (double)margins[i] : 0, i);
    return finish(&builder, status, out);
}

fst_status fst__dataset_from_prompts(fst_context *context, const fst_tokenizer *tokenizer,
                                     const char *const *texts, int64_t examples,
                                     const fst_example_options *options, fst_dataset **out)
{
    fst__example_builder builder;
    fst_status status = fst__example_builder_open(&builder, context, tokenizer, options,
                                                  FST_EXAMPLES_PROMPTS, FST_ERR_INVALID_ARGUMENT);
    for (int64_t i = 0; i < examples && !status && !fst__example_builder_full(&builder); ++i) {
        char place[PLACE];
        snprintf(place, sizeof place, "texts[%lld]", (long long)i);
        status = texts[i] ? fst__example_builder_prompt_text(&builder, texts[i], place)
                          : missing("texts", i);
    }
    return finish(&builder, status, out);
}

static fst_status add_pair(fst__example_builder *builder, const char *anchor, const char *positive,
                           const char *negative, const float *labels, int64_t index)
{
    char place[PLACE];
    snprintf(place, sizeof place, "example %lld", (long long)index);
    fst_status status = check_labels(builder, labels, place);
    return status ? status
                  : fst__example_builder_pair(builder, anchor, positive, negative, labels, place);
}

fst_status fst__dataset_from_pairs(fst_context *context, const fst_tokenizer *tokenizer,
                                   const char *const *anchors, const char *const *positives,
                                   const char *const *negatives, const float *labels,
                                   int64_t examples, const fst_example_options *options,
                                   fst_dataset **out)
{
    fst__example_builder builder;
    fst_example_options ours = *options;
    ours.label_count = !labels ? 0 : options->label_count ? options->label_count : 1;
    fst_status status = fst__example_builder_open(&builder, context, tokenizer, &ours,
                                                  FST_EXAMPLES_PAIRS, FST_ERR_INVALID_ARGUMENT);
    for (int64_t i = 0; i < examples && !status && !fst__example_builder_full(&builder); ++i) {
        if (!anchors[i] || !positives[i] || (negatives && !negatives[i]))
            status = missing(!anchors[i]     ? "anchors"
                             : !positives[i] ? "positives"
                                             : "negatives",
                             i);
        else
            status = add_pair(&builder, anchors[i], positives[i], negatives ? negatives[i] : NULL,
                              labels ? labels + i * builder.label_count : NULL, i);
    }
    return finish(&builder, status, out);
}
