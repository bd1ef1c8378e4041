/*
 * The context: allocator, thread pool, matrix-product provider, log sink and seed. Every other
 * handle is made from one and keeps it alive; no state of the library lives outside of it, except
 * the text of each thread's last error.
 *
 * Threads: one context serves handles on several threads at once; their parallel parts then wait
 * for each other. fst_context_destroy may run while such handles live.
 */
#ifndef FOURSTAGE_CONTEXT_H
#define FOURSTAGE_CONTEXT_H

#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_LOG_DEBUG 0   /**< details for a developer of the library. @since 0.1 */
#define FST_LOG_INFO 1    /**< what a run does. @since 0.1 */
#define FST_LOG_WARNING 2 /**< something a user should know; the call goes on. @since 0.1 */

#define FST_PROVIDER_AUTO 0      /**< oneDNN where built in and the processor suits it, else CBLAS. @since 0.1 */
#define FST_PROVIDER_CBLAS 1     /**< CBLAS (OpenBLAS), float32. @since 0.1 */
#define FST_PROVIDER_ONEDNN 2    /**< oneDNN, float32 and bfloat16. @since 0.1 */
#define FST_PROVIDER_REFERENCE 3 /**< plain C, slow; for tests and sanitizers. @since 0.1 */

/** Options of fst_context_create. @since 0.1 */
typedef struct fst_context_options {
    size_t struct_size;       /**< set by fst_context_options_init */
    int32_t threads;          /**< workers, the calling thread included; 0: the processors this process may use, at most 64 */
    int32_t provider;         /**< FST_PROVIDER_ value; default FST_PROVIDER_AUTO */
    int64_t seed;             /**< seed of every random stream; default 0 */
    int32_t blas_single_thread; /**< 1 (default): set OpenBLAS's process-wide thread count to 1 while a context lives, since the library splits its products itself; 0: leave it */
    int32_t log_level;        /**< least FST_LOG_ level that reaches log; default FST_LOG_INFO */
    /** Log sink; NULL (default): silent. Called on the thread that called the library; text is
     *  borrowed for the call. The return value is ignored. */
    int32_t (*log)(int32_t level, const char *text, void *user);
    void *log_user;           /**< handed to log */
    /** Memory for everything; NULL (default): malloc. Must return memory aligned to 16 bytes or
     *  NULL; called from any thread. Set both or neither. */
    void *(*allocate)(size_t size, void *user);
    void (*release)(void *block, void *user); /**< gives back what allocate returned */
    void *allocate_user;      /**< handed to allocate and release */
} fst_context_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_context_options_init(fst_context_options *options, size_t size);

/**
 * Creates a context.
 *
 * @param options NULL for defaults.
 * @param context out: the new context; the caller owns it.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY, or FST_ERR_UNSUPPORTED for a provider
 *         that this build lacks.
 * @since 0.1
 */
FST_API fst_status fst_context_create(const fst_context_options *options, fst_context **context);

/** Gives up the caller's hold. Handles made from the context keep it alive until they are destroyed
 *  too, in any order. @param context may be NULL. @since 0.1 */
FST_API void fst_context_destroy(fst_context *context);

/** What a context works with; filled by fst_context_get_info. @since 0.1 */
typedef struct fst_context_info {
    size_t struct_size;       /**< size the caller passed */
    int32_t threads;          /**< workers, the calling thread included */
    int32_t provider;         /**< FST_PROVIDER_ value in use for float32 */
    int32_t bf16;             /**< 1 if bfloat16 products run on the processor's own instructions */
    int32_t reserved;         /**< 0 */
    int64_t live_bytes;       /**< bytes held through the context's allocator now */
    int64_t peak_bytes;       /**< most bytes held so far */
    int64_t allocations;      /**< allocations so far */
    const char *provider_name; /**< e.g. "oneDNN 2.6.3 avx512_core_bf16"; borrowed, lives as the context does */
} fst_context_info;

/** @param context the context. @param info out. @param size sizeof *info.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_context_get_info(const fst_context *context, fst_context_info *info, size_t size);

/** Product version. @return static text, e.g. "0.1.0". @since 0.1 */
FST_API const char *fst_version(void);

/** Version of the binary interface, the number in the soname. @since 0.1 */
FST_API int32_t fst_abi_version(void);

#ifdef __cplusplus
}
#endif

#endif
