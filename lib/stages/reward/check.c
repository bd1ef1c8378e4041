/* Whether options, heads and data fit each other. */
#include "stages/reward/reward.h"

#include "base/checked.h"
#include "base/error.h"
#include "stages/data_checks.h"

#include <inttypes.h>
#include <math.h>

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_reward_options.%s: expected %s", field, expected);
}

static bool is_switch(int32_t value)
{
    return value == 0 || value == 1;
}

static fst_status check_values(const fst_reward_options *o)
{
    int64_t examples;
    if (!o->model || !o->train)
        return bad(o->model ? "train" : "model", "a handle, it is NULL");
    if (o->objective != FST_REWARD_PAIRWISE && o->objective != FST_REWARD_GRADED)
        return bad("objective", "an FST_REWARD_ value");
    if (!is_switch(o->shuffle) || !is_switch(o->dropout) || !is_switch(o->shift_to_zero) ||
        !is_switch(o->scale_to_one))
        return bad("shuffle, dropout, shift_to_zero and scale_to_one", "0 or 1");
    if (o->rows < 1 || o->accumulation < 1 ||
        !fst__mul_i64(o->rows, o->accumulation, &examples) || examples > INT32_MAX)
        return bad("rows and accumulation", "at least 1, and less than 2³¹ examples a step");
    if (o->evaluation_examples < 0)
        return bad("evaluation_examples", "at least 0");
    if (!(o->centering >= 0) || !isfinite(o->centering))
        return bad("centering", "a finite number ≥ 0");
    if (o->head_count < 0 || o->head_count > FST__ASPECTS_MOST || !o->head_count != !o->heads)
        return bad("heads and head_count", "up to 8 names and their number");
    if (o->aspect_count < 0 || o->aspect_count > FST__ASPECTS_MOST)
        return bad("aspect_count", "0 to 8");
    return FST_OK;
}

/* ---- data ---- */

static fst_status check_all_data(fst__reward *reward)
{
    const fst_reward_options *o = &reward->options;
    fst_examples_info *train = &reward->train_info, *validation = &reward->validation_info;
    int32_t kind = o->objective == FST_REWARD_GRADED ? FST_EXAMPLES_LABELLED : FST_EXAMPLES_PREFERENCES;
    fst_status status =
        fst__data_check_examples(o->model, o->train, "fst_reward_options.train", kind, train);
    if (!status && o->validation)
        status = fst__data_check_examples(o->model, o->validation, "fst_reward_options.validation",
                                          kind, validation);
    if (status)
        return status;
    reward->length = train->longest > validation->longest ? train->longest : validation->longest;
    int64_t labels = train->label_count;
    if (o->validation && validation->label_count != labels)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_reward_options: train has %" PRId64 " labels, validation %" PRId64,
                         labels, validation->label_count);
    if (labels > FST__ASPECTS_MOST || (o->aspect_count && o->aspect_count != labels))
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_reward_options.train has %" PRId64 " labels, expected %s%" PRId64,
                         labels, o->aspect_count ? "" : "at most ",
                         o->aspect_count ? o->aspect_count : (int64_t)FST__ASPECTS_MOST);
    return FST_OK;
}

/* ---- aspects ---- */

static fst_status read_aspect(fst__reward *reward, int64_t a)
{
    const fst_reward_options *o = &reward->options;
    fst__aspect *aspect = &reward->aspects[a];
    *aspect = (fst__aspect){
        .loss = o->aspect_losses ? o->aspect_losses[a] : FST_ASPECT_MSE,
        .weight = o->aspect_weights ? o->aspect_weights[a] : 1,
        .outputs = 1,
    };
    if (aspect->loss < FST_ASPECT_MSE || aspect->loss > FST_ASPECT_ORDINAL)
        return bad("aspect_losses", "FST_ASPECT_ values");
    if (!(aspect->weight >= 0) || !isfinite(aspect->weight))
        return bad("aspect_weights", "finite numbers ≥ 0");
    if (aspect->loss != FST_ASPECT_ORDINAL)
        return FST_OK;
    aspect->levels = o->aspect_levels ? o->aspect_levels[a] : 0;
    if (aspect->levels < 2 || aspect->levels > FST__LEVELS_MOST)
        return bad("aspect_levels", "2 to 64 for FST_ASPECT_ORDINAL");
    aspect->outputs = aspect->levels - 1;
    return FST_OK;
}

/* The mean, and whether an ordinal aspect's labels are its levels. */
static fst_status read_labels(fst__reward *reward, const fst_dataset *dataset, const char *field,
                              int64_t examples, int64_t a, double *mean)
{
    const fst__aspect *aspect = &reward->aspects[a];
    double sum = 0, count = 0;
    for (int64_t i = 0; i < examples; ++i) {
        fst_example example;
        fst__examples_get(dataset, i, 0, &example);
        double label = (double)example.labels[a];
        if (isnan(label))
            continue;
        if (aspect->levels && (label < 0 || label > aspect->levels - 1 || label != floor(label)))
            return fst__fail(FST_ERR_MISMATCH,
                             "fst_reward_options.%s: label %" PRId64 " of example %" PRId64
                             " is %g, expected a level 0 to %d",
                             field, a, i, label, (int)aspect->levels - 1);
        sum += label;
        count += 1;
    }
    *mean = count > 0 ? sum / count : NAN;
    return FST_OK;
}

static fst_status read_aspects(fst__reward *reward)
{
    fst_status status = FST_OK;
    reward->aspect_count = reward->train_info.label_count;
    for (int64_t a = 0; !status && a < reward->aspect_count; ++a) {
        double unused;
        status = read_aspect(reward, a);
        reward->aspects[a].column = reward->outputs;
        reward->outputs += reward->aspects[a].outputs;
        if (!status)
            status = read_labels(reward, reward->options.train, "train",
                                 reward->train_info.examples, a, &reward->aspects[a].mean);
        if (!status && reward->options.validation)
            status = read_labels(reward, reward->options.validation, "validation",
                                 reward->validation_info.examples, a, &unused);
    }
    return status;
}

/* ---- heads ---- */

static fst_status find_head(fst__reward *reward, int64_t index, const char *name, int64_t outputs)
{
    fst_model *model = reward->options.model;
    if (!name)
        return bad("heads", "names, one is NULL");
    const fst__head *head = fst__head_find(model, name);
    if (!head)
        return fst__fail(FST_ERR_NOT_FOUND,
                         "fst_reward_options.heads: the model has no \"%s\"; see fst_model_add_head",
                         name);
    for (int64_t h = 0; h < index; ++h) {
        if (reward->heads[h].head == head)
            return bad("heads", "each head once");
    }
    if (head->options.kind != FST_HEAD_SEQUENCE || head->options.outputs != outputs)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_reward_options.heads: \"%s\" is a %s head with %" PRId64
                         " outputs, expected a sequence head with %" PRId64,
                         name, head->options.kind == FST_HEAD_SEQUENCE ? "sequence" : "token",
                         head->options.outputs, outputs);
    reward->heads[index].head = head;
    return FST_OK;
}

static fst_status find_heads(fst__reward *reward)
{
    const fst_reward_options *o = &reward->options;
    reward->head_count = o->head_count ? o->head_count : 1;
    if (reward->head_count != 1 && reward->head_count != reward->aspect_count)
        return bad("head_count", "1, or one head for each aspect");
    fst_status status = FST_OK;
    for (int64_t h = 0; !status && h < reward->head_count; ++h) {
        bool all = reward->head_count == 1;
        const fst__aspect *aspect = &reward->aspects[h];
        status = find_head(reward, h, o->head_count ? o->heads[h] : "score",
                           all ? reward->outputs : aspect->outputs);
        reward->heads[h].column = all ? 0 : aspect->column;
    }
    if (!status && !reward->aspect_count && o->shift_to_zero &&
        !fst__head_bias(o->model, reward->heads[0].head))
        return bad("shift_to_zero", "0 for a head without a bias");
    return status;
}

fst_status fst__reward_check(fst__reward *reward)
{
    const fst_reward_options *o = &reward->options;
    fst_status status = check_values(o);
    if (!status)
        status = check_all_data(reward);
    if (!status && o->objective == FST_REWARD_GRADED)
        status = read_aspects(reward);
    else if (!status)
        reward->outputs = 1;
    return status ? status : find_heads(reward);
}
