/* Where words begin, told by each id alone: what whole-word masking needs. */
#include "fourstage/masking.h"
#include "tokenizer/internal.h"

static bool is_space(unsigned char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool is_punctuation(unsigned char byte)
{
    return (byte > ' ' && byte < '0') || (byte > '9' && byte < 'A') ||
           (byte > 'Z' && byte < 'a') || (byte > 'z' && byte < 0x7f);
}

/* First bytes of U+3000 … U+9FFF, of U+F000 … U+FFFF (full-width forms) and of what lies behind: a
 * token may end inside a character, so its first byte must tell. */
static bool begins_ideograph(unsigned char byte)
{
    return (byte >= 0xe3 && byte <= 0xe9) || byte == 0xef || byte == 0xf0;
}

/* Byte-level BPE: words are what white space and punctuation leave between them. */
static unsigned byte_flags(const char *bytes, size_t length)
{
    unsigned char first = (unsigned char)bytes[0], last = (unsigned char)bytes[length - 1];
    unsigned flags = is_space(last) || is_punctuation(last) ? FST_TOKEN_ENDS_WORD : 0;
    if (is_space(first) || is_punctuation(first) || begins_ideograph(first))
        return flags;
    return flags | FST_TOKEN_CONTINUES_WORD;
}

static bool continues_word(const fst_tokenizer *tokenizer, int32_t id)
{
    const fst__wordpiece *wordpiece = &tokenizer->wordpiece;
    size_t length = wordpiece->prefix_length;
    return tokenizer->model == FST__MODEL_WORDPIECE && length > 0 &&
           tokenizer->vocabulary.tokens[id].spelling_length > length &&
           memcmp(fst__token_spelling(&tokenizer->vocabulary, id), wordpiece->prefix, length) == 0;
}

void fst__tokenizer_token_flags(const fst_tokenizer *tokenizer, uint8_t *flags)
{
    const fst__vocabulary *vocabulary = &tokenizer->vocabulary;
    for (int32_t id = 0; id < vocabulary->count; ++id) {
        const fst__token *token = &vocabulary->tokens[id];
        bool special = !(token->flags & FST__TOKEN_PRESENT) || (token->flags & FST__TOKEN_SPECIAL) ||
                       id == tokenizer->unknown_id || token->length == 0;
        unsigned words = tokenizer->model == FST__MODEL_BPE && token->length > 0
                             ? byte_flags(fst__token_bytes(vocabulary, id), token->length)
                         : continues_word(tokenizer, id) ? FST_TOKEN_CONTINUES_WORD
                                                         : 0;
        flags[id] = (uint8_t)(special ? FST_TOKEN_IS_SPECIAL : words);
    }
}

bool fst__tokenizer_is_byte_level(const fst_tokenizer *tokenizer)
{
    return tokenizer->pretokenizer.byte_level;
}
