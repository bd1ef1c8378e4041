/* Which tensor of a Hugging Face file holds which rows of which parameter. */
#include "model/hugging_face.h"

#include "model/config.h"

#include <stdio.h>

typedef struct listing {
    fst__piece *pieces;
    int64_t count;
} listing;

static fst__piece *add(listing *to, const char *name, int32_t layer)
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

static void add_rows(listing *to, const char *name, int32_t layer, fst__parameter *parameter,
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

static void add_whole(listing *to, const char *name, int32_t layer, fst__parameter *parameter)
{
    if (parameter)
        add_rows(to, name, layer, parameter, 0, row_count(parameter));
}

static void add_transposed(listing *to, const char *name, int32_t layer, fst__parameter *parameter)
{
    add_whole(to, name, layer, parameter);
    to->pieces[to->count - 1].transposed = true;
}

/* A vector that the class always has: zeros where this model has none. */
static void add_vector(listing *to, const char *name, int32_t layer, fst__parameter *parameter,
                       int64_t size)
{
    if (parameter) {
        add_whole(to, name, layer, parameter);
        return;
    }
    add(to, name, layer)->rows = size;
}

/* transformers' modeling_gpt2.py; Conv1D holds its weight as [in, out]. */
static void list_gpt2(listing *to, const fst_model_config *c, const fst__parameters *p)
{
    int64_t width = c->width;
    add_whole(to, "transformer.wte.weight", 0, p->token_embedding);
    add_whole(to, "transformer.wpe.weight", 0, p->position_embedding);
    for (int32_t i = 0; i < c->layers; ++i) {
        const fst__layer *l = &p->layers[i];
        add_whole(to, "transformer.h.#.ln_1.weight", i, l->attention_norm_weight);
        add_vector(to, "transformer.h.#.ln_1.bias", i, l->attention_norm_bias, width);
        add_transposed(to, "transformer.h.#.attn.c_attn.weight", i, l->qkv_weight);
        add_vector(to, "transformer.h.#.attn.c_attn.bias", i, l->qkv_bias, 3 * width);
        add_transposed(to, "transformer.h.#.attn.c_proj.weight", i, l->output_weight);
        add_vector(to, "transformer.h.#.attn.c_proj.bias", i, l->output_bias, width);
        add_whole(to, "transformer.h.#.ln_2.weight", i, l->mlp_norm_weight);
        add_vector(to, "transformer.h.#.ln_2.bias", i, l->mlp_norm_bias, width);
        add_transposed(to, "transformer.h.#.mlp.c_fc.weight", i, l->up_weight);
        add_vector(to, "transformer.h.#.mlp.c_fc.bias", i, l->up_bias, c->hidden_size);
        add_transposed(to, "transformer.h.#.mlp.c_proj.weight", i, l->down_weight);
        add_vector(to, "transformer.h.#.mlp.c_proj.bias", i, l->down_bias, width);
    }
    add_whole(to, "transformer.ln_f.weight", 0, p->norm_weight);
    add_vector(to, "transformer.ln_f.bias", 0, p->norm_bias, width);
}

static void add_heads(listing *to, int32_t i, const fst_model_config *c, const char *const *names,
                      fst__parameter *parameter)
{
    if (!parameter)
        return;
    int64_t q = fst__config_query_size(c), k = fst__config_key_size(c);
    add_rows(to, names[0], i, parameter, 0, q);
    add_rows(to, names[1], i, parameter, q, k);
    add_rows(to, names[2], i, parameter, q + k, k);
}

static void add_gate_up(listing *to, int32_t i, const fst_model_config *c, const char *gate,
                        const char *up, fst__parameter *parameter)
{
    if (!parameter)
        return;
    add_rows(to, gate, i, parameter, 0, c->hidden_size);
    add_rows(to, up, i, parameter, c->hidden_size, c->hidden_size);
}

/* transformers' modeling_llama.py, modeling_qwen2.py, modeling_qwen3.py. */
static void list_llama(listing *to, const fst_model_config *c, const fst__parameters *p)
{
    static const char *const weights[] = {"model.layers.#.self_attn.q_proj.weight",
                                          "model.layers.#.self_attn.k_proj.weight",
                                          "model.layers.#.self_attn.v_proj.weight"};
    static const char *const biases[] = {"model.layers.#.self_attn.q_proj.bias",
                                         "model.layers.#.self_attn.k_proj.bias",
                                         "model.layers.#.self_attn.v_proj.bias"};
    add_whole(to, "model.embed_tokens.weight", 0, p->token_embedding);
    for (int32_t i = 0; i < c->layers; ++i) {
        const fst__layer *l = &p->layers[i];
        add_whole(to, "model.layers.#.input_layernorm.weight", i, l->attention_norm_weight);
        add_heads(to, i, c, weights, l->qkv_weight);
        add_heads(to, i, c, biases, l->qkv_bias);
        add_whole(to, "model.layers.#.self_attn.q_norm.weight", i, l->query_norm_weight);
        add_whole(to, "model.layers.#.self_attn.k_norm.weight", i, l->key_norm_weight);
        add_whole(to, "model.layers.#.self_attn.o_proj.weight", i, l->output_weight);
        add_whole(to, "model.layers.#.self_attn.o_proj.bias", i, l->output_bias);
        add_whole(to, "model.layers.#.post_attention_layernorm.weight", i, l->mlp_norm_weight);
        add_gate_up(to, i, c, "model.layers.#.mlp.gate_proj.weight",
                    "model.layers.#.mlp.up_proj.weight", l->up_weight);
        add_gate_up(to, i, c, "model.layers.#.mlp.gate_proj.bias",
                    "model.layers.#.mlp.up_proj.bias", l->up_bias);
        add_whole(to, "model.layers.#.mlp.down_proj.weight", i, l->down_weight);
        add_whole(to, "model.layers.#.mlp.down_proj.bias", i, l->down_bias);
    }
    add_whole(to, "model.norm.weight", 0, p->norm_weight);
}

int64_t fst__piece_limit(const fst_model_config *config)
{
    enum { PER_LAYER = 20, OUTSIDE = 8 };
    return (int64_t)config->layers * PER_LAYER + OUTSIDE;
}

int64_t fst__list_pieces(const fst_model_config *config, const fst__parameters *parameters,
                         fst__piece *pieces)
{
    listing all = {.pieces = pieces};
    if (config->family == FST_FAMILY_GPT2)
        list_gpt2(&all, config, parameters);
    else
        list_llama(&all, config, parameters);
    if (!config->tied)
        add_whole(&all, "lm_head.weight", 0, parameters->head_weight);
    return all.count;
}

const char *fst__piece_prefix(int32_t family)
{
    return family == FST_FAMILY_GPT2 ? "transformer." : "model.";
}
