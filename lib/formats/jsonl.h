/*
 * JSON Lines, one object a line, read as a stream: memory holds one line and not the file. Lines
 * end in \n or \r\n, the last one may lack it; blank lines are passed over. A byte order mark, NUL,
 * bad UTF-8, and a line that is no object are refused with the file, the line and the byte.
 */
#ifndef FST_FORMATS_JSONL_H
#define FST_FORMATS_JSONL_H

#include "formats/json.h"

enum { FST__JSONL_LINE_LIMIT = 256 * 1024 * 1024 }; /* bytes */

typedef struct fst__jsonl fst__jsonl;

fst_status fst__jsonl_open(fst__allocator *allocator, const char *path, fst__jsonl **out);
void fst__jsonl_close(fst__jsonl *reader); /* takes NULL */

/* The next line's object, which the caller releases, and its number from 1 (`line` may be NULL);
 * *object is NULL at the end of the file. After a failure the reader stands behind the bad line. */
fst_status fst__jsonl_next(fst__jsonl *reader, json_t **object, int64_t *line);

/* "path: line N (from byte B)" of the line given last: the `file` for fst__json_get_…. Borrowed until
 * the next call. */
const char *fst__jsonl_place(const fst__jsonl *reader);

#endif
