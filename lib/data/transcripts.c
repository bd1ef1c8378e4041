/* Lists of messages, and transcripts "\n\nHuman: …\n\nAssistant: …" (Bai et al. 2022, the hh-rlhf
 * files): two that begin alike have what they share as their prompt. */
#include "base/error.h"
#include "data/layouts.h"

#include <string.h>

static const char *text_member(const json_t *object, const char *name, const char *other)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : json_string_value(json_object_get(object, other));
}

fst_status fst__layout_messages(fst__layout *layout, const json_t *list, const char *name)
{
    if (json_array_size(list) == 0)
        return fst__layout_fail(layout, "\"%.60s\" has no message", name);
    fst_status status = FST_OK;
    for (size_t i = 0; i < json_array_size(list) && !status; ++i) {
        const json_t *message = json_array_get(list, i);
        const char *role = text_member(message, "role", "from");
        const char *content = text_member(message, "content", "value");
        fst__role parsed;
        if (!role || !content)
            return fst__layout_fail(layout, "\"%.60s\" has a message %zu without a text \"%s\"",
                                    name, i, !role ? "role\" or \"from" : "content\" or \"value");
        if (fst__role_parse(role, &parsed))
            return fst__fail_in(FST_ERR_FORMAT, "%s: \"%.60s\" message %zu", layout->place, name,
                                i);
        status = fst__layout_message(layout, parsed, content, strlen(content));
    }
    return status;
}

static const char *const marks[] = {"\n\nHuman:", "\n\nAssistant:"};

/* The next turn's mark at or behind `text`; NULL: none. */
static const char *find_mark(const char *text, fst__role *role)
{
    const char *human = strstr(text, marks[0]), *assistant = strstr(text, marks[1]);
    bool first = human && (!assistant || human < assistant);
    *role = first ? FST__ROLE_USER : FST__ROLE_ASSISTANT;
    return first ? human : assistant;
}

/* Appends a transcript's turns. */
static fst_status read_transcript(fst__layout *layout, const char *text, const char *name)
{
    fst__role role, next_role;
    const char *mark = find_mark(text, &role);
    if (mark != text)
        return fst__layout_fail(
            layout, "\"%s\" does not begin with \"\\n\\nHuman:\" or \"\\n\\nAssistant:\"", name);
    fst_status status = FST_OK;
    while (mark && !status) {
        const char *content = mark + strlen(marks[role == FST__ROLE_ASSISTANT]);
        content += *content == ' ';
        const char *next = find_mark(content, &next_role);
        size_t length = next ? (size_t)(next - content) : strlen(content);
        status = fst__layout_message(layout, role, content, length);
        mark = next;
        role = next_role;
    }
    return status;
}

static fst_status read_side(fst__layout *layout, const json_t *side, const char *name)
{
    if (json_is_array(side))
        return fst__layout_messages(layout, side, name);
    const char *text = json_string_value(side);
    return text ? read_transcript(layout, text, name)
                : fst__layout_fail(layout, "\"%s\" is neither a text nor a list of messages", name);
}

static bool same_message(const fst__message *a, const fst__message *b)
{
    return a->role == b->role && a->length == b->length &&
           memcmp(a->content, b->content, a->length) == 0;
}

/* Messages a [0, a_count) and b share; as a prompt, so that an answer follows in both. */
static int64_t common_prompt(const fst__message *a, int64_t a_count, const fst__message *b,
                             int64_t b_count)
{
    int64_t most = (a_count < b_count ? a_count : b_count) - 1, shared = 0;
    while (shared < most && same_message(a + shared, b + shared))
        ++shared;
    while (shared > 0 &&
           (a[shared].role != FST__ROLE_ASSISTANT || b[shared].role != FST__ROLE_ASSISTANT))
        --shared;
    return shared;
}

/* What follows the prompt: of a transcript all that is left, as it is; of a list one message. */
static fst_status add_rest(fst__layout *layout, const json_t *side, const fst__message *rest,
                           int64_t count, const char *name)
{
    if (json_is_string(side))
        return fst__layout_answer(layout, rest->content);
    if (count != 1)
        return fst__layout_fail(layout,
                                "\"%s\" has %lld messages behind the common ones, expected 1", name,
                                (long long)count);
    return fst__layout_answer(layout, rest->content);
}

fst_status fst__layout_pair(fst__layout *layout, const json_t *chosen, const json_t *rejected)
{
    int64_t first = layout->message_count;
    fst_status status = read_side(layout, chosen, "chosen");
    int64_t middle = layout->message_count;
    if (status || !rejected)
        return status;
    status = read_side(layout, rejected, "rejected");
    if (status)
        return status;
    const fst__message *a = layout->messages + first, *b = layout->messages + middle;
    int64_t a_count = middle - first, b_count = layout->message_count - middle;
    int64_t shared = common_prompt(a, a_count, b, b_count);
    if (shared == 0)
        return fst__layout_fail(layout,
                                "\"chosen\" and \"rejected\" have no common beginning with an "
                                "answer of the assistant's behind it");
    status = add_rest(layout, chosen, a + shared, a_count - shared, "chosen");
    if (!status)
        status = add_rest(layout, rejected, b + shared, b_count - shared, "rejected");
    layout->message_count = first + shared;
    return status;
}
