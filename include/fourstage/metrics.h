/*
 * What predictions are worth: accuracy, precision and recall, F1, Matthews' coefficient, correlations.
 * Pure functions over the caller's arrays; the runs that evaluate use these.
 *
 * A ratio whose denominator is 0 is 0, as in scikit-learn, unless said otherwise. Sums are taken in
 * double, from the first element to the last.
 *
 * Threads: any function here may be called from any thread at any time; of the two with a context,
 * distinct calls on one context may run together too.
 */
#ifndef FOURSTAGE_METRICS_H
#define FOURSTAGE_METRICS_H

#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Counts how often each class was taken for each.
 *
 * @param labels [count] 0 … classes − 1; negative: missing, left out.
 * @param predictions [count] 0 … classes − 1; not read where the label is missing.
 * @param count at least 1.
 * @param classes at least 1.
 * @param confusion [classes, classes] overwritten: row of the label, column of the prediction.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT, naming the element.
 * @since 0.1
 */
FST_API fst_status fst_metrics_confusion(const int32_t *labels, const int32_t *predictions,
                                         int64_t count, int64_t classes, int64_t *confusion);

/** How well one class of several was told; macro means are over the classes that occur among labels or
 *  predictions, without weights. NaN where nothing was counted. @since 0.1 */
typedef struct fst_class_metrics {
    size_t struct_size;      /**< size the caller passed */
    int64_t count;           /**< predictions */
    double accuracy;         /**< share that is right */
    double precision_macro;  /**< mean of right / predicted */
    double recall_macro;     /**< mean of right / labelled */
    double f1_macro;         /**< mean of 2·right / (predicted + labelled) */
    double f1_micro;         /**< of all classes together, which is the accuracy */
    double f1_weighted;      /**< mean weighted by the labels of each class */
    /** Matthews' correlation coefficient for K classes, R_K (Gorodkin, "Comparing two K-category
     *  assignments by a K-category correlation coefficient", 2004); 0 where one side is constant. */
    double mcc;
} fst_class_metrics;

/**
 * @param confusion [classes, classes] as fst_metrics_confusion and fst_sft_confusion give it.
 * @param classes at least 1.
 * @param precision [classes] overwritten; NULL: not wanted, as the next two.
 * @param recall [classes] overwritten; NULL: not wanted.
 * @param f1 [classes] overwritten; NULL: not wanted.
 * @param metrics out. @param size sizeof *metrics.
 * @return FST_OK or FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_metrics_classes(const int64_t *confusion, int64_t classes, double *precision,
                                       double *recall, double *f1, fst_class_metrics *metrics,
                                       size_t size);

/** How well several labels of yes and no were told; macro means are over all labels. NaN where nothing
 *  was counted. @since 0.1 */
typedef struct fst_label_metrics {
    size_t struct_size;      /**< size the caller passed */
    int64_t count;           /**< labels that are there */
    int64_t examples;        /**< examples with one or more of them */
    double accuracy;         /**< share of labels that is right */
    double subset_accuracy;  /**< share of examples all of whose labels are right */
    double precision_micro;  /**< over all labels together */
    double recall_micro;     /**< over all labels together */
    double f1_micro;         /**< over all labels together */
    double precision_macro;  /**< mean over labels */
    double recall_macro;     /**< mean over labels */
    double f1_macro;         /**< mean over labels */
} fst_label_metrics;

/**
 * @param labels [examples, outputs] 1 yes, 0 no; NaN: missing, left out.
 * @param scores [examples, outputs] yes where at least threshold; not read where the label is missing.
 * @param examples at least 1.
 * @param outputs labels of an example, at least 1.
 * @param threshold 0.5 for probabilities, 0 for logits.
 * @param confusion [outputs, 2, 2] overwritten: for each label no taken for no, no for yes, yes for no,
 *        yes for yes.
 * @param metrics out. @param size sizeof *metrics.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT, naming a label that is neither; FST_ERR_NUMERIC for a score
 *         that is NaN.
 * @since 0.1
 */
FST_API fst_status fst_metrics_labels(const float *labels, const float *scores, int64_t examples,
                                      int64_t outputs, double threshold, int64_t *confusion,
                                      fst_label_metrics *metrics, size_t size);

/** How close predicted numbers came. NaN where nothing was counted. @since 0.1 */
typedef struct fst_regression_metrics {
    size_t struct_size; /**< size the caller passed */
    int64_t count;      /**< labels that are there */
    double rmse;        /**< √ of the mean squared error */
    double mae;         /**< mean of |prediction − label| */
    double pearson;     /**< see fst_metrics_correlation */
    double spearman;    /**< see fst_metrics_correlation */
} fst_regression_metrics;

/**
 * @param context where memory for the ranks is taken from during the call.
 * @param labels [count] NaN: missing, left out.
 * @param predictions [count] not read where the label is missing.
 * @param count at least 1.
 * @param metrics out. @param size sizeof *metrics.
 * @return FST_OK; FST_ERR_NUMERIC for a value that is not finite; FST_ERR_NO_MEMORY;
 *         FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_metrics_regression(fst_context *context, const float *labels,
                                          const float *predictions, int64_t count,
                                          fst_regression_metrics *metrics, size_t size);

/**
 * Pearson's correlation, and Spearman's: Pearson's of the ranks, equal values sharing the mean of
 * theirs.
 *
 * @param context where memory for the ranks is taken from during the call.
 * @param x [count] finite.
 * @param y [count] finite.
 * @param count at least 1.
 * @param pearson out: NaN where one side is constant.
 * @param spearman out: NaN where one side is constant.
 * @return FST_OK; FST_ERR_NUMERIC for a value that is not finite; FST_ERR_NO_MEMORY;
 *         FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_metrics_correlation(fst_context *context, const float *x, const float *y,
                                           int64_t count, double *pearson, double *spearman);

/**
 * Tells classes by the nearest neighbours: those k labelled embeddings with the largest cosine vote, each
 * with weight exp(cosine/τ) (Wu et al., "Unsupervised feature learning via non-parametric instance
 * discrimination", arXiv 1805.01978, section 3.4, which has k 200 and τ 0.07). Of equal cosines the
 * embedding that stands first is nearer; of equal votes the lower class wins.
 *
 * @param context whose threads and memory are used during the call.
 * @param known [examples, width] embeddings with a label; scaled to length 1 here.
 * @param labels [examples] 0 … classes − 1.
 * @param examples at least 1.
 * @param queries [query_count, width] embeddings to tell.
 * @param query_count at least 1.
 * @param width at least 1.
 * @param classes at least 1.
 * @param k neighbours that vote, 1 … examples.
 * @param temperature τ > 0; 0: every vote counts the same.
 * @param predictions [query_count] overwritten.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT, naming a label out of range; FST_ERR_NUMERIC for an embedding
 *         that is not finite; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_metrics_knn(fst_context *context, const float *known, const int32_t *labels,
                                   int64_t examples, const float *queries, int64_t query_count,
                                   int64_t width, int64_t classes, int64_t k, double temperature,
                                   int32_t *predictions);

/**
 * How evenly embeddings, scaled to length 1, lie on the sphere: ln of the mean of exp(−2‖a − b‖²) over all
 * pairs (Wang and Isola, arXiv 2005.10242, t = 2). 0 where all are the same; the lower the more even.
 *
 * @param context whose threads and memory are used during the call.
 * @param embeddings [examples, width] not changed.
 * @param examples at least 2.
 * @param width at least 1.
 * @param uniformity out.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_metrics_uniformity(fst_context *context, const float *embeddings,
                                          int64_t examples, int64_t width, double *uniformity);

#ifdef __cplusplus
}
#endif

#endif
