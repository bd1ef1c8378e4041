/*
 * A run: one stage in progress. It is made by the create function of its stage (fst_pretrain_create)
 * and has the same verbs whatever the stage: step, run until, evaluate, metrics, save, resume,
 * cancel.
 *
 * A run holds no randomness of its own and its position in the data is a number, so a run that was
 * saved at any moment and resumed ends with the same bits as one that was never interrupted.
 *
 * Threads: one run, and the model and optimizer it trains, from one thread at a time; only
 * fst_run_cancel may be called at any time, from any thread and from a signal handler. A verb called
 * from one of the run's own callbacks, or while another verb runs, answers FST_ERR_BUSY.
 */
#ifndef FOURSTAGE_RUN_H
#define FOURSTAGE_RUN_H

#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Where a run stands; handed to the progress callback and filled by fst_run_step. What was not
 *  measured yet is NaN. @since 0.1 */
typedef struct fst_run_progress {
    size_t struct_size;        /**< size of the struct that was filled */
    int64_t step;              /**< steps done */
    int64_t total_steps;       /**< 0: without an end */
    int64_t tokens;            /**< targets trained on so far; in environments, their steps */
    double loss;               /**< of the last step, per token, in nats */
    double learning_rate;      /**< of the last step */
    double gradient_norm;      /**< of the last step, before clipping */
    double validation_loss;    /**< of the last evaluation */
    double tokens_per_second;  /**< of the last steps, evaluation and saving left out */
    double seconds_left;       /**< to total_steps at that speed */
    int32_t evaluated;         /**< 1: validation_loss is of this step */
    int32_t finished;          /**< 1: total_steps are done, or the run stopped early */
} fst_run_progress;

/* What a stage does about a loss or gradient norm far above its running mean. */
#define FST_SPIKE_NONE 0      /**< a spike is counted and the update made. @since 0.1 */
#define FST_SPIKE_SKIP 1      /**< the update is left out, also where loss or gradient is not finite. @since 0.1 */
#define FST_SPIKE_ROLL_BACK 2 /**< as skip; after spike_patience spikes in a row the newest checkpoint is loaded and training goes on with the data that follows. @since 0.1 */

/** What all stages have in common; handed to a stage's create function. @since 0.1 */
typedef struct fst_run_options {
    size_t struct_size;        /**< set by fst_run_options_init */
    int64_t total_steps;       /**< where the run ends; 0 (default): nowhere */
    int64_t evaluate_every;    /**< evaluate after so many steps, and at the end; 0 (default): never by itself */
    int64_t patience;          /**< stop early after so many evaluations without a better one; 0 (default): never */
    int64_t save_every;        /**< save into directory after so many steps; 0 (default): at the end only */
    int64_t keep;              /**< newest checkpoints to keep in directory, older ones are removed; 0: all; default 2 */
    /** Folder for checkpoints, created when first needed; NULL (default): nothing is saved by
     *  itself. Copied. */
    const char *directory;
    int32_t save_best;         /**< 1: the state with the best evaluation is saved as best.safetensors too; default 0 */
    int32_t reserved;          /**< 0 */
    /** Called after each step, with its evaluation and saving done; progress is borrowed for the
     *  call. 0 goes on; > 0 stops the verb with FST_STOPPED; < 0 ends it with that value. */
    int32_t (*progress)(const fst_run_progress *progress, void *user);
    void *progress_user;       /**< handed to progress */
} fst_run_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_run_options_init(fst_run_options *options, size_t size);

/** Gives up the run; what it used stays alive for those who hold it. From the run's own callback:
 *  once the verb has returned. @param run may be NULL. @since 0.1 */
FST_API void fst_run_destroy(fst_run *run);

/**
 * One step: one update of the weights, with the evaluation, saving and progress call due after it.
 *
 * @param run the run.
 * @param progress out; may be NULL.
 * @param size sizeof *progress; not read when progress is NULL.
 * @return FST_OK; FST_STOPPED after fst_run_cancel or a callback's wish; a callback's negative value;
 *         FST_ERR_STATE when the run has finished; FST_ERR_NUMERIC when loss or gradient is not
 *         finite: the text names tensor and batch, and the run is as before the step; FST_ERR_IO
 *         when a checkpoint due could not be written: the step is done, the next call tries again;
 *         FST_ERR_NO_MEMORY; FST_ERR_BUSY.
 * @since 0.1
 */
FST_API fst_status fst_run_step(fst_run *run, fst_run_progress *progress, size_t size);

/**
 * The smallest piece of a step: one micro-batch, forward and backward; with the last of a step, the
 * update. For hosts that must return to their own loop often.
 *
 * @param run the run.
 * @param updated out: 1 if a step was completed; may be NULL.
 * @return as fst_run_step.
 * @since 0.1
 */
FST_API fst_status fst_run_advance(fst_run *run, int32_t *updated);

/**
 * Steps until so many steps are done in all, or the run finishes.
 *
 * @param run the run.
 * @param step ≤ 0: until the run finishes, which needs total_steps.
 * @return FST_OK also where nothing was left to do; otherwise as fst_run_step.
 * @since 0.1
 */
FST_API fst_status fst_run_until(fst_run *run, int64_t step);

/**
 * Evaluates now. The result is read with fst_run_metric. It does not count for patience and the best.
 *
 * @param run the run.
 * @return FST_OK; FST_STOPPED after fst_run_cancel, with the metrics as before; FST_ERR_STATE for a
 *         run without validation data; FST_ERR_NUMERIC; FST_ERR_BUSY.
 * @since 0.1
 */
FST_API fst_status fst_run_evaluate(fst_run *run);

/**
 * Stops the verb that runs now, or the next one, with FST_STOPPED: at the next micro-batch, in a
 * state that can be saved and gone on with. Safe in a signal handler.
 *
 * @param run the run. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1
 */
FST_API fst_status fst_run_cancel(fst_run *run);

/**
 * A metric's present value. The names depend on the stage, see its create function and
 * fst_run_metric_name.
 *
 * @param run the run.
 * @param name e.g. "loss".
 * @param value out: NaN if it was not measured yet, also after fst_run_resume.
 * @return FST_OK, FST_ERR_NOT_FOUND, FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_run_metric(const fst_run *run, const char *name, double *value);

/** Number of metrics. @param run the run. @param count out. @return FST_OK or
 *  FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_run_metric_count(const fst_run *run, int64_t *count);

/** Name of a metric. @param run the run. @param index 0 ≤ index < count. @param name out: static
 *  text. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_run_metric_name(const fst_run *run, int64_t index, const char **name);

/** The state of a run; filled by fst_run_get_info. @since 0.1 */
typedef struct fst_run_info {
    size_t struct_size;        /**< size the caller passed */
    const char *stage;         /**< "pretrain", "sft" and so on; static text */
    int64_t step;              /**< steps done */
    int64_t total_steps;       /**< 0: without an end */
    int64_t micro_step;        /**< micro-batches of the present step that are done */
    int64_t micro_steps;       /**< micro-batches of a step */
    int64_t tokens;            /**< targets trained on so far; in environments, their steps */
    double seconds;            /**< spent in steps since the run was created, evaluation and saving left out */
    double best;               /**< best evaluation that counted; NaN: none */
    int64_t best_step;         /**< its step; 0: none */
    int32_t finished;          /**< 1: total_steps are done, or the run stopped early */
    int32_t stopped_early;     /**< 1: for want of better evaluations */
} fst_run_info;

/** @param run the run. @param info out. @param size sizeof *info.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_run_get_info(const fst_run *run, fst_run_info *info, size_t size);

/** Memory a run works with, in bytes; filled by fst_run_memory. @since 0.1 */
typedef struct fst_memory {
    size_t struct_size;  /**< size the caller passed */
    int64_t weights;     /**< float32 weights */
    int64_t working;     /**< bfloat16 copies of the weights; 0 in a float32 model */
    int64_t gradients;   /**< float32 */
    int64_t moments;     /**< the optimizer's state */
    int64_t activations; /**< of a training step or an evaluation, whichever is more, scratch included */
    int64_t data;        /**< the batch */
    int64_t total;       /**< all of these: the planned peak */
} fst_memory;

/** What the run will use at most; all of it is taken when the run is created, and a step takes no
 *  more. @param run the run. @param memory out. @param size sizeof *memory.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_run_memory(const fst_run *run, fst_memory *memory, size_t size);

/**
 * Saves everything the run needs to go on: weights, moments, counters, position in the data, and in
 * the middle of a step the gradients gathered so far. One safetensors file, written beside its name
 * and renamed into place, so that what was there before stays until the new one is on the disk.
 *
 * @param run the run.
 * @param path the file; NULL: checkpoint-STEP.safetensors in the run's directory, where older ones
 *        than the newest `keep` are then removed.
 * @return FST_OK; FST_ERR_IO, with the earlier file untouched; FST_ERR_STATE for NULL in a run
 *         without a directory; FST_ERR_NO_MEMORY; FST_ERR_BUSY.
 * @since 0.1
 */
FST_API fst_status fst_run_save(fst_run *run, const char *path);

/**
 * Puts the run, its model and its optimizer into the state that was saved. The run must have been
 * made with the same model, data, optimizer, seed and batch; options that only tune (learning rate,
 * schedule, total_steps) are the new run's own, and a difference is logged as a warning. So is a
 * different provider or processor, with which the bits may differ.
 *
 * @param run the run.
 * @param path a file; or a folder: its newest good checkpoint-STEP.safetensors, passing over
 *        damaged ones with a warning; NULL: the run's directory.
 * @return FST_OK; FST_ERR_NOT_FOUND; FST_ERR_FORMAT for a file that is torn, lacks a part (named) or
 *         is none of ours; FST_ERR_MISMATCH for another run's (the text names what differs);
 *         FST_ERR_IO; FST_ERR_NO_MEMORY; FST_ERR_BUSY. The run is as before, unless reading failed
 *         in the middle of a file that had been checked: then only another fst_run_resume is allowed.
 * @since 0.1
 */
FST_API fst_status fst_run_resume(fst_run *run, const char *path);

#ifdef __cplusplus
}
#endif

#endif
