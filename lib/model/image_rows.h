/* Images of a batch as convolutions read them. */
#ifndef FST_MODEL_IMAGE_ROWS_H
#define FST_MODEL_IMAGE_ROWS_H

#include "model/model.h"

/* images [N, channels, H, W] by the model's config; to [N·H·W, channels] of the working type. */
void fst__image_rows_read(const fst_model *model, const float *images, fst__matrix to);

#endif
