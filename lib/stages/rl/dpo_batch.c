/* Pairs of answers as one padded batch. */
#include "stages/rl/dpo.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

/* Two answers of an example, 0 the best. */
typedef struct rank_pair {
    int64_t better, worse;
} rank_pair;

/* Pair number `turn` mod C(K, 2) of K answers: by how far apart they are, the farthest first. */
static rank_pair pair_of(int64_t answers, int64_t turn)
{
    turn %= answers * (answers - 1) / 2;
    for (int64_t apart = answers - 1; apart > 1; --apart) {
        if (turn < answers - apart)
            return (rank_pair){turn, turn + apart};
        turn -= answers - apart;
    }
    return (rank_pair){turn, turn + 1};
}

static fst_status get(const fst_dataset *dataset, int64_t index, int64_t sequence,
                      fst_example *example)
{
    return fst_dataset_get_example(dataset, index, sequence, example, sizeof *example);
}

/* The pair that place `row` of the batch stands for: in training a different one each epoch. */
static fst_status find_pair(const fst__dpo *dpo, const fst__dpo_place *place, int64_t row,
                            fst_example *chosen, fst_example *rejected)
{
    int64_t index = dpo->arrays.indices[row];
    int64_t epoch = place->training ? (place->first + row) / place->examples : 0;
    fst_status status = get(place->dataset, index, 0, chosen);
    if (status)
        return status;
    rank_pair pair = pair_of(chosen->sequences, epoch);
    status = get(place->dataset, index, pair.worse, rejected);
    return status ? status : get(place->dataset, index, pair.better, chosen);
}

/* ---- which examples ---- */

/* rows + 1 of them: the last is whose answers the last prompt gets in the mismatched batch. */
static fst_status find_indices(fst__dpo *dpo, const fst__dpo_place *place)
{
    int64_t rows = dpo->options.rows, *indices = dpo->arrays.indices;
    if (place->training)
        return fst_dataset_order(place->dataset, place->first, rows + 1, dpo->options.shuffle,
                                 indices);
    for (int64_t r = 0; r <= rows; ++r)
        indices[r] = place->first + (r < place->valid ? r : place->valid - 1);
    indices[place->valid] = (place->first + place->valid) % place->examples;
    return FST_OK;
}

/* ---- rows ---- */

/* ids[0 … prompt) of `prompt` and the answer of `answer` behind it, cut at the longest length. */
static void put_row(fst__dpo *dpo, int64_t row, const fst_example *prompt,
                    const fst_example *answer)
{
    fst__dpo_arrays *a = &dpo->arrays;
    int32_t *ids = a->ids + row * dpo->length, *targets = a->targets + row * dpo->length;
    int64_t begin = prompt->prompt_length, count = answer->length - answer->prompt_length;
    if (count > dpo->length - begin)
        count = dpo->length - begin;
    const uint8_t *trained = answer->trained + answer->prompt_length;
    memcpy(ids, prompt->ids, (size_t)begin * sizeof *ids);
    memcpy(ids + begin, answer->ids + answer->prompt_length, (size_t)count * sizeof *ids);
    int64_t length = begin + count;
    a->tokens[row] = 0;
    for (int64_t t = 0; t < length; ++t) {
        bool wanted = t + 1 < length && t + 1 >= begin && trained[t + 1 - begin];
        targets[t] = wanted ? ids[t + 1] : FST_IGNORE;
        a->tokens[row] += wanted;
    }
    a->lengths[row] = (int32_t)length;
}

static int32_t longest(const fst__dpo *dpo)
{
    int32_t most = 1;
    for (int64_t row = 0; row < 2 * dpo->options.rows; ++row)
        most = dpo->arrays.lengths[row] > most ? dpo->arrays.lengths[row] : most;
    return most;
}

/* Rows were put at the distance of the longest length there can be; a batch is as long as its own
 * longest row. */
static void close_batch(fst__dpo *dpo, fst_batch *batch)
{
    fst__dpo_arrays *a = &dpo->arrays;
    int64_t rows = 2 * dpo->options.rows, length = longest(dpo);
    for (int64_t row = 0; row < rows; ++row) {
        int32_t *ids = a->ids + row * length, *targets = a->targets + row * length;
        memmove(ids, a->ids + row * dpo->length, (size_t)length * sizeof *ids);
        memmove(targets, a->targets + row * dpo->length, (size_t)length * sizeof *targets);
        for (int64_t t = a->lengths[row]; t < length; ++t) {
            ids[t] = 0;
            targets[t] = FST_IGNORE;
        }
    }
    *batch = (fst_batch){
        .struct_size = sizeof *batch,
        .rows = rows,
        .length = length,
        .ids = a->ids,
        .targets = a->targets,
        .lengths = a->lengths,
    };
}

fst_status fst__dpo_read(fst__dpo *dpo, const fst__dpo_place *place, fst_batch *batch)
{
    int64_t rows = dpo->options.rows;
    fst_status status = find_indices(dpo, place);
    for (int64_t r = 0; !status && r < rows; ++r) {
        fst_example chosen, rejected;
        status = find_pair(dpo, place, r, &chosen, &rejected);
        if (status)
            break;
        put_row(dpo, r, &chosen, &chosen);
        put_row(dpo, rows + r, &rejected, &rejected);
    }
    if (!status)
        close_batch(dpo, batch);
    return status;
}

fst_status fst__dpo_read_mismatched(fst__dpo *dpo, const fst__dpo_place *place, fst_batch *batch)
{
    int64_t rows = dpo->options.rows;
    fst_status status = find_indices(dpo, place);
    for (int64_t r = 0; !status && r < rows; ++r) {
        fst_example chosen, rejected, next_chosen, next_rejected;
        status = find_pair(dpo, place, r, &chosen, &rejected);
        if (!status)
            status = find_pair(dpo, place, r + 1, &next_chosen, &next_rejected);
        if (status)
            break;
        put_row(dpo, r, &chosen, &next_chosen);
        put_row(dpo, rows + r, &rejected, &next_rejected);
    }
    if (!status)
        close_batch(dpo, batch);
    return status;
}
