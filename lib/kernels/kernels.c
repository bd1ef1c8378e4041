#include "kernels/kernels.h"

#include "kernels/isa_tables.h"

#include <stddef.h>

/* The conditions are the flags with which kernels/meson.build compiles the tables. */
const fst__kernels *fst__kernels_at(int32_t i)
{
    const fst__kernels *present[3];
    int32_t count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        present[count++] = &fst__kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        present[count++] = &fst__kernels_avx2;
#endif
    present[count++] = &fst__kernels_base;
    return i >= 0 && i < count ? present[i] : NULL;
}

const fst__kernels *fst__kernels_select(void)
{
    return fst__kernels_at(0);
}
