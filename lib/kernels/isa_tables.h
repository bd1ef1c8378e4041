/* The tables that kernels/meson.build makes from isa.c. */
#ifndef FST_KERNELS_ISA_TABLES_H
#define FST_KERNELS_ISA_TABLES_H

#include "kernels/kernels.h"

extern const fst__kernels fst__kernels_base;
#if defined(__x86_64__)
extern const fst__kernels fst__kernels_avx2;
extern const fst__kernels fst__kernels_avx512;
#endif

#endif
