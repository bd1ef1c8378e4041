#include "model/parameters.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "kernels/compute.h"
#include "kernels/kernels.h"
#include "model/backbone.h"
#include "model/config.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    NAME_SIZE = FST__PARAMETER_NAME_SIZE,
    ADDED_PER_LAYER = 21,   /* an adapter: seven modules of three */
    ADDED_OUTSIDE = 320,    /* heads */
    PAD = FST__ALIGNMENT / sizeof(fst__real),
};

/* No machine has as many; the allocator refuses them, and sums up to here do not overflow. */
static const int64_t MOST_ELEMENTS = (int64_t)1 << 58;

fst__parameter *fst__list_parameter(fst__parameter_list *list, const char *name, int64_t rows,
                                    int64_t columns, int32_t rank, uint32_t flags)
{
    fst__parameters *p = list->parameters;
    char *stored = p->names + p->count * NAME_SIZE;
    snprintf(stored, NAME_SIZE, "%s", name);
    fst__parameter *item = &p->items[p->count++];
    *item = (fst__parameter){
        .name = stored, .rows = rows, .columns = columns, .rank = rank, .flags = flags};
    list->elements += (rows * columns + PAD - 1) / PAD * PAD;
    if (list->elements > MOST_ELEMENTS)
        list->elements = MOST_ELEMENTS;
    return item;
}

static int64_t padded_size(const fst__parameter *item)
{
    return (fst__parameter_size(item) + PAD - 1) / PAD * PAD;
}

static void place_values(fst__parameters *p)
{
    int64_t at = 0;
    for (int64_t i = 0; i < p->count; ++i) {
        fst__parameter *item = &p->items[i];
        item->value = p->values + at;
        item->working = p->working && item->rank == 2 ? p->working + at : NULL;
        at += padded_size(item);
    }
}

fst_status fst__parameters_count(fst__allocator *allocator, const fst_model_config *config,
                                 int64_t *elements)
{
    fst__parameters p = {0};
    const fst__backbone *backbone = fst__backbone_of(config);
    size_t most = (size_t)backbone->parameter_limit(config);
    p.items = fst__alloc_array(allocator, most, sizeof *p.items);
    p.names = fst__alloc_array(allocator, most, NAME_SIZE);
    p.layers = fst__alloc_zero(allocator, (size_t)config->layers * sizeof *p.layers);
    fst_status status = p.items && p.names && p.layers ? FST_OK : FST_ERR_NO_MEMORY;
    fst__parameter_list all = {.parameters = &p};
    if (!status)
        backbone->list(&all, config);
    *elements = all.elements;
    fst__free(allocator, p.layers);
    fst__free(allocator, p.names);
    fst__free(allocator, p.items);
    return status;
}

fst_status fst__parameters_create(fst__allocator *allocator, const fst_model_config *config,
                                  int32_t dtype, fst__parameters *out)
{
    fst__parameters p = {.allocator = allocator};
    const fst__backbone *backbone = fst__backbone_of(config);
    size_t most = (size_t)backbone->parameter_limit(config);
    p.capacity = (int64_t)most + (int64_t)config->layers * ADDED_PER_LAYER + ADDED_OUTSIDE;
    p.items = fst__alloc_array(allocator, (size_t)p.capacity, sizeof *p.items);
    p.names = fst__alloc_array(allocator, most, NAME_SIZE);
    p.layers = fst__alloc_zero(allocator, (size_t)config->layers * sizeof *p.layers);
    if (!p.items || !p.names || !p.layers)
        goto fail;
    fst__parameter_list all = {.parameters = &p};
    backbone->list(&all, config);
    p.elements = all.elements;
    p.backbone = p.count;
    p.values = fst__alloc_array(allocator, (size_t)p.elements, sizeof *p.values);
    if (!p.values)
        goto fail;
    memset(p.values, 0, (size_t)p.elements * sizeof *p.values);
    if (dtype == FST_BF16) {
        p.working = fst__alloc_array(allocator, (size_t)p.elements, sizeof *p.working);
        if (!p.working)
            goto fail;
    }
    place_values(&p);
    *out = p;
    return FST_OK;
fail:
    fst__parameters_destroy(&p);
    return FST_ERR_NO_MEMORY;
}

void fst__parameters_destroy(fst__parameters *parameters)
{
    fst__allocator *allocator = parameters->allocator;
    if (!allocator)
        return;
    if (parameters->backbone) /* 0 in one that could not be made */
        fst__parameters_remove(parameters, parameters->backbone,
                               parameters->count - parameters->backbone);
    fst__free(allocator, parameters->working);
    fst__free(allocator, parameters->gradients);
    fst__free(allocator, parameters->values);
    fst__free(allocator, parameters->layers);
    fst__free(allocator, parameters->names);
    fst__free(allocator, parameters->items);
    *parameters = (fst__parameters){0};
}

/* Elements of one task: a block of random words many times over, and little beside a thread's start. */
enum { CHUNK = 1 << 15, GROUP = 64 };

/* What one pass over a parameter does, in chunks that do not depend on the number of workers. */
typedef struct pass {
    const fst__kernels *kernels;
    fst__parameter *item;
    int64_t size;
    uint64_t seed, number;
    double std;
} pass;

static void run_pass(const fst__compute *compute, pass *self, fst__task task)
{
    self->kernels = compute->kernels;
    self->size = fst__parameter_size(self->item);
    fst__pool_run(compute->pool, (self->size + CHUNK - 1) / CHUNK, task, self);
}

/* Box and Muller's two normals from two words. */
static void two_normals(uint32_t a, uint32_t b, fst__real std, fst__real *first, fst__real *second)
{
#ifdef FST__REAL_DOUBLE
    double radius = sqrt(-2 * log(((double)a + 1) * 0x1p-32));
    double angle = 6.283185307179586 * ((double)b * 0x1p-32);
    double along = cos(angle), across = sin(angle);
#else
    float radius = sqrtf(-2 * logf(((float)a + 1) * 0x1p-32f));
    float angle = 6.2831853f * ((float)b * 0x1p-32f);
    float along = cosf(angle), across = sinf(angle);
#endif
    *first = std * radius * along;
    *second = std * radius * across;
}

static void draw_chunk(void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const pass *self = context;
    int64_t begin = index * CHUNK, end = begin + CHUNK < self->size ? begin + CHUNK : self->size;
    for (int64_t at = begin; at < end; at += GROUP) {
        uint32_t words[GROUP];
        fst__real normals[GROUP];
        self->kernels->random_words(self->seed, FST__STREAM_INIT, self->number, (uint64_t)at, words,
                                    GROUP);
        for (int i = 0; i < GROUP; i += 2)
            two_normals(words[i], words[i + 1], (fst__real)self->std, &normals[i], &normals[i + 1]);
        size_t count = end - at < GROUP ? (size_t)(end - at) : GROUP;
        memcpy(self->item->value + at, normals, count * sizeof *normals);
    }
}

static void convert_chunk(void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const pass *self = context;
    int64_t begin = index * CHUNK, count = self->size - begin < CHUNK ? self->size - begin : CHUNK;
    self->kernels->to_bf16(self->item->value + begin, self->item->working + begin, count);
}

static void refresh(const fst__compute *compute, fst__parameter *item)
{
    pass convert = {.item = item};
    if (item->working)
        run_pass(compute, &convert, convert_chunk);
}

void fst__parameters_draw(fst__parameters *parameters, const fst__compute *compute, int64_t index,
                          double std, uint64_t seed, uint64_t number)
{
    pass draw = {.item = &parameters->items[index], .seed = seed, .number = number, .std = std};
    run_pass(compute, &draw, draw_chunk);
    refresh(compute, draw.item);
}

/* Makes the rows of v [count, size] orthonormal, each against those before it: Gram and Schmidt's
 * modified process, twice (Giraud et al., "Twice is enough", 2005). The triangle of the factorisation
 * then has a positive diagonal, as torch.nn.init.orthogonal_ has it. */
static void orthonormalise(const fst__kernels *k, fst__real *v, int64_t count, int64_t size)
{
    for (int64_t i = 0; i < count; ++i) {
        fst__real *row = v + i * size;
        for (int time = 0; time < 2; ++time) {
            for (int64_t j = 0; j < i; ++j)
                k->axpy(-k->dot(v + j * size, row, size), v + j * size, row, size);
            k->scale((fst__real)(1 / sqrt(k->sum_squares(row, size))), row, row, size);
        }
    }
}

fst_status fst__parameters_draw_orthogonal(fst__parameters *parameters, const fst__compute *compute,
                                           int64_t index, double gain, uint64_t seed,
                                           uint64_t number)
{
    fst__parameter *item = &parameters->items[index];
    int64_t rows = item->rows, columns = item->columns;
    fst__parameters_draw(parameters, compute, index, 1, seed, number);
    fst__real *turned = NULL;
    if (rows > columns) {
        turned = fst__alloc_array(parameters->allocator, (size_t)(rows * columns), sizeof *turned);
        if (!turned)
            return FST_ERR_NO_MEMORY;
        for (int64_t i = 0; i < rows * columns; ++i)
            turned[i % columns * rows + i / columns] = item->value[i];
        orthonormalise(compute->kernels, turned, columns, rows);
        for (int64_t i = 0; i < rows * columns; ++i)
            item->value[i] = turned[i % columns * rows + i / columns];
        fst__free(parameters->allocator, turned);
    } else {
        orthonormalise(compute->kernels, item->value, rows, columns);
    }
    compute->kernels->scale((fst__real)gain, item->value, item->value, rows * columns);
    refresh(compute, item);
    return FST_OK;
}

/* Gains of norms and running variances; biases and running means start at 0. */
static bool starts_at_one(const char *name)
{
    static const char *const ends[] = {"norm.weight", "norm1.weight", "norm2.weight",
                                       "norm3.weight", "running_var"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; ++i) {
        if (fst__text_ends_with(name, ends[i]))
            return true;
    }
    return false;
}

fst_status fst__parameters_initialise(fst__parameters *parameters, const fst__compute *compute,
                                      const fst_model_config *config, uint64_t seed)
{
    const fst__backbone *backbone = fst__backbone_of(config);
    bool orthogonal = fst__config_has_towers(config) && config->orthogonal_gain > 0;
    for (int64_t i = 0; i < parameters->count; ++i) {
        fst__parameter *item = &parameters->items[i];
        if (item->rank == 1) {
            fst__real value = starts_at_one(item->name) ? 1 : 0;
            for (int64_t j = 0; j < item->columns; ++j)
                item->value[j] = value;
            continue;
        }
        fst_status status = FST_OK;
        if (orthogonal)
            status = fst__parameters_draw_orthogonal(parameters, compute, i, config->orthogonal_gain,
                                                     seed, (uint64_t)i);
        else
            fst__parameters_draw(parameters, compute, i, backbone->initial_std(config, item), seed,
                                 (uint64_t)i);
        if (status)
            return status;
    }
    fst__parameters_refresh_working(parameters, compute);
    return FST_OK;
}

static bool is_frozen(const fst__parameter *item)
{
    return item->flags & FST__PARAMETER_FROZEN;
}

fst_status fst__parameters_want_gradients(fst__parameters *parameters)
{
    if (parameters->gradients)
        return FST_OK;
    int64_t elements = PAD; /* never none, which would look like not asked for */
    for (int64_t i = 0; i < parameters->count; ++i)
        elements += is_frozen(&parameters->items[i]) ? 0 : padded_size(&parameters->items[i]);
    parameters->gradients =
        fst__alloc_zero(parameters->allocator, (size_t)elements * sizeof *parameters->gradients);
    if (!parameters->gradients)
        return FST_ERR_NO_MEMORY;
    parameters->gradient_elements = elements;
    fst__real *at = parameters->gradients;
    for (int64_t i = 0; i < parameters->count; ++i) {
        fst__parameter *item = &parameters->items[i];
        if (is_frozen(item))
            continue;
        item->gradient = at;
        at += padded_size(item);
    }
    return FST_OK;
}

static void drop_gradients(fst__parameters *parameters)
{
    fst__free(parameters->allocator, parameters->gradients);
    parameters->gradients = NULL;
    parameters->gradient_elements = 0;
    for (int64_t i = 0; i < parameters->count; ++i)
        parameters->items[i].gradient = NULL;
}

fst_status fst__parameters_add(fst__parameters *parameters, const char *name, int64_t rows,
                               int64_t columns, int32_t rank, uint32_t flags)
{
    fst__allocator *allocator = parameters->allocator;
    if (parameters->count == parameters->capacity)
        return fst__fail(FST_ERR_INTERNAL, "no room for the parameter %s", name);
    size_t elements;
    if (!fst__mul_size((size_t)rows, (size_t)columns, &elements))
        return FST_ERR_NO_MEMORY;
    fst__parameter item = {.rows = rows, .columns = columns, .rank = rank, .flags = flags};
    bool half = parameters->working && rank == 2;
    char *stored = fst__alloc(allocator, NAME_SIZE);
    item.value = fst__alloc_array(allocator, elements, sizeof *item.value);
    item.working = half ? fst__alloc_array(allocator, elements, sizeof *item.working) : NULL;
    if (!stored || !item.value || (half && !item.working)) {
        fst__free(allocator, item.working);
        fst__free(allocator, item.value);
        fst__free(allocator, stored);
        return FST_ERR_NO_MEMORY;
    }
    memset(item.value, 0, elements * sizeof *item.value);
    if (half)
        memset(item.working, 0, elements * sizeof *item.working);
    snprintf(stored, NAME_SIZE, "%s", name);
    item.name = stored;
    drop_gradients(parameters);
    parameters->items[parameters->count++] = item;
    return FST_OK;
}

void fst__parameters_remove(fst__parameters *parameters, int64_t first, int64_t count)
{
    drop_gradients(parameters);
    for (int64_t i = first; i < first + count; ++i) {
        fst__parameter *item = &parameters->items[i];
        fst__free(parameters->allocator, item->working);
        fst__free(parameters->allocator, item->value);
        fst__free(parameters->allocator, (char *)(uintptr_t)item->name);
    }
    memmove(parameters->items + first, parameters->items + first + count,
            (size_t)(parameters->count - first - count) * sizeof *parameters->items);
    parameters->count -= count;
}

void fst__parameters_freeze(fst__parameters *parameters, int64_t index, bool frozen)
{
    uint32_t *flags = &parameters->items[index].flags;
    drop_gradients(parameters);
    *flags = frozen ? *flags | FST__PARAMETER_FROZEN : *flags & ~(uint32_t)FST__PARAMETER_FROZEN;
}

void fst__parameters_refresh_working(fst__parameters *parameters, const fst__compute *compute)
{
    for (int64_t i = 0; i < parameters->count; ++i) {
        pass convert = {.item = &parameters->items[i]};
        if (convert.item->working)
            run_pass(compute, &convert, convert_chunk);
    }
}

const fst__parameter *fst__parameters_not_finite(const fst__parameters *parameters)
{
    for (int64_t i = 0; i < parameters->count; ++i) {
        const fst__parameter *item = &parameters->items[i];
        int64_t size = fst__parameter_size(item);
        for (int64_t j = 0; j < size; ++j) {
            if (!isfinite(item->value[j]))
                return item;
        }
    }
    return NULL;
}

fst__parameter *fst__parameters_find(const fst__parameters *parameters, const char *name)
{
    for (int64_t i = 0; i < parameters->count; ++i) {
        if (strcmp(parameters->items[i].name, name) == 0)
            return &parameters->items[i];
    }
    return NULL;
}
