#include "formats/scan.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

enum { MAX_DEPTH = 64 };

fst_status fst__scan_fail(const fst__scan *scan, size_t at, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fst__fail(FST_ERR_FORMAT, "%s: byte %zu: %s", scan->file, scan->origin + at, text);
}

void fst__scan_space(fst__scan *scan)
{
    while (scan->position < scan->size) {
        char byte = scan->bytes[scan->position];
        if (byte != ' ' && byte != '\n' && byte != '\r' && byte != '\t')
            break;
        ++scan->position;
    }
}

char fst__scan_peek(fst__scan *scan)
{
    fst__scan_space(scan);
    return scan->position < scan->size ? scan->bytes[scan->position] : '\0';
}

static fst_status fail_expected(const fst__scan *scan, const char *expected)
{
    if (scan->position >= scan->size)
        return fst__scan_fail(scan, scan->position, "the JSON ends, expected %s", expected);
    unsigned char byte = (unsigned char)scan->bytes[scan->position];
    if (byte > 0x20 && byte < 0x7f)
        return fst__scan_fail(scan, scan->position, "'%c' where %s was expected", byte, expected);
    return fst__scan_fail(scan, scan->position, "byte 0x%02x where %s was expected", byte, expected);
}

fst_status fst__scan_expect(fst__scan *scan, char byte)
{
    fst__scan_space(scan);
    if (scan->position < scan->size && scan->bytes[scan->position] == byte) {
        ++scan->position;
        return FST_OK;
    }
    return fail_expected(scan, (char[]){'\'', byte, '\'', '\0'});
}

fst_status fst__scan_more(fst__scan *scan, char close, size_t index, bool *more)
{
    fst__scan_space(scan);
    char byte = scan->position < scan->size ? scan->bytes[scan->position] : '\0';
    *more = true;
    if (byte == close && scan->position < scan->size) {
        ++scan->position;
        *more = false;
        return FST_OK;
    }
    if (index == 0)
        return FST_OK;
    if (byte != ',')
        return fail_expected(scan, (char[]){'\'', ',', '\'', ' ', 'o', 'r', ' ', '\'', close, '\'', '\0'});
    ++scan->position;
    return FST_OK;
}

/* Four hex digits at `at`; −1 if there are none. */
static int32_t hex4(const fst__scan *scan, size_t at)
{
    if (scan->size - at < 4)
        return -1;
    int32_t value = 0;
    for (size_t i = at; i < at + 4; ++i) {
        char digit = scan->bytes[i];
        int32_t number;
        if (digit >= '0' && digit <= '9')
            number = digit - '0';
        else if (digit >= 'a' && digit <= 'f')
            number = digit - 'a' + 10;
        else if (digit >= 'A' && digit <= 'F')
            number = digit - 'A' + 10;
        else
            return -1;
        value = value << 4 | number;
    }
    return value;
}

/* After the backslash at position − 1: decodes to `out` (up to 4 bytes, always fewer than the
 * escape has). */
static fst_status escape(fst__scan *scan, char out[4], size_t *length)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    size_t start = scan->position - 1;
    char letter = scan->position < scan->size ? scan->bytes[scan->position++] : '\0';
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (found) {
        out[0] = meanings[found - letters];
        *length = 1;
        return FST_OK;
    }
    int32_t point = letter == 'u' ? hex4(scan, scan->position) : -1;
    if (point < 0)
        return fst__scan_fail(scan, start, "an escape that JSON does not have");
    scan->position += 4;
    if (point >= 0xD800 && point < 0xDC00 && scan->size - scan->position >= 6 &&
        memcmp(scan->bytes + scan->position, "\\u", 2) == 0) {
        int32_t low = hex4(scan, scan->position + 2);
        if (low >= 0xDC00 && low < 0xE000) {
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
            scan->position += 6;
        }
    }
    if (point >= 0xD800 && point < 0xE000)
        return fst__scan_fail(scan, start, "half of a surrogate pair");
    if (point == 0)
        return fst__scan_fail(scan, start, "NUL in a string");
    *length = (size_t)utf8proc_encode_char(point, (utf8proc_uint8_t *)out);
    return FST_OK;
}

/* The character at position as it stands; checks that it is UTF-8 and allowed in a string. */
static fst_status plain(const fst__scan *scan, size_t *length)
{
    const unsigned char *bytes = (const unsigned char *)scan->bytes + scan->position;
    *length = 1;
    if (*bytes < 0x20)
        return fst__scan_fail(scan, scan->position, "control character 0x%02x in a string", *bytes);
    if (*bytes < 0x80)
        return FST_OK;
    size_t left = scan->size - scan->position;
    utf8proc_int32_t point;
    utf8proc_ssize_t taken = utf8proc_iterate(bytes, left < 4 ? (utf8proc_ssize_t)left : 4, &point);
    if (taken <= 0)
        return fst__scan_fail(scan, scan->position, "byte 0x%02x is not UTF-8", *bytes);
    *length = (size_t)taken;
    return FST_OK;
}

fst_status fst__scan_string(fst__scan *scan, char **text, size_t *length)
{
    fst__scan_space(scan);
    if (scan->position >= scan->size || scan->bytes[scan->position] != '"')
        return fail_expected(scan, "a string");
    size_t start = ++scan->position, used = start;
    while (scan->position < scan->size) {
        size_t taken;
        char decoded[4];
        const char *from;
        fst_status status;
        if (scan->bytes[scan->position] == '"') {
            if (scan->in_place) {
                scan->bytes[used] = '\0';
                *text = scan->bytes + start;
                *length = used - start;
            }
            ++scan->position;
            return FST_OK;
        }
        if (scan->bytes[scan->position] == '\\') {
            ++scan->position;
            status = escape(scan, decoded, &taken);
            from = decoded;
        } else {
            from = scan->bytes + scan->position;
            status = plain(scan, &taken);
            scan->position += taken;
        }
        if (status != FST_OK)
            return status;
        if (scan->in_place) {
            memmove(scan->bytes + used, from, taken);
            used += taken;
        }
    }
    return fst__scan_fail(scan, scan->position, "the JSON ends inside the string of byte %zu",
                          scan->origin + start - 1);
}

fst_status fst__scan_key(fst__scan *scan, char **text, size_t *length)
{
    fst_status status = fst__scan_string(scan, text, length);
    return status == FST_OK ? fst__scan_expect(scan, ':') : status;
}

static bool is_digit(const fst__scan *scan, size_t at)
{
    return at < scan->size && scan->bytes[at] >= '0' && scan->bytes[at] <= '9';
}

fst_status fst__scan_natural(fst__scan *scan, int64_t *value)
{
    fst__scan_space(scan);
    size_t start = scan->position;
    if (start < scan->size && scan->bytes[start] == '-')
        return fst__scan_fail(scan, start, "a negative number");
    if (!is_digit(scan, start))
        return fail_expected(scan, "an integer");
    if (scan->bytes[start] == '0' && is_digit(scan, start + 1))
        return fst__scan_fail(scan, start, "a number with a leading zero");
    int64_t number = 0;
    for (; is_digit(scan, scan->position); ++scan->position) {
        int digit = scan->bytes[scan->position] - '0';
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return fst__scan_fail(scan, start, "an integer beyond 64 bits");
    }
    if (scan->position < scan->size && memchr(".eE", scan->bytes[scan->position], 3))
        return fst__scan_fail(scan, start, "a fraction where an integer was expected");
    *value = number;
    return FST_OK;
}

/* -?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)? */
static fst_status skip_number(fst__scan *scan)
{
    size_t at = scan->position, start = at;
    if (at < scan->size && scan->bytes[at] == '-')
        ++at;
    bool good = is_digit(scan, at) && !(scan->bytes[at] == '0' && is_digit(scan, at + 1));
    while (is_digit(scan, at))
        ++at;
    if (good && at < scan->size && scan->bytes[at] == '.') {
        good = is_digit(scan, ++at);
        while (is_digit(scan, at))
            ++at;
    }
    if (good && at < scan->size && (scan->bytes[at] == 'e' || scan->bytes[at] == 'E')) {
        ++at;
        if (at < scan->size && (scan->bytes[at] == '+' || scan->bytes[at] == '-'))
            ++at;
        good = is_digit(scan, at);
        while (is_digit(scan, at))
            ++at;
    }
    if (!good)
        return fst__scan_fail(scan, start, "not a JSON value");
    scan->position = at;
    return FST_OK;
}

static fst_status skip_scalar(fst__scan *scan)
{
    static const char *const words[] = {"true", "false", "null"};
    if (fst__scan_peek(scan) == '"') {
        char *text;
        size_t length;
        return fst__scan_string(scan, &text, &length);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; ++i) {
        size_t length = strlen(words[i]);
        if (scan->size - scan->position >= length &&
            memcmp(scan->bytes + scan->position, words[i], length) == 0) {
            scan->position += length;
            return FST_OK;
        }
    }
    return skip_number(scan);
}

fst_status fst__scan_skip(fst__scan *scan)
{
    /* What each open level ends in, and how many of its members were seen. */
    char closes[MAX_DEPTH];
    size_t counts[MAX_DEPTH], depth = 0;
    do {
        fst_status status = FST_OK;
        if (depth > 0) {
            bool more;
            status = fst__scan_more(scan, closes[depth - 1], counts[depth - 1]++, &more);
            if (status != FST_OK)
                return status;
            if (!more) {
                --depth;
                continue;
            }
            if (closes[depth - 1] == '}') {
                char *text;
                size_t length;
                status = fst__scan_key(scan, &text, &length);
                if (status != FST_OK)
                    return status;
            }
        }
        char byte = fst__scan_peek(scan);
        if (byte == '{' || byte == '[') {
            if (depth == MAX_DEPTH)
                return fst__scan_fail(scan, scan->position, "nests deeper than %d", MAX_DEPTH);
            closes[depth] = byte == '{' ? '}' : ']';
            counts[depth++] = 0;
            ++scan->position;
        } else {
            status = skip_scalar(scan);
            if (status != FST_OK)
                return status;
        }
    } while (depth > 0);
    return FST_OK;
}
