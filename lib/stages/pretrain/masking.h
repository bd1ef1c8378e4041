/* What a pretraining run masks, from its options. */
#ifndef FST_STAGES_PRETRAIN_MASKING_H
#define FST_STAGES_PRETRAIN_MASKING_H

#include "data/mask.h"
#include "fourstage/pretrain.h"

/* Resolves mask_id and makes the flags of the model's vocabulary, which the caller frees by the
 * model's allocator; they are NULL on failure. The values are not checked yet. */
fst_status fst__pretrain_masking(const fst_pretrain_options *options, fst_mask_options *mask,
                                 uint8_t **flags);

#endif
