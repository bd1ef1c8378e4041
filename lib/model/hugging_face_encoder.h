/*
 * BERT, RoBERTa and ModernBERT as transformers stores them. Several classes share one backbone:
 * which one a directory is follows from the model's heads and switches, so that transformers finds
 * every tensor of the class and no other. What the class has no place for (a masked-LM head beside a
 * classifier) is kept "aside", in heads.safetensors.
 */
#ifndef FST_MODEL_HUGGING_FACE_ENCODER_H
#define FST_MODEL_HUGGING_FACE_ENCODER_H

#include "formats/safetensors.h"
#include "model/config_json.h"
#include "model/hugging_face.h"
#include "model/model.h"

typedef enum fst__encoder_kind {
    FST__ENCODER_MODEL,
    FST__ENCODER_MASKED,
    FST__ENCODER_PRETRAINING,
    FST__ENCODER_SEQUENCE,
    FST__ENCODER_TOKEN,
} fst__encoder_kind;

typedef struct fst__encoder_class {
    fst__encoder_kind kind;
    const char *name;      /* "BertForMaskedLM" */
    const fst__head *head; /* that is part of the class, or NULL */
} fst__encoder_class;

static inline bool fst__is_encoder_family(int32_t family)
{
    return family >= FST_FAMILY_BERT && family <= FST_FAMILY_MODERNBERT;
}

/* The class a model of an encoder family is saved as. */
fst__encoder_class fst__encoder_class_of(const fst_model *model);
/* Its head, whatever the family; NULL: all heads go into a file of their own. */
const fst__head *fst__class_head(const fst_model *model);

/* config.json but for what shows in the tensors: a pooler, a masked-LM head. */
void fst__encoder_config_read(fst__config_reading *from, fst_model_config *config);
/* `aside` may be NULL. */
void fst__encoder_config_complete(const fst__safetensors *file, const fst__safetensors *aside,
                                  fst_model_config *config);
/* Adds the family's members; FST_ERR_UNSUPPORTED names a switch that the class cannot have. */
fst_status fst__encoder_config_write(const fst_model *model, json_t *root);

/* The head that a directory's class has: options->name is NULL where there is none. */
fst_status fst__encoder_head_read(const json_t *root, const char *path,
                                  const fst__safetensors *file, const fst_model_config *config,
                                  fst_head_options *options);
/* id2label of config.json to the head's labels. */
fst_status fst__encoder_labels_read(const json_t *root, const char *path, fst_model *model,
                                    fst__head *head);

int64_t fst__encoder_list_pieces(const fst_model *model, fst__piece *pieces);

#endif
