/* Spaces of observations and actions: checked, copied, and their values checked. */
#ifndef FST_TENSOR_SPACE_H
#define FST_TENSOR_SPACE_H

#include "base/alloc.h"
#include "fourstage/space.h"

#include <stdbool.h>

fst_space fst__space_defaults(void);

/* Overlays the caller's and checks it; `name` is what the error text calls it. Arrays stay the caller's. */
fst_status fst__space_take(const fst_space *theirs, const char *name, fst_space *ours);
fst_status fst__space_check(const fst_space *space, const char *name);

/* `to` owns its arrays. `from` is checked. */
fst_status fst__space_copy(fst__allocator *allocator, const fst_space *from, fst_space *to);
void fst__space_free(fst__allocator *allocator, fst_space *space); /* takes a zeroed one */

/* Of a checked space. */
int64_t fst__space_elements(const fst_space *space); /* of one value; 1 for Discrete */
int64_t fst__space_bytes(const fst_space *space);
int64_t fst__space_choices(const fst_space *space); /* 0: no masks */
/* Groups of choices, one of which is taken of each: 1 for Discrete, shape[0] for MultiDiscrete, else 0. */
int64_t fst__space_groups(const fst_space *space);
int64_t fst__space_group_choices(const fst_space *space, int64_t group);

/* FST_ERR_NUMERIC for a number that is not finite, FST_ERR_INVALID_ARGUMENT for one outside of the space; the text
 * says "NOUN is …" or "NOUN[i] is …". */
fst_status fst__space_check_value(const fst_space *space, const void *value, const char *noun);
/* The value clipped to low and high of a Box; another space's is copied. */
void fst__space_clip(const fst_space *space, const void *value, void *clipped);

/* masks: [choices]. */
fst_status fst__space_check_mask(const fst_space *space, const uint8_t *mask);
/* Whether the mask allows the (checked) value: "action 3 is not allowed now" where not. */
fst_status fst__space_check_allowed(const fst_space *space, const uint8_t *mask, const void *value, const char *noun);

#endif
