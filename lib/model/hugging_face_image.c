#include "model/hugging_face_image.h"

#include "base/error.h"
#include "model/head_labels.h"
#include "model/heads.h"
#include "model/hugging_face_listing.h"
#include "model/resnet.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char classifier[] = "classifier";

/* ---- classes */

/* modeling_vit.py classifies by the class token, modeling_resnet.py by the mean over the map. */
const fst__head *fst__image_class_head(const fst_model *model)
{
    int32_t pooling = model->config.family == FST_FAMILY_VIT ? FST_POOL_FIRST : FST_POOL_MEAN;
    for (int32_t i = 0; i < model->head_count; ++i) {
        const fst_head_options *o = &model->heads[i].options;
        if (strcmp(model->heads[i].name, classifier) == 0 && o->kind == FST_HEAD_SEQUENCE &&
            o->pooling == pooling && o->hidden_layers == 0 && o->bias && !o->batch_norm)
            return &model->heads[i];
    }
    return NULL;
}

static const char *class_name(const fst_model *model)
{
    static const char *const names[][3] = {
        {"ViTModel", "ResNetModel", "FourstageResNetModel"},
        {"ViTForImageClassification", "ResNetForImageClassification",
         "FourstageResNetForImageClassification"},
    };
    const fst_model_config *c = &model->config;
    int32_t column = c->family == FST_FAMILY_VIT ? 0 : c->stem == FST_STEM_7X7 ? 1 : 2;
    return names[fst__image_class_head(model) != NULL][column];
}

/* ---- config.json, in */

static void refuse(fst__config_reading *from, const char *what)
{
    if (!from->status)
        from->status = fst__fail(FST_ERR_UNSUPPORTED, "%s: %s", from->file, what);
}

/* A side, or a list of height and width. */
static void read_image_size(fst__config_reading *from, fst_model_config *c)
{
    const json_t *value = json_object_get(from->root, "image_size");
    int32_t side = 224;
    if (json_is_array(value) && json_array_size(value) == 2) {
        const json_t *height = json_array_get(value, 0), *width = json_array_get(value, 1);
        bool fits = json_is_integer(height) && json_is_integer(width) &&
                    json_integer_value(height) > 0 && json_integer_value(height) < 1 << 20 &&
                    json_integer_value(width) > 0 && json_integer_value(width) < 1 << 20;
        if (!fits && !from->status)
            from->status = fst__fail(FST_ERR_FORMAT, "%s: image_size: expected two positive integers",
                                     from->file);
        c->image_height = fits ? (int32_t)json_integer_value(height) : 0;
        c->image_width = fits ? (int32_t)json_integer_value(width) : 0;
        return;
    }
    fst__config_read_size(from, "image_size", false, &side);
    c->image_height = c->image_width = side;
}

/* configuration_vit.py; a member that is missing has its default there. */
static void read_vit(fst__config_reading *from, fst_model_config *c)
{
    c->width = 768;
    c->layers = c->heads = 12;
    c->hidden_size = 3072;
    c->patch_size = 16;
    c->norm_epsilon = 1e-12;
    fst__config_read_size(from, "hidden_size", false, &c->width);
    fst__config_read_size(from, "num_hidden_layers", false, &c->layers);
    fst__config_read_size(from, "num_attention_heads", false, &c->heads);
    fst__config_read_size(from, "intermediate_size", false, &c->hidden_size);
    fst__config_read_size(from, "patch_size", false, &c->patch_size);
    fst__config_read_real(from, "layer_norm_eps", &c->norm_epsilon);
    fst__config_read_real(from, "hidden_dropout_prob", &c->dropout);
    fst__config_read_real(from, "attention_probs_dropout_prob", &c->attention_dropout);
    fst__config_read_flag(from, "qkv_bias", &c->attention_bias);
    fst__config_read_activation(from, "hidden_act", "gelu", &c->activation);
}

/* Whole numbers of a list; 0 behind its end. */
static void read_list(fst__config_reading *from, const char *key, int32_t values[4])
{
    json_t *list = NULL;
    if (!from->status)
        from->status = fst__json_get_array(from->root, key, from->file, true, &list);
    if (from->status)
        return;
    for (size_t i = 0; i < 4; ++i) {
        const json_t *item = json_array_get(list, i);
        json_int_t value = json_is_integer(item) ? json_integer_value(item) : 0;
        values[i] = value > 0 && value < 1 << 24 ? (int32_t)value : 0;
        if (item && !values[i])
            refuse(from, "hidden_sizes and depths: expected positive integers");
    }
    if (json_array_size(list) > 4)
        refuse(from, "hidden_sizes and depths: at most four stages are supported");
}

/* configuration_resnet.py. */
static void read_resnet(fst__config_reading *from, fst_model_config *c)
{
    const char *type = "", *layer = "bottleneck";
    int32_t sizes[4] = {0}, depths[4] = {0}, first = 0, inner = 0;
    c->stage_width = 64;
    fst__config_read_size(from, "embedding_size", false, &c->stage_width);
    read_list(from, "hidden_sizes", sizes);
    read_list(from, "depths", depths);
    fst__config_read_flag(from, "downsample_in_first_stage", &first);
    fst__config_read_flag(from, "downsample_in_bottleneck", &inner);
    fst__config_read_activation(from, "hidden_act", "relu", &c->activation);
    fst__config_read_real(from, "batch_norm_momentum", &c->batch_norm_momentum);
    if (!from->status)
        from->status = fst__json_get_string(from->root, "layer_type", from->file, false, &layer);
    if (!from->status)
        from->status = fst__json_get_string(from->root, "model_type", from->file, true, &type);
    if (from->status)
        return;
    c->stem = strcmp(type, "resnet") == 0 ? FST_STEM_7X7 : FST_STEM_3X3;
    c->bottleneck = strcmp(layer, "bottleneck") == 0;
    c->blocks_1 = depths[0];
    c->blocks_2 = depths[1];
    c->blocks_3 = depths[2];
    c->blocks_4 = depths[3];
    if (!c->bottleneck && strcmp(layer, "basic") != 0)
        refuse(from, "layer_type is supported as basic and bottleneck");
    if (first || inner)
        refuse(from, "downsample_in_first_stage and downsample_in_bottleneck are supported only as false");
    if (c->activation != FST_ACTIVATION_RELU)
        refuse(from, "hidden_act is supported only as relu");
    int64_t expected = (int64_t)c->stage_width * (c->bottleneck ? 4 : 1);
    for (int i = 0; i < 4; ++i, expected *= 2) {
        if ((sizes[i] != 0) != (depths[i] != 0) || (sizes[i] && sizes[i] != expected))
            refuse(from, "hidden_sizes are supported where the first is embedding_size, or four times that "
                         "with bottlenecks, and each further one twice the one before");
    }
}

void fst__image_config_read(fst__config_reading *from, fst_model_config *config)
{
    config->image_channels = 3;
    fst__config_read_size(from, "num_channels", false, &config->image_channels);
    read_image_size(from, config);
    if (config->family == FST_FAMILY_VIT)
        read_vit(from, config);
    else
        read_resnet(from, config);
}

fst_status fst__image_head_read(const fst__safetensors *file, const fst_model_config *config,
                                fst_head_options *options)
{
    bool vit = config->family == FST_FAMILY_VIT;
    const char *name = vit ? "classifier.weight" : "classifier.1.weight";
    fst__safetensors_tensor tensor;
    if (!fst__safetensors_has(file, name))
        return FST_OK;
    fst_status status = fst__safetensors_find(file, name, &tensor);
    if (status || tensor.rank != 2)
        return status ? status
                      : fst__fail(FST_ERR_MISMATCH, "%s: tensor \"%s\" is no matrix",
                                  fst__safetensors_path(file), name);
    *options = fst__head_defaults();
    options->name = classifier;
    options->outputs = tensor.shape[0];
    options->pooling = vit ? FST_POOL_FIRST : FST_POOL_MEAN;
    return FST_OK;
}

/* ---- config.json, out */

static fst_status check(const fst_model *model)
{
    const fst_model_config *c = &model->config;
    bool vit = c->family == FST_FAMILY_VIT;
    const struct {
        const char *field;
        bool fits;
    } rules[] = {
        {"backbone", c->backbone == (vit ? FST_BACKBONE_VIT : FST_BACKBONE_RESNET)},
        {"post_norm", !vit || !c->post_norm},
        {"norm", !vit || c->norm == FST_NORM_LAYER},
        {"norm_bias", !vit || c->norm_bias},
        {"gated", !vit || !c->gated},
        {"qk_norm", !vit || !c->qk_norm},
        {"kv_heads", !vit || c->kv_heads == c->heads},
        {"head_size", !vit || c->head_size * c->heads == c->width},
        {"output_bias", !vit || c->output_bias},
        {"mlp_bias", !vit || c->mlp_bias},
        {"first_norm_free", !vit || !c->first_norm_free},
    };
    for (size_t i = 0; i < COUNT(rules); ++i) {
        if (!rules[i].fits)
            return fst__fail(FST_ERR_UNSUPPORTED,
                             "fst_model_config.%s is not what %s has, so it cannot be saved as one",
                             rules[i].field, class_name(model));
    }
    return FST_OK;
}

static json_t *list_of(const int32_t *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; ++i) {
        if (values[i] && json_array_append_new(list, json_integer(values[i])) != 0) {
            json_decref(list);
            return NULL; /* which the setter refuses */
        }
    }
    return list;
}

static bool set(json_t *root, const char *key, json_t *value)
{
    return json_object_set_new(root, key, value) == 0;
}

static bool write_vit(json_t *root, const fst_model_config *c)
{
    return set(root, "model_type", json_string("vit")) &&
           set(root, "hidden_size", json_integer(c->width)) &&
           set(root, "num_hidden_layers", json_integer(c->layers)) &&
           set(root, "num_attention_heads", json_integer(c->heads)) &&
           set(root, "intermediate_size", json_integer(c->hidden_size)) &&
           set(root, "patch_size", json_integer(c->patch_size)) &&
           set(root, "layer_norm_eps", json_real(c->norm_epsilon)) &&
           set(root, "hidden_dropout_prob", json_real(c->dropout)) &&
           set(root, "attention_probs_dropout_prob", json_real(c->attention_dropout)) &&
           set(root, "qkv_bias", json_boolean(c->attention_bias)) &&
           set(root, "initializer_range", json_real(c->init_std)) &&
           set(root, "hidden_act", json_string(fst__config_activation_name(c->activation)));
}

static bool write_resnet(json_t *root, const fst_model_config *c)
{
    const int32_t depths[4] = {c->blocks_1, c->blocks_2, c->blocks_3, c->blocks_4};
    int32_t sizes[4] = {0};
    for (int i = 0; i < 4 && depths[i]; ++i)
        sizes[i] = (int32_t)((int64_t)c->stage_width << i) * (c->bottleneck ? 4 : 1);
    return set(root, "model_type",
               json_string(c->stem == FST_STEM_7X7 ? "resnet" : "fourstage_resnet")) &&
           set(root, "embedding_size", json_integer(c->stage_width)) &&
           set(root, "hidden_sizes", list_of(sizes, 4)) && set(root, "depths", list_of(depths, 4)) &&
           set(root, "layer_type", json_string(c->bottleneck ? "bottleneck" : "basic")) &&
           set(root, "downsample_in_first_stage", json_false()) &&
           set(root, "downsample_in_bottleneck", json_false()) &&
           set(root, "batch_norm_momentum", json_real(c->batch_norm_momentum)) &&
           set(root, "hidden_act", json_string("relu"));
}

fst_status fst__image_config_write(const fst_model *model, json_t *root)
{
    const fst_model_config *c = &model->config;
    const fst__head *head = fst__image_class_head(model);
    fst_status status = check(model);
    if (status)
        return status;
    const int32_t sides[2] = {c->image_height, c->image_width};
    json_t *names = json_array();
    bool good = json_array_append_new(names, json_string(class_name(model))) == 0;
    good = set(root, "architectures", names) && good;
    good = good && set(root, "num_channels", json_integer(c->image_channels)) &&
           set(root, "image_size", list_of(sides, 2)) &&
           set(root, "torch_dtype", json_string("float32"));
    good = good && (c->family == FST_FAMILY_VIT ? write_vit(root, c) : write_resnet(root, c));
    if (good && head)
        good = fst__head_labels_to_json(head, root);
    return good ? FST_OK : fst__fail(FST_ERR_NO_MEMORY, "out of memory while writing config.json");
}

/* ---- tensors */

/* What follows shows in the file with more dimensions than a matrix has. */
static void last_has_shape(fst__listing *to, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    fst__piece *piece = &to->pieces[to->count - 1];
    const int64_t shape[4] = {a, b, c, d};
    piece->rank = rank;
    memcpy(piece->shape, shape, sizeof shape);
}

/* modeling_vit.py */
static void list_vit(fst__listing *to, const fst_model *model)
{
#define LAYER(end) "vit.encoder.layer.#." end
    static const char *const weights[] = {LAYER("attention.attention.query.weight"),
                                          LAYER("attention.attention.key.weight"),
                                          LAYER("attention.attention.value.weight")};
    static const char *const biases[] = {LAYER("attention.attention.query.bias"),
                                         LAYER("attention.attention.key.bias"),
                                         LAYER("attention.attention.value.bias")};
    const fst_model_config *c = &model->config;
    const fst__parameters *p = &model->parameters;
    fst__list_whole(to, "vit.embeddings.cls_token", 0, p->class_token);
    last_has_shape(to, 3, 1, 1, c->width, 0);
    fst__list_whole(to, "vit.embeddings.position_embeddings", 0, p->position_embedding);
    last_has_shape(to, 3, 1, c->context_length, c->width, 0);
    fst__list_whole(to, "vit.embeddings.patch_embeddings.projection.weight", 0, p->patch_weight);
    last_has_shape(to, 4, c->width, c->image_channels, c->patch_size, c->patch_size);
    fst__list_whole(to, "vit.embeddings.patch_embeddings.projection.bias", 0, p->patch_bias);
    for (int32_t i = 0; i < c->layers; ++i) {
        const fst__layer *l = &p->layers[i];
        fst__list_whole(to, LAYER("layernorm_before.weight"), i, l->attention_norm_weight);
        fst__list_whole(to, LAYER("layernorm_before.bias"), i, l->attention_norm_bias);
        fst__list_qkv(to, i, c, weights, l->qkv_weight);
        if (l->qkv_bias)
            fst__list_qkv(to, i, c, biases, l->qkv_bias);
        fst__list_whole(to, LAYER("attention.output.dense.weight"), i, l->output_weight);
        fst__list_whole(to, LAYER("attention.output.dense.bias"), i, l->output_bias);
        fst__list_whole(to, LAYER("layernorm_after.weight"), i, l->mlp_norm_weight);
        fst__list_whole(to, LAYER("layernorm_after.bias"), i, l->mlp_norm_bias);
        fst__list_whole(to, LAYER("intermediate.dense.weight"), i, l->up_weight);
        fst__list_whole(to, LAYER("intermediate.dense.bias"), i, l->up_bias);
        fst__list_whole(to, LAYER("output.dense.weight"), i, l->down_weight);
        fst__list_whole(to, LAYER("output.dense.bias"), i, l->down_bias);
    }
    fst__list_whole(to, "vit.layernorm.weight", 0, p->norm_weight);
    fst__list_whole(to, "vit.layernorm.bias", 0, p->norm_bias);
#undef LAYER
}

typedef struct unit_listing {
    fst__listing *to;
    const fst__parameters *parameters;
} unit_listing;

static void list_named(const unit_listing *all, const char *module, const char *ours, const char *theirs)
{
    char name[FST__PARAMETER_NAME_SIZE + 16];
    snprintf(name, sizeof name, "%s.%s", module, ours);
    fst__list_whole(all->to, theirs, 0, fst__parameters_find(all->parameters, name));
}

/* modeling_resnet.py */
static void list_unit(void *context, const fst__unit_plan *plan)
{
    static const char *const members[] = {"weight", "bias", "running_mean", "running_var"};
    const unit_listing *all = context;
    char module[FST__PIECE_NAME_SIZE - 32], name[FST__PIECE_NAME_SIZE];
    int s = (int)plan->stage, b = (int)plan->stage_block;
    if (plan->block < 0)
        snprintf(module, sizeof module, "resnet.embedder.embedder");
    else if (plan->shortcut)
        snprintf(module, sizeof module, "resnet.encoder.stages.%d.layers.%d.shortcut", s, b);
    else
        snprintf(module, sizeof module, "resnet.encoder.stages.%d.layers.%d.layer.%d", s, b,
                 (int)plan->place);
    snprintf(name, sizeof name, "%s.convolution.weight", module);
    list_named(all, plan->conv, "weight", name);
    int64_t side = plan->shape.kernel;
    last_has_shape(all->to, 4, plan->shape.outputs, plan->shape.channels, side, side);
    all->to->pieces[all->to->count - 1].places = side * side;
    for (size_t i = 0; i < COUNT(members); ++i) {
        snprintf(name, sizeof name, "%s.normalization.%s", module, members[i]);
        list_named(all, plan->norm, members[i], name);
    }
}

int64_t fst__image_piece_limit(const fst_model_config *config)
{
    enum { PER_LAYER = 20, OUTSIDE = 8 }; /* a block of a ResNet: four units of five */
    return (int64_t)config->layers * PER_LAYER + OUTSIDE;
}

int64_t fst__image_list_pieces(const fst_model *model, fst__piece *pieces)
{
    fst__listing all = {.pieces = pieces};
    bool vit = model->config.family == FST_FAMILY_VIT;
    unit_listing units = {&all, &model->parameters};
    if (vit)
        list_vit(&all, model);
    else
        fst__resnet_walk(&model->config, list_unit, &units);
    const fst__head *head = fst__image_class_head(model);
    if (head) {
        fst__list_whole(&all, vit ? "classifier.weight" : "classifier.1.weight", 0,
                        fst__head_weight(model, head));
        fst__list_whole(&all, vit ? "classifier.bias" : "classifier.1.bias", 0,
                        fst__head_bias(model, head));
    }
    return all.count;
}
