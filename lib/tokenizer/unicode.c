#include "tokenizer/unicode.h"

#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

typedef struct range {
    int32_t first, last;
} range;

/* Letters (L*) and numbers (N*) assigned by Unicode 15.1 and 16.0. */
static const range newer_letters[] = {
    {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65},
    {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
    {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
    {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
    {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D},
};
static const range newer_numbers[] = {
    {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x16130, 0x16139},
    {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA},
};

static bool in_ranges(const range *ranges, size_t count, int32_t point)
{
    for (size_t i = 0; i < count; ++i) {
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    }
    return false;
}

bool fst__unicode_is_space(int32_t point)
{
    return (point >= 9 && point <= 13) || point == 0x20 || point == 0x85 || point == 0xA0 ||
           point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
           point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}

int fst__unicode_class(int32_t point)
{
    if (point < 0)
        return FST__OTHER;
    if (fst__unicode_is_space(point))
        return FST__SPACE;
    switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return FST__LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return FST__NUMBER;
    case UTF8PROC_CATEGORY_CN:
        if (in_ranges(newer_letters, sizeof newer_letters / sizeof newer_letters[0], point))
            return FST__LETTER;
        if (in_ranges(newer_numbers, sizeof newer_numbers / sizeof newer_numbers[0], point))
            return FST__NUMBER;
        return FST__OTHER;
    default:
        return FST__OTHER;
    }
}

bool fst__unicode_is_word(int32_t point)
{
    if (point < 0)
        return false;
    switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default: /* Other_Alphabetic among the symbols, and Join_Control */
        return fst__unicode_class(point) == FST__LETTER || point == 0x200C || point == 0x200D ||
               (point >= 0x24B6 && point <= 0x24E9) || (point >= 0x1F130 && point <= 0x1F149) ||
               (point >= 0x1F150 && point <= 0x1F169) || (point >= 0x1F170 && point <= 0x1F189);
    }
}

/* Stable means: left alone by the normalization wherever it stands, and nothing before it joins with
 * it. Marks and the Hangul jamo that may join are never stable (UAX #15, NFC_Quick_Check). */
static bool is_stable(int32_t point, int normalization)
{
    utf8proc_category_t category = utf8proc_category(point);
    if (category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
        category == UTF8PROC_CATEGORY_ME || (point >= 0x1100 && point <= 0x11FF) ||
        (point >= 0xD800 && point <= 0xDFFF))
        return false;
    utf8proc_int32_t out[32];
    int boundary = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char(
        point, out, 32, (utf8proc_option_t)(normalization & ~UTF8PROC_COMPOSE) | UTF8PROC_DECOMPOSE, &boundary);
    if (count < 0 || count > 32)
        return false;
    if (normalization & UTF8PROC_COMPOSE)
        count = utf8proc_normalize_utf32(out, count, (utf8proc_option_t)normalization);
    return count == 1 && out[0] == point;
}

void fst__unicode_fill(fst__unicode *unicode, int normalization)
{
    memset(unicode->unstable, 0, sizeof unicode->unstable);
    for (int32_t point = 0; point < 0x10000; ++point) {
        unicode->classes[point] = (uint8_t)fst__unicode_class(point);
        if (normalization && point >= 0x80 && !is_stable(point, normalization))
            unicode->unstable[point >> 3] |= (uint8_t)(1u << (point & 7));
    }
}
