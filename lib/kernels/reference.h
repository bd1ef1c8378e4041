/* The plain twin of every row kernel: scalar loops, libm, sums in double. What the fast tables are
 * tested against, and what their meaning is read from. */
#ifndef FST_KERNELS_REFERENCE_H
#define FST_KERNELS_REFERENCE_H

#include "kernels/kernels.h"

extern const fst__kernels fst__kernels_reference;

#endif
