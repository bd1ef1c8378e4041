/* Members of a config.json, for those who read and write one for a family. */
#ifndef FST_MODEL_CONFIG_JSON_H
#define FST_MODEL_CONFIG_JSON_H

#include "formats/json.h"

/* Reading: the first failure is kept and the rest skipped, so that a reader sees the fields. A
 * member that is missing or null leaves *out alone unless it is required. */
typedef struct fst__config_reading {
    const json_t *root;
    const char *file;
    fst_status status;
} fst__config_reading;

void fst__config_read_size(fst__config_reading *from, const char *key, bool required, int32_t *out);
void fst__config_read_real(fst__config_reading *from, const char *key, double *out);
void fst__config_read_flag(fst__config_reading *from, const char *key, int32_t *out);
/* An id, or the first of a list of ids. */
void fst__config_read_id(fst__config_reading *from, const char *key, int64_t *out);
/* By its name in transformers; `standard` where there is none. */
void fst__config_read_activation(fst__config_reading *from, const char *key, const char *standard,
                                 int32_t *out);

const char *fst__config_activation_name(int32_t activation);
/* jansson's setter fails only for lack of memory; then the member is missing. */
void fst__config_set(json_t *root, const char *key, json_t *value);

#endif
