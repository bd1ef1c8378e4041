/* What stands behind fourstage/metrics.h, for the stages that evaluate. Nothing is allocated. */
#ifndef FST_STAGES_METRICS_H
#define FST_STAGES_METRICS_H

#include "fourstage/metrics.h"
#include "tensor/real.h"

fst_status fst__metrics_confusion(const int32_t *labels, const int32_t *predictions, int64_t count,
                                  int64_t classes, int64_t *confusion);
void fst__metrics_classes(const int64_t *confusion, int64_t classes, double *precision,
                          double *recall, double *f1, fst_class_metrics *metrics);
fst_status fst__metrics_labels(const fst__real *labels, const fst__real *scores, int64_t count,
                               int64_t outputs, double threshold, int64_t *confusion,
                               fst_label_metrics *metrics);

/* Elements `stride` apart; scratch: FST__REGRESSION_SCRATCH·count. */
enum { FST__REGRESSION_SCRATCH = 4 };
fst_status fst__metrics_regression(const fst__real *labels, const fst__real *predictions,
                                   int64_t stride, int64_t count, fst__real *scratch,
                                   fst_regression_metrics *metrics);
fst_status fst__metrics_correlation(const fst__real *x, const fst__real *y, int64_t count,
                                    fst__real *scratch, double *pearson, double *spearman);

#endif
