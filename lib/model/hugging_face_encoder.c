/* Which class of transformers a model is, and the head that a directory's class brings. */
#include "model/hugging_face_encoder.h"

#include "base/error.h"
#include "model/head_labels.h"
#include "model/heads.h"
#include "model/hugging_face_image.h"
#include "model/own_directory.h"

#include <stdio.h>
#include <string.h>

static const char classifier[] = "classifier", next_sentence[] = "seq_relationship";

static const char *class_name(int32_t family, fst__encoder_kind kind)
{
    static const char *const names[][5] = {
        {"BertModel", "BertForMaskedLM", "BertForPreTraining", "BertForSequenceClassification",
         "BertForTokenClassification"},
        {"RobertaModel", "RobertaForMaskedLM", NULL, "RobertaForSequenceClassification",
         "RobertaForTokenClassification"},
        {"ModernBertModel", "ModernBertForMaskedLM", NULL, "ModernBertForSequenceClassification",
         "ModernBertForTokenClassification"},
    };
    return names[family - FST_FAMILY_BERT][kind];
}

/* ---- out: what fits a class */

/* transformers' ModernBertPredictionHead before the linear layer. */
static bool has_modern_layer(const fst_model_config *c, const fst_head_options *o)
{
    return o->hidden_layers == 1 && o->hidden_size == c->width && o->layer_norm &&
           o->norm_bias == c->norm_bias && o->norm_epsilon == c->norm_epsilon;
}

static bool fits_token(const fst_model_config *c, const fst_head_options *o)
{
    if (o->kind != FST_HEAD_TOKEN || !o->bias)
        return false;
    return c->family == FST_FAMILY_MODERNBERT ? has_modern_layer(c, o) : o->hidden_layers == 0;
}

static bool fits_sequence(const fst_model_config *c, const fst_head_options *o)
{
    if (o->kind != FST_HEAD_SEQUENCE || !o->bias)
        return false;
    if (c->family == FST_FAMILY_BERT)
        return o->pooling == FST_POOL_POOLER && o->hidden_layers == 0;
    if (c->family == FST_FAMILY_MODERNBERT)
        return (o->pooling == FST_POOL_FIRST || o->pooling == FST_POOL_MEAN) &&
               has_modern_layer(c, o);
    return o->pooling == FST_POOL_FIRST && o->hidden_layers == 1 && o->hidden_size == c->width &&
           o->activation == FST_ACTIVATION_TANH && o->hidden_bias && !o->layer_norm;
}

static const fst__head *find(const fst_model *model, const char *name)
{
    for (int32_t i = 0; i < model->head_count; ++i) {
        if (strcmp(model->heads[i].name, name) == 0)
            return &model->heads[i];
    }
    return NULL;
}

fst__encoder_class fst__encoder_class_of(const fst_model *model)
{
    const fst_model_config *c = &model->config;
    const fst__head *labels = find(model, classifier), *pair = find(model, next_sentence);
    fst__encoder_class class = {
        .kind = c->head_transform ? FST__ENCODER_MASKED : FST__ENCODER_MODEL};
    if (labels && fits_sequence(c, &labels->options))
        class = (fst__encoder_class){.kind = FST__ENCODER_SEQUENCE, .head = labels};
    else if (labels && fits_token(c, &labels->options))
        class = (fst__encoder_class){.kind = FST__ENCODER_TOKEN, .head = labels};
    else if (c->family == FST_FAMILY_BERT && c->head_transform && pair &&
             pair->options.outputs == 2 && fits_sequence(c, &pair->options))
        class = (fst__encoder_class){.kind = FST__ENCODER_PRETRAINING, .head = pair};
    class.name = class_name(c->family, class.kind);
    return class;
}

const fst__head *fst__class_head(const fst_model *model)
{
    if (fst__is_own_config(&model->config))
        return NULL;
    if (fst__is_image_family(model->config.family))
        return fst__image_class_head(model);
    return fst__is_encoder_family(model->config.family) ? fst__encoder_class_of(model).head : NULL;
}

/* ---- in: the head of a directory's class */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* The class's own name, or "". */
static fst_status read_class(const json_t *root, const char *path, const char **name)
{
    json_t *names = NULL;
    *name = "";
    fst_status status = fst__json_get_array(root, "architectures", path, false, &names);
    const json_t *first = names ? json_array_get(names, 0) : NULL;
    if (!status && first && !json_is_string(first))
        status = fst__fail(FST_ERR_FORMAT, "%s: architectures holds no string", path);
    if (!status && first)
        *name = json_string_value(first);
    return status;
}

/* Outputs of the head, from the shape of its weight; 0: no such tensor. */
static int64_t outputs_of(const fst__safetensors *file, const char *const *names)
{
    for (; *names; ++names) {
        fst__safetensors_tensor tensor;
        if (fst__safetensors_has(file, *names) && !fst__safetensors_find(file, *names, &tensor) &&
            tensor.rank == 2)
            return tensor.shape[0];
    }
    return 0;
}

/* The layer before the linear one, and its pooling. */
static fst_status read_layer(const json_t *root, const char *path, const fst_model_config *c,
                             fst_head_options *o)
{
    fst__config_reading from = {.root = root, .file = path};
    const char *pooling = "cls";
    if (o->kind == FST_HEAD_SEQUENCE)
        o->pooling = c->family == FST_FAMILY_BERT ? FST_POOL_POOLER : FST_POOL_FIRST;
    if (c->family == FST_FAMILY_BERT)
        return FST_OK;
    o->activation = FST_ACTIVATION_TANH;
    o->hidden_layers = c->family == FST_FAMILY_MODERNBERT || o->kind == FST_HEAD_SEQUENCE;
    if (c->family == FST_FAMILY_ROBERTA)
        return FST_OK;
    o->hidden_bias = 0;
    fst__config_read_flag(&from, "classifier_bias", &o->hidden_bias);
    fst__config_read_activation(&from, "classifier_activation", "gelu", &o->activation);
    if (!from.status)
        from.status = fst__json_get_string(root, "classifier_pooling", path, false, &pooling);
    o->layer_norm = 1;
    o->norm_bias = c->norm_bias;
    o->norm_epsilon = c->norm_epsilon;
    if (!from.status && strcmp(pooling, "mean") == 0)
        o->pooling = o->kind == FST_HEAD_SEQUENCE ? FST_POOL_MEAN : o->pooling;
    else if (!from.status && strcmp(pooling, "cls") != 0)
        from.status = fst__fail(FST_ERR_UNSUPPORTED, "%s: classifier_pooling is \"%.40s\", expected "
                                                     "cls or mean", path, pooling);
    return from.status;
}

fst_status fst__encoder_head_read(const json_t *root, const char *path,
                                  const fst__safetensors *file, const fst_model_config *config,
                                  fst_head_options *options)
{
    static const char *const weights[] = {"classifier.weight", "classifier.out_proj.weight", NULL};
    static const char *const pair[] = {"cls.seq_relationship.weight", NULL};
    const char *class;
    *options = fst__head_defaults();
    fst_status status = read_class(root, path, &class);
    if (status)
        return status;
    bool token = ends_with(class, "ForTokenClassification");
    if (token || ends_with(class, "ForSequenceClassification"))
        options->outputs = outputs_of(file, weights), options->name = classifier;
    else if (config->family == FST_FAMILY_BERT && config->pooler && config->head_transform)
        options->outputs = outputs_of(file, pair), options->name = next_sentence;
    if (!options->name || options->outputs < 1) {
        options->name = NULL;
        return FST_OK;
    }
    options->kind = token ? FST_HEAD_TOKEN : FST_HEAD_SEQUENCE;
    options->dropout = options->name == classifier && config->family != FST_FAMILY_MODERNBERT
                           ? config->dropout
                           : 0;
    fst__config_reading from = {.root = root, .file = path};
    if (options->name == classifier)
        fst__config_read_real(&from, "classifier_dropout", &options->dropout);
    return from.status ? from.status : read_layer(root, path, config, options);
}

fst_status fst__encoder_labels_read(const json_t *root, const char *path, fst_model *model,
                                    fst__head *head)
{
    json_t *names = NULL;
    int64_t count = head->options.outputs;
    fst_status status = fst__json_get_object(root, "id2label", path, false, &names);
    if (status || !names || strcmp(head->name, classifier) != 0)
        return status;
    if ((int64_t)json_object_size(names) != count)
        return fst__fail(FST_ERR_MISMATCH,
                         "%s: id2label has %lld entries, the classifier %lld outputs", path,
                         (long long)json_object_size(names), (long long)count);
    const char **labels =
        fst__alloc_array(&model->context->allocator, (size_t)count, sizeof *labels);
    if (!labels)
        return FST_ERR_NO_MEMORY;
    for (int64_t i = 0; i < count && !status; ++i) {
        char key[24];
        snprintf(key, sizeof key, "%lld", (long long)i);
        status = fst__json_get_string(names, key, path, true, &labels[i]);
    }
    if (!status)
        status = fst__head_set_labels(model, head, labels);
    fst__free(&model->context->allocator, labels);
    return status;
}
