/* Policies that act, for spaces and networks of every kind, and observations for them. */
#ifndef FST_TESTS_SMALL_CONTROL_H
#define FST_TESTS_SMALL_CONTROL_H

#include "fourstage/context.h"
#include "fourstage/control_policy.h"
#include "fourstage/model.h"
#include "fourstage/policy.h"
#include "tensor/space.h"
#include "tiny_model.h"

enum { SMALL_CONTROL_BYTES = 1 << 16, SMALL_CONTROL_ROWS = 40 };

static const int64_t small_counts[] = {2, 3};
static const int64_t small_seen_counts[] = {3, 1, 4};

typedef struct small_control {
    const char *name;
    int32_t observation, action; /* of the two tables below */
    int32_t network, shared, normalize;
} small_control;

enum { SEES_BOX, SEES_CHOICE, SEES_CHOICES, SEES_BITS, SEES_BYTES, SEES_PICTURE, SEES_KINDS };
enum { ACTS_CHOICE, ACTS_CHOICES, ACTS_BITS, ACTS_BOX, ACTS_KINDS };

static const small_control small_controls[] = {
    {"MLP", SEES_BOX, ACTS_CHOICE, FST_NETWORK_AUTO, -1, 0},
    {"MLP, one trunk", SEES_BOX, ACTS_CHOICES, FST_NETWORK_MLP, 1, 0},
    {"MLP, normalised", SEES_BOX, ACTS_BOX, FST_NETWORK_MLP, -1, 1},
    {"MLP of a choice", SEES_CHOICE, ACTS_BITS, FST_NETWORK_AUTO, -1, 0},
    {"MLP of choices", SEES_CHOICES, ACTS_BOX, FST_NETWORK_AUTO, -1, 0},
    {"MLP of bits", SEES_BITS, ACTS_CHOICE, FST_NETWORK_AUTO, -1, 0},
    {"MLP of bytes", SEES_BYTES, ACTS_CHOICE, FST_NETWORK_MLP, -1, 0},
    {"CNN of bytes", SEES_BYTES, ACTS_CHOICES, FST_NETWORK_AUTO, -1, 0},
    {"CNN, two trunks", SEES_PICTURE, ACTS_BOX, FST_NETWORK_AUTO, 0, 0},
    {"CNN, normalised", SEES_PICTURE, ACTS_CHOICE, FST_NETWORK_CNN, -1, 1},
    {"transformer", SEES_BOX, ACTS_CHOICE, FST_NETWORK_TRANSFORMER, -1, 0},
    {"transformer, normalised", SEES_BOX, ACTS_BOX, FST_NETWORK_TRANSFORMER, -1, 1},
    {"transformer of choices", SEES_CHOICES, ACTS_BITS, FST_NETWORK_TRANSFORMER, -1, 0},
};
enum {
    SMALL_CONTROLS = sizeof small_controls / sizeof *small_controls,
    SMALL_TRANSFORMER = SMALL_CONTROLS - 3, /* the first of them */
    SMALL_MLPS = 7,
    SMALL_WINDOW = 4,
};

static inline fst_space small_space(int32_t kind, int64_t n, const int64_t *counts)
{
    fst_space space = fst__space_defaults();
    space.kind = kind;
    space.shape[0] = n;
    space.n = n;
    space.counts = counts;
    return space;
}

static inline fst_space small_observation_space(int32_t which)
{
    fst_space picture = small_space(FST_SPACE_BOX, 2, NULL);
    picture.rank = 3;
    picture.shape[1] = 7;
    picture.shape[2] = 6;
    if (which == SEES_BYTES)
        picture.dtype = FST_U8;
    return which == SEES_BOX       ? small_space(FST_SPACE_BOX, 5, NULL)
           : which == SEES_CHOICE  ? small_space(FST_SPACE_DISCRETE, 6, NULL)
           : which == SEES_CHOICES ? small_space(FST_SPACE_MULTI_DISCRETE, 3, small_seen_counts)
           : which == SEES_BITS    ? small_space(FST_SPACE_MULTI_BINARY, 4, NULL)
                                   : picture;
}

static inline fst_space small_action_space(int32_t which)
{
    return which == ACTS_CHOICE    ? small_space(FST_SPACE_DISCRETE, 4, NULL)
           : which == ACTS_CHOICES ? small_space(FST_SPACE_MULTI_DISCRETE, 2, small_counts)
           : which == ACTS_BITS    ? small_space(FST_SPACE_MULTI_BINARY, 3, NULL)
                                   : small_space(FST_SPACE_BOX, 2, NULL);
}

/* Options as they stand; the spaces are `spaces`. */
static inline fst_control_policy_options small_control_options(const small_control *c,
                                                               fst_space spaces[2])
{
    fst_control_policy_options options;
    REQUIRE(fst_control_policy_options_init(&options, sizeof options));
    spaces[0] = small_observation_space(c->observation);
    spaces[1] = small_action_space(c->action);
    options.observation_space = &spaces[0];
    options.action_space = &spaces[1];
    options.network = c->network;
    options.shared = c->shared;
    options.normalize_observations = c->normalize;
    options.width = 16;
    options.window = SMALL_WINDOW;
    options.heads = 2;
    options.policy_gain = 1; /* choices differ */
    return options;
}

static inline fst_policy *small_policy(fst_context *context, const small_control *c)
{
    fst_space spaces[2];
    fst_control_policy_options options = small_control_options(c, spaces);
    fst_policy *policy;
    REQUIRE(fst_policy_create_control(context, &options, &policy));
    return policy;
}

/* `count` values of a space, a function of `seed`. */
static inline void small_observations(int32_t which, int64_t count, int seed, void *to)
{
    fst_space space = small_observation_space(which);
    int64_t elements = fst__space_elements(&space);
    for (int64_t i = 0; i < count * elements; ++i) {
        uint32_t number = (uint32_t)(i * 2654435761u + (uint32_t)seed * 40503u) >> 7;
        int64_t n = which == SEES_CHOICE ? 6 : which == SEES_BITS ? 2 : small_seen_counts[i % 3];
        if (space.kind != FST_SPACE_BOX)
            ((int32_t *)to)[i] = (int32_t)(number % (uint32_t)n);
        else if (space.dtype == FST_U8)
            ((uint8_t *)to)[i] = (uint8_t)number;
        else
            ((float *)to)[i] = (float)sin(0.37 * (double)(number % 1000)) * (i % 2 ? 1 : 5);
    }
}

#endif
