#include "every_allocation.h"

#include <check.h>

small_failures fail_every_allocation(const small_life *life, void *test, small_memory *memory,
                                     bool and_all_after)
{
    small_failures seen = {0};
    do {
        *memory = (small_memory){.fail_on = and_all_after};
        if (life->prepare)
            life->prepare(test);
        memory->fail_at = memory->calls + ++seen.lives;
        fst_status status = life->live(test);
        ck_assert_msg(status == FST_OK || status == FST_ERR_NO_MEMORY, "allocation %d: %s: %s",
                      (int)seen.lives, fst_status_name(status), fst_last_error());
        seen.failed += status != FST_OK;
        seen.unnoticed += status == FST_OK && memory->calls >= memory->fail_at;
        life->destroy(test);
        ck_assert_msg(memory->live_blocks == 0, "allocation %d: %d blocks leak", (int)seen.lives,
                      (int)memory->live_blocks);
        ck_assert_int_lt(seen.lives, 5000);
    } while (memory->calls >= memory->fail_at);
    return seen;
}
