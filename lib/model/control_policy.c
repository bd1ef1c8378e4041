#include "model/control_policy.h"

#include "base/error.h"
#include "model/copy.h"
#include "model/policy.h"
#include "tensor/space.h"

#include <string.h>

bool fst__policy_is_control(const fst_policy *policy)
{
    return policy->control != NULL;
}

fst_status fst__control_check(const fst_policy *policy, const char *function)
{
    if (!policy)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: policy is NULL", function);
    if (policy->control)
        return FST_OK;
    return fst__fail(FST_ERR_STATE,
                     "%s: the policy generates text; one of fst_policy_create_control acts", function);
}

fst_control_policy_options fst__control_policy_defaults(void)
{
    return (fst_control_policy_options){
        .struct_size = sizeof(fst_control_policy_options),
        .network = FST_NETWORK_AUTO,
        .shared = -1,
        .window = 8,
        .heads = 4,
        .orthogonal = 1,
        .policy_gain = 0.01,
        .observation_clip = 10,
    };
}

size_t fst__control_row_bytes(const fst_policy *policy)
{
    return policy->control->row_bytes;
}

int64_t fst__control_window(const fst_policy *policy)
{
    return policy->control->options.window;
}

const fst_space *fst__control_observation_space(const fst_policy *policy)
{
    return &policy->control->observations;
}

const fst_space *fst__control_action_space(const fst_policy *policy)
{
    return &policy->control->actions;
}

int64_t fst__control_choices(const fst_policy *policy)
{
    return policy->control->choices;
}

fst__running_statistics *fst__control_statistics(fst_policy *policy)
{
    return &policy->control->statistics;
}

/* ---- making one */

static fst_status create_statistics(fst__allocator *allocator, fst__control_policy *control)
{
    fst__running_statistics *s = &control->statistics;
    if (!control->options.normalize_observations)
        return FST_OK;
    size_t size = (size_t)control->inputs;
    s->mean = fst__alloc_zero(allocator, 2 * size * sizeof *s->mean);
    if (!s->mean)
        return FST_ERR_NO_MEMORY;
    s->variance = s->mean + size;
    s->size = control->inputs;
    s->count = 1e-4;
    for (size_t i = 0; i < size; ++i)
        s->variance[i] = 1;
    return FST_OK;
}

void fst__control_destroy(fst__allocator *allocator, fst__control_policy *control)
{
    if (!control)
        return;
    fst__free(allocator, control->d_log_std.data);
    fst__free(allocator, control->d_parameters.data);
    fst__free(allocator, control->kept_masks.data);
    fst__free(allocator, control->kept_actions.data);
    fst__free(allocator, control->input.data);
    fst__free(allocator, control->encoded.data);
    fst__control_history_destroy(&control->history);
    fst__free(allocator, control->statistics.mean);
    fst__space_free(allocator, &control->actions);
    fst__space_free(allocator, &control->observations);
    fst__free(allocator, control);
}

static fst_status copy_space(fst__allocator *allocator, const fst_space *theirs, const char *name,
                             fst_space *ours)
{
    fst_space taken;
    if (!theirs)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is NULL", name);
    fst_status status = fst__space_take(theirs, name, &taken);
    return status ? status : fst__space_copy(allocator, &taken, ours);
}

enum { MOST_FEATURES = 1 << 24 };

static fst_status check_features(const char *field, int64_t features)
{
    if (features <= MOST_FEATURES)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT,
                     "fst_control_policy_options.%s: expected at most %d features", field,
                     MOST_FEATURES);
}

/* All that follows from the spaces. */
static fst_status create_spaces(fst__allocator *allocator, const fst_control_policy_options *options,
                                fst__control_policy **out)
{
    fst__control_policy *control = fst__alloc_zero(allocator, sizeof *control);
    if (!control)
        return FST_ERR_NO_MEMORY;
    fst_status status =
        copy_space(allocator, options->observation_space,
                   "fst_control_policy_options.observation_space", &control->observations);
    if (!status)
        status = copy_space(allocator, options->action_space,
                            "fst_control_policy_options.action_space", &control->actions);
    if (!status)
        status = fst__distribution_of(&control->actions, &control->distribution);
    if (!status)
        status = check_features("observation_space", fst__control_inputs(&control->observations));
    if (!status)
        status = check_features("action_space", control->distribution.parameters);
    if (status) {
        fst__control_destroy(allocator, control);
        return status;
    }
    control->inputs = fst__control_inputs(&control->observations);
    control->row_bytes = (size_t)fst__space_bytes(&control->observations);
    control->action_bytes = (size_t)fst__space_bytes(&control->actions);
    control->choices = fst__space_choices(&control->actions);
    *out = control;
    return FST_OK;
}

/* The control of it is the policy's from then on; on failure it is destroyed. */
static fst_status create_handle(fst_model *model, fst__control_policy *control,
                                const fst_control_policy_options *resolved, fst_policy **out)
{
    fst__allocator *allocator = &model->context->allocator;
    control->options = *resolved;
    control->options.observation_space = control->options.action_space = NULL;
    control->options.model = NULL;
    control->images = resolved->network == FST_NETWORK_CNN;
    fst_policy *policy = NULL;
    fst_status status = create_statistics(allocator, control);
    if (!status) {
        policy = fst__alloc_zero(allocator, sizeof *policy);
        status = policy ? FST_OK : FST_ERR_NO_MEMORY;
    }
    if (status) {
        fst__control_destroy(allocator, control);
        return status;
    }
    policy->references = 1;
    policy->model = fst__model_retain(model);
    policy->control = control;
    *out = policy;
    return FST_OK;
}

fst_status fst__control_create(fst_context *context, const fst_control_policy_options *options,
                               fst_policy **out)
{
    fst_control_policy_options o = *options;
    fst__control_policy *control;
    fst_model *model;
    fst_status status = create_spaces(&context->allocator, &o, &control);
    if (status)
        return status;
    status = fst__control_network(context, &o, &control->observations, &control->distribution,
                                  &model);
    if (status) {
        fst__control_destroy(&context->allocator, control);
        return status;
    }
    status = create_handle(model, control, &o, out);
    fst__model_release(model);
    return status;
}

fst_status fst__control_create_over(fst_model *model, const fst_control_policy_options *options,
                                    fst_policy **out)
{
    fst__control_policy *control;
    fst_status status = create_spaces(&model->context->allocator, options, &control);
    if (status)
        return status;
    status = fst__control_check_model(model, &control->observations, &control->distribution,
                                      options->window);
    if (!status)
        return create_handle(model, control, options, out);
    fst__control_destroy(&model->context->allocator, control);
    return status;
}

/* ---- copies */

static void copy_statistics(const fst__running_statistics *from, fst__running_statistics *to)
{
    to->count = from->count;
    if (from->size) {
        memcpy(to->mean, from->mean, (size_t)from->size * sizeof *to->mean);
        memcpy(to->variance, from->variance, (size_t)from->size * sizeof *to->variance);
    }
}

fst_status fst__control_copy(const fst_policy *policy, fst_policy **out)
{
    fst_control_policy_options options = policy->control->options;
    options.observation_space = &policy->control->observations;
    options.action_space = &policy->control->actions;
    fst_model *model;
    fst_status status = fst__model_copy(policy->model, &policy->model->options, &model);
    if (status)
        return status;
    status = fst__control_create_over(model, &options, out);
    fst__model_release(model);
    if (!status)
        copy_statistics(&policy->control->statistics, &(*out)->control->statistics);
    return status;
}

fst_status fst__control_copy_state(fst_policy *policy, const fst_policy *from)
{
    if (policy->control->statistics.size != from->control->statistics.size)
        return fst__fail(FST_ERR_MISMATCH, "one policy normalises observations, the other not so");
    fst_status status = fst__model_copy_weights(policy->model, from->model);
    if (!status)
        copy_statistics(&from->control->statistics, &policy->control->statistics);
    return status;
}
