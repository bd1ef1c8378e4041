/*
 * fst__real is the type of all arithmetic. It is float; a second build of the library, made only
 * for the tests, sets it to double, so that central differences check the very code that trains.
 */
#ifndef FST_TENSOR_REAL_H
#define FST_TENSOR_REAL_H

#include "fourstage/view.h"

#ifdef FST__REAL_DOUBLE
typedef double fst__real;
#define FST__REAL_DTYPE FST_F64
#else
typedef float fst__real;
#define FST__REAL_DTYPE FST_F32
#endif

#endif
