/* Nearest neighbours against looking at everything one by one, on any number of threads. */
#include "../support/tiny_model.h"
#include "fourstage/metrics.h"

enum { COUNT = 2500, QUERIES = 300, WIDTH = 7, CLASSES = 5 };

static float embeddings[COUNT * WIDTH], queries[QUERIES * WIDTH];
static int32_t labels[COUNT];

static float number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (1 << 23) - 1;
}

static void fill(void)
{
    uint32_t state = 5;
    for (int i = 0; i < COUNT * WIDTH; ++i)
        embeddings[i] = number(&state);
    for (int i = 0; i < QUERIES * WIDTH; ++i)
        queries[i] = number(&state) * 30; /* of any length */
    for (int i = 0; i < COUNT; ++i)
        labels[i] = (int32_t)(fabsf(number(&state)) * CLASSES * .999f);
}

static double cosine(const float *a, const float *b)
{
    double product = 0, left = 0, right = 0;
    for (int i = 0; i < WIDTH; ++i)
        product += (double)a[i] * (double)b[i], left += (double)a[i] * (double)a[i],
            right += (double)b[i] * (double)b[i];
    return product / sqrt(left * right);
}

/* Votes by picking the nearest again and again; the margin between the best class and the next. */
static int32_t plain(const float *query, int64_t neighbours, double temperature, double *margin)
{
    static char taken[COUNT];
    double votes[CLASSES] = {0}, second = 0;
    int32_t best = 0;
    memset(taken, 0, sizeof taken);
    for (int64_t k = 0; k < neighbours; ++k) {
        int64_t nearest = -1;
        double most = -2;
        for (int64_t i = 0; i < COUNT; ++i) {
            double c = taken[i] ? -3 : cosine(query, embeddings + i * WIDTH);
            if (c > most)
                most = c, nearest = i;
        }
        taken[nearest] = 1;
        votes[labels[nearest]] += temperature > 0 ? exp(most / temperature) : 1;
    }
    for (int32_t c = 0; c < CLASSES; ++c)
        best = votes[c] > votes[best] ? c : best;
    for (int32_t c = 0; c < CLASSES; ++c)
        second = c != best && votes[c] > second ? votes[c] : second;
    *margin = (votes[best] - second) / votes[best];
    return best;
}

START_TEST(test_against_plain)
{
    static int32_t told[5][QUERIES];
    int64_t neighbours = _i == 0 ? 1 : 11;
    double temperature = _i == 1 ? 0 : .07;
    fill();
    for (int32_t threads = 1; threads <= 4; ++threads) {
        fst_context *context = tiny_context(threads);
        REQUIRE(fst_metrics_knn(context, embeddings, labels, COUNT, queries, QUERIES, WIDTH, CLASSES,
                                neighbours, temperature, told[threads]));
        ck_assert_mem_eq(told[threads], told[1], sizeof told[1]);
        fst_context_destroy(context);
    }
    int clear = 0;
    for (int i = 0; i < QUERIES; i += 10) {
        double margin;
        int32_t expected = plain(queries + i * WIDTH, neighbours, temperature, &margin);
        if (margin > 1e-4) {
            ck_assert_int_eq(told[1][i], expected);
            ++clear;
        }
    }
    ck_assert_int_ge(clear, 8);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("knn");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, test_against_plain, 0, 3);
    Suite *suite = suite_create("knn");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
