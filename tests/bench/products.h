/* The matrix products of a piece of work, recorded, and then run alone. */
#ifndef FST_BENCH_PRODUCTS_H
#define FST_BENCH_PRODUCTS_H

#include "fourstage/types.h"

/* Processor seconds that the products of work(of) take alone, the fastest of four; *flops: what they
 * compute. The context is that whose products are recorded. */
double bench_products(const fst_context *context, void (*work)(void *of), void *of,
                      double *flops);

#endif
