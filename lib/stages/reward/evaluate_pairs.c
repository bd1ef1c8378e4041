/* Preferences of the validation data: how often the better answer has the larger score, how sure
 * that is, and what length alone would have said. */
#include "stages/reward/reward.h"

#include "base/error.h"
#include "stages/objectives/terms.h"

#include <inttypes.h>
#include <math.h>

enum { BINS = 10 };

typedef struct pair_sums {
    double loss, pairs, accuracy, margin, longer;
    double scores, score_sum, score_min, score_max;
    double bin_pairs[BINS], bin_right[BINS], bin_sure[BINS];
} pair_sums;

static int64_t answer_length(const fst_dataset *dataset, int64_t example, int64_t answer)
{
    fst_example e;
    fst__examples_get(dataset, example, answer, &e);
    return e.length - e.prompt_length;
}

/* Confidence is that of the answer it prefers, ½ … 1. */
static void add_pair(pair_sums *sums, double better, double worse)
{
    double right = fst__terms_in_order(better, worse), margin = better - worse;
    double sure = fst__terms_sigmoid(fabs(margin));
    int bin = (int)((sure - 0.5) * 2 * BINS);
    bin = bin < BINS ? bin : BINS - 1;
    sums->pairs += 1;
    sums->accuracy += right;
    sums->margin += margin;
    sums->bin_pairs[bin] += 1;
    sums->bin_right[bin] += right;
    sums->bin_sure[bin] += sure;
}

static fst_status add_example(const fst__reward *reward, int64_t index, pair_sums *sums)
{
    const int64_t *starts = reward->validation->documents->examples->first;
    const fst__real *scores = reward->all_scores + starts[index] - starts[0];
    int64_t answers = starts[index + 1] - starts[index];
    fst_example example;
    fst_score_loss found;
    fst__examples_get(reward->validation, index, 0, &example);
    fst_status status = fst__pairs_loss(scores, answers, example.margin, 0, 1, NULL, &found);
    if (status)
        return fst__fail_in(status, "evaluation, validation example %" PRId64, index);
    sums->loss += found.loss;
    for (int64_t i = 0; i < answers; ++i) {
        double score = (double)scores[i];
        sums->scores += 1;
        sums->score_sum += score;
        sums->score_min = score < sums->score_min ? score : sums->score_min;
        sums->score_max = score > sums->score_max ? score : sums->score_max;
        for (int64_t j = i + 1; j < answers; ++j) {
            add_pair(sums, score, (double)scores[j]);
            sums->longer +=
                fst__terms_in_order((double)answer_length(reward->validation, index, i),
                                    (double)answer_length(reward->validation, index, j));
        }
    }
    return FST_OK;
}

static double calibration(const pair_sums *sums)
{
    double error = 0;
    for (int b = 0; b < BINS; ++b)
        error += fabs(sums->bin_right[b] - sums->bin_sure[b]);
    return error / sums->pairs;
}

fst_status fst__pairs_evaluate(fst_run *run, double *score)
{
    fst__reward *reward = fst__reward_of(run);
    int64_t limit = reward->options.evaluation_examples, all = reward->validation_info.examples;
    int64_t examples = limit > 0 && limit < all ? limit : all;
    pair_sums sums = {.score_min = INFINITY, .score_max = -INFINITY};
    fst_status status = fst__reward_score_all(reward, reward->validation, examples, run);
    for (int64_t i = 0; !status && i < examples; ++i)
        status = add_example(reward, i, &sums);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&reward->steps.training, status);
    if (status)
        return status;
    double *m = run->metrics;
    m[FST__METRIC_VALIDATION_LOSS] = sums.loss / (double)examples;
    m[FST__PAIRS_VALIDATION_ACCURACY] = sums.accuracy / sums.pairs;
    m[FST__PAIRS_VALIDATION_MARGIN] = sums.margin / sums.pairs;
    m[FST__PAIRS_VALIDATION_MEAN] = sums.score_sum / sums.scores;
    m[FST__PAIRS_VALIDATION_MIN] = sums.score_min;
    m[FST__PAIRS_VALIDATION_MAX] = sums.score_max;
    m[FST__PAIRS_VALIDATION_LENGTH_BASELINE] = sums.longer / sums.pairs;
    m[FST__PAIRS_VALIDATION_CALIBRATION] = calibration(&sums);
    *score = m[FST__METRIC_VALIDATION_LOSS];
    return FST_OK;
}
