/* Losses of a policy: its surrogate, its value, its KL, its preferences. See objectives.c on void
 * *. */
#include "stages/objectives/objectives.h"

#include "api/check.h"
#include "base/options.h"

fst_status fst_policy_loss_options_init(fst_policy_loss_options *options, size_t size)
{
    const fst_policy_loss_options defaults = fst__policy_loss_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_policy_loss_options");
}

fst_status fst_loss_policy(const fst_policy_loss_options *options, const float *log_probabilities,
                           const float *old_log_probabilities, const float *advantages,
                           const float *weights, int64_t count, float *gradient,
                           fst_policy_loss *result, size_t size)
{
    fst_policy_loss_options ours = fst__policy_loss_defaults();
    fst_policy_loss found = {.struct_size = sizeof found};
    fst_status status =
        fst__check_pointer(log_probabilities, "fst_loss_policy", "log_probabilities");
    if (!status)
        status = fst__check_pointer(advantages, "fst_loss_policy", "advantages");
    if (!status)
        status = fst__options_check(result, size, "fst_policy_loss");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_policy_loss_options");
    const void *p = log_probabilities, *old = old_log_probabilities, *a = advantages, *w = weights;
    if (!status)
        status = fst__loss_policy(&ours, p, old, a, w, count, (void *)gradient, &found);
    return status ? status
                  : fst__options_init(result, size, &found, sizeof found, "fst_policy_loss");
}

fst_status fst_loss_value(double clip, const float *values, const float *old_values,
                          const float *returns, const float *weights, int64_t count,
                          float *gradient, fst_value_loss *result, size_t size)
{
    fst_value_loss found = {.struct_size = sizeof found};
    fst_status status = fst__check_pointer(values, "fst_loss_value", "values");
    if (!status)
        status = fst__check_pointer(returns, "fst_loss_value", "returns");
    if (!status)
        status = fst__options_check(result, size, "fst_value_loss");
    const void *v = values, *old = old_values, *r = returns, *w = weights;
    if (!status)
        status = fst__loss_value(clip, v, old, r, w, count, (void *)gradient, &found);
    return status ? status
                  : fst__options_init(result, size, &found, sizeof found, "fst_value_loss");
}

fst_status fst_loss_kl(int32_t kind, const float *log_probabilities, const float *reference,
                       const float *weights, int64_t count, float *per_token, float *gradient,
                       double *loss)
{
    fst_status status = fst__check_pointer(log_probabilities, "fst_loss_kl", "log_probabilities");
    if (!status)
        status = fst__check_pointer(reference, "fst_loss_kl", "reference");
    if (!status)
        status = fst__check_pointer(loss, "fst_loss_kl", "loss");
    const void *p = log_probabilities, *q = reference, *w = weights;
    void *each = per_token;
    return status ? status : fst__loss_kl(kind, p, q, w, count, each, (void *)gradient, loss);
}

fst_status fst_kl_controller_init(fst_kl_controller *controller, size_t size)
{
    const fst_kl_controller defaults = fst__kl_controller_defaults();
    return fst__options_init(controller, size, &defaults, sizeof defaults, "fst_kl_controller");
}

fst_status fst_kl_controller_update(fst_kl_controller *controller, double kl, int64_t samples)
{
    fst_kl_controller ours = fst__kl_controller_defaults();
    fst_status status = fst__check_pointer(controller, "fst_kl_controller_update", "controller");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, controller, "fst_kl_controller");
    if (!status)
        status = fst__kl_controller_update(&ours, kl, samples);
    return status ? status
                  : fst__options_init(controller, controller->struct_size, &ours, sizeof ours,
                                      "fst_kl_controller");
}

fst_status fst_preference_loss_options_init(fst_preference_loss_options *options, size_t size)
{
    const fst_preference_loss_options defaults = fst__preference_loss_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults,
                             "fst_preference_loss_options");
}

fst_status fst_loss_preference(const fst_preference_loss_options *options, const float *chosen,
                               const float *rejected, const float *reference_chosen,
                               const float *reference_rejected, const int64_t *chosen_lengths,
                               const int64_t *rejected_lengths, const float *weights, int64_t count,
                               float *margins, float *chosen_gradient, float *rejected_gradient,
                               fst_preference_loss *result, size_t size)
{
    fst_preference_loss_options ours = fst__preference_loss_defaults();
    fst_preference_loss found = {.struct_size = sizeof found};
    fst_status status = fst__check_pointer(chosen, "fst_loss_preference", "chosen");
    if (!status)
        status = fst__check_pointer(rejected, "fst_loss_preference", "rejected");
    if (!status)
        status = fst__options_check(result, size, "fst_preference_loss");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_preference_loss_options");
    const void *c = chosen, *r = rejected, *w = weights;
    const void *reference_c = reference_chosen, *reference_r = reference_rejected;
    void *each = margins, *dc = chosen_gradient, *dr = rejected_gradient;
    if (!status)
        status = fst__loss_preference(&ours, c, r, reference_c, reference_r, chosen_lengths,
                                      rejected_lengths, w, count, each, dc, dr, &found);
    return status ? status
                  : fst__options_init(result, size, &found, sizeof found, "fst_preference_loss");
}

fst_status fst_kto_options_init(fst_kto_options *options, size_t size)
{
    const fst_kto_options defaults = fst__kto_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_kto_options");
}

fst_status fst_loss_kto(const fst_kto_options *options, const float *log_probabilities,
                        const float *reference, const uint8_t *desirable, const float *weights,
                        int64_t count, float *gradient, fst_kto_loss *result, size_t size)
{
    fst_kto_options ours = fst__kto_defaults();
    fst_kto_loss found = {.struct_size = sizeof found};
    fst_status status = fst__check_pointer(log_probabilities, "fst_loss_kto", "log_probabilities");
    if (!status)
        status = fst__check_pointer(reference, "fst_loss_kto", "reference");
    if (!status)
        status = fst__check_pointer(desirable, "fst_loss_kto", "desirable");
    if (!status)
        status = fst__options_check(result, size, "fst_kto_loss");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_kto_options");
    const void *p = log_probabilities, *q = reference, *w = weights;
    if (!status)
        status = fst__loss_kto(&ours, p, q, desirable, w, count, (void *)gradient, &found);
    return status ? status : fst__options_init(result, size, &found, sizeof found, "fst_kto_loss");
}

fst_status fst_kto_reference_point(const float *log_probabilities, const float *reference,
                                   int64_t count, double *reference_point)
{
    fst_status status =
        fst__check_pointer(log_probabilities, "fst_kto_reference_point", "log_probabilities");
    if (!status)
        status = fst__check_pointer(reference, "fst_kto_reference_point", "reference");
    if (!status)
        status = fst__check_pointer(reference_point, "fst_kto_reference_point", "reference_point");
    const void *p = log_probabilities, *q = reference;
    return status ? status : fst__kto_reference_point(p, q, count, reference_point);
}
