/*
 * A run's state in one safetensors file.
 *
 * What the state is, is written down once, as a walk over named values (a stage's `visit`). The same
 * walk writes a file, checks that a file fits before anything is changed, and reads it back; so a
 * field cannot be saved and forgotten on the way in.
 *
 * Tensors hold what changes; the metadata holds the settings the state depends on, and a checksum
 * over both, since a file can be torn at its full length.
 */
#ifndef FST_STAGES_CHECKPOINT_H
#define FST_STAGES_CHECKPOINT_H

#include "base/context.h"
#include "formats/safetensors.h"

typedef enum fst__visit_mode {
    FST__VISIT_WRITE,
    FST__VISIT_CHECK, /* compares with an open file and changes nothing */
    FST__VISIT_READ,
} fst__visit_mode;

typedef struct fst__visitor {
    fst__visit_mode mode;
    fst_context *context;
    fst__safetensors_writer *writer; /* WRITE */
    const fst__safetensors *file;    /* CHECK, READ */
    uint64_t checksum; /* of settings and tensors so far when writing, of settings when checking */
    size_t tensors;                  /* visited so far */
    fst_status status;               /* the first failure; later visits do nothing */
} fst__visitor;

/* No counter in a file is larger: what is added to one does not overflow. */
#define FST__COUNTER_MOST (INT64_MAX / 4)

/* Contiguous values of the view's type and shape; the tensor is "prefix.name", or "prefix" if name
 * is NULL. WRITE borrows them until the file is written. */
void fst__visit_view(fst__visitor *visitor, const char *prefix, const char *name,
                     const fst_view *view);

/* Scalars and short rows. fst__visit_i64 returns the value that the state has, or will have when
 * the file is read, so that a walk can branch on it while checking; it refuses one outside
 * [least, most]. */
int64_t fst__visit_i64(fst__visitor *visitor, const char *prefix, const char *name, int64_t *value,
                       int64_t least, int64_t most);
void fst__visit_doubles(fst__visitor *visitor, const char *prefix, const char *name, double *values,
                        int64_t count);

/* A field of a struct of settings. Strict ones must be equal for the file to fit; others only warn. */
typedef enum fst__setting_kind {
    FST__SETTING_I32,
    FST__SETTING_I64,
    FST__SETTING_F64,
} fst__setting_kind;

typedef struct fst__setting {
    const char *name;
    size_t offset;
    fst__setting_kind kind;
    int strict;
} fst__setting;

/* Metadata "prefix.name" for each. */
void fst__visit_settings(fst__visitor *visitor, const char *prefix, const fst__setting *settings,
                         size_t count, const void *structure);
void fst__visit_setting_text(fst__visitor *visitor, const char *key, const char *value, int strict);
/* An array as what tells it from others; NULL: "none". */
void fst__visit_setting_bytes(fst__visitor *visitor, const char *key, const void *bytes, size_t size,
                              int strict);

/* The walk of a whole state. */
typedef void (*fst__walk)(void *owner, fst__visitor *visitor);

fst_status fst__checkpoint_write(fst_context *context, const char *path, const char *stage,
                                 fst__walk walk, void *owner);

/* *changed: true once the state was touched, also where reading then failed. */
fst_status fst__checkpoint_read(fst_context *context, const char *path, const char *stage,
                                fst__walk walk, void *owner, bool *changed);

#endif
