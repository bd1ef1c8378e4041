#include "model/copy.h"

#include "base/error.h"
#include "model/adapter.h"
#include "model/head_labels.h"
#include "model/heads.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* ---- the same architecture? */

static fst_status differs(const char *what)
{
    return fst__fail(FST_ERR_MISMATCH, "the two models differ: %s", what);
}

#define FIELD(name)                                                                                \
    {                                                                                              \
        #name, offsetof(fst_model_config, name), sizeof(((fst_model_config *)0)->name)             \
    }

/* Numbers that went through a file of decimals may be off by the last bit, where a host rounds in a
 * direction of its own. */
static bool same_field(const void *a, const void *b, size_t size)
{
    double x, y;
    if (size != sizeof x)
        return memcmp(a, b, size) == 0;
    memcpy(&x, a, size);
    memcpy(&y, b, size);
    return fabs(x - y) <= 1e-12 * fabs(x);
}

/* What decides about the function that the weights stand for and does not show in their shapes: 32-bit
 * integers and doubles. */
static fst_status check_config(const fst_model_config *a, const fst_model_config *b)
{
    static const struct {
        const char *name;
        size_t offset, size;
    } fields[] = {
        FIELD(vocabulary_size), FIELD(context_length), FIELD(layers), FIELD(width), FIELD(heads),
        FIELD(kv_heads), FIELD(head_size), FIELD(hidden_size), FIELD(position), FIELD(norm),
        FIELD(activation), FIELD(gated), FIELD(qk_norm), FIELD(tied), FIELD(window),
        FIELD(norm_epsilon), FIELD(rope_theta), FIELD(rope_scaling),
        FIELD(rope_original_context), FIELD(rope_factor), FIELD(rope_low_frequency_factor),
        FIELD(rope_high_frequency_factor), FIELD(rope_attention_factor), FIELD(rope_beta_fast),
        FIELD(rope_beta_slow), FIELD(causal), FIELD(post_norm), FIELD(position_offset),
        FIELD(global_every), FIELD(local_rope_theta), FIELD(backbone), FIELD(image_channels),
        FIELD(image_height), FIELD(image_width), FIELD(patch_size), FIELD(stem), FIELD(bottleneck),
        FIELD(blocks_1), FIELD(blocks_2), FIELD(blocks_3), FIELD(blocks_4), FIELD(stage_width),
        FIELD(inputs), FIELD(towers), FIELD(tower_width), FIELD(cnn),
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; ++i) {
        if (!same_field((const char *)a + fields[i].offset, (const char *)b + fields[i].offset,
                        fields[i].size))
            return differs(fields[i].name);
    }
    return FST_OK;
}
#undef FIELD

static fst_status check_heads(const fst_model *a, const fst_model *b)
{
    if (a->head_count != b->head_count)
        return differs("number of heads");
    for (int32_t i = 0; i < a->head_count; ++i) {
        const fst_head_options *x = &a->heads[i].options, *y = &b->heads[i].options;
        bool same_pooling = x->kind == FST_HEAD_TOKEN || x->pooling == y->pooling;
        bool same_layers = x->hidden_layers == y->hidden_layers &&
                           (x->hidden_layers == 0 || x->activation == y->activation);
        if (strcmp(x->name, y->name) != 0 || x->kind != y->kind || x->tower != y->tower || !same_pooling || !same_layers)
            return differs(x->name);
    }
    return FST_OK;
}

static fst_status check_adapters(const fst_model *a, const fst_model *b)
{
    if (!a->adapter != !b->adapter)
        return differs("one has an adapter");
    if (!a->adapter)
        return FST_OK;
    const fst_adapter_options *x = &a->adapter->options, *y = &b->adapter->options;
    if (x->rank != y->rank || x->rank_stabilized != y->rank_stabilized ||
        x->weight_decomposed != y->weight_decomposed || x->alpha != y->alpha)
        return differs("the adapters' options");
    return FST_OK;
}

static fst_status check_parameters(const fst__parameters *a, const fst__parameters *b)
{
    for (int64_t i = 0; i < a->count; ++i) {
        const fst__parameter *x = &a->items[i], *y = fst__parameters_find(b, x->name);
        if (!y || y->rows != x->rows || y->columns != x->columns)
            return differs(x->name);
    }
    return a->count == b->count ? FST_OK : differs("number of parameters");
}

/* ---- copies */

static void copy_values(fst_model *model, const fst_model *from)
{
    for (int64_t i = 0; i < model->parameters.count; ++i) {
        fst__parameter *to = &model->parameters.items[i];
        const fst__parameter *source = fst__parameters_find(&from->parameters, to->name);
        memcpy(to->value, source->value, (size_t)fst__parameter_size(to) * sizeof *to->value);
    }
    fst__parameters_refresh_working(&model->parameters, model->context->compute);
    fst__model_forget_forward(model);
}

fst_status fst__model_copy_weights(fst_model *model, const fst_model *from)
{
    if (model == from)
        return FST_OK;
    fst_status status = check_config(&model->config, &from->config);
    if (!status)
        status = check_heads(model, from);
    if (!status)
        status = check_adapters(model, from);
    if (!status)
        status = check_parameters(&model->parameters, &from->parameters);
    if (!status)
        copy_values(model, from);
    return status;
}

static fst_status copy_head(fst_model *copy, const fst__head *from)
{
    fst_status status = fst__model_add_head(copy, &from->options, false);
    if (status || !from->labels)
        return status;
    return fst__head_set_labels(copy, &copy->heads[copy->head_count - 1],
                                (const char *const *)from->labels);
}

/* Heads and adapter in the order in which `from` got them: sums over all parameters, the gradients'
 * norm among them, then have the same bits. */
static fst_status copy_additions(fst_model *copy, const fst_model *from)
{
    fst_status status = FST_OK;
    int32_t head = 0;
    for (int64_t i = from->parameters.backbone; i < from->parameters.count && !status; ++i) {
        const fst__parameter *p = &from->parameters.items[i];
        if (head < from->head_count && p == fst__head_first(from, &from->heads[head]))
            status = copy_head(copy, &from->heads[head++]);
        else if (from->adapter && i == from->adapter->modules[0].a)
            status = fst__model_add_adapter(copy, &from->adapter->options, false);
    }
    if (!status && copy->adapter)
        copy->adapter->enabled = from->adapter->enabled;
    return status;
}

static void copy_frozen(fst_model *copy, const fst_model *from)
{
    for (int64_t i = 0; i < copy->parameters.count; ++i)
        copy->parameters.items[i].flags = from->parameters.items[i].flags;
}

fst_status fst__model_copy(const fst_model *from, const fst_model_options *options,
                           fst_model **out)
{
    fst_model *copy;
    fst_status status = fst__model_create(from->context, &from->config, options, false, &copy);
    if (status)
        return status;
    status = copy_additions(copy, from);
    if (status) {
        fst__model_release(copy);
        return status;
    }
    copy->has_sentence = from->has_sentence;
    copy->sentence = from->sentence;
    copy_frozen(copy, from);
    copy_values(copy, from);
    *out = copy;
    return FST_OK;
}
