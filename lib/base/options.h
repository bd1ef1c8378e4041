/* Options structs that grow only at the end: an older or newer caller's struct meets ours. */
#ifndef FST_BASE_OPTIONS_H
#define FST_BASE_OPTIONS_H

#include "fourstage/status.h"

/*
 * `ours` holds our defaults (ours_size bytes, first member size_t struct_size). Copies the caller's
 * min(theirs, ours) bytes over it. NULL `theirs` keeps the defaults. Refuses a struct_size smaller
 * than size_t, one that is absurd, and a tail unknown to us that is not all zero. Afterwards
 * ours->struct_size == ours_size. `name` is the struct's name for the error text.
 */
fst_status fst__options_overlay(void *ours, size_t ours_size, const void *theirs, const char *name);

/* The body of every fst_x_options_init: writes the first min(size, ours_size) bytes of the defaults
 * to the caller, zeroes the rest and sets struct_size = size. */
fst_status fst__options_init(void *theirs, size_t size, const void *defaults, size_t ours_size,
                             const char *name);

/* What fst__options_init would refuse, for a call that fills a struct at its end: found before
 * anything is done, with nothing written. */
fst_status fst__options_check(const void *theirs, size_t size, const char *name);

#endif
