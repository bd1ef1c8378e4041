#include "model/policy_text.h"

#include "base/error.h"
#include "fourstage/tokenizer.h"

#include <string.h>

fst_status fst__sequence_append_text(const fst_policy *policy, fst__sequence *sequence, int32_t id)
{
    char buffer[512];
    size_t length;
    fst_status status =
        fst_tokenizer_decode(policy->tokenizer, &id, 1, 1, buffer, sizeof buffer, &length);
    if (status == FST_OK) {
        fst__text_append(&sequence->text, buffer, length);
    } else if (status == FST_ERR_BUFFER_TOO_SMALL) {
        char *longer = fst__alloc(sequence->text.allocator, length + 1);
        if (!longer)
            return FST_ERR_NO_MEMORY;
        status =
            fst_tokenizer_decode(policy->tokenizer, &id, 1, 1, longer, length + 1, &length);
        if (!status)
            fst__text_append(&sequence->text, longer, length);
        fst__free(sequence->text.allocator, longer);
    } else if (status == FST_ERR_INVALID_ARGUMENT) {
        /* An id of the model that the tokenizer lacks, in a vocabulary padded to a round number. */
        status = FST_OK;
    }
    return sequence->text.failed ? FST_ERR_NO_MEMORY : status;
}

bool fst__sequence_cut_stop_string(fst__sequence *sequence, const fst_sampling_options *options)
{
    fst__text *text = &sequence->text;
    const char *first = NULL;
    /* None begins in what was reported: what may begin one is held back. */
    for (size_t i = 0; i < options->stop_string_count && text->data; ++i) {
        size_t length = strlen(options->stop_strings[i]);
        const char *found = NULL;
        for (size_t at = sequence->reported; at + length <= text->length && !found; ++at) {
            if (memcmp(text->data + at, options->stop_strings[i], length) == 0)
                found = text->data + at;
        }
        if (found && (!first || found < first))
            first = found;
    }
    if (!first)
        return false;
    text->length = (size_t)(first - text->data);
    text->data[text->length] = '\0';
    return true;
}

/* Bytes at the end that begin a UTF-8 character without finishing it. */
static size_t cut_character(const char *text, size_t length)
{
    for (size_t back = 1; back <= 3 && back <= length; ++back) {
        unsigned char byte = (unsigned char)text[length - back];
        if ((byte & 0xC0) == 0x80)
            continue;
        size_t needed = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
        return needed > back ? back : 0;
    }
    return 0;
}

/* Bytes at the end that begin a stop string. */
static size_t possible_stop(const char *text, size_t length, const fst_sampling_options *options)
{
    size_t most = 0;
    for (size_t i = 0; i < options->stop_string_count; ++i) {
        size_t size = strlen(options->stop_strings[i]);
        for (size_t part = size < length ? size : length; part > most; --part) {
            if (memcmp(text + length - part, options->stop_strings[i], part) == 0) {
                most = part;
                break;
            }
        }
    }
    return most;
}

void fst__sequence_drop_cut_character(fst__sequence *sequence)
{
    fst__text *text = &sequence->text;
    if (!text->data)
        return;
    text->length -= cut_character(text->data, text->length);
    text->data[text->length] = '\0';
}

size_t fst__sequence_new_text(const fst__sequence *sequence, const fst_sampling_options *options)
{
    const fst__text *text = &sequence->text;
    if (!text->data || text->length < sequence->reported)
        return 0;
    size_t end = text->length;
    if (!sequence->done) {
        size_t held = cut_character(text->data, end);
        size_t stop = possible_stop(text->data, end, options);
        end -= held > stop ? held : stop;
    }
    return end > sequence->reported ? end - sequence->reported : 0;
}
