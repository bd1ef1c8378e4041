#include "model/own_directory.h"

#include "base/error.h"
#include "model/hugging_face_listing.h"
#include "model/towers.h"

#include <stddef.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *type;
    int32_t backbone;
} types[] = {
    {"fourstage_mlp", FST_BACKBONE_MLP},
    {"fourstage_cnn", FST_BACKBONE_CNN},
    {"fourstage_transformer", FST_BACKBONE_TRANSFORMER},
};

int32_t fst__own_backbone(const char *model_type)
{
    for (size_t i = 0; i < COUNT(types); ++i) {
        if (strcmp(types[i].type, model_type) == 0)
            return types[i].backbone;
    }
    return -1;
}

/* ---- the config's fields by their own names */

enum { MLP = 1, CNN = 2, TRANSFORMER = 4 };

static const struct {
    const char *name;
    size_t offset;
    int32_t of; /* backbones */
} integers[] = {
#define FIELD(name, of) {#name, offsetof(fst_model_config, name), of}
    FIELD(inputs, MLP | TRANSFORMER), FIELD(towers, MLP | CNN), FIELD(tower_width, MLP | CNN),
    FIELD(layers, MLP | TRANSFORMER), FIELD(cnn, CNN), FIELD(image_channels, CNN),
    FIELD(image_height, CNN), FIELD(image_width, CNN), FIELD(family, TRANSFORMER),
    FIELD(context_length, TRANSFORMER), FIELD(width, TRANSFORMER), FIELD(heads, TRANSFORMER),
    FIELD(kv_heads, TRANSFORMER), FIELD(head_size, TRANSFORMER), FIELD(hidden_size, TRANSFORMER),
    FIELD(position, TRANSFORMER), FIELD(norm, TRANSFORMER), FIELD(gated, TRANSFORMER),
    FIELD(attention_bias, TRANSFORMER), FIELD(output_bias, TRANSFORMER),
    FIELD(mlp_bias, TRANSFORMER), FIELD(norm_bias, TRANSFORMER), FIELD(qk_norm, TRANSFORMER),
    FIELD(window, TRANSFORMER), FIELD(causal, TRANSFORMER), FIELD(post_norm, TRANSFORMER),
    FIELD(pooler, TRANSFORMER), FIELD(global_every, TRANSFORMER),
    FIELD(first_norm_free, TRANSFORMER), FIELD(rope_scaling, TRANSFORMER),
    FIELD(rope_original_context, TRANSFORMER),
}, reals[] = {
    FIELD(orthogonal_gain, MLP | CNN), FIELD(init_std, MLP | CNN | TRANSFORMER),
    FIELD(norm_epsilon, TRANSFORMER), FIELD(dropout, TRANSFORMER),
    FIELD(attention_dropout, TRANSFORMER), FIELD(rope_theta, TRANSFORMER),
    FIELD(local_rope_theta, TRANSFORMER), FIELD(rope_factor, TRANSFORMER),
    FIELD(rope_low_frequency_factor, TRANSFORMER), FIELD(rope_high_frequency_factor, TRANSFORMER),
    FIELD(rope_attention_factor, TRANSFORMER), FIELD(rope_beta_fast, TRANSFORMER),
    FIELD(rope_beta_slow, TRANSFORMER),
#undef FIELD
};

static int32_t kind_of(const fst_model_config *c)
{
    if (c->backbone == FST_BACKBONE_TRANSFORMER)
        return TRANSFORMER;
    return c->backbone == FST_BACKBONE_MLP ? MLP : CNN;
}

void fst__own_config_read(fst__config_reading *from, fst_model_config *c)
{
    int32_t kind = kind_of(c);
    for (size_t i = 0; i < COUNT(integers); ++i) {
        if (integers[i].of & kind)
            fst__config_read_size(from, integers[i].name, true,
                                  (int32_t *)(void *)((char *)c + integers[i].offset));
    }
    for (size_t i = 0; i < COUNT(reals); ++i) {
        if (reals[i].of & kind)
            fst__config_read_real(from, reals[i].name,
                                  (double *)(void *)((char *)c + reals[i].offset));
    }
    fst__config_read_activation(from, "activation", "tanh", &c->activation);
    if (!from->status && kind == TRANSFORMER && c->inputs == 0)
        from->status = fst__fail(FST_ERR_FORMAT, "%s: inputs is 0", from->file);
}

fst_status fst__own_config_write(const fst_model *model, json_t *root)
{
    const fst_model_config *c = &model->config;
    int32_t kind = kind_of(c);
    size_t expected = 3;
    const char *type = "";
    for (size_t i = 0; i < COUNT(types); ++i)
        type = types[i].backbone == c->backbone ? types[i].type : type;
    fst__config_set(root, "model_type", json_string(type));
    fst__config_set(root, "torch_dtype", json_string("float32"));
    fst__config_set(root, "activation", json_string(fst__config_activation_name(c->activation)));
    for (size_t i = 0; i < COUNT(integers); ++i) {
        if (!(integers[i].of & kind))
            continue;
        int32_t value;
        memcpy(&value, (const char *)c + integers[i].offset, sizeof value);
        fst__config_set(root, integers[i].name, json_integer(value));
        ++expected;
    }
    for (size_t i = 0; i < COUNT(reals); ++i) {
        if (!(reals[i].of & kind))
            continue;
        double value;
        memcpy(&value, (const char *)c + reals[i].offset, sizeof value);
        fst__config_set(root, reals[i].name, json_real(value));
        ++expected;
    }
    return root && json_object_size(root) == expected
               ? FST_OK
               : fst__fail(FST_ERR_NO_MEMORY, "out of memory while writing config.json");
}

/* ---- tensors */

int64_t fst__own_piece_limit(const fst_model_config *config)
{
    enum { PER_LAYER = 16, OUTSIDE = 16 }; /* two towers of a weight and a bias in a layer */
    return (int64_t)config->layers * PER_LAYER + OUTSIDE;
}

/* A convolution's weight, or what reads the last map, as PyTorch holds it. */
static void turn_piece(const fst_model_config *c, fst__piece *piece)
{
    const char *at = strstr(piece->name, ".convolutions.");
    if (at && piece->rank == 2) {
        fst__convolution s = fst__cnn_convolution(c, at[14] - '0', 1);
        const int64_t shape[4] = {s.outputs, s.channels, s.kernel, s.kernel};
        memcpy(piece->shape, shape, sizeof shape);
        piece->rank = 4;
        piece->places = s.kernel * s.kernel;
    } else if (strstr(piece->name, ".linear.weight")) {
        fst__convolution s = fst__cnn_convolution(c, FST__CNN_CONVOLUTIONS - 1, 1);
        piece->places = fst__convolution_rows(&s);
    }
}

int64_t fst__own_list_pieces(const fst_model *model, fst__piece *pieces)
{
    fst__listing all = {.pieces = pieces};
    for (int64_t i = 0; i < model->parameters.backbone; ++i) {
        fst__parameter *p = &model->parameters.items[i];
        fst__list_whole(&all, p->name, 0, p);
        if (model->config.backbone == FST_BACKBONE_CNN)
            turn_piece(&model->config, &pieces[all.count - 1]);
    }
    return all.count;
}
