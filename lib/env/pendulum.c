/* Pendulum: swing up and stay up, as Gymnasium's classic_control/pendulum.py has it. State: θ (0: upright), θ̇. */
#include "env/kinds.h"
#include "env/picture.h"

#include <math.h>

#define MOST_SPEED 8
#define MOST_TORQUE 2

static fst_status describe(const fst__env_kind *kind, fst_env_make_options *options, fst__env_shape *shape)
{
    static const float high[] = {1, 1, MOST_SPEED}, low[] = {-1, -1, -MOST_SPEED};
    static const float most[] = {MOST_TORQUE}, least[] = {-MOST_TORQUE};
    shape->observation.shape[0] = 3;
    shape->observation.low = low;
    shape->observation.high = high;
    shape->action.shape[0] = 1;
    shape->action.low = least;
    shape->action.high = most;
    shape->state = 2;
    shape->max_steps = 200;
    shape->nanoseconds = 150;
    return FST_OK;
}

static void reset(const fst__env_kind *kind, const fst_env_make_options *options, uint64_t seed, double *state)
{
    state[0] = fst__env_uniform(seed, 0, 0, -M_PI, M_PI);
    state[1] = fst__env_uniform(seed, 0, 1, -1.0, 1.0);
}

/* ((θ + π) mod 2π) − π, the remainder having the divisor's sign. */
static double normalize(double theta)
{
    double rest = fmod(theta + M_PI, 2 * M_PI);
    if (rest < 0)
        rest += 2 * M_PI;
    return rest - M_PI;
}

static void step(const fst__env_kind *kind, fst__env_move *move)
{
    const double g = 10.0, dt = 0.05;
    double theta = move->state[0], speed = move->state[1];
    float u = *(const float *)move->action; /* numpy's action, and so its share of both sums, is a float32 */
    /* numpy squares by pow, which once in a thousand rounds otherwise than a product, and compilers know. */
    const volatile double two = 2;
    double cost = pow(normalize(theta), two) + 0.1 * pow(speed, two) + (double)(0.001f * powf(u, (float)two));
    speed += (3 * g / 2 * sin(theta) + (double)(3.0f * u)) * dt;
    speed = speed < -MOST_SPEED ? -MOST_SPEED : speed > MOST_SPEED ? MOST_SPEED : speed;
    move->state[0] = theta + speed * dt;
    move->state[1] = speed;
    move->reward = -cost;
}

static void observe(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                    void *observation)
{
    float *values = observation;
    values[0] = (float)cos(state[0]);
    values[1] = (float)sin(state[0]);
    values[2] = (float)state[1];
}

static void render(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                   const float *trail, int64_t points, int32_t format, fst__text *text)
{
    double x = -sin(state[0]), y = cos(state[0]);
    if (format == FST_RENDER_TEXT) {
        for (int row = 2; row >= -2; --row)
            for (int column = -4; column <= 4; ++column) {
                bool tip = (int)lround(y * 2) == row && (int)lround(x * 4) == column;
                bool rod = (int)lround(y) == row && (int)lround(x * 2) == column;
                fst__text_append_string(text, tip ? "O" : row == 0 && column == 0 ? "+" : rod ? "." : " ");
                if (column == 4)
                    fst__text_append_string(text, "\n");
            }
        return;
    }
    fst__svg_begin(text, 500, 500);
    fst__svg_line(text, 250, 250, 250 + x * 114, 250 - y * 114, 22, "#cc4d4d");
    fst__svg_circle(text, 250, 250, 5, "black");
    fst__svg_end(text);
}

const fst__env_kind fst__env_pendulum = {
    .name = "Pendulum-v1",
    .describe = describe,
    .reset = reset,
    .step = step,
    .observe = observe,
    .render = render,
};
