/* The objects of a JSON document that a path of names and '*' leads to; see formats/records.h. */
#ifndef FST_FORMATS_JSON_WALK_H
#define FST_FORMATS_JSON_WALK_H

#include "base/text.h"
#include "formats/json.h"

typedef struct fst__json_walk fst__json_walk;

/* `root` is borrowed, `file` (for errors) too; path may be NULL. */
fst_status fst__json_walk_open(fst__allocator *allocator, const json_t *root, const char *file,
                               const char *path, fst__json_walk **out);
void fst__json_walk_close(fst__json_walk *walk); /* takes NULL */

/* The next object, borrowed from the root; NULL at the end. */
fst_status fst__json_walk_next(fst__json_walk *walk, json_t **object);

/* "data/3" of the object given last; "" is the root. Borrowed until the next call. */
const char *fst__json_walk_place(const fst__json_walk *walk);

/* Number of lists begun so far; the object given last stands in the newest. */
int64_t fst__json_walk_list(const fst__json_walk *walk);

#endif
