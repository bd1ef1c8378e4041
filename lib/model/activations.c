#include "model/activations.h"

#include "model/config.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/loss_head.h"
#include "nn/norm.h"

typedef struct layout {
    fst__arena *arena;
    int64_t tokens;
    int32_t dtype; /* of what products read */
} layout;

static fst__matrix take_matrix(layout *to, int64_t columns, int32_t dtype)
{
    /* The arena checks the product; a row's bytes cannot overflow (see config.c). */
    void *data = fst__arena_take(to->arena, (size_t)to->tokens,
                                 (size_t)columns * fst__element_size(dtype));
    return fst__matrix_of(data, to->tokens, columns, dtype);
}

static fst__matrix take_working(layout *to, int64_t columns)
{
    return take_matrix(to, columns, to->dtype);
}

static fst__matrix take_stream(layout *to, int64_t width)
{
    return take_matrix(to, width, FST__REAL_DTYPE);
}

static fst__real *take_reals(layout *to, int64_t count)
{
    return fst__arena_take(to->arena, (size_t)count, sizeof(fst__real));
}

static int32_t *take_ints(layout *to)
{
    return fst__arena_take(to->arena, (size_t)to->tokens, sizeof(int32_t));
}

/* Everything of a layer but the stream that enters it. */
static void take_slot(layout *to, const fst_model_config *c, fst__layer_activations *layer)
{
    int64_t q = fst__config_query_size(c), k = fst__config_key_size(c);
    layer->qkv = take_working(to, q + 2 * k);
    if (c->qk_norm) {
        layer->query_key = take_working(to, q + k);
        layer->query_rstd = take_reals(to, to->tokens * c->heads);
        layer->key_rstd = take_reals(to, to->tokens * c->kv_heads);
    }
    layer->attended = take_working(to, q);
    layer->lse = take_reals(to, to->tokens * c->heads);
    layer->up = take_working(to, fst__config_up_size(c));
    layer->attention_mean = take_reals(to, to->tokens);
    layer->attention_rstd = take_reals(to, to->tokens);
    layer->mlp_mean = take_reals(to, to->tokens);
    layer->mlp_rstd = take_reals(to, to->tokens);
}

static void take_layers(layout *to, const fst_model_config *c, fst__activations *a)
{
    bool keep_all = a->training && !a->checkpointing;
    fst__layer_activations shared = {0};
    fst__matrix stream = {0}, middle = {0};
    if (!keep_all)
        take_slot(to, c, &shared);
    if (!a->training)
        stream = take_stream(to, c->width);
    if (!keep_all)
        middle = a->training ? take_stream(to, c->width) : stream;
    for (int32_t i = 0; i < c->layers; ++i) {
        fst__layer_activations layer = shared;
        if (keep_all)
            take_slot(to, c, &layer);
        layer.input = a->training ? take_stream(to, c->width) : stream;
        layer.middle = keep_all ? take_stream(to, c->width) : middle;
        if (a->layers)
            a->layers[i] = layer;
    }
    a->output = a->training ? take_stream(to, c->width) : stream;
    if (!c->embedding_norm)
        return;
    a->embedded = a->training ? take_stream(to, c->width) : stream;
    a->embedded_mean = take_reals(to, to->tokens);
    a->embedded_rstd = take_reals(to, to->tokens);
}

static fst__matrix over(fst__matrix place, int64_t columns)
{
    return fst__matrix_of(place.data, place.rows, columns, place.dtype);
}

static void take_gradients(layout *to, const fst_model_config *c, fst__activations *a,
                           fst__matrix wide)
{
    a->d_stream = take_stream(to, c->width);
    a->d_branch = a->hidden;
    a->d_normed = a->normed;
    a->d_attended = take_working(to, fst__config_query_size(c));
    a->d_act = a->hidden_act;
    a->d_qkv = over(wide, fst__config_qkv_size(c));
    a->d_up = c->gated ? take_working(to, fst__config_up_size(c)) : a->d_act;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The most that any one operator of this shape wants. */
static size_t scratch_size(const fst__compute *compute, const fst_model_config *c,
                           const fst__activations *a, int32_t dtype)
{
    int64_t tokens = a->rows * a->length;
    fst__attention attention = {
        .batch = a->rows, .heads = c->heads, .kv_heads = c->kv_heads, .head_size = c->head_size,
        .queries = a->length, .keys = a->length,
        .dropout.probability = (fst__real)c->attention_dropout,
    };
    size_t size = fst__attention_scratch(compute, &attention, dtype, a->training);
    size = larger(size, fst__loss_head_scratch(compute, tokens, c->width, c->vocabulary_size, dtype,
                                               c->head_transform));
    if (c->head_transform)
        size = larger(size, fst__output_layer_scratch(tokens, c->width, c->vocabulary_size, dtype,
                                                      true));
    if (!a->training)
        return size;
    size = larger(size, fst__linear_backward_scratch(tokens, fst__config_qkv_size(c)));
    size = larger(size, fst__linear_backward_scratch(tokens, fst__config_up_size(c)));
    size = larger(size, fst__linear_backward_scratch(tokens, c->width));
    size = larger(size, fst__norm_backward_scratch(tokens, c->width));
    return larger(size, fst__head_norm_backward_scratch(tokens, c->head_size));
}

void fst__activations_layout(fst__activations *out, fst__arena *arena,
                             fst__layer_activations *layers, const fst__compute *compute,
                             const fst_model_config *config, const fst_model_options *options,
                             int64_t rows, int64_t length, bool training, size_t least_scratch)
{
    *out = (fst__activations){
        .rows = rows,
        .length = length,
        .training = training,
        .checkpointing = training && options->checkpointing,
        .least_scratch = least_scratch,
        .layers = layers,
    };
    layout to = {
        .arena = arena,
        .tokens = rows * length,
        .dtype = options->dtype == FST_BF16 ? FST_BF16 : FST__REAL_DTYPE,
    };
    out->ids = take_ints(&to);
    out->targets = take_ints(&to);
    out->positions = take_ints(&to);
    out->first_key = take_ints(&to);
    out->end_key = take_ints(&to);
    if (config->token_types)
        out->types = take_ints(&to);
    if (!config->causal && config->window > 0) {
        out->local_first_key = take_ints(&to);
        out->local_end_key = take_ints(&to);
    }
    out->row_weights = take_reals(&to, to.tokens);
    out->row_lengths = fst__arena_take(arena, (size_t)rows, sizeof *out->row_lengths);
    take_layers(&to, config, out);
    out->hidden = take_working(&to, config->width);
    out->mean = take_reals(&to, to.tokens);
    out->rstd = take_reals(&to, to.tokens);
    out->normed = take_working(&to, config->width);
    out->branch = take_working(&to, config->width);
    int64_t qkv = fst__config_qkv_size(config), widest = config->hidden_size;
    fst__matrix wide = take_working(&to, training && qkv > widest ? qkv : widest);
    out->hidden_act = over(wide, config->hidden_size);
    if (training)
        take_gradients(&to, config, out, wide);
    size_t scratch = larger(least_scratch, scratch_size(compute, config, out, to.dtype));
    out->scratch = fst__arena_over(fst__arena_take(arena, scratch, 1), scratch);
}
