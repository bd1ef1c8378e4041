/* The caller's own function. */
#include "stages/scoring/scoring.h"

#include "base/error.h"

typedef struct callback_state {
    fst_reward_callback callback;
    void *user;
    void (*release)(void *user);
} callback_state;

fst_reward_callback_options fst__reward_callback_defaults(void)
{
    return (fst_reward_callback_options){
        .struct_size = sizeof(fst_reward_callback_options),
        .texts = 1,
    };
}

static fst_status score(fst_reward_model *reward_model, const fst_reward_batch *batch, float *scores)
{
    const callback_state *state = reward_model->state;
    /* A score that was forgotten is found. */
    for (int64_t i = 0; i < batch->count; ++i)
        scores[i] = __builtin_nanf("");
    return state->callback(batch, scores, state->user);
}

static void destroy(fst_reward_model *reward_model)
{
    callback_state *state = reward_model->state;
    if (!state)
        return;
    if (state->release)
        state->release(state->user);
    fst__free(&reward_model->context->allocator, state);
}

static const fst__scorer callback_scorer = {
    .name = "reward callback",
    .score = score,
    .destroy = destroy,
};

fst_status fst__reward_model_from_callback(fst_context *context, fst_reward_callback callback,
                                           void *user, const fst_reward_callback_options *options,
                                           fst_reward_model **out)
{
    if (options->texts != 0 && options->texts != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_reward_callback_options.texts is %d, expected 0 or 1",
                         (int)options->texts);
    fst_reward_model *rm;
    fst_status status = fst__scorer_create(context, &callback_scorer, options->tokenizer, &rm);
    if (status)
        return status;
    callback_state *state = fst__alloc(&context->allocator, sizeof *state);
    if (!state) {
        fst__reward_model_release(rm);
        return FST_ERR_NO_MEMORY;
    }
    *state = (callback_state){callback, user, options->release};
    rm->state = state;
    rm->wants_texts = options->texts;
    *out = rm;
    return FST_OK;
}
