/*
 * Newton–Schulz orthogonalisation for Muon (Jordan et al. 2024; muon.py of KellerJordan/Muon,
 * zeropower_via_newtonschulz5), here in the library's real type instead of bfloat16.
 */
#ifndef FST_OPTIM_MUON_H
#define FST_OPTIM_MUON_H

#include "kernels/compute.h"
#include "tensor/real.h"

/* Scratch for matrices up to the sizes it was made for. */
typedef struct fst__muon_scratch {
    fst__real *direction, *next;  /* [rows·columns] each */
    fst__real *gram, *polynomial; /* [k, k], k the smaller side */
} fst__muon_scratch;

/*
 * direction [rows, columns] ← U·Vᵀ of its singular value decomposition, nearly: the singular values
 * end between about 0.7 and 1.2. `norm` is its Frobenius norm. The result may lie in either of the
 * scratch's two buffers; *result says in which.
 */
fst_status fst__muon_orthogonalise(const fst__compute *compute, const fst__muon_scratch *scratch,
                                   int64_t rows, int64_t columns, double norm, int32_t iterations,
                                   fst__real **result);

#endif
