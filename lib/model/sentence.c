#include "model/sentence.h"

#include "base/error.h"
#include "formats/file.h"
#include "formats/json.h"
#include "fourstage/context.h"

#include <string.h>

enum { FILE_LIMIT = 1 << 20 };

fst_sentence_options fst__sentence_defaults(void)
{
    return (fst_sentence_options){.struct_size = sizeof(fst_sentence_options),
                                  .pooling = FST_POOL_MEAN, .normalize = 1};
}

const fst_sentence_options *fst__model_sentence(const fst_model *model)
{
    return model->has_sentence ? &model->sentence : NULL;
}

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_sentence_options.%s: expected %s", field,
                     expected);
}

fst_status fst__model_set_sentence(fst_model *model, const fst_sentence_options *options)
{
    model->has_sentence = false;
    if (!options)
        return FST_OK;
    if (options->pooling < FST_POOL_LAST || options->pooling > FST_POOL_MAX)
        return bad("pooling", "FST_POOL_LAST, FIRST, MEAN or MAX");
    if (options->normalize != 0 && options->normalize != 1)
        return bad("normalize", "0 or 1");
    if (options->length < 0 || options->length > model->config.context_length)
        return bad("length", "0 to the model's context_length");
    model->sentence = *options;
    model->sentence.struct_size = sizeof model->sentence;
    model->has_sentence = true;
    return FST_OK;
}

/* ---- in */

typedef struct reading {
    fst_model *model;
    const char *directory;
    fst_sentence_options found;
    bool pooled;  /* a pooling was told */
    bool unknown; /* something that is not supported, which the log names */
} reading;

/* *root stays NULL where the file is not there. */
static fst_status read_file(const reading *from, const char *folder, const char *name, char **path,
                            json_t **root)
{
    fst__allocator *allocator = &from->model->context->allocator;
    char *inside = fst__path_join(allocator, from->directory, folder);
    *path = inside ? fst__path_join(allocator, inside, name) : NULL;
    fst__free(allocator, inside);
    if (!*path)
        return FST_ERR_NO_MEMORY;
    return fst__file_exists(*path) ? fst__json_read_file(allocator, *path, FILE_LIMIT, root) : FST_OK;
}

static void unknown(reading *from, const char *path, const char *what)
{
    fst__log_write(&from->model->context->log, FST_LOG_WARNING,
                   "%s: %.100s is not supported; the model is read without its pooling", path, what);
    from->unknown = true;
}

static int32_t pooling_of(const char *mode)
{
    static const struct {
        const char *name;
        int32_t pooling;
    } modes[] = {
        {"cls", FST_POOL_FIRST},          {"pooling_mode_cls_token", FST_POOL_FIRST},
        {"mean", FST_POOL_MEAN},          {"pooling_mode_mean_tokens", FST_POOL_MEAN},
        {"max", FST_POOL_MAX},            {"pooling_mode_max_tokens", FST_POOL_MAX},
        {"lasttoken", FST_POOL_LAST},     {"pooling_mode_lasttoken", FST_POOL_LAST},
    };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; ++i) {
        if (strcmp(modes[i].name, mode) == 0)
            return modes[i].pooling;
    }
    return -1;
}

static void add_mode(reading *from, const char *path, const char *mode)
{
    int32_t pooling = pooling_of(mode);
    if (pooling < 0 || from->pooled)
        unknown(from, path, pooling < 0 ? mode : "more than one pooling");
    from->pooled = true;
    from->found.pooling = pooling;
}

/* A flag for each mode, or in newer files "pooling_mode" with its name. */
static fst_status read_pooling(reading *from, const char *folder)
{
    char *path = NULL;
    json_t *root = NULL, *value;
    const char *key;
    fst_status status = read_file(from, folder, "config.json", &path, &root);
    if (!status && !root)
        status = fst__fail(FST_ERR_NOT_FOUND, "%s: no such file, though modules.json names its folder",
                           path);
    if (!status) {
        json_object_foreach(root, key, value)
        {
            if (strcmp(key, "pooling_mode") == 0 && json_is_string(value))
                add_mode(from, path, json_string_value(value));
            else if (strncmp(key, "pooling_mode_", 13) == 0 && json_is_true(value))
                add_mode(from, path, key);
        }
    }
    json_decref(root);
    fst__free(&from->model->context->allocator, path);
    return status;
}

static fst_status read_length(reading *from)
{
    char *path = NULL;
    json_t *root = NULL;
    int64_t length = 0;
    fst_status status = read_file(from, "", "sentence_bert_config.json", &path, &root);
    if (!status && root)
        status = fst__json_get_int(root, "max_seq_length", path, false, &length, 0, INT32_MAX);
    if (!status && length <= from->model->config.context_length)
        from->found.length = length;
    json_decref(root);
    fst__free(&from->model->context->allocator, path);
    return status;
}

static fst_status read_module(reading *from, const json_t *module, const char *path)
{
    const char *type, *folder = "";
    fst_status status = fst__json_get_string(module, "type", path, true, &type);
    if (!status)
        status = fst__json_get_string(module, "path", path, false, &folder);
    if (status)
        return status;
    const char *dot = strrchr(type, '.'), *name = dot ? dot + 1 : type;
    if (strcmp(name, "Transformer") == 0)
        return FST_OK;
    if (strcmp(name, "Normalize") == 0) {
        from->found.normalize = 1;
        return FST_OK;
    }
    if (strcmp(name, "Pooling") == 0 && !strstr(folder, "..") && folder[0] != '/')
        return read_pooling(from, folder);
    unknown(from, path, type);
    return FST_OK;
}

fst_status fst__sentence_load(fst_model *model, const char *directory)
{
    reading from = {.model = model, .directory = directory, .found = fst__sentence_defaults()};
    char *path = NULL;
    json_t *root = NULL;
    from.found.normalize = 0;
    fst_status status = read_file(&from, "", "modules.json", &path, &root);
    if (!status && root && !json_is_array(root))
        status = fst__fail(FST_ERR_FORMAT, "%s: not an array", path);
    for (size_t i = 0; !status && i < json_array_size(root); ++i)
        status = read_module(&from, json_array_get(root, i), path);
    if (!status && root)
        status = read_length(&from);
    if (!status && from.pooled && !from.unknown)
        status = fst__model_set_sentence(model, &from.found);
    json_decref(root);
    fst__free(&model->context->allocator, path);
    return status;
}

/* ---- out */

static fst_status write_json(const fst_model *model, const char *directory, const char *name,
                             json_t *root)
{
    fst__allocator *allocator = &model->context->allocator;
    char *path = fst__path_join(allocator, directory, name);
    fst_status status = path && root ? fst__json_write_file(allocator, path, root)
                                     : FST_ERR_NO_MEMORY;
    json_decref(root);
    fst__free(allocator, path);
    return status;
}

static json_t *module(int index, const char *path, const char *type)
{
    char name[2] = {(char)('0' + index), 0};
    return json_pack("{s:i, s:s, s:s, s:s}", "idx", index, "name", name, "path", path, "type", type);
}

static json_t *modules_json(const fst_sentence_options *o)
{
    json_t *pooling = module(1, "1_Pooling", "sentence_transformers.models.Pooling");
    json_t *first = module(0, "", "sentence_transformers.models.Transformer");
    if (!o->normalize)
        return json_pack("[o, o]", first, pooling);
    return json_pack("[o, o, o]", first, pooling,
                     module(2, "2_Normalize", "sentence_transformers.models.Normalize"));
}

static json_t *pooling_json(const fst_model *model)
{
    int32_t pooling = model->sentence.pooling;
    return json_pack("{s:i, s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "word_embedding_dimension",
                     (int)model->config.width, "pooling_mode_cls_token", pooling == FST_POOL_FIRST,
                     "pooling_mode_mean_tokens", pooling == FST_POOL_MEAN,
                     "pooling_mode_max_tokens", pooling == FST_POOL_MAX,
                     "pooling_mode_mean_sqrt_len_tokens", 0, "pooling_mode_weightedmean_tokens", 0,
                     "pooling_mode_lasttoken", pooling == FST_POOL_LAST, "include_prompt", 1);
}

static fst_status make_folder(const fst_model *model, const char *directory, const char *name)
{
    fst__allocator *allocator = &model->context->allocator;
    char *path = fst__path_join(allocator, directory, name);
    fst_status status = path ? fst__directory_create(path) : FST_ERR_NO_MEMORY;
    fst__free(allocator, path);
    return status;
}

static fst_status remove_modules(const fst_model *model, const char *directory)
{
    char *path = fst__path_join(&model->context->allocator, directory, "modules.json");
    fst_status status = path ? fst__file_remove(path) : FST_ERR_NO_MEMORY;
    fst__free(&model->context->allocator, path);
    return status;
}

fst_status fst__sentence_save(const fst_model *model, const char *directory)
{
    const fst_sentence_options *o = fst__model_sentence(model);
    if (!o)
        return remove_modules(model, directory);
    int64_t length = o->length ? o->length : model->config.context_length;
    fst_status status = make_folder(model, directory, "1_Pooling");
    if (!status && o->normalize)
        status = make_folder(model, directory, "2_Normalize");
    if (!status)
        status = write_json(model, directory, "1_Pooling/config.json", pooling_json(model));
    if (!status)
        status = write_json(model, directory, "sentence_bert_config.json",
                            json_pack("{s:I, s:b}", "max_seq_length", (json_int_t)length,
                                      "do_lower_case", 0));
    return status ? status : write_json(model, directory, "modules.json", modules_json(o));
}
