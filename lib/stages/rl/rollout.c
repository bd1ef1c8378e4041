#include "stages/rl/rollout.h"

#include "base/checked.h"
#include "base/error.h"
#include "stages/objectives/objectives.h"

#include <math.h>
#include <string.h>

enum { STEP_ARRAYS = 6 };

fst_status fst__rollout_create(fst__allocator *allocator, int64_t trajectories, int64_t capacity,
                               fst__rollout *out)
{
    size_t steps, size;
    if (!fst__mul_size((size_t)capacity, STEP_ARRAYS, &steps) ||
        !fst__mul_size(steps + (size_t)trajectories, sizeof(fst__real), &size))
        return fst__fail(FST_ERR_NO_MEMORY, "a rollout of %lld steps is too large",
                         (long long)capacity);
    fst__rollout r = {.allocator = allocator, .trajectories = trajectories, .capacity = capacity};
    r.offsets = fst__alloc_zero(allocator, 2 * (size_t)trajectories * sizeof *r.offsets);
    r.block = fst__alloc_zero(allocator, size);
    if (!r.offsets || !r.block) {
        fst__rollout_destroy(&r);
        return FST_ERR_NO_MEMORY;
    }
    r.lengths = r.offsets + trajectories;
    fst__real **arrays[STEP_ARRAYS] = {&r.log_probabilities, &r.references, &r.values,
                                       &r.rewards,           &r.advantages, &r.returns};
    for (int64_t i = 0; i < STEP_ARRAYS; ++i)
        *arrays[i] = (fst__real *)r.block + i * capacity;
    r.scores = (fst__real *)r.block + STEP_ARRAYS * capacity;
    r.layout = (fst_trajectories){.struct_size = sizeof r.layout, .trajectories = trajectories,
                                  .offsets = r.offsets, .lengths = r.lengths};
    *out = r;
    return FST_OK;
}

void fst__rollout_lay_beside(fst__rollout *rollout, int64_t steps)
{
    rollout->layout.offsets = rollout->layout.lengths = NULL;
    rollout->layout.steps = steps;
    rollout->layout.trajectory_stride = 1;
    rollout->layout.step_stride = rollout->trajectories;
}

void fst__rollout_destroy(fst__rollout *rollout)
{
    if (!rollout->allocator)
        return;
    fst__free(rollout->allocator, rollout->block);
    fst__free(rollout->allocator, rollout->offsets);
}

int64_t fst__rollout_bytes(const fst__rollout *r)
{
    int64_t reals = STEP_ARRAYS * r->capacity + r->trajectories;
    return reals * (int64_t)sizeof(fst__real) + 2 * r->trajectories * (int64_t)sizeof *r->offsets;
}

void fst__rollout_clear(fst__rollout *rollout)
{
    memset(rollout->block, 0, STEP_ARRAYS * (size_t)rollout->capacity * sizeof(fst__real));
}

void fst__rollout_spread(fst__rollout *rollout, const fst__real *advantages)
{
    for (int64_t n = 0; n < rollout->trajectories; ++n) {
        for (int64_t t = 0; t < rollout->lengths[n]; ++t)
            rollout->advantages[rollout->offsets[n] + t] = advantages[n];
    }
}

/* Trajectories leave no gap between them. */
static int64_t steps_of(const fst__rollout *rollout)
{
    if (!rollout->layout.offsets)
        return rollout->trajectories * rollout->layout.steps;
    int64_t last = rollout->trajectories - 1;
    return rollout->offsets[last] + rollout->lengths[last];
}

fst_status fst__rollout_whiten(fst__rollout *rollout)
{
    return fst__advantages_whiten(rollout->advantages, NULL, steps_of(rollout), 1);
}

double fst__rollout_explained_variance(const fst__rollout *rollout)
{
    int64_t count = steps_of(rollout);
    double mean = 0, error_mean = 0, variance = 0, error_variance = 0;
    for (int64_t i = 0; i < count; ++i) {
        mean += (double)rollout->returns[i] / (double)count;
        error_mean += ((double)rollout->returns[i] - (double)rollout->values[i]) / (double)count;
    }
    for (int64_t i = 0; i < count; ++i) {
        double value = (double)rollout->returns[i] - mean;
        double error = (double)rollout->returns[i] - (double)rollout->values[i] - error_mean;
        variance += value * value;
        error_variance += error * error;
    }
    return variance > 0 ? 1 - error_variance / variance : NAN;
}

static void visit(fst__visitor *visitor, const char *name, void *data, int32_t dtype, int64_t count)
{
    fst_view view = {.data = data, .dtype = dtype, .rank = 1, .shape = {count}, .strides = {1}};
    fst__visit_view(visitor, "rollout", name, &view);
}

void fst__rollout_visit(fst__rollout *r, fst__visitor *visitor, int64_t steps, bool estimated)
{
    if (r->layout.offsets) {
        visit(visitor, "offsets", r->offsets, FST_I64, r->trajectories);
        visit(visitor, "lengths", r->lengths, FST_I64, r->trajectories);
        visit(visitor, "references", r->references, FST__REAL_DTYPE, steps);
    }
    visit(visitor, "log_probabilities", r->log_probabilities, FST__REAL_DTYPE, steps);
    visit(visitor, "values", r->values, FST__REAL_DTYPE, steps);
    if (!estimated) {
        visit(visitor, "rewards", r->rewards, FST__REAL_DTYPE, steps);
        return;
    }
    visit(visitor, "advantages", r->advantages, FST__REAL_DTYPE, steps);
    visit(visitor, "returns", r->returns, FST__REAL_DTYPE, steps);
}
