/*
 * Short programs over the public interface, one for each thing that a host does with the library.
 * The torture tests run them while memory fails, under sanitizers, and watch the host's state.
 */
#ifndef FST_TESTS_CHAINS_H
#define FST_TESTS_CHAINS_H

#include "fourstage/context.h"

typedef struct chain {
    const char *name;
    /* Gives back the first status that is not FST_OK, with everything destroyed. `folder` exists, is
     * empty at first, and may be used again with what an earlier run left there. */
    fst_status (*run)(const fst_context_options *options, const char *folder);
} chain;

/* In files of their own. */
fst_status chain_adapter(const fst_context_options *options, const char *folder);
fst_status chain_encoder(const fst_context_options *options, const char *folder);
fst_status chain_heads(const fst_context_options *options, const char *folder);
fst_status chain_rl(const fst_context_options *options, const char *folder);
fst_status chain_sft(const fst_context_options *options, const char *folder);

extern const chain chains[];
extern const int chain_count;

/* Handles that several threads read at once. */
typedef struct chain_shared chain_shared;
fst_status chain_shared_create(const fst_context_options *options, chain_shared **shared);
/* Calls what takes const handles: encodes, decodes, reads rows, saves the model into `folder`. */
fst_status chain_shared_read(const chain_shared *shared, const char *folder);
void chain_shared_destroy(chain_shared *shared);

/* Context options for tests: provider from FOURSTAGE_TEST_PROVIDER ("reference"), else automatic. */
fst_context_options chain_options(int32_t threads);

/* A new folder under TMPDIR, its path in `path`; and its removal with all files in it. */
void chain_folder_make(char path[256]);
void chain_folder_remove(const char *path);

#endif
