/* heads.safetensors, beside a model's own files: the heads' weights, and in the metadata under
 * "heads" a JSON array of what each was made with. */
#ifndef FST_MODEL_HEADS_FILE_H
#define FST_MODEL_HEADS_FILE_H

#include "model/model.h"

/* The file goes where the model has no heads. */
fst_status fst__heads_save(const fst_model *model, const char *directory);
/* Nothing happens where there is no such file. */
fst_status fst__heads_load(fst_model *model, const char *directory);

#endif
