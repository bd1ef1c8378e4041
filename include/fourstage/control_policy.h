/*
 * Policies that act in environments: a model with the heads "policy" (parameters of a distribution
 * over the action space) and "value", and for Box actions "log_std"; running normalisation of
 * observations; the recent past where the model is a transformer. An fst_policy like text's: functions
 * on text refuse it with FST_ERR_STATE, and those here refuse text's.
 *
 * Distributions are those of actions.h: Discrete and MultiDiscrete are categoricals, MultiBinary
 * Bernoullis, Box a Gaussian whose log σ is a parameter that no observation changes. What is drawn from a
 * Gaussian is what is returned and trained on; environments clip it.
 *
 * Observations: Discrete and MultiDiscrete become one-hot, MultiBinary 0 and 1; a Box of bytes is
 * divided by 255; a Box of float32 is read as it is or, with normalize_observations, as
 * clip((x − mean) / √(variance + 1e-8), ±observation_clip), with the running mean and variance of each
 * element (as VecNormalize of Stable-Baselines3).
 *
 * Threads: one policy, and the model under it, from one thread at a time.
 */
#ifndef FOURSTAGE_CONTROL_POLICY_H
#define FOURSTAGE_CONTROL_POLICY_H

#include "fourstage/space.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_NETWORK_AUTO 0        /**< CNN for a Box of rank 3, else MLP. @since 0.1 */
#define FST_NETWORK_MLP 1         /**< fully connected layers. @since 0.1 */
#define FST_NETWORK_CNN 2         /**< convolutions over [channels, height, width]: FST_CNN_ATARI where height and width are at least 36, else FST_CNN_SMALL. @since 0.1 */
#define FST_NETWORK_TRANSFORMER 3 /**< attention over a window of the episode's last observations. @since 0.1 */

/** How a policy is made. @since 0.1 */
typedef struct fst_control_policy_options {
    size_t struct_size;                 /**< set by fst_control_policy_options_init */
    const fst_space *observation_space; /**< needed; copied with its arrays */
    const fst_space *action_space;      /**< needed; likewise. A Box must be of float32 */
    /** NULL (default): a model is made by the fields below. Else this one is used and kept alive, say a
     *  pretrained ResNet: its heads "policy", "value", "log_std", with those that it lacks added; which
     *  needs that no optimizer of it lives. The fields from network to orthogonal are then not read, but
     *  for window. */
    fst_model *model;
    int32_t network;                    /**< FST_NETWORK_ value; default FST_NETWORK_AUTO */
    int32_t shared;                     /**< 1: actor and critic are heads over one trunk; 0: each has a trunk of its own; −1 (default): 0 for an MLP, else 1. A transformer is always shared */
    int32_t layers;                     /**< MLP: hidden layers, 1 to 8; transformer: blocks; CNN: not read; 0 (default): 2 */
    int32_t width;                      /**< features of a layer; 0 (default): MLP and transformer 64, CNN's last layer 512 or (FST_CNN_SMALL) 128 */
    int32_t activation;                 /**< MLP, transformer: FST_ACTIVATION_ value; 0 (default): FST_ACTIVATION_TANH, transformer FST_ACTIVATION_GELU */
    int32_t window;                     /**< transformer: observations it sees, the present one among them, 1 to 4096; default 8; of a model that is given: at most its context_length */
    int32_t heads;                      /**< transformer: attention heads, divides width; default 4 */
    int32_t orthogonal;                 /**< 1 (default): weights begin orthogonal, times √2 in an MLP or CNN, policy_gain in the head "policy" and 1 in "value"; biases at 0. 0: normal, with the deviation 1/√(3·width) */
    double policy_gain;                 /**< default 0.01: at first all choices are about as likely */
    double initial_log_std;             /**< Box actions: log σ at first; default 0 */
    int32_t normalize_observations;     /**< 1: a Box of float32 is normalised by running statistics; default 0 */
    int32_t reserved;                   /**< 0 */
    double observation_clip;            /**< of normalised observations, > 0; default 10 */
} fst_control_policy_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_control_policy_options_init(fst_control_policy_options *options,
                                                   size_t size);

/**
 * Makes a policy, with a model of fresh weights unless one is given.
 *
 * @param context kept alive.
 * @param options the spaces are needed.
 * @param policy out: the caller owns it; given up with fst_policy_destroy.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_UNSUPPORTED (actions of a
 *         Box of bytes, a model that reads text); FST_ERR_MISMATCH (the model does not read such
 *         observations, or a head has another number of outputs); FST_ERR_STATE (the model lacks a head
 *         and has an optimizer); FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_policy_create_control(fst_context *context,
                                             const fst_control_policy_options *options,
                                             fst_policy **policy);

/** The model under a policy, text's too: for an optimizer, a custom loop. @param policy the policy.
 *  @param model out: borrowed while the policy lives. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_policy_get_model(fst_policy *policy, fst_model **model);

/** The space of its observations. @param policy the policy. @param space out; its arrays are borrowed
 *  while the policy lives. @param size sizeof *space. @return FST_OK, FST_ERR_STATE (a policy over text),
 *  FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_policy_observation_space(const fst_policy *policy, fst_space *space,
                                                size_t size);

/** The space of its actions. @param policy the policy. @param space out; its arrays are borrowed while
 *  the policy lives. @param size sizeof *space. @return FST_OK, FST_ERR_STATE (a policy over text),
 *  FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_policy_action_space(const fst_policy *policy, fst_space *space, size_t size);

/** How to act. @since 0.1 */
typedef struct fst_act_options {
    size_t struct_size;    /**< set by fst_act_options_init */
    int32_t deterministic; /**< 1: the most probable choice, the mean; 0 (default): drawn */
    int32_t reserved;      /**< 0 */
    int64_t seed;          /**< a draw is a function of (seed, step, row); default 0 */
    int64_t step;          /**< ≥ 0; count it up, or the same noise is drawn again; default 0 */
    const uint8_t *masks;  /**< [count, choices] 1 where a choice is allowed; NULL (default): all are */
    const uint8_t *begins; /**< transformer: [count] 1: the row's observation is an episode's first, what was before is forgotten; NULL (default): all go on */
} fst_act_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_act_options_init(fst_act_options *options, size_t size);

/**
 * Acts: one action for each observation. Allocates nothing once it was called with that count (or, but
 * for a transformer, with a larger one). A row of an MLP has the same bits whatever rows are beside it.
 * A transformer's rows are actors whose past the policy keeps: row i of one call goes on from row i of the
 * call before; another count begins with no past. Ends what the model held for a backward.
 *
 * @param policy the policy.
 * @param observations [count] values of the observation space.
 * @param count 1 to 1048576.
 * @param options NULL for defaults.
 * @param actions [count] values of the action space, written.
 * @param log_probabilities [count] of the actions, written. NULL: not wanted.
 * @param values [count] what the critic says of the observations, written. NULL: not wanted.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (an observation that is not finite or not of the space, a mask
 *         that allows nothing: the text names the row); FST_ERR_STATE (a policy over text);
 *         FST_ERR_NUMERIC (the model's outputs are no distribution); FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_policy_act(fst_policy *policy, const void *observations, int64_t count,
                                  const fst_act_options *options, void *actions,
                                  float *log_probabilities, float *values);

/** What was done, for fst_policy_evaluate. Arrays are borrowed for the call. @since 0.1 */
typedef struct fst_action_batch {
    size_t struct_size;       /**< set by fst_action_batch_init */
    int64_t count;            /**< rows, ≥ 1 */
    const void *observations; /**< [count] values of the observation space; of a transformer [count, window], a row's oldest first */
    const void *actions;      /**< [count] values of the action space */
    const uint8_t *masks;     /**< [count, choices] as at the time of acting; NULL: all allowed */
    const int32_t *lengths;   /**< transformer: [count] observations of each row that hold, 1 to window, the present one the last of them; NULL: window */
} fst_action_batch;

/** Zeroes the batch and sets struct_size. @param batch to fill. @param size sizeof *batch.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_action_batch_init(fst_action_batch *batch, size_t size);

/**
 * What actions are worth now: a training forward, without dropout; observations are normalised with the
 * present statistics. fst_policy_backward may follow, once.
 *
 * @param policy the policy.
 * @param batch observations and actions.
 * @param log_probabilities [count] written. NULL: not wanted.
 * @param entropies [count] of the distributions, written. NULL: not wanted.
 * @param values [count] written. NULL: not wanted.
 * @return as fst_policy_act; also for an action outside of its space or forbidden by its mask.
 * @since 0.1
 */
FST_API fst_status fst_policy_evaluate(fst_policy *policy, const fst_action_batch *batch,
                                       float *log_probabilities, float *entropies, float *values);

/**
 * Adds to the model's gradients those of the caller's objective, from its gradients with respect to what
 * the last fst_policy_evaluate gave.
 *
 * @param policy after fst_policy_evaluate.
 * @param d_log_probabilities [count]; NULL: 0. @param d_entropies [count]; NULL: 0.
 * @param d_values [count]; NULL: 0.
 * @return FST_OK; FST_ERR_STATE (no fst_policy_evaluate before it, or the model did something else in
 *         between; a policy over text); FST_ERR_INVALID_ARGUMENT (all are NULL); FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_policy_backward(fst_policy *policy, const float *d_log_probabilities,
                                       const float *d_entropies, const float *d_values);

/**
 * Takes observations into the running mean and variance (in parallel form: Chan, Golub and LeVeque,
 * "Updating formulae and a pairwise algorithm for computing sample variances", 1979), in double. Before
 * the first these are 0 and 1 with the weight of 1e-4 observations, as in Stable-Baselines3. Nothing
 * without normalize_observations.
 *
 * @param policy the policy.
 * @param observations [count] values of the observation space.
 * @param count ≥ 1.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT (a value that is not finite: the text names the row),
 *         FST_ERR_STATE (a policy over text).
 * @since 0.1
 */
FST_API fst_status fst_policy_update_normalizer(fst_policy *policy, const void *observations,
                                                int64_t count);

/**
 * Writes one safetensors file with all that acting needs: spaces, weights, statistics, and as JSON in its
 * metadata under "policy" what the network is. A file that exists is replaced whole or not at all. Of a
 * transformer's past nothing is written.
 *
 * @param policy the policy. @param path in the file system's own bytes.
 * @return FST_OK, FST_ERR_STATE (a policy over text), FST_ERR_UNSUPPORTED (the model has an adapter:
 *         merge it), FST_ERR_IO, FST_ERR_NO_MEMORY, FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_policy_save(const fst_policy *policy, const char *path);

/**
 * Reads what fst_policy_save wrote: a policy that acts with the same bits, over a model of its own, with
 * no optimizer.
 *
 * @param context kept alive. @param path in the file system's own bytes. @param policy out: the caller
 *        owns it.
 * @return FST_OK; FST_ERR_NOT_FOUND (no file); FST_ERR_IO; FST_ERR_FORMAT (no file of ours, or a torn one; a tensor that is missing
 *         or of another shape: the text names it); FST_ERR_NO_MEMORY; FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_policy_load(fst_context *context, const char *path, fst_policy **policy);

#ifdef __cplusplus
}
#endif

#endif
