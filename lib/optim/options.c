#include "optim/options.h"

#include "base/error.h"
#include "base/text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

fst_optimizer_options fst__optimizer_defaults(void)
{
    return (fst_optimizer_options){
        .struct_size = sizeof(fst_optimizer_options),
        .kind = FST_OPTIMIZER_ADAMW,
        .schedule = FST_SCHEDULE_CONSTANT,
        .learning_rate = 1e-3,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .epsilon = 1e-8,
        .weight_decay = 0.01,
        .clip_norm = 1,
        .muon_learning_rate = 0.02,
        .muon_momentum = 0.95,
        .muon_nesterov = 1,
        .muon_iterations = 5,
        .layer_decay = 1,
        .lars_trust = 0.001,
        .lars_momentum = 0.9,
    };
}

fst_schedule_options fst__optimizer_schedule(const fst_optimizer_options *options)
{
    return (fst_schedule_options){
        .struct_size = sizeof(fst_schedule_options),
        .kind = options->schedule,
        .warmup = options->warmup,
        .learning_rate = options->learning_rate,
        .minimum_ratio = options->minimum_ratio,
        .warmup_steps = options->warmup_steps,
        .total_steps = options->total_steps,
        .decay_steps = options->decay_steps,
    };
}

static fst_status check_number(double value, double below, const char *name)
{
    if (value >= 0 && value < below && isfinite(value))
        return FST_OK;
    if (isinf(below))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %g, expected a finite number ≥ 0", name,
                         value);
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %g, expected ≥ 0 and < %g", name, value,
                     below);
}

static fst_status check_flag(int32_t value, const char *name)
{
    if (value == 0 || value == 1)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %d, expected 0 or 1", name, value);
}

static fst_status check_numbers(const fst_optimizer_options *o)
{
    const struct {
        double value, below;
        const char *name;
    } numbers[] = {
        {o->beta1, 1, "beta1"},
        {o->beta2, 1, "beta2"},
        {o->epsilon, INFINITY, "epsilon"},
        {o->weight_decay, INFINITY, "weight_decay"},
        {o->clip_norm, INFINITY, "clip_norm"},
        {o->momentum, 1, "momentum"},
        {o->muon_learning_rate, INFINITY, "muon_learning_rate"},
        {o->muon_momentum, 1, "muon_momentum"},
        {o->muon_weight_decay, INFINITY, "muon_weight_decay"},
        {o->layer_decay, INFINITY, "layer_decay"},
        {o->lars_trust, INFINITY, "lars_trust"},
        {o->lars_momentum, 1, "lars_momentum"},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; ++i) {
        fst_status status = check_number(numbers[i].value, numbers[i].below, numbers[i].name);
        if (status)
            return status;
    }
    if (!isfinite(o->dampening))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "dampening is %g, expected a finite number",
                         o->dampening);
    return FST_OK;
}

static fst_status check_groups(const fst_optimizer_options *o)
{
    if (o->group_count < 0 || (o->group_count > 0 && !o->group_patterns))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "group_count is %lld%s",
                         (long long)o->group_count,
                         o->group_count < 0 ? "" : " and group_patterns is NULL");
    for (int64_t i = 0; i < o->group_count; ++i) {
        if (!o->group_patterns[i])
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "group_patterns[%lld] is NULL",
                             (long long)i);
        fst_status status = FST_OK;
        if (o->group_learning_rates)
            status = check_number(o->group_learning_rates[i], INFINITY, "group_learning_rates");
        if (!status && o->group_weight_decays)
            status = check_number(o->group_weight_decays[i], INFINITY, "group_weight_decays");
        if (status)
            return fst__fail_in(status, "group %lld, \"%s\"", (long long)i, o->group_patterns[i]);
    }
    return FST_OK;
}

fst_status fst__optimizer_check(const fst_optimizer_options *options)
{
    const fst_optimizer_options *o = options;
    if (o->kind < FST_OPTIMIZER_ADAMW || o->kind > FST_OPTIMIZER_LARS)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "kind %d is none of the FST_OPTIMIZER_ values",
                         o->kind);
    if (o->muon_scale != FST_MUON_SCALE_ORIGINAL && o->muon_scale != FST_MUON_SCALE_MATCH_RMS)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "muon_scale %d is none of the FST_MUON_SCALE_ values", o->muon_scale);
    if (o->muon_iterations < 1 || o->muon_iterations > 100)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "muon_iterations is %d, expected 1 … 100",
                         o->muon_iterations);
    fst_status status = check_flag(o->nesterov, "nesterov");
    if (!status)
        status = check_flag(o->keep_gradients, "keep_gradients");
    if (!status)
        status = check_flag(o->muon_nesterov, "muon_nesterov");
    if (!status)
        status = check_numbers(o);
    bool lars = o->kind == FST_OPTIMIZER_LARS;
    if (!status && lars && o->lars_trust == 0)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "lars_trust is 0, expected > 0");
    if (!status && lars && o->nesterov && o->lars_momentum == 0)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "nesterov needs lars_momentum > 0; it is 0");
    if (!status && !lars && o->nesterov && (o->momentum <= 0 || o->dampening != 0))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "nesterov needs momentum > 0 and dampening 0; they are %g and %g",
                           o->momentum, o->dampening);
    if (!status)
        status = check_groups(o);
    if (status)
        return status;
    fst_schedule_options schedule = fst__optimizer_schedule(o);
    return fst__schedule_check(&schedule);
}

void fst__optimizer_group(const fst_optimizer_options *options, const char *name,
                          double *learning_rate, double *weight_decay)
{
    *learning_rate = *weight_decay = 1;
    for (int64_t i = 0; i < options->group_count; ++i) {
        if (!fst__text_matches(options->group_patterns[i], name))
            continue;
        if (options->group_learning_rates)
            *learning_rate = options->group_learning_rates[i];
        if (options->group_weight_decays)
            *weight_decay = options->group_weight_decays[i];
        return;
    }
}

/* L of "layers.L.…", or -1. */
static int64_t layer_of(const char *name)
{
    long long layer;
    return sscanf(name, "layers.%lld.", &layer) == 1 && layer >= 0 ? layer : -1;
}

int64_t fst__optimizer_layers(const fst__parameter *parameters, int64_t count)
{
    int64_t layers = 0;
    for (int64_t i = 0; i < count; ++i) {
        int64_t layer = parameters[i].name ? layer_of(parameters[i].name) : -1;
        layers = layer >= layers ? layer + 1 : layers;
    }
    return layers;
}

double fst__optimizer_layer_factor(const fst_optimizer_options *options, const char *name,
                                   int64_t layers)
{
    int64_t layer = layer_of(name), depth = layer >= 0 ? layers - layer : 0;
    if (strncmp(name, "embedding.", 10) == 0)
        depth = layers + 1;
    return pow(options->layer_decay, (double)depth);
}
