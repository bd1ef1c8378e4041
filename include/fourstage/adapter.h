/*
 * Adapters: a model's weights frozen and small matrices beside them trained in their place. LoRA
 * (Hu et al., arXiv 2106.09685), rsLoRA (Kalajdzievski, arXiv 2312.03732) and DoRA (Liu et al.,
 * arXiv 2402.09353), to and from PEFT's directories. A model has at most one.
 *
 * With W [out, in] a module's weight, A [r, in], B [out, r], and s = alpha/r (rsLoRA: alpha/√r):
 *   LoRA: y = x·Wᵀ + s·(dropout(x)·Aᵀ)·Bᵀ + b
 *   DoRA: y = (m/‖W + s·B·A‖) ⊙ (x·Wᵀ + s·(dropout(x)·Aᵀ)·Bᵀ) + b, the norm taken by rows of W and a
 *         constant in backward
 *
 * Threads: as fst_model.
 */
#ifndef FOURSTAGE_ADAPTER_H
#define FOURSTAGE_ADAPTER_H

#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What fst_model_add_adapter adds. @since 0.1 */
typedef struct fst_adapter_options {
    size_t struct_size;        /**< set by fst_adapter_options_init */
    int32_t rank;              /**< r, 1 to 65536; default 16 */
    int32_t rank_stabilized;   /**< 1: s = alpha/√r (rsLoRA); 0 (default): alpha/r */
    int32_t weight_decomposed; /**< 1: DoRA; default 0 */
    int32_t reserved;          /**< 0 */
    double alpha;              /**< > 0; default 32 */
    double dropout;            /**< probability, [0, 1), on the adapter's input while training; default 0.05 */
    const char *const *modules; /**< Hugging Face's names of the linear layers to adapt, module_count of them: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; of GPT-2 c_attn, attn.c_proj, c_fc, mlp.c_proj (c_proj: the last of attention and MLP). NULL (default): all that the model has */
    int64_t module_count;      /**< entries of modules */
} fst_adapter_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_adapter_options_init(fst_adapter_options *options, size_t size);

/**
 * Freezes the weights of the trunk (heads stay as they are) and adds, for each layer L and module,
 * the parameters "layers.L.MODULE.lora_A" [r, in], "layers.L.MODULE.lora_B" [out, r] and, for DoRA,
 * "layers.L.MODULE.lora_magnitude" [out]. A is uniform in ±1/√in, as PEFT draws it, from the
 * context's seed; B is 0 and the magnitude the norm of W's rows, so the model computes what it did
 * before, bit for bit. Frozen weights cost no gradient memory and no products in backward.
 *
 * @param model the model. @param options NULL for defaults.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT (the text names the field), FST_ERR_STATE (there is an
 *         adapter, or an optimizer of the model lives), FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_add_adapter(fst_model *model, const fst_adapter_options *options);

/** What the model's adapter was made with; `modules` lists those that are adapted.
 *  @param model the model. @param options out; `modules` is borrowed until the adapter goes.
 *  @param size sizeof *options. @return FST_OK, FST_ERR_NOT_FOUND (there is none),
 *  FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_get_adapter(const fst_model *model, fst_adapter_options *options,
                                         size_t size);

/** Switches the adapter off and on, for training, evaluation and generation. Off, the model computes
 *  what its trunk alone does, bit for bit: the reference of reinforcement learning. A forward that
 *  awaits its backward is forgotten. @param model the model. @param enabled 0 or 1.
 *  @return FST_OK, FST_ERR_NOT_FOUND (there is none), FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_enable_adapter(fst_model *model, int32_t enabled);

/** Puts the adapter into the weights, W ← W + s·B·A (DoRA: times m/‖W + s·B·A‖ by rows), and removes
 *  it; the trunk is trainable again. @param model the model. @return FST_OK, FST_ERR_NOT_FOUND (there
 *  is none), FST_ERR_STATE (an optimizer of the model lives), FST_ERR_NO_MEMORY. @since 0.1 */
FST_API fst_status fst_model_merge_adapter(fst_model *model);

/** Drops the adapter; the trunk is what it was and trainable again. @param model the model.
 *  @return FST_OK, FST_ERR_NOT_FOUND (there is none), FST_ERR_STATE (an optimizer of the model
 *  lives). @since 0.1 */
FST_API fst_status fst_model_remove_adapter(fst_model *model);

/**
 * Saves a PEFT directory: adapter_config.json and adapter_model.safetensors (float32), which
 * peft.PeftModel.from_pretrained loads over the directory of the trunk. fst_model_save writes the
 * trunk alone. Files that exist are replaced whole or not at all.
 *
 * @param model the model. @param directory created if missing (its parent must exist).
 * @return FST_OK, FST_ERR_NOT_FOUND (no adapter), FST_ERR_IO, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_save_adapter(const fst_model *model, const char *directory);

/**
 * Adds the adapter of a PEFT directory: peft_type LORA with one rank for the same modules of every
 * layer, plain, rsLoRA or DoRA. On failure the model is as it was.
 *
 * @param model without an adapter. @param directory path in the file system's own bytes.
 * @return FST_OK, FST_ERR_UNSUPPORTED (a setting that is not done here: the text names the field),
 *         FST_ERR_NOT_FOUND (a file or tensor is missing), FST_ERR_MISMATCH (a shape differs, or
 *         there is a tensor of another module), FST_ERR_IO, FST_ERR_FORMAT, FST_ERR_STATE (as
 *         fst_model_add_adapter), FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_load_adapter(fst_model *model, const char *directory);

#ifdef __cplusplus
}
#endif

#endif
