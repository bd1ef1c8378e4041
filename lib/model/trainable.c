#include "model/trainable.h"

#include "base/error.h"
#include "base/text.h"
#include "model/backbone.h"

#include <stdio.h>
#include <string.h>

static bool is_frozen(const fst__parameter *parameter)
{
    return parameter->flags & FST__PARAMETER_FROZEN;
}

fst_status fst__model_set_trainable(fst_model *model, const char *pattern, bool trainable)
{
    fst__parameters *parameters = &model->parameters;
    if (model->optimizers)
        return fst__fail(FST_ERR_STATE,
                         "fst_model_set_trainable while an optimizer of the model lives");
    int64_t found = 0;
    for (int64_t i = 0; i < parameters->count; ++i) {
        if (!fst__text_matches(pattern, parameters->items[i].name))
            continue;
        ++found;
        if (parameters->items[i].flags & FST__PARAMETER_BUFFER)
            continue;
        if (is_frozen(&parameters->items[i]) == trainable)
            fst__parameters_freeze(parameters, i, !trainable);
    }
    if (!found)
        return fst__fail(FST_ERR_NOT_FOUND, "no parameter matches \"%s\"", pattern);
    model->phase = FST__PHASE_IDLE; /* the gradients that a backward would have added to are gone */
    return FST_OK;
}

bool fst__model_is_frozen(const fst_model *model)
{
    for (int64_t i = 0; i < model->parameters.count; ++i) {
        if (!is_frozen(&model->parameters.items[i]))
            return false;
    }
    return true;
}

/* Of an adapter's parameter its layer, else a head's. */
static int32_t added_place(const char *name, int32_t heads)
{
    int layer;
    return sscanf(name, "layers.%d.", &layer) == 1 ? layer : heads;
}

int32_t fst__model_lowest_trainable(const fst_model *model)
{
    const fst__backbone *backbone = fst__backbone_of(&model->config);
    int32_t heads = model->config.layers + 1, lowest = heads;
    for (int64_t i = 0; i < model->parameters.count && lowest >= 0; ++i) {
        const fst__parameter *parameter = &model->parameters.items[i];
        if (is_frozen(parameter))
            continue;
        int32_t place = i < model->parameters.backbone
                            ? backbone->place(&model->config, parameter->name)
                            : added_place(parameter->name, heads);
        lowest = place < lowest ? place : lowest;
    }
    return lowest;
}
