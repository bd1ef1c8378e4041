/* A policy of either kind. Over text: sampling of many sequences at once, and what came of them. */
#ifndef FST_MODEL_POLICY_H
#define FST_MODEL_POLICY_H

#include "base/text.h"
#include "fourstage/policy.h"
#include "model/decode.h"
#include "model/sampler.h"

typedef struct fst__sequence {
    /* Parts of the policy's blocks. */
    int32_t *ids;              /* [limit] drawn */
    double *log_probabilities; /* [limit] */
    unsigned char *kept;       /* [limit, ⌈vocabulary/8⌉]; only where they are recorded */
    int64_t count, limit;
    uint64_t seed;
    fst__text text;           /* of the ids drawn */
    size_t reported;          /* bytes of it the callback has seen */
    int32_t *counts;          /* [vocabulary] of the output; only with penalties */
    unsigned char *in_prompt; /* [vocabulary]; only with penalties */
    int32_t finish;
    bool done;
} fst__sequence;

/* A token to be drawn: whose, and which row of the logits says from what. */
typedef struct fst__draw {
    int64_t sequence, row;
} fst__draw;

/* What a generate takes. */
typedef struct fst__policy_need {
    int64_t sequences;
    int64_t positions;  /* most ids of a prompt and its answer */
    int64_t new_tokens; /* most of an answer */
    bool kept, penalties;
} fst__policy_need;

/* Prompt tokens of one forward: bounds its memory, and is enough to keep the products busy. */
enum { FST__PROMPT_BUDGET = 2048 };

struct fst_policy {
    _Atomic int64_t references;
    fst_model *model;
    struct fst__control_policy *control; /* control_policy.h; NULL: a policy over text, as all below is for */
    fst_tokenizer *tokenizer; /* or NULL */
    bool busy;                /* a generate is in progress */
    fst__sequence *sequences;
    int64_t sequence_count; /* of the last generate */

    /* policy_memory.h: room for so much; blocks that the sequences share. */
    fst__policy_need room;
    int64_t bytes;
    fst__kv_cache cache;
    fst__sampler *samplers; /* one for each worker */
    int32_t sampler_count;
    fst__real *logits;         /* [sequences, vocabulary] */
    int32_t *step_ids;         /* ids of the forward to come */
    int32_t *step_counts;      /* [sequences] */
    fst__draw *draws;          /* [sequences] of the forward just done */
    int32_t *ids;              /* [sequences, new_tokens] */
    double *log_probabilities; /* likewise */
    unsigned char *kept;       /* [sequences, new_tokens, kept row] */
    int32_t *counts;           /* [sequences, vocabulary] */
    unsigned char *in_prompt;  /* likewise */
};

fst_status fst__policy_create(fst_model *model, fst_tokenizer *tokenizer, fst_policy **out);
void fst__policy_release(fst_policy *policy); /* takes NULL */

/* FST_ERR_STATE, and the text, unless it is over text. */
fst_status fst__policy_check_text(const fst_policy *policy, const char *function);

/* Options are validated by the caller. */
fst_status fst__policy_generate(fst_policy *policy, const int32_t *const *prompts,
                                const int64_t *lengths, int64_t count,
                                const fst_sampling_options *options, fst_token_callback callback,
                                void *user);
fst_status fst__policy_generate_text(fst_policy *policy, const char *const *texts,
                                     const size_t *lengths, int64_t count,
                                     const fst_sampling_options *options,
                                     fst_token_callback callback, void *user);

#endif
