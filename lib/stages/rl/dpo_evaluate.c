/* The preferences of the validation data: loss, accuracy and margin of the implicit rewards. */
#include "stages/rl/dpo.h"

#include "base/error.h"

#include <inttypes.h>

static fst_status evaluate_batch(fst__dpo *dpo, const fst__dpo_place *place, double weight,
                                 fst__dpo_sums *sums)
{
    fst_batch batch;
    double point;
    fst_status status = fst__dpo_reference_point(dpo, place, &point);
    if (!status)
        status = fst__dpo_read(dpo, place, &batch);
    if (!status)
        status = fst__dpo_score_reference(dpo, &batch, dpo->arrays.reference);
    if (!status)
        status = fst__dpo_score_policy(dpo, &batch, dpo->arrays.policy);
    if (!status)
        status = fst__dpo_loss(dpo, weight, place->valid, point, 0, sums);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&dpo->training, status);
    if (status)
        return fst__fail_in(status, "evaluation, validation pairs %" PRId64 " to %" PRId64,
                            place->first, place->first + place->valid - 1);
    return FST_OK;
}

static void set_metrics(fst_run *run, const fst__dpo_sums *sums)
{
    double *m = run->metrics;
    m[FST__METRIC_VALIDATION_LOSS] = sums->loss;
    m[FST__DPO_VALIDATION_ACCURACY] = sums->accuracy / sums->pairs;
    m[FST__DPO_VALIDATION_MARGIN] = sums->margin / sums->pairs;
    m[FST__DPO_VALIDATION_CHOSEN_REWARD] = sums->chosen_reward / sums->pairs;
    m[FST__DPO_VALIDATION_REJECTED_REWARD] = sums->rejected_reward / sums->pairs;
}

fst_status fst__dpo_evaluate(fst_run *run, double *score)
{
    fst__dpo *dpo = fst__dpo_of(run);
    fst_examples_info info;
    fst_status status = fst_dataset_get_examples_info(dpo->validation, &info, sizeof info);
    if (status)
        return status;
    int64_t limit = dpo->options.evaluation_pairs, rows = dpo->options.rows;
    int64_t end = limit > 0 && limit < info.examples ? limit : info.examples;
    fst__dpo_sums sums = {0};
    for (int64_t first = 0; !status && first < end; first += rows) {
        const fst__dpo_place place = {
            .dataset = dpo->validation,
            .examples = info.examples,
            .first = first,
            .valid = end - first < rows ? end - first : rows,
        };
        status = fst__run_cancelled(run) ? FST_STOPPED
                                         : evaluate_batch(dpo, &place, 1 / (double)end, &sums);
    }
    if (status)
        return status;
    set_metrics(run, &sums);
    *score = run->metrics[FST__METRIC_VALIDATION_LOSS];
    return FST_OK;
}
