/*
 * Every allocation of a run that learns scores, and of reward models, fails in turn: the status is
 * FST_ERR_NO_MEMORY, nothing leaks, and every handle can be destroyed.
 */
#include "../support/small_reward.h"
#include "every_allocation.h"

typedef struct life {
    small_reward_config config;
    small_reward s;
    const char *folder;
} life;

static void prepare(void *test)
{
    life *l = test;
    small_reward_prepare(&l->s, &l->config);
}

static void destroy(void *test)
{
    small_reward_destroy(&((life *)test)->s);
}

static fst_status live(void *test)
{
    life *l = test;
    fst_status status = small_reward_start(&l->s, &l->config);
    if (!status)
        status = fst_run_evaluate(l->s.run);
    if (!status)
        status = fst_run_advance(l->s.run, NULL);
    if (!status)
        status = fst_run_save(l->s.run, small_path(l->folder, "state"));
    if (!status)
        status = fst_run_step(l->s.run, NULL, 0);
    if (!status && l->config.reward.objective == FST_REWARD_PAIRWISE)
        status = fst_reward_shift(l->s.run, 1, NULL, NULL);
    return status ? status : fst_run_resume(l->s.run, small_path(l->folder, "state"));
}

START_TEST(test_run)
{
    small_memory memory = {0};
    small_reward_config config = small_reward_defaults(_i);
    config.reward.accumulation = 2;
    config.answers = 3;
    config.own_heads = _i;
    small_memory_use(&memory, &config.context);
    char *folder = small_folder();
    life l = {.config = config, .folder = folder};
    const small_failures seen =
        fail_every_allocation(&(small_life){prepare, live, destroy}, &l, &memory, true);
    ck_assert_int_gt(seen.failed, 10);
    small_folder_remove(folder);
}
END_TEST

/* ---- reward models ---- */

enum { MEMBERS = 7 };

typedef struct models {
    fst_reward_model *members[MEMBERS], *sum;
    int64_t released;
} models;

static int32_t say_one(const fst_reward_batch *batch, float *scores, void *user)
{
    for (int64_t i = 0; i < batch->count; ++i)
        scores[i] = 1;
    return 0;
}

static void note_release(void *user)
{
    ++((models *)user)->released;
}

static fst_status make_rules(const small_reward *s, models *m)
{
    static const char *const words[] = {"good", "bad"};
    static const double weights[] = {1, -1};
    fst_status status = FST_OK;
    for (int32_t kind = FST_RULE_LENGTH; !status && kind <= FST_RULE_END; ++kind) {
        fst_reward_rule_options o;
        REQUIRE(fst_reward_rule_options_init(&o, sizeof o));
        o.kind = kind;
        o.unit = kind == FST_RULE_LENGTH ? FST_UNIT_WORDS : FST_UNIT_TOKENS;
        o.most = 3;
        o.pattern = "[a-z]+ing";
        o.ignore_case = 1;
        o.words = words;
        o.weights = weights;
        o.word_count = 2;
        status = fst_reward_model_from_rule(s->base.context, &o, &m->members[kind]);
    }
    return status;
}

static fst_status make_models(const small_reward *s, models *m)
{
    fst_reward_callback_options callback;
    REQUIRE(fst_reward_callback_options_init(&callback, sizeof callback));
    callback.release = note_release;
    fst_reward_combine_options combine;
    REQUIRE(fst_reward_combine_options_init(&combine, sizeof combine));
    combine.normalise = FST_NORMALISE_MEMBERS;
    fst_status status = make_rules(s, m);
    if (!status)
        status = fst_reward_model_from_callback(s->base.context, say_one, m, &callback, &m->members[5]);
    if (!status)
        status = fst_reward_model_from_model(s->base.model, s->base.tokenizer, NULL, &m->members[6]);
    return status ? status
                  : fst_reward_model_combine(s->base.context, m->members, NULL, MEMBERS, &combine,
                                             &m->sum);
}

static fst_status use_models(const small_reward *s, models *m)
{
    float scores[8];
    const int32_t *prompts[8], *answers[8];
    int64_t prompt_lengths[8], lengths[8];
    for (int i = 0; i < 8; ++i) {
        fst_example e;
        REQUIRE(fst_dataset_get_example(s->base.train, i / 2, i % 2, &e, sizeof e));
        prompts[i] = e.ids;
        prompt_lengths[i] = e.prompt_length;
        answers[i] = e.ids + e.prompt_length;
        lengths[i] = e.length - e.prompt_length;
    }
    fst_status status = fst_reward_model_score_ids(m->sum, prompts, prompt_lengths, answers, lengths, 8,
                                                   scores);
    const char *const texts[] = {"this is a good thing", "not at all"};
    return status ? status
                  : fst_reward_model_score_texts(m->members[6], texts, texts, 2, scores);
}

typedef struct models_life {
    small_reward_config config;
    small_reward s;
    models m;
    bool once;
} models_life;

static void prepare_models(void *test)
{
    models_life *l = test;
    l->m = (models){0};
    small_reward_prepare(&l->s, &l->config);
}

static fst_status live_models(void *test)
{
    models_life *l = test;
    fst_status status = make_models(&l->s, &l->m);
    if (!status)
        status = use_models(&l->s, &l->m);
    /* Refused once, everything works the next time. */
    if (status == FST_ERR_NO_MEMORY && l->once && l->m.sum)
        REQUIRE(use_models(&l->s, &l->m));
    return status;
}

static void destroy_models(void *test)
{
    models_life *l = test;
    bool called_back = l->m.members[5] != NULL;
    for (int i = 0; i < MEMBERS; ++i)
        fst_reward_model_destroy(l->m.members[i]);
    fst_reward_model_destroy(l->m.sum);
    ck_assert_int_eq(l->m.released, called_back);
    small_reward_destroy(&l->s);
}

START_TEST(test_reward_models)
{
    small_memory memory = {0};
    models_life l = {.config = small_reward_defaults(FST_REWARD_PAIRWISE), .once = _i};
    small_memory_use(&memory, &l.config.context);
    const small_failures seen = fail_every_allocation(
        &(small_life){prepare_models, live_models, destroy_models}, &l, &memory, !_i);
    ck_assert_int_gt(seen.failed, 20);
}
END_TEST

int main(void)
{
    TCase *test = tcase_create("memory");
    tcase_set_timeout(test, 300);
    tcase_add_loop_test(test, test_run, 0, 2);
    tcase_add_loop_test(test, test_reward_models, 0, 2);
    Suite *suite = suite_create("memory of reward models");
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
