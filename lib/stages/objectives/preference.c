/* Losses of pairs of answers over the policy's own log-probabilities: DPO, IPO, hinge. */
#include "stages/objectives/objectives.h"

#include "base/error.h"
#include "stages/objectives/terms.h"

#include <inttypes.h>

fst_preference_loss_options fst__preference_loss_defaults(void)
{
    return (fst_preference_loss_options){
        .struct_size = sizeof(fst_preference_loss_options),
        .kind = FST_PREFERENCE_DPO,
        .beta = 0.1,
    };
}

fst_status fst__preference_loss_check(const fst_preference_loss_options *options)
{
    if (options->kind < FST_PREFERENCE_DPO || options->kind > FST_PREFERENCE_HINGE)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "kind %d is none of the FST_PREFERENCE_ values",
                         options->kind);
    if (!(options->beta > 0) || !isfinite(options->beta))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "beta is %g, expected a finite number > 0",
                         options->beta);
    if (!(options->label_smoothing >= 0 && options->label_smoothing < 0.5))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "label_smoothing is %g, expected 0 ≤ ε < 0.5",
                         options->label_smoothing);
    return FST_OK;
}

/* The loss of h, the difference of the log-ratios; *slope: its derivative. */
static double loss_of(const fst_preference_loss_options *o, double h, double *slope)
{
    double x = o->beta * h, epsilon = o->label_smoothing;
    switch (o->kind) {
    case FST_PREFERENCE_IPO:
        *slope = 2 * (h - 0.5 / o->beta);
        return (h - 0.5 / o->beta) * (h - 0.5 / o->beta);
    case FST_PREFERENCE_HINGE:
        *slope = x < 1 ? -o->beta : 0;
        return x < 1 ? 1 - x : 0;
    default:
        *slope =
            o->beta * (epsilon * fst__terms_sigmoid(x) - (1 - epsilon) * fst__terms_sigmoid(-x));
        return -(1 - epsilon) * fst__terms_log_sigmoid(x) - epsilon * fst__terms_log_sigmoid(-x);
    }
}

typedef struct pairs {
    const fst__real *chosen, *rejected, *reference_chosen, *reference_rejected, *weights;
    const int64_t *chosen_lengths, *rejected_lengths;
    int64_t count;
} pairs;

static fst_status check_lengths(const char *name, const int64_t *lengths, const fst__real *weights,
                                int64_t count)
{
    for (int64_t i = 0; lengths && i < count; ++i) {
        if (lengths[i] < 1 && (!weights || weights[i] != 0))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "preference loss: %s[%" PRId64 "] is %" PRId64 ", expected ≥ 1", name,
                             i, lengths[i]);
    }
    return FST_OK;
}

static fst_status check_pairs(const pairs *p)
{
    const struct {
        const char *name;
        const fst__real *values;
    } arrays[] = {
        {"chosen", p->chosen},
        {"rejected", p->rejected},
        {"reference_chosen", p->reference_chosen},
        {"reference_rejected", p->reference_rejected},
    };
    fst_status status = fst__terms_check_weights("preference loss", p->weights, p->count);
    if (!status && !p->reference_chosen != !p->reference_rejected)
        status =
            fst__fail(FST_ERR_INVALID_ARGUMENT, "preference loss: only one of reference_chosen and "
                                                "reference_rejected is NULL");
    for (size_t i = 0; !status && i < sizeof arrays / sizeof arrays[0]; ++i)
        status = fst__terms_check("preference loss", arrays[i].name, arrays[i].values, p->weights,
                                  p->count);
    if (!status)
        status = check_lengths("chosen_lengths", p->chosen_lengths, p->weights, p->count);
    if (!status)
        status = check_lengths("rejected_lengths", p->rejected_lengths, p->weights, p->count);
    return status;
}

/* log π − log π_ref. */
static double log_ratio(const fst__real *policy, const fst__real *reference, int64_t i)
{
    return (double)policy[i] - (reference ? (double)reference[i] : 0);
}

/* What IPO divides by. */
static double length_of(const fst_preference_loss_options *o, const int64_t *lengths, int64_t i)
{
    return o->kind == FST_PREFERENCE_IPO && lengths ? (double)lengths[i] : 1;
}

static bool add_pair(const fst_preference_loss_options *o, const pairs *p, int64_t i, double weight,
                     fst__real *margins, fst__real *chosen_gradient, fst__real *rejected_gradient,
                     fst_preference_loss *sums)
{
    double chosen_length = length_of(o, p->chosen_lengths, i);
    double rejected_length = length_of(o, p->rejected_lengths, i);
    double chosen = log_ratio(p->chosen, p->reference_chosen, i) / chosen_length;
    double rejected = log_ratio(p->rejected, p->reference_rejected, i) / rejected_length, slope;
    double loss = weight * loss_of(o, chosen - rejected, &slope);
    bool finite = fst__terms_store(margins, i, o->beta * (chosen - rejected)) && isfinite(loss);
    finite = fst__terms_store(chosen_gradient, i, weight * slope / chosen_length) && finite;
    finite = fst__terms_store(rejected_gradient, i, -weight * slope / rejected_length) && finite;
    sums->loss += loss;
    sums->accuracy += fst__terms_in_order(chosen, rejected);
    sums->margin += o->beta * (chosen - rejected);
    sums->chosen_reward += o->beta * chosen;
    sums->rejected_reward += o->beta * rejected;
    sums->pairs += 1;
    return finite;
}

fst_status fst__loss_preference(const fst_preference_loss_options *options, const fst__real *chosen,
                                const fst__real *rejected, const fst__real *reference_chosen,
                                const fst__real *reference_rejected, const int64_t *chosen_lengths,
                                const int64_t *rejected_lengths, const fst__real *weights,
                                int64_t count, fst__real *margins, fst__real *chosen_gradient,
                                fst__real *rejected_gradient, fst_preference_loss *result)
{
    const pairs p = {chosen,  rejected,       reference_chosen, reference_rejected,
                     weights, chosen_lengths, rejected_lengths, count};
    fst_status status = fst__preference_loss_check(options);
    if (!status)
        status = check_pairs(&p);
    if (status)
        return status;
    fst_preference_loss found = {.struct_size = result->struct_size};
    for (int64_t i = 0; i < count; ++i) {
        double weight = fst__terms_weight(weights, 1 / (double)count, i);
        if (weight == 0) {
            fst__terms_store(margins, i, 0);
            fst__terms_store(chosen_gradient, i, 0);
            fst__terms_store(rejected_gradient, i, 0);
        } else if (!add_pair(options, &p, i, weight, margins, chosen_gradient, rejected_gradient,
                             &found)) {
            return fst__terms_overflow("preference loss", i);
        }
    }
    double n = found.pairs ? (double)found.pairs : 1;
    found.accuracy /= n;
    found.margin /= n;
    found.chosen_reward /= n;
    found.rejected_reward /= n;
    *result = found;
    return FST_OK;
}
