/* The rules: what they share, and one pair of functions for each that needs a state. */
#ifndef FST_STAGES_SCORING_RULES_H
#define FST_STAGES_SCORING_RULES_H

#include "stages/scoring/scoring.h"

/* A stretch of memory that counts as one: an id, a character, a word. */
typedef struct fst__unit {
    const char *bytes;
    size_t length;
} fst__unit;

/* The units of the answer in hand; keeps its memory until more is needed. */
typedef struct fst__units {
    fst__allocator *allocator;
    fst__unit *units; /* [capacity] */
    size_t *starts;   /* [capacity] of n-grams, to be sorted */
    size_t count, capacity;
} fst__units;

/* rule_units.c */
fst_status fst__units_read(fst__units *units, int32_t unit, const fst_reward_batch *batch,
                           int64_t answer);
/* Shares of n-grams that stood before; 0 for fewer than n units. */
double fst__units_repetition(fst__units *units, size_t n);
void fst__units_destroy(fst__units *units);

/* rule_pattern.c */
typedef struct fst__rule_pattern fst__rule_pattern;
fst_status fst__rule_pattern_create(fst_context *context, const char *pattern, bool whole,
                                    bool ignore_case, fst__rule_pattern **out);
/* 1 or 0; *gave_up: the matching limit was met, the answer is 0. */
fst_status fst__rule_pattern_find(const fst__rule_pattern *pattern, const char *text, double *found,
                                  bool *gave_up);
void fst__rule_pattern_destroy(fst__rule_pattern *pattern); /* takes NULL */

/* rule_lexicon.c */
typedef struct fst__lexicon fst__lexicon;
fst_status fst__lexicon_create(fst_context *context, const fst_reward_rule_options *options,
                               fst__lexicon **out);
fst_status fst__lexicon_score(fst__lexicon *lexicon, const char *text, double *score);
void fst__lexicon_destroy(fst__lexicon *lexicon); /* takes NULL */

#endif
