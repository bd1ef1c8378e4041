/* What a checkpoint of this stage holds, and what comes back from one. */
#include "stages/rl/dpo.h"

#include <stddef.h>

/* Positions in the data mean something only over the same examples. */
static const fst__setting data_settings[] = {
    {"examples", offsetof(fst_examples_info, examples), FST__SETTING_I64, 1},
    {"sequences", offsetof(fst_examples_info, sequences), FST__SETTING_I64, 1},
    {"tokens", offsetof(fst_examples_info, tokens), FST__SETTING_I64, 1},
    {"trained_tokens", offsetof(fst_examples_info, trained_tokens), FST__SETTING_I64, 1},
    {"longest", offsetof(fst_examples_info, longest), FST__SETTING_I64, 1},
};

static const fst__setting step_settings[] = {
    {"kind", offsetof(fst_dpo_options, kind), FST__SETTING_I32, 1},
    {"reference", offsetof(fst_dpo_options, reference), FST__SETTING_I32, 1},
    {"rows", offsetof(fst_dpo_options, rows), FST__SETTING_I64, 1},
    {"accumulation", offsetof(fst_dpo_options, accumulation), FST__SETTING_I64, 1},
    {"shuffle", offsetof(fst_dpo_options, shuffle), FST__SETTING_I32, 1},
    {"dropout", offsetof(fst_dpo_options, dropout), FST__SETTING_I32, 0},
    {"beta", offsetof(fst_dpo_options, beta), FST__SETTING_F64, 0},
    {"label_smoothing", offsetof(fst_dpo_options, label_smoothing), FST__SETTING_F64, 0},
    {"desirable_weight", offsetof(fst_dpo_options, desirable_weight), FST__SETTING_F64, 0},
    {"undesirable_weight", offsetof(fst_dpo_options, undesirable_weight), FST__SETTING_F64, 0},
    {"sft", offsetof(fst_dpo_options, sft), FST__SETTING_F64, 0},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The copy was made of weights that a program which goes on may not have any more. */
static void visit_copy(fst__dpo *dpo, fst__visitor *visitor)
{
    const fst__parameters *parameters = &dpo->reference->parameters;
    for (int64_t i = 0; i < parameters->count; ++i) {
        const fst__parameter *p = &parameters->items[i];
        fst_view view;
        if (fst_model_parameter(dpo->reference, p->name, &view) == FST_OK)
            fst__visit_view(visitor, "reference", p->name, &view);
    }
}

void fst__dpo_visit(fst_run *run, fst__visitor *visitor)
{
    fst__dpo *d = fst__dpo_of(run);
    fst__visit_settings(visitor, "data", data_settings, COUNT(data_settings), &d->train_info);
    fst__visit_settings(visitor, "dpo", step_settings, COUNT(step_settings), &d->options);
    fst__visit_setting_text(visitor, "dpo.reference_weights", d->reference_sum, 1);
    fst__visit_i64(visitor, "dpo", "position", &d->position, 0,
                   FST__COUNTER_MOST / d->options.rows);
    int64_t micro_step = fst__visit_i64(visitor, "dpo", "micro_step", &d->micro_step, 0,
                                        d->options.accumulation - 1);
    fst__visit_doubles(visitor, "dpo", "sums", &d->sums.pairs, FST__DPO_SUMS);
    fst__training_visit(&d->training, visitor, micro_step > 0);
    if (d->options.reference == FST_REFERENCE_COPY)
        visit_copy(d, visitor);
}

void fst__dpo_restored(fst_run *run)
{
    fst__dpo *dpo = fst__dpo_of(run);
    fst__training_restored(&dpo->training);
    if (dpo->options.reference == FST_REFERENCE_COPY)
        fst__parameters_refresh_working(&dpo->reference->parameters, dpo->context->compute);
}
