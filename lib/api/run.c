#include "fourstage/run.h"

#include "api/check.h"
#include "api/run_verbs.h"
#include "base/options.h"
#include "stages/run.h"

#include <string.h>

fst_status fst_run_options_init(fst_run_options *options, size_t size)
{
    fst_run_options defaults = fst__run_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_run_options");
}

/* ---- one verb at a time ---- */

fst_status fst__run_enter(fst_run *run, const char *function)
{
    fst_status status = fst__check_pointer(run, function, "run");
    if (status)
        return status;
    if (atomic_exchange(&run->busy, 1))
        return fst__fail(FST_ERR_BUSY, "%s: the run is busy; from its own callback, or on another "
                                       "thread, nothing but fst_run_cancel and the getters may be "
                                       "called",
                         function);
    return FST_OK;
}

fst_status fst__run_leave(fst_run *run, fst_status status)
{
    atomic_store(&run->busy, 0);
    if (run->doomed)
        fst__run_destroy(run);
    return status;
}

void fst_run_destroy(fst_run *run)
{
    if (run && atomic_load(&run->busy))
        run->doomed = true;
    else
        fst__run_destroy(run);
}

/* ---- verbs ---- */

fst_status fst_run_step(fst_run *run, fst_run_progress *progress, size_t size)
{
    fst_run_progress ours = {.struct_size = sizeof ours};
    fst_status status = FST_OK;
    if (progress)
        status = fst__options_init(progress, size, &ours, sizeof ours, "fst_run_progress");
    if (!status)
        status = fst__run_enter(run, "fst_run_step");
    if (status)
        return status;
    status = fst__run_step(run);
    fst__run_fill_progress(run, &ours);
    if (progress)
        fst__options_init(progress, size, &ours, sizeof ours, "fst_run_progress");
    return fst__run_leave(run, status);
}

fst_status fst_run_advance(fst_run *run, int32_t *updated)
{
    fst_status status = fst__run_enter(run, "fst_run_advance");
    if (status)
        return status;
    bool done;
    status = fst__run_advance(run, &done);
    if (updated)
        *updated = done;
    return fst__run_leave(run, status);
}

fst_status fst_run_until(fst_run *run, int64_t step)
{
    fst_status status = fst__run_enter(run, "fst_run_until");
    return status ? status : fst__run_leave(run, fst__run_until(run, step));
}

fst_status fst_run_evaluate(fst_run *run)
{
    fst_status status = fst__run_enter(run, "fst_run_evaluate");
    return status ? status : fst__run_leave(run, fst__run_evaluate(run));
}

fst_status fst_run_save(fst_run *run, const char *path)
{
    fst_status status = fst__run_enter(run, "fst_run_save");
    return status ? status : fst__run_leave(run, fst__run_save(run, path));
}

fst_status fst_run_resume(fst_run *run, const char *path)
{
    fst_status status = fst__run_enter(run, "fst_run_resume");
    return status ? status : fst__run_leave(run, fst__run_resume(run, path));
}

fst_status fst_run_cancel(fst_run *run)
{
    if (!run) /* the error text is not for signal handlers; with a run nothing is written */
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_run_cancel: run is NULL");
    atomic_store(&run->cancelled, 1);
    return FST_OK;
}

/* ---- getters ---- */

fst_status fst_run_metric(const fst_run *run, const char *name, double *value)
{
    fst_status status = fst__check_pointer(run, "fst_run_metric", "run");
    if (!status)
        status = fst__check_pointer(name, "fst_run_metric", "name");
    if (!status)
        status = fst__check_pointer(value, "fst_run_metric", "value");
    if (status)
        return status;
    for (int64_t i = 0; i < fst__run_metric_count(run); ++i) {
        if (strcmp(fst__run_metric_name(run, i), name) == 0) {
            *value = run->metrics[i];
            return FST_OK;
        }
    }
    return fst__fail(FST_ERR_NOT_FOUND, "fst_run_metric: no metric \"%.100s\" in stage %s", name,
                     run->stage->name);
}

fst_status fst_run_metric_count(const fst_run *run, int64_t *count)
{
    fst_status status = fst__check_pointer(run, "fst_run_metric_count", "run");
    if (!status)
        status = fst__check_pointer(count, "fst_run_metric_count", "count");
    if (!status)
        *count = fst__run_metric_count(run);
    return status;
}

fst_status fst_run_metric_name(const fst_run *run, int64_t index, const char **name)
{
    fst_status status = fst__check_pointer(run, "fst_run_metric_name", "run");
    if (!status)
        status = fst__check_pointer(name, "fst_run_metric_name", "name");
    if (status)
        return status;
    if (index < 0 || index >= fst__run_metric_count(run))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_run_metric_name: index is %lld, expected 0 to %lld", (long long)index,
                         (long long)fst__run_metric_count(run) - 1);
    *name = fst__run_metric_name(run, index);
    return FST_OK;
}

fst_status fst_run_get_info(const fst_run *run, fst_run_info *info, size_t size)
{
    fst_status status = fst__check_pointer(run, "fst_run_get_info", "run");
    if (status)
        return status;
    fst_run_info ours = {
        .stage = run->stage->name,
        .step = run->step,
        .total_steps = run->options.total_steps,
        .micro_step = run->stage->micro_step(run),
        .micro_steps = run->stage->micro_steps(run),
        .tokens = run->tokens,
        .seconds = run->seconds,
        .best = run->best,
        .best_step = run->best_step,
        .finished = fst__run_finished(run),
        .stopped_early = fst__run_stopped_early(run),
    };
    return fst__options_init(info, size, &ours, sizeof ours, "fst_run_info");
}

fst_status fst_run_memory(const fst_run *run, fst_memory *memory, size_t size)
{
    fst_status status = fst__check_pointer(run, "fst_run_memory", "run");
    if (status)
        return status;
    fst_memory ours = {0};
    run->stage->memory(run, &ours);
    ours.total = ours.weights + ours.working + ours.gradients + ours.moments + ours.activations +
                 ours.data;
    return fst__options_init(memory, size, &ours, sizeof ours, "fst_memory");
}
