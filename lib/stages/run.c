#include "stages/run.h"

#include "base/error.h"
#include "stages/run_files.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

static const char *const common_metrics[] = {
    [FST__METRIC_LOSS] = "loss",
    [FST__METRIC_LEARNING_RATE] = "learning_rate",
    [FST__METRIC_GRADIENT_NORM] = "gradient_norm",
    [FST__METRIC_TOKENS_PER_SECOND] = "tokens_per_second",
    [FST__METRIC_SECONDS_LEFT] = "seconds_left",
    [FST__METRIC_VALIDATION_LOSS] = "validation_loss",
};

fst_run_options fst__run_defaults(void)
{
    return (fst_run_options){.struct_size = sizeof(fst_run_options), .keep = 2};
}

/* ---- life ---- */

static fst_status check(const fst_run_options *o, bool can_evaluate)
{
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {
        {"total_steps", o->total_steps}, {"evaluate_every", o->evaluate_every},
        {"patience", o->patience},       {"save_every", o->save_every},
        {"keep", o->keep},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; ++i) {
        if (counts[i].value < 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_run_options.%s is %" PRId64 ", expected at least 0",
                             counts[i].name, counts[i].value);
    }
    if (o->save_best != 0 && o->save_best != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_run_options.save_best is %d, expected 0 or 1",
                         (int)o->save_best);
    if (o->evaluate_every > 0 && !can_evaluate)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_run_options.evaluate_every needs validation data");
    if ((o->patience > 0 || o->save_best) && o->evaluate_every == 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_run_options.%s needs evaluate_every",
                         o->patience > 0 ? "patience" : "save_best");
    if ((o->save_every > 0 || o->save_best) && !o->directory)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_run_options.%s needs directory",
                         o->save_every > 0 ? "save_every" : "save_best");
    return FST_OK;
}

fst_status fst__run_create(fst_context *context, const fst__stage *stage, void *state,
                           bool can_evaluate, const fst_run_options *options, fst_run **out)
{
    fst_run *run = NULL;
    fst_status status = check(options, can_evaluate);
    if (!status && !(run = fst__alloc_zero(&context->allocator, sizeof *run)))
        status = FST_ERR_NO_MEMORY;
    if (status) {
        stage->destroy(state);
        return status;
    }
    run->context = fst__context_retain(context);
    run->stage = stage;
    run->state = state;
    run->can_evaluate = can_evaluate;
    run->options = *options;
    run->best = NAN;
    for (int i = 0; i < FST__METRIC_MOST; ++i)
        run->metrics[i] = NAN;
    if (options->directory) {
        run->options.directory = fst__strdup(&context->allocator, options->directory);
        if (!run->options.directory) {
            fst__run_destroy(run);
            return FST_ERR_NO_MEMORY;
        }
    }
    *out = run;
    return FST_OK;
}

void fst__run_destroy(fst_run *run)
{
    if (!run)
        return;
    fst_context *context = run->context;
    run->stage->destroy(run->state);
    fst__free(&context->allocator, (char *)run->options.directory);
    fst__free(&context->allocator, run);
    fst__context_release(context);
}

/* ---- what follows from the state ---- */

bool fst__run_stopped_early(const fst_run *run)
{
    bool ended = run->stage->ended && run->stage->ended(run);
    return ended ||
           (run->options.patience > 0 && run->evaluations_since_best >= run->options.patience);
}

bool fst__run_finished(const fst_run *run)
{
    bool all_done = run->options.total_steps > 0 && run->step >= run->options.total_steps;
    return all_done || fst__run_stopped_early(run);
}

bool fst__run_cancelled(fst_run *run)
{
    return atomic_exchange(&run->cancelled, 0) != 0;
}

int64_t fst__run_metric_count(const fst_run *run)
{
    return FST__METRIC_OWN + run->stage->metric_count;
}

const char *fst__run_metric_name(const fst_run *run, int64_t index)
{
    return index < FST__METRIC_OWN ? common_metrics[index]
                                   : run->stage->metrics[index - FST__METRIC_OWN];
}

void fst__run_fill_progress(const fst_run *run, fst_run_progress *progress)
{
    *progress = (fst_run_progress){
        .struct_size = sizeof *progress,
        .step = run->step,
        .total_steps = run->options.total_steps,
        .tokens = run->tokens,
        .loss = run->metrics[FST__METRIC_LOSS],
        .learning_rate = run->metrics[FST__METRIC_LEARNING_RATE],
        .gradient_norm = run->metrics[FST__METRIC_GRADIENT_NORM],
        .validation_loss = run->metrics[FST__METRIC_VALIDATION_LOSS],
        .tokens_per_second = run->metrics[FST__METRIC_TOKENS_PER_SECOND],
        .seconds_left = run->metrics[FST__METRIC_SECONDS_LEFT],
        .evaluated = run->step > 0 && run->evaluated_step == run->step,
        .finished = fst__run_finished(run),
    };
}

/* ---- evaluation ---- */

static bool is_due(const fst_run *run, int64_t every)
{
    return every > 0 && run->step > 0 && (run->step % every == 0 || fst__run_finished(run));
}

fst_status fst__run_evaluate(fst_run *run)
{
    if (!run->can_evaluate)
        return fst__fail(FST_ERR_STATE, "fst_run_evaluate: the run has no validation data");
    double score;
    return run->stage->evaluate(run, &score);
}

static fst_status evaluate_on_time(fst_run *run)
{
    double score;
    fst_status status = run->stage->evaluate(run, &score);
    if (status)
        return status;
    bool best = isnan(run->best) || score < run->best;
    if (best) {
        run->best = score;
        run->best_step = run->step;
    }
    run->evaluations_since_best = best ? 0 : run->evaluations_since_best + 1;
    run->evaluated_step = run->step;
    fst__log_write(&run->context->log, FST_LOG_INFO,
                   "step %" PRId64 ": validation %.6f, best %.6f at step %" PRId64, run->step, score,
                   run->best, run->best_step);
    if (best && run->options.save_best)
        status = fst__run_save_best(run);
    if (status) /* so that the next call tries again */
        run->evaluated_step = 0;
    return status;
}

/* ---- steps ---- */

/* What a finished step brings with it, each part once; where one fails or is stopped, the next verb
 * goes on from there. */
static fst_status settle(fst_run *run)
{
    fst_status status = FST_OK;
    if (is_due(run, run->options.evaluate_every) && run->evaluated_step != run->step)
        status = evaluate_on_time(run);
    if (status)
        return status;
    bool save = is_due(run, run->options.save_every) ||
                (run->options.directory && fst__run_finished(run));
    if (save && run->saved_step != run->step)
        status = fst__run_save(run, NULL);
    if (status || run->reported_step == run->step)
        return status;
    run->reported_step = run->step;
    if (!run->options.progress)
        return FST_OK;
    fst_run_progress progress;
    fst__run_fill_progress(run, &progress);
    int32_t answer = run->options.progress(&progress, run->options.progress_user);
    if (answer < 0)
        return fst__fail(answer, "the progress callback returned %d", (int)answer);
    return answer > 0 ? FST_STOPPED : FST_OK;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Speed as a running average over about ten steps, so that a display does not flicker. */
static void measure(fst_run *run)
{
    double tokens = (double)(run->tokens - run->step_tokens);
    double weight = run->pace_seconds > 0 ? 0.1 : 1;
    run->pace_seconds += weight * (run->step_seconds - run->pace_seconds);
    run->pace_tokens += weight * (tokens - run->pace_tokens);
    run->step_seconds = 0;
    run->step_tokens = run->tokens;
    if (run->pace_seconds > 0)
        run->metrics[FST__METRIC_TOKENS_PER_SECOND] = run->pace_tokens / run->pace_seconds;
    int64_t left = run->options.total_steps - run->step;
    if (run->options.total_steps > 0)
        run->metrics[FST__METRIC_SECONDS_LEFT] = left > 0 ? (double)left * run->pace_seconds : 0;
}

static fst_status check_ready(const fst_run *run)
{
    if (run->broken)
        return fst__fail(FST_ERR_STATE, "the run is half-way between two states since fst_run_resume "
                                        "failed; resume from another checkpoint");
    if (fst__run_finished(run))
        return fst__fail(FST_ERR_STATE, "the run finished at step %" PRId64, run->step);
    return FST_OK;
}

/* One micro-batch, and after a step's last one what comes with it. */
static fst_status work(fst_run *run, fst__outcome *outcome)
{
    *outcome = FST__STEP_UNFINISHED;
    if (fst__run_cancelled(run))
        return FST_STOPPED;
    double begin = now();
    fst_status status = run->stage->advance(run, outcome);
    double spent = now() - begin;
    run->seconds += spent;
    run->step_seconds += spent;
    if (status)
        *outcome = FST__STEP_UNFINISHED;
    if (*outcome == FST__STEP_UNFINISHED || *outcome == FST__STEP_WAITING)
        return status;
    run->step += 1;
    measure(run);
    if (*outcome == FST__STEP_ROLL_BACK)
        status = run->stage->roll_back(run, fst__run_load_newest);
    return status ? status : settle(run);
}

static fst_status advance(fst_run *run, fst__outcome *outcome)
{
    *outcome = FST__STEP_UNFINISHED;
    fst_status status = run->broken ? check_ready(run) : settle(run);
    if (!status)
        status = check_ready(run);
    return status ? status : work(run, outcome);
}

fst_status fst__run_advance(fst_run *run, bool *updated)
{
    fst__outcome outcome;
    fst_status status = advance(run, &outcome);
    *updated = outcome == FST__STEP_FINISHED || outcome == FST__STEP_ROLL_BACK;
    return status;
}

fst_status fst__run_step(fst_run *run)
{
    fst__outcome outcome;
    fst_status status = advance(run, &outcome);
    while (!status && outcome == FST__STEP_UNFINISHED)
        status = work(run, &outcome);
    if (!status && outcome == FST__STEP_WAITING)
        return fst__fail(FST_ERR_STATE, "the run waits for its host, which brings what it learns from");
    return status;
}

fst_status fst__run_until(fst_run *run, int64_t step)
{
    if (step <= 0 && run->options.total_steps == 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_run_until: step is %" PRId64 " and the run has no total_steps", step);
    fst_status status = run->broken ? check_ready(run) : settle(run);
    while (!status && !fst__run_finished(run) && (step <= 0 || run->step < step))
        status = fst__run_step(run);
    return status;
}
