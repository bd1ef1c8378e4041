#include "model/heads_file.h"

#include "base/error.h"
#include "formats/file.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "model/head_labels.h"
#include "model/heads.h"
#include "model/hugging_face_encoder.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

static const char file_name[] = "heads.safetensors";
static const char *const kinds[] = {[FST_HEAD_SEQUENCE] = "sequence", [FST_HEAD_TOKEN] = "token",
                                    [FST_HEAD_CONSTANT] = "constant"};
static const char *const poolings[] = {
    [FST_POOL_LAST] = "last", [FST_POOL_FIRST] = "first", [FST_POOL_MEAN] = "mean",
    [FST_POOL_MAX] = "max", [FST_POOL_POOLER] = "pooler"};
static const char *const activations[] = {
    [0] = "", [FST_ACTIVATION_GELU_TANH] = "gelu_tanh", [FST_ACTIVATION_GELU] = "gelu",
    [FST_ACTIVATION_SILU] = "silu", [FST_ACTIVATION_RELU] = "relu", [FST_ACTIVATION_TANH] = "tanh"};
enum {
    KINDS = sizeof kinds / sizeof *kinds,
    POOLINGS = sizeof poolings / sizeof *poolings,
    ACTIVATIONS = sizeof activations / sizeof *activations,
};

/* ---- writing */

static bool add_labels(json_t *object, const fst__head *head)
{
    if (!head->labels)
        return true;
    json_t *labels = json_array();
    bool added = json_object_set_new(object, "labels", labels) == 0;
    for (int64_t i = 0; i < head->options.outputs && added; ++i)
        added = json_array_append_new(labels, json_string(fst__head_label(head, i))) == 0;
    return added;
}

/* What is written only where it is not the default. */
static bool add_rarer(json_t *object, const fst_head_options *o)
{
    return (!o->batch_norm || json_object_set_new(object, "batch_norm", json_true()) == 0) &&
           (!o->tower || json_object_set_new(object, "tower", json_integer(o->tower)) == 0) &&
           (o->orthogonal_gain == 0 ||
            json_object_set_new(object, "orthogonal_gain", json_real(o->orthogonal_gain)) == 0) &&
           (o->init_bias == 0 ||
            json_object_set_new(object, "init_bias", json_real(o->init_bias)) == 0);
}

static json_t *head_to_json(const fst__head *head)
{
    const fst_head_options *o = &head->options;
    json_t *object = json_pack("{s:s, s:s, s:s, s:I, s:b, s:f, s:f}", "name", o->name, "kind",
                               kinds[o->kind], "pooling", poolings[o->pooling], "outputs",
                               (json_int_t)o->outputs, "bias", (int)o->bias, "init_std",
                               o->init_std, "dropout", o->dropout);
    if (object && !add_rarer(object, o)) {
        json_decref(object);
        return NULL;
    }
    if (!object || (o->hidden_layers == 0 && add_labels(object, head)))
        return object;
    json_t *layers = json_pack(
        "{s:i, s:I, s:s, s:b, s:b, s:b, s:f}", "layers", (int)o->hidden_layers, "size",
        (json_int_t)o->hidden_size, "activation", activations[o->activation], "bias",
        (int)o->hidden_bias, "layer_norm", (int)o->layer_norm, "norm_bias", (int)o->norm_bias,
        "norm_epsilon", o->norm_epsilon);
    if (o->hidden_layers && json_object_set_new(object, "hidden", layers) == 0 &&
        add_labels(object, head))
        return object;
    json_decref(object);
    return NULL;
}

static fst_status add_metadata(const fst_model *model, fst__safetensors_writer *writer)
{
    fst__text text = fst__text_create(&model->context->allocator);
    json_t *array = json_array();
    for (int32_t i = 0; i < model->head_count; ++i)
        json_array_append_new(array, head_to_json(&model->heads[i]));
    /* jansson's setters fail only for lack of memory; then an element is missing. */
    fst_status status = array && json_array_size(array) == (size_t)model->head_count
                            ? fst__json_dump(array, 0, &text)
                            : FST_ERR_NO_MEMORY;
    if (!status && text.failed)
        status = FST_ERR_NO_MEMORY;
    if (!status)
        status = fst__safetensors_writer_metadata(writer, "heads", text.data);
    if (!status)
        status = fst__safetensors_writer_metadata(writer, "format", "pt");
    json_decref(array);
    fst__text_destroy(&text);
    return status;
}

/* "heads.NAME.…" of that head, or of any if NULL. */
static bool is_of_head(const char *name, const char *head)
{
    size_t length = head ? strlen(head) : 0;
    if (strncmp(name, "heads.", 6) != 0)
        return false;
    return !head || (strncmp(name + 6, head, length) == 0 && name[6 + length] == '.');
}

static fst_status add_tensor(fst__safetensors_writer *writer, const fst__parameter *p)
{
    int64_t shape[2] = {p->rank == 2 ? p->rows : p->columns, p->columns};
    return fst__safetensors_writer_add(writer, p->name, FST__REAL_DTYPE, p->rank, shape, p->value);
}

/* What the model's class has no tensors for. */
static fst_status add_pieces(const fst_model *model, const fst__piece *pieces, int64_t count,
                             fst__safetensors_writer *writer)
{
    fst_status status = FST_OK;
    for (int64_t i = 0; i < count && !status; ++i) {
        if (pieces[i].aside && pieces[i].parameter)
            status = add_tensor(writer, pieces[i].parameter);
    }
    return status;
}

static fst_status write_file(const fst_model *model, const fst__piece *pieces, int64_t count,
                             const char *path)
{
    const fst__head *own = fst__class_head(model);
    fst__safetensors_writer *writer = NULL;
    fst_status status = fst__safetensors_writer_create(&model->context->allocator, &writer);
    if (!status)
        status = add_metadata(model, writer);
    for (int64_t i = model->parameters.backbone; i < model->parameters.count && !status; ++i) {
        const fst__parameter *p = &model->parameters.items[i];
        if (is_of_head(p->name, NULL) && !(own && is_of_head(p->name, own->name)))
            status = add_tensor(writer, p);
    }
    if (!status)
        status = add_pieces(model, pieces, count, writer);
    if (!status)
        status = fst__safetensors_writer_write(writer, path);
    fst__safetensors_writer_destroy(writer);
    return status;
}

fst_status fst__heads_save(const fst_model *model, const char *directory)
{
    fst__allocator *allocator = &model->context->allocator;
    char *path = fst__path_join(allocator, directory, file_name);
    fst__piece *pieces =
        fst__alloc_array(allocator, (size_t)fst__piece_limit(&model->config), sizeof *pieces);
    fst_status status = path && pieces ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status) {
        int64_t count = fst__list_pieces(model, pieces);
        bool wanted = model->head_count > (fst__class_head(model) ? 1 : 0);
        for (int64_t i = 0; i < count; ++i)
            wanted |= pieces[i].aside && pieces[i].parameter;
        status = wanted ? write_file(model, pieces, count, path) : fst__file_remove(path);
    }
    fst__free(allocator, pieces);
    fst__free(allocator, path);
    return status;
}

/* ---- reading */

static fst_status read_choice(const json_t *object, const char *key, const char *path,
                              const char *const *names, int32_t count, int32_t *value)
{
    const char *text;
    fst_status status = fst__json_get_string(object, key, path, true, &text);
    if (status)
        return status;
    for (int32_t i = 0; i < count; ++i) {
        if (strcmp(text, names[i]) == 0) {
            *value = i;
            return FST_OK;
        }
    }
    return fst__fail(FST_ERR_UNSUPPORTED, "%s: a head's %s is \"%.60s\"", path, key, text);
}

/* An object of exactly these members, each a flag, a number or a text read by the caller. */
static fst_status check_members(const json_t *object, const char *path, const char *what,
                                const char *const *names, size_t least, size_t most)
{
    size_t known = 0;
    for (size_t i = 0; i < most; ++i)
        known += json_object_get(object, names[i]) != NULL;
    if (json_is_object(object) && known >= least && known == json_object_size(object))
        return FST_OK;
    return fst__fail(FST_ERR_FORMAT, "%s: metadata \"heads\": expected objects with %s", path, what);
}

static fst_status read_flag(const json_t *object, const char *key, const char *path, int32_t *out)
{
    bool value = false;
    fst_status status = fst__json_get_bool(object, key, path, true, &value);
    *out = value;
    return status;
}

static fst_status read_layers(const json_t *object, const char *path, fst_head_options *o)
{
    static const char *const names[] = {"layers", "size", "activation", "bias", "layer_norm",
                                        "norm_bias", "norm_epsilon"};
    enum { MEMBERS = sizeof names / sizeof *names };
    int64_t layers = 0;
    fst_status status = check_members(object, path,
                                      "layers, size, activation, bias, layer_norm, norm_bias, "
                                      "norm_epsilon in \"hidden\"",
                                      names, MEMBERS, MEMBERS);
    if (!status)
        status = fst__json_get_int(object, "layers", path, true, &layers, 1, INT32_MAX);
    if (!status)
        status = fst__json_get_int(object, "size", path, true, &o->hidden_size, 1, INT32_MAX);
    if (!status)
        status = read_choice(object, "activation", path, activations, ACTIVATIONS, &o->activation);
    if (!status)
        status = read_flag(object, "bias", path, &o->hidden_bias);
    if (!status)
        status = read_flag(object, "layer_norm", path, &o->layer_norm);
    if (!status)
        status = read_flag(object, "norm_bias", path, &o->norm_bias);
    if (!status)
        status = fst__json_get_double(object, "norm_epsilon", path, true, &o->norm_epsilon, 0, 1);
    o->hidden_layers = (int32_t)layers;
    return status;
}

static fst_status read_rarer(const json_t *object, const char *path, fst_head_options *o)
{
    int64_t tower = 0;
    fst_status status = FST_OK;
    if (json_object_get(object, "batch_norm"))
        status = read_flag(object, "batch_norm", path, &o->batch_norm);
    if (!status)
        status = fst__json_get_int(object, "tower", path, false, &tower, 0, INT32_MAX);
    if (!status)
        status = fst__json_get_double(object, "orthogonal_gain", path, false, &o->orthogonal_gain, 0,
                                      DBL_MAX);
    if (!status)
        status = fst__json_get_double(object, "init_bias", path, false, &o->init_bias, -DBL_MAX,
                                      DBL_MAX);
    o->tower = (int32_t)tower;
    return status;
}

static fst_status read_options(const json_t *object, const char *path, fst_head_options *o)
{
    static const char *const names[] = {"name", "kind", "pooling", "outputs", "bias", "init_std",
                                        "dropout", "hidden", "labels", "batch_norm", "tower",
                                        "orthogonal_gain", "init_bias"};
    enum { MEMBERS = sizeof names / sizeof *names, NEEDED = 7 };
    fst_status status = check_members(object, path,
                                      "name, kind, pooling, outputs, bias, init_std, dropout",
                                      names, NEEDED, MEMBERS);
    if (!status)
        status = fst__json_get_string(object, "name", path, true, &o->name);
    if (!status)
        status = read_choice(object, "kind", path, kinds, KINDS, &o->kind);
    if (!status)
        status = read_choice(object, "pooling", path, poolings, POOLINGS, &o->pooling);
    if (!status)
        status = fst__json_get_int(object, "outputs", path, true, &o->outputs, 1, INT32_MAX);
    if (!status)
        status = read_flag(object, "bias", path, &o->bias);
    if (!status)
        status = fst__json_get_double(object, "init_std", path, true, &o->init_std, 0, DBL_MAX);
    if (!status)
        status = fst__json_get_double(object, "dropout", path, true, &o->dropout, 0, 1);
    if (!status)
        status = read_rarer(object, path, o);
    const json_t *layers = json_object_get(object, "hidden");
    return status || !layers ? status : read_layers(layers, path, o);
}

static fst_status check_shape(const fst__safetensors *file, const fst__safetensors_tensor *tensor,
                              int32_t rank, int64_t rows, int64_t columns)
{
    if (tensor->rank == rank && tensor->shape[0] == (rank == 2 ? rows : columns) &&
        (rank == 1 || tensor->shape[1] == columns))
        return FST_OK;
    return fst__fail(FST_ERR_MISMATCH,
                     "%s: tensor \"%s\" has shape [%lld, %lld] (rank %d), expected [%lld, %lld]",
                     fst__safetensors_path(file), tensor->name, (long long)tensor->shape[0],
                     (long long)tensor->shape[1], (int)tensor->rank,
                     (long long)(rank == 2 ? rows : columns), (long long)(rank == 2 ? columns : 0));
}

/* That the file has the matrix with this shape, before memory is taken for it. */
static fst_status check_matrix(const fst__safetensors *file, const char *head, const char *what,
                               int64_t rows, int64_t columns)
{
    char name[FST__PARAMETER_NAME_SIZE];
    fst__safetensors_tensor tensor;
    snprintf(name, sizeof name, "heads.%.31s.%s", head, what);
    fst_status status = fst__safetensors_find(file, name, &tensor);
    return status ? status : check_shape(file, &tensor, 2, rows, columns);
}

static fst_status check_constant(const fst__safetensors *file, const fst_head_options *o)
{
    char name[FST__PARAMETER_NAME_SIZE];
    fst__safetensors_tensor tensor;
    snprintf(name, sizeof name, "heads.%.31s.bias", o->name);
    fst_status status = fst__safetensors_find(file, name, &tensor);
    return status ? status : check_shape(file, &tensor, 1, 1, o->outputs);
}

static fst_status check_matrices(const fst_model *model, const fst__safetensors *file,
                                 const fst_head_options *o)
{
    int64_t width = o->tower ? model->config.tower_width : model->config.width;
    if (o->kind == FST_HEAD_CONSTANT)
        return check_constant(file, o);
    fst_status status = check_matrix(file, o->name, "weight", o->outputs,
                                     o->hidden_layers ? o->hidden_size : width);
    if (!status && o->hidden_layers)
        status = check_matrix(file, o->name, "hidden.0.weight", o->hidden_size, width);
    return status;
}

static fst_status read_tensor(const fst__safetensors *file, fst__parameter *p)
{
    fst__safetensors_tensor tensor;
    fst_status status = fst__safetensors_find(file, p->name, &tensor);
    if (!status)
        status = check_shape(file, &tensor, p->rank, p->rows, p->columns);
    return status ? status : fst__safetensors_read_as(file, &tensor, FST__REAL_DTYPE, p->value,
                                                      tensor.elements);
}

static fst_status read_labels(fst_model *model, fst__head *head, const json_t *object,
                              const char *path)
{
    json_t *array = NULL;
    fst_status status = fst__json_get_array(object, "labels", path, false, &array);
    if (status || !array)
        return status;
    size_t count = (size_t)head->options.outputs;
    if (json_array_size(array) != count)
        return fst__fail(FST_ERR_FORMAT, "%s: metadata \"heads\": %llu labels for %llu outputs", path,
                         (unsigned long long)json_array_size(array), (unsigned long long)count);
    const char **labels = fst__alloc_array(&model->context->allocator, count, sizeof *labels);
    if (!labels)
        return FST_ERR_NO_MEMORY;
    for (size_t i = 0; i < count; ++i)
        labels[i] = json_string_value(json_array_get(array, i));
    status = fst__head_set_labels(model, head, labels);
    fst__free(&model->context->allocator, labels);
    return status ? fst__fail_in(status == FST_ERR_NO_MEMORY ? status : FST_ERR_FORMAT, "%s", path)
                  : FST_OK;
}

/* That it is the class's own head: its sizes come from tensors that are there. */
static fst_status check_own(const fst_model *model, const char *path, const fst_head_options *o,
                            const fst_head_options *own)
{
    bool same_size = o->hidden_layers == 0 || o->hidden_size == model->config.width;
    if (o->kind == own->kind && o->outputs == own->outputs &&
        o->hidden_layers == own->hidden_layers && same_size)
        return FST_OK;
    return fst__fail(FST_ERR_MISMATCH, "%s: the head \"%s\" is not as config.json and the weights say",
                     path, own->name);
}

/* `own`: the head of the directory's class, whose tensors lie with the class's. */
static fst_status read_head(fst_model *model, const fst__safetensors *file, const json_t *object,
                            const fst_head_options *own, size_t *tensors)
{
    const char *path = fst__safetensors_path(file);
    fst_head_options options = fst__head_defaults();
    fst_status status = read_options(object, path, &options);
    bool elsewhere = !status && own->name && strcmp(own->name, options.name) == 0;
    if (!status)
        status = elsewhere ? check_own(model, path, &options, own)
                           : check_matrices(model, file, &options);
    if (status)
        return status;
    int64_t before = model->parameters.count;
    status = fst__model_add_head(model, &options, false);
    if (status)
        return fst__fail_in(status == FST_ERR_NO_MEMORY ? status : FST_ERR_FORMAT, "%s", path);
    for (int64_t i = before; i < model->parameters.count && !status && !elsewhere; ++i, ++*tensors)
        status = read_tensor(file, &model->parameters.items[i]);
    return status ? status
                  : read_labels(model, &model->heads[model->head_count - 1], object, path);
}

/* Of the backbone, kept here since the class has no place for them; read with its other weights. */
static size_t count_backbone(const fst_model *model, const fst__safetensors *file)
{
    size_t count = 0;
    for (int64_t i = 0; i < model->parameters.backbone; ++i)
        count += fst__safetensors_has(file, model->parameters.items[i].name);
    return count;
}

fst_status fst__heads_read(fst_model *model, const fst__safetensors *file,
                           const fst_head_options *own)
{
    const char *path = fst__safetensors_path(file);
    const char *text = fst__safetensors_metadata(file, "heads");
    json_t *array = NULL;
    size_t tensors = 0;
    if (!text)
        return fst__fail(FST_ERR_FORMAT, "%s: no \"heads\" in its metadata", path);
    fst_status status = fst__json_parse(text, strlen(text), path, &array);
    if (!status && !json_is_array(array))
        status = fst__fail(FST_ERR_FORMAT, "%s: metadata \"heads\" is not an array", path);
    for (size_t i = 0; !status && i < json_array_size(array); ++i)
        status = read_head(model, file, json_array_get(array, i), own, &tensors);
    if (!status) {
        tensors += count_backbone(model, file);
        if (fst__safetensors_count(file) != tensors)
            status = fst__fail(FST_ERR_MISMATCH, "%s: %llu tensors, of which its heads have %llu",
                               path, (unsigned long long)fst__safetensors_count(file),
                               (unsigned long long)tensors);
    }
    json_decref(array);
    return status;
}

fst_status fst__heads_open(fst__allocator *allocator, const char *directory,
                           fst__safetensors **file)
{
    char *path = fst__path_join(allocator, directory, file_name);
    fst_status status = path ? FST_OK : FST_ERR_NO_MEMORY;
    *file = NULL;
    if (!status && fst__file_exists(path))
        status = fst__safetensors_open(allocator, path, file);
    fst__free(allocator, path);
    return status;
}
