/* config.json of transformers' BERT, RoBERTa and ModernBERT, both ways. */
#include "model/hugging_face_encoder.h"

#include "base/error.h"
#include "model/head_labels.h"

#include <string.h>

/* ---- in */

static void refuse(fst__config_reading *from, const char *what)
{
    if (!from->status)
        from->status = fst__fail(FST_ERR_UNSUPPORTED, "%s: %s", from->file, what);
}

/* Shared by all three; names differ. */
static void read_sizes(fst__config_reading *from, fst_model_config *c)
{
    fst__config_read_size(from, "num_hidden_layers", true, &c->layers);
    fst__config_read_size(from, "hidden_size", true, &c->width);
    fst__config_read_size(from, "num_attention_heads", true, &c->heads);
    fst__config_read_size(from, "intermediate_size", true, &c->hidden_size);
    fst__config_read_id(from, "pad_token_id", &c->pad_id);
}

/* configuration_bert.py, configuration_roberta.py; a member that is missing has its default there. */
static void read_bert(fst__config_reading *from, fst_model_config *c)
{
    bool roberta = c->family == FST_FAMILY_ROBERTA;
    int32_t rows = 512, decoder = 0, cross = 0;
    const char *positions = "absolute";
    c->norm_epsilon = 1e-12;
    c->dropout = c->attention_dropout = 0.1;
    c->token_types = 2;
    c->pad_id = roberta ? 1 : 0;
    read_sizes(from, c);
    fst__config_read_size(from, "max_position_embeddings", false, &rows);
    fst__config_read_size(from, "type_vocab_size", false, &c->token_types);
    fst__config_read_real(from, "layer_norm_eps", &c->norm_epsilon);
    fst__config_read_real(from, "hidden_dropout_prob", &c->dropout);
    fst__config_read_real(from, "attention_probs_dropout_prob", &c->attention_dropout);
    fst__config_read_activation(from, "hidden_act", "gelu", &c->activation);
    fst__config_read_flag(from, "is_decoder", &decoder);
    fst__config_read_flag(from, "add_cross_attention", &cross);
    if (!from->status)
        from->status = fst__json_get_string(from->root, "position_embedding_type", from->file,
                                            false, &positions);
    if (!from->status && strcmp(positions, "absolute") != 0)
        refuse(from, "position_embedding_type is supported only as absolute");
    if (decoder || cross)
        refuse(from, "is_decoder and add_cross_attention are supported only as false");
    /* modeling_roberta.py, create_position_ids_from_input_ids: the first row behind the padding's. */
    c->position_offset = roberta ? (int32_t)c->pad_id + 1 : 0;
    if (roberta && !from->status && (c->pad_id < 0 || c->pad_id >= rows))
        refuse(from, "pad_token_id lies outside max_position_embeddings");
    c->context_length = rows - c->position_offset;
}

static bool is_type(const json_t *types, size_t index, const char *expected)
{
    const char *type = json_string_value(json_array_get(types, index));
    return type && strcmp(type, expected) == 0;
}

/* Whether the layers 0, every, 2·every … and no others see everything. */
static bool follows(const json_t *types, int32_t every)
{
    size_t i = 0, count = json_array_size(types);
    while (i < count && is_type(types, i, every && i % (size_t)every == 0 ? "full_attention"
                                                                          : "sliding_attention"))
        ++i;
    return i == count;
}

/* layer_types, or the number of layers from one that sees everything to the next. */
static void read_layer_types(fst__config_reading *from, fst_model_config *c)
{
    json_t *types = NULL;
    size_t second = 1;
    c->global_every = 3;
    fst__config_read_size(from, "global_attn_every_n_layers", false, &c->global_every);
    if (!from->status)
        from->status = fst__json_get_array(from->root, "layer_types", from->file, false, &types);
    if (from->status || !types || follows(types, c->global_every))
        return;
    while (second < json_array_size(types) && !is_type(types, second, "full_attention"))
        ++second;
    c->global_every = is_type(types, 0, "full_attention") ? (int32_t)second : 0;
    if (!follows(types, c->global_every) || json_array_size(types) != (size_t)c->layers)
        refuse(from, "layer_types is supported where every n-th layer from the first on, or none, is "
                     "full_attention and the others sliding_attention");
}

static void read_theta(fst__config_reading *from, const json_t *all, const char *key, double *theta)
{
    json_t *one = NULL;
    const char *type = "default";
    if (!from->status)
        from->status = fst__json_get_object(all, key, from->file, false, &one);
    if (from->status || !one)
        return;
    fst__config_reading inner = {.root = one, .file = from->file};
    fst__config_read_real(&inner, "rope_theta", theta);
    from->status = inner.status;
    if (!from->status)
        from->status = fst__json_get_string(one, "rope_type", from->file, false, &type);
    if (!from->status && strcmp(type, "default") != 0)
        refuse(from, "rope_type is supported only as default");
}

/* configuration_modernbert.py, of transformers 4 and 5. */
static void read_modernbert(fst__config_reading *from, fst_model_config *c)
{
    json_t *rope = NULL;
    double mlp_dropout = 0;
    c->pad_id = -1;
    c->context_length = 8192;
    c->window = 128;
    c->rope_theta = 160000;
    c->local_rope_theta = 10000;
    read_sizes(from, c);
    fst__config_read_size(from, "max_position_embeddings", false, &c->context_length);
    fst__config_read_size(from, "local_attention", false, &c->window);
    fst__config_read_real(from, "norm_eps", &c->norm_epsilon);
    fst__config_read_flag(from, "norm_bias", &c->norm_bias);
    fst__config_read_flag(from, "attention_bias", &c->attention_bias);
    fst__config_read_flag(from, "mlp_bias", &c->mlp_bias);
    c->output_bias = c->attention_bias;
    fst__config_read_activation(from, "hidden_activation", "gelu", &c->activation);
    fst__config_read_real(from, "embedding_dropout", &c->dropout);
    fst__config_read_real(from, "mlp_dropout", &mlp_dropout);
    fst__config_read_real(from, "attention_dropout", &c->attention_dropout);
    c->dropout = mlp_dropout > c->dropout ? mlp_dropout : c->dropout;
    read_layer_types(from, c);
    fst__config_read_real(from, "global_rope_theta", &c->rope_theta);
    fst__config_read_real(from, "local_rope_theta", &c->local_rope_theta);
    if (!from->status)
        from->status = fst__json_get_object(from->root, "rope_parameters", from->file, false, &rope);
    if (!from->status && rope) {
        read_theta(from, rope, "full_attention", &c->rope_theta);
        read_theta(from, rope, "sliding_attention", &c->local_rope_theta);
    }
}

void fst__encoder_config_read(fst__config_reading *from, fst_model_config *config)
{
    if (config->family == FST_FAMILY_MODERNBERT)
        read_modernbert(from, config);
    else
        read_bert(from, config);
}

static bool has_any(const fst__safetensors *file, const char *const *names)
{
    for (; *names; ++names) {
        if (fst__safetensors_has(file, *names))
            return true;
    }
    return false;
}

void fst__encoder_config_complete(const fst__safetensors *file, const fst__safetensors *aside,
                                  fst_model_config *c)
{
    static const char *const poolers[] = {"pooler.dense.weight", "bert.pooler.dense.weight",
                                          "roberta.pooler.dense.weight", NULL};
    static const char *const masked[] = {"cls.predictions.transform.dense.weight",
                                         "lm_head.dense.weight", NULL};
    static const char *const modern[] = {"head.dense.weight", NULL};
    static const char *const classifiers[] = {"classifier.weight", NULL};
    static const char *const biases[] = {"decoder.bias", NULL};
    bool is_modern = c->family == FST_FAMILY_MODERNBERT;
    bool kept_aside = aside && fst__safetensors_has(aside, "head.transform.weight");
    /* A classifier of ModernBERT has a layer of that name too. */
    bool own = is_modern ? has_any(file, modern) && !has_any(file, classifiers)
                         : has_any(file, masked);
    c->pooler = !is_modern && (has_any(file, poolers) ||
                               (aside && fst__safetensors_has(aside, "pooler.weight")));
    c->head_transform = own || kept_aside;
    c->head_bias = c->head_transform;
    if (is_modern && own)
        c->head_bias = has_any(file, biases);
    else if (kept_aside)
        c->head_bias = fst__safetensors_has(aside, "head.bias");
    if (!c->head_transform)
        c->tied = 1; /* to something, as no class without that head has an output matrix */
}

/* ---- out */

typedef struct rule {
    const char *field;
    bool fits;
} rule;

static fst_status check(const rule *rules, size_t count, const char *class_name)
{
    for (size_t i = 0; i < count; ++i) {
        if (!rules[i].fits)
            return fst__fail(FST_ERR_UNSUPPORTED,
                             "fst_model_config.%s is not what %s has, so it cannot be saved as one",
                             rules[i].field, class_name);
    }
    return FST_OK;
}

static fst_status check_bert(const fst_model_config *c, const char *class_name)
{
    bool roberta = c->family == FST_FAMILY_ROBERTA;
    const rule rules[] = {
        {"position", c->position == FST_POSITION_LEARNED},
        {"norm", c->norm == FST_NORM_LAYER},
        {"norm_bias", c->norm_bias},
        {"gated", !c->gated},
        {"attention_bias", c->attention_bias},
        {"output_bias", c->output_bias},
        {"mlp_bias", c->mlp_bias},
        {"post_norm", c->post_norm},
        {"first_norm_free", !c->first_norm_free},
        {"window", c->window == 0},
        {"token_types", c->token_types > 0},
        {"position_offset", roberta ? c->position_offset > 0 : c->position_offset == 0},
        {"head_bias", c->head_bias == c->head_transform},
        /* modeling_roberta.py: RobertaLMHead has GELU whatever the config says. */
        {"activation", !roberta || !c->head_transform || c->activation == FST_ACTIVATION_GELU},
    };
    return check(rules, sizeof rules / sizeof *rules, class_name);
}

static fst_status check_modernbert(const fst_model_config *c, const char *class_name)
{
    const rule rules[] = {
        {"position", c->position == FST_POSITION_ROTARY},
        {"norm", c->norm == FST_NORM_LAYER},
        {"gated", c->gated},
        {"output_bias", c->output_bias == c->attention_bias},
        {"post_norm", !c->post_norm},
        {"first_norm_free", c->first_norm_free},
        {"window", c->window > 0},
        {"token_types", c->token_types == 0},
        {"position_offset", c->position_offset == 0},
        {"pooler", !c->pooler},
        {"rope_scaling", c->rope_scaling == FST_ROPE_DEFAULT},
        {"head_bias", c->head_transform || !c->head_bias},
    };
    return check(rules, sizeof rules / sizeof *rules, class_name);
}

static fst_status check_encoder(const fst_model_config *c, const char *class_name)
{
    const rule rules[] = {
        {"causal", !c->causal},
        {"qk_norm", !c->qk_norm},
        {"kv_heads", c->kv_heads == c->heads},
        {"head_size", c->head_size * c->heads == c->width},
        {"embedding_norm", c->embedding_norm},
        {"tied", c->tied || c->head_transform},
    };
    fst_status status = check(rules, sizeof rules / sizeof *rules, class_name);
    if (status)
        return status;
    return c->family == FST_FAMILY_MODERNBERT ? check_modernbert(c, class_name)
                                              : check_bert(c, class_name);
}

/* Setters that remember a failure, which can only be lack of memory. */
typedef struct writing {
    json_t *root;
    bool failed;
} writing;

static void set(writing *to, const char *key, json_t *value)
{
    to->failed |= json_object_set_new(to->root, key, value) != 0;
}

static void set_id(writing *to, const char *key, int64_t id)
{
    set(to, key, id < 0 ? json_null() : json_integer(id));
}

static void write_bert(writing *to, const fst_model_config *c)
{
    set(to, "hidden_act", json_string(fst__config_activation_name(c->activation)));
    set(to, "hidden_dropout_prob", json_real(c->dropout));
    set(to, "attention_probs_dropout_prob", json_real(c->attention_dropout));
    set(to, "max_position_embeddings", json_integer((int64_t)c->context_length + c->position_offset));
    set(to, "type_vocab_size", json_integer(c->token_types));
    set(to, "layer_norm_eps", json_real(c->norm_epsilon));
    set(to, "position_embedding_type", json_string("absolute"));
    /* Positions are counted from behind the padding's row. */
    set_id(to, "pad_token_id",
           c->family == FST_FAMILY_ROBERTA ? c->position_offset - 1 : c->pad_id);
}

/* rope_theta's and layer_types' names of transformers 4 and of 5. */
static void write_modernbert(writing *to, const fst_model_config *c)
{
    json_t *types = json_array();
    for (int32_t i = 0; i < c->layers; ++i) {
        bool full = c->global_every && i % c->global_every == 0;
        to->failed |= json_array_append_new(types, json_string(full ? "full_attention"
                                                                    : "sliding_attention")) != 0;
    }
    set(to, "layer_types", types);
    if (c->global_every)
        set(to, "global_attn_every_n_layers", json_integer(c->global_every));
    set(to, "global_rope_theta", json_real(c->rope_theta));
    set(to, "local_rope_theta",
        json_real(c->local_rope_theta > 0 ? c->local_rope_theta : c->rope_theta));
    set(to, "local_attention", json_integer(c->window));
    set(to, "max_position_embeddings", json_integer(c->context_length));
    set(to, "hidden_activation", json_string(fst__config_activation_name(c->activation)));
    set(to, "norm_eps", json_real(c->norm_epsilon));
    set(to, "norm_bias", json_boolean(c->norm_bias));
    set(to, "attention_bias", json_boolean(c->attention_bias));
    set(to, "mlp_bias", json_boolean(c->mlp_bias));
    set(to, "embedding_dropout", json_real(c->dropout));
    set(to, "mlp_dropout", json_real(c->dropout));
    set(to, "attention_dropout", json_real(c->attention_dropout));
    set(to, "decoder_bias", json_boolean(c->head_bias));
    set_id(to, "pad_token_id", c->pad_id);
    set_id(to, "cls_token_id", c->bos_id);
    set_id(to, "sep_token_id", c->eos_id);
}

/* What the class's own head is made of; ModernBERT's masked-LM head has the same members. */
static void write_head(writing *to, const fst_model_config *c, const fst__head *head)
{
    bool modern = c->family == FST_FAMILY_MODERNBERT;
    if (head && strcmp(head->name, "classifier") == 0) {
        to->failed |= !fst__head_labels_to_json(head, to->root);
        set(to, "classifier_dropout", json_real(head->options.dropout));
    }
    if (!modern)
        return;
    set(to, "classifier_bias", json_boolean(head ? head->options.hidden_bias : c->mlp_bias));
    set(to, "classifier_activation",
        json_string(fst__config_activation_name(head ? head->options.activation : c->activation)));
    set(to, "classifier_pooling",
        json_string(head && head->options.pooling == FST_POOL_MEAN ? "mean" : "cls"));
}

fst_status fst__encoder_config_write(const fst_model *model, json_t *root)
{
    const fst_model_config *c = &model->config;
    fst__encoder_class class = fst__encoder_class_of(model);
    fst_status status = check_encoder(c, class.name);
    if (status)
        return status;
    static const char *const types[] = {"bert", "roberta", "modernbert"};
    json_t *names = json_array();
    writing to = {.root = root, .failed = !names};
    to.failed |= json_array_append_new(names, json_string(class.name)) != 0;
    set(&to, "architectures", names);
    set(&to, "model_type", json_string(types[c->family - FST_FAMILY_BERT]));
    set(&to, "vocab_size", json_integer(c->vocabulary_size));
    set(&to, "num_hidden_layers", json_integer(c->layers));
    set(&to, "hidden_size", json_integer(c->width));
    set(&to, "num_attention_heads", json_integer(c->heads));
    set(&to, "intermediate_size", json_integer(c->hidden_size));
    set(&to, "initializer_range", json_real(c->init_std));
    set(&to, "tie_word_embeddings", json_boolean(c->tied));
    set_id(&to, "bos_token_id", c->bos_id);
    set_id(&to, "eos_token_id", c->eos_id);
    set(&to, "torch_dtype", json_string("float32"));
    if (c->family == FST_FAMILY_MODERNBERT)
        write_modernbert(&to, c);
    else
        write_bert(&to, c);
    write_head(&to, c, class.head);
    return to.failed ? fst__fail(FST_ERR_NO_MEMORY, "out of memory while writing config.json")
                     : FST_OK;
}
