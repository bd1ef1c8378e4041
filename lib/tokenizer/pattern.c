#include "tokenizer/pattern.h"

#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

typedef enum scanner {
    SCANNER_NONE,
    SCANNER_GPT2,
    SCANNER_LLAMA3,
    SCANNER_QWEN2,
    SCANNER_CODE_POINT,
} scanner;

struct fst__pattern {
    fst__allocator *allocator;
    scanner scanner;
    pcre2_general_context *general;
    pcre2_code *code; /* shared by threads: only read after compiling */
};

static void *pcre_allocate(PCRE2_SIZE size, void *user)
{
    return fst__alloc(user, size);
}

static void pcre_release(void *block, void *user)
{
    fst__free(user, block);
}

static scanner known_scanner(const char *text, size_t length)
{
    static const struct {
        const char *text;
        scanner scanner;
    } known[] = {
        {FST__PATTERN_GPT2, SCANNER_GPT2},
        {FST__PATTERN_LLAMA3, SCANNER_LLAMA3},
        {FST__PATTERN_QWEN2, SCANNER_QWEN2},
        {FST__PATTERN_CODE_POINT, SCANNER_CODE_POINT},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i) {
        if (strlen(known[i].text) == length && memcmp(known[i].text, text, length) == 0)
            return known[i].scanner;
    }
    return SCANNER_NONE;
}

/* PCRE2 counts U+180E as white space and Unicode no longer does: \s and \S are spelled out. */
static void spell_out_space(const char *text, size_t length, fst__text *out)
{
    static const char space[] = "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}"
                                "\\x{2029}\\x{202f}\\x{205f}\\x{3000}";
    bool in_class = false;
    for (size_t i = 0; i < length; ++i) {
        if (text[i] == '\\' && i + 1 < length) {
            char escaped = text[++i];
            if (escaped == 's' || (escaped == 'S' && !in_class)) {
                fst__text_append_string(out, in_class ? "" : escaped == 's' ? "[" : "[^");
                fst__text_append_string(out, space);
                fst__text_append_string(out, in_class ? "" : "]");
            } else if (escaped == 'S') {
                fst__text_append_string(out, "\\S\\x{180e}");
            } else {
                fst__text_append(out, text + i - 1, 2);
            }
            continue;
        }
        if (text[i] == '[')
            in_class = true;
        else if (text[i] == ']')
            in_class = false;
        fst__text_append(out, text + i, 1);
    }
}

static fst_status compile(fst__pattern *pattern, const char *text, size_t length, bool literal)
{
    pattern->general = pcre2_general_context_create(pcre_allocate, pcre_release, pattern->allocator);
    pcre2_compile_context *context = pattern->general ? pcre2_compile_context_create(pattern->general) : NULL;
    if (!context)
        return fst__fail(FST_ERR_NO_MEMORY, "out of memory: a pattern");
    fst__text spelled = fst__text_create(pattern->allocator);
    if (literal)
        fst__text_append(&spelled, text, length);
    else
        spell_out_space(text, length, &spelled);
    fst_status status = spelled.failed || !spelled.data ? FST_ERR_NO_MEMORY : FST_OK;
    if (!status) {
        int error = 0;
        PCRE2_SIZE at = 0;
        uint32_t options = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C);
        pattern->code = pcre2_compile((PCRE2_SPTR)spelled.data, spelled.length, options, &error, &at, context);
        if (!pattern->code) {
            char reason[128] = "";
            pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof reason);
            status = fst__fail(FST_ERR_FORMAT, "pattern \"%.*s\": %s", (int)(length < 200 ? length : 200), text,
                               reason);
        } else {
            pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
        }
    }
    fst__text_destroy(&spelled);
    pcre2_compile_context_free(context);
    return status;
}

fst_status fst__pattern_compile(fst__allocator *allocator, const char *text, size_t length, bool literal,
                                bool use_scanner, fst__pattern **out)
{
    if (!length)
        return fst__fail(FST_ERR_FORMAT, "an empty pattern");
    fst__pattern *pattern = fst__alloc_zero(allocator, sizeof *pattern);
    if (!pattern)
        return FST_ERR_NO_MEMORY;
    pattern->allocator = allocator;
    pattern->scanner = literal || !use_scanner ? SCANNER_NONE : known_scanner(text, length);
    fst_status status = pattern->scanner == SCANNER_NONE ? compile(pattern, text, length, literal) : FST_OK;
    if (status) {
        fst__pattern_destroy(pattern);
        return status;
    }
    *out = pattern;
    return FST_OK;
}

void fst__pattern_destroy(fst__pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    pcre2_general_context_free(pattern->general);
    fst__free(pattern->allocator, pattern);
}

bool fst__pattern_tiles(const fst__pattern *pattern)
{
    return pattern->scanner != SCANNER_NONE;
}

typedef struct match_scratch {
    fst__allocator *allocator;
    pcre2_general_context *general;
    pcre2_match_context *context;
    pcre2_match_data *data;
} match_scratch;

void *fst__pattern_match_create(fst__allocator *allocator)
{
    match_scratch *match = fst__alloc_zero(allocator, sizeof *match);
    if (!match)
        return NULL;
    match->allocator = allocator;
    match->general = pcre2_general_context_create(pcre_allocate, pcre_release, allocator);
    if (match->general) {
        match->context = pcre2_match_context_create(match->general);
        match->data = pcre2_match_data_create(1, match->general);
    }
    if (!match->context || !match->data) {
        fst__pattern_match_destroy(match);
        fst__fail(FST_ERR_NO_MEMORY, "out of memory: a pattern's match");
        return NULL;
    }
    return match;
}

void fst__pattern_match_destroy(void *scratch)
{
    match_scratch *match = scratch;
    if (!match)
        return;
    pcre2_match_data_free(match->data);
    pcre2_match_context_free(match->context);
    pcre2_general_context_free(match->general);
    fst__free(match->allocator, match);
}

size_t fst__pattern_word_end(const fst__pattern *pattern, const fst__unicode *unicode, const char *text,
                             size_t begin, size_t end)
{
    const unsigned char *at = (const unsigned char *)text + begin;
    const unsigned char *stop = (const unsigned char *)text + end;
    size_t length = 1;
    switch (pattern->scanner) {
    case SCANNER_GPT2:
        return begin + fst__words_gpt2(unicode, at, stop);
    case SCANNER_LLAMA3:
        return begin + fst__words_llama3(unicode, at, stop, 3);
    case SCANNER_QWEN2:
        return begin + fst__words_llama3(unicode, at, stop, 1);
    default:
        fst__utf8_decode(at, stop, &length);
        return begin + length;
    }
}

fst_status fst__pattern_next(const fst__pattern *pattern, void *scratch, const char *text, size_t base,
                             size_t from, size_t end, bool *found, size_t *match_begin, size_t *match_end)
{
    match_scratch *match = scratch;
    *found = false;
    PCRE2_SPTR subject = (PCRE2_SPTR)text + base;
    int result = pcre2_match(pattern->code, subject, end - base, from - base, PCRE2_NO_UTF_CHECK, match->data,
                             match->context);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = pcre2_match(pattern->code, subject, end - base, from - base,
                             PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match->data, match->context);
    if (result == PCRE2_ERROR_NOMATCH)
        return FST_OK;
    if (result < 0) {
        char reason[128] = "";
        pcre2_get_error_message(result, (PCRE2_UCHAR *)reason, sizeof reason);
        return fst__fail(result == PCRE2_ERROR_NOMEMORY ? FST_ERR_NO_MEMORY : FST_ERR_UNSUPPORTED,
                         "the pre-tokenizer's pattern gave up at byte %zu: %s", from, reason);
    }
    const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(match->data);
    *found = true;
    *match_begin = base + ovector[0];
    *match_end = base + (ovector[1] > ovector[0] ? ovector[1] : ovector[0]); /* \K may turn them round */
    return FST_OK;
}
