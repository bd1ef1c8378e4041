/* Whether a stage's data go with its model. `what` names the dataset in errors. */
#ifndef FST_STAGES_DATA_CHECKS_H
#define FST_STAGES_DATA_CHECKS_H

#include "fourstage/examples.h"
#include "model/model.h"

/* How long the data are, as errors tell it. */
typedef struct fst__data_length {
    int64_t ids;
    const char *of;     /* "rows" or "a sequence" */
    const char *advice; /* what to do about longer ones, or "" */
} fst__data_length;

/* One context, no more ids in a sequence than the model has positions, no id that it lacks. length
 * NULL: what runs over these data cuts them itself. */
fst_status fst__data_check(const fst_model *model, const fst_dataset *dataset, const char *what,
                           const fst__data_length *length);

/* Preferences or labelled texts (kind, an FST_EXAMPLES_ value) that are not packed and pass
 * fst__data_check, and what is known of them. */
fst_status fst__data_check_examples(const fst_model *model, const fst_dataset *dataset,
                                    const char *what, int32_t kind, fst_examples_info *info);

#endif
