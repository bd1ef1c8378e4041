/* Hugging Face directories, in and out. */
#ifndef FST_MODEL_SAVE_H
#define FST_MODEL_SAVE_H

#include "model/model.h"

fst_status fst__model_load(fst_context *context, const char *directory,
                           const fst_model_options *options, fst_model **out);
/* config.json, model.safetensors and, where there are heads, heads.safetensors; the tokenizer's file is the tokenizer's. */
fst_status fst__model_save(const fst_model *model, const char *directory);

#endif
