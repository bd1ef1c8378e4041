/*
 * A run of the first two stages small enough to be made a thousand times: two layers over random tokens, with
 * an allocator that counts and fails on demand and a log that is remembered.
 */
#ifndef TESTS_SUPPORT_SMALL_RUN_H
#define TESTS_SUPPORT_SMALL_RUN_H

#include "fourstage/adapter.h"
#include "fourstage/context.h"
#include "fourstage/dataset.h"
#include "fourstage/examples.h"
#include "fourstage/model.h"
#include "fourstage/optimizer.h"
#include "fourstage/pretrain.h"
#include "fourstage/sft.h"
#include "fourstage/words.h"

#include <stdatomic.h>
#include <stdbool.h>

/* The host's memory: every block counted, the failing calls chosen. */
typedef struct small_memory {
    _Atomic int64_t live_blocks;
    _Atomic int64_t calls;
    int64_t fail_at; /* number of the call that fails; 0: none */
    bool fail_on;    /* and all after it */
} small_memory;

/* The context's memory comes from there. */
void small_memory_use(small_memory *memory, fst_context_options *context);

typedef struct small_log {
    int64_t warnings;
    char last_warning[1024];
} small_log;

typedef enum small_stage {
    SMALL_PRETRAIN,
    SMALL_MASKED,        /* pretraining of an encoder */
    SMALL_CONVERSATIONS, /* finetuning: answers in packed rows */
    SMALL_CLASSES,       /* finetuning of a head: three classes, some labels missing */
    SMALL_LABELS,        /* three labels of yes and no */
    SMALL_NUMBERS,       /* three numbers */
    SMALL_STAGES,
    SMALL_TAGS = SMALL_STAGES, /* words with tags: a token head; of some tests only */
    SMALL_KINDS,
} small_stage;

/* What to make; small_defaults() and then change. */
typedef struct small_config {
    int32_t threads;
    int32_t provider;
    int64_t seed;
    fst_model_config model;
    int32_t dtype;
    int32_t checkpointing;
    fst_adapter_options adapter; /* rank 0: none */
    fst_head_options head;       /* name NULL: none */
    const char *frozen;          /* pattern of parameters, NULL: none */
    fst_optimizer_options optimizer;
    small_stage stage;
    fst_pretrain_options pretrain; /* handles are filled in; of all stages */
    fst_sft_options sft;           /* finetuning: what pretraining has not */
    bool head_only;                /* all else is frozen */
    int text;                      /* most letters of a labelled text; 0: few */
    fst_run_options run;
    int32_t tokens;                /* of the training data */
    bool documents_apart;
    bool without_optimizer;        /* the run makes its own */
} small_config;

typedef struct small_run {
    small_memory memory;
    small_log log;
    fst_context *context;
    fst_model *model;
    fst_optimizer *optimizer;
    fst_dataset *train, *validation;
    fst_run *run;
} small_run;

small_config small_defaults(void);

/* Everything, or a status with everything destroyed that was made. `memory` is used as it is. */
fst_status small_create(small_run *small, const small_config *config);
void small_destroy(small_run *small);

/* Creates or fails the test. */
void small_create_checked(small_run *small, const small_config *config);

/* A folder of the test's own, empty, removed with small_folder_remove. */
char *small_folder(void);
void small_folder_remove(char *folder);

/* folder/name in one of a few static buffers. */
const char *small_path(const char *folder, const char *name);

/* The file's bytes, malloc'ed. */
char *small_read_file(const char *path, size_t *size);
void small_write_file(const char *path, const char *bytes, size_t size);
bool small_same_file(const char *left, const char *right);

#endif
