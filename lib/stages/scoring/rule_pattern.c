/* A regular expression over the answer's text. A pattern comes from a user and the text from a
 * policy in training, so matching is held by limits. */
#include "stages/scoring/rules.h"

#include "base/error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

enum {
    MATCH_LIMIT = 1000000, /* PCRE2's own is ten times that */
    HEAP_LIMIT = 16 * 1024, /* KiB */
};

struct fst__rule_pattern {
    fst__allocator *allocator;
    pcre2_general_context *general;
    pcre2_match_context *context;
    pcre2_code *code;
    pcre2_match_data *match;
};

static void *allocate(PCRE2_SIZE size, void *user)
{
    return fst__alloc(user, size);
}

static void release(void *block, void *user)
{
    fst__free(user, block);
}

static fst_status compile(fst__rule_pattern *pattern, const char *text, bool whole, bool ignore_case)
{
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_INVALID_UTF;
    options |= whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0;
    options |= ignore_case ? PCRE2_CASELESS : 0;
    pcre2_compile_context *context = pcre2_compile_context_create(pattern->general);
    if (!context)
        return fst__fail(FST_ERR_NO_MEMORY, "out of memory: a pattern");
    int error = 0;
    PCRE2_SIZE at = 0;
    pattern->code =
        pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &error, &at, context);
    pcre2_compile_context_free(context);
    if (!pattern->code && error == PCRE2_ERROR_HEAP_FAILED)
        return fst__fail(FST_ERR_NO_MEMORY, "out of memory: a pattern");
    if (!pattern->code) {
        char reason[128] = "";
        pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof reason);
        return fst__fail(FST_ERR_FORMAT, "fst_reward_rule_options.pattern, byte %zu: %s", (size_t)at,
                         reason);
    }
    pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
    return FST_OK;
}

static fst_status make(fst__rule_pattern *pattern, const char *text, bool whole, bool ignore_case)
{
    pattern->general = pcre2_general_context_create(allocate, release, pattern->allocator);
    if (pattern->general) {
        pattern->context = pcre2_match_context_create(pattern->general);
        pattern->match = pcre2_match_data_create(1, pattern->general);
    }
    if (!pattern->context || !pattern->match)
        return fst__fail(FST_ERR_NO_MEMORY, "out of memory: a pattern");
    pcre2_set_match_limit(pattern->context, MATCH_LIMIT);
    pcre2_set_heap_limit(pattern->context, HEAP_LIMIT);
    return compile(pattern, text, whole, ignore_case);
}

fst_status fst__rule_pattern_create(fst_context *context, const char *text, bool whole,
                                    bool ignore_case, fst__rule_pattern **out)
{
    fst__rule_pattern *pattern = fst__alloc_zero(&context->allocator, sizeof *pattern);
    if (!pattern)
        return FST_ERR_NO_MEMORY;
    pattern->allocator = &context->allocator;
    fst_status status = make(pattern, text, whole, ignore_case);
    if (status) {
        fst__rule_pattern_destroy(pattern);
        return status;
    }
    *out = pattern;
    return FST_OK;
}

fst_status fst__rule_pattern_find(const fst__rule_pattern *pattern, const char *text, double *found,
                                  bool *gave_up)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    size_t length = strlen(text);
    int result =
        pcre2_match(pattern->code, subject, length, 0, 0, pattern->match, pattern->context);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = pcre2_match(pattern->code, subject, length, 0, PCRE2_NO_JIT, pattern->match,
                             pattern->context);
    *found = result >= 0;
    *gave_up = result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_DEPTHLIMIT ||
               result == PCRE2_ERROR_HEAPLIMIT;
    if (result >= 0 || result == PCRE2_ERROR_NOMATCH || *gave_up)
        return FST_OK;
    char reason[128] = "";
    pcre2_get_error_message(result, (PCRE2_UCHAR *)reason, sizeof reason);
    return fst__fail(result == PCRE2_ERROR_NOMEMORY ? FST_ERR_NO_MEMORY : FST_ERR_UNSUPPORTED,
                     "matching the pattern: %s", reason);
}

void fst__rule_pattern_destroy(fst__rule_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_match_data_free(pattern->match);
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->context);
    pcre2_general_context_free(pattern->general);
    fst__free(pattern->allocator, pattern);
}
