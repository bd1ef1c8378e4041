/* Labels of records: numbers, or names that a list such as "Poor=1,Not Good=2,*=0" gives numbers.
 */
#ifndef FST_DATA_LABELS_H
#define FST_DATA_LABELS_H

#include "base/alloc.h"
#include "fourstage/examples.h"

#include <jansson.h>
#include <stdbool.h>

/* One value that has a name; borrowed from the options. */
typedef struct fst__label_value {
    const char *name;
    size_t length;
    double value;
} fst__label_value;

typedef struct fst__label {
    const char *field; /* borrowed */
    fst__label_value *values;
    int64_t value_count; /* 0: the field holds a number */
    bool has_other;      /* "*=…" */
    double other;
} fst__label;

typedef struct fst__labels {
    fst__allocator *allocator;
    fst__label *labels; /* [count] */
    int64_t count;
    float *row; /* [count] of the record read last */
} fst__labels;

/* Close is called also when it fails. */
fst_status fst__labels_open(fst__labels *labels, fst__allocator *allocator,
                            const fst_example_options *options, int64_t count);
void fst__labels_close(fst__labels *labels);
/* Fills labels->row; `file_index` is what the field "@file" stands for. Errors do not say which
 * record it was. */
fst_status fst__labels_read(fst__labels *labels, const json_t *record, int64_t file_index);

/* A member; a name with dots goes through objects where no member has the whole of it. NULL: none.
 */
json_t *fst__record_field(const json_t *record, const char *name);
/* The number that a text is, written as JSON writes it. */
bool fst__parse_number(const char *text, size_t length, double *value);

#endif
