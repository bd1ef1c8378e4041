#include "data/chat.h"

#include "base/error.h"
#include "base/options.h"
#include "tokenizer/unicode.h"
#include "base/utf8.h"

#include <string.h>

static fst_status check_flag(int32_t value, const char *name)
{
    if (value == 0 || value == 1)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_chat_template.%s is %d, expected 0 or 1", name,
                     value);
}

static fst_status open_texts(fst__chat *chat)
{
    const fst_chat_template *o = &chat->options;
    struct {
        fst__chat_text *text;
        const char *string;
    } texts[] = {
        {&chat->begin, o->begin},
        {&chat->prefix[FST__ROLE_SYSTEM], o->system_prefix},
        {&chat->suffix[FST__ROLE_SYSTEM], o->system_suffix},
        {&chat->prefix[FST__ROLE_USER], o->user_prefix},
        {&chat->suffix[FST__ROLE_USER], o->user_suffix},
        {&chat->prefix[FST__ROLE_ASSISTANT], o->assistant_prefix},
        {&chat->suffix[FST__ROLE_ASSISTANT], o->assistant_suffix},
    };
    fst_status status = FST_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !status; ++i)
        status = fst__chat_text_open(texts[i].text, chat->tokenizer, texts[i].string);
    return status;
}

fst_status fst__chat_open(fst__chat *chat, const fst_tokenizer *tokenizer,
                          const fst_chat_template *options)
{
    *chat = (fst__chat){.tokenizer = tokenizer};
    fst_chat_template *o = &chat->options;
    *o = fst__chat_defaults();
    fst_status status = fst__options_overlay(o, sizeof *o, options, "fst_chat_template");
    if (!status && !options)
        status = fst__chat_preset(o, FST_CHAT_PLAIN);
    if (!status)
        status = check_flag(o->trim, "trim");
    if (!status)
        status = check_flag(o->train_suffix, "train_suffix");
    if (!status)
        status = check_flag(o->add_end, "add_end");
    if (status)
        return status;
    chat->begin_id = fst__tokenizer_special_id(tokenizer, FST_TOKEN_BOS);
    chat->end_id = o->add_end ? fst__tokenizer_special_id(tokenizer, FST_TOKEN_EOS) : -1;
    if (o->add_end && chat->end_id < 0)
        return fst__fail(FST_ERR_NOT_FOUND,
                         "the template's add_end is 1 and the tokenizer has no end token; give it "
                         "one with fst_tokenizer_set_special_id");
    status = open_texts(chat);
    const fst__chat_text *suffix = &chat->suffix[FST__ROLE_ASSISTANT];
    if (o->train_suffix)
        chat->trained_suffix = suffix->special_count ? suffix->special[0].end : suffix->length;
    return status;
}

void fst__chat_close(fst__chat *chat)
{
    if (!chat->tokenizer)
        return;
    for (int role = 0; role < 3; ++role) {
        fst__chat_text_close(&chat->suffix[role], chat->tokenizer);
        fst__chat_text_close(&chat->prefix[role], chat->tokenizer);
    }
    fst__chat_text_close(&chat->begin, chat->tokenizer);
    *chat = (fst__chat){0};
}

fst_status fst__role_parse(const char *name, fst__role *role)
{
    static const struct {
        const char *name;
        fst__role role;
    } names[] = {
        {"system", FST__ROLE_SYSTEM}, {"user", FST__ROLE_USER},           {"human", FST__ROLE_USER},
        {"gpt", FST__ROLE_ASSISTANT}, {"assistant", FST__ROLE_ASSISTANT},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        if (strcmp(names[i].name, name) == 0) {
            *role = names[i].role;
            return FST_OK;
        }
    }
    return fst__fail(FST_ERR_INVALID_ARGUMENT,
                     "the role is \"%.60s\", expected system, user, human, assistant or gpt", name);
}

/* What Python's str.strip takes away: White_Space and the information separators. */
static bool is_stripped(int32_t point)
{
    return fst__unicode_is_space(point) || (point >= 0x1C && point <= 0x1F);
}

void fst__strip(const char **content, size_t *length)
{
    const unsigned char *begin = (const unsigned char *)*content, *end = begin + *length;
    size_t step;
    while (begin < end && is_stripped(fst__utf8_decode(begin, end, &step)))
        begin += step;
    while (end > begin && is_stripped(fst__utf8_decode_before(begin, end, &step)))
        end -= step;
    *content = (const char *)begin;
    *length = (size_t)(end - begin);
}

static fst_status render_message(const fst__chat *chat, fst__rendering *rendering,
                                 const fst__message *message)
{
    const char *content = message->content;
    size_t length = message->length;
    if (chat->options.trim)
        fst__strip(&content, &length);
    const fst__chat_text *suffix = &chat->suffix[message->role];
    fst_status status = fst__render_text(rendering, &chat->prefix[message->role]);
    size_t begin = rendering->text.length;
    if (!status)
        status = fst__render_content(rendering, content, length);
    size_t end = rendering->text.length;
    if (!status)
        status = fst__render_text(rendering, suffix);
    if (!status && message->trained)
        status = fst__render_train(rendering, begin, end + chat->trained_suffix);
    if (!status && message->role == FST__ROLE_ASSISTANT && chat->end_id >= 0)
        status = fst__render_id(rendering, chat->end_id, message->trained);
    return status;
}

static fst_status render(const fst__chat *chat, fst__rendering *rendering,
                         const fst__message *messages, int64_t count, bool generation_prompt,
                         const char *default_system)
{
    fst_status status = fst__render_text(rendering, &chat->begin);
    if (!default_system)
        default_system = chat->options.default_system;
    if (!status && default_system && messages[0].role != FST__ROLE_SYSTEM) {
        fst__message system = {FST__ROLE_SYSTEM, default_system, strlen(default_system), false};
        status = render_message(chat, rendering, &system);
    }
    for (int64_t i = 0; i < count && !status; ++i)
        status = render_message(chat, rendering, &messages[i]);
    if (!status && generation_prompt)
        status = fst__render_text(rendering, &chat->prefix[FST__ROLE_ASSISTANT]);
    return status;
}

static fst_status check_contents(const fst__message *messages, int64_t count)
{
    size_t wrong;
    for (int64_t i = 0; i < count; ++i) {
        if (!fst__is_utf8(messages[i].content, messages[i].length, &wrong))
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "message %lld is not UTF-8 at its byte %zu",
                             (long long)i, wrong);
    }
    return FST_OK;
}

fst_status fst__chat_encode(const fst__chat *chat, fst__rendering *rendering,
                            const fst__message *messages, int64_t count, bool generation_prompt,
                            const char *default_system, fst__trained_ids *out)
{
    int64_t before = out->count;
    fst_status status = check_contents(messages, count);
    if (!status)
        status = render(chat, rendering, messages, count, generation_prompt, default_system);
    if (!status)
        status = fst__render_finish(rendering, chat->tokenizer, out);
    else
        fst__rendering_clear(rendering);
    if (!status && chat->begin_id >= 0 && out->count - before >= 2 &&
        out->ids[before] == chat->begin_id && out->ids[before + 1] == chat->begin_id) {
        out->count = before;
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "the template gives two begin tokens (%d) in a row", chat->begin_id);
    }
    return status;
}
