/* Sampling options: defaults and checks. */
#ifndef FST_MODEL_SAMPLING_H
#define FST_MODEL_SAMPLING_H

#include "fourstage/policy.h"

#include <stdbool.h>

fst_sampling_options fst__sampling_defaults(void);

/* Options are overlaid. FST_ERR_INVALID_ARGUMENT naming the field; FST_ERR_STATE for stop strings
 * without a tokenizer. */
fst_status fst__sampling_check(const fst_sampling_options *options, int32_t vocabulary,
                               bool has_tokenizer);

#endif
