/* An optimizer bound to the model whose parameters it updates. */
#ifndef FST_MODEL_OPTIMIZER_H
#define FST_MODEL_OPTIMIZER_H

#include "model/model.h"
#include "optim/optimizer.h"

struct fst_optimizer {
    _Atomic int64_t references;
    fst_model *model; /* held */
    fst__optimizer *optimizer;
};

/* Options are overlaid. */
fst_status fst__model_optimizer_create(fst_model *model, const fst_optimizer_options *options,
                                       fst_optimizer **out);

static inline fst_optimizer *fst__model_optimizer_retain(fst_optimizer *optimizer)
{
    atomic_fetch_add(&optimizer->references, 1);
    return optimizer;
}

void fst__model_optimizer_release(fst_optimizer *optimizer); /* takes NULL */

#endif
