/* heads.safetensors, beside a model's own files: the heads' weights, those of the backbone that the
 * directory's class has no place for, and in the metadata under "heads" a JSON array of what each
 * head was made with, the class's own among them. */
#ifndef FST_MODEL_HEADS_FILE_H
#define FST_MODEL_HEADS_FILE_H

#include "formats/safetensors.h"
#include "model/model.h"

/* The file goes where there is nothing to put into it. */
fst_status fst__heads_save(const fst_model *model, const char *directory);

/* *file is NULL where there is none. */
fst_status fst__heads_open(fst__allocator *allocator, const char *directory,
                           fst__safetensors **file);
/* Adds the heads and reads their weights; of the class's `own` (its name NULL: none) only its place
 * and options, since its weights are with the class's. Working copies are not refreshed. */
fst_status fst__heads_read(fst_model *model, const fst__safetensors *file,
                           const fst_head_options *own);

#endif
