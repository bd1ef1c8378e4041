#include "stages/pretrain/pretrain.h"

#include "stages/causal/causal.h"

fst_pretrain_options fst__pretrain_defaults(void)
{
    fst__steps_options steps = fst__steps_defaults();
    return (fst_pretrain_options){
        .struct_size = sizeof(fst_pretrain_options),
        .rows = 8,
        .accumulation = steps.accumulation,
        .shuffle = 1,
        .spike_warmup = steps.spike_warmup,
        .spike_patience = steps.spike_patience,
        .spike_rollbacks = steps.spike_rollbacks,
    };
}

static const fst__stage stage = {
    .name = "pretrain",
    .metrics = fst__causal_metrics,
    .metric_count = FST__CAUSAL_METRICS,
    .advance = fst__steps_advance,
    .evaluate = fst__causal_evaluate,
    .visit = fst__causal_visit,
    .restored = fst__steps_restored,
    .roll_back = fst__steps_roll_back,
    .micro_step = fst__steps_micro_step,
    .micro_steps = fst__steps_micro_steps,
    .memory = fst__causal_memory,
    .destroy = fst__causal_destroy,
};

fst_status fst__pretrain_create(const fst_pretrain_options *o, const fst_run_options *run_options,
                                fst_run **out)
{
    const fst__causal_options options = {
        .name = "fst_pretrain_options",
        .model = o->model,
        .optimizer = o->optimizer,
        .train = o->train,
        .validation = o->validation,
        .rows = o->rows,
        .evaluation_rows = o->evaluation_rows,
        .shuffle = o->shuffle,
        .label_smoothing = o->label_smoothing,
        .z_loss = o->z_loss,
        .steps = {
            .accumulation = o->accumulation,
            .spike_action = o->spike_action,
            .spike_loss_z = o->spike_loss_z,
            .spike_gradient_z = o->spike_gradient_z,
            .spike_warmup = o->spike_warmup,
            .spike_patience = o->spike_patience,
            .spike_rollbacks = o->spike_rollbacks,
        },
    };
    return fst__causal_create(&stage, &options, run_options, out);
}
