/* Runs that learn scores: what they learn, what they report, what they refuse. */
#include "../support/small_reward.h"

#define CLOSE(got, expected, tolerance)                                                            \
    ck_assert_double_eq_tol((double)(got), (double)(expected), tolerance)
#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(call, status);                                                            \
        ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());                    \
    } while (0)

static double metric(const fst_run *run, const char *name)
{
    return small_dpo_metric(run, name);
}

/* Scores of every answer of the dataset by a reward model over the run's model. */
static int64_t score_all(const small_reward *s, const fst_dataset *dataset, float *scores)
{
    fst_examples_info info;
    REQUIRE(fst_dataset_get_examples_info(dataset, &info, sizeof info));
    const int32_t *prompts[256], *answers[256];
    int64_t prompt_lengths[256], lengths[256], count = 0;
    for (int64_t i = 0; i < info.examples; ++i) {
        fst_example e;
        int64_t j = 0;
        do {
            REQUIRE(fst_dataset_get_example(dataset, i, j, &e, sizeof e));
            prompts[count] = e.ids;
            prompt_lengths[count] = e.prompt_length;
            answers[count] = e.ids + e.prompt_length;
            lengths[count++] = e.length - e.prompt_length;
        } while (++j < e.sequences);
    }
    fst_reward_model *rm;
    REQUIRE(fst_reward_model_from_model(s->base.model, s->base.tokenizer, NULL, &rm));
    REQUIRE(fst_reward_model_score_ids(rm, prompts, prompt_lengths, answers, lengths, count, scores));
    fst_reward_model_destroy(rm);
    return count;
}

START_TEST(test_pairs_are_learned)
{
    small_reward_config c = small_reward_defaults(FST_REWARD_PAIRWISE);
    c.answers = _i;
    c.run.total_steps = 40;
    c.learning_rate = 0.005;
    small_reward s;
    small_reward_create(&s, &c);
    REQUIRE(fst_run_evaluate(s.run));
    double before = metric(s.run, "validation_loss");
    REQUIRE(fst_run_until(s.run, 0));
    REQUIRE(fst_run_evaluate(s.run));
    ck_assert_double_lt(metric(s.run, "validation_loss"), before / 2);
    ck_assert_double_ge(metric(s.run, "validation_accuracy"), 0.9);
    ck_assert_double_gt(metric(s.run, "validation_margin"), 1);
    ck_assert_double_ge(metric(s.run, "validation_calibration"), 0);
    ck_assert_double_le(metric(s.run, "validation_calibration"), 1);
    /* The last step ended with the shift. */
    float scores[256];
    int64_t count = score_all(&s, s.base.train, scores);
    double sum = 0;
    for (int64_t i = 0; i < count; ++i)
        sum += (double)scores[i];
    CLOSE(sum / (double)count, 0, 1e-5);
    double mean, deviation;
    REQUIRE(fst_reward_shift(s.run, 1, &mean, &deviation));
    CLOSE(mean, 0, 1e-5);
    REQUIRE(fst_reward_shift(s.run, 1, &mean, &deviation));
    CLOSE(deviation, 1, 1e-5);
    small_reward_destroy(&s);
}
END_TEST

typedef struct by_hand {
    double loss, pairs, right, margin, longer, bin_count[10], bin_right[10], bin_sure[10];
} by_hand;

static double in_order(double better, double worse)
{
    return better > worse ? 1 : better < worse ? 0 : 0.5;
}

static void add_pair(by_hand *h, double delta, int64_t better_length, int64_t worse_length)
{
    double sure = 1 / (1 + exp(-fabs(delta)));
    int bin = (int)fmin(9, (sure - 0.5) * 20);
    h->pairs += 1;
    h->right += in_order(delta, 0);
    h->margin += delta;
    h->longer += in_order((double)better_length, (double)worse_length);
    h->bin_count[bin] += 1;
    h->bin_right[bin] += in_order(delta, 0);
    h->bin_sure[bin] += sure;
}

/* From the scores of a model that has learned a little. */
START_TEST(test_pair_metrics)
{
    small_reward_config c = small_reward_defaults(FST_REWARD_PAIRWISE);
    c.answers = _i;
    small_reward s;
    small_reward_create(&s, &c);
    REQUIRE(fst_run_until(s.run, 3));
    REQUIRE(fst_run_evaluate(s.run));
    float scores[64];
    int64_t count = score_all(&s, s.base.validation, scores);
    by_hand h = {0};
    double sum = 0, calibration = 0;
    for (int64_t i = 0; i < count; ++i) {
        fst_example better, worse;
        int64_t answers = _i, first = i / answers * answers;
        REQUIRE(fst_dataset_get_example(s.base.validation, i / answers, i % answers, &better,
                                        sizeof better));
        sum += (double)scores[i];
        for (int64_t j = i + 1; j < first + answers; ++j) {
            double delta = (double)scores[i] - (double)scores[j];
            REQUIRE(fst_dataset_get_example(s.base.validation, j / answers, j % answers, &worse,
                                            sizeof worse));
            h.loss += log1p(exp(-delta)) / ((double)answers * (double)(answers - 1) / 2);
            add_pair(&h, delta, better.length, worse.length);
        }
    }
    for (int b = 0; b < 10; ++b)
        calibration += fabs(h.bin_right[b] - h.bin_sure[b]) / h.pairs;
    CLOSE(metric(s.run, "validation_loss"), h.loss / DPO_HELD_OUT, 1e-5);
    CLOSE(metric(s.run, "validation_accuracy"), h.right / h.pairs, 1e-9);
    CLOSE(metric(s.run, "validation_margin"), h.margin / h.pairs, 1e-5);
    CLOSE(metric(s.run, "validation_reward_mean"), sum / (double)count, 1e-5);
    CLOSE(metric(s.run, "validation_length_baseline"), h.longer / h.pairs, 1e-9);
    CLOSE(metric(s.run, "validation_calibration"), calibration, 1e-5);
    small_reward_destroy(&s);
}
END_TEST

/* An evaluation that is cancelled leaves the metrics; the best state is saved; a run that stops early has
 * no shift until it is asked for. */
START_TEST(test_run_verbs)
{
    small_reward_config c = small_reward_defaults(FST_REWARD_PAIRWISE);
    c.run.total_steps = 30;
    c.run.evaluate_every = 1;
    c.run.patience = 1;
    c.learning_rate = 0.5; /* the loss soon rises */
    small_reward s;
    small_reward_create(&s, &c);
    REQUIRE(fst_run_cancel(s.run));
    ck_assert_int_eq(fst_run_evaluate(s.run), FST_STOPPED);
    ck_assert(isnan(metric(s.run, "validation_accuracy")));
    REQUIRE(fst_run_cancel(s.run));
    ck_assert_int_eq(fst_reward_shift(s.run, 0, NULL, NULL), FST_STOPPED);
    REQUIRE(fst_run_until(s.run, 0));
    double mean;
    REQUIRE(fst_reward_shift(s.run, 0, &mean, NULL));
    ck_assert_double_ne(mean, 0);
    fst_run_info info;
    REQUIRE(fst_run_get_info(s.run, &info, sizeof info));
    ck_assert_int_lt(info.step, 30);
    fst_run_destroy(s.run);
    s.run = NULL;
    c.reward.accumulation = 2;
    REQUIRE(small_reward_start(&s, &c));
    REQUIRE(fst_run_advance(s.run, NULL));
    REFUSED(fst_reward_shift(s.run, 0, NULL, NULL), FST_ERR_STATE, "middle");
    REFUSED(fst_reward_shift(s.run, 2, NULL, NULL), FST_ERR_INVALID_ARGUMENT, "scale");
    small_reward_destroy(&s);
}
END_TEST

START_TEST(test_labels_are_learned)
{
    small_reward_config c = small_reward_defaults(FST_REWARD_GRADED);
    c.own_heads = _i;
    c.run.total_steps = 60;
    c.reward.rows = 5;
    c.reward.accumulation = 2;
    c.learning_rate = 0.005;
    small_reward s;
    small_reward_create(&s, &c);
    REQUIRE(fst_run_evaluate(s.run));
    double before = metric(s.run, "validation_loss");
    REQUIRE(fst_run_until(s.run, 0));
    REQUIRE(fst_run_evaluate(s.run));
    ck_assert_double_lt(metric(s.run, "validation_loss"), before / 2);
    ck_assert_double_gt(metric(s.run, "validation_pearson_0"), 0.9);
    ck_assert_double_gt(metric(s.run, "validation_spearman_1"), 0.8);
    ck_assert_double_gt(metric(s.run, "validation_pearson_2"), 0.9);
    ck_assert_double_lt(metric(s.run, "validation_error_0"),
                        metric(s.run, "validation_baseline_0") / 2);
    ck_assert_double_lt(metric(s.run, "validation_error_2"),
                        metric(s.run, "validation_baseline_2") / 2);
    ck_assert(isnan(metric(s.run, "validation_error_1")));
    ck_assert(isnan(metric(s.run, "validation_pearson_3")));
    double mean;
    REFUSED(fst_reward_shift(s.run, 0, &mean, NULL), FST_ERR_STATE, "PAIRWISE");
    small_reward_destroy(&s);
}
END_TEST

/* Weights after a few steps, all of them. */
static int64_t weights_of(const small_reward *s, float *out)
{
    int64_t count, total = 0;
    REQUIRE(fst_model_parameter_count(s->base.model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(s->base.model, i, &name));
        REQUIRE(fst_model_parameter(s->base.model, name, &view));
        int64_t size = view.shape[0] * (view.rank > 1 ? view.shape[1] : 1);
        memcpy(out + total, view.data, (size_t)size * sizeof *out);
        total += size;
    }
    return total;
}

/* Four micro-batches are one batch; of graded texts without the aspect whose pairs are those of a
 * micro-batch. */
START_TEST(test_accumulation)
{
    static float one[1 << 17], four[1 << 17];
    small_reward_config c = small_reward_defaults(_i);
    const double weights[] = {1, 0, 2};
    if (_i == FST_REWARD_GRADED)
        c.reward.aspect_weights = weights;
    c.run.total_steps = 2;
    c.reward.rows = 8;
    double losses[2];
    int64_t count = 0;
    for (int i = 0; i < 2; ++i) {
        if (i) {
            c.reward.rows = 2;
            c.reward.accumulation = 4;
        }
        small_reward s;
        small_reward_create(&s, &c);
        REQUIRE(fst_run_step(s.run, NULL, 0));
        losses[i] = metric(s.run, "loss");
        ck_assert_double_gt(metric(s.run, "gradient_norm"), 1e-3);
        count = weights_of(&s, i ? four : one);
        small_reward_destroy(&s);
    }
    CLOSE(losses[0], losses[1], 1e-6 * fabs(losses[0]));
    double most = 0;
    for (int64_t i = 0; i < count; ++i)
        most = fmax(most, fabs((double)one[i] - (double)four[i]));
    /* AdamW's first step is lr·sign(g): where g is rounding alone it may turn. */
    int64_t turned = 0;
    for (int64_t i = 0; i < count; ++i)
        turned += fabs((double)one[i] - (double)four[i]) > 1e-5;
    ck_assert_int_lt(turned, count / 200);
    ck_assert_double_lt(most, 0.03);
}
END_TEST

START_TEST(test_steady_steps_allocate_nothing)
{
    small_reward_config c = small_reward_defaults(_i);
    c.run.total_steps = 0;
    small_reward s;
    small_reward_create(&s, &c);
    for (int i = 0; i < 6; ++i)
        REQUIRE(fst_run_step(s.run, NULL, 0));
    REQUIRE(fst_run_evaluate(s.run));
    int64_t before = tiny_allocations(s.base.context);
    for (int i = 0; i < 6; ++i)
        REQUIRE(fst_run_step(s.run, NULL, 0));
    REQUIRE(fst_run_evaluate(s.run));
    ck_assert_int_eq(tiny_allocations(s.base.context), before);
    small_reward_destroy(&s);
}
END_TEST

START_TEST(test_threads_change_no_bit)
{
    static float one[1 << 17], three[1 << 17];
    for (int i = 0; i < 2; ++i) {
        small_reward_config c = small_reward_defaults(_i);
        c.context.threads = i ? 3 : 1;
        c.run.total_steps = 3;
        small_reward s;
        small_reward_create(&s, &c);
        REQUIRE(fst_run_until(s.run, 0));
        int64_t count = weights_of(&s, i ? three : one);
        small_reward_destroy(&s);
        if (i)
            ck_assert_int_eq(memcmp(one, three, (size_t)count * sizeof *one), 0);
    }
}
END_TEST

/* ---- what is refused ---- */

static void refuse(small_reward_config c, fst_status status, const char *words)
{
    small_reward s;
    small_reward_prepare(&s, &c);
    ck_assert_int_eq(small_reward_start(&s, &c), status);
    ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());
    small_reward_destroy(&s);
}

START_TEST(test_refused)
{
    const small_reward_config pairs = small_reward_defaults(FST_REWARD_PAIRWISE);
    const small_reward_config graded = small_reward_defaults(FST_REWARD_GRADED);
    small_reward_config c = pairs;
    c.reward.rows = 0;
    refuse(c, FST_ERR_INVALID_ARGUMENT, "rows");
    c = pairs;
    c.reward.centering = -1;
    refuse(c, FST_ERR_INVALID_ARGUMENT, "centering");
    c = pairs;
    c.reward.shuffle = 2;
    refuse(c, FST_ERR_INVALID_ARGUMENT, "shuffle");
    c = graded;
    const int32_t losses[] = {0, 0, 3}, levels[] = {0, 0, 1}, few[] = {0, 0, 2};
    c.reward.aspect_losses = losses;
    refuse(c, FST_ERR_INVALID_ARGUMENT, "aspect_losses");
    c = graded;
    c.reward.aspect_levels = levels;
    refuse(c, FST_ERR_INVALID_ARGUMENT, "aspect_levels");
    c.reward.aspect_levels = few;
    refuse(c, FST_ERR_MISMATCH, "expected a level 0 to 1");
    c = graded;
    c.reward.aspect_count = 2;
    refuse(c, FST_ERR_MISMATCH, "3 labels");
    c = graded;
    c.reward.spike_action = FST_SPIKE_SKIP;
    refuse(c, FST_ERR_INVALID_ARGUMENT, "spike");
}
END_TEST

START_TEST(test_heads_and_data_that_do_not_fit)
{
    small_reward_config c = small_reward_defaults(FST_REWARD_PAIRWISE);
    small_reward s;
    small_reward_prepare(&s, &c);
    fst_reward_options o = c.reward;
    o.model = s.base.model;
    o.optimizer = s.base.optimizer;
    o.train = s.base.train;
    fst_run *run = NULL;
    o.objective = FST_REWARD_GRADED;
    REFUSED(fst_reward_create(&o, &run), FST_ERR_STATE, "train: expected labelled texts");
    o.objective = FST_REWARD_PAIRWISE;
    const char *const names[] = {"nothing", "score"};
    o.heads = names;
    o.head_count = 1;
    REFUSED(fst_reward_create(&o, &run), FST_ERR_NOT_FOUND, "nothing");
    o.head_count = 2;
    REFUSED(fst_reward_create(&o, &run), FST_ERR_INVALID_ARGUMENT, "head_count");
    o.head_count = 0;
    REFUSED(fst_reward_create(&o, &run), FST_ERR_INVALID_ARGUMENT, "head_count");
    o.heads = NULL;
    o.train = NULL;
    REFUSED(fst_reward_create(&o, &run), FST_ERR_INVALID_ARGUMENT, "train");
    ck_assert_ptr_null(run);
    fst_reward_model *rm = NULL;
    fst_reward_head_options head;
    REQUIRE(fst_reward_head_options_init(&head, sizeof head));
    head.head = "nothing";
    REFUSED(fst_reward_model_from_model(s.base.model, NULL, &head, &rm), FST_ERR_NOT_FOUND, "nothing");
    head.head = "score";
    head.output = 1;
    REFUSED(fst_reward_model_from_model(s.base.model, NULL, &head, &rm), FST_ERR_INVALID_ARGUMENT,
            "output");
    head.output = 0;
    head.scale = 0;
    REFUSED(fst_reward_model_from_model(s.base.model, NULL, &head, &rm), FST_ERR_INVALID_ARGUMENT,
            "scale");
    head.scale = 1;
    head.max_length = 5;
    REQUIRE(fst_reward_model_from_model(s.base.model, NULL, &head, &rm));
    const int32_t ids[] = {1, 2, 3, 4, 5, 6}, *prompts[] = {ids}, *answers[] = {ids + 2};
    const int64_t two = 2, four = 4;
    float score, cut;
    REFUSED(fst_reward_model_score_ids(rm, prompts, &two, answers, &four, 1, &score),
            FST_ERR_INVALID_ARGUMENT, "answer 0");
    const char *text = "x";
    REFUSED(fst_reward_model_score_texts(rm, &text, &text, 1, &score), FST_ERR_INVALID_ARGUMENT,
            "tokenizer");
    fst_reward_model_destroy(rm);
    head.too_long = FST_TOO_LONG_CUT_START;
    REQUIRE(fst_reward_model_from_model(s.base.model, NULL, &head, &rm));
    REQUIRE(fst_reward_model_score_ids(rm, prompts, &two, answers, &four, 1, &cut));
    const int32_t *rest[] = {ids + 1};
    const int64_t one = 1;
    REQUIRE(fst_reward_model_score_ids(rm, rest, &one, answers, &four, 1, &score));
    ck_assert_mem_eq(&cut, &score, sizeof cut);
    fst_reward_model_destroy(rm);
    small_reward_destroy(&s);
}
END_TEST

/* ---- scores of a head ---- */

START_TEST(test_head_scores)
{
    small_reward_config c = small_reward_defaults(FST_REWARD_PAIRWISE);
    c.answers = 5;
    small_reward s;
    small_reward_create(&s, &c);
    float together[256], alone[256], cut[256];
    int64_t count = score_all(&s, s.base.train, together);
    fst_reward_head_options o;
    REQUIRE(fst_reward_head_options_init(&o, sizeof o));
    o.tokens = 1; /* each by itself */
    o.shift = 0.5;
    o.scale = -2;
    fst_reward_model *rm;
    REQUIRE(fst_reward_model_from_model(s.base.model, s.base.tokenizer, &o, &rm));
    for (int64_t i = 0; i < count; ++i) {
        fst_example e;
        REQUIRE(fst_dataset_get_example(s.base.train, i / 5, i % 5, &e, sizeof e));
        const int32_t *answer[] = {e.ids + e.prompt_length}, *prompt[] = {e.ids};
        const int64_t length = e.length - e.prompt_length;
        REQUIRE(fst_reward_model_score_ids(rm, prompt, &e.prompt_length, answer, &length, 1, &alone[i]));
        /* No matter where the prompt ends. */
        const int64_t none = 0;
        REQUIRE(fst_reward_model_score_ids(rm, prompt, &none, prompt, &e.length, 1, &cut[i]));
        ck_assert_mem_eq(&cut[i], &alone[i], sizeof cut[i]);
        double expected = ((double)together[i] - 0.5) * -2;
        CLOSE(alone[i], expected, 1e-6 * (fabs(expected) + 1));
    }
    /* Texts become what the preferences' template made of them. */
    const char *const prompts[] = {"a tea today?"}, *const answers[] = {"so-so"};
    float from_text;
    REQUIRE(fst_reward_model_score_texts(rm, prompts, answers, 1, &from_text));
    ck_assert_mem_eq(&from_text, &alone[2], sizeof from_text);
    fst_reward_model_destroy(rm);
    small_reward_destroy(&s);
}
END_TEST

START_TEST(test_numeric)
{
    small_reward_config c = small_reward_defaults(_i);
    small_reward s;
    small_reward_create(&s, &c);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    fst_view view;
    REQUIRE(fst_model_parameter(s.base.model, "heads.score.weight", &view));
    ((float *)view.data)[3] = NAN;
    REQUIRE(fst_model_weights_changed(s.base.model));
    REFUSED(fst_run_step(s.run, NULL, 0), FST_ERR_NUMERIC, "heads.score.weight");
    REFUSED(fst_run_evaluate(s.run), FST_ERR_NUMERIC, "heads.score.weight");
    small_reward_destroy(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reward");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_pairs_are_learned, 2, 5);
    tcase_add_loop_test(tests, test_pair_metrics, 2, 5);
    tcase_add_test(tests, test_run_verbs);
    tcase_add_loop_test(tests, test_labels_are_learned, 0, 2);
    tcase_add_loop_test(tests, test_accumulation, 0, 2);
    tcase_add_loop_test(tests, test_steady_steps_allocate_nothing, 0, 2);
    tcase_add_loop_test(tests, test_threads_change_no_bit, 0, 2);
    tcase_add_test(tests, test_refused);
    tcase_add_test(tests, test_heads_and_data_that_do_not_fit);
    tcase_add_test(tests, test_head_scores);
    tcase_add_loop_test(tests, test_numeric, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
