/*
 * Structs of plain numbers to JSON and back by tables of their fields: a member of each field's name.
 * Members that are missing leave the default, members that are not known are refused: what they mean
 * could not be done.
 */
#include "model/control_file.h"

#include "base/error.h"
#include "model/heads.h"
#include "model/policy.h"
#include "tensor/space.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

const char *const fst__control_bounds[2][2] = {
    {"observation_space.low", "observation_space.high"}, {"action_space.low", "action_space.high"}};

enum { FORMAT = 1 };

typedef enum field_type { INT32, INT64, DOUBLE } field_type;

typedef struct field {
    const char *name;
    field_type type;
    size_t offset;
} field;

#define CONFIG(type, name) {#name, type, offsetof(fst_model_config, name)}
#define HEAD(type, name) {#name, type, offsetof(fst_head_options, name)}
#define OPTION(type, name) {#name, type, offsetof(fst_control_policy_options, name)}
#define SPACE(type, name) {#name, type, offsetof(fst_space, name)}

static const field config_fields[] = {
    CONFIG(INT32, family), CONFIG(INT32, vocabulary_size), CONFIG(INT32, context_length),
    CONFIG(INT32, layers), CONFIG(INT32, width), CONFIG(INT32, heads), CONFIG(INT32, kv_heads),
    CONFIG(INT32, head_size), CONFIG(INT32, hidden_size), CONFIG(INT32, position),
    CONFIG(INT32, norm), CONFIG(INT32, activation), CONFIG(INT32, gated),
    CONFIG(INT32, attention_bias), CONFIG(INT32, output_bias), CONFIG(INT32, mlp_bias),
    CONFIG(INT32, norm_bias), CONFIG(INT32, qk_norm), CONFIG(INT32, tied), CONFIG(INT32, window),
    CONFIG(DOUBLE, norm_epsilon), CONFIG(DOUBLE, rope_theta), CONFIG(INT32, rope_scaling),
    CONFIG(INT32, rope_original_context), CONFIG(DOUBLE, rope_factor),
    CONFIG(DOUBLE, rope_low_frequency_factor), CONFIG(DOUBLE, rope_high_frequency_factor),
    CONFIG(DOUBLE, rope_attention_factor), CONFIG(DOUBLE, rope_beta_fast),
    CONFIG(DOUBLE, rope_beta_slow), CONFIG(DOUBLE, dropout), CONFIG(DOUBLE, attention_dropout),
    CONFIG(DOUBLE, init_std), CONFIG(INT64, bos_id), CONFIG(INT64, eos_id), CONFIG(INT32, causal),
    CONFIG(INT32, post_norm), CONFIG(INT32, token_types), CONFIG(INT32, embedding_norm),
    CONFIG(INT32, position_offset), CONFIG(INT32, head_transform), CONFIG(INT32, head_bias),
    CONFIG(INT32, pooler), CONFIG(INT32, global_every), CONFIG(INT32, first_norm_free),
    CONFIG(DOUBLE, local_rope_theta), CONFIG(INT32, backbone), CONFIG(INT32, image_channels),
    CONFIG(INT32, image_height), CONFIG(INT32, image_width), CONFIG(INT32, patch_size),
    CONFIG(INT32, stem), CONFIG(INT32, bottleneck), CONFIG(INT32, blocks_1),
    CONFIG(INT32, blocks_2), CONFIG(INT32, blocks_3), CONFIG(INT32, blocks_4),
    CONFIG(INT32, stage_width), CONFIG(DOUBLE, batch_norm_momentum), CONFIG(INT64, pad_id),
    CONFIG(INT32, inputs), CONFIG(INT32, towers), CONFIG(INT32, tower_width), CONFIG(INT32, cnn),
    CONFIG(DOUBLE, orthogonal_gain),
};
static const field head_fields[] = {
    HEAD(INT32, kind), HEAD(INT32, pooling), HEAD(INT64, outputs), HEAD(INT32, bias),
    HEAD(DOUBLE, init_std), HEAD(DOUBLE, dropout), HEAD(INT32, hidden_layers),
    HEAD(INT32, activation), HEAD(INT64, hidden_size), HEAD(INT32, batch_norm),
    HEAD(INT32, hidden_bias), HEAD(INT32, layer_norm), HEAD(INT32, norm_bias),
    HEAD(DOUBLE, norm_epsilon), HEAD(INT32, tower), HEAD(DOUBLE, orthogonal_gain),
    HEAD(DOUBLE, init_bias),
};
static const field option_fields[] = {
    OPTION(INT32, network), OPTION(INT32, shared), OPTION(INT32, layers), OPTION(INT32, width),
    OPTION(INT32, activation), OPTION(INT32, window), OPTION(INT32, heads),
    OPTION(INT32, orthogonal), OPTION(DOUBLE, policy_gain), OPTION(DOUBLE, initial_log_std),
    OPTION(INT32, normalize_observations), OPTION(DOUBLE, observation_clip),
};
static const field space_fields[] = {
    SPACE(INT32, kind), SPACE(INT32, dtype), SPACE(INT32, rank), SPACE(INT64, n),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- writing */

static json_t *value_of(const field *f, const void *from)
{
    const char *at = (const char *)from + f->offset;
    if (f->type == DOUBLE) {
        double value;
        memcpy(&value, at, sizeof value);
        return json_real(value);
    }
    int32_t small;
    int64_t large;
    memcpy(&small, at, sizeof small);
    memcpy(&large, at, f->type == INT64 ? sizeof large : sizeof small);
    return json_integer(f->type == INT64 ? large : small);
}

/* An object with the fields; NULL if memory is out. */
static json_t *write_fields(const void *from, const field *fields, size_t count)
{
    json_t *object = json_object();
    bool written = object != NULL;
    for (size_t i = 0; i < count && written; ++i)
        written = json_object_set_new(object, fields[i].name, value_of(&fields[i], from)) == 0;
    if (written)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *write_numbers(const int64_t *numbers, int64_t count)
{
    json_t *array = json_array();
    bool written = array != NULL;
    for (int64_t i = 0; i < count && written; ++i)
        written = json_array_append_new(array, json_integer(numbers[i])) == 0;
    if (written)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *write_space(const fst_space *space)
{
    json_t *object = write_fields(space, space_fields, COUNT(space_fields));
    bool many = space->kind == FST_SPACE_MULTI_DISCRETE;
    bool shaped = space->kind != FST_SPACE_DISCRETE;
    bool written =
        object &&
        json_object_set_new(object, "shape",
                            write_numbers(space->shape, shaped ? space->rank : 0)) == 0 &&
        (!many || json_object_set_new(object, "counts",
                                      write_numbers(space->counts, space->shape[0])) == 0);
    if (written)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *write_heads(const fst_model *model)
{
    json_t *array = json_array();
    bool written = array != NULL;
    for (int32_t i = 0; i < model->head_count && written; ++i) {
        const fst_head_options *o = &model->heads[i].options;
        json_t *object = write_fields(o, head_fields, COUNT(head_fields));
        written = object && json_object_set_new(object, "name", json_string(o->name)) == 0;
        written = json_array_append_new(array, object) == 0 && written;
    }
    if (written)
        return array;
    json_decref(array);
    return NULL;
}

json_t *fst__control_describe(const fst_policy *policy)
{
    const fst__control_policy *c = policy->control;
    const fst_model *model = policy->model;
    json_t *root = json_object();
    /* Each setter refuses the NULL of a part that could not be made. */
    bool written =
        root && json_object_set_new(root, "format", json_integer(FORMAT)) == 0 &&
        json_object_set_new(root, "observation_space", write_space(&c->observations)) == 0 &&
        json_object_set_new(root, "action_space", write_space(&c->actions)) == 0 &&
        json_object_set_new(root, "options", write_fields(&c->options, option_fields,
                                                          COUNT(option_fields))) == 0 &&
        json_object_set_new(root, "dtype", json_string(fst_dtype_name(model->options.dtype))) ==
            0 &&
        json_object_set_new(root, "model", write_fields(&model->config, config_fields,
                                                        COUNT(config_fields))) == 0 &&
        json_object_set_new(root, "heads", write_heads(model)) == 0;
    if (written)
        return root;
    json_decref(root);
    return NULL;
}

/* ---- reading */

static fst_status read_field(const field *f, const json_t *object, const char *path, void *to)
{
    char *at = (char *)to + f->offset;
    if (f->type == DOUBLE) {
        double value;
        memcpy(&value, at, sizeof value);
        fst_status status = fst__json_get_double(object, f->name, path, false, &value, -DBL_MAX,
                                                 DBL_MAX);
        memcpy(at, &value, sizeof value);
        return status;
    }
    bool wide = f->type == INT64;
    int32_t small;
    int64_t value;
    memcpy(&small, at, sizeof small);
    value = small;
    if (wide)
        memcpy(&value, at, sizeof value);
    fst_status status = fst__json_get_int(object, f->name, path, false, &value,
                                          wide ? INT64_MIN : INT32_MIN, wide ? INT64_MAX : INT32_MAX);
    small = (int32_t)value;
    if (wide)
        memcpy(at, &value, sizeof value);
    else
        memcpy(at, &small, sizeof small);
    return status;
}

/* `others` counts members that are known but no fields. */
static fst_status read_fields(const json_t *object, const char *path, const char *what, void *to,
                              const field *fields, size_t count, size_t others)
{
    size_t known = others;
    fst_status status = FST_OK;
    for (size_t i = 0; i < count && !status; ++i) {
        known += json_object_get(object, fields[i].name) != NULL;
        status = read_field(&fields[i], object, path, to);
    }
    if (!status && known != json_object_size(object))
        status = fst__fail(FST_ERR_FORMAT, "%s: metadata \"policy\": unknown members of \"%s\"", path,
                           what);
    return status;
}

/* At most as many numbers as `limit`; *count of them into `numbers`. */
static fst_status read_numbers(const json_t *array, const char *path, const char *what,
                               int64_t *numbers)
{
    for (size_t i = 0; i < json_array_size(array); ++i) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_integer(value))
            return fst__fail(FST_ERR_FORMAT, "%s: metadata \"policy\": %s holds no integers", path,
                             what);
        numbers[i] = json_integer_value(value);
    }
    return FST_OK;
}

/* The tensor's values, in a block of their own; *values NULL where the file has none. */
static fst_status read_bounds(fst__allocator *allocator, const fst__safetensors *file,
                              const char *name, int64_t elements, float **values)
{
    fst__safetensors_tensor tensor;
    if (!fst__safetensors_has(file, name))
        return FST_OK;
    fst_status status = fst__safetensors_find(file, name, &tensor);
    if (!status && (tensor.dtype != FST_F32 || tensor.elements != (size_t)elements))
        status = fst__fail(FST_ERR_FORMAT, "%s: tensor \"%s\" has %zu elements, expected %lld of F32",
                           fst__safetensors_path(file), name, tensor.elements, (long long)elements);
    if (status)
        return status;
    *values = fst__alloc_array(allocator, tensor.elements, sizeof **values);
    return *values ? fst__safetensors_read(file, &tensor, *values, tensor.bytes)
                   : FST_ERR_NO_MEMORY;
}

/* What of a space is in arrays; freed by the caller. */
typedef struct arrays {
    int64_t *counts;
    float *bounds[2];
} arrays;

static fst_status read_arrays(fst__allocator *allocator, const fst__safetensors *file,
                              const json_t *object, int which, fst_space *space, arrays *a)
{
    const char *path = fst__safetensors_path(file);
    json_t *shape = NULL, *counts = NULL;
    fst_status status = fst__json_get_array(object, "shape", path, true, &shape);
    if (!status)
        status = fst__json_get_array(object, "counts", path, false, &counts);
    if (!status && json_array_size(shape) > FST_SPACE_MAX_RANK)
        status = fst__fail(FST_ERR_FORMAT, "%s: metadata \"policy\": a shape of rank %zu", path,
                           json_array_size(shape));
    if (!status)
        status = read_numbers(shape, path, "shape", space->shape);
    if (!status && space->kind == FST_SPACE_MULTI_DISCRETE) {
        if (!counts || (int64_t)json_array_size(counts) != space->shape[0])
            return fst__fail(FST_ERR_FORMAT, "%s: metadata \"policy\": counts of another length than "
                                             "the shape's",
                             path);
        a->counts = fst__alloc_array(allocator, json_array_size(counts), sizeof *a->counts);
        status = a->counts ? read_numbers(counts, path, "counts", a->counts) : FST_ERR_NO_MEMORY;
        space->counts = a->counts;
    }
    if (status)
        return status;
    status = fst__space_check(space, which ? "action_space" : "observation_space");
    for (int i = 0; i < 2 && !status && space->kind == FST_SPACE_BOX; ++i)
        status = read_bounds(allocator, file, fst__control_bounds[which][i],
                             fst__space_elements(space), &a->bounds[i]);
    space->low = a->bounds[0];
    space->high = a->bounds[1];
    return status ? status
                  : fst__space_check(space, which ? "action_space" : "observation_space");
}

static fst_status read_space(fst__allocator *allocator, const fst__safetensors *file,
                             const json_t *root, int which, fst_space *out)
{
    const char *path = fst__safetensors_path(file);
    const char *name = which ? "action_space" : "observation_space";
    fst_space space = fst__space_defaults();
    json_t *object = NULL;
    arrays a = {0};
    fst_status status = fst__json_get_object(root, name, path, true, &object);
    if (!status)
        status = read_fields(object, path, name, &space, space_fields, COUNT(space_fields),
                             json_object_get(object, "counts") ? 2 : 1);
    if (!status)
        status = read_arrays(allocator, file, object, which, &space, &a);
    if (!status)
        status = fst__space_copy(allocator, &space, out);
    fst__free(allocator, a.counts);
    fst__free(allocator, a.bounds[0]);
    fst__free(allocator, a.bounds[1]);
    return status;
}

static fst_status read_dtype(const json_t *root, const char *path, fst_model_options *options)
{
    const char *name = NULL;
    fst_status status = fst__json_get_string(root, "dtype", path, true, &name);
    if (status)
        return status;
    options->struct_size = sizeof *options;
    options->dtype = strcmp(name, fst_dtype_name(FST_BF16)) == 0 ? FST_BF16 : FST_F32;
    if (strcmp(name, fst_dtype_name(options->dtype)) == 0)
        return FST_OK;
    return fst__fail(FST_ERR_FORMAT, "%s: metadata \"policy\": dtype is \"%.20s\"", path, name);
}

static fst_status read_members(fst__allocator *allocator, const fst__safetensors *file,
                               fst__control_description *d)
{
    const char *path = fst__safetensors_path(file);
    json_t *options = NULL, *config = NULL;
    int64_t format = 0;
    fst_status status = fst__json_get_int(d->root, "format", path, true, &format, FORMAT, FORMAT);
    if (!status)
        status = read_space(allocator, file, d->root, 0, &d->observations);
    if (!status)
        status = read_space(allocator, file, d->root, 1, &d->actions);
    if (!status)
        status = fst__json_get_object(d->root, "options", path, true, &options);
    if (!status)
        status = read_fields(options, path, "options", &d->options, option_fields,
                             COUNT(option_fields), 0);
    if (!status)
        status = read_dtype(d->root, path, &d->model_options);
    if (!status)
        status = fst__json_get_object(d->root, "model", path, true, &config);
    if (!status)
        status = read_fields(config, path, "model", &d->config, config_fields, COUNT(config_fields),
                             0);
    return status ? status : fst__json_get_array(d->root, "heads", path, true, &d->heads);
}

fst_status fst__control_read_description(fst__allocator *allocator, const fst__safetensors *file,
                                         fst__control_description *out)
{
    const char *path = fst__safetensors_path(file);
    const char *text = fst__safetensors_metadata(file, "policy");
    *out = (fst__control_description){.options = fst__control_policy_defaults(),
                                      .config = fst__config_default()};
    if (!text)
        return fst__fail(FST_ERR_FORMAT, "%s: no metadata \"policy\": not written by fst_policy_save",
                         path);
    fst_status status = fst__json_parse(text, strlen(text), path, &out->root);
    if (!status && !json_is_object(out->root))
        status = fst__fail(FST_ERR_FORMAT, "%s: metadata \"policy\" is no object", path);
    if (!status)
        status = read_members(allocator, file, out);
    out->options.observation_space = &out->observations;
    out->options.action_space = &out->actions;
    return status;
}

void fst__control_description_close(fst__allocator *allocator, fst__control_description *d)
{
    fst__space_free(allocator, &d->actions);
    fst__space_free(allocator, &d->observations);
    json_decref(d->root);
}

fst_status fst__control_read_head(const json_t *object, const char *path, fst_head_options *head)
{
    *head = fst__head_defaults();
    if (!json_is_object(object))
        return fst__fail(FST_ERR_FORMAT, "%s: metadata \"policy\": a head is no object", path);
    fst_status status = fst__json_get_string(object, "name", path, true, &head->name);
    return status ? status
                  : read_fields(object, path, "heads", head, head_fields, COUNT(head_fields), 1);
}
