#include "model/config.h"

#include "base/error.h"
#include "model/resnet.h"
#include "model/towers.h"

#include <math.h>
#include <stdbool.h>

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
        .causal = 1,
        .batch_norm_momentum = 0.1,
        .pad_id = -1,
    };
}

/* Everything that families differ in, as GPT-2 has it. */
static void set_gpt2(fst_model_config *c)
{
    c->position = FST_POSITION_LEARNED;
    c->norm = FST_NORM_LAYER;
    c->activation = FST_ACTIVATION_GELU_TANH;
    c->gated = 0;
    c->attention_bias = c->output_bias = c->mlp_bias = c->norm_bias = 1;
    c->qk_norm = 0;
    c->tied = 1;
    c->causal = 1;
    c->post_norm = c->token_types = c->embedding_norm = c->position_offset = 0;
    c->head_transform = c->head_bias = c->pooler = 0;
    c->global_every = c->first_norm_free = 0;
    c->backbone = FST_BACKBONE_TRANSFORMER;
}

static void set_llama(fst_model_config *c)
{
    c->position = FST_POSITION_ROTARY;
    c->norm = FST_NORM_RMS;
    c->activation = FST_ACTIVATION_SILU;
    c->gated = 1;
    c->attention_bias = c->family == FST_FAMILY_QWEN2;
    c->output_bias = c->mlp_bias = c->norm_bias = 0;
    c->qk_norm = c->family == FST_FAMILY_QWEN3;
    c->tied = 0;
}

/* BERT (Devlin et al., arXiv 1810.04805), RoBERTa (Liu et al., arXiv 1907.11692). */
static void set_bert(fst_model_config *c)
{
    bool roberta = c->family == FST_FAMILY_ROBERTA;
    c->activation = FST_ACTIVATION_GELU;
    c->causal = 0;
    c->post_norm = c->embedding_norm = 1;
    c->token_types = roberta ? 1 : 2;
    c->position_offset = roberta ? 2 : 0;
    c->head_transform = c->head_bias = c->pooler = 1;
}

/* Warner et al., arXiv 2412.13663, as transformers' modeling_modernbert.py. */
static void set_modernbert(fst_model_config *c)
{
    c->position = FST_POSITION_ROTARY;
    c->activation = FST_ACTIVATION_GELU;
    c->gated = 1;
    c->attention_bias = c->output_bias = c->mlp_bias = c->norm_bias = 0;
    c->causal = 0;
    c->embedding_norm = c->first_norm_free = 1;
    c->global_every = 3;
    c->head_transform = c->head_bias = 1;
}

static void set_control(fst_model_config *c)
{
    bool mlp = c->family == FST_FAMILY_MLP;
    c->causal = 0;
    c->activation = mlp ? FST_ACTIVATION_TANH : FST_ACTIVATION_RELU;
    c->backbone = mlp ? FST_BACKBONE_MLP : FST_BACKBONE_CNN;
}

static void set_image(fst_model_config *c)
{
    c->causal = 0;
    c->activation = c->family == FST_FAMILY_VIT ? FST_ACTIVATION_GELU : FST_ACTIVATION_RELU;
    c->backbone = c->family == FST_FAMILY_VIT ? FST_BACKBONE_VIT : FST_BACKBONE_RESNET;
}

fst_status fst__config_set_family(fst_model_config *config, int32_t family)
{
    if (family < FST_FAMILY_GPT2 || family > FST_FAMILY_CNN)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "family %d is none of FST_FAMILY_", (int)family);
    config->family = family;
    set_gpt2(config);
    if (family == FST_FAMILY_LLAMA || family == FST_FAMILY_QWEN2 || family == FST_FAMILY_QWEN3)
        set_llama(config);
    else if (family == FST_FAMILY_BERT || family == FST_FAMILY_ROBERTA)
        set_bert(config);
    else if (family == FST_FAMILY_MODERNBERT)
        set_modernbert(config);
    else if (family == FST_FAMILY_MLP || family == FST_FAMILY_CNN)
        set_control(config);
    else if (family != FST_FAMILY_GPT2)
        set_image(config);
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
        {"family", c->family, FST_FAMILY_GPT2, FST_FAMILY_CNN},
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
        {"activation", c->activation, FST_ACTIVATION_GELU_TANH, FST_ACTIVATION_TANH},
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
        {"causal", c->causal, 0, 1},
        {"post_norm", c->post_norm, 0, 1},
        {"token_types", c->token_types, 0, LARGEST},
        {"embedding_norm", c->embedding_norm, 0, 1},
        {"position_offset", c->position_offset, 0, LARGEST},
        {"head_transform", c->head_transform, 0, 1},
        {"head_bias", c->head_bias, 0, 1},
        {"pooler", c->pooler, 0, 1},
        {"global_every", c->global_every, 0, 1 << 16},
        {"first_norm_free", c->first_norm_free, 0, 1},
        {"backbone", c->backbone, FST_BACKBONE_TRANSFORMER, FST_BACKBONE_CNN},
        {"inputs", c->inputs, 0, 1 << 20},
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
        {"local_rope_theta", c->local_rope_theta, 0, INFINITY},
        {"rope_factor", c->rope_factor, 1, INFINITY},
        {"rope_low_frequency_factor", c->rope_low_frequency_factor, 0, INFINITY},
        {"rope_high_frequency_factor", c->rope_high_frequency_factor, 0, INFINITY},
        {"rope_attention_factor", c->rope_attention_factor, 0, INFINITY},
        {"rope_beta_fast", c->rope_beta_fast, 0, INFINITY},
        {"rope_beta_slow", c->rope_beta_slow, 0, INFINITY},
        {"dropout", c->dropout, 0, 1},
        {"attention_dropout", c->attention_dropout, 0, 1},
        {"init_std", c->init_std, 0, INFINITY},
        {"batch_norm_momentum", c->batch_norm_momentum, 0, 1},
        {"orthogonal_gain", c->orthogonal_gain, 0, INFINITY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        fst_status status = check_real(rows[i].field, rows[i].value, rows[i].least, rows[i].below);
        if (status)
            return status;
    }
    return FST_OK;
}

/* Switches that do not go together. */
static fst_status check_together(const fst_model_config *c)
{
    const struct {
        const char *field, *expected;
        bool fits;
    } rows[] = {
        {"position_offset", "0 without learned positions",
         c->position_offset == 0 || c->position == FST_POSITION_LEARNED},
        {"first_norm_free", "0 with post_norm, where no layer begins with a norm",
         !c->first_norm_free || !c->post_norm},
        {"global_every", "0 in a causal model", c->global_every == 0 || !c->causal},
        {"local_rope_theta", "0 in a causal model", c->local_rope_theta == 0 || !c->causal},
        {"local_rope_theta", "0 or at least 1",
         c->local_rope_theta == 0 || c->local_rope_theta >= 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        if (!rows[i].fits)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_model_config.%s: expected %s",
                             rows[i].field, rows[i].expected);
    }
    return FST_OK;
}

static fst_status check_image(const fst_model_config *c)
{
    enum { LARGEST_SIDE = 1 << 14 };
    fst_status status = check_range("image_channels", c->image_channels, 1, 1 << 10);
    if (!status)
        status = check_range("image_height", c->image_height, 1, LARGEST_SIDE);
    return status ? status : check_range("image_width", c->image_width, 1, LARGEST_SIDE);
}

/* Patches are positions behind the class token's; nothing of text is left. */
static fst_status resolve_vit(fst_model_config *c)
{
    fst_status status = check_image(c);
    if (!status)
        status = check_range("patch_size", c->patch_size, 1, c->image_height);
    if (status)
        return status;
    const struct {
        const char *field, *expected;
        bool fits;
    } rows[] = {
        {"image_height", "a multiple of patch_size", c->image_height % c->patch_size == 0},
        {"image_width", "a multiple of patch_size", c->image_width % c->patch_size == 0},
        {"causal", "0 for images", !c->causal},
        {"window", "0 for images", c->window == 0},
        {"position", "FST_POSITION_LEARNED for images", c->position == FST_POSITION_LEARNED},
        {"position_offset", "0 for images", c->position_offset == 0},
        {"token_types", "0 for images", c->token_types == 0},
        {"embedding_norm", "0 for images", !c->embedding_norm},
        {"head_transform", "0 for images", !c->head_transform},
        {"head_bias", "0 for images", !c->head_bias},
        {"pooler", "0 for images", !c->pooler},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        if (!rows[i].fits)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_model_config.%s: expected %s",
                             rows[i].field, rows[i].expected);
    }
    c->context_length =
        1 + c->image_height / c->patch_size * (c->image_width / c->patch_size);
    return FST_OK;
}

/* What reads words has no place before a linear map of vectors, and what gives them none behind. */
static fst_status resolve_vectors(const fst_model_config *c)
{
    const struct {
        const char *field;
        int32_t value;
    } rows[] = {
        {"position_offset", c->position_offset}, {"token_types", c->token_types},
        {"embedding_norm", c->embedding_norm},   {"head_transform", c->head_transform},
        {"head_bias", c->head_bias},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        if (rows[i].value)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_model_config.%s: expected 0 where `inputs` is above 0",
                             rows[i].field);
    }
    return FST_OK;
}

/* What a backbone other than the transformer over text sets and refuses. */
static fst_status resolve_backbone(fst_model_config *c)
{
    if (!fst__config_has_towers(c))
        c->towers = c->tower_width = 0;
    if (c->backbone != FST_BACKBONE_CNN)
        c->cnn = 0;
    if (c->backbone != FST_BACKBONE_MLP && c->backbone != FST_BACKBONE_TRANSFORMER)
        c->inputs = 0;
    switch (c->backbone) {
    case FST_BACKBONE_VIT:
        return resolve_vit(c);
    case FST_BACKBONE_RESNET:
        return fst__resnet_resolve(c);
    case FST_BACKBONE_MLP:
        c->family = FST_FAMILY_MLP;
        return fst__mlp_resolve(c);
    case FST_BACKBONE_CNN:
        c->family = FST_FAMILY_CNN;
        return fst__cnn_resolve(c);
    default:
        return fst__config_reads_vectors(c) ? resolve_vectors(c) : FST_OK;
    }
}

fst_status fst__config_resolve(fst_model_config *config)
{
    fst_status status = resolve_backbone(config);
    if (status)
        return status;
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
    if (config->local_rope_theta == 0 && !config->causal)
        config->local_rope_theta = config->rope_theta;
    status = check_sizes(config);
    if (!status)
        status = check_reals(config);
    if (!status)
        status = check_together(config);
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
