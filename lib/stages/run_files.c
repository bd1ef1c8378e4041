#include "stages/run_files.h"

#include "base/error.h"
#include "formats/file.h"
#include "stages/checkpoint_folder.h"

#include <inttypes.h>
#include <math.h>

static void walk(void *owner, fst__visitor *visitor)
{
    fst_run *run = owner;
    fst__visit_i64(visitor, "run", "step", &run->step, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, "run", "tokens", &run->tokens, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, "run", "evaluated_step", &run->evaluated_step, 0, FST__COUNTER_MOST);
    fst__visit_doubles(visitor, "run", "best", &run->best, 1);
    fst__visit_i64(visitor, "run", "best_step", &run->best_step, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, "run", "evaluations_since_best", &run->evaluations_since_best, 0,
                   FST__COUNTER_MOST);
    run->stage->visit(run, visitor);
}

/* ---- out ---- */

static fst_status write_to(fst_run *run, const char *path)
{
    fst_status status =
        fst__checkpoint_write(run->context, path, run->stage->name, walk, run);
    if (!status)
        fst__log_write(&run->context->log, FST_LOG_INFO, "step %" PRId64 ": saved %s", run->step, path);
    return status;
}

static fst_status save_in_directory(fst_run *run, char *path)
{
    fst_status status = path ? fst__directory_create(run->options.directory) : FST_ERR_NO_MEMORY;
    if (!status)
        status = write_to(run, path);
    fst__free(&run->context->allocator, path);
    return status;
}

fst_status fst__run_save_best(fst_run *run)
{
    return save_in_directory(run, fst__path_join(&run->context->allocator, run->options.directory,
                                                 "best.safetensors"));
}

fst_status fst__run_save(fst_run *run, const char *path)
{
    if (run->broken)
        return fst__fail(FST_ERR_STATE, "fst_run_save: the run is half-way between two states since "
                                        "fst_run_resume failed");
    if (path)
        return write_to(run, path);
    const char *directory = run->options.directory;
    if (!directory)
        return fst__fail(FST_ERR_STATE, "fst_run_save: path is NULL and the run has no directory");
    fst__allocator *allocator = &run->context->allocator;
    fst_status status = save_in_directory(run, fst__checkpoint_path(allocator, directory, run->step));
    if (status)
        return status;
    run->saved_step = run->step;
    return run->options.keep > 0
               ? fst__checkpoint_prune(allocator, directory, run->step, run->options.keep)
               : FST_OK;
}

/* ---- in ---- */

static fst_status load(fst_run *run, const char *path)
{
    bool changed;
    fst_status status =
        fst__checkpoint_read(run->context, path, run->stage->name, walk, run, &changed);
    if (!changed)
        return status;
    run->broken = status != FST_OK;
    if (status)
        return status;
    run->stage->restored(run);
    run->saved_step = run->reported_step = run->step;
    run->step_seconds = 0;
    run->step_tokens = run->tokens;
    for (int i = 0; i < FST__METRIC_MOST; ++i)
        run->metrics[i] = NAN;
    fst__log_write(&run->context->log, FST_LOG_INFO, "resumed %s at step %" PRId64, path, run->step);
    return FST_OK;
}

/* Damaged, as opposed to somebody else's or to a fault that the one before would meet as well. */
static bool is_damaged(fst_status status)
{
    return status == FST_ERR_FORMAT || status == FST_ERR_IO || status == FST_ERR_NOT_FOUND;
}

static fst_status load_one_of(fst_run *run, const char *folder, const int64_t *steps, int64_t count)
{
    fst__allocator *allocator = &run->context->allocator;
    fst_status status = FST_OK;
    for (int64_t i = 0; i < count; ++i) {
        char *path = fst__checkpoint_path(allocator, folder, steps[i]);
        status = path ? load(run, path) : FST_ERR_NO_MEMORY;
        fst__free(allocator, path);
        if (!is_damaged(status))
            return status;
        fst__log_write(&run->context->log, FST_LOG_WARNING, "passed over a checkpoint: %s",
                       fst__error_text());
    }
    return fst__fail_in(status, "none of the %" PRId64 " checkpoints in %s is good", count, folder);
}

static fst_status load_from_folder(fst_run *run, const char *folder)
{
    int64_t *steps, count;
    fst_status status = fst__checkpoint_list(&run->context->allocator, folder, &steps, &count);
    if (!status && count == 0)
        status = fst__fail(FST_ERR_NOT_FOUND, "no checkpoint-STEP.safetensors in %s", folder);
    if (!status)
        status = load_one_of(run, folder, steps, count);
    fst__free(&run->context->allocator, steps);
    return status;
}

fst_status fst__run_load_newest(fst_run *run)
{
    return load_from_folder(run, run->options.directory);
}

fst_status fst__run_resume(fst_run *run, const char *path)
{
    if (!path && !run->options.directory)
        return fst__fail(FST_ERR_STATE, "fst_run_resume: path is NULL and the run has no directory");
    if (!path)
        return fst__run_load_newest(run);
    return fst__file_is_directory(path) ? load_from_folder(run, path) : load(run, path);
}
