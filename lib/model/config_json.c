#include "model/config_json.h"

#include "base/error.h"
#include "fourstage/model.h"

#include <float.h>
#include <string.h>

static const struct {
    const char *name;
    int32_t activation;
} activations[] = {
    {"gelu_new", FST_ACTIVATION_GELU_TANH},  {"gelu_pytorch_tanh", FST_ACTIVATION_GELU_TANH},
    {"gelu_fast", FST_ACTIVATION_GELU_TANH}, {"gelu", FST_ACTIVATION_GELU},
    {"silu", FST_ACTIVATION_SILU},           {"swish", FST_ACTIVATION_SILU},
    {"relu", FST_ACTIVATION_RELU},           {"tanh", FST_ACTIVATION_TANH},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void fst__config_read_size(fst__config_reading *from, const char *key, bool required, int32_t *out)
{
    int64_t value = *out;
    if (!from->status)
        from->status = fst__json_get_int(from->root, key, from->file, required, &value, 0, INT32_MAX);
    *out = (int32_t)value;
}

void fst__config_read_real(fst__config_reading *from, const char *key, double *out)
{
    if (!from->status)
        from->status = fst__json_get_double(from->root, key, from->file, false, out, -DBL_MAX,
                                            DBL_MAX);
}

void fst__config_read_flag(fst__config_reading *from, const char *key, int32_t *out)
{
    bool value = *out != 0;
    if (!from->status)
        from->status = fst__json_get_bool(from->root, key, from->file, false, &value);
    *out = value;
}

/* An id, or the first of a list of ids (Llama 3 lists several ends). */
void fst__config_read_id(fst__config_reading *from, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(from->root, key);
    if (json_is_array(value))
        value = json_array_get(value, 0);
    if (from->status || !value || json_is_null(value))
        return;
    if (!json_is_integer(value))
        from->status = fst__fail(FST_ERR_FORMAT, "%s: %s is not an integer", from->file, key);
    else
        *out = json_integer_value(value);
}

void fst__config_read_activation(fst__config_reading *from, const char *key, const char *standard, int32_t *out)
{
    const char *name = standard;
    if (!from->status)
        from->status = fst__json_get_string(from->root, key, from->file, false, &name);
    if (from->status)
        return;
    for (size_t i = 0; i < COUNT(activations); ++i) {
        if (strcmp(activations[i].name, name) == 0) {
            *out = activations[i].activation;
            return;
        }
    }
    from->status =
        fst__fail(FST_ERR_UNSUPPORTED, "%s: %s is \"%s\", which this library lacks", from->file,
                  key, name);
}

const char *fst__config_activation_name(int32_t activation)
{
    for (size_t i = 0; i < COUNT(activations); ++i) {
        if (activations[i].activation == activation)
            return activations[i].name;
    }
    return "silu";
}

void fst__config_set(json_t *root, const char *key, json_t *value)
{
    json_object_set_new(root, key, value);
}
