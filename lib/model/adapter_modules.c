/* The names of linear layers: transformers' modeling_gpt2.py, modeling_llama.py and its kin. */
#include "model/adapter.h"

#include <string.h>

int32_t fst__module_kinds(const fst_model_config *config, fst__module_kind kinds[FST__ADAPTER_MODULES])
{
    int64_t q = fst__config_query_size(config), k = fst__config_key_size(config);
    int64_t hidden = config->hidden_size, width = config->width;
    int32_t count = 0;
    if (config->family == FST_FAMILY_GPT2) {
        const fst__module_kind all[] = {
            {"c_attn", "attn.c_attn", FST__PROJECTION_QKV, 0, q + 2 * k},
            {"attn.c_proj", "attn.c_proj", FST__PROJECTION_OUTPUT, 0, width},
            {"c_fc", "mlp.c_fc", FST__PROJECTION_UP, 0, fst__config_up_size(config)},
            {"mlp.c_proj", "mlp.c_proj", FST__PROJECTION_DOWN, 0, width},
        };
        count = sizeof all / sizeof *all;
        memcpy(kinds, all, sizeof all);
        return count;
    }
    kinds[count++] = (fst__module_kind){"q_proj", "self_attn.q_proj", FST__PROJECTION_QKV, 0, q};
    kinds[count++] = (fst__module_kind){"k_proj", "self_attn.k_proj", FST__PROJECTION_QKV, q, k};
    kinds[count++] = (fst__module_kind){"v_proj", "self_attn.v_proj", FST__PROJECTION_QKV, q + k, k};
    kinds[count++] =
        (fst__module_kind){"o_proj", "self_attn.o_proj", FST__PROJECTION_OUTPUT, 0, width};
    int64_t before_up = config->gated ? hidden : 0;
    if (config->gated)
        kinds[count++] =
            (fst__module_kind){"gate_proj", "mlp.gate_proj", FST__PROJECTION_UP, 0, hidden};
    kinds[count++] =
        (fst__module_kind){"up_proj", "mlp.up_proj", FST__PROJECTION_UP, before_up, hidden};
    kinds[count++] =
        (fst__module_kind){"down_proj", "mlp.down_proj", FST__PROJECTION_DOWN, 0, width};
    return count;
}

bool fst__module_is(const fst__module_kind *kind, const char *name)
{
    size_t path = strlen(kind->path), length = strlen(name);
    if (length > path || strcmp(kind->path + path - length, name) != 0)
        return false;
    return length == path || kind->path[path - length - 1] == '.';
}
