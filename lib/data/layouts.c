#include "data/layouts.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

fst_status fst__layout_fail(const fst__layout *layout, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fst__fail(FST_ERR_FORMAT, "%s: %s", layout->place, text);
}

fst_status fst__layout_open(fst__layout *layout, fst__example_builder *builder)
{
    *layout = (fst__layout){.builder = builder};
    fst__allocator *allocator = &builder->context->allocator;
    int32_t kind = builder->options.kind;
    if (kind == FST_EXAMPLES_PAIRS && builder->label_count > 0)
        return fst__labels_open(&layout->labels, allocator, &builder->options,
                                builder->label_count);
    if (kind != FST_EXAMPLES_LABELLED)
        return FST_OK;
    layout->history =
        fst__alloc_array(allocator, (size_t)builder->options.history + 1, sizeof(char *));
    if (!layout->history)
        return FST_ERR_NO_MEMORY;
    return fst__labels_open(&layout->labels, allocator, &builder->options, builder->label_count);
}

void fst__layout_file(fst__layout *layout)
{
    for (int64_t i = 0; i < layout->history_count; ++i)
        fst__free(&layout->builder->context->allocator, layout->history[i]);
    layout->history_count = 0;
}

static void forget_record(fst__layout *layout)
{
    for (int64_t i = 0; i < layout->owned_count; ++i)
        fst__free(&layout->builder->context->allocator, layout->owned[i]);
    layout->owned_count = layout->message_count = layout->answer_count = 0;
    layout->input_system = NULL;
}

void fst__layout_close(fst__layout *layout)
{
    if (!layout->builder)
        return;
    fst__allocator *allocator = &layout->builder->context->allocator;
    forget_record(layout);
    fst__layout_file(layout);
    fst__free(allocator, layout->history);
    fst__free(allocator, layout->owned);
    fst__free(allocator, layout->answers);
    fst__free(allocator, layout->messages);
    fst__labels_close(&layout->labels);
    *layout = (fst__layout){0};
}

/* Room for two elements behind `count`. */
static fst_status grow(const fst__layout *layout, void **array, int64_t *capacity, int64_t count,
                       size_t size)
{
    if (count + 2 <= *capacity)
        return FST_OK;
    int64_t larger = *capacity ? 2 * *capacity : 16;
    void *block =
        fst__realloc_array(&layout->builder->context->allocator, *array, (size_t)larger, size);
    if (!block)
        return FST_ERR_NO_MEMORY;
    *array = block;
    *capacity = larger;
    return FST_OK;
}

fst_status fst__layout_message(fst__layout *layout, fst__role role, const char *content,
                               size_t length)
{
    fst_status status = grow(layout, (void **)&layout->messages, &layout->message_capacity,
                             layout->message_count, sizeof *layout->messages);
    if (!status)
        layout->messages[layout->message_count++] = (fst__message){role, content, length, false};
    return status;
}

fst_status fst__layout_answer(fst__layout *layout, const char *answer)
{
    fst_status status = grow(layout, (void **)&layout->answers, &layout->answer_capacity,
                             layout->answer_count, sizeof *layout->answers);
    if (!status)
        layout->answers[layout->answer_count++] = answer;
    return status;
}

const char *fst__layout_keep(fst__layout *layout, const char *text, size_t length)
{
    if (grow(layout, (void **)&layout->owned, &layout->owned_capacity, layout->owned_count,
             sizeof *layout->owned))
        return NULL;
    char *copy = fst__strndup(&layout->builder->context->allocator, text, length);
    if (copy)
        layout->owned[layout->owned_count++] = copy;
    return copy;
}

/* A member that must be a text; NULL in *text where it is missing and may be. */
static fst_status get_text(const fst__layout *layout, const json_t *record, const char *name,
                           bool required, const char **text)
{
    const json_t *member = fst__record_field(record, name);
    *text = json_string_value(member);
    if (*text)
        return FST_OK;
    if (member && !json_is_null(member))
        return fst__layout_fail(layout, "\"%.60s\" is not a text", name);
    return required ? fst__layout_fail(layout, "there is no \"%.60s\"", name) : FST_OK;
}

static const json_t *find(const json_t *record, const char *option, const char *usual)
{
    const json_t *member = fst__record_field(record, option ? option : usual);
    return json_is_null(member) ? NULL : member;
}

/* ---- labelled ---- */

/* The text is the newest of the history from now on; takes place of the oldest where it is full. */
static fst_status push_history(fst__layout *layout, const char *text)
{
    int64_t most = layout->builder->options.history;
    if (most == 0)
        return FST_OK;
    char *copy = fst__strdup(&layout->builder->context->allocator, text);
    if (!copy)
        return FST_ERR_NO_MEMORY;
    if (layout->history_count == most) {
        fst__free(&layout->builder->context->allocator, layout->history[0]);
        --layout->history_count;
        memmove(layout->history, layout->history + 1,
                (size_t)layout->history_count * sizeof *layout->history);
    }
    layout->history[layout->history_count++] = copy;
    return FST_OK;
}

static fst_status add_labelled(fst__layout *layout, const json_t *record, int64_t list,
                               int64_t file_index)
{
    const fst_example_options *o = &layout->builder->options;
    const char *text, *pair = NULL;
    if (list != layout->list)
        fst__layout_file(layout);
    layout->list = list;
    fst_status status =
        get_text(layout, record, o->text_field ? o->text_field : "text", true, &text);
    if (!status && o->pair_field)
        status = get_text(layout, record, o->pair_field, true, &pair);
    if (!status && (status = fst__labels_read(&layout->labels, record, file_index)))
        status = fst__fail_in(status, "%s", layout->place);
    if (!status)
        status = fst__example_builder_labelled(
            layout->builder, (const char *const *)layout->history, layout->history_count, text,
            pair, layout->labels.row, layout->place);
    return status ? status : push_history(layout, text);
}

/* ---- prompts and answers ---- */

/* [[instruction, answer], …] that went before, as LLaMA-Factory's Alpaca files have it. */
static fst_status add_turns(fst__layout *layout, const json_t *turns)
{
    fst_status status = FST_OK;
    if (turns && !json_is_array(turns))
        return fst__layout_fail(layout, "\"history\" is not a list");
    for (size_t i = 0; i < json_array_size(turns) && !status; ++i) {
        const json_t *turn = json_array_get(turns, i);
        const char *question = json_string_value(json_array_get(turn, 0));
        const char *answer = json_string_value(json_array_get(turn, 1));
        if (!question || !answer || json_array_size(turn) != 2)
            return fst__layout_fail(layout, "\"history\" has an entry %zu that is no pair of texts",
                                    i);
        status = fst__layout_message(layout, FST__ROLE_USER, question, strlen(question));
        if (!status)
            status = fst__layout_message(layout, FST__ROLE_ASSISTANT, answer, strlen(answer));
    }
    return status;
}

/* The user's message of an instruction, with the input behind it where there is one. */
static fst_status add_instruction(fst__layout *layout, const json_t *record, const char *text)
{
    const fst_chat_template *chat = &layout->builder->chat.options;
    const char *input;
    fst_status status = get_text(layout, record, "input", false, &input);
    if (status)
        return status;
    if (input && *input) {
        fst__text joined = fst__text_create(&layout->builder->context->allocator);
        fst__text_append_string(&joined, text);
        fst__text_append_string(&joined, chat->input_prefix ? chat->input_prefix : "\n");
        fst__text_append_string(&joined, input);
        text = joined.failed ? NULL : fst__layout_keep(layout, joined.data, joined.length);
        fst__text_destroy(&joined);
        layout->input_system = chat->input_system;
    }
    return text ? fst__layout_message(layout, FST__ROLE_USER, text, strlen(text))
                : FST_ERR_NO_MEMORY;
}

/* {"prompt"} or {"instruction", "input", "history"}; *found says whether the record has one. */
static fst_status read_prompt(fst__layout *layout, const json_t *record, bool *found)
{
    const fst_example_options *o = &layout->builder->options;
    const json_t *prompt = find(record, o->prompt_field, "prompt");
    bool instruction = !prompt && !o->prompt_field;
    const char *name = o->prompt_field ? o->prompt_field : instruction ? "instruction" : "prompt";
    if (instruction)
        prompt = find(record, NULL, "instruction");
    else
        instruction = o->prompt_field && find(record, NULL, "input");
    *found = prompt != NULL;
    if (!prompt)
        return o->prompt_field ? fst__layout_fail(layout, "there is no \"%.60s\"", name) : FST_OK;
    if (json_is_array(prompt))
        return fst__layout_messages(layout, prompt, name);
    const char *text = json_string_value(prompt);
    if (!text)
        return fst__layout_fail(layout, "\"%.60s\" is neither a text nor a list of messages", name);
    fst_status status = add_turns(layout, find(record, NULL, "history"));
    if (status)
        return status;
    return instruction ? add_instruction(layout, record, text)
                       : fst__layout_message(layout, FST__ROLE_USER, text, strlen(text));
}

/* An answer: a text, or a list with one message of the assistant's. */
static fst_status read_answer(fst__layout *layout, const json_t *value, const char *name)
{
    const char *text = json_string_value(value);
    if (!text && json_is_array(value)) {
        int64_t before = layout->message_count;
        fst_status status = fst__layout_messages(layout, value, name);
        if (status)
            return status;
        const fst__message *message = &layout->messages[before];
        bool one = layout->message_count == before + 1 && message->role == FST__ROLE_ASSISTANT;
        layout->message_count = before;
        if (!one)
            return fst__layout_fail(
                layout, "\"%.60s\" is not one message of the assistant's behind the prompt", name);
        text = message->content;
    }
    return text ? fst__layout_answer(layout, text)
                : fst__layout_fail(layout, "\"%.60s\" is not a text", name);
}

/* "output" or "completion": one answer or a list of them, best first. */
static fst_status read_answers(fst__layout *layout, const json_t *value, const char *name)
{
    if (!json_is_array(value) || json_is_object(json_array_get(value, 0)))
        return read_answer(layout, value, name);
    fst_status status = FST_OK;
    for (size_t i = 0; i < json_array_size(value) && !status; ++i)
        status = read_answer(layout, json_array_get(value, i), name);
    return status;
}

static fst_status find_answers(fst__layout *layout, const json_t *record)
{
    const fst_example_options *o = &layout->builder->options;
    const json_t *answers = find(record, o->answer_field, "completion");
    const char *name = o->answer_field ? o->answer_field : "completion";
    if (!answers && !o->answer_field)
        answers = find(record, NULL, name = "output");
    const json_t *chosen = find(record, o->chosen_field, "chosen");
    const json_t *rejected = find(record, o->rejected_field, "rejected");
    bool pair = layout->builder->options.kind == FST_EXAMPLES_PREFERENCES;
    if (!o->answer_field && chosen && (pair ? rejected != NULL : !answers)) {
        fst_status status =
            read_answer(layout, chosen, o->chosen_field ? o->chosen_field : "chosen");
        if (!status && pair)
            status =
                read_answer(layout, rejected, o->rejected_field ? o->rejected_field : "rejected");
        return status;
    }
    if (!answers)
        return fst__layout_fail(layout,
                                pair ? "there is a prompt, and no answers: neither \"%.60s\" "
                                       "nor \"chosen\" and \"rejected\""
                                     : "there is a prompt, and no answer in \"%.60s\"",
                                name);
    return read_answers(layout, answers, name);
}

/* Names the members, so that a wrong field is seen. */
static fst_status no_layout(const fst__layout *layout, const json_t *record)
{
    char names[256] = "";
    size_t length = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)record, name, value)
    {
        if (length + strlen(name) + 3 < sizeof names)
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%s",
                                       length ? ", " : "", name);
    }
    return fst__layout_fail(layout, "no known layout has these members: %s", names);
}

/* Messages, and for preferences (and conversations made of a prompt) answers. */
static fst_status read_record(fst__layout *layout, const json_t *record)
{
    const fst_example_options *o = &layout->builder->options;
    int32_t kind = o->kind;
    const char *system, *name = o->text_field ? o->text_field : "messages";
    fst_status status = get_text(layout, record, "system", false, &system);
    if (!status && system && *system)
        status = fst__layout_message(layout, FST__ROLE_SYSTEM, system, strlen(system));
    const json_t *list = kind == FST_EXAMPLES_PREFERENCES ? NULL : find(record, name, name);
    if (!list && !o->text_field && kind != FST_EXAMPLES_PREFERENCES)
        list = find(record, NULL, name = "conversations");
    if (status)
        return status;
    if (list && json_is_array(list))
        return fst__layout_messages(layout, list, name);
    bool found;
    status = read_prompt(layout, record, &found);
    if (status)
        return status;
    if (found)
        return kind == FST_EXAMPLES_PROMPTS ? FST_OK : find_answers(layout, record);
    const json_t *chosen = find(record, o->chosen_field, "chosen");
    const json_t *rejected = find(record, o->rejected_field, "rejected");
    if (chosen && (rejected || kind == FST_EXAMPLES_CONVERSATIONS))
        return fst__layout_pair(layout, chosen,
                                kind == FST_EXAMPLES_CONVERSATIONS ? NULL : rejected);
    return no_layout(layout, record);
}

static fst_status add_preference(fst__layout *layout, const json_t *record)
{
    const fst_example_options *o = &layout->builder->options;
    const char *name = o->margin_field ? o->margin_field : "margin";
    const json_t *member = find(record, name, name);
    const char *text = json_string_value(member);
    double margin = member ? json_number_value(member) : 0;
    if (!member && o->margin_field)
        return fst__layout_fail(layout, "there is no \"%.60s\"", name);
    if (member && !json_is_number(member) &&
        (!text || !fst__parse_number(text, strlen(text), &margin)))
        return fst__layout_fail(layout, "\"%.60s\" is not a number", name);
    return fst__example_builder_preference(layout->builder, layout->messages, layout->message_count,
                                           layout->answers, layout->answer_count, margin,
                                           layout->input_system, layout->place);
}

/* Up to the last message that is not the assistant's. */
static fst_status add_prompt(fst__layout *layout)
{
    int64_t count = layout->message_count;
    while (count > 0 && layout->messages[count - 1].role == FST__ROLE_ASSISTANT)
        --count;
    if (count == 0)
        return fst__layout_fail(layout, "there is no message before the assistant's");
    if (layout->builder->has_chat)
        return fst__example_builder_prompt(layout->builder, layout->messages, count,
                                           layout->input_system, layout->place);
    if (count > 1 || layout->messages[0].role != FST__ROLE_USER)
        return fst__layout_fail(layout, "a prompt of several messages needs options.chat");
    const char *text =
        fst__layout_keep(layout, layout->messages[0].content, layout->messages[0].length);
    return text ? fst__example_builder_prompt_text(layout->builder, text, layout->place)
                : FST_ERR_NO_MEMORY;
}

static fst_status add_conversation(fst__layout *layout)
{
    fst_status status = FST_OK;
    if (layout->answer_count > 0)
        status = fst__layout_message(layout, FST__ROLE_ASSISTANT, layout->answers[0],
                                     strlen(layout->answers[0]));
    if (!status)
        status = fst__example_builder_conversation(layout->builder, layout->messages,
                                                   layout->message_count, layout->input_system,
                                                   layout->place);
    return status;
}

/* The text under the name asked for, or else under the first usual one that is there. */
static fst_status get_named(const fst__layout *layout, const json_t *record, const char *asked,
                            const char *const usual[3], bool required, const char **text)
{
    const char *name = asked ? asked : usual[0];
    for (int i = 1; i < 3 && !asked && !find(record, NULL, name); ++i)
        name = usual[i];
    return get_text(layout, record, asked || find(record, NULL, name) ? name : usual[0], required,
                    text);
}

static fst_status add_pair(fst__layout *layout, const json_t *record, int64_t file_index)
{
    static const char *const anchors[] = {"anchor", "sentence1", "sent0"};
    static const char *const positives[] = {"positive", "sentence2", "sent1"};
    static const char *const negatives[] = {"negative", "hard_neg", "hard_negative"};
    fst__example_builder *builder = layout->builder;
    const fst_example_options *o = &builder->options;
    const char *anchor, *positive, *negative;
    fst_status status = get_named(layout, record, o->text_field, anchors, true, &anchor);
    if (!status)
        status = get_named(layout, record, o->pair_field, positives, true, &positive);
    if (!status)
        status = get_named(layout, record, o->negative_field, negatives, o->negative_field != NULL,
                           &negative);
    if (!status && builder->label_count > 0) {
        status = fst__labels_read(&layout->labels, record, file_index);
        if (status)
            return fst__fail_in(status, "%s", layout->place);
    }
    return status ? status
                  : fst__example_builder_pair(builder, anchor, positive, negative,
                                              builder->label_count > 0 ? layout->labels.row : NULL,
                                              layout->place);
}

/* A prompt that is just a text. */
static fst_status add_prompt_text(fst__layout *layout, const json_t *record, bool *added)
{
    const fst_example_options *o = &layout->builder->options;
    static const char *const others[] = {"prompt", "instruction", "messages", "conversations"};
    const json_t *text = find(record, o->text_field, "text");
    *added = json_is_string(text) && !o->prompt_field;
    for (size_t i = 0; i < sizeof others / sizeof *others && !o->text_field; ++i)
        *added = *added && !find(record, NULL, others[i]);
    return *added ? fst__example_builder_prompt_text(layout->builder, json_string_value(text),
                                                     layout->place)
                  : FST_OK;
}

fst_status fst__layout_add(fst__layout *layout, const json_t *record, int64_t list,
                           int64_t file_index, const char *place)
{
    layout->place = place;
    forget_record(layout);
    fst_status status = FST_OK;
    bool added = false;
    switch (layout->builder->options.kind) {
    case FST_EXAMPLES_LABELLED:
        return add_labelled(layout, record, list, file_index);
    case FST_EXAMPLES_PAIRS:
        return add_pair(layout, record, file_index);
    case FST_EXAMPLES_PREFERENCES:
        status = read_record(layout, record);
        return status ? status : add_preference(layout, record);
    case FST_EXAMPLES_PROMPTS:
        status = add_prompt_text(layout, record, &added);
        if (!status && !added)
            status = read_record(layout, record);
        return status || added ? status : add_prompt(layout);
    default:
        status = read_record(layout, record);
        return status ? status : add_conversation(layout);
    }
}
