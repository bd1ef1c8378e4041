/* Stage one: predicting next or masked tokens over a packed dataset. */
#ifndef FST_STAGES_PRETRAIN_PRETRAIN_H
#define FST_STAGES_PRETRAIN_PRETRAIN_H

#include "fourstage/pretrain.h"

fst_pretrain_options fst__pretrain_defaults(void);

/* Both are overlaid. */
fst_status fst__pretrain_create(const fst_pretrain_options *options, const fst_run_options *run_options,
                                fst_run **out);

#endif
