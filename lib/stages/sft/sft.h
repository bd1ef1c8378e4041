/* Stage two: finetuning on conversations, or of a head on labelled texts. */
#ifndef FST_STAGES_SFT_SFT_H
#define FST_STAGES_SFT_SFT_H

#include "data/dataset.h"
#include "fourstage/sft.h"
#include "stages/run.h"
#include "stages/steps.h"
#include "tensor/real.h"

fst_sft_options fst__sft_defaults(void);

/* Both are overlaid. */
fst_status fst__sft_create(const fst_sft_options *options, const fst_run_options *run_options,
                           fst_run **out);
fst_status fst__sft_confusion(const fst_run *run, int64_t *counts, int64_t capacity, int64_t *count);
fst_status fst__sft_predict(fst_model *model, const char *head, const fst_dataset *dataset,
                            int64_t rows, fst__real *outputs, int64_t capacity, int64_t *count);

fst_status fst__sft_tag(fst_model *model, const char *head, const fst_dataset *dataset, int64_t rows,
                        int32_t *tags, int64_t capacity, int64_t *count);
fst_status fst__sft_entities(const fst_run *run, bool strict, fst_entities **entities);

/* The options of its steps. */
fst__steps_options fst__sft_steps(const fst_sft_options *options);

#endif
