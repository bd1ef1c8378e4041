/* One example of each kind, as the readers of memory and of files hand it over. */
#include "base/error.h"
#include "data/example_builder.h"

#include <string.h>

fst_status fst__example_builder_conversation(fst__example_builder *builder, fst__message *messages,
                                             int64_t count, const char *input_system,
                                             const char *place)
{
    int64_t answers = 0;
    for (int64_t i = 0; i < count; ++i) {
        const char *content = messages[i].content;
        size_t length = messages[i].length;
        messages[i].trained = messages[i].role == FST__ROLE_ASSISTANT;
        if (!messages[i].trained)
            continue;
        fst__strip(&content, &length);
        if (length == 0)
            return fst__example_builder_useless(builder, "it has an empty answer", place);
        ++answers;
    }
    if (answers == 0)
        return fst__example_builder_useless(builder, "it has no answer by the assistant", place);
    fst_status status =
        fst__example_builder_messages(builder, messages, count, false, input_system);
    if (status) {
        fst__example_builder_abandon(builder);
        return fst__fail_in(status, "%s", place);
    }
    return fst__example_builder_commit(builder, NULL, 0, place);
}

fst_status fst__example_builder_labelled(fst__example_builder *builder, const char *const *history,
                                         int64_t history_count, const char *text, const char *pair,
                                         const float *labels, const char *place)
{
    fst_status status = FST_OK;
    if (!*text)
        return fst__example_builder_useless(builder, "its text is empty", place);
    if (builder->has_chat) {
        fst__text joined = fst__text_create(&builder->context->allocator);
        for (int64_t i = 0; i < history_count; ++i) {
            fst__text_append_string(&joined, history[i]);
            fst__text_append_string(&joined, builder->options.history_separator
                                                 ? builder->options.history_separator
                                                 : "\n");
        }
        fst__text_append_string(&joined, text);
        fst__message messages[2] = {{FST__ROLE_USER, joined.data, joined.length, false},
                                    {FST__ROLE_ASSISTANT, pair, pair ? strlen(pair) : 0, false}};
        status = joined.failed
                     ? FST_ERR_NO_MEMORY
                     : fst__example_builder_messages(builder, messages, pair ? 2 : 1, false, NULL);
        fst__text_destroy(&joined);
    } else {
        status = fst__example_builder_text(builder, history, history_count, text, pair);
    }
    if (status) {
        fst__example_builder_abandon(builder);
        return fst__fail_in(status, "%s", place);
    }
    return fst__example_builder_commit(builder, labels, 0, place);
}

fst_status fst__example_builder_preference(fst__example_builder *builder, fst__message *messages,
                                           int64_t prompt, const char *const *answers,
                                           int64_t count, double margin, const char *input_system,
                                           const char *place)
{
    fst_status status = FST_OK;
    for (int64_t i = 0; i < prompt; ++i)
        messages[i].trained = false;
    for (int64_t a = 0; a < count && !status; ++a) {
        messages[prompt] =
            (fst__message){FST__ROLE_ASSISTANT, answers[a], strlen(answers[a]), true};
        status = fst__example_builder_messages(builder, messages, prompt + 1, false, input_system);
    }
    if (status) {
        fst__example_builder_abandon(builder);
        return fst__fail_in(status, "%s", place);
    }
    return fst__example_builder_commit(builder, NULL, margin, place);
}

fst_status fst__example_builder_pair(fst__example_builder *builder, const char *anchor,
                                     const char *positive, const char *negative,
                                     const float *labels, const char *place)
{
    const char *const texts[] = {anchor, positive, negative};
    fst_status status = FST_OK;
    for (int i = 0; i < 3 && texts[i] && !status; ++i) {
        const fst__message message = {FST__ROLE_USER, texts[i], strlen(texts[i]), false};
        status = builder->has_chat
                     ? fst__example_builder_messages(builder, &message, 1, false, NULL)
                     : fst__example_builder_text(builder, NULL, 0, texts[i], NULL);
    }
    if (status) {
        fst__example_builder_abandon(builder);
        return fst__fail_in(status, "%s", place);
    }
    return fst__example_builder_commit(builder, labels, 0, place);
}

fst_status fst__example_builder_prompt(fst__example_builder *builder, const fst__message *messages,
                                       int64_t count, const char *input_system, const char *place)
{
    fst_status status = fst__example_builder_messages(builder, messages, count, true, input_system);
    if (status) {
        fst__example_builder_abandon(builder);
        return fst__fail_in(status, "%s", place);
    }
    return fst__example_builder_commit(builder, NULL, 0, place);
}

fst_status fst__example_builder_prompt_text(fst__example_builder *builder, const char *text,
                                            const char *place)
{
    if (builder->has_chat) {
        const fst__message message = {FST__ROLE_USER, text, strlen(text), false};
        return fst__example_builder_prompt(builder, &message, 1, NULL, place);
    }
    fst_status status = fst__example_builder_text(builder, NULL, 0, text, NULL);
    if (status) {
        fst__example_builder_abandon(builder);
        return fst__fail_in(status, "%s", place);
    }
    return fst__example_builder_commit(builder, NULL, 0, place);
}
