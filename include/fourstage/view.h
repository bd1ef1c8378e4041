/*
 * A view: somebody's memory seen as an array, without a copy.
 *
 * Threads: a view is plain data.
 */
#ifndef FOURSTAGE_VIEW_H
#define FOURSTAGE_VIEW_H

#include "fourstage/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_F32 0  /**< IEEE float, 4 bytes. @since 0.1 */
#define FST_F64 1  /**< IEEE double, 8 bytes. @since 0.1 */
#define FST_BF16 2 /**< bfloat16, 2 bytes: the upper half of a float. @since 0.1 */
#define FST_F16 3  /**< IEEE half, 2 bytes. @since 0.1 */
#define FST_I64 4  /**< signed, 8 bytes. @since 0.1 */
#define FST_I32 5  /**< signed, 4 bytes. @since 0.1 */
#define FST_I16 6  /**< signed, 2 bytes. @since 0.1 */
#define FST_I8 7   /**< signed, 1 byte. @since 0.1 */
#define FST_U8 8   /**< unsigned, 1 byte. @since 0.1 */
#define FST_BOOL 9 /**< 0 or 1, 1 byte. @since 0.1 */

#define FST_MAX_RANK 8 /**< most dimensions of a view. @since 0.1 */

/** An array in memory. Element (i0, i1, …) stands at data + (i0·strides[0] + i1·strides[1] + …)
 *  elements. The layout of this struct is fixed for good. @since 0.1 */
typedef struct fst_view {
    void *data;                    /**< borrowed; the function that fills the view says until when */
    int32_t dtype;                 /**< FST_F32 … FST_BOOL */
    int32_t rank;                  /**< dimensions, 0 (a scalar) to FST_MAX_RANK */
    int64_t shape[FST_MAX_RANK];   /**< elements along each dimension; 0 beyond rank */
    int64_t strides[FST_MAX_RANK]; /**< in elements; 0 beyond rank */
} fst_view;

/** Bytes of one element. @param dtype FST_F32 … FST_BOOL. @return 0 for any other value. @since 0.1 */
FST_API size_t fst_dtype_size(int32_t dtype);

/** Name as safetensors writes it: "F32", "BF16", … @param dtype FST_F32 … FST_BOOL. @return static text, "unknown" for any other
 *  value. @since 0.1 */
FST_API const char *fst_dtype_name(int32_t dtype);

#ifdef __cplusplus
}
#endif

#endif
