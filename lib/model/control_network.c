/* The model under a control policy: which network fits the observations, and its heads. */
#include "model/control_policy.h"

#include "base/error.h"
#include "model/heads.h"
#include "tensor/space.h"

#include <math.h>
#include <string.h>

enum {
    MOST_WINDOW = 4096,
    ATARI_SIDE = 36, /* the least that leaves a pixel behind three convolutions without padding */
};

static const char policy_name[] = "policy", value_name[] = "value", log_std_name[] = "log_std";

int64_t fst__control_inputs(const fst_space *observations)
{
    int64_t choices = fst__space_choices(observations);
    return choices ? choices : fst__space_elements(observations);
}

/* ---- options */

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_control_policy_options.%s: expected %s", field,
                     expected);
}

static bool is_flag(int32_t value)
{
    return value == 0 || value == 1;
}

static bool is_image(const fst_space *observations)
{
    return observations->kind == FST_SPACE_BOX && observations->rank == 3;
}

static fst_status check_common(const fst_control_policy_options *o, const fst_space *observations)
{
    if (!is_flag(o->orthogonal))
        return bad("orthogonal", "0 or 1");
    if (!(o->policy_gain >= 0 && isfinite(o->policy_gain)))
        return bad("policy_gain", "a finite value ≥ 0");
    if (!isfinite(o->initial_log_std))
        return bad("initial_log_std", "a finite value");
    if (!is_flag(o->normalize_observations))
        return bad("normalize_observations", "0 or 1");
    if (o->normalize_observations &&
        (observations->kind != FST_SPACE_BOX || observations->dtype != FST_F32))
        return bad("normalize_observations", "0, where observations are not a Box of float32");
    if (!(o->observation_clip > 0 && isfinite(o->observation_clip)))
        return bad("observation_clip", "a finite value above 0");
    return FST_OK;
}

static fst_status check_network(const fst_control_policy_options *o, const fst_space *observations)
{
    if (o->network < FST_NETWORK_AUTO || o->network > FST_NETWORK_TRANSFORMER)
        return bad("network", "an FST_NETWORK_ value");
    if (o->network == FST_NETWORK_CNN && !is_image(observations))
        return bad("network", "another than FST_NETWORK_CNN, which reads a Box of rank 3");
    if (o->shared < -1 || o->shared > 1)
        return bad("shared", "-1, 0 or 1");
    if (o->layers < 0)
        return bad("layers", "0 or more");
    if (o->width < 0)
        return bad("width", "0 or more");
    if (o->activation != 0 &&
        (o->activation < FST_ACTIVATION_GELU_TANH || o->activation > FST_ACTIVATION_TANH))
        return bad("activation", "0 or an FST_ACTIVATION_ value");
    if (o->network == FST_NETWORK_TRANSFORMER && (o->window < 1 || o->window > MOST_WINDOW))
        return bad("window", "1 to 4096");
    return FST_OK;
}

static bool is_small(const fst_space *observations)
{
    return observations->shape[1] < ATARI_SIDE || observations->shape[2] < ATARI_SIDE;
}

/* Each value that stands for another. */
static void resolve(fst_control_policy_options *o, const fst_space *observations)
{
    if (o->network == FST_NETWORK_AUTO)
        o->network = is_image(observations) ? FST_NETWORK_CNN : FST_NETWORK_MLP;
    bool transformer = o->network == FST_NETWORK_TRANSFORMER, mlp = o->network == FST_NETWORK_MLP;
    if (o->shared < 0 || transformer)
        o->shared = !mlp;
    if (!transformer)
        o->window = 1;
    if (o->layers == 0)
        o->layers = 2;
    if (o->width == 0)
        o->width = o->network != FST_NETWORK_CNN ? 64 : is_small(observations) ? 128 : 512;
    if (o->activation == 0)
        o->activation = transformer ? FST_ACTIVATION_GELU
                        : mlp       ? FST_ACTIVATION_TANH
                                    : FST_ACTIVATION_RELU;
}

/* Of a model that was given. */
static void resolve_from(fst_control_policy_options *o, const fst_model_config *config)
{
    o->network = config->backbone == FST_BACKBONE_MLP ? FST_NETWORK_MLP : FST_NETWORK_CNN;
    if (config->backbone == FST_BACKBONE_TRANSFORMER)
        o->network = FST_NETWORK_TRANSFORMER;
    if (o->network != FST_NETWORK_TRANSFORMER)
        o->window = 1;
    o->shared = config->towers != 2;
}

/* ---- the model */

static double standard_deviation(const fst_control_policy_options *o)
{
    return 1 / sqrt(3.0 * (double)o->width);
}

static void fill_config(const fst_control_policy_options *o, const fst_space *observations,
                        fst_model_config *c)
{
    if (o->network == FST_NETWORK_TRANSFORMER) {
        c->inputs = (int32_t)fst__control_inputs(observations);
        c->context_length = o->window;
        c->layers = o->layers;
        c->width = o->width;
        c->heads = c->kv_heads = o->heads;
        c->activation = o->activation;
        return;
    }
    c->towers = o->shared ? 1 : 2;
    c->tower_width = o->width;
    c->orthogonal_gain = o->orthogonal ? sqrt(2) : 0;
    if (!o->orthogonal)
        c->init_std = standard_deviation(o);
    if (o->network == FST_NETWORK_MLP) {
        c->inputs = (int32_t)fst__control_inputs(observations);
        c->layers = o->layers;
        c->activation = o->activation;
        return;
    }
    c->image_channels = (int32_t)observations->shape[0];
    c->image_height = (int32_t)observations->shape[1];
    c->image_width = (int32_t)observations->shape[2];
    c->cnn = is_small(observations) ? FST_CNN_SMALL : FST_CNN_ATARI;
}

static fst_status make_model(fst_context *context, const fst_control_policy_options *o,
                             const fst_space *observations, fst_model **model)
{
    static const int32_t families[] = {[FST_NETWORK_MLP] = FST_FAMILY_MLP,
                                       [FST_NETWORK_CNN] = FST_FAMILY_CNN,
                                       [FST_NETWORK_TRANSFORMER] = FST_FAMILY_GPT2};
    fst_model_options options = {.struct_size = sizeof options, .dtype = FST_F32};
    fst_model_config config = fst__config_default();
    fst_status status = fst__config_set_family(&config, families[o->network]);
    if (status)
        return status;
    fill_config(o, observations, &config);
    return fst__model_create(context, &config, &options, true, model);
}

/* ---- what a model reads */

static fst_status check_images(const fst_model_config *c, const fst_space *observations)
{
    if (is_image(observations) && observations->shape[0] == c->image_channels &&
        observations->shape[1] == c->image_height && observations->shape[2] == c->image_width)
        return FST_OK;
    return fst__fail(FST_ERR_MISMATCH,
                     "the model reads images [%d, %d, %d], the observation space has another shape",
                     (int)c->image_channels, (int)c->image_height, (int)c->image_width);
}

static fst_status check_input(const fst_model_config *c, const fst_space *observations,
                              int64_t window)
{
    if (c->backbone != FST_BACKBONE_TRANSFORMER && c->backbone != FST_BACKBONE_MLP)
        return check_images(c, observations);
    if (c->inputs < 1)
        return fst__fail(FST_ERR_UNSUPPORTED,
                         "a model that reads text (fst_model_config.inputs is 0) cannot act in an "
                         "environment");
    if (c->inputs != fst__control_inputs(observations))
        return fst__fail(FST_ERR_MISMATCH,
                         "the model reads %d features, the observation space has %lld",
                         (int)c->inputs, (long long)fst__control_inputs(observations));
    if (c->backbone == FST_BACKBONE_TRANSFORMER && (window < 1 || window > c->context_length))
        return fst__fail(FST_ERR_MISMATCH,
                         "the window is %lld, expected 1 to the model's context_length %d",
                         (long long)window, (int)c->context_length);
    return FST_OK;
}

static fst_status check_head(fst_model *model, const char *name, int32_t kind, int64_t outputs)
{
    const fst__head *head = fst__head_find(model, name);
    if (!head)
        return fst__fail(FST_ERR_MISMATCH, "the model has no head \"%s\"", name);
    if (head->options.kind == kind && head->options.outputs == outputs)
        return FST_OK;
    return fst__fail(FST_ERR_MISMATCH,
                     "the model's head \"%s\" has %lld outputs of kind %d, expected %lld of kind %d",
                     name, (long long)head->options.outputs, (int)head->options.kind,
                     (long long)outputs, (int)kind);
}

fst_status fst__control_check_model(fst_model *model, const fst_space *observations,
                                    const fst__distribution *d, int64_t window)
{
    fst_status status = check_input(&model->config, observations, window);
    if (!status)
        status = check_head(model, policy_name, FST_HEAD_SEQUENCE, d->parameters);
    if (!status)
        status = check_head(model, value_name, FST_HEAD_SEQUENCE, 1);
    if (!status && d->kind == FST__GAUSSIAN)
        status = check_head(model, log_std_name, FST_HEAD_CONSTANT, d->parts);
    return status;
}

/* ---- heads */

static int32_t pooling_of(const fst_model_config *config)
{
    if (config->backbone == FST_BACKBONE_RESNET)
        return FST_POOL_MEAN;
    return config->backbone == FST_BACKBONE_VIT ? FST_POOL_FIRST : FST_POOL_LAST;
}

/* Unless the model has it. gain 0: zeros. */
static fst_status add_head(fst_model *model, const fst_control_policy_options *o, const char *name,
                           int32_t tower, int64_t outputs, double gain)
{
    fst_head_options head = fst__head_defaults();
    head.name = name;
    head.pooling = pooling_of(&model->config);
    head.outputs = outputs;
    head.tower = model->config.towers == 2 ? tower : 0;
    head.init_std = o->orthogonal ? 0 : standard_deviation(o);
    head.orthogonal_gain = o->orthogonal ? gain : 0;
    return fst__head_find(model, name) ? FST_OK : fst__model_add_head(model, &head, true);
}

static fst_status add_log_std(fst_model *model, const fst_control_policy_options *o, int64_t parts)
{
    fst_head_options head = fst__head_defaults();
    head.name = log_std_name;
    head.kind = FST_HEAD_CONSTANT;
    head.outputs = parts;
    head.init_bias = o->initial_log_std;
    return fst__head_find(model, log_std_name) ? FST_OK : fst__model_add_head(model, &head, true);
}

/* A model that could not be completed is as it was. */
static void drop_heads(fst_model *model, int32_t heads, int64_t parameters)
{
    fst__allocator *allocator = &model->context->allocator;
    for (; model->head_count > heads; --model->head_count) {
        fst__head *head = &model->heads[model->head_count - 1];
        fst__free(allocator, head->output.data);
        fst__free(allocator, head->gradient.data);
    }
    fst__parameters_remove(&model->parameters, parameters, model->parameters.count - parameters);
}

static fst_status add_heads(fst_model *model, const fst_control_policy_options *o,
                            const fst__distribution *d)
{
    int32_t heads = model->head_count;
    int64_t parameters = model->parameters.count;
    fst_status status = add_head(model, o, policy_name, 1, d->parameters, o->policy_gain);
    if (!status)
        status = add_head(model, o, value_name, 2, 1, 1);
    if (!status && d->kind == FST__GAUSSIAN)
        status = add_log_std(model, o, d->parts);
    if (status)
        drop_heads(model, heads, parameters);
    return status;
}

fst_status fst__control_network(fst_context *context, fst_control_policy_options *o,
                                const fst_space *observations, const fst__distribution *d,
                                fst_model **out)
{
    fst_model *model = o->model;
    fst_status status = check_common(o, observations);
    if (!status && !model)
        status = check_network(o, observations);
    if (status)
        return status;
    if (model) {
        resolve_from(o, &model->config);
        o->width = o->shared ? model->config.width : model->config.tower_width;
        status = check_input(&model->config, observations, o->window);
        fst__model_retain(model);
    } else {
        resolve(o, observations);
        status = make_model(context, o, observations, &model);
        if (status)
            return fst__fail_in(status, "fst_control_policy_options");
    }
    if (!status)
        status = add_heads(model, o, d);
    if (!status)
        status = fst__control_check_model(model, observations, d, o->window);
    if (status) {
        fst__model_release(model);
        return status;
    }
    *out = model;
    return FST_OK;
}
