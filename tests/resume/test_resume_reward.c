/* A run that learns scores and was interrupted anywhere ends with the bytes of one that was not; and
 * running statistics of rewards come back from a checkpoint. */
#include "../support/small_reward.h"
#include "interrupted.h"
#include "small_run.h"
#include "stages/checkpoint.h"
#include "stages/scoring/scoring.h"

static small_reward_config configs[5];

static void make_configs(void)
{
    for (int i = 0; i < 5; ++i) {
        configs[i] = small_reward_defaults(i < 3 ? FST_REWARD_PAIRWISE : FST_REWARD_GRADED);
        configs[i].reward.accumulation = 2;
        configs[i].run.total_steps = 4;
        configs[i].run.evaluate_every = 2;
        configs[i].model_dropout = 0.1;
        configs[i].reward.dropout = 1;
    }
    configs[1].answers = 4;
    configs[1].family = FST_FAMILY_LLAMA;
    configs[1].reward.scale_to_one = 1;
    configs[2].adapter = 1;
    configs[2].dtype = FST_BF16;
    configs[2].reward.shuffle = 0;
    configs[4].own_heads = 1;
}

typedef struct making {
    const small_reward_config *config;
    small_reward s;
} making;

static fst_run *create(void *test)
{
    making *m = test;
    small_reward_create(&m->s, m->config);
    return m->s.run;
}

static void destroy(void *test)
{
    small_reward_destroy(&((making *)test)->s);
}

START_TEST(test_every_micro_batch)
{
    make_configs();
    making m = {.config = &configs[_i]};
    interrupt_everywhere(&(small_maker){create, destroy, NULL}, &m, 8);
}
END_TEST

/* The shift at the end is a function of the state: a run stopped before it and shifted by hand is the
 * same model. */
START_TEST(test_shift_by_hand)
{
    small_reward_config config = small_reward_defaults(FST_REWARD_PAIRWISE);
    small_reward s;
    small_reward_create(&s, &config);
    REQUIRE(fst_run_until(s.run, 0));
    fst_view view;
    REQUIRE(fst_model_parameter(s.base.model, "heads.score.bias", &view));
    float at_the_end = ((float *)view.data)[0];
    small_reward_destroy(&s);
    config.reward.shift_to_zero = 0;
    small_reward_create(&s, &config);
    REQUIRE(fst_run_until(s.run, 0));
    REQUIRE(fst_model_parameter(s.base.model, "heads.score.bias", &view));
    ck_assert_float_ne(((float *)view.data)[0], at_the_end);
    REQUIRE(fst_reward_shift(s.run, 0, NULL, NULL));
    REQUIRE(fst_model_parameter(s.base.model, "heads.score.bias", &view));
    ck_assert_float_eq(((float *)view.data)[0], at_the_end);
    small_reward_destroy(&s);
}
END_TEST

START_TEST(test_another_recipe_is_refused)
{
    small_reward_config config = small_reward_defaults(FST_REWARD_GRADED);
    char *folder = small_folder();
    small_reward s;
    small_reward_create(&s, &config);
    REQUIRE(fst_run_save(s.run, small_path(folder, "one")));
    small_reward_destroy(&s);
    const int32_t losses[] = {FST_ASPECT_BT, FST_ASPECT_BT, FST_ASPECT_ORDINAL};
    config.reward.aspect_losses = losses;
    small_reward_create(&s, &config);
    ck_assert_int_eq(fst_run_resume(s.run, small_path(folder, "one")), FST_ERR_MISMATCH);
    ck_assert_msg(strstr(fst_last_error(), "aspect.0.loss"), "%s", fst_last_error());
    REQUIRE(fst_run_step(s.run, NULL, 0)); /* untouched */
    small_reward_destroy(&s);
    small_folder_remove(folder);
}
END_TEST

/* ---- running statistics ---- */

static int32_t count_up(const fst_reward_batch *batch, float *scores, void *user)
{
    float *next = user;
    for (int64_t i = 0; i < batch->count; ++i)
        scores[i] = (*next += 1.25f);
    return 0;
}

static void walk(void *owner, fst__visitor *visitor)
{
    for (int64_t i = 0; i < fst__reward_model_state_count(owner); ++i) {
        const char *name;
        fst_view view;
        fst__reward_model_state(owner, i, &name, &view);
        fst__visit_view(visitor, "reward_model", name, &view);
    }
}

static fst_reward_model *normalised_sum(fst_context *context, float *next)
{
    fst_reward_model *leaf, *inner, *outer;
    fst_reward_combine_options o;
    REQUIRE(fst_reward_combine_options_init(&o, sizeof o));
    REQUIRE(fst_reward_model_from_callback(context, count_up, next, NULL, &leaf));
    o.normalise = FST_NORMALISE_MEMBERS;
    REQUIRE(fst_reward_model_combine(context, &leaf, NULL, 1, &o, &inner));
    o.normalise = FST_NORMALISE_SUM;
    REQUIRE(fst_reward_model_combine(context, &inner, NULL, 1, &o, &outer));
    fst_reward_model_destroy(leaf);
    fst_reward_model_destroy(inner);
    return outer;
}

static void score_five(fst_reward_model *rm, float *scores)
{
    const char *const texts[] = {"a", "b", "c", "d", "e"};
    REQUIRE(fst_reward_model_score_texts(rm, texts, texts, 5, scores));
}

START_TEST(test_running_statistics)
{
    char *folder = small_folder();
    fst_context *context = tiny_context(1);
    float next = 0, again = 0, straight[5], resumed[5];
    fst_reward_model *rm = normalised_sum(context, &next), *other = normalised_sum(context, &again);
    ck_assert_int_eq(fst__reward_model_state_count(rm), 6);
    score_five(rm, straight);
    REQUIRE(fst__checkpoint_write(context, small_path(folder, "state"), "test", walk, rm));
    again = next;
    score_five(rm, straight);
    bool changed;
    REQUIRE(fst__checkpoint_read(context, small_path(folder, "state"), "test", walk, other, &changed));
    score_five(other, resumed);
    ck_assert_mem_eq(straight, resumed, sizeof straight);
    fst_reward_model_destroy(rm);
    fst_reward_model_destroy(other);
    fst_context_destroy(context);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resuming over rewards");
    TCase *cases = tcase_create("resume");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_every_micro_batch, 0, 5);
    tcase_add_test(cases, test_shift_by_hand);
    tcase_add_test(cases, test_another_recipe_is_refused);
    tcase_add_test(cases, test_running_statistics);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
