/*
 * Every allocation of a control policy's life fails in turn: made, acting, learning, saved, loaded. The status is
 * FST_ERR_NO_MEMORY, nothing leaks, every handle can be destroyed, and a file that was there stays whole.
 */
#include "../support/small_control.h"

#include "../support/scratch.h"
#include "every_allocation.h"
#include "model/control_policy.h"
#include "small_run.h"

typedef struct life {
    small_memory *memory;
    const small_control *control;
    const char *path;
    fst_context *context;
    fst_policy *policy, *copy, *loaded;
} life;

static union {
    float box[SMALL_CONTROL_BYTES / 4];
    uint8_t bytes[SMALL_CONTROL_BYTES];
} seen, done;

static void prepare(void *test)
{
    life *l = test;
    fst_context_options options = tiny_context_options(2);
    small_memory_use(l->memory, &options);
    REQUIRE(fst_context_create(&options, &l->context));
    l->policy = l->copy = l->loaded = NULL;
}

static fst_status learn(fst_policy *policy)
{
    float values[3] = {1, 2, 3};
    fst_action_batch batch = {.struct_size = sizeof batch, .count = 3, .observations = &seen, .actions = &done};
    fst_status status = fst_policy_evaluate(policy, &batch, NULL, NULL, NULL);
    return status ? status : fst_policy_backward(policy, values, values, values);
}

static fst_status live(void *test)
{
    life *l = test;
    fst_space spaces[2];
    fst_control_policy_options options = small_control_options(l->control, spaces);
    fst_status status = fst_policy_create_control(l->context, &options, &l->policy);
    small_observations(l->control->observation, 3 * SMALL_WINDOW, 1, &seen);
    if (!status)
        status = fst_policy_act(l->policy, &seen, 3, NULL, &done, NULL, NULL);
    if (!status)
        status = learn(l->policy);
    if (!status)
        status = fst__control_copy(l->policy, &l->copy);
    if (!status)
        status = fst_policy_save(l->policy, l->path);
    return status ? status : fst_policy_load(l->context, l->path, &l->loaded);
}

static void destroy(void *test)
{
    life *l = test;
    fst_policy_destroy(l->loaded);
    fst_policy_destroy(l->copy);
    fst_policy_destroy(l->policy);
    fst_context_destroy(l->context);
}

START_TEST(every_allocation_fails_in_turn)
{
    static const int kinds[] = {2, 7, SMALL_TRANSFORMER + 2};
    scratch place = scratch_create();
    small_memory memory = {0};
    life test = {.memory = &memory, .control = &small_controls[kinds[_i / 2]],
                 .path = scratch_path(&place, "policy.safetensors")};
    const small_life each = {prepare, live, destroy};
    memory = (small_memory){0};
    prepare(&test);
    REQUIRE(live(&test));
    destroy(&test);
    small_failures found = fail_every_allocation(&each, &test, &memory, _i % 2 != 0);
    ck_assert_int_gt(found.failed, 20);
    ck_assert_int_le(found.unnoticed, 1); /* the sweep of what killed writers left behind may fail */
    memory = (small_memory){0};
    prepare(&test);
    REQUIRE(fst_policy_load(test.context, test.path, &test.loaded));
    destroy(&test);
    ck_assert_int_eq(scratch_entries(place.folder), 1);
    scratch_destroy(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("policy_memory");
    TCase *tests = tcase_create("policy_memory");
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, every_allocation_fails_in_turn, 0, 6);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
