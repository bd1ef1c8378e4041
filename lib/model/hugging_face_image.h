/*
 * Vision transformers and ResNets as transformers stores them: ViTModel, ViTForImageClassification,
 * ResNetModel, ResNetForImageClassification. A ResNet with the 3×3 stem has no class there; its
 * directory has the same tensors under the model_type "fourstage_resnet", which transformers refuses.
 */
#ifndef FST_MODEL_HUGGING_FACE_IMAGE_H
#define FST_MODEL_HUGGING_FACE_IMAGE_H

#include "formats/safetensors.h"
#include "model/config_json.h"
#include "model/hugging_face.h"

static inline bool fst__is_image_family(int32_t family)
{
    return family == FST_FAMILY_VIT || family == FST_FAMILY_RESNET;
}

/* The head "classifier" that the class has a place for; NULL: the bare backbone is saved. */
const fst__head *fst__image_class_head(const fst_model *model);

void fst__image_config_read(fst__config_reading *from, fst_model_config *config);
/* Adds the family's members; FST_ERR_UNSUPPORTED names a switch that the class cannot have. */
fst_status fst__image_config_write(const fst_model *model, json_t *root);

/* options->name is NULL where the directory has no classifier. */
fst_status fst__image_head_read(const fst__safetensors *file, const fst_model_config *config,
                                fst_head_options *options);

int64_t fst__image_piece_limit(const fst_model_config *config);
int64_t fst__image_list_pieces(const fst_model *model, fst__piece *pieces);

#endif
