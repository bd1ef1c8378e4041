/* The robot's world as an environment. */
#include "env/kinds.h"
#include "env/robot.h"

#include "base/error.h"

#include <math.h>

static const float low[FST__ROBOT_ACTIONS] = {-1, -1}, high[FST__ROBOT_ACTIONS] = {1, 1};

static fst__robot_rules rules_of(const fst_env_make_options *options)
{
    return (fst__robot_rules){options->robot_obstacles, options->robot_moving, options->robot_rays,
                              options->robot_noise};
}

static fst_status check_range(const char *field, int32_t value, int32_t least, int32_t most)
{
    if (value < least || value > most)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_env_make_options.%s is %d, should be %d to %d", field,
                         (int)value, (int)least, (int)most);
    return FST_OK;
}

static fst_status check(const fst_env_make_options *options)
{
    fst_status status = check_range("robot_obstacles", options->robot_obstacles, 0, FST__ROBOT_OBSTACLES);
    if (status == FST_OK)
        status = check_range("robot_moving", options->robot_moving, 0, FST__ROBOT_MOVING);
    if (status == FST_OK)
        status = check_range("robot_rays", options->robot_rays, 4, FST__ROBOT_RAYS);
    if (status == FST_OK && !(options->robot_noise >= 0 && options->robot_noise <= 10))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_env_make_options.robot_noise is %g, should be 0 to 10",
                         options->robot_noise);
    return status;
}

static fst_status describe(const fst__env_kind *kind, fst_env_make_options *options, fst__env_shape *shape)
{
    fst_status status = check(options);
    if (status != FST_OK)
        return status;
    fst__robot_rules rules = rules_of(options);
    shape->observation.kind = FST_SPACE_BOX;
    shape->observation.dtype = FST_F32;
    shape->observation.rank = 1;
    shape->observation.shape[0] = fst__robot_observation_size(&rules);
    for (int64_t i = 0; i < shape->observation.shape[0]; ++i) {
        shape->low[i] = i < rules.rays ? 0 : -1; /* nearness is positive */
        shape->high[i] = 1;
    }
    shape->low[2 * rules.rays] = 0; /* distance */
    shape->observation.low = shape->low;
    shape->observation.high = shape->high;
    shape->action.kind = FST_SPACE_BOX;
    shape->action.dtype = FST_F32;
    shape->action.rank = 1;
    shape->action.shape[0] = FST__ROBOT_ACTIONS;
    shape->action.low = low;
    shape->action.high = high;
    shape->state = sizeof(fst__robot_state) / sizeof(double);
    shape->max_steps = 300;
    shape->nanoseconds = 200 + 150 * rules.rays;
    shape->trail = 2;
    return FST_OK;
}

static void reset(const fst__env_kind *kind, const fst_env_make_options *options, uint64_t seed, double *state)
{
    fst__robot_rules rules = rules_of(options);
    fst__robot_reset(&rules, seed, (fst__robot_state *)state);
}

static void step(const fst__env_kind *kind, fst__env_move *move)
{
    fst__robot_rules rules = rules_of(move->options);
    fst__robot_outcome outcome = fst__robot_step(&rules, move->action, (fst__robot_state *)move->state);
    move->reward = outcome.reward;
    move->terminated = outcome.reached || outcome.collided;
}

static void observe(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                    void *observation)
{
    fst__robot_rules rules = rules_of(options);
    fst__robot_observe(&rules, (const fst__robot_state *)state, observation);
}

static bool is_count(double value, double most)
{
    return value >= 0 && value <= most && value == floor(value);
}

static bool accepts(const fst__env_kind *kind, const fst_env_make_options *options, const double *state)
{
    const fst__robot_state *s = (const fst__robot_state *)state;
    return is_count(s->seed, 0x1p53) && is_count(s->step, 0x1p53) &&
           is_count(s->obstacle_count, FST__ROBOT_OBSTACLES) && is_count(s->mover_count, FST__ROBOT_MOVING);
}

static void render(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                   const float *trail, int64_t points, int32_t format, fst__text *text)
{
    fst__robot_rules rules = rules_of(options);
    const fst__robot_state *s = (const fst__robot_state *)state;
    if (format == FST_RENDER_SVG)
        fst__robot_write_svg(&rules, s, trail, points, text);
    else
        fst__robot_write_text(&rules, s, trail, points, text);
}

const fst__env_kind fst__env_robot = {
    .name = "RobotNavigation-v0", .describe = describe, .reset = reset, .step = step, .observe = observe,
    .accepts = accepts, .render = render};
