#include "stages/pretrain/pretrain.h"

#include "base/error.h"
#include "model/model.h"
#include "stages/language/language.h"
#include "stages/pretrain/masking.h"

fst_pretrain_options fst__pretrain_defaults(void)
{
    fst__steps_options steps = fst__steps_defaults();
    fst_mask_options mask = fst__mask_defaults();
    return (fst_pretrain_options){
        .struct_size = sizeof(fst_pretrain_options),
        .rows = 8,
        .accumulation = steps.accumulation,
        .shuffle = 1,
        .spike_warmup = steps.spike_warmup,
        .spike_patience = steps.spike_patience,
        .spike_rollbacks = steps.spike_rollbacks,
        .mask_probability = mask.mask_probability,
        .mask_token_share = mask.mask_token_share,
        .random_token_share = mask.random_token_share,
        .mask_id = mask.mask_id,
    };
}

static const fst__stage next_token = {
    .name = "pretrain",
    .metrics = fst__language_metrics,
    .metric_count = FST__LANGUAGE_METRICS,
    .advance = fst__steps_advance,
    .evaluate = fst__language_evaluate,
    .visit = fst__language_visit,
    .restored = fst__steps_restored,
    .roll_back = fst__steps_roll_back,
    .micro_step = fst__steps_micro_step,
    .micro_steps = fst__steps_micro_steps,
    .memory = fst__language_memory,
    .destroy = fst__language_destroy,
};

static const fst__stage masked = {
    .name = "pretrain_masked",
    .metrics = fst__language_masked_metrics,
    .metric_count = FST__LANGUAGE_MASKED_METRICS,
    .advance = fst__steps_advance,
    .evaluate = fst__language_evaluate,
    .visit = fst__language_visit,
    .restored = fst__steps_restored,
    .roll_back = fst__steps_roll_back,
    .micro_step = fst__steps_micro_step,
    .micro_steps = fst__steps_micro_steps,
    .memory = fst__language_memory,
    .destroy = fst__language_destroy,
};

fst_status fst__pretrain_create(const fst_pretrain_options *o, const fst_run_options *run_options,
                                fst_run **out)
{
    fst__language_options options = {
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
        .masked = o->objective == FST_PRETRAIN_MASKED,
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
    if (o->objective < FST_PRETRAIN_CAUSAL || o->objective > FST_PRETRAIN_MASKED)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_pretrain_options.objective: expected an FST_PRETRAIN_ value");
    if (!options.masked || !o->model)
        return fst__language_create(&next_token, &options, run_options, out);
    uint8_t *flags;
    fst_context *context = o->model->context;
    fst_status status = fst__pretrain_masking(o, &options.mask, &flags);
    if (!status)
        status = fst__language_create(&masked, &options, run_options, out);
    fst__free(&context->allocator, flags);
    return status;
}
