/*
 * Tables as text, a row at a time: CSV as RFC 4180 has it (fields between double quotes may hold
 * commas, line ends and doubled quotes), and TSV, whose fields end at tabs and where nothing is
 * quoted. Empty lines are passed over. A quote inside a field that does not begin with one, text
 * behind a closing quote, a quote that is never closed, NUL and bad UTF-8 are refused.
 */
#ifndef FST_FORMATS_CSV_H
#define FST_FORMATS_CSV_H

#include "formats/lines.h"

typedef struct fst__csv fst__csv;

typedef struct fst__csv_row {
    const char *const *fields; /* each ends in NUL; borrowed until the next call */
    const size_t *lengths;
    int64_t count;
    int64_t line; /* on which it begins, from 1 */
} fst__csv_row;

/* separator: ',' with quotes, '\t' without. */
fst_status fst__csv_open(fst__allocator *allocator, const char *path, char separator, bool latin1,
                         fst__csv **out);
void fst__csv_close(fst__csv *csv); /* takes NULL */

/* row->count is 0 at the end. Errors name the file and the line. */
fst_status fst__csv_next(fst__csv *csv, fst__csv_row *row);

#endif
