/* Preferences: all answers to a prompt in one batch, each pair of them compared. */
#include "stages/reward/reward.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>

fst_status fst__pairs_loss(const fst__real *scores, int64_t answers, double margin,
                           double centering, double weight, fst__real *gradient,
                           fst_score_loss *result)
{
    const fst__real w = (fst__real)weight, m = (fst__real)margin;
    if (answers == 2)
        return fst__loss_bradley_terry(centering, scores, scores + 1, &m, &w, 1, gradient,
                                       gradient ? gradient + 1 : NULL, result);
    const int64_t offsets[] = {0, answers};
    return fst__loss_k_wise(centering, scores, offsets, &w, 1, gradient, result);
}

static double divisor(fst_run *run)
{
    const fst__reward *reward = fst__reward_of(run);
    return (double)(reward->options.rows * reward->options.accumulation);
}

static void add_scores(const fst__reward *reward, fst__reward_sums *sums)
{
    int64_t rows = reward->offsets[reward->options.rows];
    sums->scores += (double)rows;
    for (int64_t r = 0; r < rows; ++r) {
        double score = (double)reward->scores[r];
        sums->score_sum += score;
        sums->score_min = score < sums->score_min ? score : sums->score_min;
        sums->score_max = score > sums->score_max ? score : sums->score_max;
    }
}

static fst_status lose(fst__reward *reward, fst__reward_sums *sums)
{
    double weight = 1 / reward->steps.divisor;
    fst_status status = FST_OK;
    for (int64_t i = 0; !status && i < reward->options.rows; ++i) {
        int64_t first = reward->offsets[i], answers = reward->offsets[i + 1] - first;
        fst_score_loss found;
        status = fst__pairs_loss(reward->scores + first, answers, reward->margins[i],
                                 reward->options.centering, weight, reward->gradient + first, &found);
        if (status)
            return fst__fail_in(status, "example %" PRId64 " of the micro-batch", i);
        sums->loss += found.loss;
        sums->centering += found.centering;
        sums->pairs += (double)found.count;
        sums->accuracy += found.accuracy * (double)found.count;
        sums->margin += found.margin * (double)found.count;
    }
    if (!status)
        add_scores(reward, sums);
    return status;
}

static fst_status micro_batch(fst_run *run)
{
    return fst__reward_micro_batch(run, lose);
}

static void clear(fst_run *run)
{
    fst__reward_of(run)->sums = (fst__reward_sums){.score_min = INFINITY, .score_max = -INFINITY};
}

static void close(fst_run *run, const fst_optimizer_report *report)
{
    const fst__reward_sums *s = &fst__reward_of(run)->sums;
    double *m = run->metrics;
    fst__reward_close(run, report);
    m[FST__METRIC_LOSS] = s->loss;
    m[FST__PAIRS_CENTERING] = s->centering;
    m[FST__PAIRS_ACCURACY] = s->accuracy / s->pairs;
    m[FST__PAIRS_MARGIN] = s->margin / s->pairs;
    m[FST__PAIRS_MEAN] = s->score_sum / s->scores;
    m[FST__PAIRS_MIN] = s->scores > 0 ? s->score_min : NAN; /* none in a step that was passed over */
    m[FST__PAIRS_MAX] = s->scores > 0 ? s->score_max : NAN;
}

const fst__steps_work fst__pairs_work = {
    .divisor = divisor,
    .micro_batch = micro_batch,
    .loss = fst__reward_loss,
    .close = close,
    .clear = clear,
    .unit = "examples",
};
