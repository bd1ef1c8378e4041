/*
 * Bilinear resampling with antialiasing, as torch.nn.functional.interpolate(mode="bilinear",
 * antialias=True) does it (aten/src/ATen/native/cpu/UpSampleKernel.cpp): along each axis a triangle
 * over the input, as wide as one pixel of the input or of the output, whichever is larger.
 */
#ifndef FST_DATA_RESAMPLE_H
#define FST_DATA_RESAMPLE_H

#include <stdint.h>

/* Weights of one axis: output i is Σ weights[i·taps + t]·input[first[i] + t], t < counts[i]. */
typedef struct fst__resample_axis {
    int32_t out, taps;
    int32_t *first, *counts; /* [out] */
    float *weights;          /* [out, taps] */
} fst__resample_axis;

/* Most inputs that an output of an axis is made of. */
int32_t fst__resample_taps(int32_t in, int32_t out);
/* Floats that an axis' three arrays take up together. */
int64_t fst__resample_room(int32_t in, int32_t out);
/* Lays an axis into `room` and fills it. */
void fst__resample_axis_fill(fst__resample_axis *axis, int32_t in, int32_t out, float *room);

/* One plane: from [y.in, stride], of which `in_height` rows and the columns of x.in are read, to
 * [y.out, x.out]. rows: room for [in_height, x.out]. */
void fst__resample_plane(const fst__resample_axis *y, const fst__resample_axis *x, const float *from,
                         int64_t stride, int32_t in_height, float *rows, float *to);

#endif
