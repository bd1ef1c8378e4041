/*
 * Models that no class of transformers stands for: an MLP, a CNN, a transformer over vectors. Their
 * directories have a config.json whose model_type is "fourstage_mlp", "fourstage_cnn" or
 * "fourstage_transformer", with our config's own field names, and tensors by our parameters' names, of
 * convolutions and what reads their maps in PyTorch's layout.
 */
#ifndef FST_MODEL_OWN_DIRECTORY_H
#define FST_MODEL_OWN_DIRECTORY_H

#include "model/config_json.h"
#include "model/hugging_face.h"

static inline bool fst__is_own_config(const fst_model_config *config)
{
    return fst__config_has_towers(config) || fst__config_reads_vectors(config);
}

/* The backbone that a model_type stands for; -1: it is none of ours. */
int32_t fst__own_backbone(const char *model_type);
void fst__own_config_read(fst__config_reading *from, fst_model_config *config);
fst_status fst__own_config_write(const fst_model *model, json_t *root);

int64_t fst__own_piece_limit(const fst_model_config *config);
int64_t fst__own_list_pieces(const fst_model *model, fst__piece *pieces);

#endif
