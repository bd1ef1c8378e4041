#include "model/policy_draw.h"

#include "base/error.h"
#include "kernels/compute.h"

#include <stdio.h>

enum { TEXT_SIZE = 512 };

size_t fst__policy_kept_row(const fst_policy *policy)
{
    return ((size_t)policy->model->config.vocabulary_size + 7) / 8;
}

fst_status fst__policy_create_samplers(fst_policy *policy)
{
    fst_context *context = policy->model->context;
    int32_t workers = fst__pool_workers(context->pool);
    policy->samplers =
        fst__alloc_zero(&context->allocator, (size_t)workers * sizeof *policy->samplers);
    if (!policy->samplers)
        return FST_ERR_NO_MEMORY;
    policy->sampler_count = workers;
    fst_status status = FST_OK;
    for (int32_t i = 0; i < workers && !status; ++i)
        status = fst__sampler_create(&context->allocator, context->compute->kernels,
                                     policy->model->config.vocabulary_size, &policy->samplers[i]);
    return status;
}

void fst__policy_destroy_samplers(fst_policy *policy)
{
    for (int32_t i = 0; i < policy->sampler_count; ++i)
        fst__sampler_destroy(&policy->samplers[i]);
    fst__free(&policy->model->context->allocator, policy->samplers);
    policy->samplers = NULL;
    policy->sampler_count = 0;
}

typedef struct drawing {
    fst_policy *policy;
    const fst_sampling_options *options;
    _Atomic fst_status status;
    char text[TEXT_SIZE]; /* of the draw that failed first, from its thread */
} drawing;

static void draw_one(void *context, int64_t index, int32_t worker)
{
    drawing *job = context;
    fst_policy *policy = job->policy;
    const fst__draw *draw = &policy->draws[index];
    fst__sequence *s = &policy->sequences[draw->sequence];
    fst__history history = {s->counts, s->in_prompt};
    fst__real *logits = policy->logits + draw->row * policy->model->config.vocabulary_size;
    unsigned char *kept =
        s->kept ? s->kept + (size_t)s->count * fst__policy_kept_row(policy) : NULL;
    fst_status status = fst__sampler_draw(&policy->samplers[worker], job->options, &history, logits,
                                          s->seed, (uint64_t)s->count, kept, &s->ids[s->count],
                                          &s->log_probabilities[s->count]);
    if (status == FST_OK)
        return;
    fst_status none = FST_OK;
    if (atomic_compare_exchange_strong(&job->status, &none, status))
        snprintf(job->text, sizeof job->text, "sequence %lld: %s", (long long)draw->sequence,
                 fst__error_text());
}

fst_status fst__policy_draw(fst_policy *policy, int64_t count, const fst_sampling_options *options)
{
    drawing job = {.policy = policy, .options = options, .status = FST_OK};
    fst__pool_run(policy->model->context->pool, count, draw_one, &job);
    return job.status ? fst__fail(job.status, "%s", job.text) : FST_OK;
}
