/* The names of linear layers: transformers' modeling_gpt2.py, modeling_bert.py, modeling_modernbert.py,
 * modeling_vit.py, modeling_llama.py and its kin. */
#include "model/adapter.h"

#include <string.h>

typedef struct sizes {
    int64_t q, k, up, width;
} sizes;

static int32_t copy(const fst__module_kind *from, size_t count, fst__module_kind *kinds)
{
    memcpy(kinds, from, count * sizeof *from);
    return (int32_t)count;
}

static int32_t gpt2_kinds(const sizes *s, fst__module_kind *kinds)
{
    const fst__module_kind all[] = {
        {"c_attn", "attn.c_attn", FST__PROJECTION_QKV, 0, s->q + 2 * s->k},
        {"attn.c_proj", "attn.c_proj", FST__PROJECTION_OUTPUT, 0, s->width},
        {"c_fc", "mlp.c_fc", FST__PROJECTION_UP, 0, s->up},
        {"mlp.c_proj", "mlp.c_proj", FST__PROJECTION_DOWN, 0, s->width},
    };
    return copy(all, sizeof all / sizeof *all, kinds);
}

/* "output.dense" means the attention's too, as in PEFT, where a name is the end of a path. */
static int32_t bert_kinds(const sizes *s, bool vit, fst__module_kind *kinds)
{
    const fst__module_kind all[] = {
        {"query", vit ? "attention.attention.query" : "attention.self.query", FST__PROJECTION_QKV,
         0, s->q},
        {"key", vit ? "attention.attention.key" : "attention.self.key", FST__PROJECTION_QKV, s->q,
         s->k},
        {"value", vit ? "attention.attention.value" : "attention.self.value", FST__PROJECTION_QKV,
         s->q + s->k, s->k},
        {"attention.output.dense", "attention.output.dense", FST__PROJECTION_OUTPUT, 0, s->width},
        {"intermediate.dense", "intermediate.dense", FST__PROJECTION_UP, 0, s->up},
        {"output.dense", "output.dense", FST__PROJECTION_DOWN, 0, s->width},
    };
    return copy(all, sizeof all / sizeof *all, kinds);
}

static int32_t modernbert_kinds(const sizes *s, fst__module_kind *kinds)
{
    const fst__module_kind all[] = {
        {"Wqkv", "attn.Wqkv", FST__PROJECTION_QKV, 0, s->q + 2 * s->k},
        {"attn.Wo", "attn.Wo", FST__PROJECTION_OUTPUT, 0, s->width},
        {"Wi", "mlp.Wi", FST__PROJECTION_UP, 0, s->up},
        {"mlp.Wo", "mlp.Wo", FST__PROJECTION_DOWN, 0, s->width},
    };
    return copy(all, sizeof all / sizeof *all, kinds);
}

static int32_t llama_kinds(const fst_model_config *config, const sizes *s, fst__module_kind *kinds)
{
    int64_t hidden = config->hidden_size, before_up = config->gated ? hidden : 0;
    const fst__module_kind attention[] = {
        {"q_proj", "self_attn.q_proj", FST__PROJECTION_QKV, 0, s->q},
        {"k_proj", "self_attn.k_proj", FST__PROJECTION_QKV, s->q, s->k},
        {"v_proj", "self_attn.v_proj", FST__PROJECTION_QKV, s->q + s->k, s->k},
        {"o_proj", "self_attn.o_proj", FST__PROJECTION_OUTPUT, 0, s->width},
    };
    int32_t count = copy(attention, sizeof attention / sizeof *attention, kinds);
    if (config->gated)
        kinds[count++] =
            (fst__module_kind){"gate_proj", "mlp.gate_proj", FST__PROJECTION_UP, 0, hidden};
    kinds[count++] =
        (fst__module_kind){"up_proj", "mlp.up_proj", FST__PROJECTION_UP, before_up, hidden};
    kinds[count++] =
        (fst__module_kind){"down_proj", "mlp.down_proj", FST__PROJECTION_DOWN, 0, s->width};
    return count;
}

int32_t fst__module_kinds(const fst_model_config *config, fst__module_kind kinds[FST__ADAPTER_MODULES])
{
    const sizes s = {fst__config_query_size(config), fst__config_key_size(config),
                     fst__config_up_size(config), config->width};
    switch (config->family) {
    case FST_FAMILY_GPT2:
        return gpt2_kinds(&s, kinds);
    case FST_FAMILY_BERT:
    case FST_FAMILY_ROBERTA:
    case FST_FAMILY_VIT:
        return bert_kinds(&s, config->family == FST_FAMILY_VIT, kinds);
    case FST_FAMILY_MODERNBERT:
        return modernbert_kinds(&s, kinds);
    case FST_FAMILY_RESNET:
    case FST_FAMILY_MLP:
    case FST_FAMILY_CNN:
        return 0;
    default:
        return llama_kinds(config, &s, kinds);
    }
}

const char *fst__module_blocks(int32_t family)
{
    static const char *const blocks[] = {
        [FST_FAMILY_GPT2] = "transformer.h.",
        [FST_FAMILY_LLAMA] = "model.layers.",
        [FST_FAMILY_QWEN2] = "model.layers.",
        [FST_FAMILY_QWEN3] = "model.layers.",
        [FST_FAMILY_BERT] = "bert.encoder.layer.",
        [FST_FAMILY_ROBERTA] = "roberta.encoder.layer.",
        [FST_FAMILY_MODERNBERT] = "model.layers.",
        [FST_FAMILY_VIT] = "vit.encoder.layer.",
        [FST_FAMILY_RESNET] = "",
        [FST_FAMILY_MLP] = "",
        [FST_FAMILY_CNN] = "",
    };
    return blocks[family];
}

bool fst__module_is(const fst__module_kind *kind, const char *name)
{
    size_t path = strlen(kind->path), length = strlen(name);
    if (length > path || strcmp(kind->path + path - length, name) != 0)
        return false;
    return length == path || kind->path[path - length - 1] == '.';
}
