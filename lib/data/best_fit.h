/*
 * Best-fit decreasing: pieces of documents into rows of equal room, the longest first, each into
 * the fullest row that still takes it (Ding et al., "Fewer truncations improve language modeling",
 * ICML 2024). O(pieces · log length) or better: rows are kept by the room they have left.
 */
#ifndef FST_DATA_BEST_FIT_H
#define FST_DATA_BEST_FIT_H

#include "data/dataset.h"

/* Sets pieces, row_first and rows of the dataset, whose documents and pack.length are set. */
fst_status fst__best_fit(fst_dataset *dataset);

#endif
