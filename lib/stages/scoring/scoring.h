/*
 * Anything that scores answers, behind one handle. What kinds of scorers share: a hold count, the
 * texts that are made of ids, the check of what came out. A kind is a table of functions over a
 * state of its own.
 */
#ifndef FST_STAGES_SCORING_SCORING_H
#define FST_STAGES_SCORING_SCORING_H

#include "base/context.h"
#include "fourstage/reward.h"
#include "fourstage/view.h"

#include <stdbool.h>

typedef struct fst__scorer {
    const char *name; /* for errors */
    /* `batch` has texts wherever need_texts said so and they could be made. */
    fst_status (*score)(fst_reward_model *reward_model, const fst_reward_batch *batch,
                        float *scores);
    /* Everything succeeded: running statistics become what they were counted up to. NULL: none. */
    void (*commit)(fst_reward_model *reward_model);
    void (*destroy)(fst_reward_model *reward_model); /* the state; takes NULL states */
} fst__scorer;

/* A named piece of a sum's running statistics. */
typedef struct fst__scorer_state {
    char *name;
    fst_view view;
} fst__scorer_state;

/* Texts made of ids: one block of bytes, pointers into it. */
typedef struct fst__made_texts {
    char *bytes;
    size_t byte_capacity;
    const char **texts; /* [capacity] */
    int64_t capacity;
} fst__made_texts;

struct fst_reward_model {
    _Atomic int64_t references;
    fst_context *context; /* held */
    const fst__scorer *scorer;
    void *state;              /* the kind's, owned */
    fst_tokenizer *tokenizer; /* held; NULL: none */
    bool needs_texts;         /* cannot do without the answer's text */
    bool wants_texts;         /* uses texts where there are any */
    bool frozen;              /* running statistics stay, by the caller's wish */
    int32_t held;             /* and while this is above 0, as in an evaluation */
    bool busy;

    fst_reward_model **members; /* [member_count] held */
    int64_t member_count;
    fst__scorer_state *states; /* its own and its members' */
    int64_t state_count;

    fst__made_texts prompt_texts, response_texts; /* each keeps its memory until more is needed */
};

/* A handle without a state yet; context and tokenizer (may be NULL) are retained. */
fst_status fst__scorer_create(fst_context *context, const fst__scorer *scorer,
                              fst_tokenizer *tokenizer, fst_reward_model **out);
fst_reward_model *fst__reward_model_retain(fst_reward_model *reward_model);
void fst__reward_model_release(fst_reward_model *reward_model); /* takes NULL */

/* As fst_reward_model_score; `batch` is overlaid. */
fst_status fst__reward_model_score(fst_reward_model *reward_model, const fst_reward_batch *batch,
                                   float *scores);
/* One member of a score in progress: without texts to make and without commit. */
fst_status fst__scorer_run(fst_reward_model *reward_model, const fst_reward_batch *batch,
                           float *scores);

/* The first tokenizer in the tree; NULL: none. */
fst_tokenizer *fst__reward_model_tokenizer(const fst_reward_model *reward_model);

void fst__reward_model_freeze(fst_reward_model *reward_model, bool frozen);
/* Running statistics stay from one to the other, here and in all members; what the caller froze is not
 * touched. */
void fst__reward_model_hold(fst_reward_model *reward_model);
void fst__reward_model_let_go(fst_reward_model *reward_model);

/* The running statistics as named views of the live memory, for checkpoints; none for a handle
 * without sums that normalise. Names live as long as the handle. */
int64_t fst__reward_model_state_count(const fst_reward_model *reward_model);
void fst__reward_model_state(fst_reward_model *reward_model, int64_t index, const char **name,
                             fst_view *view);

/* ---- the kinds; options are overlaid ---- */

fst_reward_callback_options fst__reward_callback_defaults(void);
fst_reward_rule_options fst__reward_rule_defaults(void);
fst_reward_head_options fst__reward_head_defaults(void);
fst_reward_combine_options fst__reward_combine_defaults(void);

fst_status fst__reward_model_from_callback(fst_context *context, fst_reward_callback callback,
                                           void *user, const fst_reward_callback_options *options,
                                           fst_reward_model **out);
fst_status fst__reward_model_from_rule(fst_context *context, const fst_reward_rule_options *options,
                                       fst_reward_model **out);
fst_status fst__reward_model_from_model(fst_model *model, fst_tokenizer *tokenizer,
                                        const fst_reward_head_options *options,
                                        fst_reward_model **out);
fst_status fst__reward_model_combine(fst_context *context, fst_reward_model *const *members,
                                     const double *weights, int64_t count,
                                     const fst_reward_combine_options *options,
                                     fst_reward_model **out);
/* Checked: a sum, and the member is there. NULL with *count 0 before the first score. */
const float *fst__reward_model_member_scores(const fst_reward_model *reward_model, int64_t member,
                                             int64_t *count);

#endif
