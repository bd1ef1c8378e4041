/* Rows of one forward: which answers, as ids and targets, and their steps as compact arrays. */
#include "stages/rl/text.h"

#include "base/random.h"

#include <string.h>

enum { LENGTH_STEP = 8 }; /* rows are padded to a multiple, so that few shapes occur */

int64_t fst__rl_answer_at(const fst__rl *rl, int64_t epoch, int64_t place)
{
    uint64_t step = (uint64_t)(rl->iteration * rl->options.epochs + epoch);
    return (int64_t)fst__permute(rl->context->seed, FST__STREAM_MINIBATCH, step, (uint64_t)place,
                                 (uint64_t)rl->answers.count);
}

static int64_t ids_of(const fst__rl *rl, int64_t answer)
{
    return rl->answers.prompt_lengths[answer] + rl->rollout.lengths[answer];
}

static void gather_row(fst__rl *rl, int64_t r)
{
    const fst__answers *a = &rl->answers;
    fst__rl_batch *b = &rl->batch;
    int64_t n = b->answers[r], prompt = a->prompt_lengths[n], length = rl->rollout.lengths[n];
    int32_t *ids = b->ids + r * b->length, *targets = b->targets + r * b->length;
    b->lengths[r] = (int32_t)(prompt + length);
    memset(ids, 0, (size_t)b->length * sizeof *ids);
    memcpy(ids, a->ids + n * a->length, (size_t)(prompt + length) * sizeof *ids);
    for (int64_t t = 0; t < b->length; ++t)
        targets[t] = t + 1 >= prompt && t + 1 < prompt + length ? ids[t + 1] : FST_IGNORE;
    if (!a->kept_row)
        return;
    size_t row = (size_t)a->kept_row;
    unsigned char *kept = b->kept + (size_t)(r * b->length) * row;
    memset(kept, 0, (size_t)b->length * row);
    memcpy(kept + (size_t)(prompt - 1) * row, a->kept + (size_t)rl->rollout.offsets[n] * row,
           (size_t)length * row);
}

void fst__rl_gather(fst__rl *rl, int64_t epoch, int64_t index)
{
    fst__rl_batch *b = &rl->batch;
    b->rows = rl->options.rows;
    b->length = 1;
    b->count = 0;
    for (int64_t r = 0; r < b->rows; ++r) {
        b->answers[r] = fst__rl_answer_at(rl, epoch, index * b->rows + r);
        int64_t length = ids_of(rl, b->answers[r]);
        b->length = length > b->length ? length : b->length;
        b->count += rl->rollout.lengths[b->answers[r]];
    }
    b->length = (b->length + LENGTH_STEP - 1) / LENGTH_STEP * LENGTH_STEP;
    b->length = b->length < rl->answers.length ? b->length : rl->answers.length;
    for (int64_t r = 0; r < b->rows; ++r)
        gather_row(rl, r);
}

fst_status fst__rl_forward(fst__rl *rl, fst_model *model, bool training)
{
    const fst__rl_batch *b = &rl->batch;
    const fst_batch batch = {
        .struct_size = sizeof batch, .rows = b->rows, .length = b->length, .ids = b->ids,
        .targets = b->targets, .lengths = b->lengths,
        .kept = rl->answers.kept_row ? b->kept : NULL,
    };
    fst_forward_options options = fst__forward_defaults();
    options.mode = training ? FST_FORWARD_TRAIN : FST_FORWARD_EVALUATE;
    options.dropout = 0;
    options.temperature = rl->sampling.temperature;
    return fst__model_forward_with(model, &batch, &options);
}

/* The dense position of an answer's first step: the last id of its prompt predicts it. */
static int64_t first_position(const fst__rl *rl, int64_t r)
{
    return r * rl->batch.length + rl->answers.prompt_lengths[rl->batch.answers[r]] - 1;
}

void fst__rl_compact(const fst__rl *rl, const fst__real *dense, fst__real *compact)
{
    for (int64_t r = 0; r < rl->batch.rows; ++r) {
        int64_t length = rl->rollout.lengths[rl->batch.answers[r]];
        memcpy(compact, dense + first_position(rl, r), (size_t)length * sizeof *compact);
        compact += length;
    }
}

void fst__rl_spread(const fst__rl *rl, const fst__real *compact, fst__real *dense)
{
    memset(dense, 0, (size_t)(rl->batch.rows * rl->batch.length) * sizeof *dense);
    for (int64_t r = 0; r < rl->batch.rows; ++r) {
        int64_t length = rl->rollout.lengths[rl->batch.answers[r]];
        memcpy(dense + first_position(rl, r), compact, (size_t)length * sizeof *compact);
        compact += length;
    }
}

void fst__rl_pick(const fst__rl *rl, const fst__real *by_step, fst__real *compact)
{
    for (int64_t r = 0; r < rl->batch.rows; ++r) {
        int64_t n = rl->batch.answers[r], length = rl->rollout.lengths[n];
        memcpy(compact, by_step + rl->rollout.offsets[n], (size_t)length * sizeof *compact);
        compact += length;
    }
}

void fst__rl_put(const fst__rl *rl, const fst__real *compact, fst__real *by_step)
{
    for (int64_t r = 0; r < rl->batch.rows; ++r) {
        int64_t n = rl->batch.answers[r], length = rl->rollout.lengths[n];
        memcpy(by_step + rl->rollout.offsets[n], compact, (size_t)length * sizeof *compact);
        compact += length;
    }
}
