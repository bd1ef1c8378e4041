/* What a control policy is, as the JSON in its file's metadata. control_file.c has the tensors. */
#ifndef FST_MODEL_CONTROL_FILE_H
#define FST_MODEL_CONTROL_FILE_H

#include "formats/json.h"
#include "formats/safetensors.h"
#include "model/control_policy.h"

/* As read; texts and objects are borrowed from `root`, arrays of spaces are owned. */
typedef struct fst__control_description {
    json_t *root;
    fst_space observations, actions;
    fst_control_policy_options options; /* points to the spaces */
    fst_model_config config;
    fst_model_options model_options;
    json_t *heads; /* array of objects, read by fst__control_read_head */
} fst__control_description;

/* NULL if memory is out. */
json_t *fst__control_describe(const fst_policy *policy);

/* The spaces' bounds are in the file too. Closed by the caller in any case. */
fst_status fst__control_read_description(fst__allocator *allocator, const fst__safetensors *file,
                                         fst__control_description *out);
void fst__control_description_close(fst__allocator *allocator, fst__control_description *d);

fst_status fst__control_read_head(const json_t *object, const char *path, fst_head_options *head);

/* Name of the tensor with a space's bounds. */
extern const char *const fst__control_bounds[2][2]; /* [observations, actions][low, high] */

#endif
