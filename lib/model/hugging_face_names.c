/* Which tensor of a Hugging Face file holds which rows of which parameter. */
#include "model/hugging_face.h"

#include "model/config.h"
#include "model/hugging_face_encoder.h"
#include "model/hugging_face_image.h"
#include "model/own_directory.h"
#include "model/hugging_face_listing.h"

#include <stdio.h>

static fst__piece *add(fst__listing *to, const char *name, int32_t layer)
{
    fst__piece *piece = &to->pieces[to->count++];
    *piece = (fst__piece){.columns = 1, .rank = 1};
    /* Names hold one %d for the layer, or none. */
    const char *mark = NULL;
    for (const char *at = name; *at; ++at) {
        if (*at == '#')
            mark = at;
    }
    if (mark)
        snprintf(piece->name, sizeof piece->name, "%.*s%d%s", (int)(mark - name), name, (int)layer,
                 mark + 1);
    else
        snprintf(piece->name, sizeof piece->name, "%s", name);
    return piece;
}

void fst__list_rows(fst__listing *to, const char *name, int32_t layer, fst__parameter *parameter,
                     int64_t first, int64_t rows)
{
    fst__piece *piece = add(to, name, layer);
    piece->parameter = parameter;
    piece->rank = parameter->rank;
    piece->first_row = first;
    piece->rows = rows;
    piece->columns = parameter->rank == 2 ? parameter->columns : 1;
}

static int64_t row_count(const fst__parameter *parameter)
{
    return parameter->rank == 2 ? parameter->rows : parameter->columns;
}

void fst__list_whole(fst__listing *to, const char *name, int32_t layer, fst__parameter *parameter)
{
    if (parameter)
        fst__list_rows(to, name, layer, parameter, 0, row_count(parameter));
}

static void add_transposed(fst__listing *to, const char *name, int32_t layer, fst__parameter *parameter)
{
    fst__list_whole(to, name, layer, parameter);
    to->pieces[to->count - 1].transposed = true;
}

void fst__list_or_zeros(fst__listing *to, const char *name, int32_t layer, fst__parameter *parameter,
                        int64_t rows, int64_t columns)
{
    if (parameter) {
        fst__list_whole(to, name, layer, parameter);
        return;
    }
    fst__piece *piece = add(to, name, layer);
    piece->rows = rows;
    piece->columns = columns ? columns : 1;
    piece->rank = columns ? 2 : 1;
}

static void add_vector(fst__listing *to, const char *name, int32_t layer, fst__parameter *parameter,
                       int64_t size)
{
    fst__list_or_zeros(to, name, layer, parameter, size, 0);
}

/* transformers' modeling_gpt2.py; Conv1D holds its weight as [in, out]. */
static void list_gpt2(fst__listing *to, const fst_model_config *c, const fst__parameters *p)
{
    int64_t width = c->width;
    fst__list_whole(to, "transformer.wte.weight", 0, p->token_embedding);
    fst__list_whole(to, "transformer.wpe.weight", 0, p->position_embedding);
    for (int32_t i = 0; i < c->layers; ++i) {
        const fst__layer *l = &p->layers[i];
        fst__list_whole(to, "transformer.h.#.ln_1.weight", i, l->attention_norm_weight);
        add_vector(to, "transformer.h.#.ln_1.bias", i, l->attention_norm_bias, width);
        add_transposed(to, "transformer.h.#.attn.c_attn.weight", i, l->qkv_weight);
        add_vector(to, "transformer.h.#.attn.c_attn.bias", i, l->qkv_bias, 3 * width);
        add_transposed(to, "transformer.h.#.attn.c_proj.weight", i, l->output_weight);
        add_vector(to, "transformer.h.#.attn.c_proj.bias", i, l->output_bias, width);
        fst__list_whole(to, "transformer.h.#.ln_2.weight", i, l->mlp_norm_weight);
        add_vector(to, "transformer.h.#.ln_2.bias", i, l->mlp_norm_bias, width);
        add_transposed(to, "transformer.h.#.mlp.c_fc.weight", i, l->up_weight);
        add_vector(to, "transformer.h.#.mlp.c_fc.bias", i, l->up_bias, c->hidden_size);
        add_transposed(to, "transformer.h.#.mlp.c_proj.weight", i, l->down_weight);
        add_vector(to, "transformer.h.#.mlp.c_proj.bias", i, l->down_bias, width);
    }
    fst__list_whole(to, "transformer.ln_f.weight", 0, p->norm_weight);
    add_vector(to, "transformer.ln_f.bias", 0, p->norm_bias, width);
}

void fst__list_qkv(fst__listing *to, int32_t i, const fst_model_config *c, const char *const *names,
                   fst__parameter *parameter)
{
    if (!parameter)
        return;
    int64_t q = fst__config_query_size(c), k = fst__config_key_size(c);
    fst__list_rows(to, names[0], i, parameter, 0, q);
    fst__list_rows(to, names[1], i, parameter, q, k);
    fst__list_rows(to, names[2], i, parameter, q + k, k);
}

static void add_gate_up(fst__listing *to, int32_t i, const fst_model_config *c, const char *gate,
                        const char *up, fst__parameter *parameter)
{
    if (!parameter)
        return;
    fst__list_rows(to, gate, i, parameter, 0, c->hidden_size);
    fst__list_rows(to, up, i, parameter, c->hidden_size, c->hidden_size);
}

/* transformers' modeling_llama.py, modeling_qwen2.py, modeling_qwen3.py. */
static void list_llama(fst__listing *to, const fst_model_config *c, const fst__parameters *p)
{
    static const char *const weights[] = {"model.layers.#.self_attn.q_proj.weight",
                                          "model.layers.#.self_attn.k_proj.weight",
                                          "model.layers.#.self_attn.v_proj.weight"};
    static const char *const biases[] = {"model.layers.#.self_attn.q_proj.bias",
                                         "model.layers.#.self_attn.k_proj.bias",
                                         "model.layers.#.self_attn.v_proj.bias"};
    fst__list_whole(to, "model.embed_tokens.weight", 0, p->token_embedding);
    for (int32_t i = 0; i < c->layers; ++i) {
        const fst__layer *l = &p->layers[i];
        fst__list_whole(to, "model.layers.#.input_layernorm.weight", i, l->attention_norm_weight);
        fst__list_qkv(to, i, c, weights, l->qkv_weight);
        fst__list_qkv(to, i, c, biases, l->qkv_bias);
        fst__list_whole(to, "model.layers.#.self_attn.q_norm.weight", i, l->query_norm_weight);
        fst__list_whole(to, "model.layers.#.self_attn.k_norm.weight", i, l->key_norm_weight);
        fst__list_whole(to, "model.layers.#.self_attn.o_proj.weight", i, l->output_weight);
        fst__list_whole(to, "model.layers.#.self_attn.o_proj.bias", i, l->output_bias);
        fst__list_whole(to, "model.layers.#.post_attention_layernorm.weight", i, l->mlp_norm_weight);
        add_gate_up(to, i, c, "model.layers.#.mlp.gate_proj.weight",
                    "model.layers.#.mlp.up_proj.weight", l->up_weight);
        add_gate_up(to, i, c, "model.layers.#.mlp.gate_proj.bias",
                    "model.layers.#.mlp.up_proj.bias", l->up_bias);
        fst__list_whole(to, "model.layers.#.mlp.down_proj.weight", i, l->down_weight);
        fst__list_whole(to, "model.layers.#.mlp.down_proj.bias", i, l->down_bias);
    }
    fst__list_whole(to, "model.norm.weight", 0, p->norm_weight);
}

int64_t fst__piece_limit(const fst_model_config *config)
{
    enum { PER_LAYER = 20, OUTSIDE = 24 };
    if (fst__is_own_config(config))
        return fst__own_piece_limit(config);
    if (fst__is_image_family(config->family))
        return fst__image_piece_limit(config);
    return (int64_t)config->layers * PER_LAYER + OUTSIDE;
}

int64_t fst__list_pieces(const fst_model *model, fst__piece *pieces)
{
    const fst_model_config *config = &model->config;
    const fst__parameters *parameters = &model->parameters;
    fst__listing all = {.pieces = pieces};
    if (fst__is_own_config(config))
        return fst__own_list_pieces(model, pieces);
    if (fst__is_encoder_family(config->family))
        return fst__encoder_list_pieces(model, pieces);
    if (fst__is_image_family(config->family))
        return fst__image_list_pieces(model, pieces);
    if (config->family == FST_FAMILY_GPT2)
        list_gpt2(&all, config, parameters);
    else
        list_llama(&all, config, parameters);
    if (!config->tied)
        fst__list_whole(&all, "lm_head.weight", 0, parameters->head_weight);
    return all.count;
}

const char *fst__piece_prefix(int32_t family)
{
    static const char *const prefixes[] = {
        [FST_FAMILY_GPT2] = "transformer.", [FST_FAMILY_BERT] = "bert.",
        [FST_FAMILY_ROBERTA] = "roberta.", [FST_FAMILY_VIT] = "vit.",
        [FST_FAMILY_RESNET] = "resnet."};
    bool other = (size_t)family >= sizeof prefixes / sizeof *prefixes || !prefixes[family];
    return other ? "model." : prefixes[family];
}
