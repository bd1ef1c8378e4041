#include "optim/optimizer.h"

#include "base/checked.h"
#include "base/error.h"
#include "kernels/kernels.h"
#include "optim/muon.h"
#include "optim/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Elements of a chunk: the unit of threading and of the norm's partial sums. */
enum { CHUNK = 65536 };

/* A parameter and its state. */
typedef struct slot {
    fst__parameter parameter; /* its name is ours */
    double rate_factor;       /* of the learning rate */
    double weight_decay;      /* with the group's factor; 0 where the parameter takes none */
    bool muon;
    bool adapted;             /* LARS measures its step by its norm */
    double trust, trust_decay; /* LARS: factors of this step's gradient and weights */
    fst__real *first, *second; /* moments, NULL where the method has none */
    char *first_name, *second_name;
} slot;

typedef struct chunk {
    int64_t slot, offset, count;
} chunk;

struct fst__optimizer {
    fst__allocator *allocator;
    fst_optimizer_options options; /* group pointers cleared: they were the caller's */
    fst_schedule_options schedule;
    int64_t steps;
    slot *slots;
    int64_t slot_count;
    chunk *chunks; /* slot after slot */
    int64_t chunk_count, elements;
    double *sums; /* [chunk_count] partial sums */
    double *weight_sums; /* [chunk_count] LARS: the same of the weights; else NULL */
    fst__real *moments;
    fst__muon_scratch muon; /* one block, which begins at direction; NULL without Muon's matrices */
};

/* ---- making one ---- */

static char *state_name(fst__allocator *allocator, const char *prefix, const char *name)
{
    size_t length = strlen(prefix) + strlen(name) + 2;
    char *text = fst__alloc(allocator, length);
    if (text)
        snprintf(text, length, "%s.%s", prefix, name);
    return text;
}

static bool has_momentum(const fst_optimizer_options *options, const slot *s)
{
    if (options->kind == FST_OPTIMIZER_LARS)
        return options->lars_momentum > 0;
    return s->muon || options->kind != FST_OPTIMIZER_SGD || options->momentum > 0;
}

static bool is_adamw(const fst_optimizer_options *options, const slot *s)
{
    return !s->muon && options->kind != FST_OPTIMIZER_SGD && options->kind != FST_OPTIMIZER_LARS;
}

static fst_status check_parameter(const fst__parameter *p, int64_t index)
{
    int64_t count;
    if (!p->name || !p->value || !p->gradient || p->rows < 1 || p->columns < 1 ||
        !fst__mul_i64(p->rows, p->columns, &count) || count > INT64_MAX / 64)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "parameter %lld, \"%s\" [%lld, %lld], is incomplete", (long long)index,
                         p->name ? p->name : "", (long long)p->rows, (long long)p->columns);
    return FST_OK;
}

static fst_status slot_init(fst__optimizer *optimizer, slot *s, const fst__parameter *parameter,
                            const fst_optimizer_options *options, int64_t layers)
{
    double decay_factor;
    s->parameter = *parameter;
    s->parameter.name = NULL;
    s->muon =
        options->kind == FST_OPTIMIZER_MUON && parameter->flags & FST__PARAMETER_HIDDEN_MATRIX;
    fst__optimizer_group(options, parameter->name, &s->rate_factor, &decay_factor);
    s->rate_factor *= fst__optimizer_layer_factor(options, parameter->name, layers);
    double decay = s->muon ? options->muon_weight_decay : options->weight_decay;
    s->weight_decay = parameter->flags & FST__PARAMETER_DECAY ? decay * decay_factor : 0;
    s->adapted = options->kind == FST_OPTIMIZER_LARS && parameter->flags & FST__PARAMETER_DECAY;
    s->trust = 1;

    s->parameter.name = fst__strdup(optimizer->allocator, parameter->name);
    if (!s->parameter.name)
        return FST_ERR_NO_MEMORY;
    bool adamw = is_adamw(options, s);
    if (has_momentum(options, s)) {
        s->first_name = state_name(optimizer->allocator, adamw ? "exp_avg" : "momentum_buffer",
                                   parameter->name);
        if (!s->first_name)
            return FST_ERR_NO_MEMORY;
    }
    if (adamw) {
        s->second_name = state_name(optimizer->allocator, "exp_avg_sq", parameter->name);
        if (!s->second_name)
            return FST_ERR_NO_MEMORY;
    }
    return FST_OK;
}

static int64_t slot_elements(const slot *s)
{
    return s->parameter.rows * s->parameter.columns;
}

static fst_status make_slots(fst__optimizer *optimizer, const fst__parameter *parameters,
                             int64_t count, const fst_optimizer_options *options)
{
    optimizer->slots = fst__alloc_array(optimizer->allocator, (size_t)count, sizeof(slot));
    if (!optimizer->slots)
        return FST_ERR_NO_MEMORY;
    memset(optimizer->slots, 0, (size_t)count * sizeof(slot));
    int64_t layers = fst__optimizer_layers(parameters, count);
    for (int64_t i = 0; i < count; ++i) {
        if (parameters[i].flags & FST__PARAMETER_FROZEN)
            continue;
        fst_status status = check_parameter(&parameters[i], i);
        if (!status) /* counted first, so that destroy frees a half-made one */
            status = slot_init(optimizer, &optimizer->slots[optimizer->slot_count++],
                               &parameters[i], options, layers);
        if (status)
            return status;
    }
    return FST_OK;
}

static fst_status make_chunks(fst__optimizer *optimizer)
{
    int64_t count = 0;
    for (int64_t i = 0; i < optimizer->slot_count; ++i)
        count += (slot_elements(&optimizer->slots[i]) + CHUNK - 1) / CHUNK;
    optimizer->chunks = fst__alloc_array(optimizer->allocator, (size_t)count, sizeof(chunk));
    optimizer->sums = fst__alloc_array(optimizer->allocator, (size_t)count, sizeof(double));
    if (!optimizer->chunks || !optimizer->sums)
        return FST_ERR_NO_MEMORY;
    if (optimizer->options.kind == FST_OPTIMIZER_LARS) {
        optimizer->weight_sums =
            fst__alloc_array(optimizer->allocator, (size_t)count, sizeof(double));
        if (!optimizer->weight_sums)
            return FST_ERR_NO_MEMORY;
    }
    for (int64_t i = 0; i < optimizer->slot_count; ++i) {
        int64_t elements = slot_elements(&optimizer->slots[i]);
        for (int64_t offset = 0; offset < elements; offset += CHUNK) {
            int64_t length = elements - offset < CHUNK ? elements - offset : CHUNK;
            optimizer->chunks[optimizer->chunk_count++] = (chunk){i, offset, length};
        }
        optimizer->elements += elements;
    }
    return FST_OK;
}

/* Elements rounded up to a cache line, so that every array begins on one. */
static size_t padded(int64_t elements)
{
    return ((size_t)elements + 15) / 16 * 16;
}

static fst_status make_moments(fst__optimizer *optimizer)
{
    size_t total = 0, bytes;
    for (int64_t i = 0; i < optimizer->slot_count; ++i) {
        const slot *s = &optimizer->slots[i];
        size_t arrays = (s->first_name ? 1u : 0u) + (s->second_name ? 1u : 0u);
        if (!fst__add_size(total, arrays * padded(slot_elements(s)), &total))
            return fst__fail(FST_ERR_NO_MEMORY, "the moments are too large");
    }
    if (!fst__mul_size(total, sizeof(fst__real), &bytes))
        return fst__fail(FST_ERR_NO_MEMORY, "the moments are too large");
    fst__real *next = optimizer->moments = fst__alloc_zero(optimizer->allocator, bytes);
    if (!next)
        return FST_ERR_NO_MEMORY;
    for (int64_t i = 0; i < optimizer->slot_count; ++i) {
        slot *s = &optimizer->slots[i];
        size_t elements = padded(slot_elements(s));
        if (s->first_name) {
            s->first = next;
            next += elements;
        }
        if (s->second_name) {
            s->second = next;
            next += elements;
        }
    }
    return FST_OK;
}

static fst_status make_muon_scratch(fst__optimizer *optimizer)
{
    size_t matrix = 0, square = 0, bytes;
    for (int64_t i = 0; i < optimizer->slot_count; ++i) {
        const slot *s = &optimizer->slots[i];
        if (!s->muon)
            continue;
        int64_t rows = s->parameter.rows, columns = s->parameter.columns;
        int64_t side = rows < columns ? rows : columns;
        size_t elements = padded(rows * columns), side_elements = padded(side * side);
        matrix = elements > matrix ? elements : matrix;
        square = side_elements > square ? side_elements : square;
    }
    if (matrix == 0)
        return FST_OK;
    if (!fst__mul_size(2 * (matrix + square), sizeof(fst__real), &bytes))
        return fst__fail(FST_ERR_NO_MEMORY, "Muon's scratch is too large");
    fst__real *block = fst__alloc(optimizer->allocator, bytes);
    if (!block)
        return FST_ERR_NO_MEMORY;
    optimizer->muon =
        (fst__muon_scratch){block, block + matrix, block + 2 * matrix, block + 2 * matrix + square};
    return FST_OK;
}

fst_status fst__optimizer_create(fst__allocator *allocator, const fst__parameter *parameters,
                                 int64_t count, const fst_optimizer_options *options,
                                 fst__optimizer **out)
{
    fst_status status = fst__optimizer_check(options);
    if (status)
        return status;
    fst__optimizer *optimizer = fst__alloc_zero(allocator, sizeof *optimizer);
    if (!optimizer)
        return FST_ERR_NO_MEMORY;
    optimizer->allocator = allocator;
    optimizer->options = *options;
    optimizer->options.group_patterns = NULL;
    optimizer->options.group_learning_rates = optimizer->options.group_weight_decays = NULL;
    optimizer->options.group_count = 0;
    optimizer->schedule = fst__optimizer_schedule(options);
    status = make_slots(optimizer, parameters, count, options);
    if (!status)
        status = make_chunks(optimizer);
    if (!status)
        status = make_moments(optimizer);
    if (!status)
        status = make_muon_scratch(optimizer);
    if (status) {
        fst__optimizer_destroy(optimizer);
        return status;
    }
    *out = optimizer;
    return FST_OK;
}

void fst__optimizer_destroy(fst__optimizer *optimizer)
{
    if (!optimizer)
        return;
    fst__allocator *allocator = optimizer->allocator;
    fst__free(allocator, optimizer->muon.direction);
    fst__free(allocator, optimizer->moments);
    fst__free(allocator, optimizer->weight_sums);
    fst__free(allocator, optimizer->sums);
    fst__free(allocator, optimizer->chunks);
    for (int64_t i = 0; i < optimizer->slot_count; ++i) {
        fst__free(allocator, optimizer->slots[i].second_name);
        fst__free(allocator, optimizer->slots[i].first_name);
        fst__free(allocator, (char *)optimizer->slots[i].parameter.name);
    }
    fst__free(allocator, optimizer->slots);
    fst__free(allocator, optimizer);
}

const fst_optimizer_options *fst__optimizer_options(const fst__optimizer *optimizer)
{
    return &optimizer->options;
}

/* One task for each chunk; of few elements in all on the caller's thread, where a start of the pool
 * takes longer than the work. */
static void run_chunks(const fst__optimizer *optimizer, const fst__compute *compute, fst__task task,
                       void *context)
{
    if (optimizer->elements > CHUNK) {
        fst__pool_run(compute->pool, optimizer->chunk_count, task, context);
        return;
    }
    for (int64_t i = 0; i < optimizer->chunk_count; ++i)
        task(context, i, 0);
}

/* ---- the norm ---- */

typedef struct norm_task {
    fst__optimizer *optimizer;
    const fst__kernels *kernels;
} norm_task;

static void sum_chunk(void *context, int64_t index, int32_t worker)
{
    const norm_task *task = context;
    const chunk *c = &task->optimizer->chunks[index];
    const fst__real *gradient = task->optimizer->slots[c->slot].parameter.gradient;
    (void)worker;
    task->optimizer->sums[index] = task->kernels->sum_squares(gradient + c->offset, c->count);
}

fst_status fst__optimizer_gradient_norm(fst__optimizer *optimizer, const fst__compute *compute,
                                        double gradient_scale, double *norm)
{
    norm_task task = {optimizer, compute->kernels};
    run_chunks(optimizer, compute, sum_chunk, &task);
    double sum = 0;
    for (int64_t i = 0; i < optimizer->chunk_count; ++i) {
        if (!isfinite(optimizer->sums[i]))
            return fst__fail(FST_ERR_NUMERIC, "the gradient of %s is not finite",
                             optimizer->slots[optimizer->chunks[i].slot].parameter.name);
        sum += optimizer->sums[i];
    }
    *norm = sqrt(sum) * fabs(gradient_scale);
    return FST_OK;
}

/* ---- the update ---- */

/* One step's numbers. */
typedef struct step_task {
    fst__optimizer *optimizer;
    const fst__kernels *kernels;
    double learning_rate; /* AdamW's and SGD's */
    double muon_learning_rate;
    double gradient_factor; /* the caller's scale and clipping */
    const slot *muon;       /* the matrix at hand, its chunks and its direction */
    const chunk *muon_chunks;
    double *muon_sums;
    fst__real *muon_direction;
} step_task;

static fst__update chunk_update(const step_task *task, const chunk *c)
{
    const slot *s = &task->optimizer->slots[c->slot];
    const fst__parameter *p = &s->parameter;
    return (fst__update){
        .count = c->count,
        .value = p->value + c->offset,
        .gradient = p->gradient + c->offset,
        .first = s->first ? s->first + c->offset : NULL,
        .second = s->second ? s->second + c->offset : NULL,
        .working = p->working ? p->working + c->offset : NULL,
        .keep_gradient = task->optimizer->options.keep_gradients,
        .gradient_scale = (fst__real)task->gradient_factor,
    };
}

static void adamw_chunk(const step_task *task, const slot *s, const fst__update *update)
{
    const fst_optimizer_options *o = &task->optimizer->options;
    double t = (double)(task->optimizer->steps + 1);
    double rate = task->learning_rate * s->rate_factor;
    fst__adamw adamw = {
        .keep = (fst__real)(1 - rate * s->weight_decay),
        .beta1 = (fst__real)o->beta1,
        .beta2 = (fst__real)o->beta2,
        .rest1 = (fst__real)(1 - o->beta1),
        .rest2 = (fst__real)(1 - o->beta2),
        .step_size = (fst__real)(rate / (1 - pow(o->beta1, t))),
        .root2 = (fst__real)sqrt(1 - pow(o->beta2, t)),
        .epsilon = (fst__real)o->epsilon,
    };
    task->kernels->adamw_update(update, &adamw);
}

/* LARS too, whose trust ratio is in the gradient and in the decay. */
static void sgd_chunk(const step_task *task, const slot *s, fst__update *update)
{
    const fst_optimizer_options *o = &task->optimizer->options;
    bool lars = o->kind == FST_OPTIMIZER_LARS;
    if (s->adapted)
        update->gradient_scale = (fst__real)(task->gradient_factor * s->trust);
    fst__sgd sgd = {
        .learning_rate = (fst__real)(task->learning_rate * s->rate_factor),
        .weight_decay = (fst__real)(s->adapted ? s->trust_decay : s->weight_decay),
        .momentum = (fst__real)(lars ? o->lars_momentum : o->momentum),
        .rest_dampening = (fst__real)(lars ? 1 : 1 - o->dampening),
        .nesterov = o->nesterov,
        .first = task->optimizer->steps == 0,
    };
    task->kernels->sgd_update(update, &sgd);
}

static void update_chunk(void *context, int64_t index, int32_t worker)
{
    const step_task *task = context;
    const chunk *c = &task->optimizer->chunks[index];
    const slot *s = &task->optimizer->slots[c->slot];
    (void)worker;
    if (s->muon)
        return;
    fst__update update = chunk_update(task, c);
    int32_t kind = task->optimizer->options.kind;
    if (kind == FST_OPTIMIZER_SGD || kind == FST_OPTIMIZER_LARS)
        sgd_chunk(task, s, &update);
    else
        adamw_chunk(task, s, &update);
}

static void muon_direction_chunk(void *context, int64_t index, int32_t worker)
{
    const step_task *task = context;
    const fst_optimizer_options *o = &task->optimizer->options;
    const chunk *c = &task->muon_chunks[index];
    fst__update update = chunk_update(task, c);
    (void)worker;
    task->muon_sums[index] = task->kernels->muon_direction(
        &update, (fst__real)o->muon_momentum, (fst__real)(1 - o->muon_momentum), o->muon_nesterov,
        task->muon_direction + c->offset);
}

static void muon_update_chunk(void *context, int64_t index, int32_t worker)
{
    const step_task *task = context;
    const slot *s = task->muon;
    const chunk *c = &task->muon_chunks[index];
    double rows = (double)s->parameter.rows, columns = (double)s->parameter.columns;
    double scale = task->optimizer->options.muon_scale == FST_MUON_SCALE_MATCH_RMS
                       ? 0.2 * sqrt(fmax(rows, columns))
                       : sqrt(fmax(1, rows / columns));
    double rate = task->muon_learning_rate * s->rate_factor;
    fst__update update = chunk_update(task, c);
    (void)worker;
    task->kernels->muon_update(&update, (fst__real)(1 - rate * s->weight_decay),
                               (fst__real)(rate * scale), task->muon_direction + c->offset);
}

/* One matrix: momentum, orthogonalisation, update; `first` is its first chunk. */
static fst_status muon_step(step_task *task, const fst__compute *compute, int64_t first,
                            int64_t count)
{
    fst__optimizer *optimizer = task->optimizer;
    const slot *s = &optimizer->slots[optimizer->chunks[first].slot];
    task->muon = s;
    task->muon_chunks = optimizer->chunks + first;
    task->muon_sums = optimizer->sums + first;
    task->muon_direction = optimizer->muon.direction;
    fst__pool_run(compute->pool, count, muon_direction_chunk, task);
    double sum = 0;
    for (int64_t i = 0; i < count; ++i)
        sum += task->muon_sums[i];
    fst_status status = fst__muon_orthogonalise(
        compute, &optimizer->muon, s->parameter.rows, s->parameter.columns, sqrt(sum),
        optimizer->options.muon_iterations, &task->muon_direction);
    if (status)
        return fst__fail_in(status, "Muon's update of %s", s->parameter.name);
    fst__pool_run(compute->pool, count, muon_update_chunk, task);
    return FST_OK;
}

static fst_status muon_steps(step_task *task, const fst__compute *compute)
{
    const fst__optimizer *optimizer = task->optimizer;
    for (int64_t first = 0, count; first < optimizer->chunk_count; first += count) {
        int64_t index = optimizer->chunks[first].slot;
        for (count = 1; first + count < optimizer->chunk_count; ++count) {
            if (optimizer->chunks[first + count].slot != index)
                break;
        }
        if (!optimizer->slots[index].muon)
            continue;
        fst_status status = muon_step(task, compute, first, count);
        if (status)
            return status;
    }
    return FST_OK;
}

static void sum_weight_chunk(void *context, int64_t index, int32_t worker)
{
    const step_task *task = context;
    const chunk *c = &task->optimizer->chunks[index];
    const fst__real *value = task->optimizer->slots[c->slot].parameter.value;
    (void)worker;
    task->optimizer->weight_sums[index] = task->kernels->sum_squares(value + c->offset, c->count);
}

/* The gradients' sums are those that their norm left. */
static void set_trust(step_task *task, const fst__compute *compute)
{
    fst__optimizer *optimizer = task->optimizer;
    const fst_optimizer_options *o = &optimizer->options;
    run_chunks(optimizer, compute, sum_weight_chunk, task);
    for (int64_t first = 0, next; first < optimizer->chunk_count; first = next) {
        slot *s = &optimizer->slots[optimizer->chunks[first].slot];
        double gradient = 0, weight = 0;
        for (next = first; next < optimizer->chunk_count &&
                           optimizer->chunks[next].slot == optimizer->chunks[first].slot;
             ++next) {
            gradient += optimizer->sums[next];
            weight += optimizer->weight_sums[next];
        }
        gradient = sqrt(gradient) * fabs(task->gradient_factor);
        weight = sqrt(weight);
        bool whole = gradient > 0 && weight > 0;
        s->trust = whole ? o->lars_trust * weight /
                               (gradient + s->weight_decay * weight + o->epsilon)
                         : 1;
        s->trust_decay = whole ? s->trust * s->weight_decay : 0;
    }
}

/* Factors that turn the two peaks into this step's rates. */
static void set_rates(step_task *task, double override)
{
    const fst__optimizer *optimizer = task->optimizer;
    double peak = optimizer->options.learning_rate;
    fst_schedule_options unit = optimizer->schedule;
    unit.learning_rate = 1;
    double factor = fst__schedule_rate(&unit, optimizer->steps);
    if (override >= 0)
        factor = peak > 0 ? override / peak : 0;
    task->learning_rate = override >= 0 ? override : peak * factor;
    task->muon_learning_rate = optimizer->options.muon_learning_rate * factor;
}

fst_status fst__optimizer_step(fst__optimizer *optimizer, const fst__compute *compute,
                               const fst__step_options *options, fst_optimizer_report *report)
{
    const fst__step_options plain = {.gradient_scale = 1, .learning_rate = -1};
    if (!options)
        options = &plain;
    step_task task = {.optimizer = optimizer, .kernels = compute->kernels};
    set_rates(&task, options->learning_rate);
    double norm;
    fst_status status =
        fst__optimizer_gradient_norm(optimizer, compute, options->gradient_scale, &norm);
    if (status)
        return status;
    /* As torch.nn.utils.clip_grad_norm_. */
    double limit = optimizer->options.clip_norm;
    double clip = limit > 0 ? fmin(1, limit / (norm + 1e-6)) : 1;
    task.gradient_factor = options->gradient_scale * clip;

    /* Muon first: it alone can fail. */
    if (optimizer->muon.direction && (status = muon_steps(&task, compute)))
        return status;
    if (optimizer->weight_sums)
        set_trust(&task, compute);
    run_chunks(optimizer, compute, update_chunk, &task);
    optimizer->steps += 1;
    if (report) {
        report->step = optimizer->steps;
        report->learning_rate = task.learning_rate;
        report->muon_learning_rate = optimizer->muon.direction ? task.muon_learning_rate : 0;
        report->gradient_norm = norm;
        report->clip_factor = clip;
    }
    return FST_OK;
}

/* ---- the rest ---- */

static void zero_chunk(void *context, int64_t index, int32_t worker)
{
    const fst__optimizer *optimizer = context;
    const chunk *c = &optimizer->chunks[index];
    (void)worker;
    memset(optimizer->slots[c->slot].parameter.gradient + c->offset, 0,
           (size_t)c->count * sizeof(fst__real));
}

void fst__optimizer_zero_gradients(fst__optimizer *optimizer, const fst__compute *compute)
{
    run_chunks(optimizer, compute, zero_chunk, optimizer);
}

double fst__optimizer_learning_rate(const fst__optimizer *optimizer, int64_t step)
{
    return fst__schedule_rate(&optimizer->schedule, step < 0 ? optimizer->steps : step);
}

int64_t fst__optimizer_steps(const fst__optimizer *optimizer)
{
    return optimizer->steps;
}

void fst__optimizer_set_steps(fst__optimizer *optimizer, int64_t steps)
{
    optimizer->steps = steps;
}

int64_t fst__optimizer_state_count(const fst__optimizer *optimizer)
{
    int64_t count = 1;
    for (int64_t i = 0; i < optimizer->slot_count; ++i)
        count += (optimizer->slots[i].first != NULL) + (optimizer->slots[i].second != NULL);
    return count;
}

/* Shaped as the parameter is for the caller. */
static void moment_view(const slot *s, fst__real *data, fst_view *view)
{
    int64_t rows = s->parameter.rows, columns = s->parameter.columns;
    *view = (fst_view){.data = data, .dtype = FST__REAL_DTYPE, .rank = s->parameter.rank};
    if (view->rank == 1) {
        view->shape[0] = rows * columns;
        view->strides[0] = 1;
    } else {
        view->rank = 2;
        view->shape[0] = rows;
        view->shape[1] = columns;
        view->strides[0] = columns;
        view->strides[1] = 1;
    }
}

void fst__optimizer_state(fst__optimizer *optimizer, int64_t index, const char **name,
                          fst_view *view)
{
    *name = "step";
    *view = (fst_view){.data = &optimizer->steps, .dtype = FST_I64};
    for (int64_t i = 0; i < optimizer->slot_count && index > 0; ++i) {
        const slot *s = &optimizer->slots[i];
        if (s->first && --index == 0) {
            *name = s->first_name;
            moment_view(s, s->first, view);
        } else if (s->second && --index == 0) {
            *name = s->second_name;
            moment_view(s, s->second, view);
        }
    }
}
