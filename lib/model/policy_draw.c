#include "model/policy_draw.h"

#include "base/error.h"
#include "model/policy_memory.h"

#include <stdio.h>

enum { TEXT_SIZE = 512 };

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
