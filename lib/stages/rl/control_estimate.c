/* From steps to advantages. */
#include "stages/rl/control.h"

#include "base/error.h"

#include <string.h>

/* Without a value loss, values mean nothing: whole returns are left. */
static void forget_values(fst__play *play)
{
    size_t steps = (size_t)fst__play_steps(play) * sizeof(fst__real);
    memset(play->rollout.values, 0, steps);
    memset(play->experience.truncation_values, 0, steps);
    memset(play->experience.final_values, 0, (size_t)play->games.count * sizeof(fst__real));
}

fst_status fst__play_estimate(fst__play *play)
{
    fst__experience *x = &play->experience;
    fst__rollout *r = &play->rollout;
    const int32_t *lengths;
    const void *rows = fst__play_present(play, &lengths);
    fst_status status = fst__control_act(play->policy, rows, lengths, NULL, play->games.count, NULL,
                                         NULL, NULL, x->final_values);
    if (!status && play->options.value_coefficient == 0)
        forget_values(play);
    const fst_gae_options gae = {.struct_size = sizeof gae, .gamma = play->options.gamma,
                                 .lambda = play->options.lambda};
    if (!status)
        status = fst__advantages_gae(&gae, &r->layout, r->rewards, r->values, x->final_values,
                                     x->terminated, x->truncated, x->truncation_values,
                                     r->advantages, r->returns);
    if (status) { /* nothing can be learned from these steps, now or later */
        fst__play_rewind(play);
        return fst__fail_in(status, "the steps of this iteration are dropped");
    }
    play->explained_variance = fst__rollout_explained_variance(r);
    play->estimated = 1;
    play->pieces = 0;
    play->sums = (fst__update_sums){0};
    return FST_OK;
}

fst_status fst__play_recompute(fst__play *play, int64_t index)
{
    fst__play_batch *b = &play->batch;
    fst__play_gather(play, play->iteration * play->options.epochs, index);
    const fst__control_steps steps = {.rows = b->rows, .lengths = b->lengths, .actions = b->actions,
                                      .masks = play->masked ? b->masks : NULL, .count = b->count};
    fst_status status = fst__control_evaluate(play->policy, &steps, true, b->log_probabilities, NULL, NULL);
    for (int64_t i = 0; i < b->count && !status; ++i)
        play->rollout.log_probabilities[b->steps[i]] = b->log_probabilities[i];
    return status;
}
