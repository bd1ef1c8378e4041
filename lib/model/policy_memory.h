/* What a policy works in. It is kept from one generate to the next, and taken anew only where what
 * is there does not suffice, so that rollouts of one size take no memory after the first. */
#ifndef FST_MODEL_POLICY_MEMORY_H
#define FST_MODEL_POLICY_MEMORY_H

#include "model/policy.h"

/* Drops the results of the last generate; afterwards `need` fits, and policy->sequences point to
 * their parts. FST_ERR_NO_MEMORY: nothing is held. */
fst_status fst__policy_reserve(fst_policy *policy, const fst__policy_need *need);
void fst__policy_drop_memory(fst_policy *policy);

/* Bytes held, the cache of keys and values included; texts are not. */
int64_t fst__policy_bytes(const fst_policy *policy);

/* Bytes of a list of ids that a token was drawn from. */
size_t fst__policy_kept_row(const fst_policy *policy);

#endif
