/* A model's adapter: which rows of which matrix each of its modules stands beside. */
#ifndef FST_MODEL_ADAPTER_H
#define FST_MODEL_ADAPTER_H

#include "fourstage/adapter.h"
#include "model/projection.h"

enum { FST__ADAPTER_MODULES = 7, FST__ADAPTER_MOST_RANK = 1 << 16 };

/* A linear layer as Hugging Face's classes have it: rows of one of a block's matrices. */
typedef struct fst__module_kind {
    const char *name; /* "q_proj", "attn.c_proj" */
    const char *path; /* within a block, "self_attn.q_proj" */
    fst__projection projection;
    int64_t first_row, rows;
} fst__module_kind;

typedef struct fst__adapter_module {
    int32_t kind; /* index into the adapter's kinds */
    int32_t layer;
    int64_t first_row, rows; /* of the projection's matrix */
    int64_t a, b, magnitude; /* indices of parameters; magnitude -1: plain LoRA */
    fst__real *norm, *gain;  /* [rows], DoRA */
} fst__adapter_module;

typedef struct fst__adapter {
    fst_adapter_options options; /* modules is `names` */
    const char *names[FST__ADAPTER_MODULES];
    fst__module_kind kinds[FST__ADAPTER_MODULES]; /* those that are adapted */
    fst__adapter_module *modules;                 /* [layers, module_count] */
    fst__real *gains;
    bool enabled;
} fst__adapter;

fst_adapter_options fst__adapter_defaults(void);

/* s: alpha/r, or alpha/√r (rsLoRA). */
fst__real fst__adapter_scale(const fst_adapter_options *options);

/* The kinds that this architecture has; returns their number. */
int32_t fst__module_kinds(const fst_model_config *config, fst__module_kind kinds[FST__ADAPTER_MODULES]);
/* What stands before a block's number in the names of its tensors. */
const char *fst__module_blocks(int32_t family);
/* Whether `name` means this kind: its path, or the end of it behind a point. */
bool fst__module_is(const fst__module_kind *kind, const char *name);

/* Options are overlaid. `initialise` false: A and B are zero and the magnitude is not set. */
fst_status fst__model_add_adapter(fst_model *model, const fst_adapter_options *options,
                                  bool initialise);
fst_status fst__model_get_adapter(const fst_model *model, const fst_adapter_options **options);
fst_status fst__model_enable_adapter(fst_model *model, bool enabled);
fst_status fst__model_merge_adapter(fst_model *model);
fst_status fst__model_remove_adapter(fst_model *model);
fst_status fst__model_save_adapter(const fst_model *model, const char *directory);
fst_status fst__model_load_adapter(fst_model *model, const char *directory);
void fst__adapter_destroy(fst_model *model); /* of a model that goes, or without one */

/* ---- for the projections */

/* Bytes of scratch for one projection of any layer. */
size_t fst__adapter_scratch(const fst_model *model, int64_t tokens, bool training);
/* DoRA's norms from the weights as they are now; before a forward. */
fst_status fst__adapter_refresh(fst_model *model);
/* The modules of a projection that act: their number, and the first in *modules. */
int32_t fst__adapter_modules(const fst_model *model, int32_t layer, fst__projection which,
                             const fst__adapter_module **modules);
fst_status fst__adapter_forward(fst_model *model, const fst__adapter_module *module, fst__matrix x,
                                fst__matrix y);
/* dy [R, out] of the whole projection; du [R, r]. Then, once the projection's own dx stands, _input. */
fst_status fst__adapter_backward(fst_model *model, const fst__adapter_module *module, fst__matrix x,
                                 fst__matrix dy, fst__matrix du);
fst_status fst__adapter_backward_input(fst_model *model, const fst__adapter_module *module,
                                       fst__matrix du, fst__matrix dx);

#endif
