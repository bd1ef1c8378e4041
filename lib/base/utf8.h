/* UTF-8 a code point at a time, over bytes that may not be UTF-8 at all. */
#ifndef FST_BASE_UTF8_H
#define FST_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FST__INVALID_BYTE = -1 };

/* Decodes the code point at text (end > text). An invalid, overlong or cut-off sequence and a
 * surrogate give FST__INVALID_BYTE with *length 1: the byte stands alone. */
static inline int32_t fst__utf8_decode(const unsigned char *text, const unsigned char *end, size_t *length)
{
    unsigned c = text[0];
    *length = 1;
    if (c < 0x80)
        return (int32_t)c;
    size_t left = (size_t)(end - text);
    if (c >= 0xC2 && c < 0xE0 && left >= 2 && (text[1] & 0xC0) == 0x80) {
        *length = 2;
        return (int32_t)((c & 0x1F) << 6 | (text[1] & 0x3Fu));
    }
    if (c >= 0xE0 && c < 0xF0 && left >= 3 && (text[1] & 0xC0) == 0x80 && (text[2] & 0xC0) == 0x80) {
        uint32_t point = (c & 0x0F) << 12 | (text[1] & 0x3Fu) << 6 | (text[2] & 0x3Fu);
        if (point >= 0x800 && (point < 0xD800 || point > 0xDFFF)) {
            *length = 3;
            return (int32_t)point;
        }
    } else if (c >= 0xF0 && c < 0xF5 && left >= 4 && (text[1] & 0xC0) == 0x80 &&
               (text[2] & 0xC0) == 0x80 && (text[3] & 0xC0) == 0x80) {
        uint32_t point = (c & 0x07) << 18 | (text[1] & 0x3Fu) << 12 | (text[2] & 0x3Fu) << 6 | (text[3] & 0x3Fu);
        if (point >= 0x10000 && point <= 0x10FFFF) {
            *length = 4;
            return (int32_t)point;
        }
    }
    return FST__INVALID_BYTE;
}

/* The code point that ends right before `at` (at > begin). */
static inline int32_t fst__utf8_decode_before(const unsigned char *begin, const unsigned char *at, size_t *length)
{
    for (size_t back = 1; back <= 4 && back <= (size_t)(at - begin); ++back) {
        int32_t point = fst__utf8_decode(at - back, at, length);
        if (point != FST__INVALID_BYTE && *length == back)
            return point;
    }
    *length = 1;
    return FST__INVALID_BYTE;
}

/* Bytes written to out (room for 4). */
static inline size_t fst__utf8_encode(uint32_t point, unsigned char *out)
{
    if (point < 0x80) {
        out[0] = (unsigned char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (unsigned char)(0xC0 | point >> 6);
        out[1] = (unsigned char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (unsigned char)(0xE0 | point >> 12);
        out[1] = (unsigned char)(0x80 | (point >> 6 & 0x3F));
        out[2] = (unsigned char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (unsigned char)(0xF0 | point >> 18);
    out[1] = (unsigned char)(0x80 | (point >> 12 & 0x3F));
    out[2] = (unsigned char)(0x80 | (point >> 6 & 0x3F));
    out[3] = (unsigned char)(0x80 | (point & 0x3F));
    return 4;
}

/* False: *wrong is where the first byte that is not UTF-8 stands. */
static inline bool fst__is_utf8(const char *text, size_t length, size_t *wrong)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t step;
    for (size_t at = 0; at < length; at += step) {
        if (fst__utf8_decode(bytes + at, bytes + length, &step) == FST__INVALID_BYTE) {
            *wrong = at;
            return false;
        }
    }
    return true;
}

#endif
