#include "model/config.h"

#include "base/error.h"

#include <math.h>

/* No dimension of a model that fits a machine comes near; products of two stay inside int64_t. */
enum { LARGEST = 1 << 30 };

fst_model_config fst__config_default(void)
{
    return (fst_model_config){
        .struct_size = sizeof(fst_model_config),
        .family = FST_FAMILY_GPT2,
        .vocabulary_size = 256,
        .context_length = 256,
        .layers = 4,
        .width = 128,
        .heads = 4,
        .position = FST_POSITION_LEARNED,
        .norm = FST_NORM_LAYER,
        .activation = FST_ACTIVATION_GELU_TANH,
        .attention_bias = 1,
        .output_bias = 1,
        .mlp_bias = 1,
        .norm_bias = 1,
        .tied = 1,
        .norm_epsilon = 1e-5,
        .rope_theta = 10000,
        .rope_factor = 1,
        .rope_low_frequency_factor = 1,
        .rope_high_frequency_factor = 4,
        .rope_beta_fast = 32,
        .rope_beta_slow = 1,
        .init_std = 0.02,
        .bos_id = -1,
        .eos_id = -1,
    };
}

fst_status fst__config_set_family(fst_model_config *config, int32_t family)
{
    if (family < FST_FAMILY_GPT2 || family > FST_FAMILY_QWEN3)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "family %d is none of FST_FAMILY_", (int)family);
    int32_t gpt2 = family == FST_FAMILY_GPT2;
    config->family = family;
    config->position = gpt2 ? FST_POSITION_LEARNED : FST_POSITION_ROTARY;
    config->norm = gpt2 ? FST_NORM_LAYER : FST_NORM_RMS;
    config->norm_bias = gpt2;
    config->activation = gpt2 ? FST_ACTIVATION_GELU_TANH : FST_ACTIVATION_SILU;
    config->gated = !gpt2;
    config->attention_bias = gpt2 || family == FST_FAMILY_QWEN2;
    config->output_bias = gpt2;
    config->mlp_bias = gpt2;
    config->qk_norm = family == FST_FAMILY_QWEN3;
    config->tied = gpt2;
    return FST_OK;
}

static fst_status check_range(const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value < least || value > most)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_model_config.%s is %lld, expected %lld to %lld", field,
                         (long long)value, (long long)least, (long long)most);
    return FST_OK;
}

static fst_status check_real(const char *field, double value, double least, double below)
{
    if (!(value >= least && value < below))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_model_config.%s is %g, expected [%g, %g)",
                         field, value, least, below);
    return FST_OK;
}

static fst_status check_sizes(const fst_model_config *c)
{
    const struct {
        const char *field;
        int64_t value, least, most;
    } rows[] = {
        {"family", c->family, FST_FAMILY_GPT2, FST_FAMILY_QWEN3},
        {"vocabulary_size", c->vocabulary_size, 1, LARGEST},
        {"context_length", c->context_length, 1, LARGEST},
        {"layers", c->layers, 1, 1 << 16},
        {"width", c->width, 1, 1 << 20},
        {"heads", c->heads, 1, 1 << 16},
        {"kv_heads", c->kv_heads, 1, c->heads},
        {"head_size", c->head_size, 1, 1 << 16},
        {"hidden_size", c->hidden_size, 1, 1 << 24},
        {"position", c->position, FST_POSITION_NONE, FST_POSITION_ROTARY},
        {"norm", c->norm, FST_NORM_LAYER, FST_NORM_RMS},
        {"activation", c->activation, FST_ACTIVATION_GELU_TANH, FST_ACTIVATION_RELU},
        {"gated", c->gated, 0, 1},
        {"attention_bias", c->attention_bias, 0, 1},
        {"output_bias", c->output_bias, 0, 1},
        {"mlp_bias", c->mlp_bias, 0, 1},
        {"norm_bias", c->norm_bias, 0, 1},
        {"qk_norm", c->qk_norm, 0, 1},
        {"tied", c->tied, 0, 1},
        {"window", c->window, 0, LARGEST},
        {"rope_scaling", c->rope_scaling, FST_ROPE_DEFAULT, FST_ROPE_YARN},
        {"rope_original_context", c->rope_original_context, 1, LARGEST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        fst_status status = check_range(rows[i].field, rows[i].value, rows[i].least, rows[i].most);
        if (status)
            return status;
    }
    return FST_OK;
}

static fst_status check_reals(const fst_model_config *c)
{
    const struct {
        const char *field;
        double value, least, below;
    } rows[] = {
        {"norm_epsilon", c->norm_epsilon, 0, 1},
        {"rope_theta", c->rope_theta, 1, INFINITY},
        {"rope_factor", c->rope_factor, 1, INFINITY},
        {"rope_low_frequency_factor", c->rope_low_frequency_factor, 0, INFINITY},
        {"rope_high_frequency_factor", c->rope_high_frequency_factor, 0, INFINITY},
        {"rope_attention_factor", c->rope_attention_factor, 0, INFINITY},
        {"rope_beta_fast", c->rope_beta_fast, 0, INFINITY},
        {"rope_beta_slow", c->rope_beta_slow, 0, INFINITY},
        {"dropout", c->dropout, 0, 1},
        {"attention_dropout", c->attention_dropout, 0, 1},
        {"init_std", c->init_std, 0, INFINITY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        fst_status status = check_real(rows[i].field, rows[i].value, rows[i].least, rows[i].below);
        if (status)
            return status;
    }
    return FST_OK;
}

fst_status fst__config_resolve(fst_model_config *config)
{
    if (config->kv_heads == 0)
        config->kv_heads = config->heads;
    if (config->head_size == 0 && config->heads > 0) {
        if (config->width % config->heads != 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_model_config.width is %d, not a multiple of heads (%d); give "
                             "head_size",
                             (int)config->width, (int)config->heads);
        config->head_size = config->width / config->heads;
    }
    if (config->hidden_size == 0 && config->width > 0 && config->width <= 1 << 20)
        config->hidden_size = 4 * config->width;
    if (config->rope_original_context == 0)
        config->rope_original_context = config->context_length;
    fst_status status = check_sizes(config);
    if (!status)
        status = check_reals(config);
    if (status)
        return status;
    if (config->heads % config->kv_heads != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_model_config.heads is %d, not a multiple of kv_heads (%d)",
                         (int)config->heads, (int)config->kv_heads);
    if (config->position == FST_POSITION_ROTARY && config->head_size % 2 != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_model_config.head_size is %d; rotary positions need an even one",
                         (int)config->head_size);
    return FST_OK;
}
