/*
 * Allocation k fails, for k = 1, 2, … over every chain of calls: once only, and from k on. Each time
 * the chain ends with FST_ERR_NO_MEMORY and a text, or succeeds without that block, and nothing is
 * leaked.
 */
#include "chains.h"

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct budget {
    _Atomic int64_t calls; /* so far */
    int64_t fails_at;      /* number of the call that is refused; 0: none */
    int for_good;          /* and all after it */
    _Atomic int64_t live;
} budget;

static void *allocate(size_t size, void *user)
{
    budget *self = user;
    int64_t call = atomic_fetch_add(&self->calls, 1) + 1;
    if (self->fails_at && (call == self->fails_at || (self->for_good && call > self->fails_at)))
        return NULL;
    void *block = malloc(size);
    if (block) {
        memset(block, 0xA5, size); /* nobody may count on zeros */
        atomic_fetch_add(&self->live, 1);
    }
    return block;
}

static void release(void *block, void *user)
{
    budget *self = user;
    atomic_fetch_sub(&self->live, 1);
    free(block);
}

START_TEST(every_allocation_fails_in_turn)
{
    enum { MOST_RUNS = 600 };
    const chain *each = &chains[_i / 2];
    char folder[256];
    chain_folder_make(folder);
    budget self = {.for_good = _i % 2};
    fst_context_options options = chain_options(2);
    options.allocate = allocate;
    options.release = release;
    options.allocate_user = &self;
    ck_assert_msg(each->run(&options, folder) == FST_OK, "%s: %s", each->name, fst_last_error());
    ck_assert_int_eq(self.live, 0);
    int64_t total = self.calls, failed = 0;
    ck_assert_int_gt(total, 0);
    int64_t stride = total / MOST_RUNS + 1;
    for (int64_t k = 1; k <= total; k += stride) {
        self.calls = 0;
        self.fails_at = k;
        fst_status status = each->run(&options, folder);
        ck_assert_msg(status == FST_OK || status == FST_ERR_NO_MEMORY,
                      "%s, allocation %d of %d refused: status %d, %s", each->name, (int)k,
                      (int)total, status, fst_last_error());
        if (status)
            ck_assert_msg(*fst_last_error() != '\0', "%s, allocation %d: no text", each->name, (int)k);
        ck_assert_msg(self.live == 0, "%s, allocation %d of %d refused: %d blocks leaked",
                      each->name, (int)k, (int)total, (int)self.live);
        failed += status != FST_OK;
    }
    ck_assert_int_gt(failed, 0);
    /* And afterwards it works as before. */
    self.calls = self.fails_at = 0;
    ck_assert_int_eq(each->run(&options, folder), FST_OK);
    chain_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 280);
    tcase_add_loop_test(tcase, every_allocation_fails_in_turn, 0, 2 * chain_count);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
