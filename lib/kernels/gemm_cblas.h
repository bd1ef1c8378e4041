/* OpenBLAS's own threads. */
#ifndef FST_KERNELS_GEMM_CBLAS_H
#define FST_KERNELS_GEMM_CBLAS_H

/*
 * OpenBLAS's thread count belongs to the whole process, so how many contexts want it to be 1 must
 * be counted for the whole process too: this counter is the library's one piece of mutable state
 * that hangs off no handle. The first enter remembers OpenBLAS's count and sets it to 1, the last
 * leave puts it back. Nothing happens with a BLAS other than OpenBLAS. Callable from any thread.
 */
void fst__blas_single_thread_enter(void);
void fst__blas_single_thread_leave(void);

#endif
