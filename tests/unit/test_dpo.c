/* Training on preferences: it learns, and every option means what it says. */
#include "../support/small_dpo.h"

#include "stages/rl/dpo.h"

#define CLOSE(got, expected, tolerance)                                                            \
    ck_assert_double_eq_tol((double)(got), (double)(expected), tolerance)

/* All kinds: the loss falls, implicit rewards put the answers in order, on held-out prompts too. */
START_TEST(test_learns)
{
    small_dpo_config c = small_dpo_defaults();
    small_dpo s;
    c.dpo.kind = _i;
    c.dpo.beta = _i == FST_DPO_IPO ? 1 : 0.5;
    c.run.total_steps = 12;
    small_dpo_create(&s, &c);
    REQUIRE(fst_run_evaluate(s.run));
    double before = small_dpo_metric(s.run, "validation_loss");
    CLOSE(small_dpo_metric(s.run, "validation_accuracy"), 0.5,
          1e-12); /* the policy is the reference */
    CLOSE(small_dpo_metric(s.run, "validation_margin"), 0, 1e-12);
    const double first[] = {log(2), 0.25, 1, 0.5};
    CLOSE(before, first[_i], 1e-6);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    CLOSE(small_dpo_metric(s.run, "loss"), first[_i], 1e-6);
    ck_assert_double_gt(small_dpo_metric(s.run, "gradient_norm"), 0);
    double chosen = small_dpo_metric(s.run, "chosen_log_probability");
    ck_assert_double_lt(chosen, -1);
    REQUIRE(fst_run_until(s.run, 0));
    ck_assert_double_lt(small_dpo_metric(s.run, "loss"), 0.6 * first[_i]);
    ck_assert_double_eq(small_dpo_metric(s.run, "accuracy"), 1);
    ck_assert_double_gt(small_dpo_metric(s.run, "margin"), 0);
    CLOSE(small_dpo_metric(s.run, "chosen_reward") - small_dpo_metric(s.run, "rejected_reward"),
          small_dpo_metric(s.run, "margin"), 1e-9);
    CLOSE(small_dpo_metric(s.run, "epoch"), 12 * 3 / 14., 1e-12);
    ck_assert_int_eq(isnan(small_dpo_metric(s.run, "reference_point")), _i != FST_DPO_KTO);
    REQUIRE(fst_run_evaluate(s.run));
    ck_assert_double_eq(small_dpo_metric(s.run, "validation_accuracy"), 1);
    ck_assert_double_lt(small_dpo_metric(s.run, "validation_loss"), 0.7 * before);
    small_dpo_destroy(&s);
}
END_TEST

/* All weights, malloc'ed. */
static double *weights_of(fst_model *model, int64_t *count)
{
    int64_t names, used = 0;
    REQUIRE(fst_model_parameter_count(model, &names));
    double *all = NULL;
    for (int64_t i = 0; i < names; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        REQUIRE(fst_model_parameter(model, name, &view));
        int64_t size = view.shape[0] * (view.rank > 1 ? view.shape[1] : 1);
        all = realloc(all, (size_t)(used + size) * sizeof *all);
        for (int64_t j = 0; j < size; ++j)
            all[used++] = (double)((const float *)view.data)[j];
    }
    *count = used;
    return all;
}

/* The weights after so many steps of a run, malloc'ed. */
static double *weights_after(const small_dpo_config *c, int64_t *count, double *loss, int steps)
{
    small_dpo s;
    small_dpo_create(&s, c);
    for (int i = 0; i < steps; ++i)
        REQUIRE(fst_run_step(s.run, NULL, 0));
    *loss = small_dpo_metric(s.run, "loss");
    double *all = weights_of(s.model, count);
    small_dpo_destroy(&s);
    return all;
}

static double largest_difference(const double *a, const double *b, int64_t count)
{
    double most = 0;
    for (int64_t i = 0; i < count; ++i)
        most = fmax(most, fabs(a[i] - b[i]));
    return most;
}

/* Four micro-batches of one pair are one batch of four. */
START_TEST(test_accumulation)
{
    small_dpo_config c = small_dpo_defaults();
    c.dpo.kind = _i;
    c.dpo.sft = 0.2;
    c.dpo.rows = 4;
    int64_t count, again;
    double loss, loss_again;
    double *whole = weights_after(&c, &count, &loss, 1);
    c.dpo.rows = 1;
    c.dpo.accumulation = 4;
    double *parts = weights_after(&c, &again, &loss_again, 1);
    ck_assert_int_eq(count, again);
    CLOSE(loss_again, loss, 1e-6 * loss);
    /* AdamW's first update is lr·sign(g): what is left are gradients next to nothing */
    int64_t apart = 0;
    for (int64_t i = 0; i < count; ++i)
        apart += fabs(whole[i] - parts[i]) > 1e-6;
    ck_assert_int_le(apart, count / 200);
    free(parts);
    free(whole);
}
END_TEST

/* The same gradients to 1e-6, before the optimizer makes signs of them. */
START_TEST(test_accumulated_gradients)
{
    double norms[2];
    for (int i = 0; i < 2; ++i) {
        small_dpo_config c = small_dpo_defaults();
        small_dpo s;
        c.dpo.rows = i ? 1 : 6;
        c.dpo.accumulation = i ? 6 : 1;
        small_dpo_create(&s, &c);
        REQUIRE(fst_run_step(s.run, NULL, 0));
        norms[i] = small_dpo_metric(s.run, "gradient_norm");
        small_dpo_destroy(&s);
    }
    CLOSE(norms[1], norms[0], 1e-6 * norms[0]);
}
END_TEST

START_TEST(test_threads)
{
    small_dpo_config c = small_dpo_defaults();
    c.dpo.kind = FST_DPO_KTO;
    int64_t count, again;
    double loss, loss_again;
    double *one = weights_after(&c, &count, &loss, 3);
    c.context.threads = 3;
    double *three = weights_after(&c, &again, &loss_again, 3);
    ck_assert_double_eq(largest_difference(one, three, count), 0);
    ck_assert_double_eq(loss, loss_again);
    free(three);
    free(one);
}
END_TEST

/* A copy, another model with the same weights, and the trunk under a fresh adapter are the same
 * reference. */
START_TEST(test_references)
{
    small_dpo_config c = small_dpo_defaults();
    int64_t count, again;
    double loss, loss_given;
    double *copy = weights_after(&c, &count, &loss, 3);
    c.given = 1;
    double *given = weights_after(&c, &again, &loss_given, 3);
    ck_assert_double_eq(largest_difference(copy, given, count), 0);
    ck_assert_double_eq(loss, loss_given);
    free(given);
    free(copy);

    c.given = 0;
    c.adapter = 1;
    c.run.total_steps = 12;
    small_dpo s;
    small_dpo_create(&s, &c);
    fst_memory memory;
    REQUIRE(fst_run_memory(s.run, &memory, sizeof memory));
    REQUIRE(fst_run_step(s.run, NULL, 0));
    CLOSE(small_dpo_metric(s.run, "loss"), log(2), 1e-6);
    REQUIRE(fst_run_until(s.run, 0));
    ck_assert_double_lt(small_dpo_metric(s.run, "loss"), 0.6);
    small_dpo_destroy(&s);
    c.dpo.reference = FST_REFERENCE_COPY;
    small_dpo_create(&s, &c);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    CLOSE(small_dpo_metric(s.run, "loss"), log(2), 1e-6);
    small_dpo_destroy(&s);
}
END_TEST

/* The α term alone keeps what is chosen likely. */
START_TEST(test_sft_term)
{
    double chosen[2];
    for (int i = 0; i < 2; ++i) {
        small_dpo_config c = small_dpo_defaults();
        small_dpo s;
        c.run.total_steps = 10;
        c.dpo.sft = i;
        small_dpo_create(&s, &c);
        REQUIRE(fst_run_step(s.run, NULL, 0));
        CLOSE(small_dpo_metric(s.run, "loss"), log(2) + i * small_dpo_metric(s.run, "sft_loss"),
              1e-6);
        REQUIRE(fst_run_until(s.run, 0));
        chosen[i] = small_dpo_metric(s.run, "chosen_log_probability");
        small_dpo_destroy(&s);
    }
    ck_assert_double_gt(chosen[1], chosen[0] + 1);
}
END_TEST

/* Five ranked answers: ten epochs see the ten pairs, the farthest apart first. */
START_TEST(test_ranked_answers)
{
    small_dpo_config c = small_dpo_defaults();
    c.answers = 5;
    c.dpo.rows = 1;
    c.dpo.shuffle = 0;
    small_dpo s;
    small_dpo_create(&s, &c);
    fst__dpo *dpo = s.run->state;
    int seen[5][5] = {{0}};
    for (int64_t epoch = 0; epoch < 10; ++epoch) {
        fst_batch batch;
        const fst__dpo_place place = {
            .dataset = s.train,
            .examples = DPO_PROMPTS,
            .first = epoch * DPO_PROMPTS,
            .valid = 1,
            .training = true,
        };
        REQUIRE(fst__dpo_read(dpo, &place, &batch));
        int found[2] = {-1, -1};
        for (int row = 0; row < 2; ++row) {
            for (int answer = 0; answer < 5; ++answer) {
                fst_example example;
                REQUIRE(fst_dataset_get_example(s.train, 0, answer, &example, sizeof example));
                if (example.length == batch.lengths[row] &&
                    memcmp(example.ids, batch.ids + row * batch.length,
                           (size_t)example.length * 4) == 0)
                    found[row] = answer;
            }
        }
        ck_assert_int_ge(found[0], 0);
        ck_assert_int_lt(found[0], found[1]);
        if (epoch == 0)
            ck_assert(found[0] == 0 && found[1] == 4);
        seen[found[0]][found[1]] += 1;
    }
    for (int i = 0; i < 5; ++i)
        for (int j = i + 1; j < 5; ++j)
            ck_assert_int_eq(seen[i][j], 1);
    small_dpo_destroy(&s);
}
END_TEST

/* Each prompt with the answers to the next one. */
START_TEST(test_mismatched)
{
    small_dpo_config c = small_dpo_defaults();
    c.dpo.kind = FST_DPO_KTO;
    c.dpo.shuffle = 0;
    small_dpo s;
    small_dpo_create(&s, &c);
    fst__dpo *dpo = s.run->state;
    const fst__dpo_place place = {
        .dataset = s.train,
        .examples = DPO_PROMPTS,
        .first = DPO_PROMPTS - 1,
        .valid = 3,
        .training = true,
    };
    fst_batch batch;
    REQUIRE(fst__dpo_read_mismatched(dpo, &place, &batch));
    ck_assert_int_eq(batch.rows, 6);
    for (int64_t row = 0; row < 6; ++row) {
        int64_t prompt = (place.first + row % 3) % DPO_PROMPTS, other = (prompt + 1) % DPO_PROMPTS;
        fst_example own, next;
        REQUIRE(fst_dataset_get_example(s.train, prompt, 0, &own, sizeof own));
        REQUIRE(fst_dataset_get_example(s.train, other, row / 3, &next, sizeof next));
        int64_t begin = own.prompt_length, count = next.length - next.prompt_length, targets = 0;
        if (begin + count > dpo->length)
            count = dpo->length - begin;
        const int32_t *ids = batch.ids + row * batch.length;
        ck_assert_int_eq(batch.lengths[row], begin + count);
        ck_assert_mem_eq(ids, own.ids, (size_t)begin * 4);
        ck_assert_mem_eq(ids + begin, next.ids + next.prompt_length, (size_t)count * 4);
        for (int64_t t = 0; t < batch.length; ++t) {
            int32_t target = batch.targets[row * batch.length + t];
            ck_assert(target < 0 || target == ids[t + 1]);
            targets += target >= 0;
        }
        ck_assert_int_eq(targets, count);
    }
    small_dpo_destroy(&s);
}
END_TEST

/* Σ log π of each row's targets, as the run sums them. */
static void sum_rows(fst_model *model, const fst_batch *batch, int32_t mode, float *sums)
{
    fst_forward_options options;
    fst_view view;
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    options.mode = mode;
    options.dropout = 0;
    REQUIRE(fst_model_forward(model, batch, &options));
    REQUIRE(fst_model_output(model, "log_probabilities", &view));
    for (int64_t row = 0; row < batch->rows; ++row) {
        double sum = 0;
        for (int64_t t = 0; t < batch->length; ++t)
            sum += (double)((const float *)view.data)[row * view.strides[0] + t * view.strides[1]];
        sums[row] = (float)sum;
    }
}

enum { HAND_ROWS = 3, HAND_LENGTH = 64 };

/* The micro-batch of a loop by hand: the chosen answers and then the rejected ones. */
static fst_batch hand_batch(const small_dpo *s, int64_t step, int32_t *ids, int32_t *targets,
                            int32_t *lengths)
{
    int64_t examples[2 * HAND_ROWS], longest = 0;
    const int64_t sequences[2 * HAND_ROWS] = {0, 0, 0, 1, 1, 1};
    REQUIRE(fst_dataset_order(s->train, step * HAND_ROWS, HAND_ROWS, 1, examples));
    memcpy(examples + HAND_ROWS, examples, HAND_ROWS * sizeof *examples);
    REQUIRE(fst_dataset_collate(s->train, examples, sequences, 2 * HAND_ROWS, HAND_LENGTH, NULL,
                                NULL, lengths));
    for (int row = 0; row < 2 * HAND_ROWS; ++row)
        longest = lengths[row] > longest ? lengths[row] : longest;
    REQUIRE(fst_dataset_collate(s->train, examples, sequences, 2 * HAND_ROWS, longest, ids, targets,
                                lengths));
    fst_batch batch;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = 2 * HAND_ROWS;
    batch.length = longest;
    batch.ids = ids;
    batch.targets = targets;
    batch.lengths = lengths;
    return batch;
}

static void step_by_hand(small_dpo *s, fst_model *reference, int64_t step)
{
    enum { R = HAND_ROWS };
    int32_t ids[2 * R * HAND_LENGTH], targets[2 * R * HAND_LENGTH], lengths[2 * R];
    float policy[2 * R], fixed[2 * R], slopes[2 * R], gradient[2 * R * HAND_LENGTH];
    const float weights[R] = {1 / 3.f, 1 / 3.f, 1 / 3.f};
    fst_preference_loss found;
    fst_batch batch = hand_batch(s, step, ids, targets, lengths);
    sum_rows(reference, &batch, FST_FORWARD_EVALUATE, fixed);
    sum_rows(s->model, &batch, FST_FORWARD_TRAIN, policy);
    REQUIRE(fst_loss_preference(NULL, policy, policy + R, fixed, fixed + R, NULL, NULL, weights, R,
                                NULL, slopes, slopes + R, &found, sizeof found));
    for (int64_t i = 0; i < batch.rows * batch.length; ++i)
        gradient[i] = targets[i] >= 0 ? slopes[i / batch.length] : 0;
    const fst_view view = {
        .data = gradient,
        .dtype = FST_F32,
        .rank = 2,
        .shape = {batch.rows, batch.length},
        .strides = {batch.length, 1},
    };
    REQUIRE(fst_model_add_gradient(s->model, "log_probabilities", &view));
    REQUIRE(fst_model_backward(s->model, NULL, NULL));
    REQUIRE(fst_optimizer_step(s->optimizer, NULL, 0));
}

/* A loop by hand over the public parts gives the run's weights. */
START_TEST(test_custom_loop)
{
    small_dpo_config c = small_dpo_defaults();
    int64_t count, used;
    double loss;
    double *run = weights_after(&c, &count, &loss, 6);
    small_dpo s;
    fst_model *reference;
    small_dpo_prepare(&s, &c);
    REQUIRE(fst_model_copy(s.model, NULL, &reference));
    for (int64_t step = 0; step < 6; ++step)
        step_by_hand(&s, reference, step);
    double *hand = weights_of(s.model, &used);
    ck_assert_int_eq(used, count);
    ck_assert_double_eq(largest_difference(run, hand, count), 0);
    free(hand);
    free(run);
    fst_model_destroy(reference);
    small_dpo_destroy(&s);
}
END_TEST

/* What a step needs was taken before. */
START_TEST(test_no_allocation)
{
    small_dpo_config c = small_dpo_defaults();
    c.dpo.kind = _i;
    c.dpo.accumulation = 5; /* all examples */
    small_dpo s;
    small_dpo_create(&s, &c);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    REQUIRE(fst_run_evaluate(s.run));
    int64_t before = tiny_allocations(s.context);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    REQUIRE(fst_run_step(s.run, NULL, 0));
    REQUIRE(fst_run_evaluate(s.run));
    ck_assert_int_eq(tiny_allocations(s.context), before);
    small_dpo_destroy(&s);
}
END_TEST

/* A weight that is not a number is found before anything is updated. */
START_TEST(test_numeric)
{
    small_dpo_config c = small_dpo_defaults();
    small_dpo s;
    small_dpo_create(&s, &c);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    fst_view view;
    REQUIRE(fst_model_parameter(s.model, "norm.weight", &view));
    float kept = ((float *)view.data)[3];
    ((float *)view.data)[3] = NAN;
    ck_assert_int_eq(fst_run_step(s.run, NULL, 0), FST_ERR_NUMERIC);
    ck_assert_msg(strstr(fst_last_error(), "norm.weight") && strstr(fst_last_error(), "step 2"),
                  "%s", fst_last_error());
    ck_assert_int_eq(fst_run_evaluate(s.run), FST_ERR_NUMERIC);
    ck_assert_msg(strstr(fst_last_error(), "validation pairs 0 to 2"), "%s", fst_last_error());
    ((float *)view.data)[3] = kept;
    REQUIRE(fst_run_step(s.run, NULL, 0));
    small_dpo_destroy(&s);
}
END_TEST

#define REFUSED(status, words)                                                                     \
    do {                                                                                           \
        ck_assert_int_eq(small_dpo_start(&s, &c), status);                                         \
        ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());                    \
        ck_assert_ptr_null(s.run);                                                                 \
        c = good;                                                                                  \
    } while (0)

START_TEST(test_an_encoder)
{
    small_dpo_config c = small_dpo_defaults();
    small_dpo s;
    c.family = FST_FAMILY_BERT;
    small_dpo_prepare(&s, &c);
    ck_assert_int_eq(small_dpo_start(&s, &c), FST_ERR_MISMATCH);
    ck_assert_msg(strstr(fst_last_error(), "causal") != NULL, "%s", fst_last_error());
    small_dpo_destroy(&s);
}
END_TEST

START_TEST(test_refusals)
{
    const small_dpo_config good = small_dpo_defaults();
    small_dpo_config c = good;
    small_dpo s;
    small_dpo_prepare(&s, &c);
    REQUIRE(small_dpo_start(&s, &c)); /* the model keeps the memory of its steps */
    fst_run_destroy(s.run);
    s.run = NULL;
    int64_t live = tiny_live_bytes(s.context);
    c.dpo.kind = 4;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "kind");
    c.dpo.reference = FST_REFERENCE_MODEL;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "reference_model");
    c.dpo.reference = FST_REFERENCE_TRUNK;
    REFUSED(FST_ERR_STATE, "adapter");
    c.dpo.rows = 0;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "rows");
    c.dpo.rows = INT64_MAX;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "rows");
    c.dpo.beta = 0;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "beta");
    c.dpo.label_smoothing = 0.5;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "label_smoothing");
    c.dpo.undesirable_weight = NAN;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "undesirable_weight");
    c.dpo.sft = -1;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "sft");
    c.dpo.shuffle = 2;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "shuffle");
    c.run.total_steps = -1;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "total_steps");
    fst_dataset *validation = s.validation, *train = s.train;
    const char *texts[] = {"one", "two"};
    REQUIRE(fst_dataset_from_prompts(s.context, s.tokenizer, texts, 2, NULL, &s.validation));
    REFUSED(FST_ERR_STATE, "validation");
    fst_dataset_destroy(s.validation);
    s.validation = validation;
    s.train = small_dpo_data(&s, 0, 1, 2);
    c.dpo.kind = FST_DPO_KTO;
    REFUSED(FST_ERR_MISMATCH, "two prompts");
    fst_dataset_destroy(s.train);
    s.train = train;
    s.reference = s.model;
    REFUSED(FST_ERR_INVALID_ARGUMENT, "another model");
    s.reference = NULL;
    ck_assert_int_eq(tiny_live_bytes(s.context), live);
    REQUIRE(small_dpo_start(&s, &c));
    small_dpo_destroy(&s);
}
END_TEST

int main(void)
{
    TCase *test = tcase_create("dpo");
    tcase_set_timeout(test, 60);
    tcase_add_loop_test(test, test_learns, 0, 4);
    tcase_add_loop_test(test, test_accumulation, 0, 3);
    tcase_add_test(test, test_accumulated_gradients);
    tcase_add_test(test, test_threads);
    tcase_add_test(test, test_references);
    tcase_add_test(test, test_sft_term);
    tcase_add_test(test, test_custom_loop);
    tcase_add_test(test, test_ranked_answers);
    tcase_add_test(test, test_mismatched);
    tcase_add_loop_test(test, test_no_allocation, 0, 4);
    tcase_add_test(test, test_numeric);
    tcase_add_test(test, test_refusals);
    tcase_add_test(test, test_an_encoder);
    Suite *suite = suite_create("training on preferences");
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
