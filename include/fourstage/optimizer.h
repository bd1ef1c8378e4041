/*
 * The optimizer: one update of a model's weights from its gradients.
 *
 * fst_optimizer_step does, in this order: the norm of all gradients together (summed in double; a
 * NaN or infinity stops here and no weight has changed) → clipping → the update, in which the
 * gradients are zeroed and, in a bfloat16 model, the working copy is refreshed. Results have the
 * same bits for any number of threads.
 *
 * Threads: one optimizer, and the model it updates, from one thread at a time.
 */
#ifndef FOURSTAGE_OPTIMIZER_H
#define FOURSTAGE_OPTIMIZER_H

#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** AdamW with decoupled weight decay (Loshchilov and Hutter, "Decoupled weight decay
 *  regularization", ICLR 2019), step for step as torch.optim.AdamW. @since 0.1 */
#define FST_OPTIMIZER_ADAMW 0
/** Gradient descent with momentum, step for step as torch.optim.SGD; weight decay is added to the
 *  gradient. @since 0.1 */
#define FST_OPTIMIZER_SGD 1
/** Muon for the matrices between embedding and head, AdamW for everything else (Jordan et al.,
 *  "Muon: an optimizer for hidden layers in neural networks", 2024). @since 0.1 */
#define FST_OPTIMIZER_MUON 2
/** LARS (You, Gitman and Ginsburg, "Large batch training of convolutional networks", arXiv 1708.03888,
 *  equation 6 and algorithm 1): SGD with momentum whose step is measured by each matrix's own norm,
 *
 *      g' = η·‖w‖ / (‖g‖ + λ‖w‖ + ε) · (g + λw)      v = μ·v + g'      w −= rate·v
 *
 *  step for step as NVIDIA apex' LARC with clip=False over torch.optim.SGD, and Lightning Bolts' LARS. The
 *  factor in front is 1 where ‖w‖ or ‖g‖ is 0 (then without λ, too), and for norms and biases, which have
 *  no λ either, as SimCLR leaves them out. ‖g‖ is that after clipping. @since 0.1 */
#define FST_OPTIMIZER_LARS 3

#define FST_SCHEDULE_CONSTANT 0 /**< the peak. @since 0.1 */
#define FST_SCHEDULE_LINEAR 1   /**< straight from the peak to the minimum at total_steps. @since 0.1 */
#define FST_SCHEDULE_COSINE 2   /**< half a cosine from the peak to the minimum at total_steps. @since 0.1 */
/** Warm-up, stable, decay: the peak, then over the last decay_steps peak·(1 − √progress) down to
 *  the minimum (Hägele et al., "Scaling laws and compute-optimal training beyond fixed training
 *  durations", NeurIPS 2024). @since 0.1 */
#define FST_SCHEDULE_WSD 3
/** peak·√(w / step), w = warmup_steps, or 10,000 where that is 0 and step is counted from w; never
 *  below the minimum; as transformers' get_inverse_sqrt_schedule. @since 0.1 */
#define FST_SCHEDULE_INVERSE_SQRT 4

#define FST_WARMUP_ABOVE_ZERO 0 /**< peak·(step + 1)/(warmup_steps + 1), as nanoGPT: the first update counts. @since 0.1 */
#define FST_WARMUP_FROM_ZERO 1  /**< peak·step/warmup_steps, as transformers: the first update has rate 0. @since 0.1 */

#define FST_MUON_SCALE_ORIGINAL 0   /**< update·√max(1, rows/columns). @since 0.1 */
#define FST_MUON_SCALE_MATCH_RMS 1  /**< update·0.2·√max(rows, columns), so that AdamW's learning rate fits (Liu et al., "Muon is scalable for LLM training", 2025). @since 0.1 */

/** A learning rate as a function of the step. @since 0.1 */
typedef struct fst_schedule_options {
    size_t struct_size;    /**< set by fst_schedule_options_init */
    int32_t kind;          /**< FST_SCHEDULE_ value; default FST_SCHEDULE_CONSTANT */
    int32_t warmup;        /**< FST_WARMUP_ value; default FST_WARMUP_ABOVE_ZERO */
    double learning_rate;  /**< the peak, ≥ 0; default 1e-3 */
    double minimum_ratio;  /**< minimum as a part of the peak, 0 … 1; default 0 */
    int64_t warmup_steps;  /**< ≥ 0; default 0 */
    int64_t total_steps;   /**< where the decay ends, > warmup_steps; needed by linear, cosine and WSD; default 0 */
    int64_t decay_steps;   /**< WSD: steps of the decay, at most total_steps − warmup_steps; 0 (default): a fifth of total_steps, or less where the warm-up leaves less */
} fst_schedule_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_schedule_options_init(fst_schedule_options *options, size_t size);

/**
 * The learning rate of a step. A pure function.
 *
 * @param options NULL for defaults.
 * @param step updates done before this one, ≥ 0; after total_steps the minimum holds.
 * @param learning_rate out.
 * @return FST_OK or FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_schedule_learning_rate(const fst_schedule_options *options, int64_t step,
                                              double *learning_rate);

/** Options of fst_optimizer_create. @since 0.1 */
typedef struct fst_optimizer_options {
    size_t struct_size;    /**< set by fst_optimizer_options_init */
    int32_t kind;          /**< FST_OPTIMIZER_ value; default FST_OPTIMIZER_ADAMW */
    int32_t schedule;      /**< FST_SCHEDULE_ value; default FST_SCHEDULE_CONSTANT */
    double learning_rate;  /**< the schedule's peak, ≥ 0; default 1e-3 */
    double beta1;          /**< AdamW, 0 ≤ β₁ < 1; default 0.9 */
    double beta2;          /**< AdamW, 0 ≤ β₂ < 1; default 0.999 */
    double epsilon;        /**< AdamW, added to √v̂; LARS, to the norms; ≥ 0; default 1e-8 */
    double weight_decay;   /**< for matrices and embeddings; norms and biases have none; ≥ 0; default 0.01, as torch.optim.AdamW; AdamW, SGD and LARS, for which SimCLR has 1e-6 to 1e-4 */
    double clip_norm;      /**< largest norm of all gradients together; 0: no clipping; default 1 */
    double momentum;       /**< SGD, 0 ≤ μ < 1; default 0 */
    double dampening;      /**< SGD, of the gradient's part in the momentum; default 0 */
    int32_t nesterov;      /**< SGD, LARS, 1: Nesterov's momentum, which needs momentum > 0 (of SGD, with dampening 0; LARS: lars_momentum); default 0 */
    int32_t keep_gradients; /**< 1: fst_optimizer_step leaves the gradients as they were; default 0: it zeroes them */
    int32_t warmup;        /**< FST_WARMUP_ value; default FST_WARMUP_ABOVE_ZERO */
    int32_t muon_scale;    /**< FST_MUON_SCALE_ value; default FST_MUON_SCALE_ORIGINAL */
    int64_t warmup_steps;  /**< see fst_schedule_options; default 0 */
    int64_t total_steps;   /**< see fst_schedule_options; default 0 */
    int64_t decay_steps;   /**< see fst_schedule_options; default 0 */
    double minimum_ratio;  /**< see fst_schedule_options; default 0 */
    double muon_learning_rate; /**< peak for Muon's matrices; the same schedule's shape applies; default 0.02 */
    double muon_momentum;  /**< 0 ≤ μ < 1; default 0.95 */
    double muon_weight_decay; /**< decoupled, ≥ 0; default 0 */
    int32_t muon_nesterov; /**< default 1 */
    int32_t muon_iterations; /**< Newton–Schulz steps, 1 … 100; default 5 */
    /** Groups of parameters by name; the first pattern that matches a parameter decides, one that
     *  none matches keeps factor 1. In a pattern, * stands for any text and ? for one character.
     *  All arrays have group_count entries and are read during create only. */
    const char *const *group_patterns;
    const double *group_learning_rates; /**< factor of the learning rate, ≥ 0; NULL: 1. 0 leaves the weights as they are */
    const double *group_weight_decays;  /**< factor of the weight decay, ≥ 0; NULL: 1 */
    int64_t group_count;   /**< default 0 */
    double layer_decay;    /**< factor of the learning rate for each layer downward, as ELECTRA and BEiT finetune: heads and the last norm 1, the top one of L layers d, the lowest d^L, embeddings d^(L+1); on top of the group's factor; ≥ 0, default 1 */
    double lars_trust;     /**< LARS, η > 0; default 0.001 */
    double lars_momentum;  /**< LARS, 0 ≤ μ < 1; default 0.9 */
} fst_optimizer_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_optimizer_options_init(fst_optimizer_options *options, size_t size);

/**
 * Makes an optimizer for all parameters of a model that are not frozen at that moment. Its moments
 * take 8 bytes per weight with AdamW, 4 with SGD's or LARS' momentum (0 without) and for Muon's matrices 4.
 *
 * @param model kept alive by the optimizer.
 * @param options NULL for defaults.
 * @param optimizer out: the caller owns it.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_optimizer_create(fst_model *model, const fst_optimizer_options *options,
                                        fst_optimizer **optimizer);

/** @param optimizer may be NULL. @since 0.1 */
FST_API void fst_optimizer_destroy(fst_optimizer *optimizer);

/** What a step did; filled by fst_optimizer_step. @since 0.1 */
typedef struct fst_optimizer_report {
    size_t struct_size;     /**< size the caller passed */
    int64_t step;           /**< updates done, this one included */
    double learning_rate;   /**< the one used */
    double muon_learning_rate; /**< the one used for Muon's matrices; 0 without Muon */
    double gradient_norm;   /**< 2-norm of all gradients together, before clipping */
    double clip_factor;     /**< what the gradients were multiplied with, ≤ 1 */
} fst_optimizer_report;

/**
 * One update with the gradients that the model holds, at the schedule's rate.
 *
 * @param optimizer the optimizer.
 * @param report out; may be NULL.
 * @param size sizeof *report; not read when report is NULL.
 * @return FST_OK; FST_ERR_NUMERIC where a gradient is not finite: the text names the parameter, and
 *         weights, moments, gradients and the step counter are as before.
 * @since 0.1
 */
FST_API fst_status fst_optimizer_step(fst_optimizer *optimizer, fst_optimizer_report *report,
                                      size_t size);

/** Sets the gradients of all the optimizer's parameters to zero. @param optimizer the optimizer.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_optimizer_zero_gradients(fst_optimizer *optimizer);

/** The schedule's learning rate. @param optimizer the optimizer. @param step updates done before,
 *  ≥ 0; negative: as many as were done. @param learning_rate out.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_optimizer_learning_rate(const fst_optimizer *optimizer, int64_t step,
                                               double *learning_rate);

#ifdef __cplusplus
}
#endif

#endif
