#include "stages/pretrain/masking.h"

#include "base/error.h"
#include "data/dataset.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

#include <string.h>

static fst_status find_mask(const fst_pretrain_options *o, int32_t *id)
{
    *id = o->mask_id;
    if (*id != -1)
        return FST_OK;
    if (!o->tokenizer)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_pretrain_options.mask_id: expected an id, or a tokenizer that has a "
                         "mask token");
    *id = fst__tokenizer_special_id(o->tokenizer, FST_TOKEN_MASK);
    if (*id >= 0)
        return FST_OK;
    return fst__fail(FST_ERR_NOT_FOUND,
                     "fst_pretrain_options.tokenizer has no mask token, as [MASK] or <mask>; see "
                     "fst_tokenizer_add_tokens and fst_tokenizer_set_special_id, or set mask_id");
}

static bool knows_words(const fst_dataset *dataset)
{
    return !dataset || dataset->documents->tokens->continues;
}

static fst_status check(const fst_pretrain_options *o)
{
    int32_t vocabulary = o->model->config.vocabulary_size;
    int32_t ids = o->tokenizer ? fst__tokenizer_vocabulary_size(o->tokenizer) : 0;
    if (ids > vocabulary)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_pretrain_options.tokenizer has %d ids, the model's vocabulary_size is "
                         "%d",
                         (int)ids, (int)vocabulary);
    bool told = o->tokenizer || o->mask_flags || (knows_words(o->train) && knows_words(o->validation));
    if (o->whole_words && !told)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_pretrain_options.whole_words: expected a tokenizer, mask_flags or "
                         "datasets with word_continues, which say where words begin");
    if (o->mask_reserved != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_pretrain_options.mask_reserved: expected 0");
    return FST_OK;
}

/* Rows of the model's vocabulary that the tokenizer does not use are special: never drawn. */
static fst_status make_flags(const fst_pretrain_options *o, uint8_t **flags)
{
    size_t size = (size_t)o->model->config.vocabulary_size;
    *flags = fst__alloc_zero(&o->model->context->allocator, size);
    if (!*flags)
        return FST_ERR_NO_MEMORY;
    if (o->mask_flags) {
        memcpy(*flags, o->mask_flags, size);
    } else if (o->tokenizer) {
        memset(*flags, FST_TOKEN_IS_SPECIAL, size);
        fst__tokenizer_token_flags(o->tokenizer, *flags);
    }
    return FST_OK;
}

fst_status fst__pretrain_masking(const fst_pretrain_options *o, fst_mask_options *mask,
                                 uint8_t **flags)
{
    *flags = NULL;
    int32_t id;
    fst_status status = check(o);
    if (!status)
        status = find_mask(o, &id);
    if (!status)
        status = make_flags(o, flags);
    if (status)
        return status;
    *mask = fst__mask_defaults();
    mask->mask_probability = o->mask_probability;
    mask->mask_token_share = o->mask_token_share;
    mask->random_token_share = o->random_token_share;
    mask->whole_words = o->whole_words;
    mask->mask_id = id;
    mask->vocabulary_size = o->model->config.vocabulary_size;
    mask->flags = *flags;
    return FST_OK;
}
