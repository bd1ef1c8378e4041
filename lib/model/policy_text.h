/* The text of sequences in the making: bytes of each token, stop strings, whole characters. */
#ifndef FST_MODEL_POLICY_TEXT_H
#define FST_MODEL_POLICY_TEXT_H

#include "model/policy.h"

/* Appends the bytes of a token. */
fst_status fst__sequence_append_text(const fst_policy *policy, fst__sequence *sequence, int32_t id);

/* Cuts the text at the first stop string in it; true if there was one. */
bool fst__sequence_cut_stop_string(fst__sequence *sequence, const fst_sampling_options *options);

/* Of a sequence that is done: no token will finish its last character any more. */
void fst__sequence_drop_cut_character(fst__sequence *sequence);

/* Bytes from sequence->reported on that may be shown: no cut character, nothing that a stop string
 * may still take away, unless the sequence is done. */
size_t fst__sequence_new_text(const fst__sequence *sequence, const fst_sampling_options *options);

#endif
