/*
 * A control policy's file: weights by their parameters' names, statistics of observations
 * ("observations.mean", "observations.variance", "observations.count", doubles), bounds of Box spaces;
 * what the policy is in the metadata (control_description.c). Reading, nothing is taken memory for
 * before the file was seen to hold as much.
 */
#include "model/control_file.h"

#include "base/error.h"
#include "model/heads.h"
#include "model/policy.h"
#include "tensor/space.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char mean_name[] = "observations.mean";
static const char variance_name[] = "observations.variance";
static const char count_name[] = "observations.count";

/* ---- writing */

static fst_status add_metadata(const fst_policy *policy, fst__safetensors_writer *writer)
{
    fst__text text = fst__text_create(&policy->model->context->allocator);
    json_t *root = fst__control_describe(policy);
    fst_status status = root ? fst__json_dump(root, 0, &text) : FST_ERR_NO_MEMORY;
    if (!status && text.failed)
        status = FST_ERR_NO_MEMORY;
    if (!status)
        status = fst__safetensors_writer_metadata(writer, "policy", text.data);
    json_decref(root);
    fst__text_destroy(&text);
    return status;
}

static fst_status add_weights(const fst_model *model, fst__safetensors_writer *writer)
{
    fst_status status = FST_OK;
    for (int64_t i = 0; i < model->parameters.count && !status; ++i) {
        const fst__parameter *p = &model->parameters.items[i];
        int64_t shape[2] = {p->rank == 2 ? p->rows : p->columns, p->columns};
        status = fst__safetensors_writer_add(writer, p->name, FST__REAL_DTYPE, p->rank, shape,
                                             p->value);
    }
    return status;
}

static fst_status add_statistics(const fst__running_statistics *s, fst__safetensors_writer *writer)
{
    const int64_t one = 1;
    if (!s->size)
        return FST_OK;
    fst_status status =
        fst__safetensors_writer_add(writer, mean_name, FST_F64, 1, &s->size, s->mean);
    if (!status)
        status =
            fst__safetensors_writer_add(writer, variance_name, FST_F64, 1, &s->size, s->variance);
    return status ? status
                  : fst__safetensors_writer_add(writer, count_name, FST_F64, 1, &one, &s->count);
}

static fst_status add_bounds(const fst_space *space, int which, fst__safetensors_writer *writer)
{
    const float *const bounds[2] = {space->low, space->high};
    int64_t elements = fst__space_elements(space);
    fst_status status = FST_OK;
    for (int i = 0; i < 2 && !status && space->kind == FST_SPACE_BOX; ++i) {
        if (bounds[i])
            status = fst__safetensors_writer_add(writer, fst__control_bounds[which][i], FST_F32, 1,
                                                 &elements, bounds[i]);
    }
    return status;
}

fst_status fst__control_save(const fst_policy *policy, const char *path)
{
    const fst__control_policy *control = policy->control;
    fst__safetensors_writer *writer = NULL;
    if (policy->model->adapter)
        return fst__fail(FST_ERR_UNSUPPORTED,
                         "fst_policy_save: the model has an adapter; fst_model_merge_adapter first");
    fst_status status =
        fst__safetensors_writer_create(&policy->model->context->allocator, &writer);
    if (!status)
        status = add_metadata(policy, writer);
    if (!status)
        status = add_weights(policy->model, writer);
    if (!status)
        status = add_statistics(&control->statistics, writer);
    if (!status)
        status = add_bounds(&control->observations, 0, writer);
    if (!status)
        status = add_bounds(&control->actions, 1, writer);
    if (!status)
        status = fst__safetensors_writer_write(writer, path);
    fst__safetensors_writer_destroy(writer);
    return status;
}

/* ---- reading */

static fst_status check_shape(const fst__safetensors *file, const fst__safetensors_tensor *tensor,
                              int32_t rank, int64_t first, int64_t second)
{
    if (tensor->rank == rank && tensor->shape[0] == first &&
        (rank == 1 || tensor->shape[1] == second))
        return FST_OK;
    return fst__fail(FST_ERR_FORMAT,
                     "%s: tensor \"%s\" has shape [%lld, %lld] (rank %d), expected [%lld%s%.0lld]",
                     fst__safetensors_path(file), tensor->name, (long long)tensor->shape[0],
                     (long long)tensor->shape[1], (int)tensor->rank, (long long)first,
                     rank == 2 ? ", " : "", rank == 2 ? (long long)second : 0LL);
}

static fst_status find(const fst__safetensors *file, const char *name, int32_t rank, int64_t first,
                       int64_t second, fst__safetensors_tensor *tensor)
{
    fst_status status = fst__safetensors_find(file, name, tensor);
    return status ? status : check_shape(file, tensor, rank, first, second);
}

/* That the backbone's parameters fit what the file holds. */
static fst_status check_sizes(fst__allocator *allocator, const fst__safetensors *file,
                              const fst_model_config *config)
{
    enum { PADDING = 16 }; /* elements that a parameter's end may be short of a cache line */
    size_t held = 0, count = fst__safetensors_count(file);
    int64_t elements = 0;
    for (size_t i = 0; i < count; ++i)
        held += fst__safetensors_at(file, i).elements + PADDING;
    fst_status status = FST_OK;
    if (config->layers < 0 || (size_t)config->layers <= count)
        status = fst__parameters_count(allocator, config, &elements);
    else
        elements = INT64_MAX;
    if (!status && (size_t)elements > held)
        status = fst__fail(FST_ERR_FORMAT,
                           "%s: the model it describes has more weights than the file has elements",
                           fst__safetensors_path(file));
    return status;
}

/* A head's matrices, before memory is taken for them. */
static fst_status check_head(const fst__safetensors *file, const fst_head_options *o)
{
    char name[FST__PARAMETER_NAME_SIZE];
    fst__safetensors_tensor tensor;
    bool constant = o->kind == FST_HEAD_CONSTANT;
    snprintf(name, sizeof name, "heads.%.31s.%s", o->name, constant ? "bias" : "weight");
    fst_status status = fst__safetensors_find(file, name, &tensor);
    if (!status)
        status = check_shape(file, &tensor, constant ? 1 : 2, o->outputs,
                             o->hidden_layers ? o->hidden_size : tensor.shape[1]);
    for (int32_t i = 0; i < 2 && i < o->hidden_layers && !status; ++i) {
        snprintf(name, sizeof name, "heads.%.31s.hidden.%d.weight", o->name, (int)i);
        status = fst__safetensors_find(file, name, &tensor);
        if (!status)
            status = check_shape(file, &tensor, 2, o->hidden_size,
                                 i ? o->hidden_size : tensor.shape[1]);
    }
    return status;
}

static fst_status add_heads(fst_model *model, const fst__safetensors *file,
                            const fst__control_description *d)
{
    const char *path = fst__safetensors_path(file);
    fst_status status = FST_OK;
    for (size_t i = 0; i < json_array_size(d->heads) && !status; ++i) {
        fst_head_options head;
        status = fst__control_read_head(json_array_get(d->heads, i), path, &head);
        if (!status)
            status = check_head(file, &head);
        if (!status)
            status = fst__model_add_head(model, &head, false);
    }
    return status;
}

static fst_status read_weights(fst_model *model, const fst__safetensors *file)
{
    fst_status status = FST_OK;
    for (int64_t i = 0; i < model->parameters.count && !status; ++i) {
        fst__parameter *p = &model->parameters.items[i];
        fst__safetensors_tensor tensor;
        status = find(file, p->name, p->rank, p->rank == 2 ? p->rows : p->columns, p->columns,
                      &tensor);
        if (!status)
            status = fst__safetensors_read_as(file, &tensor, FST__REAL_DTYPE, p->value,
                                              tensor.elements);
    }
    const fst__parameter *bad = status ? NULL : fst__parameters_not_finite(&model->parameters);
    if (bad)
        return fst__fail(FST_ERR_FORMAT, "%s: tensor \"%s\" holds a value that is not finite",
                         fst__safetensors_path(file), bad->name);
    if (!status)
        fst__parameters_refresh_working(&model->parameters, model->context->compute);
    return status;
}

static fst_status read_model(fst_context *context, const fst__safetensors *file,
                             const fst__control_description *d, fst_model **out)
{
    fst_model_config config = d->config;
    fst_model *model = NULL;
    fst_status status = fst__config_resolve(&config);
    if (!status)
        status = check_sizes(&context->allocator, file, &config);
    if (!status)
        status = fst__model_create(context, &config, &d->model_options, false, &model);
    if (!status)
        status = add_heads(model, file, d);
    if (!status)
        status = read_weights(model, file);
    if (status) {
        fst__model_release(model);
        return status;
    }
    *out = model;
    return FST_OK;
}

static fst_status read_doubles(const fst__safetensors *file, const char *name, int64_t size,
                               double least, double *values)
{
    fst__safetensors_tensor tensor;
    fst_status status = find(file, name, 1, size, 0, &tensor);
    if (!status && tensor.dtype != FST_F64)
        status = fst__fail(FST_ERR_FORMAT, "%s: tensor \"%s\" is not F64",
                           fst__safetensors_path(file), name);
    if (!status && values)
        status = fst__safetensors_read(file, &tensor, values, tensor.bytes);
    for (int64_t i = 0; i < size && values && !status; ++i) {
        if (!isfinite(values[i]) || values[i] < least)
            status = fst__fail(FST_ERR_FORMAT, "%s: tensor \"%s\" holds %g in element %lld",
                               fst__safetensors_path(file), name, values[i], (long long)i);
    }
    return status;
}

static fst_status read_statistics(const fst__safetensors *file, fst__running_statistics *s)
{
    if (!s->size)
        return FST_OK;
    fst_status status = read_doubles(file, mean_name, s->size, -INFINITY, s->mean);
    if (!status)
        status = read_doubles(file, variance_name, s->size, 0, s->variance);
    return status ? status : read_doubles(file, count_name, 1, 0, &s->count);
}

/* Also what a hand-written file may claim and fst_policy_create_control refuses. */
static fst_status check_options(const fst__safetensors *file, const fst__control_description *d)
{
    const fst_control_policy_options *o = &d->options;
    bool normal = o->normalize_observations == 0 ||
                  (o->normalize_observations == 1 && d->observations.kind == FST_SPACE_BOX &&
                   d->observations.dtype == FST_F32);
    bool network = o->network >= FST_NETWORK_MLP && o->network <= FST_NETWORK_TRANSFORMER;
    int32_t backbone = d->config.backbone;
    bool fits = o->network == FST_NETWORK_MLP ? backbone == FST_BACKBONE_MLP
                : o->network == FST_NETWORK_TRANSFORMER
                    ? backbone == FST_BACKBONE_TRANSFORMER
                    : backbone != FST_BACKBONE_MLP && backbone != FST_BACKBONE_TRANSFORMER;
    bool window = o->network == FST_NETWORK_TRANSFORMER ? o->window >= 1 : o->window == 1;
    if (!normal || !network || !fits || !window || !(o->observation_clip > 0))
        return fst__fail(FST_ERR_FORMAT,
                         "%s: metadata \"policy\": options that contradict the spaces or the model",
                         fst__safetensors_path(file));
    if (!o->normalize_observations)
        return FST_OK;
    return read_doubles(file, mean_name, fst__space_elements(&d->observations), 0, NULL);
}

static fst_status load(fst_context *context, const fst__safetensors *file, fst_policy **out)
{
    fst__control_description d;
    fst_model *model = NULL;
    fst_policy *policy = NULL;
    fst_status status = fst__control_read_description(&context->allocator, file, &d);
    if (!status)
        status = check_options(file, &d);
    if (!status)
        status = read_model(context, file, &d, &model);
    if (!status)
        status = fst__control_create_over(model, &d.options, &policy);
    if (!status)
        status = read_statistics(file, &policy->control->statistics);
    fst__control_description_close(&context->allocator, &d);
    fst__model_release(model);
    if (status) {
        fst__policy_release(policy);
        return status;
    }
    *out = policy;
    return FST_OK;
}

/* What is wrong is the file, whoever found it. */
static fst_status blame_file(fst_status status, const char *path)
{
    if (status == FST_OK || status == FST_ERR_NO_MEMORY || status == FST_ERR_IO ||
        status == FST_ERR_FORMAT || status == FST_ERR_INTERNAL)
        return status;
    return fst__fail_in(FST_ERR_FORMAT, "%s", path);
}

fst_status fst__control_load(fst_context *context, const char *path, fst_policy **out)
{
    fst__safetensors *file;
    fst_status status = fst__safetensors_open(&context->allocator, path, &file);
    if (status)
        return status;
    status = blame_file(load(context, file, out), path);
    fst__safetensors_close(file);
    return status;
}
