/* What a checkpoint of this stage holds. */
#include "stages/reward/reward.h"

#include <stddef.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Positions in the data mean something only over the same examples. */
static const fst__setting data_settings[] = {
    {"kind", offsetof(fst_examples_info, kind), FST__SETTING_I32, 1},
    {"examples", offsetof(fst_examples_info, examples), FST__SETTING_I64, 1},
    {"sequences", offsetof(fst_examples_info, sequences), FST__SETTING_I64, 1},
    {"tokens", offsetof(fst_examples_info, tokens), FST__SETTING_I64, 1},
    {"longest", offsetof(fst_examples_info, longest), FST__SETTING_I64, 1},
    {"label_count", offsetof(fst_examples_info, label_count), FST__SETTING_I64, 1},
};

static const fst__setting step_settings[] = {
    {"objective", offsetof(fst_reward_options, objective), FST__SETTING_I32, 1},
    {"rows", offsetof(fst_reward_options, rows), FST__SETTING_I64, 1},
    {"shuffle", offsetof(fst_reward_options, shuffle), FST__SETTING_I32, 1},
    {"dropout", offsetof(fst_reward_options, dropout), FST__SETTING_I32, 0},
    {"shift_to_zero", offsetof(fst_reward_options, shift_to_zero), FST__SETTING_I32, 0},
    {"scale_to_one", offsetof(fst_reward_options, scale_to_one), FST__SETTING_I32, 0},
    {"centering", offsetof(fst_reward_options, centering), FST__SETTING_F64, 0},
};

static const fst__setting aspect_settings[] = {
    {"loss", offsetof(fst__aspect, loss), FST__SETTING_I32, 1},
    {"levels", offsetof(fst__aspect, levels), FST__SETTING_I32, 1},
    {"column", offsetof(fst__aspect, column), FST__SETTING_I64, 1},
    {"weight", offsetof(fst__aspect, weight), FST__SETTING_F64, 0},
};

void fst__reward_visit(fst_run *run, fst__visitor *visitor)
{
    fst__reward *r = fst__reward_of(run);
    _Static_assert(sizeof r->sums == FST__REWARD_SUMS * sizeof(double), "doubles, no gap");
    fst__visit_settings(visitor, "data", data_settings, COUNT(data_settings), &r->train_info);
    fst__visit_settings(visitor, "reward", step_settings, COUNT(step_settings), &r->options);
    for (int64_t h = 0; h < r->head_count; ++h) {
        char key[32];
        snprintf(key, sizeof key, "reward.head.%d", (int)h);
        fst__visit_setting_text(visitor, key, r->heads[h].head->name, 1);
    }
    for (int64_t a = 0; a < r->aspect_count; ++a) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "reward.aspect.%d", (int)a);
        fst__visit_settings(visitor, prefix, aspect_settings, COUNT(aspect_settings), &r->aspects[a]);
    }
    fst__visit_doubles(visitor, "reward", "sums", &r->sums.loss, FST__REWARD_SUMS);
    fst__steps_visit(&r->steps, "reward", visitor);
}
