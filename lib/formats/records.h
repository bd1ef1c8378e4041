/*
 * The records of a file, one after the other, whatever its format: each is a JSON object.
 *
 *   JSONL  an object a line; blank lines are passed over.
 *   JSON   one document. `path` says where the records are: names and '*' with dots between them,
 *          '*' going through an array's elements or an object's members in the file's order:
 *          "data", "*.content.*". An array where the path ends is gone through as by one '*' more.
 *          Without a path: the root's elements if it is an array, else the root itself.
 *   CSV    formats/csv.h; an object of strings, named by the header or "0", "1", …. Every row has
 *   TSV    as many fields as the first. A header's empty name counts as its number.
 *   LINES  {"text": the line}; empty lines are passed over.
 *
 * Each may be packed (".gz", see formats/source.h). Only JSON is held as a whole. Text is strict
 * UTF-8 without NUL, or latin-1 on demand; a byte order mark at the beginning is passed over.
 * Malformed input is FST_ERR_FORMAT, and its text names the file and the line or the record.
 */
#ifndef FST_FORMATS_RECORDS_H
#define FST_FORMATS_RECORDS_H

#include "formats/json.h"

enum { /* the FST_FORMAT_ values of fourstage/examples.h */
    FST__RECORDS_AUTO,
    FST__RECORDS_JSONL,
    FST__RECORDS_JSON,
    FST__RECORDS_CSV,
    FST__RECORDS_TSV,
    FST__RECORDS_LINES,
};

typedef struct fst__records_options {
    int32_t format;   /* AUTO: by the name: .jsonl, .json, .csv, .tsv, .txt, with .gz behind it or not */
    bool header;      /* CSV, TSV: the first row names the columns */
    bool latin1;      /* the file's bytes are latin-1 */
    const char *path; /* JSON: see above; NULL or "": none */
} fst__records_options;

typedef struct fst__records fst__records;

/* FST_ERR_INVALID_ARGUMENT: a name that says no format, a path for a format that has none. */
fst_status fst__records_open(fst__allocator *allocator, const char *file,
                             const fst__records_options *options, fst__records **out);
void fst__records_close(fst__records *records); /* takes NULL */

/* The next record, borrowed until the next call; NULL at the end. After a bad line of JSONL the
 * reader stands behind it; after any other failure only close is left. */
fst_status fst__records_next(fst__records *records, json_t **record);

/* "file: line 7" or "file: record 12 (data/3)" of the record given last, for errors. Borrowed until
 * the next call. */
const char *fst__records_place(const fst__records *records);

/* Its line from 1, or for JSON its number from 0. */
int64_t fst__records_number(const fst__records *records);

/* The list it stands in: changes where the innermost array or object a '*' goes through changes
 * (each dialogue of "*.content.*" is a list of turns). 0 for other formats. */
int64_t fst__records_list(const fst__records *records);

#endif
