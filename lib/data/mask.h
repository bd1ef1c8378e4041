/* Masked language modelling's inputs and targets: a function of (seed, draw, place) alone. */
#ifndef FST_DATA_MASK_H
#define FST_DATA_MASK_H

#include "base/context.h"
#include "fourstage/masking.h"

fst_mask_options fst__mask_defaults(void);

/* Values and their fit; `name` stands before the fields in errors. */
fst_status fst__mask_check(const fst_mask_options *options, const char *name);

/* Draws of validation data begin here, behind all that training may come to. */
#define FST__MASK_VALIDATION ((int64_t)1 << 55)
#define FST__MASK_DRAWS ((int64_t)1 << 56)

/* Checked options, ids below vocabulary_size, draw + rows within FST__MASK_DRAWS. */
void fst__mask_rows(const fst_context *context, const fst_mask_options *options, const int32_t *ids,
                    int64_t rows, int64_t length, int64_t draw, int32_t *masked, int32_t *targets);

#endif
