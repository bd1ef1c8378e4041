/*
 * Spaces: what an observation or an action is made of, as Gymnasium's spaces say it.
 *
 * A value of a space is contiguous in memory:
 *
 *   Box            elements of dtype (float32 or uint8), row-major; as many as the product of shape
 *   Discrete       one int32, 0 … n − 1
 *   MultiDiscrete  shape[0] int32, the i-th 0 … counts[i] − 1
 *   MultiBinary    shape[0] int32, each 0 or 1
 *
 * Threads: a space is plain data.
 */
#ifndef FOURSTAGE_SPACE_H
#define FOURSTAGE_SPACE_H

#include "fourstage/status.h"
#include "fourstage/view.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_SPACE_BOX 0            /**< an array of numbers. @since 0.1 */
#define FST_SPACE_DISCRETE 1       /**< one of n choices. @since 0.1 */
#define FST_SPACE_MULTI_DISCRETE 2 /**< several choices at once. @since 0.1 */
#define FST_SPACE_MULTI_BINARY 3   /**< several times yes or no. @since 0.1 */

#define FST_SPACE_MAX_RANK 4 /**< most dimensions of a space. @since 0.1 */

/** What an observation or an action is. Functions that take one copy it, its arrays included. @since 0.1 */
typedef struct fst_space {
    size_t struct_size;    /**< set by fst_space_init */
    int32_t kind;          /**< FST_SPACE_ value; default FST_SPACE_BOX */
    int32_t dtype;         /**< Box: FST_F32 (default) or FST_U8; others: not read */
    int32_t rank;          /**< Box: 1 … 4; MultiDiscrete, MultiBinary: 1; Discrete: not read; default 1 */
    int32_t reserved;      /**< 0 */
    int64_t shape[FST_SPACE_MAX_RANK]; /**< ≥ 1 below rank; an image's are channels, height, width; default 0 */
    int64_t n;             /**< Discrete: choices, ≥ 1; default 0 */
    const int64_t *counts; /**< MultiDiscrete: [shape[0]] choices of each, ≥ 1; default NULL */
    const float *low;      /**< Box of float32: [elements] least values, −INFINITY: none; NULL (default): none at all */
    const float *high;     /**< Box of float32: [elements] greatest values, INFINITY: none; NULL (default): none at all */
} fst_space;

/** Fills the space with its defaults. @param space to fill. @param size sizeof *space.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_space_init(fst_space *space, size_t size);

/** Checks a space. @param space of any kind. @param bytes out: of one value.
 *  @return FST_OK, or FST_ERR_INVALID_ARGUMENT naming the field. @since 0.1 */
FST_API fst_status fst_space_get_bytes(const fst_space *space, int64_t *bytes);

/** Length of an action mask. @param space of any kind. @param choices out: n, or the sum of counts; 0 for Box and
 *  MultiBinary, which have no masks. @return as fst_space_get_bytes. @since 0.1 */
FST_API fst_status fst_space_get_choices(const fst_space *space, int64_t *choices);

#ifdef __cplusplus
}
#endif

#endif
