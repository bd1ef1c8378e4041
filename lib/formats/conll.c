#include "formats/conll.h"

#include "base/error.h"
#include "base/utf8.h"

#include <string.h>

typedef struct field {
    const char *text;
    size_t length;
} field;

struct fst__conll {
    fst__allocator *allocator;
    fst__conll_options options;
    fst__lines *lines;
    char *path;
    field fields[FST__CONLL_COLUMNS]; /* of the line at hand */
    int64_t count;
    int64_t columns; /* of the first line with words; 0: none yet */
    int64_t columns_line;
    int64_t last_word; /* line of the sentence's last word; 0: it has none yet */
};

fst_status fst__conll_open(fst__allocator *allocator, const char *path,
                           const fst__conll_options *options, fst__conll **out)
{
    fst__conll *conll = fst__alloc_zero(allocator, sizeof *conll);
    if (!conll)
        return FST_ERR_NO_MEMORY;
    conll->allocator = allocator;
    conll->options = *options;
    conll->path = fst__strdup(allocator, path);
    fst_status status = conll->path ? fst__lines_open(allocator, path, options->latin1, &conll->lines)
                                    : FST_ERR_NO_MEMORY;
    if (status) {
        fst__conll_close(conll);
        return status;
    }
    *out = conll;
    return FST_OK;
}

void fst__conll_close(fst__conll *conll)
{
    if (!conll)
        return;
    fst__lines_close(conll->lines);
    fst__free(conll->allocator, conll->path);
    fst__free(conll->allocator, conll);
}

#define FAIL(conll, line, format, ...)                                                              \
    fst__fail(FST_ERR_FORMAT, "%s: line %lld: " format, (conll)->path, (long long)(line), __VA_ARGS__)

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

static bool is_blank(const fst__line *line)
{
    for (size_t i = 0; i < line->length; ++i)
        if (!is_space(line->text[i]))
            return false;
    return true;
}

static fst_status check_text(const fst__conll *conll, const fst__line *line)
{
    size_t wrong;
    const char *nul = memchr(line->text, '\0', line->length);
    if (nul)
        return FAIL(conll, line->number, "byte %lld is NUL", (long long)(nul - line->text));
    if (!fst__is_utf8(line->text, line->length, &wrong))
        return FAIL(conll, line->number, "byte %lld, 0x%02X, is not UTF-8", (long long)wrong,
                    (unsigned)(unsigned char)line->text[wrong]);
    return FST_OK;
}

/* ---- fields */

static fst_status add_field(fst__conll *conll, const fst__line *line, const char *begin,
                            const char *end)
{
    if (conll->count == FST__CONLL_COLUMNS)
        return FAIL(conll, line->number, "more than %d columns", FST__CONLL_COLUMNS);
    conll->fields[conll->count++] = (field){begin, (size_t)(end - begin)};
    return FST_OK;
}

static fst_status split_tabs(fst__conll *conll, const fst__line *line)
{
    const char *at = line->text, *end = at + line->length;
    fst_status status = FST_OK;
    while (!status) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        status = add_field(conll, line, at, tab ? tab : end);
        if (!tab)
            break;
        at = tab + 1;
    }
    return status;
}

static fst_status split_spaces(fst__conll *conll, const fst__line *line)
{
    const char *at = line->text, *end = at + line->length;
    fst_status status = FST_OK;
    while (!status) {
        while (at < end && is_space(*at))
            ++at;
        if (at == end)
            break;
        const char *begin = at;
        while (at < end && !is_space(*at))
            ++at;
        status = add_field(conll, line, begin, at);
    }
    return status;
}

static fst_status split(fst__conll *conll, const fst__line *line)
{
    int32_t separator = conll->options.separator;
    bool tabs = separator == FST__CONLL_TAB ||
                (separator == FST__CONLL_AUTO && memchr(line->text, '\t', line->length));
    conll->count = 0;
    return tabs ? split_tabs(conll, line) : split_spaces(conll, line);
}

static fst_status find(const fst__conll *conll, int64_t line, int64_t column, const char *what,
                       field *out)
{
    int64_t index = column < 0 ? conll->count + column : column;
    if (index < 0 || index >= conll->count)
        return FAIL(conll, line, "%lld columns, none is column %lld, the %s's", (long long)conll->count,
                    (long long)column, what);
    *out = conll->fields[index];
    if (out->length == 0)
        return FAIL(conll, line, "column %lld, the %s, is empty", (long long)index, what);
    return FST_OK;
}

static bool is(field found, const char *text)
{
    return found.length == strlen(text) && memcmp(found.text, text, found.length) == 0;
}

static size_t digits(field id, size_t at)
{
    size_t count = 0;
    while (at + count < id.length && id.text[at + count] >= '0' && id.text[at + count] <= '9')
        ++count;
    return count;
}

/* "7" is a word; "7-8" spans some, "7.1" was left out of the text. */
static fst_status read_id(const fst__conll *conll, int64_t line, bool *is_word)
{
    field id = {0};
    fst_status status = find(conll, line, conll->options.id, "id", &id);
    if (status)
        return status;
    size_t first = digits(id, 0), second = first < id.length ? digits(id, first + 1) : 0;
    bool joined = first > 0 && second > 0 && first + 1 + second == id.length &&
                  (id.text[first] == '-' || id.text[first] == '.');
    *is_word = first > 0 && first == id.length;
    if (!*is_word && !joined)
        return FAIL(conll, line, "\"%.*s\" is no id: expected a number, a range as 1-2 or 1.1",
                    (int)(id.length < 64 ? id.length : 64), id.text);
    return FST_OK;
}

/* ---- events */

static fst_status check_columns(fst__conll *conll, int64_t line)
{
    if (conll->columns == 0) {
        conll->columns = conll->count;
        conll->columns_line = line;
    }
    if (conll->count != conll->columns)
        return FAIL(conll, line, "%lld columns, line %lld has %lld", (long long)conll->count,
                    (long long)conll->columns_line, (long long)conll->columns);
    return FST_OK;
}

/* A line that is neither blank nor a comment. *found is false where it has no word. */
static fst_status read_word(fst__conll *conll, const fst__line *line, fst__conll_event *event,
                            bool *found)
{
    const fst__conll_options *o = &conll->options;
    field word = {0}, tag = {0};
    *found = true;
    fst_status status = check_columns(conll, line->number);
    if (!status && o->has_ids)
        status = read_id(conll, line->number, found);
    if (status || !*found)
        return status;
    status = find(conll, line->number, o->word, "word", &word);
    if (!status && o->has_tags)
        status = find(conll, line->number, o->tag, "tag", &tag);
    *event = (fst__conll_event){FST__CONLL_WORD, line->number, word.text,
                                o->has_tags ? tag.text : NULL, word.length, tag.length};
    conll->last_word = line->number;
    return status;
}

static void end_sentence(fst__conll *conll, fst__conll_event *event)
{
    *event = (fst__conll_event){.kind = FST__CONLL_SENTENCE, .line = conll->last_word};
    conll->last_word = 0;
}

static bool is_comment(const fst__conll *conll, const fst__line *line)
{
    return conll->options.comments && line->text[0] == '#';
}

fst_status fst__conll_next(fst__conll *conll, fst__conll_event *event)
{
    for (;;) {
        fst__line line;
        bool found;
        fst_status status = fst__lines_next(conll->lines, &line, &found);
        if (!status && found)
            status = check_text(conll, &line);
        if (status)
            return status;
        if (!found && conll->last_word == 0) {
            *event = (fst__conll_event){.kind = FST__CONLL_END};
            return FST_OK;
        }
        bool ends = !found || is_blank(&line);
        if (!ends && is_comment(conll, &line))
            continue;
        if (!ends) {
            status = split(conll, &line);
            if (status)
                return status;
            ends = is(conll->fields[0], "-DOCSTART-");
        }
        if (ends && conll->last_word == 0)
            continue;
        if (ends) {
            end_sentence(conll, event);
            return FST_OK;
        }
        status = read_word(conll, &line, event, &found);
        if (status || found)
            return status;
    }
}
