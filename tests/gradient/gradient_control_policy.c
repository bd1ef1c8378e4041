/* Gradients of what actions are worth with respect to every weight of a policy, against central differences in
 * double. */
#include "../support/small_control.h"

#include "model/control_policy.h"
#include "model/policy.h"

enum { ROWS = 6 };

typedef union room {
    float box[SMALL_CONTROL_BYTES / 4];
    uint8_t bytes[SMALL_CONTROL_BYTES];
} room;

static room rows, actions;
static int32_t lengths[ROWS];
static double on_l[ROWS], on_h[ROWS], on_v[ROWS];

static double objective(fst_policy *policy, bool training)
{
    double l[ROWS], h[ROWS], v[ROWS], sum = 0;
    const fst__control_steps steps = {.rows = &rows, .lengths = lengths, .actions = &actions, .count = ROWS};
    REQUIRE(fst__control_evaluate(policy, &steps, training, l, h, v));
    for (int r = 0; r < ROWS; ++r)
        sum += on_l[r] * l[r] + on_h[r] * h[r] + on_v[r] * v[r];
    return sum;
}

static void check_element(fst_policy *policy, const fst__parameter *p, int64_t i)
{
    const double step = 1e-5, before = p->value[i];
    p->value[i] = before + step;
    double up = objective(policy, false);
    p->value[i] = before - step;
    double down = objective(policy, false), expected = (up - down) / (2 * step);
    p->value[i] = before;
    ck_assert_msg(fabs(p->gradient[i] - expected) < 1e-6 * fmax(1, fabs(expected)), "%s[%d]: %.10g, expected %.10g",
                  p->name, (int)i, p->gradient[i], expected);
}

START_TEST(gradients)
{
    const small_control *c = &small_controls[_i];
    fst_context *context = tiny_context(1);
    fst_policy *policy = small_policy(context, c);
    small_observations(c->observation, ROWS * SMALL_WINDOW, 3, &rows);
    for (int r = 0; r < ROWS; ++r) {
        lengths[r] = 1 + r % SMALL_WINDOW;
        on_l[r] = 0.3 + 0.2 * r;
        on_h[r] = r % 2 ? -0.7 : 0.5;
        on_v[r] = sin(2.0 * r);
    }
    if (fst__control_window(policy) == 1)
        for (int r = 0; r < ROWS; ++r)
            lengths[r] = 1;
    fst__distribution_draw draw = {1, 2, 0, false};
    REQUIRE(fst__control_act(policy, &rows, lengths, NULL, ROWS, &draw, &actions, NULL, NULL));
    objective(policy, true);
    REQUIRE(fst__control_backward(policy, on_l, on_h, on_v));
    const fst__parameter *parameters;
    int64_t count;
    REQUIRE(fst__model_parameters(policy->model, &parameters, &count));
    for (int64_t k = 0; k < count; ++k) {
        int64_t size = fst__parameter_size(&parameters[k]), stride = 1 + size / 12;
        for (int64_t i = 0; i < size; i += stride)
            check_element(policy, &parameters[k], i);
    }
    fst_policy_destroy(policy);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradient_control_policy");
    TCase *tests = tcase_create("control_policy");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, gradients, 0, SMALL_CONTROLS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
