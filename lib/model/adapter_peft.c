/* PEFT's directories: adapter_config.json and adapter_model.safetensors. */
#include "model/adapter.h"

#include "base/error.h"
#include "formats/file.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "fourstage/context.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CONFIG_LIMIT = 16 << 20, NAME_SIZE = 128 };

static const char config_name[] = "adapter_config.json";
static const char weights_name[] = "adapter_model.safetensors";

/* ---- the tensors */

typedef struct tensor {
    char name[NAME_SIZE];
    fst__parameter *parameter;
} tensor;

static void set_tensor(tensor *to, const fst_model *model, const fst__adapter_module *module,
                       int64_t parameter, const char *suffix)
{
    to->parameter = &model->parameters.items[parameter];
    snprintf(to->name, sizeof to->name, "base_model.model.%s%d.%s.%s",
             fst__module_blocks(model->config.family), (int)module->layer,
             model->adapter->kinds[module->kind].path, suffix);
}

static int32_t list_tensors(const fst_model *model, const fst__adapter_module *module, tensor out[3])
{
    set_tensor(&out[0], model, module, module->a, "lora_A.weight");
    set_tensor(&out[1], model, module, module->b, "lora_B.weight");
    if (module->magnitude < 0)
        return 2;
    set_tensor(&out[2], model, module, module->magnitude, "lora_magnitude_vector");
    return 3;
}

static int64_t module_total(const fst_model *model)
{
    return model->config.layers * model->adapter->options.module_count;
}

/* ---- writing */

static fst_status config_to_json(const fst_model *model, json_t **out)
{
    const fst_adapter_options *o = &model->adapter->options;
    json_t *root = json_object(), *modules = json_array();
    for (int64_t i = 0; i < o->module_count; ++i)
        json_array_append_new(modules, json_string(o->modules[i]));
    json_t *alpha = o->alpha == floor(o->alpha) && o->alpha < 0x1p53
                        ? json_integer((json_int_t)o->alpha)
                        : json_real(o->alpha);
    const struct {
        const char *key;
        json_t *value;
    } members[] = {
        {"alpha_pattern", json_object()},
        {"auto_mapping", json_null()},
        {"base_model_name_or_path", json_null()},
        {"bias", json_string("none")},
        {"fan_in_fan_out", json_boolean(model->config.family == FST_FAMILY_GPT2)},
        {"inference_mode", json_true()},
        {"init_lora_weights", json_true()},
        {"lora_alpha", alpha},
        {"lora_dropout", json_real(o->dropout)},
        {"modules_to_save", json_null()},
        {"peft_type", json_string("LORA")},
        {"r", json_integer(o->rank)},
        {"rank_pattern", json_object()},
        {"target_modules", modules},
        {"task_type", model->config.causal ? json_string("CAUSAL_LM") : json_null()},
        {"use_dora", json_boolean(o->weight_decomposed)},
        {"use_rslora", json_boolean(o->rank_stabilized)},
    };
    size_t count = sizeof members / sizeof *members;
    for (size_t i = 0; i < count; ++i)
        json_object_set_new(root, members[i].key, members[i].value);
    /* jansson's setters fail only for lack of memory; then a member is missing. */
    if (!root || json_object_size(root) != count ||
        json_array_size(modules) != (size_t)o->module_count) {
        json_decref(root);
        return fst__fail(FST_ERR_NO_MEMORY, "out of memory while writing %s", config_name);
    }
    *out = root;
    return FST_OK;
}

static fst_status write_weights(const fst_model *model, const char *path)
{
    fst__safetensors_writer *writer = NULL;
    fst_status status = fst__safetensors_writer_create(&model->context->allocator, &writer);
    if (!status)
        status = fst__safetensors_writer_metadata(writer, "format", "pt");
    for (int64_t m = 0; m < module_total(model) && !status; ++m) {
        tensor tensors[3];
        int32_t count = list_tensors(model, &model->adapter->modules[m], tensors);
        for (int32_t i = 0; i < count && !status; ++i) {
            const fst__parameter *p = tensors[i].parameter;
            int64_t shape[2] = {p->rank == 2 ? p->rows : p->columns, p->columns};
            status = fst__safetensors_writer_add(writer, tensors[i].name, FST__REAL_DTYPE, p->rank,
                                                 shape, p->value);
        }
    }
    if (!status)
        status = fst__safetensors_writer_write(writer, path);
    fst__safetensors_writer_destroy(writer);
    return status;
}

fst_status fst__model_save_adapter(const fst_model *model, const char *directory)
{
    if (!model->adapter)
        return fst__fail(FST_ERR_NOT_FOUND, "the model has no adapter");
    fst__allocator *allocator = &model->context->allocator;
    json_t *config = NULL;
    char *config_path = fst__path_join(allocator, directory, config_name);
    char *weights_path = fst__path_join(allocator, directory, weights_name);
    fst_status status = config_path && weights_path ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status)
        status = config_to_json(model, &config);
    if (!status)
        status = fst__directory_create(directory);
    /* Weights first: a directory with a config is a whole one. */
    if (!status)
        status = write_weights(model, weights_path);
    if (!status)
        status = fst__json_write_file(allocator, config_path, config);
    json_decref(config);
    fst__free(allocator, weights_path);
    fst__free(allocator, config_path);
    return status;
}

/* ---- reading the config */

/* Nothing that changes what is computed with these weights. */
static const char *const harmless[] = {
    "auto_mapping",     "base_model_name_or_path", "ensure_weight_tying", "fan_in_fan_out",
    "inference_mode",   "layers_pattern",          "lora_alpha",          "lora_dropout",
    "megatron_core",    "peft_type",               "peft_version",        "qalora_group_size",
    "r",                "revision",                "runtime_config",      "target_modules",
    "task_type",        "use_dora",                "use_rslora",
};

static bool is_harmless(const char *key)
{
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; ++i) {
        if (strcmp(harmless[i], key) == 0)
            return true;
    }
    return false;
}

/* PEFT's ways to leave a feature off. */
static bool is_off(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_integer(value) && json_integer_value(value) == 0);
}

static bool is_text(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* Initialisations that leave the trunk's weights alone. */
static bool is_plain_initialisation(const json_t *value)
{
    return json_is_boolean(value) || json_is_null(value) || is_text(value, "gaussian") ||
           is_text(value, "orthogonal") || is_text(value, "eva");
}

static fst_status unsupported(const char *path, const char *key, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    fst_status status = fst__fail(FST_ERR_UNSUPPORTED, "%s: \"%s\": %.80s is not supported", path,
                                  key, text ? text : "its value");
    free(text);
    return status;
}

static fst_status check_members(json_t *root, const char *path)
{
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        bool fine = is_harmless(key) || is_off(value);
        if (strcmp(key, "bias") == 0)
            fine = is_text(value, "none");
        if (strcmp(key, "init_lora_weights") == 0)
            fine = is_plain_initialisation(value);
        if (!fine)
            return unsupported(path, key, value);
    }
    value = json_object_get(root, "peft_type");
    return is_text(value, "LORA") ? FST_OK : unsupported(path, "peft_type", value);
}

static fst_status read_numbers(const json_t *root, const char *path, fst_adapter_options *o)
{
    int64_t rank = 8;
    bool stabilized = false, decomposed = false;
    o->alpha = 8;
    o->dropout = 0; /* PEFT's defaults, not ours */
    fst_status status =
        fst__json_get_int(root, "r", path, false, &rank, 1, FST__ADAPTER_MOST_RANK);
    if (!status)
        status = fst__json_get_double(root, "lora_alpha", path, false, &o->alpha, DBL_MIN, DBL_MAX);
    if (!status)
        status = fst__json_get_double(root, "lora_dropout", path, false, &o->dropout, 0,
                                      1 - DBL_EPSILON);
    if (!status)
        status = fst__json_get_bool(root, "use_rslora", path, false, &stabilized);
    if (!status)
        status = fst__json_get_bool(root, "use_dora", path, false, &decomposed);
    o->rank = (int32_t)rank;
    o->rank_stabilized = stabilized;
    o->weight_decomposed = decomposed;
    return status;
}

static bool has_module(const fst_model *model, const char *name)
{
    fst__module_kind kinds[FST__ADAPTER_MODULES];
    int32_t count = fst__module_kinds(&model->config, kinds);
    for (int32_t i = 0; i < count; ++i) {
        if (fst__module_is(&kinds[i], name))
            return true;
    }
    return false;
}

/* The names stay those of `root`. */
static fst_status read_modules(const fst_model *model, const json_t *root, const char *path,
                               const char ***modules, fst_adapter_options *o)
{
    json_t *list = json_object_get(root, "target_modules");
    size_t count = json_array_size(list);
    if (is_text(list, "all-linear"))
        return FST_OK;
    if (count == 0)
        return json_is_string(list) ? unsupported(path, "target_modules", list)
                                    : fst__fail(FST_ERR_FORMAT, "%s: \"target_modules\" must list the "
                                                                "names of modules",
                                                path);
    *modules = fst__alloc_array(&model->context->allocator, count, sizeof **modules);
    if (!*modules)
        return FST_ERR_NO_MEMORY;
    for (size_t i = 0; i < count; ++i) {
        json_t *name = json_array_get(list, i);
        (*modules)[i] = json_string_value(name);
        if (!json_is_string(name) || !has_module(model, (*modules)[i]))
            return unsupported(path, "target_modules", name);
    }
    o->modules = *modules;
    o->module_count = (int64_t)count;
    return FST_OK;
}

/* ---- reading the weights */

static fst_status read_tensor(const fst__safetensors *file, const tensor *wanted)
{
    fst__parameter *p = wanted->parameter;
    fst__safetensors_tensor found;
    fst_status status = fst__safetensors_find(file, wanted->name, &found);
    if (status)
        return status;
    int64_t first = p->rank == 2 ? p->rows : p->columns;
    if (found.rank != p->rank || found.shape[0] != first ||
        (p->rank == 2 && found.shape[1] != p->columns))
        return fst__fail(FST_ERR_MISMATCH,
                         "%s: tensor \"%s\" has shape [%lld, %lld] (rank %d), expected [%lld, %lld] "
                         "(rank %d)",
                         fst__safetensors_path(file), wanted->name, (long long)found.shape[0],
                         (long long)found.shape[1], (int)found.rank, (long long)first,
                         (long long)(p->rank == 2 ? p->columns : 0), (int)p->rank);
    return fst__safetensors_read_as(file, &found, FST__REAL_DTYPE, p->value, found.elements);
}

static bool is_wanted(const fst_model *model, const char *name)
{
    for (int64_t m = 0; m < module_total(model); ++m) {
        tensor tensors[3];
        int32_t count = list_tensors(model, &model->adapter->modules[m], tensors);
        for (int32_t i = 0; i < count; ++i) {
            if (strcmp(tensors[i].name, name) == 0)
                return true;
        }
    }
    return false;
}

static fst_status read_weights(fst_model *model, const char *path)
{
    fst__safetensors *file = NULL;
    size_t read = 0;
    fst_status status = fst__safetensors_open(&model->context->allocator, path, &file);
    for (int64_t m = 0; !status && m < module_total(model); ++m) {
        tensor tensors[3];
        int32_t count = list_tensors(model, &model->adapter->modules[m], tensors);
        for (int32_t i = 0; i < count && !status; ++i, ++read)
            status = read_tensor(file, &tensors[i]);
    }
    if (!status && fst__safetensors_count(file) != read) {
        for (size_t i = 0; i < fst__safetensors_count(file) && !status; ++i) {
            const char *name = fst__safetensors_at(file, i).name;
            if (!is_wanted(model, name))
                status = fst__fail(FST_ERR_MISMATCH,
                                   "%s: tensor \"%s\" belongs to none of the modules in %s", path,
                                   name, config_name);
        }
    }
    fst__safetensors_close(file);
    if (!status)
        fst__parameters_refresh_working(&model->parameters, model->context->compute);
    return status;
}

fst_status fst__model_load_adapter(fst_model *model, const char *directory)
{
    fst__allocator *allocator = &model->context->allocator;
    fst_adapter_options options = {.struct_size = sizeof options};
    const char **modules = NULL;
    json_t *root = NULL;
    char *config_path = fst__path_join(allocator, directory, config_name);
    char *weights_path = fst__path_join(allocator, directory, weights_name);
    fst_status status = config_path && weights_path ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status)
        status = fst__json_read_file(allocator, config_path, CONFIG_LIMIT, &root);
    if (!status)
        status = check_members(root, config_path);
    if (!status)
        status = read_numbers(root, config_path, &options);
    if (!status)
        status = read_modules(model, root, config_path, &modules, &options);
    if (!status)
        status = fst__model_add_adapter(model, &options, false);
    if (!status) {
        status = read_weights(model, weights_path);
        if (status)
            fst__model_remove_adapter(model);
    }
    json_decref(root);
    fst__free(allocator, modules);
    fst__free(allocator, weights_path);
    fst__free(allocator, config_path);
    return status;
}
