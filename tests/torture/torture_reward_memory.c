/*
 * Every allocation of a run that learns scores, and of reward models, fails in turn: the status is
 * FST_ERR_NO_MEMORY, nothing leaks, and every handle can be destroyed.
 */
#include "../support/small_reward.h"
#include "small_run.h"

typedef struct host_memory {
    int64_t blocks, calls, fail_at;
    bool once;
} host_memory;

static void *allocate(size_t size, void *user)
{
    host_memory *m = user;
    m->calls += 1;
    bool fails = m->fail_at && (m->once ? m->calls == m->fail_at : m->calls >= m->fail_at);
    void *block = fails ? NULL : malloc(size);
    m->blocks += block != NULL;
    return block;
}

static void release(void *block, void *user)
{
    host_memory *m = user;
    m->blocks -= block != NULL;
    free(block);
}

static fst_status live(small_reward *s, const small_reward_config *config, const char *path)
{
    fst_status status = small_reward_start(s, config);
    if (!status)
        status = fst_run_evaluate(s->run);
    if (!status)
        status = fst_run_advance(s->run, NULL);
    if (!status)
        status = fst_run_save(s->run, path);
    if (!status)
        status = fst_run_step(s->run, NULL, 0);
    if (!status && config->reward.objective == FST_REWARD_PAIRWISE)
        status = fst_reward_shift(s->run, 1, NULL, NULL);
    return status ? status : fst_run_resume(s->run, path);
}

START_TEST(test_run)
{
    host_memory memory = {0};
    small_reward_config config = small_reward_defaults(_i);
    config.reward.accumulation = 2;
    config.answers = 3;
    config.own_heads = _i;
    config.context.allocate = allocate;
    config.context.release = release;
    config.context.allocate_user = &memory;
    char *folder = small_folder();
    fst_status status;
    int64_t failed = 0, k = 0;
    do {
        small_reward s;
        memory = (host_memory){0};
        small_reward_prepare(&s, &config);
        memory.fail_at = memory.calls + ++k;
        status = live(&s, &config, small_path(folder, "state"));
        ck_assert_msg(status == FST_OK || status == FST_ERR_NO_MEMORY, "allocation %d: %s: %s",
                      (int)k, fst_status_name(status), fst_last_error());
        failed += status != FST_OK;
        small_reward_destroy(&s);
        ck_assert_msg(memory.blocks == 0, "allocation %d: %d blocks leak", (int)k,
                      (int)memory.blocks);
        ck_assert_int_lt(k, 5000);
    } while (status || memory.calls >= memory.fail_at);
    ck_assert_int_gt(failed, 10);
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

static void destroy_models(models *m)
{
    for (int i = 0; i < MEMBERS; ++i)
        fst_reward_model_destroy(m->members[i]);
    fst_reward_model_destroy(m->sum);
}

START_TEST(test_reward_models)
{
    host_memory memory = {0};
    small_reward_config config = small_reward_defaults(FST_REWARD_PAIRWISE);
    config.context.allocate = allocate;
    config.context.release = release;
    config.context.allocate_user = &memory;
    fst_status status;
    int64_t failed = 0, k = 0;
    do {
        small_reward s;
        models m = {0};
        memory = (host_memory){.once = _i};
        small_reward_prepare(&s, &config);
        memory.fail_at = memory.calls + ++k;
        status = make_models(&s, &m);
        if (!status)
            status = use_models(&s, &m);
        ck_assert_msg(status == FST_OK || status == FST_ERR_NO_MEMORY, "allocation %d: %s: %s",
                      (int)k, fst_status_name(status), fst_last_error());
        failed += status != FST_OK;
        /* Refused once, everything works the next time. */
        if (status && _i && m.sum)
            REQUIRE(use_models(&s, &m));
        bool called_back = m.members[5] != NULL;
        destroy_models(&m);
        ck_assert_int_eq(m.released, called_back);
        small_reward_destroy(&s);
        ck_assert_msg(memory.blocks == 0, "allocation %d: %d blocks leak", (int)k,
                      (int)memory.blocks);
        ck_assert_int_lt(k, 5000);
    } while (status || memory.calls >= memory.fail_at);
    ck_assert_int_gt(failed, 20);
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
