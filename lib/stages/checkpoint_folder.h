/* A folder of checkpoints, named checkpoint-STEP.safetensors. */
#ifndef FST_STAGES_CHECKPOINT_FOLDER_H
#define FST_STAGES_CHECKPOINT_FOLDER_H

#include "base/alloc.h"
#include "fourstage/status.h"

/* The steps of the checkpoints in `folder`, newest first, in a new block; *count may be 0. A folder
 * that is not there is FST_ERR_NOT_FOUND. */
fst_status fst__checkpoint_list(fst__allocator *allocator, const char *folder, int64_t **steps,
                                int64_t *count);

/* folder/checkpoint-STEP.safetensors in a new block; NULL if memory is out. */
char *fst__checkpoint_path(fst__allocator *allocator, const char *folder, int64_t step);

/* Removes all but the newest `keep`, and none newer than `step`. A file that cannot be removed stays. */
fst_status fst__checkpoint_prune(fst__allocator *allocator, const char *folder, int64_t step,
                                 int64_t keep);

#endif
