/* Distributions over actions: known values, masks, extreme logits, what draws follow. */
#include "fourstage/actions.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(call) ck_assert_msg((call) == FST_OK, "%s", fst_last_error())

static const float not_masked[] = {0.3f, -1.2f, 2.0f, 0.7f};

static fst_space space_of(int32_t kind, int64_t n, const int64_t *counts)
{
    fst_space space;
    REQUIRE(fst_space_init(&space, sizeof space));
    space.kind = kind;
    space.rank = 1;
    space.shape[0] = n;
    space.n = n;
    space.counts = counts;
    return space;
}

static void assert_near(double found, double expected, double bound)
{
    ck_assert_msg(fabs(found - expected) <= bound, "%.9g, expected %.9g", found, expected);
}

START_TEST(categorical_is_softmax)
{
    fst_space space = space_of(FST_SPACE_DISCRETE, 4, NULL);
    double sum = 0, entropy = 0;
    for (int j = 0; j < 4; ++j)
        sum += exp(not_masked[j]);
    for (int j = 0; j < 4; ++j) {
        double p = exp(not_masked[j]) / sum;
        entropy -= p * log(p);
    }
    for (int32_t j = 0; j < 4; ++j) {
        float l, h;
        REQUIRE(fst_actions_evaluate(&space, not_masked, NULL, NULL, &j, 1, &l, &h));
        assert_near(l, not_masked[j] - log(sum), 1e-6);
        assert_near(h, entropy, 1e-6);
    }
}
END_TEST

/* A mask, logits of −INFINITY, and leaving the choices out are the same, to the bit. */
START_TEST(masks_are_what_is_left)
{
    fst_space four = space_of(FST_SPACE_DISCRETE, 4, NULL), two = space_of(FST_SPACE_DISCRETE, 2, NULL);
    const uint8_t mask[] = {1, 0, 0, 1};
    const float infinite[] = {0.3f, -INFINITY, -INFINITY, 0.7f}, left[] = {0.3f, 0.7f};
    const int32_t last_of_four = 3, last_of_two = 1, forbidden = 2;
    float l[3], h[3], d[3][4], one = 1, half = -0.5f;
    REQUIRE(fst_actions_evaluate(&four, not_masked, NULL, mask, &last_of_four, 1, &l[0], &h[0]));
    REQUIRE(fst_actions_evaluate(&four, infinite, NULL, NULL, &last_of_four, 1, &l[1], &h[1]));
    REQUIRE(fst_actions_evaluate(&two, left, NULL, NULL, &last_of_two, 1, &l[2], &h[2]));
    ck_assert(l[0] == l[1] && l[1] == l[2] && h[0] == h[1] && h[1] == h[2]);
    REQUIRE(fst_actions_gradient(&four, not_masked, NULL, mask, &last_of_four, 1, &one, &half, d[0],
                                 NULL));
    REQUIRE(fst_actions_gradient(&four, infinite, NULL, NULL, &last_of_four, 1, &one, &half, d[1],
                                 NULL));
    REQUIRE(fst_actions_gradient(&two, left, NULL, NULL, &last_of_two, 1, &one, &half, d[2], NULL));
    ck_assert(memcmp(d[0], d[1], sizeof d[0]) == 0);
    ck_assert(d[0][1] == 0 && d[0][2] == 0 && d[0][0] == d[2][0] && d[0][3] == d[2][1]);
    ck_assert_int_eq(fst_actions_evaluate(&four, not_masked, NULL, mask, &forbidden, 1, l, h),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "row 0"));
    const uint8_t nothing[8] = {1, 1, 1, 1};
    const float twice[8] = {0};
    int32_t drawn[2];
    ck_assert_int_eq(fst_actions_sample(&four, twice, NULL, nothing, 2, 0, 0, 0, drawn, NULL),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "row 1"));
}
END_TEST

START_TEST(extreme_logits_are_safe)
{
    fst_space space = space_of(FST_SPACE_DISCRETE, 3, NULL), bits = space_of(FST_SPACE_MULTI_BINARY, 2, NULL);
    const float x[] = {3e38f, -3e38f, 3e38f}, z[] = {2000, -2000};
    const int32_t action = 2, yes_no[] = {1, 0}, no_no[] = {0, 0};
    float l, h, d[3], one = 1;
    REQUIRE(fst_actions_evaluate(&space, x, NULL, NULL, &action, 1, &l, &h));
    assert_near(l, -log(2), 1e-6);
    assert_near(h, log(2), 1e-6);
    REQUIRE(fst_actions_gradient(&space, x, NULL, NULL, &action, 1, &one, &one, d, NULL));
    ck_assert(d[0] == -0.5f && d[1] == 0 && d[2] == 0.5f);
    REQUIRE(fst_actions_evaluate(&bits, z, NULL, NULL, yes_no, 1, &l, &h));
    ck_assert(l == 0 && h == 0);
    REQUIRE(fst_actions_evaluate(&bits, z, NULL, NULL, no_no, 1, &l, &h));
    ck_assert(l == -2000 && h == 0);
    const float nan[] = {0, NAN, 0}, all[] = {-INFINITY, -INFINITY, -INFINITY};
    int32_t drawn;
    ck_assert_int_eq(fst_actions_evaluate(&space, nan, NULL, NULL, &action, 1, &l, &h), FST_ERR_NUMERIC);
    ck_assert_int_eq(fst_actions_sample(&space, nan, NULL, NULL, 1, 0, 0, 0, &drawn, NULL), FST_ERR_NUMERIC);
    ck_assert_int_eq(fst_actions_sample(&space, all, NULL, NULL, 1, 0, 0, 1, &drawn, NULL), FST_ERR_NUMERIC);
}
END_TEST

START_TEST(gaussian_is_a_sum_of_parts)
{
    enum { PARTS = 300, ROWS = 70 }; /* more than are held at once */
    fst_space space = space_of(FST_SPACE_BOX, PARTS, NULL);
    static float mean[ROWS * PARTS], action[ROWS * PARTS], log_std[PARTS], l[ROWS], h[ROWS];
    for (int i = 0; i < ROWS * PARTS; ++i) {
        mean[i] = (float)sin(i);
        action[i] = (float)cos(1.3 * i);
    }
    for (int i = 0; i < PARTS; ++i)
        log_std[i] = (float)(0.5 * sin(3.0 * i));
    REQUIRE(fst_actions_evaluate(&space, mean, log_std, NULL, action, ROWS, l, h));
    for (int r = 0; r < ROWS; ++r) {
        double expected = 0, entropy = 0;
        for (int i = 0; i < PARTS; ++i) {
            double z = ((double)action[r * PARTS + i] - (double)mean[r * PARTS + i]) / exp(log_std[i]);
            expected -= 0.5 * z * z + log_std[i] + 0.5 * log(2 * acos(-1));
            entropy += 0.5 + log_std[i] + 0.5 * log(2 * acos(-1));
        }
        assert_near(l[r], expected, 1e-7 * fabs(expected));
        assert_near(h[r], entropy, 1e-7 * fabs(entropy));
    }
}
END_TEST

/* Σ (seen − expected)² / expected over cells of which none is expected less than a few times. */
static double chi_square(const int64_t *seen, const double *p, int cells, double draws)
{
    double sum = 0;
    for (int j = 0; j < cells; ++j) {
        if (p[j] == 0)
            ck_assert_int_eq(seen[j], 0);
        else
            sum += (seen[j] - draws * p[j]) * (seen[j] - draws * p[j]) / (draws * p[j]);
    }
    return sum;
}

enum { DRAWS = 100000, BATCH = 1000 };

/* Cells of a two-part action; masks forbid a choice of each part. 99.9 % quantile of χ² with 7 degrees
 * of freedom: 24.3. Other probabilities must be told apart. */
START_TEST(draws_follow_the_probabilities)
{
    static const int64_t counts[] = {3, 5};
    static const float x[] = {0.5f, 1.0f, -0.3f, 0.1f, -2.0f, 0.4f, 0.0f, 1.1f};
    static const uint8_t mask[] = {1, 0, 1, 1, 1, 1, 0, 1};
    fst_space space = space_of(FST_SPACE_MULTI_DISCRETE, 2, counts);
    static float rows[BATCH * 8];
    static uint8_t masks[BATCH * 8];
    static int32_t actions[BATCH * 2];
    int64_t seen[15] = {0};
    double p[15], sums[2] = {0}, other[15];
    for (int j = 0; j < 8; ++j)
        sums[j >= 3] += mask[j] ? exp(x[j]) : 0;
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 5; ++b)
            p[a * 5 + b] = mask[a] && mask[3 + b] ? exp(x[a]) / sums[0] * exp(x[3 + b]) / sums[1] : 0;
    for (int r = 0; r < BATCH; ++r) {
        memcpy(rows + 8 * r, x, sizeof x);
        memcpy(masks + 8 * r, mask, sizeof mask);
    }
    for (int64_t step = 0; step < DRAWS / BATCH; ++step) {
        REQUIRE(fst_actions_sample(&space, rows, NULL, masks, BATCH, 7, step, 0, actions, NULL));
        for (int r = 0; r < BATCH; ++r)
            ++seen[actions[2 * r] * 5 + actions[2 * r + 1]];
    }
    ck_assert_double_lt(chi_square(seen, p, 15, DRAWS), 24.3);
    memcpy(other, p, sizeof p);
    other[0] += 0.01;
    other[1] -= 0.01;
    ck_assert_double_gt(chi_square(seen, other, 15, DRAWS), 24.3);
}
END_TEST

START_TEST(yes_is_drawn_as_often)
{
    static const double x[] = {-1.5, 0.0, 0.8};
    fst_space space = space_of(FST_SPACE_MULTI_BINARY, 3, NULL);
    static float rows[BATCH * 3];
    static int32_t actions[BATCH * 3];
    int64_t seen[8] = {0};
    double p[8];
    for (int c = 0; c < 8; ++c) {
        p[c] = 1;
        for (int i = 0; i < 3; ++i)
            p[c] *= 1 / (1 + exp(c >> i & 1 ? -x[i] : x[i]));
    }
    for (int i = 0; i < BATCH * 3; ++i)
        rows[i] = (float)x[i % 3];
    for (int64_t step = 0; step < DRAWS / BATCH; ++step) {
        REQUIRE(fst_actions_sample(&space, rows, NULL, NULL, BATCH, 7, step, 0, actions, NULL));
        for (int r = 0; r < BATCH; ++r)
            ++seen[actions[3 * r] | actions[3 * r + 1] << 1 | actions[3 * r + 2] << 2];
    }
    ck_assert_double_lt(chi_square(seen, p, 8, DRAWS), 24.3);
}
END_TEST

/* Cells of equal probability under the normal, whose bounds are its octiles; and two parts that know
 * nothing of each other. */
START_TEST(normals_are_normal)
{
    static const double octile[] = {-1.15034938, -0.67448975, -0.31863936, 0, 0.31863936, 0.67448975, 1.15034938};
    fst_space space = space_of(FST_SPACE_BOX, 2, NULL);
    const float log_std[] = {-0.7f, 0.4f};
    static float rows[BATCH * 2], actions[BATCH * 2];
    int64_t seen[64] = {0};
    double p[64];
    for (int i = 0; i < 64; ++i)
        p[i] = 1.0 / 64;
    for (int r = 0; r < BATCH; ++r) {
        rows[2 * r] = 3;
        rows[2 * r + 1] = -1;
    }
    for (int64_t step = 0; step < DRAWS / BATCH; ++step) {
        REQUIRE(fst_actions_sample(&space, rows, log_std, NULL, BATCH, 7, step, 0, actions, NULL));
        for (int r = 0; r < BATCH; ++r) {
            int cell = 0;
            for (int i = 0; i < 2; ++i) {
                double z = ((double)actions[2 * r + i] - (double)rows[2 * r + i]) / exp(log_std[i]);
                int place = 0;
                while (place < 7 && z > octile[place])
                    ++place;
                cell = cell * 8 + place;
            }
            ++seen[cell];
        }
    }
    ck_assert_double_lt(chi_square(seen, p, 64, DRAWS), 103.4); /* 99.9 % of 63 degrees */
}
END_TEST

START_TEST(draws_are_of_seed_step_and_row)
{
    fst_space space = space_of(FST_SPACE_BOX, 3, NULL);
    const float log_std[3] = {0};
    static const float mean[3 * 40];
    float all[120], few[15], other[120], l[40], again[40];
    REQUIRE(fst_actions_sample(&space, mean, log_std, NULL, 40, 5, 9, 0, all, l));
    REQUIRE(fst_actions_sample(&space, mean, log_std, NULL, 5, 5, 9, 0, few, NULL));
    ck_assert(memcmp(all, few, sizeof few) == 0);
    REQUIRE(fst_actions_sample(&space, mean, log_std, NULL, 40, 5, 10, 0, other, NULL));
    ck_assert(memcmp(all, other, sizeof all) != 0);
    REQUIRE(fst_actions_sample(&space, mean, log_std, NULL, 40, 6, 9, 0, other, NULL));
    ck_assert(memcmp(all, other, sizeof all) != 0);
    REQUIRE(fst_actions_evaluate(&space, mean, log_std, NULL, all, 40, again, NULL));
    ck_assert(memcmp(l, again, sizeof l) == 0);
}
END_TEST

START_TEST(modes)
{
    fst_space space = space_of(FST_SPACE_DISCRETE, 4, NULL), bits = space_of(FST_SPACE_MULTI_BINARY, 3, NULL);
    fst_space box = space_of(FST_SPACE_BOX, 2, NULL);
    const float ties[] = {1, 2, 2, 0}, x[] = {-0.1f, 0, 0.1f}, mean[] = {5, -5}, log_std[] = {1, 1};
    const uint8_t mask[] = {1, 0, 1, 1};
    int32_t action, yes[3];
    float drawn[2];
    REQUIRE(fst_actions_sample(&space, ties, NULL, NULL, 1, 0, 0, 1, &action, NULL));
    ck_assert_int_eq(action, 1);
    REQUIRE(fst_actions_sample(&space, ties, NULL, mask, 1, 0, 0, 1, &action, NULL));
    ck_assert_int_eq(action, 2);
    REQUIRE(fst_actions_sample(&bits, x, NULL, NULL, 1, 0, 0, 1, yes, NULL));
    ck_assert(yes[0] == 0 && yes[1] == 0 && yes[2] == 1);
    REQUIRE(fst_actions_sample(&box, mean, log_std, NULL, 1, 0, 0, 1, drawn, NULL));
    ck_assert(drawn[0] == 5 && drawn[1] == -5);
}
END_TEST

START_TEST(what_is_no_action_is_refused)
{
    fst_space space = space_of(FST_SPACE_DISCRETE, 2, NULL), bits = space_of(FST_SPACE_MULTI_BINARY, 1, NULL);
    fst_space box = space_of(FST_SPACE_BOX, 1, NULL), bytes = box, nothing = space_of(FST_SPACE_DISCRETE, 0, NULL);
    bytes.dtype = FST_U8;
    const float x[] = {0, 0}, nan = NAN;
    const int32_t two = 2, minus = -1;
    const uint8_t mask[] = {1, 1};
    float l;
    struct {
        const fst_space *space;
        const void *action;
        const uint8_t *mask;
        fst_status status;
    } cases[] = {
        {&space, &two, NULL, FST_ERR_INVALID_ARGUMENT}, {&space, &minus, NULL, FST_ERR_INVALID_ARGUMENT},
        {&bits, &two, NULL, FST_ERR_INVALID_ARGUMENT},  {&box, &nan, NULL, FST_ERR_INVALID_ARGUMENT},
        {&box, x, mask, FST_ERR_INVALID_ARGUMENT},      {&bytes, x, NULL, FST_ERR_UNSUPPORTED},
        {&nothing, x, NULL, FST_ERR_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        ck_assert_int_eq(fst_actions_evaluate(cases[i].space, x, x, cases[i].mask, cases[i].action, 1, &l, NULL),
                         cases[i].status);
    ck_assert_int_eq(fst_actions_evaluate(&box, x, NULL, NULL, x, 1, &l, NULL), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_actions_evaluate(&space, x, NULL, NULL, NULL, 1, &l, NULL), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_actions_evaluate(&space, x, NULL, NULL, x, 0, &l, NULL), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_actions_sample(&space, x, NULL, NULL, 1, 0, -1, 0, &l, NULL), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_actions_sample(&space, x, NULL, NULL, 1, 0, 0, 2, &l, NULL), FST_ERR_INVALID_ARGUMENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("actions");
    TCase *tests = tcase_create("actions");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, categorical_is_softmax);
    tcase_add_test(tests, masks_are_what_is_left);
    tcase_add_test(tests, extreme_logits_are_safe);
    tcase_add_test(tests, gaussian_is_a_sum_of_parts);
    tcase_add_test(tests, draws_follow_the_probabilities);
    tcase_add_test(tests, yes_is_drawn_as_often);
    tcase_add_test(tests, normals_are_normal);
    tcase_add_test(tests, draws_are_of_seed_step_and_row);
    tcase_add_test(tests, modes);
    tcase_add_test(tests, what_is_no_action_is_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
