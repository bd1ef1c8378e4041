/* A step: the batch is one, whatever passes through the model at once. */
#include "base/error.h"
#include "stages/contrastive/contrastive.h"

#include <inttypes.h>

static double whole(fst_run *run)
{
    (void)run;
    return 1;
}

static fst__chunk_pass pass_of(const fst__contrastive *c, int64_t chunk)
{
    return (fst__chunk_pass){
        .dataset = c->train,
        .indices = c->indices,
        .rows = c->options.rows,
        .chunk = chunk,
        .training = true,
        .step = c->steps.position * c->chunks + chunk,
        .draw = fst__steps_first(&c->steps, c->steps.position) * c->views,
    };
}

/* Embeddings of all chunks, of which the last is still in the model. */
static fst_status embed(fst_run *run)
{
    fst__contrastive *c = fst__contrastive_of(run);
    c->tokens = 0;
    for (int64_t chunk = 0; chunk < c->chunks; ++chunk) {
        fst__chunk_pass pass = pass_of(c, chunk);
        if (chunk > 0 && fst__run_cancelled(run))
            return FST_STOPPED;
        fst_status status = fst__chunk_forward(c, &pass, &c->tokens);
        if (status)
            return status;
        fst__chunk_put(c, &pass, c->z);
    }
    return FST_OK;
}

/* The chunk's part of the gradient; `again`: its activations are those of another chunk by now. */
static fst_status backward(fst__contrastive *c, int64_t chunk, bool again)
{
    fst__chunk_pass pass = pass_of(c, chunk);
    fst_status status = FST_OK;
    if (again)
        status = fst__chunk_forward(c, &pass, NULL);
    if (!status && again && !fst__chunk_same(c, &pass, c->z))
        return fst__fail(FST_ERR_INTERNAL,
                         "chunk %" PRId64 " of the batch has other embeddings the second time",
                         chunk);
    if (status)
        return status;
    int64_t rows = fst__chunk_examples(c, pass.rows, chunk) * c->views;
    fst__chunk_take(c, &pass, c->dz);
    status = fst__embedding_add_gradient(&c->embedding, rows, c->rows);
    return status ? status : fst__model_backward(c->steps.training.model);
}

static fst_status embed_and_backward(fst_run *run)
{
    fst__contrastive *c = fst__contrastive_of(run);
    fst_status status = embed(run);
    if (!status)
        status = fst__contrastive_objective(c, c->options.rows, true, &c->found);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&c->steps.training, status);
    if (c->chunks > 1) /* the forwards that count are still to come */
        fst__kept_buffers_put_back(&c->kept, c->steps.training.model);
    for (int64_t chunk = 0; chunk < c->chunks && !status; ++chunk) {
        if (chunk > 0 && fst__run_cancelled(run))
            return FST_STOPPED;
        status = backward(c, chunk, c->chunks > 1);
    }
    return status;
}

static fst_status micro_batch(fst_run *run)
{
    fst__contrastive *c = fst__contrastive_of(run);
    fst_model *model = c->steps.training.model;
    fst__examples_order(c->train, fst__steps_first(&c->steps, c->steps.position), c->options.rows,
                        c->options.shuffle, c->indices);
    fst__kept_buffers_take(&c->kept, model);
    fst_status status = embed_and_backward(run);
    if (status) /* as before the step */
        fst__kept_buffers_put_back(&c->kept, model);
    return status;
}

static double mean_loss(const fst_run *run)
{
    return fst__contrastive_of(run)->found.loss;
}

static void close_step(fst_run *run, const fst_optimizer_report *report)
{
    const fst__contrastive *c = fst__contrastive_of(run);
    double *m = run->metrics, examples = (double)c->train->documents->examples->count;
    run->tokens += c->tokens;
    m[FST__METRIC_LOSS] = c->found.loss;
    m[FST__CONTRASTIVE_ACCURACY] = c->found.accuracy;
    m[FST__CONTRASTIVE_ALIGNMENT] = c->found.alignment;
    m[FST__CONTRASTIVE_UNIFORMITY] = c->found.uniformity;
    m[FST__CONTRASTIVE_TOKENS] = (double)c->tokens;
    m[FST__METRIC_LEARNING_RATE] = report->learning_rate;
    m[FST__METRIC_GRADIENT_NORM] = report->gradient_norm;
    m[FST__CONTRASTIVE_CLIP_FACTOR] = report->clip_factor;
    m[FST__CONTRASTIVE_EPOCH] = (double)fst__steps_first(&c->steps, c->steps.position) / examples;
    m[FST__CONTRASTIVE_SPIKES] = (double)c->steps.spikes;
    m[FST__CONTRASTIVE_ROLLBACKS] = (double)c->steps.rollbacks;
}

static void clear(fst_run *run)
{
    fst__contrastive *c = fst__contrastive_of(run);
    c->found = (fst_contrastive_loss){.struct_size = sizeof c->found};
    c->tokens = 0;
}

const fst__steps_work fst__contrastive_work = {
    .divisor = whole,
    .micro_batch = micro_batch,
    .loss = mean_loss,
    .close = close_step,
    .clear = clear,
    .unit = "examples",
};
