/*
 * Environments: a batch of them stepped together; built in, or the caller's callbacks. The semantics are
 * Gymnasium's: terminated (the task has ended, nothing follows) is not truncated (cut short, a value follows).
 *
 * Auto-reset happens in the step that ended an episode: `observations` then holds the new episode's first
 * observation and `final_observations` the last one of the episode that ended.
 *
 * Seeds: the k-th episode of environment e begins with a seed that is a function of (the seed of fst_env_reset,
 * e, k) and of nothing else; what a built-in environment draws in a step is a function of that seed and the number of the
 * step. So the batch gives the same bits for any number of threads, and so does one whose state was put back.
 *
 * Errors: a callback's negative value is handed back as it is. What a callback writes is checked: a reward or an
 * observation that is not finite is FST_ERR_NUMERIC; an observation outside of its space, a flag that is not 0 or 1, a
 * mask that allows nothing are FST_ERR_INVALID_ARGUMENT. The text names the environment by index, the episode and the
 * step. After either, only fst_env_reset is allowed (FST_ERR_STATE). Actions are checked before anything is stepped: a
 * refused action changes nothing.
 *
 * Threads: one fst_env from one thread at a time. Callbacks run on the calling thread, and an environment whose
 * callback is running answers FST_ERR_BUSY; built-in environments are stepped by the context's threads where that pays.
 */
#ifndef FOURSTAGE_ENV_H
#define FOURSTAGE_ENV_H

#include "fourstage/space.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the caller's own environments ---- */

/**
 * What a callback reads and writes. Arrays have a row for every environment of the batch; a call touches the rows
 * of its indices alone. Rows keep what the callback wrote there last. @since 0.1 */
typedef struct fst_env_call {
    size_t struct_size;     /**< size of this struct in the library */
    int64_t count;          /**< environments of this call */
    const int64_t *indices; /**< [count] which, ascending */
    const int64_t *seeds;   /**< reset: [count] the episode's seed, 0 ≤ seed < 2^53; step: NULL */
    const void *actions;    /**< step: [environments] values of the action space, checked and clipped; reset: NULL */
    void *observations;     /**< [environments] values of the observation space: the callback writes */
    double *rewards;        /**< step: [environments], written; 0 before the call; reset: NULL */
    uint8_t *terminated;    /**< step: [environments] 1: the episode has ended; 0 before the call; reset: NULL */
    uint8_t *truncated;     /**< step: [environments] 1: the episode was cut short; 0 before the call; reset: NULL */
    uint8_t *masks;         /**< with fst_env_options.masked: [environments, choices] 1 where a choice is allowed now; all 1 before the call; else NULL */
    uint8_t *players;       /**< with two players: [environments] who moves next, 0 or 1; 0 before the call; else NULL */
} fst_env_call;

/**
 * Begins episodes, or takes a step. @return 0: done; < 0: the call that led here returns that value; > 0: it returns
 * FST_STOPPED, and a step counts as not taken: the callback must not have changed its environments. @since 0.1 */
typedef int32_t (*fst_env_callback)(const fst_env_call *call, void *user);

/** Writes the state of an environment, fst_env_options.state_bytes. @return 0, or < 0, which the call that led here
 *  returns. @since 0.1 */
typedef int32_t (*fst_env_save_callback)(int64_t index, void *state, void *user);

/** Takes up a state that the save callback wrote. @return as fst_env_save_callback. @since 0.1 */
typedef int32_t (*fst_env_load_callback)(int64_t index, const void *state, void *user);

/**
 * Draws an environment: at most `capacity` bytes of UTF-8 into `text`, and into *length how many there are to write; it
 * is called again with more room where they are more. @return as fst_env_save_callback. @since 0.1 */
typedef int32_t (*fst_env_render_callback)(int64_t index, int32_t format, char *text, size_t capacity,
                                           size_t *length, void *user);

/** Options of fst_env_create. @since 0.1 */
typedef struct fst_env_options {
    size_t struct_size;                 /**< set by fst_env_options_init */
    const char *name;                   /**< for error texts; copied; NULL (default): "environment" */
    int64_t count;                      /**< environments of the batch, ≥ 1; default 1 */
    const fst_space *observation_space; /**< copied; needed */
    const fst_space *action_space;      /**< copied; needed */
    fst_env_callback reset;             /**< begins episodes; needed */
    fst_env_callback step;              /**< takes a step; needed */
    fst_env_save_callback save;         /**< with state_bytes; default NULL */
    fst_env_load_callback load;         /**< with state_bytes; default NULL */
    fst_env_render_callback render;     /**< NULL (default): the environment cannot be drawn */
    void (*destroy)(void *user);        /**< called once when the handle's last holder is gone; NULL (default): nothing to do */
    void *user;                         /**< handed to all of them */
    int64_t state_bytes;                /**< of one environment's state; 0 (default): it cannot be saved, and a run that is resumed begins new episodes */
    int64_t max_steps;                  /**< an episode is truncated after so many steps; 0 (default): never */
    int32_t masked;                     /**< 1: callbacks write masks of allowed choices; default 0 */
    int32_t players;                    /**< 1 (default); 2: a game in turns, whose rewards are of the player who has just moved and count negative for the other one */
    int32_t auto_reset;                 /**< 1 (default): the step that ends an episode begins the next; 0: fst_env_reset_some does */
    int32_t reserved;                   /**< 0 */
} fst_env_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_env_options_init(fst_env_options *options, size_t size);

/**
 * A batch of the caller's own environments. No episode begins before fst_env_reset.
 *
 * @param context kept alive.
 * @param options callbacks and spaces.
 * @param env out: the caller owns it. Where the call fails, options.destroy is not called.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT naming the field; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_env_create(fst_context *context, const fst_env_options *options, fst_env **env);

/* ---- built in ---- */

/** Options of fst_env_make; each environment reads what it knows. @since 0.1 */
typedef struct fst_env_make_options {
    size_t struct_size; /**< set by fst_env_make_options_init */
    int64_t count;      /**< environments of the batch, ≥ 1; default 1 */
    int64_t max_steps;  /**< an episode is truncated after so many steps; 0: never; −1 (default): the environment's own number */
    int32_t auto_reset; /**< as fst_env_options.auto_reset; default 1 */
    int32_t slippery;   /**< FrozenLake: 1 (default): a step goes where it should in a third of all cases, else to a side; 0: always */
    int32_t robot_obstacles; /**< RobotNavigation: obstacles that stand, 0 … 16; default 6. A crowded room may get fewer */
    int32_t robot_moving;    /**< RobotNavigation: obstacles that move, 0 … 8; default 2 */
    int32_t robot_rays;      /**< RobotNavigation: rays of the lidar, 4 … 64, all around; default 24 */
    int32_t reserved;        /**< 0 */
    double robot_noise;      /**< RobotNavigation: factor of all standard deviations of sensors and wheels, 0 (none) … 10; default 1 */
} fst_env_make_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_env_make_options_init(fst_env_make_options *options, size_t size);

/**
 * A batch of built-in environments. No episode begins before fst_env_reset.
 *
 * @param context kept alive; its threads step the batch.
 * @param name Gymnasium's, as "CartPole-v1"; see fst_env_builtin_name.
 * @param options NULL for defaults.
 * @param env out: the caller owns it.
 * @return FST_OK; FST_ERR_NOT_FOUND for a name that is none, with those that are; FST_ERR_INVALID_ARGUMENT naming the
 *         field; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_env_make(fst_context *context, const char *name, const fst_env_make_options *options,
                                fst_env **env);

/** How many environments are built in. @param count out. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_env_builtin_count(int64_t *count);

/** A built-in environment. @param index 0 ≤ index < fst_env_builtin_count. @param name out: static text.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_env_builtin_name(int64_t index, const char **name);

/** Gives up the caller's hold; a run over it keeps it alive. @param env may be NULL. @since 0.1 */
FST_API void fst_env_destroy(fst_env *env);

/* ---- what it is ---- */

/** What an environment is; filled by fst_env_get_info. @since 0.1 */
typedef struct fst_env_info {
    size_t struct_size;        /**< size the caller passed */
    const char *name;          /**< borrowed while the environment lives */
    int64_t count;             /**< environments of the batch */
    int64_t observation_bytes; /**< of one observation */
    int64_t action_bytes;      /**< of one action */
    int64_t choices;           /**< length of a mask; 0 without masks */
    int64_t state_bytes;       /**< of fst_env_get_state; 0: none */
    int64_t max_steps;         /**< 0: none */
    int32_t masked;            /**< 1: it has masks */
    int32_t players;           /**< 1 or 2 */
    int32_t auto_reset;        /**< 1: the step that ends an episode begins the next */
    int32_t builtin;           /**< 1: made by fst_env_make */
} fst_env_info;

/** @param env the environment. @param info out. @param size sizeof *info.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_env_get_info(const fst_env *env, fst_env_info *info, size_t size);

/** @param env the environment. @param space out: its arrays are borrowed while the environment lives.
 *  @param size sizeof *space. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_env_observation_space(const fst_env *env, fst_space *space, size_t size);

/** @param env the environment. @param space out: its arrays are borrowed while the environment lives.
 *  @param size sizeof *space. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_env_action_space(const fst_env *env, fst_space *space, size_t size);

/* ---- stepping ---- */

/**
 * All environments begin their episode number 0.
 *
 * @param env the environment.
 * @param seed 0 ≤ seed < 2^53.
 * @return FST_OK; FST_STOPPED or what a callback returned; FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC, FST_ERR_BUSY as
 *         told above.
 * @since 0.1
 */
FST_API fst_status fst_env_reset(fst_env *env, int64_t seed);

/**
 * Some begin their next episode; the present one, if it has not ended, is left.
 *
 * @param env after fst_env_reset.
 * @param indices [count] ascending.
 * @param count 1 … environments.
 * @return as fst_env_reset; FST_ERR_STATE before it.
 * @since 0.1
 */
FST_API fst_status fst_env_reset_some(fst_env *env, const int64_t *indices, int64_t count);

/**
 * All environments take a step.
 *
 * @param env after fst_env_reset.
 * @param actions [environments] values of the action space. Numbers of a Box are clipped to its low and high; a
 *        NaN, a choice that is none and a choice that the mask forbids are refused.
 * @return FST_OK; FST_STOPPED or what a callback returned; FST_ERR_INVALID_ARGUMENT (an action: nothing has changed);
 *         FST_ERR_STATE without a reset, or where an episode has ended without auto-reset; FST_ERR_NUMERIC, FST_ERR_BUSY
 *         as told above.
 * @since 0.1
 */
FST_API fst_status fst_env_step(fst_env *env, const void *actions);

/**
 * Some take a step.
 *
 * @param env after fst_env_reset.
 * @param indices [count] ascending.
 * @param count 1 … environments.
 * @param actions [environments] values of the action space; rows of the others are not read.
 * @return as fst_env_step.
 * @since 0.1
 */
FST_API fst_status fst_env_step_some(fst_env *env, const int64_t *indices, int64_t count, const void *actions);

/** Where the batch stands; arrays are borrowed while the environment lives and change with each step. @since 0.1 */
typedef struct fst_env_batch {
    size_t struct_size;             /**< size the caller passed */
    int64_t count;                  /**< environments */
    const void *observations;       /**< [count] values of the observation space */
    const void *final_observations; /**< [count] likewise: the last observation of the episode that ended last */
    const double *rewards;          /**< [count] of each environment's last step; 0 after a reset */
    const uint8_t *terminated;      /**< [count] 1: that step ended the task */
    const uint8_t *truncated;       /**< [count] 1: that step was the last one allowed; never together with terminated */
    const uint8_t *masks;           /**< [count, choices] 1: allowed now; NULL: no masks */
    const uint8_t *players;         /**< [count] who moves next; NULL: one player */
    const uint8_t *begins;          /**< [count] 1: the observation is an episode's first */
    const double *episode_returns;  /**< [count] sum of rewards: of the episode that has just ended, else so far. Two players: player 0's */
    const int64_t *episode_lengths; /**< [count] its steps, likewise */
} fst_env_batch;

/** @param env after fst_env_reset. @param batch out. @param size sizeof *batch.
 *  @return FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE. @since 0.1 */
FST_API fst_status fst_env_get_batch(const fst_env *env, fst_env_batch *batch, size_t size);

/* ---- pictures and states ---- */

#define FST_RENDER_TEXT 0 /**< lines of text. @since 0.1 */
#define FST_RENDER_SVG 1  /**< a picture of the present state, with the path since the episode began where that tells something. @since 0.1 */

/**
 * Draws an environment.
 *
 * @param env after fst_env_reset.
 * @param index which one.
 * @param format FST_RENDER_ value.
 * @param text out: UTF-8, borrowed until the next call.
 * @return FST_OK; FST_ERR_UNSUPPORTED for callbacks without render; FST_ERR_STATE; FST_ERR_INVALID_ARGUMENT; what the
 *         callback returned; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_env_render(fst_env *env, int64_t index, int32_t format, const char **text);

/**
 * The state of one environment, fst_env_info.state_bytes. A built-in one's is an array of doubles, whose meaning the
 * handbook lists (CartPole: x, ẋ, θ, θ̇). One of callbacks: state_bytes as the save callback writes them, then the
 * observation, the mask (with masks) and the player (with two, one byte).
 *
 * @param env after fst_env_reset.
 * @param index which one.
 * @param state out, [size] written.
 * @param size fst_env_info.state_bytes.
 * @return FST_OK; FST_ERR_UNSUPPORTED where states cannot be saved; FST_ERR_STATE; FST_ERR_INVALID_ARGUMENT; what the
 *         callback returned.
 * @since 0.1
 */
FST_API fst_status fst_env_get_state(fst_env *env, int64_t index, void *state, size_t size);

/**
 * The present episode of one environment goes on from another state, its counters as they are; observation, mask and
 * player become the state's.
 *
 * @param env after fst_env_reset.
 * @param index which one.
 * @param state [size] as fst_env_get_state gives it.
 * @param size fst_env_info.state_bytes.
 * @return as fst_env_get_state; FST_ERR_INVALID_ARGUMENT for a state that is none: nothing has changed.
 * @since 0.1
 */
FST_API fst_status fst_env_set_state(fst_env *env, int64_t index, const void *state, size_t size);

#ifdef __cplusplus
}
#endif

#endif
