#include "tokenizer/internal.h"

#include "base/error.h"

fst_status fst__tokenizer_create(fst_context *context, fst_tokenizer **out)
{
    fst__allocator *allocator = &context->allocator;
    fst_tokenizer *tokenizer = fst__alloc_zero(allocator, sizeof *tokenizer);
    if (!tokenizer)
        return FST_ERR_NO_MEMORY;
    atomic_init(&tokenizer->references, 1);
    tokenizer->context = fst__context_retain(context);
    tokenizer->allocator = allocator;
    tokenizer->vocabulary = (fst__vocabulary){.allocator = allocator, .blob = fst__text_create(allocator)};
    tokenizer->unknown_id = -1;
    for (int role = 0; role < FST__ROLES; ++role)
        tokenizer->roles[role] = -1;
    tokenizer->stock = fst__alloc_zero(allocator, sizeof *tokenizer->stock);
    tokenizer->unicode = fst__alloc(allocator, sizeof *tokenizer->unicode);
    fst_status status = tokenizer->stock && tokenizer->unicode ? FST_OK : FST_ERR_NO_MEMORY;
    for (int part = 0; part < FST__PARTS && !status; ++part)
        status = fst__tokenizer_set_part(tokenizer, part, "null");
    if (status) {
        fst__tokenizer_release(tokenizer);
        return status;
    }
    *out = tokenizer;
    return FST_OK;
}

static void dispose(fst_tokenizer *tokenizer)
{
    fst__allocator *allocator = tokenizer->allocator;
    fst_context *context = tokenizer->context;
    for (int i = 0; tokenizer->stock && i < FST__IDLE_SCRATCHES; ++i)
        fst__scratch_destroy(atomic_load(&tokenizer->stock->idle[i]));
    fst__free(allocator, tokenizer->stock);
    fst__free(allocator, tokenizer->unicode);
    fst__free(allocator, tokenizer->bert);
    fst__free(allocator, tokenizer->decoder_prefix);
    fst__free(allocator, tokenizer->pair.items);
    fst__free(allocator, tokenizer->suffix.ids);
    fst__free(allocator, tokenizer->prefix.ids);
    for (int i = 0; i < tokenizer->pretokenizer.count; ++i)
        fst__pattern_destroy(tokenizer->pretokenizer.steps[i].pattern);
    for (int part = 0; part < FST__PARTS; ++part)
        fst__free(allocator, tokenizer->parts[part]);
    fst__added_index_destroy(&tokenizer->normalized_index, allocator);
    fst__added_index_destroy(&tokenizer->raw_index, allocator);
    fst__free(allocator, tokenizer->added);
    fst__free(allocator, tokenizer->unknown_token);
    fst__wordpiece_destroy(&tokenizer->wordpiece);
    fst__bpe_destroy(&tokenizer->bpe);
    fst__vocabulary_destroy(&tokenizer->vocabulary);
    fst__free(allocator, tokenizer);
    fst__context_release(context);
}

fst_tokenizer *fst__tokenizer_retain(fst_tokenizer *tokenizer)
{
    atomic_fetch_add(&tokenizer->references, 1);
    return tokenizer;
}

void fst__tokenizer_release(fst_tokenizer *tokenizer)
{
    if (tokenizer && atomic_fetch_sub(&tokenizer->references, 1) == 1)
        dispose(tokenizer);
}

fst_status fst__tokenizer_set_part(fst_tokenizer *tokenizer, int part, const char *json)
{
    char *copy = fst__strdup(tokenizer->allocator, json);
    if (!copy)
        return FST_ERR_NO_MEMORY;
    fst__free(tokenizer->allocator, tokenizer->parts[part]);
    tokenizer->parts[part] = copy;
    return FST_OK;
}

fst_status fst__tokenizer_append_added(fst_tokenizer *tokenizer, fst__added added, const char *content,
                                       size_t length)
{
    fst__vocabulary *vocabulary = &tokenizer->vocabulary;
    int32_t known = fst__vocabulary_find_spelling(vocabulary, content, length);
    if (known >= 0 && added.id >= 0 && added.id != known)
        return fst__fail(FST_ERR_FORMAT, "added token \"%.*s\" has id %d and, in the vocabulary, id %d",
                         (int)(length < 100 ? length : 100), content, added.id, known);
    if (known < 0 && fst__vocabulary_has(vocabulary, added.id))
        return fst__fail(FST_ERR_FORMAT, "added token \"%.*s\": id %d is another token's",
                         (int)(length < 100 ? length : 100), content, added.id);
    if (known < 0 && added.id < 0 && vocabulary->count == INT32_MAX)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "the vocabulary is full");
    fst__added *list = fst__realloc_array(tokenizer->allocator, tokenizer->added, tokenizer->added_count + 1,
                                          sizeof *list);
    if (!list)
        return FST_ERR_NO_MEMORY;
    tokenizer->added = list;
    int flags = FST__TOKEN_ADDED | (added.special ? FST__TOKEN_SPECIAL : 0);
    if (known < 0) {
        known = added.id < 0 ? vocabulary->count : added.id;
        fst_status status = fst__vocabulary_insert(vocabulary, known, content, length, flags, false);
        if (status)
            return status;
    }
    vocabulary->tokens[known].flags |= (uint8_t)flags;
    if (!added.special)
        vocabulary->tokens[known].flags &= (uint8_t)~FST__TOKEN_SPECIAL;
    added.id = known;
    for (size_t i = 0; i < tokenizer->added_count; ++i) { /* named again: the later word counts */
        if (list[i].id == known) {
            list[i] = added;
            return FST_OK;
        }
    }
    list[tokenizer->added_count++] = added;
    return FST_OK;
}

static fst_status build_indexes(fst_tokenizer *tokenizer, fst__added_index *raw, fst__added_index *normalized)
{
    fst_status status = fst__added_index_build(raw, tokenizer, false);
    if (!status) {
        status = fst__added_index_build(normalized, tokenizer, true);
        if (status)
            fst__added_index_destroy(raw, tokenizer->allocator);
    }
    return status;
}

fst_status fst__tokenizer_compile(fst_tokenizer *tokenizer, const char *name)
{
    fst_status status = fst__components_compile(tokenizer, name);
    if (!status)
        fst__unicode_fill(tokenizer->unicode, tokenizer->normalization);
    return status;
}

fst_status fst__tokenizer_finish(fst_tokenizer *tokenizer)
{
    if (tokenizer->unknown_token)
        tokenizer->unknown_id = fst__vocabulary_find_spelling(&tokenizer->vocabulary, tokenizer->unknown_token,
                                                              strlen(tokenizer->unknown_token));
    fst_status status = build_indexes(tokenizer, &tokenizer->raw_index, &tokenizer->normalized_index);
    if (!status && tokenizer->model == FST__MODEL_BPE) {
        fst__scratch *scratch = fst__scratch_take(tokenizer->stock, tokenizer->allocator);
        if (!scratch)
            return FST_ERR_NO_MEMORY;
        status = fst__bpe_mark_whole(&tokenizer->bpe, scratch, &tokenizer->vocabulary);
        fst__scratch_return(tokenizer->stock, scratch);
    }
    if (!status && tokenizer->model == FST__MODEL_WORDPIECE)
        status = fst__wordpiece_build(&tokenizer->wordpiece, &tokenizer->vocabulary);
    if (!status)
        fst__tokenizer_guess_roles(tokenizer);
    return status;
}

static int32_t find_special(const fst_tokenizer *tokenizer, const char *const *names)
{
    for (; *names; ++names) {
        int32_t id = fst__vocabulary_find_spelling(&tokenizer->vocabulary, *names, strlen(*names));
        if (id >= 0 && (tokenizer->vocabulary.tokens[id].flags & FST__TOKEN_SPECIAL))
            return id;
    }
    return -1;
}

void fst__tokenizer_guess_roles(fst_tokenizer *tokenizer)
{
    static const char *const begins[] = {"<|begin_of_text|>", "<s>", "<bos>", "<|bos|>", "[BOS]", "[CLS]",
                                         "<|startoftext|>", "<|endoftext|>", NULL};
    static const char *const ends[] = {"<|end_of_text|>", "</s>", "<eos>", "<|eos|>", "[EOS]", "<|endoftext|>",
                                       "[SEP]", "<|im_end|>", NULL};
    static const char *const pads[] = {"<pad>", "<|pad|>", "[PAD]", "<|padding|>", "<|finetune_right_pad_id|>",
                                       NULL};
    static const char *const unknowns[] = {"<unk>", "<|unk|>", "[UNK]", NULL};
    static const char *const masks[] = {"<mask>", "[MASK]", "<|mask|>", NULL};
    const char *const *const names[FST__ROLES] = {begins, ends, pads, unknowns, masks};
    for (int role = 0; role < FST__ROLES; ++role) {
        if (tokenizer->roles[role] < 0)
            tokenizer->roles[role] = find_special(tokenizer, names[role]);
    }
    if (tokenizer->unknown_id >= 0)
        tokenizer->roles[FST_TOKEN_UNKNOWN] = tokenizer->unknown_id;
}

/* Back to the added tokens of before: `added` (count) and no ids from `size` on. */
static void restore(fst_tokenizer *tokenizer, const fst__added *added, size_t count, int32_t size)
{
    fst__vocabulary_truncate(&tokenizer->vocabulary, size);
    fst__token *tokens = tokenizer->vocabulary.tokens;
    for (int32_t id = 0; id < tokenizer->vocabulary.count; ++id)
        tokens[id].flags &= (uint8_t) ~(FST__TOKEN_ADDED | FST__TOKEN_SPECIAL);
    for (size_t i = 0; i < count; ++i) {
        tokenizer->added[i] = added[i];
        tokens[added[i].id].flags |= (uint8_t)(FST__TOKEN_ADDED | (added[i].special ? FST__TOKEN_SPECIAL : 0));
    }
    tokenizer->added_count = count;
}

fst_status fst__tokenizer_add_tokens(fst_tokenizer *tokenizer, const char *const *tokens, size_t count,
                                     const fst_added_token_options *options)
{
    fst__allocator *allocator = tokenizer->allocator;
    size_t added_before = tokenizer->added_count;
    int32_t size_before = tokenizer->vocabulary.count;
    fst__added *before = fst__alloc_array(allocator, added_before, sizeof *before);
    if (!before)
        return FST_ERR_NO_MEMORY;
    if (added_before)
        memcpy(before, tokenizer->added, added_before * sizeof *before);
    fst__added_index raw, normalized;
    fst_status status = FST_OK;
    for (size_t i = 0; i < count && !status; ++i) {
        fst__added added = {-1, options->special != 0, options->single_word != 0, options->strip_left != 0,
                            options->strip_right != 0, options->normalized != 0};
        status = fst__tokenizer_append_added(tokenizer, added, tokens[i], strlen(tokens[i]));
    }
    if (!status)
        status = build_indexes(tokenizer, &raw, &normalized);
    if (status) {
        restore(tokenizer, before, added_before, size_before);
    } else {
        fst__added_index_destroy(&tokenizer->raw_index, allocator);
        fst__added_index_destroy(&tokenizer->normalized_index, allocator);
        tokenizer->raw_index = raw;
        tokenizer->normalized_index = normalized;
        fst__tokenizer_guess_roles(tokenizer);
    }
    fst__free(allocator, before);
    return status;
}

fst__allocator *fst__tokenizer_allocator(const fst_tokenizer *tokenizer)
{
    return tokenizer->allocator;
}

struct fst__pool *fst__tokenizer_pool(const fst_tokenizer *tokenizer)
{
    return tokenizer->context->pool;
}

int32_t fst__tokenizer_vocabulary_size(const fst_tokenizer *tokenizer)
{
    return tokenizer->vocabulary.count;
}

bool fst__tokenizer_token(const fst_tokenizer *tokenizer, int32_t id, const char **bytes, size_t *length,
                          bool *special)
{
    const fst__vocabulary *vocabulary = &tokenizer->vocabulary;
    if (!fst__vocabulary_has(vocabulary, id))
        return false;
    const fst__token *token = &vocabulary->tokens[id];
    *special = token->flags & FST__TOKEN_SPECIAL;
    /* An added token is its text, whatever its letters would mean in the byte alphabet. */
    bool added = token->flags & FST__TOKEN_ADDED;
    *bytes = added ? fst__token_spelling(vocabulary, id) : fst__token_bytes(vocabulary, id);
    *length = added ? token->spelling_length : token->length;
    return true;
}

int32_t fst__tokenizer_find(const fst_tokenizer *tokenizer, const char *token, size_t length)
{
    const fst__vocabulary *vocabulary = &tokenizer->vocabulary;
    int32_t spelled = fst__vocabulary_find_spelling(vocabulary, token, length);
    if (spelled >= 0 && (vocabulary->tokens[spelled].flags & FST__TOKEN_ADDED))
        return spelled;
    int32_t id = fst__vocabulary_find_bytes(vocabulary, token, length);
    return id >= 0 ? id : spelled;
}

int32_t fst__tokenizer_special_id(const fst_tokenizer *tokenizer, int32_t role)
{
    return tokenizer->roles[role];
}

fst_status fst__tokenizer_set_special_id(fst_tokenizer *tokenizer, int32_t role, int32_t id)
{
    if (id != -1 && !fst__vocabulary_has(&tokenizer->vocabulary, id))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "id %d is no token", id);
    tokenizer->roles[role] = id;
    return FST_OK;
}
