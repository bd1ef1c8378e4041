/* All sequences of a dataset through the heads, shortest first so that little is padding. */
#include "stages/reward/reward.h"

#include "base/error.h"
#include "formats/sort.h"

#include <inttypes.h>
#include <string.h>

static bool less(const void *context, size_t a, size_t b)
{
    const fst__sequence_place *p = context;
    if (p[a].length != p[b].length)
        return p[a].length < p[b].length;
    return p[a].example != p[b].example ? p[a].example < p[b].example
                                        : p[a].sequence < p[b].sequence;
}

static void swap(void *context, size_t a, size_t b)
{
    fst__sequence_place *p = context, kept = p[a];
    p[a] = p[b];
    p[b] = kept;
}

static int64_t find_places(fst__reward *reward, const fst_dataset *dataset, int64_t examples)
{
    const fst__examples *e = dataset->documents->examples;
    const fst__document *spans = dataset->documents->spans;
    int64_t count = 0;
    for (int64_t i = 0; i < examples; ++i) {
        for (int64_t d = e->first[i]; d < e->first[i + 1]; ++d)
            reward->places[count++] =
                (fst__sequence_place){i, d - e->first[i], spans[d].end - spans[d].begin};
    }
    fst__sort((size_t)count, less, swap, reward->places);
    return count;
}

static fst_status score_places(fst__reward *reward, const fst_dataset *dataset, int64_t first,
                               int64_t rows)
{
    const fst__sequence_place *places = reward->places + first;
    const int64_t *starts = dataset->documents->examples->first;
    int64_t length = places[rows - 1].length, outputs = reward->outputs;
    for (int64_t r = 0; r < rows; ++r) {
        fst_example example;
        int32_t *ids = reward->ids + r * length;
        fst__examples_get(dataset, places[r].example, places[r].sequence, &example);
        memcpy(ids, example.ids, (size_t)example.length * sizeof *ids);
        memset(ids + example.length, 0, (size_t)(length - example.length) * sizeof *ids);
        reward->lengths[r] = (int32_t)example.length;
    }
    const fst_batch batch = {
        .struct_size = sizeof batch,
        .rows = rows,
        .length = length,
        .ids = reward->ids,
        .lengths = reward->lengths,
    };
    fst_status status = fst__model_forward(reward->steps.training.model, &batch, false, 0);
    if (!status)
        status = fst__reward_outputs(reward, rows, reward->scores);
    for (int64_t r = 0; !status && r < rows; ++r) {
        int64_t to = starts[places[r].example] + places[r].sequence - starts[0];
        memcpy(reward->all_scores + to * outputs, reward->scores + r * outputs,
               (size_t)outputs * sizeof *reward->scores);
    }
    return status;
}

fst_status fst__reward_score_all(fst__reward *reward, const fst_dataset *dataset, int64_t examples,
                                 fst_run *run)
{
    int64_t count = find_places(reward, dataset, examples), rows;
    fst_status status = FST_OK;
    for (int64_t first = 0; !status && first < count; first += rows) {
        rows = count - first < reward->sequences ? count - first : reward->sequences;
        status = run && fst__run_cancelled(run) ? FST_STOPPED
                                                : score_places(reward, dataset, first, rows);
    }
    return status;
}
