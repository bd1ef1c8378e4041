/*
 * What stands behind fourstage/objectives.h; the sft, reward and rl stages call these. The same
 * functions, over fst__real. Options are taken as they are, not overlaid; the result's struct_size
 * is left alone.
 */
#ifndef FST_STAGES_OBJECTIVES_OBJECTIVES_H
#define FST_STAGES_OBJECTIVES_OBJECTIVES_H

#include "base/arena.h"
#include "fourstage/objectives.h"
#include "kernels/compute.h"
#include "tensor/real.h"

fst_gae_options fst__gae_defaults(void);
fst_baseline fst__baseline_defaults(void);
fst_loss_weights_options fst__loss_weights_defaults(void);
fst_policy_loss_options fst__policy_loss_defaults(void);
fst_kl_controller fst__kl_controller_defaults(void);
fst_preference_loss_options fst__preference_loss_defaults(void);
fst_kto_options fst__kto_defaults(void);
fst_label_loss_options fst__label_loss_defaults(void);
fst_contrastive_loss_options fst__contrastive_loss_defaults(void);

/* Checks of options alone, for a stage's create; the losses make them too. */
fst_status fst__gae_check(const fst_gae_options *options);
fst_status fst__policy_loss_check(const fst_policy_loss_options *options);
fst_status fst__kl_controller_check(const fst_kl_controller *controller);
fst_status fst__preference_loss_check(const fst_preference_loss_options *options);
fst_status fst__kto_check(const fst_kto_options *options);
fst_status fst__label_loss_check(const fst_label_loss_options *options, int64_t outputs);
fst_status fst__contrastive_loss_check(const fst_contrastive_loss_options *options);

/* advantages.c */
fst_status fst__advantages_gae(const fst_gae_options *options, const fst_trajectories *layout,
                               const fst__real *rewards, const fst__real *values,
                               const fst__real *final_values, const uint8_t *terminated,
                               const uint8_t *truncated, const fst__real *truncation_values,
                               fst__real *advantages, fst__real *returns);
fst_status fst__advantages_whiten(fst__real *advantages, const uint8_t *mask, int64_t count,
                                  int32_t shift_mean);
/* group.c */
fst_status fst__advantages_group(int32_t kind, const fst__real *rewards, int64_t count,
                                 int64_t group, fst__real *advantages);
fst_status fst__advantages_baseline(fst_baseline *baseline, const fst__real *rewards, int64_t count,
                                    fst__real *advantages);
/* weights.c */
fst_status fst__loss_weights(const fst_loss_weights_options *options, const uint8_t *mask,
                             const int64_t *lengths, int64_t rows, int64_t columns,
                             fst__real *weights);
/* policy.c */
fst_status fst__loss_policy(const fst_policy_loss_options *options,
                            const fst__real *log_probabilities,
                            const fst__real *old_log_probabilities, const fst__real *advantages,
                            const fst__real *weights, int64_t count, fst__real *gradient,
                            fst_policy_loss *result);
/* value.c */
fst_status fst__loss_value(double clip, const fst__real *values, const fst__real *old_values,
                           const fst__real *returns, const fst__real *weights, int64_t count,
                           fst__real *gradient, fst_value_loss *result);
/* kl.c */
fst_status fst__loss_kl(int32_t kind, const fst__real *log_probabilities,
                        const fst__real *reference, const fst__real *weights, int64_t count,
                        fst__real *per_token, fst__real *gradient, double *loss);
fst_status fst__kl_controller_update(fst_kl_controller *controller, double kl, int64_t samples);
/* preference.c */
fst_status fst__loss_preference(const fst_preference_loss_options *options, const fst__real *chosen,
                                const fst__real *rejected, const fst__real *reference_chosen,
                                const fst__real *reference_rejected, const int64_t *chosen_lengths,
                                const int64_t *rejected_lengths, const fst__real *weights,
                                int64_t count, fst__real *margins, fst__real *chosen_gradient,
                                fst__real *rejected_gradient, fst_preference_loss *result);
/* kto.c */
fst_status fst__loss_kto(const fst_kto_options *options, const fst__real *log_probabilities,
                         const fst__real *reference, const uint8_t *desirable,
                         const fst__real *weights, int64_t count, fst__real *gradient,
                         fst_kto_loss *result);
fst_status fst__kto_reference_point(const fst__real *log_probabilities, const fst__real *reference,
                                    int64_t count, double *reference_point);
/* pairs.c */
fst_status fst__loss_bradley_terry(double centering, const fst__real *chosen,
                                   const fst__real *rejected, const fst__real *margins,
                                   const fst__real *weights, int64_t count,
                                   fst__real *chosen_gradient, fst__real *rejected_gradient,
                                   fst_score_loss *result);
fst_status fst__loss_k_wise(double centering, const fst__real *scores, const int64_t *offsets,
                            const fst__real *weights, int64_t prompts, fst__real *gradient,
                            fst_score_loss *result);
fst_status fst__loss_ranked(double scale, const fst__real *scores, const fst__real *labels,
                            int64_t count, fst__real *gradient, fst_score_loss *result);
fst_status fst__ranked_pairs(const fst__real *labels, int64_t count, int64_t *pairs);
/* graded.c */
fst_status fst__loss_regression(const fst__real *scores, const fst__real *labels,
                                const fst__real *weights, int64_t count, fst__real *gradient,
                                fst_score_loss *result);
/* ordinal.c */
fst_status fst__loss_ordinal(int32_t kind, const fst__real *logits, const fst__real *labels,
                             const fst__real *weights, int64_t count, int64_t levels,
                             fst__real *gradient, fst_score_loss *result);
/* labels.c */
fst_status fst__loss_classes(const fst_label_loss_options *options, const fst__real *logits,
                             const fst__real *labels, const fst__real *weights, int64_t count,
                             int64_t classes, fst__real *gradient, fst_score_loss *result);
fst_status fst__loss_labels(const fst_label_loss_options *options, const fst__real *logits,
                            const fst__real *labels, const fst__real *weights, int64_t count,
                            int64_t outputs, fst__real *gradient, fst_score_loss *result);

/* contrastive.c */
/* Bytes that the losses want of `scratch`: of NT-Xent with 2N rows, both are 2N, else rows N and
 * candidates those. 0: too many to count. */
size_t fst__contrastive_scratch(int64_t rows, int64_t candidates, int64_t width, bool ntxent);
fst_status fst__loss_ntxent(const fst__compute *compute, const fst_contrastive_loss_options *options,
                            const fst__real *first, const fst__real *second, int64_t count,
                            int64_t width, fst__real *first_gradient, fst__real *second_gradient,
                            fst__arena *scratch, fst_contrastive_loss *result);
fst_status fst__loss_infonce(const fst__compute *compute,
                             const fst_contrastive_loss_options *options, const fst__real *anchors,
                             const fst__real *candidates, int64_t count, int64_t candidate_count,
                             int64_t width, fst__real *anchor_gradient,
                             fst__real *candidate_gradient, fst__arena *scratch,
                             fst_contrastive_loss *result);

#endif
