/*
 * The names of all handles, so that any header may mention one without including its functions.
 *
 * Threads: declarations only.
 */
#ifndef FOURSTAGE_TYPES_H
#define FOURSTAGE_TYPES_H

#include "fourstage/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Allocator, thread pool, log sink and seed; see context.h. @since 0.1 */
typedef struct fst_context fst_context;
/** Text to ids and back; see tokenizer.h. @since 0.1 */
typedef struct fst_tokenizer fst_tokenizer;
/** Examples of one kind; see dataset.h. @since 0.1 */
typedef struct fst_dataset fst_dataset;
/** A backbone with its heads, weights and gradients; see model.h. @since 0.1 */
typedef struct fst_model fst_model;
/** Moments, schedule and clipping; see optimizer.h. @since 0.1 */
typedef struct fst_optimizer fst_optimizer;
/** Anything that scores. @since 0.1 */
typedef struct fst_reward_model fst_reward_model;
/** A model that acts. @since 0.1 */
typedef struct fst_policy fst_policy;
/** A batch of environments. @since 0.1 */
typedef struct fst_env fst_env;
/** One stage in progress. @since 0.1 */
typedef struct fst_run fst_run;

#ifdef __cplusplus
}
#endif

#endif
