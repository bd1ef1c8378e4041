#include "model/resnet.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "model/image_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int32_t working_dtype(const fst_model *model)
{
    return model->options.dtype == FST_BF16 ? FST_BF16 : FST__REAL_DTYPE;
}

/* ---- parameters */

enum { UNITS_PER_BLOCK = 4, PER_UNIT = 5 };

static int64_t positions(const fst_model_config *config)
{
    return config->context_length;
}

static int64_t parameter_limit(const fst_model_config *config)
{
    return ((int64_t)config->layers * UNITS_PER_BLOCK + 1) * PER_UNIT;
}

static void list_vector(fst__parameter_list *to, const char *module, const char *name, int64_t size,
                        uint32_t flags)
{
    char full[FST__PARAMETER_NAME_SIZE];
    snprintf(full, sizeof full, "%s.%s", module, name);
    fst__list_parameter(to, full, 1, size, 1, flags);
}

static void list_unit(void *context, const fst__unit_plan *plan)
{
    fst__parameter_list *to = context;
    const fst__convolution *s = &plan->shape;
    const uint32_t buffer = FST__PARAMETER_FROZEN | FST__PARAMETER_BUFFER;
    uint32_t hidden = plan->block < 0 ? 0 : FST__PARAMETER_HIDDEN_MATRIX;
    char name[FST__PARAMETER_NAME_SIZE];
    snprintf(name, sizeof name, "%s.weight", plan->conv);
    fst__list_parameter(to, name, s->outputs, fst__convolution_patch(s), 2,
                        FST__PARAMETER_DECAY | hidden);
    list_vector(to, plan->norm, "weight", s->outputs, 0);
    list_vector(to, plan->norm, "bias", s->outputs, 0);
    list_vector(to, plan->norm, "running_mean", s->outputs, buffer);
    list_vector(to, plan->norm, "running_var", s->outputs, buffer);
}

static void list(fst__parameter_list *to, const fst_model_config *config)
{
    fst__resnet_walk(config, list_unit, to);
}

typedef struct std_search {
    const char *name;
    double std;
} std_search;

static void find_std(void *context, const fst__unit_plan *plan)
{
    std_search *search = context;
    size_t length = strlen(plan->conv);
    if (strncmp(search->name, plan->conv, length) != 0 ||
        strcmp(search->name + length, ".weight") != 0)
        return;
    const fst__convolution *s = &plan->shape;
    search->std = sqrt(2.0 / (double)(s->outputs * s->kernel * s->kernel));
}

/* He et al., arXiv:1502.01852, for a ReLU, by the fan that leaves, as torchvision's resnet.py. */
static double initial_std(const fst_model_config *config, const fst__parameter *parameter)
{
    std_search search = {.name = parameter->name};
    fst__resnet_walk(config, find_std, &search);
    return search.std;
}

typedef struct place_search {
    const char *name;
    int32_t block;
} place_search;

static void find_place(void *context, const fst__unit_plan *plan)
{
    place_search *search = context;
    size_t conv = strlen(plan->conv), norm = strlen(plan->norm);
    if ((strncmp(search->name, plan->conv, conv) == 0 && search->name[conv] == '.') ||
        (strncmp(search->name, plan->norm, norm) == 0 && search->name[norm] == '.'))
        search->block = plan->block;
}

static int32_t place(const fst_model_config *config, const char *name)
{
    place_search search = {.name = name, .block = config->layers};
    fst__resnet_walk(config, find_place, &search);
    return search.block;
}

/* ---- what a model keeps */

typedef struct opening {
    fst__parameters *parameters;
    fst__resnet *net;
    int64_t parameter;
} opening;

static void open_unit(void *context, const fst__unit_plan *plan)
{
    opening *o = context;
    fst__parameter *p = o->parameters->items + o->parameter;
    int32_t index = o->net->unit_count++;
    o->net->units[index] = (fst__unit){plan->shape, p, p + 1, p + 2, p + 3, p + 4,
                                       .mean = NULL};
    o->parameter += PER_UNIT;
    if (plan->block < 0)
        return;
    fst__resnet_block *block = &o->net->blocks[plan->block];
    if (plan->block == o->net->block_count) {
        ++o->net->block_count;
        *block = (fst__resnet_block){.first = index, .shortcut = -1};
    }
    if (plan->shortcut)
        block->shortcut = index;
    else
        ++block->count;
}

static fst_status open_net(fst_model *model)
{
    fst__allocator *allocator = &model->context->allocator;
    size_t blocks = (size_t)model->config.layers;
    model->resnet = fst__alloc_zero(allocator, sizeof *model->resnet);
    if (!model->resnet)
        return FST_ERR_NO_MEMORY;
    fst__resnet *net = model->resnet;
    net->units = fst__alloc_array(allocator, blocks * UNITS_PER_BLOCK + 1, sizeof *net->units);
    net->blocks = fst__alloc_array(allocator, blocks, sizeof *net->blocks);
    if (!net->units || !net->blocks)
        return FST_ERR_NO_MEMORY;
    opening o = {&model->parameters, net, 0};
    fst__resnet_walk(&model->config, open_unit, &o);
    return FST_OK;
}

static void close_net(fst_model *model)
{
    fst__allocator *allocator = &model->context->allocator;
    if (!model->resnet)
        return;
    fst__free(allocator, model->resnet->blocks);
    fst__free(allocator, model->resnet->units);
    fst__free(allocator, model->resnet);
}

/* ---- the plan of memory */

enum { EVALUATION_MAPS = 4, TRAINING_MAPS = 3 };

typedef struct planner {
    const fst__resnet *net;
    fst__resnet *out; /* NULL: only counting */
    fst__arena *arena;
    int64_t rows;
    int32_t dtype;
    bool training;
    void *shared[EVALUATION_MAPS];
} planner;

static fst__convolution batched(const planner *p, const fst__unit *unit)
{
    fst__convolution shape = unit->shape;
    shape.batch = p->rows;
    return shape;
}

static fst__matrix take_map(planner *p, int64_t rows, int64_t columns)
{
    void *data =
        fst__arena_take(p->arena, (size_t)rows, (size_t)columns * fst__element_size(p->dtype));
    return fst__matrix_of(data, rows, columns, p->dtype);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Elements of the largest map of one image, that of its widest patches included. */
static int64_t largest_map(const fst__resnet *net)
{
    int64_t most = 0;
    for (int32_t i = 0; i < net->unit_count; ++i) {
        const fst__convolution *s = &net->units[i].shape;
        int64_t rows = s->height * s->width;
        int64_t elements = rows * (s->outputs > s->channels ? s->outputs : s->channels);
        most = elements > most ? elements : most;
    }
    return most;
}

static void take_shared(planner *p)
{
    size_t bytes = (size_t)largest_map(p->net) * fst__element_size(p->dtype);
    int count = p->training ? TRAINING_MAPS : EVALUATION_MAPS;
    for (int i = 0; i < count; ++i) {
        p->shared[i] = fst__arena_take(p->arena, (size_t)p->rows, bytes);
        if (p->out && p->training)
            p->out->gradients[i] = p->shared[i];
    }
}

/* A unit's maps: of its own, or in evaluation both over a shared one. */
static void plan_unit(planner *p, int32_t index, void *shared, void *after_shared)
{
    const fst__unit *unit = &p->net->units[index];
    fst__convolution s = batched(p, unit);
    int64_t rows = fst__convolution_rows(&s);
    fst__real *mean = fst__arena_take(p->arena, (size_t)s.outputs, sizeof *mean);
    fst__real *rstd = fst__arena_take(p->arena, (size_t)s.outputs, sizeof *rstd);
    fst__matrix before = p->training ? take_map(p, rows, s.outputs)
                                     : fst__matrix_of(shared, rows, s.outputs, p->dtype);
    fst__matrix after = before;
    if (p->training)
        after = after_shared ? fst__matrix_of(after_shared, rows, s.outputs, p->dtype)
                             : take_map(p, rows, s.outputs);
    if (!p->out)
        return;
    fst__unit *out = &p->out->units[index];
    out->shape = s;
    out->before = before;
    out->after = after;
    out->mean = mean;
    out->rstd = rstd;
}

/* Returns where the first block's input is among the shared maps. */
static int plan_stem(planner *p, const fst_model_config *c)
{
    const fst__convolution *stem = &p->net->units[0].shape;
    fst__matrix images = take_map(p, p->rows * stem->height * stem->width, stem->channels);
    plan_unit(p, 0, p->shared[0], NULL);
    bool pools = c->stem == FST_STEM_7X7;
    fst__max_pool pool = fst__resnet_pool(c);
    int64_t rows = p->rows * fst__max_pool_height(&pool) * fst__max_pool_width(&pool);
    fst__matrix pooled = fst__matrix_of(p->shared[1], rows, pool.channels, p->dtype);
    uint8_t *taps = NULL;
    if (pools && p->training) {
        pooled = take_map(p, rows, pool.channels);
        taps = fst__arena_take(p->arena, (size_t)rows, (size_t)pool.channels);
    }
    if (p->out) {
        p->out->images = images;
        p->out->pooled = pooled;
        p->out->taps = taps;
        p->out->blocks[0].input = pools ? pooled : p->out->units[0].after;
    }
    return pools ? 1 : 0;
}

static void plan_blocks(planner *p, int at)
{
    for (int32_t b = 0; b < p->net->block_count; ++b) {
        const fst__resnet_block *block = &p->net->blocks[b];
        int next = at;
        for (int32_t i = 0; i < block->count; ++i) {
            next = (at + 1 + i % 2) % EVALUATION_MAPS;
            plan_unit(p, block->first + i, p->shared[next], NULL);
        }
        if (block->shortcut >= 0)
            /* What it adds is read once, before any gradient is made. */
            plan_unit(p, block->shortcut, p->shared[(at + 3) % EVALUATION_MAPS], p->shared[0]);
        at = next;
        if (p->out && b + 1 < p->net->block_count)
            p->out->blocks[b + 1].input = p->out->units[block->first + block->count - 1].after;
    }
}

static size_t unit_scratch(const planner *p, const fst__compute *compute, const fst__unit *unit)
{
    fst__convolution s = batched(p, unit);
    fst__arena counting = fst__arena_counting();
    fst__batch_sums unused;
    if (p->training)
        fst__batch_sums_take(&counting, compute, fst__convolution_rows(&s), s.outputs,
                             fst__convolution_tile_rows(&s), &unused);
    fst__arena_take(&counting, fst__convolution_forward_scratch(compute, &s, p->dtype), 1);
    if (!p->training)
        return counting.peak;
    size_t norm = fst__batch_norm_backward_scratch(fst__convolution_rows(&s), s.outputs);
    size_t conv = fst__convolution_backward_scratch(compute, &s, p->dtype);
    return larger(counting.peak, larger(norm, conv));
}

static void layout(const fst_model *model, fst__activations *out, fst__arena *arena, int64_t rows,
                   int64_t length, bool training, size_t least_scratch)
{
    *out = (fst__activations){.rows = rows, .length = length, .training = training,
                              .least_scratch = least_scratch};
    planner p = {
        .net = model->resnet,
        .out = out == &model->activations ? model->resnet : NULL,
        .arena = arena, .rows = rows, .dtype = working_dtype(model), .training = training,
    };
    int64_t elements;
    if (!fst__mul_i64(rows, largest_map(p.net) * (int64_t)sizeof(double), &elements)) {
        arena->overflow = true; /* the sizes below would not be numbers */
        return;
    }
    out->row_lengths = fst__arena_take(arena, (size_t)rows, sizeof *out->row_lengths);
    take_shared(&p);
    plan_blocks(&p, plan_stem(&p, &model->config));
    out->d_normed =
        fst__matrix_of(training ? p.shared[0] : NULL, rows * length, model->config.width, p.dtype);
    if (p.out) {
        const fst__resnet_block *last = &p.out->blocks[p.out->block_count - 1];
        out->hidden = p.out->units[last->first + last->count - 1].after;
    }
    size_t size = least_scratch;
    for (int32_t i = 0; i < p.net->unit_count; ++i)
        size = larger(size, unit_scratch(&p, model->context->compute, &p.net->units[i]));
    void *scratch = fst__arena_take(arena, size, 1);
    out->scratch = scratch ? fst__arena_over(scratch, size) : fst__arena_counting();
}

/* ---- in */

static fst_status read_batch(fst_model *model, const fst_batch *batch)
{
    fst__activations *a = &model->activations;
    if (!batch->images)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "batch.images: the model's backbone reads images");
    model->has_targets = model->has_kept = false;
    model->target_weight = 0;
    for (int64_t r = 0; r < a->rows; ++r)
        a->row_lengths[r] = (int32_t)a->length;
    fst__image_rows_read(model, batch->images, model->resnet->images);
    return FST_OK;
}

/* ---- forward */

static fst__batch_norm norm_of(const fst_model *model, const fst__unit *unit)
{
    return (fst__batch_norm){unit->shape.outputs, (fst__real)model->config.norm_epsilon,
                             unit->norm_weight->value, unit->norm_bias->value};
}

/* The convolution, and the moments its norm works with. A norm whose weight is frozen stays as it is:
 * it norms by its running statistics and leaves them alone. */
static fst_status convolve(fst_model *model, fst__unit *unit, fst__matrix in)
{
    const fst__compute *compute = model->context->compute;
    fst__arena *scratch = &model->activations.scratch;
    fst__batch_norm norm = norm_of(model, unit);
    fst__matrix weight = fst__weight_matrix(unit->weight);
    unit->of_batch =
        model->activations.training && !(unit->norm_weight->flags & FST__PARAMETER_FROZEN);
    if (!unit->of_batch) {
        memcpy(unit->mean, unit->running_mean->value, (size_t)norm.channels * sizeof *unit->mean);
        fst__batch_norm_running(&norm, unit->running_variance->value, unit->rstd);
        return fst__convolution_forward(compute, &unit->shape, in, weight, unit->before, NULL,
                                        scratch);
    }
    size_t mark = fst__arena_mark(scratch);
    fst__batch_sums sums;
    if (!fst__batch_sums_take(scratch, compute, unit->before.rows, norm.channels,
                              fst__convolution_tile_rows(&unit->shape), &sums))
        return fst__fail(FST_ERR_INTERNAL, "resnet: the scratch planned is too small");
    fst__epilogue epilogue = fst__batch_sums_epilogue(&sums);
    fst_status status = fst__convolution_forward(compute, &unit->shape, in, weight, unit->before,
                                                 &epilogue, scratch);
    if (!status)
        fst__batch_norm_moments(compute, &norm, &sums, unit->mean, unit->rstd,
                                model->config.batch_norm_momentum, unit->running_mean->value,
                                unit->running_variance->value);
    fst__arena_rewind(scratch, mark);
    return status;
}

static fst_status unit_forward(fst_model *model, fst__unit *unit, fst__matrix in,
                               const fst__matrix *onto, bool relu)
{
    fst_status status = convolve(model, unit, in);
    if (status)
        return status;
    fst__batch_norm norm = norm_of(model, unit);
    fst__batch_norm_forward(model->context->compute, &norm, unit->before, unit->mean, unit->rstd,
                            onto, relu, unit->after);
    return FST_OK;
}

static fst_status block_forward(fst_model *model, const fst__resnet_block *block)
{
    fst__unit *units = model->resnet->units, *unit = &units[block->first];
    fst__matrix stream = block->input, onto = block->input;
    fst_status status = FST_OK;
    for (int32_t i = 0; i + 1 < block->count && !status; ++i, ++unit) {
        status = unit_forward(model, unit, stream, NULL, true);
        stream = unit->after;
    }
    if (!status && block->shortcut >= 0) {
        status = unit_forward(model, &units[block->shortcut], block->input, NULL, false);
        onto = units[block->shortcut].after;
    }
    return status ? status : unit_forward(model, unit, stream, &onto, true);
}

static fst_status forward(fst_model *model)
{
    fst__resnet *net = model->resnet;
    fst_status status = unit_forward(model, &net->units[0], net->images, NULL, true);
    if (!status && model->config.stem == FST_STEM_7X7) {
        fst__max_pool pool = fst__resnet_pool(&model->config);
        pool.batch = model->activations.rows;
        fst__max_pool_forward(model->context->compute, &pool, net->units[0].after, net->pooled,
                              net->taps);
    }
    for (int32_t b = 0; b < net->block_count && !status; ++b)
        status = block_forward(model, &net->blocks[b]);
    return status;
}

const fst__backbone fst__image_resnet = {
    .positions = positions,
    .parameter_limit = parameter_limit,
    .list = list,
    .initial_std = initial_std,
    .open = open_net,
    .close = close_net,
    .layout = layout,
    .read = read_batch,
    .forward = forward,
    .backward = fst__resnet_backward,
    .place = place,
};
