/*
 * Status codes and the text of the last error.
 *
 * Every call that can fail returns an fst_status. 0 is success. Negative values are errors; a value
 * once given is never changed and never used again for something else. Positive values are not
 * errors: they tell that the call ended early because a callback asked for it.
 *
 * Threads: any function here may be called from any thread at any time.
 */
#ifndef FOURSTAGE_STATUS_H
#define FOURSTAGE_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FST_API __attribute__((visibility("default")))
#else
#define FST_API
#endif

/** Result of a call: FST_OK, one of the FST_ERR_ values, FST_STOPPED, or a callback's own negative
 *  value handed through. @since 0.1 */
typedef int32_t fst_status;

#define FST_OK 0                    /**< success. @since 0.1 */
#define FST_STOPPED 1               /**< a callback or fst_run_cancel stopped the call cleanly. @since 0.1 */
#define FST_ERR_INVALID_ARGUMENT -1 /**< an argument or option is outside what its comment allows. @since 0.1 */
#define FST_ERR_NO_MEMORY -2        /**< the allocator returned NULL. @since 0.1 */
#define FST_ERR_IO -3               /**< the operating system refused; the text holds its reason. @since 0.1 */
#define FST_ERR_FORMAT -4           /**< a file's content is malformed; the text says where. @since 0.1 */
#define FST_ERR_UNSUPPORTED -5      /**< well formed, but this library or this build does not do it. @since 0.1 */
#define FST_ERR_STATE -6            /**< called in the wrong order, e.g. backward before forward. @since 0.1 */
#define FST_ERR_NOT_FOUND -7        /**< no file, tensor, token or parameter of that name. @since 0.1 */
#define FST_ERR_NUMERIC -8          /**< a NaN or infinity appeared; the text names where. @since 0.1 */
#define FST_ERR_BUFFER_TOO_SMALL -9 /**< the caller's buffer is too small; the count needed was stored. @since 0.1 */
#define FST_ERR_BUSY -10            /**< the handle is in use, e.g. called again from its own callback. @since 0.1 */
#define FST_ERR_MISMATCH -11        /**< two handles or files do not fit each other (shapes, vocabulary). @since 0.1 */
#define FST_ERR_INTERNAL -12        /**< a defect of this library. @since 0.1 */

/**
 * Text of the last error of the calling thread: what failed, where (file, line or byte offset,
 * tensor name) and what was expected.
 *
 * @return borrowed UTF-8, never NULL, empty if no call failed on this thread yet; valid until the
 *         next failing call on this thread.
 * @since 0.1
 */
FST_API const char *fst_last_error(void);

/**
 * Name of a status, e.g. "FST_ERR_IO".
 *
 * @param status any value.
 * @return static text; "unknown status" for a value that is none of the library's.
 * @since 0.1
 */
FST_API const char *fst_status_name(fst_status status);

#ifdef __cplusplus
}
#endif

#endif
