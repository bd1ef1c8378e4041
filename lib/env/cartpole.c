/*
 * CartPole: Barto, Sutton, Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems"
 * (1983), with the equations of Florian, "Correct equations for the dynamics of the cart-pole system" (2007), as
 * Gymnasium's classic_control/cartpole.py has them. State: x, ẋ, θ, θ̇.
 */
#include "env/kinds.h"
#include "env/picture.h"

#include <math.h>

#define THETA_LIMIT (12 * 2 * M_PI / 360)
#define X_LIMIT 2.4

static const int64_t steps_v0 = 200, steps_v1 = 500;

static fst_status describe(const fst__env_kind *kind, fst_env_make_options *options, fst__env_shape *shape)
{
    static const float high[] = {(float)(X_LIMIT * 2), INFINITY, (float)(THETA_LIMIT * 2), INFINITY};
    static const float low[] = {(float)(-X_LIMIT * 2), -INFINITY, (float)(-THETA_LIMIT * 2), -INFINITY};
    shape->observation.shape[0] = 4;
    shape->observation.low = low;
    shape->observation.high = high;
    shape->action.kind = FST_SPACE_DISCRETE;
    shape->action.n = 2;
    shape->state = 4;
    shape->max_steps = *(const int64_t *)kind->variant;
    shape->nanoseconds = 80;
    return FST_OK;
}

static void reset(const fst__env_kind *kind, const fst_env_make_options *options, uint64_t seed, double *state)
{
    for (uint64_t i = 0; i < 4; ++i)
        state[i] = fst__env_uniform(seed, 0, i, -0.05, 0.05);
}

static void step(const fst__env_kind *kind, fst__env_move *move)
{
    const double gravity = 9.8, pole_mass = 0.1, total_mass = pole_mass + 1.0, half_length = 0.5, tau = 0.02;
    const double pole_moment = pole_mass * half_length;
    double *s = move->state;
    double x = s[0], x_dot = s[1], theta = s[2], theta_dot = s[3];
    double force = *(const int32_t *)move->action == 1 ? 10.0 : -10.0;
    double cosine = cos(theta), sine = sin(theta);
    double temp = (force + pole_moment * (theta_dot * theta_dot) * sine) / total_mass;
    double theta_acc = (gravity * sine - cosine * temp) /
                       (half_length * (4.0 / 3.0 - pole_mass * (cosine * cosine) / total_mass));
    double x_acc = temp - pole_moment * theta_acc * cosine / total_mass;
    s[0] = x + tau * x_dot;
    s[1] = x_dot + tau * x_acc;
    s[2] = theta + tau * theta_dot;
    s[3] = theta_dot + tau * theta_acc;
    move->terminated = s[0] < -X_LIMIT || s[0] > X_LIMIT || s[2] < -THETA_LIMIT || s[2] > THETA_LIMIT;
    move->reward = 1;
}

static void observe(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                    void *observation)
{
    for (int i = 0; i < 4; ++i)
        ((float *)observation)[i] = (float)state[i];
}

static void render(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                   const float *trail, int64_t points, int32_t format, fst__text *text)
{
    if (format == FST_RENDER_TEXT) {
        double place = (state[0] + X_LIMIT) / (2 * X_LIMIT), lean = sin(state[2]) / (2 * X_LIMIT);
        const fst__mark cart = {place, '='}, end = {place + lean * 4, 'o'};
        fst__text_track(text, 61, ' ', &end, 1);
        fst__text_track(text, 61, '-', &cart, 1);
        fst__text_append_string(text, "x ");
        fst__text_number(text, state[0], 3);
        fst__text_append_string(text, " m, pole ");
        fst__text_number(text, state[2] * 180 / M_PI, 2);
        fst__text_append_string(text, "°\n");
        return;
    }
    const double scale = 600 / (2 * X_LIMIT), x = 300 + state[0] * scale, y = 300;
    fst__svg_begin(text, 600, 400);
    fst__svg_line(text, 0, y, 600, y, 1, "black");
    fst__svg_rectangle(text, x - 25, y - 15, 50, 30, "black");
    fst__svg_line(text, x, y - 10, x + sin(state[2]) * scale, y - 10 - cos(state[2]) * scale, 10, "#ca9865");
    fst__svg_circle(text, x, y - 10, 5, "#8184cb");
    fst__svg_end(text);
}

#define CARTPOLE(symbol, title, limit)                                                                                 \
    const fst__env_kind symbol = {                                                                                     \
        .name = title,                                                                                                 \
        .variant = &limit,                                                                                             \
        .describe = describe,                                                                                          \
        .reset = reset,                                                                                                \
        .step = step,                                                                                                  \
        .observe = observe,                                                                                            \
        .render = render,                                                                                              \
    }

CARTPOLE(fst__env_cartpole_v0, "CartPole-v0", steps_v0);
CARTPOLE(fst__env_cartpole_v1, "CartPole-v1", steps_v1);
