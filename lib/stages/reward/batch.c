/* The examples of a step, and a micro-batch of them as padded rows. */
#include "stages/reward/reward.h"

#include "formats/sort.h"

#include <string.h>

typedef struct by_length {
    const fst_dataset *dataset;
    int64_t *indices;
} by_length;

static int64_t longest_of(const fst_dataset *dataset, int64_t index)
{
    const fst__examples *e = dataset->documents->examples;
    const fst__document *spans = dataset->documents->spans;
    int64_t longest = 0;
    for (int64_t d = e->first[index]; d < e->first[index + 1]; ++d) {
        int64_t length = spans[d].end - spans[d].begin;
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* An example that a small dataset gives twice is equal to itself, whichever stands first. */
static bool less(const void *context, size_t a, size_t b)
{
    const by_length *s = context;
    int64_t length_a = longest_of(s->dataset, s->indices[a]);
    int64_t length_b = longest_of(s->dataset, s->indices[b]);
    return length_a != length_b ? length_a < length_b : s->indices[a] < s->indices[b];
}

static void swap(void *context, size_t a, size_t b)
{
    by_length *s = context;
    int64_t kept = s->indices[a];
    s->indices[a] = s->indices[b];
    s->indices[b] = kept;
}

/* A function of the position alone, so nothing of it is in a checkpoint. */
void fst__reward_order(fst__reward *reward)
{
    const fst__steps *steps = &reward->steps;
    int64_t count = reward->options.rows * reward->options.accumulation;
    int64_t first = fst__steps_first(steps, steps->position - steps->micro_step);
    by_length order = {reward->train, reward->indices};
    fst__examples_order(reward->train, first, count, reward->options.shuffle, reward->indices);
    fst__sort((size_t)count, less, swap, &order);
}

void fst__reward_read(fst__reward *reward, fst_batch *batch)
{
    enum { ROUND = 8 };
    int64_t rows = reward->options.rows, row = 0, length = 1;
    const int64_t *indices = reward->indices + reward->steps.micro_step * rows;
    for (int64_t i = 0; i < rows; ++i) {
        int64_t longest = longest_of(reward->train, indices[i]);
        length = longest > length ? longest : length;
    }
    length = (length + ROUND - 1) / ROUND * ROUND;
    length = length < reward->length ? length : reward->length;
    for (int64_t i = 0; i < rows; ++i) {
        fst_example example;
        int64_t sequence = 0;
        reward->offsets[i] = row;
        do {
            fst__examples_get(reward->train, indices[i], sequence, &example);
            int32_t *ids = reward->ids + row * length;
            memcpy(ids, example.ids, (size_t)example.length * sizeof *ids);
            memset(ids + example.length, 0, (size_t)(length - example.length) * sizeof *ids);
            reward->lengths[row++] = (int32_t)example.length;
        } while (++sequence < example.sequences);
        reward->margins[i] = example.margin;
    }
    reward->offsets[rows] = row;
    *batch = (fst_batch){
        .struct_size = sizeof *batch,
        .rows = row,
        .length = length,
        .ids = reward->ids,
        .lengths = reward->lengths,
    };
}

fst_status fst__reward_outputs(fst__reward *reward, int64_t rows, fst__real *scores)
{
    fst_model *model = reward->steps.training.model;
    fst_status status = FST_OK;
    for (int64_t h = 0; !status && h < reward->head_count; ++h) {
        const fst__reward_head *head = &reward->heads[h];
        fst_view view;
        status = fst__model_output(model, head->head->name, &view);
        const fst__real *data = view.data;
        for (int64_t r = 0; !status && r < rows; ++r) {
            for (int64_t k = 0; k < head->head->options.outputs; ++k)
                scores[r * reward->outputs + head->column + k] =
                    data[r * view.strides[0] + k * view.strides[1]];
        }
    }
    return status;
}

fst_status fst__reward_forward(fst__reward *reward, const fst_batch *batch)
{
    fst_forward_options options = fst__forward_defaults();
    options.mode = FST_FORWARD_TRAIN;
    options.dropout = reward->options.dropout;
    options.step = reward->steps.position;
    fst_status status = fst__model_forward_with(reward->steps.training.model, batch, &options);
    return status ? status : fst__reward_outputs(reward, batch->rows, reward->scores);
}

fst_status fst__reward_backward(fst__reward *reward, int64_t rows)
{
    fst_model *model = reward->steps.training.model;
    fst_status status = FST_OK;
    for (int64_t h = 0; !status && h < reward->head_count; ++h) {
        const fst__reward_head *head = &reward->heads[h];
        const fst_view view = {
            .data = reward->gradient + head->column,
            .dtype = FST__REAL_DTYPE,
            .rank = 2,
            .shape = {rows, head->head->options.outputs},
            .strides = {reward->outputs, 1},
        };
        status = fst__model_add_gradient(model, head->head->name, &view);
    }
    return status ? status : fst__model_backward(model);
}
