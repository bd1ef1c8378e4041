/* The architecture: defaults, families, validation, and the sizes that follow from it. */
#ifndef FST_MODEL_CONFIG_H
#define FST_MODEL_CONFIG_H

#include "fourstage/model.h"

#include <stdbool.h>

fst_model_config fst__config_default(void);
fst_status fst__config_set_family(fst_model_config *config, int32_t family);

/* Replaces each 0 that means "derive it" and refuses what cannot be computed, naming the field. */
fst_status fst__config_resolve(fst_model_config *config);

/* MLP and CNN. */
static inline bool fst__config_has_towers(const fst_model_config *config)
{
    return config->backbone == FST_BACKBONE_MLP || config->backbone == FST_BACKBONE_CNN;
}

/* fst_batch.observations instead of ids or images. */
static inline bool fst__config_reads_vectors(const fst_model_config *config)
{
    return config->backbone == FST_BACKBONE_MLP ||
           (config->backbone == FST_BACKBONE_TRANSFORMER && config->inputs > 0);
}

static inline bool fst__config_reads_images(const fst_model_config *config)
{
    return !fst__config_reads_vectors(config) && config->backbone != FST_BACKBONE_TRANSFORMER;
}

static inline bool fst__config_reads_text(const fst_model_config *config)
{
    return config->backbone == FST_BACKBONE_TRANSFORMER && config->inputs == 0;
}

/* Of a resolved config. */
static inline int64_t fst__config_query_size(const fst_model_config *config)
{
    return (int64_t)config->heads * config->head_size;
}

static inline int64_t fst__config_key_size(const fst_model_config *config)
{
    return (int64_t)config->kv_heads * config->head_size;
}

static inline int64_t fst__config_qkv_size(const fst_model_config *config)
{
    return fst__config_query_size(config) + 2 * fst__config_key_size(config);
}

/* Features the MLP computes before its activation: gate and up side by side if it is gated. */
static inline int64_t fst__config_up_size(const fst_model_config *config)
{
    return (int64_t)config->hidden_size * (config->gated ? 2 : 1);
}

/* An encoder's layers take turns: some see all of a document, the others a window around each token. */
static inline bool fst__config_layer_is_local(const fst_model_config *config, int32_t layer)
{
    return !config->causal && config->window > 0 &&
           !(config->global_every > 0 && layer % config->global_every == 0);
}

#endif
