/*
 * The opaque handles, one per noun. Every handle is made by an fst_<noun>_create, load or train
 * call and given up with fst_<noun>_destroy, which takes NULL. Handles keep what they use alive, so
 * they may be destroyed in any order.
 */
#ifndef FOURSTAGE_TYPES_H
#define FOURSTAGE_TYPES_H

#include "fourstage/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Allocator, thread pool, log sink, seed. @since 0.1 */
typedef struct fst_context fst_context;
/** Text to ids and back. @since 0.1 */
typedef struct fst_tokenizer fst_tokenizer;
/** Examples of one kind. @since 0.1 */
typedef struct fst_dataset fst_dataset;
/** A backbone, its heads, weights and gradients. @since 0.1 */
typedef struct fst_model fst_model;
/** Parameter groups, moments, schedule, clipping. @since 0.1 */
typedef struct fst_optimizer fst_optimizer;
/** Counts entities in sequences of tags, true and predicted ones. @since 0.1 */
typedef struct fst_entities fst_entities;
/** A model that acts: samples tokens. @since 0.1 */
typedef struct fst_policy fst_policy;
/** Anything that scores answers: a model with a score head, a callback, a rule, or a sum of these. @since 0.1 */
typedef struct fst_reward_model fst_reward_model;
/** A batch of environments, stepped together. @since 0.1 */
typedef struct fst_env fst_env;
/** One stage in progress. @since 0.1 */
typedef struct fst_run fst_run;

#ifdef __cplusplus
}
#endif

#endif
