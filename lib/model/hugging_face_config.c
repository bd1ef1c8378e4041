/* config.json of transformers, both ways. */
#include "model/hugging_face.h"

#include "base/error.h"
#include "model/config.h"
#include "model/config_json.h"
#include "model/hugging_face_encoder.h"
#include "model/hugging_face_image.h"
#include "model/own_directory.h"

#include <float.h>
#include <string.h>

static const struct {
    const char *model_type, *class_name;
    int32_t family;
} classes[] = {
    {"gpt2", "GPT2LMHeadModel", FST_FAMILY_GPT2},
    {"llama", "LlamaForCausalLM", FST_FAMILY_LLAMA},
    {"qwen2", "Qwen2ForCausalLM", FST_FAMILY_QWEN2},
    {"qwen3", "Qwen3ForCausalLM", FST_FAMILY_QWEN3},
    {"mistral", "MistralForCausalLM", FST_FAMILY_LLAMA},
    {"bert", NULL, FST_FAMILY_BERT},
    {"roberta", NULL, FST_FAMILY_ROBERTA},
    {"xlm-roberta", NULL, FST_FAMILY_ROBERTA},
    {"modernbert", NULL, FST_FAMILY_MODERNBERT},
    {"vit", NULL, FST_FAMILY_VIT},
    {"resnet", NULL, FST_FAMILY_RESNET},
    {"fourstage_resnet", NULL, FST_FAMILY_RESNET},
};
enum { MISTRAL = 4 };

static const struct {
    const char *name;
    int32_t scaling;
} ropes[] = {
    {"default", FST_ROPE_DEFAULT}, {"linear", FST_ROPE_LINEAR}, {"dynamic", FST_ROPE_DYNAMIC},
    {"llama3", FST_ROPE_LLAMA3},   {"yarn", FST_ROPE_YARN},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void read_gpt2(fst__config_reading *from, fst_model_config *c)
{
    fst__config_read_size(from, "n_layer", true, &c->layers);
    fst__config_read_size(from, "n_embd", true, &c->width);
    fst__config_read_size(from, "n_head", true, &c->heads);
    fst__config_read_size(from, "n_inner", false, &c->hidden_size);
    fst__config_read_size(from, "n_positions", true, &c->context_length);
    fst__config_read_real(from, "layer_norm_epsilon", &c->norm_epsilon);
    fst__config_read_real(from, "resid_pdrop", &c->dropout);
    fst__config_read_real(from, "attn_pdrop", &c->attention_dropout);
    fst__config_read_activation(from, "activation_function", "gelu_new", &c->activation);
    int32_t inverse_layer = 0, scale = 1;
    fst__config_read_flag(from, "scale_attn_by_inverse_layer_idx", &inverse_layer);
    fst__config_read_flag(from, "scale_attn_weights", &scale);
    if (!from->status && (inverse_layer || !scale))
        from->status = fst__fail(FST_ERR_UNSUPPORTED,
                                 "%s: scale_attn_by_inverse_layer_idx and scale_attn_weights are "
                                 "supported only as false and true",
                                 from->file);
}

static void read_rope_type(fst__config_reading *from, const char *key, bool *found, fst_model_config *c)
{
    const char *name = NULL;
    if (!from->status)
        from->status = fst__json_get_string(from->root, key, from->file, false, &name);
    if (from->status || !name)
        return;
    *found = true;
    for (size_t i = 0; i < COUNT(ropes); ++i) {
        if (strcmp(ropes[i].name, name) == 0) {
            c->rope_scaling = ropes[i].scaling;
            return;
        }
    }
    from->status = fst__fail(FST_ERR_UNSUPPORTED, "%s: rope type \"%s\" is not supported",
                             from->file, name);
}

/* transformers 4 writes rope_theta and rope_scaling, transformers 5 rope_parameters with both. */
static void read_rope(fst__config_reading *from, fst_model_config *c)
{
    fst__config_read_real(from, "rope_theta", &c->rope_theta);
    json_t *scaling = NULL;
    if (!from->status)
        from->status = fst__json_get_object(from->root, "rope_scaling", from->file, false, &scaling);
    if (!from->status && !scaling)
        from->status =
            fst__json_get_object(from->root, "rope_parameters", from->file, false, &scaling);
    if (from->status || !scaling)
        return;
    fst__config_reading inner = {.root = scaling, .file = from->file};
    bool found = false;
    read_rope_type(&inner, "type", &found, c);
    read_rope_type(&inner, "rope_type", &found, c);
    fst__config_read_real(&inner, "rope_theta", &c->rope_theta);
    fst__config_read_real(&inner, "factor", &c->rope_factor);
    fst__config_read_real(&inner, "low_freq_factor", &c->rope_low_frequency_factor);
    fst__config_read_real(&inner, "high_freq_factor", &c->rope_high_frequency_factor);
    fst__config_read_real(&inner, "attention_factor", &c->rope_attention_factor);
    fst__config_read_real(&inner, "beta_fast", &c->rope_beta_fast);
    fst__config_read_real(&inner, "beta_slow", &c->rope_beta_slow);
    fst__config_read_size(&inner, "original_max_position_embeddings", false, &c->rope_original_context);
    from->status = inner.status;
}

static void read_llama(fst__config_reading *from, fst_model_config *c)
{
    fst__config_read_size(from, "num_hidden_layers", true, &c->layers);
    fst__config_read_size(from, "hidden_size", true, &c->width);
    fst__config_read_size(from, "num_attention_heads", true, &c->heads);
    fst__config_read_size(from, "num_key_value_heads", false, &c->kv_heads);
    fst__config_read_size(from, "head_dim", false, &c->head_size);
    fst__config_read_size(from, "intermediate_size", true, &c->hidden_size);
    fst__config_read_size(from, "max_position_embeddings", true, &c->context_length);
    fst__config_read_real(from, "rms_norm_eps", &c->norm_epsilon);
    fst__config_read_real(from, "attention_dropout", &c->attention_dropout);
    fst__config_read_activation(from, "hidden_act", "silu", &c->activation);
    if (c->family != FST_FAMILY_QWEN2) {
        fst__config_read_flag(from, "attention_bias", &c->attention_bias);
        c->output_bias = c->attention_bias;
    }
    fst__config_read_flag(from, "mlp_bias", &c->mlp_bias);
    int32_t use_window = c->family == FST_FAMILY_LLAMA;
    fst__config_read_flag(from, "use_sliding_window", &use_window);
    if (use_window)
        fst__config_read_size(from, "sliding_window", false, &c->window);
    read_rope(from, c);
}

fst_status fst__config_from_json(const json_t *root, const char *file, fst_model_config *config)
{
    *config = fst__config_default();
    const char *type;
    fst_status status = fst__json_get_string(root, "model_type", file, true, &type);
    if (status)
        return status;
    fst__config_reading from = {.root = root, .file = file};
    int32_t own = fst__own_backbone(type);
    if (own >= 0) {
        if (own != FST_BACKBONE_TRANSFORMER)
            status = fst__config_set_family(config, own == FST_BACKBONE_MLP ? FST_FAMILY_MLP
                                                                            : FST_FAMILY_CNN);
        if (!status)
            fst__own_config_read(&from, config);
        return status ? status : from.status;
    }
    size_t found = 0;
    while (found < COUNT(classes) && strcmp(classes[found].model_type, type) != 0)
        ++found;
    if (found == COUNT(classes))
        return fst__fail(FST_ERR_UNSUPPORTED,
                         "%s: model_type is \"%s\", expected gpt2, llama, mistral, qwen2, qwen3, bert, "
                         "roberta, xlm-roberta, modernbert, vit, resnet, fourstage_resnet, "
                         "fourstage_mlp, fourstage_cnn or fourstage_transformer",
                         file, type);
    status = fst__config_set_family(config, classes[found].family);
    if (status)
        return status;
    if (fst__is_image_family(config->family)) {
        fst__image_config_read(&from, config);
        return from.status;
    }
    fst__config_read_size(&from, "vocab_size", true, &config->vocabulary_size);
    fst__config_read_real(&from, "initializer_range", &config->init_std);
    fst__config_read_flag(&from, "tie_word_embeddings", &config->tied);
    fst__config_read_id(&from, "bos_token_id", &config->bos_id);
    fst__config_read_id(&from, "eos_token_id", &config->eos_id);
    if (config->family == FST_FAMILY_GPT2)
        read_gpt2(&from, config);
    else if (fst__is_encoder_family(config->family))
        fst__encoder_config_read(&from, config);
    else
        read_llama(&from, config);
    return from.status;
}

/* What each class fixes and config.json cannot say. */
static fst_status check_family(const fst_model_config *c)
{
    if (c->family > FST_FAMILY_QWEN3)
        return fst__fail(FST_ERR_UNSUPPORTED,
                         "fst_model_config.family is %d, which cannot be saved as a directory",
                         (int)c->family);
    bool gpt2 = c->family == FST_FAMILY_GPT2, qwen2 = c->family == FST_FAMILY_QWEN2;
    const struct {
        const char *field;
        bool fits;
    } rules[] = {
        {"position", c->position == (gpt2 ? FST_POSITION_LEARNED : FST_POSITION_ROTARY)},
        {"norm", c->norm == (gpt2 ? FST_NORM_LAYER : FST_NORM_RMS)},
        {"gated", c->gated == !gpt2},
        {"qk_norm", c->qk_norm == (c->family == FST_FAMILY_QWEN3)},
        {"kv_heads", !gpt2 || c->kv_heads == c->heads},
        {"head_size", !gpt2 || c->head_size * c->heads == c->width},
        {"window", !gpt2 || c->window == 0},
        {"attention_bias", !qwen2 || c->attention_bias},
        {"output_bias", gpt2 || c->output_bias == (qwen2 ? 0 : c->attention_bias)},
        {"mlp_bias", gpt2 || c->family == FST_FAMILY_LLAMA || !c->mlp_bias},
        {"causal", c->causal},
        {"post_norm", !c->post_norm},
        {"token_types", !c->token_types},
        {"embedding_norm", !c->embedding_norm},
        {"position_offset", !c->position_offset},
        {"head_transform", !c->head_transform},
        {"head_bias", !c->head_bias},
        {"pooler", !c->pooler},
        {"first_norm_free", !c->first_norm_free},
    };
    for (size_t i = 0; i < COUNT(rules); ++i) {
        if (!rules[i].fits)
            return fst__fail(FST_ERR_UNSUPPORTED,
                             "fst_model_config.%s is not what %s has, so it cannot be saved as one",
                             rules[i].field, classes[c->family].class_name);
    }
    return FST_OK;
}

static void write_gpt2(json_t *root, const fst_model_config *c)
{
    fst__config_set(root, "n_layer", json_integer(c->layers));
    fst__config_set(root, "n_embd", json_integer(c->width));
    fst__config_set(root, "n_head", json_integer(c->heads));
    fst__config_set(root, "n_inner", json_integer(c->hidden_size));
    fst__config_set(root, "n_positions", json_integer(c->context_length));
    fst__config_set(root, "n_ctx", json_integer(c->context_length));
    fst__config_set(root, "layer_norm_epsilon", json_real(c->norm_epsilon));
    fst__config_set(root, "embd_pdrop", json_real(c->dropout));
    fst__config_set(root, "resid_pdrop", json_real(c->dropout));
    fst__config_set(root, "attn_pdrop", json_real(c->attention_dropout));
    fst__config_set(root, "activation_function", json_string(fst__config_activation_name(c->activation)));
}

static void write_rope(json_t *root, const fst_model_config *c)
{
    fst__config_set(root, "rope_theta", json_real(c->rope_theta));
    if (c->rope_scaling == FST_ROPE_DEFAULT)
        return;
    json_t *scaling = json_object();
    fst__config_set(scaling, "rope_type", json_string(ropes[c->rope_scaling].name));
    fst__config_set(scaling, "factor", json_real(c->rope_factor));
    if (c->rope_scaling != FST_ROPE_LINEAR)
        fst__config_set(scaling, "original_max_position_embeddings", json_integer(c->rope_original_context));
    if (c->rope_scaling == FST_ROPE_LLAMA3) {
        fst__config_set(scaling, "low_freq_factor", json_real(c->rope_low_frequency_factor));
        fst__config_set(scaling, "high_freq_factor", json_real(c->rope_high_frequency_factor));
    }
    if (c->rope_scaling == FST_ROPE_YARN) {
        fst__config_set(scaling, "beta_fast", json_real(c->rope_beta_fast));
        fst__config_set(scaling, "beta_slow", json_real(c->rope_beta_slow));
        if (c->rope_attention_factor > 0)
            fst__config_set(scaling, "attention_factor", json_real(c->rope_attention_factor));
    }
    fst__config_set(root, "rope_scaling", scaling);
}

static void write_llama(json_t *root, const fst_model_config *c)
{
    fst__config_set(root, "num_hidden_layers", json_integer(c->layers));
    fst__config_set(root, "hidden_size", json_integer(c->width));
    fst__config_set(root, "num_attention_heads", json_integer(c->heads));
    fst__config_set(root, "num_key_value_heads", json_integer(c->kv_heads));
    fst__config_set(root, "head_dim", json_integer(c->head_size));
    fst__config_set(root, "intermediate_size", json_integer(c->hidden_size));
    fst__config_set(root, "max_position_embeddings", json_integer(c->context_length));
    fst__config_set(root, "rms_norm_eps", json_real(c->norm_epsilon));
    fst__config_set(root, "attention_dropout", json_real(c->attention_dropout));
    fst__config_set(root, "hidden_act", json_string(fst__config_activation_name(c->activation)));
    fst__config_set(root, "attention_bias", json_boolean(c->attention_bias));
    fst__config_set(root, "mlp_bias", json_boolean(c->mlp_bias));
    if (c->window) {
        fst__config_set(root, "sliding_window", json_integer(c->window));
        fst__config_set(root, "use_sliding_window", json_true());
    }
    write_rope(root, c);
}

static fst_status family_to_json(const fst_model *model, json_t **root,
                                 fst_status (*write)(const fst_model *model, json_t *root))
{
    json_t *object = json_object();
    fst_status status = write(model, object);
    if (status)
        json_decref(object);
    else
        *root = object;
    return status;
}

fst_status fst__config_to_json(const fst_model *model, json_t **root)
{
    const fst_model_config *c = &model->config;
    if (fst__is_own_config(c))
        return family_to_json(model, root, fst__own_config_write);
    if (fst__is_encoder_family(c->family))
        return family_to_json(model, root, fst__encoder_config_write);
    if (fst__is_image_family(c->family))
        return family_to_json(model, root, fst__image_config_write);
    fst_status status = check_family(c);
    if (status)
        return status;
    /* A sliding window over Llama's architecture is Mistral. */
    size_t class = c->family == FST_FAMILY_LLAMA && c->window ? (size_t)MISTRAL
                                                              : (size_t)c->family;
    json_t *object = json_object(), *names = json_array();
    json_array_append_new(names, json_string(classes[class].class_name));
    fst__config_set(object, "architectures", names);
    fst__config_set(object, "model_type", json_string(classes[class].model_type));
    fst__config_set(object, "vocab_size", json_integer(c->vocabulary_size));
    fst__config_set(object, "initializer_range", json_real(c->init_std));
    fst__config_set(object, "tie_word_embeddings", json_boolean(c->tied));
    fst__config_set(object, "bos_token_id", c->bos_id < 0 ? json_null() : json_integer(c->bos_id));
    fst__config_set(object, "eos_token_id", c->eos_id < 0 ? json_null() : json_integer(c->eos_id));
    fst__config_set(object, "torch_dtype", json_string("float32"));
    fst__config_set(object, "use_cache", json_true());
    if (c->family == FST_FAMILY_GPT2)
        write_gpt2(object, c);
    else
        write_llama(object, c);
    /* jansson's setters fail only for lack of memory; then a member is missing. */
    size_t expected = (c->family == FST_FAMILY_GPT2 ? 20 : 22) +
                      (c->family != FST_FAMILY_GPT2 && c->rope_scaling != FST_ROPE_DEFAULT) +
                      (c->family != FST_FAMILY_GPT2 && c->window ? 2 : 0);
    if (!object || json_object_size(object) != expected) {
        json_decref(object);
        return fst__fail(FST_ERR_NO_MEMORY, "out of memory while writing config.json");
    }
    *root = object;
    return FST_OK;
}
