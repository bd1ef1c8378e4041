#include "model/towers.h"

#include "base/error.h"

#include <stdio.h>

void fst__tower_list(fst__parameter_list *list, int32_t tower, const char *module, int32_t index,
                     int64_t outputs, int64_t inputs, uint32_t flags)
{
    char path[FST__PARAMETER_NAME_SIZE], name[FST__PARAMETER_NAME_SIZE + 8];
    if (index < 0)
        snprintf(path, sizeof path, "towers.%d.%s", (int)tower, module);
    else
        snprintf(path, sizeof path, "towers.%d.%s.%d", (int)tower, module, (int)index);
    snprintf(name, sizeof name, "%s.weight", path);
    fst__list_parameter(list, name, outputs, inputs, 2, FST__PARAMETER_DECAY | flags);
    snprintf(name, sizeof name, "%s.bias", path);
    fst__list_parameter(list, name, 1, outputs, 1, 0);
}

double fst__towers_initial_std(const fst_model_config *config, const fst__parameter *parameter)
{
    (void)parameter;
    return config->init_std;
}

static fst_status check_range(const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value >= least && value <= most)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT,
                     "fst_model_config.%s is %lld, expected %lld to %lld", field, (long long)value,
                     (long long)least, (long long)most);
}

fst_status fst__towers_resolve(fst_model_config *c)
{
    enum { LARGEST_WIDTH = 1 << 14 };
    fst_status status = check_range("towers", c->towers, 0, FST__TOWERS_MOST);
    if (!status)
        status = check_range("tower_width", c->tower_width, 1, LARGEST_WIDTH);
    if (!status)
        status = check_range("pooler", c->pooler, 0, 0);
    if (status)
        return status;
    if (c->towers == 0)
        c->towers = 1;
    c->width = c->towers * c->tower_width;
    c->context_length = 1;
    c->heads = c->kv_heads = 1;
    c->head_size = 0;
    c->position = FST_POSITION_NONE;
    c->causal = 0;
    return FST_OK;
}

fst_status fst__mlp_resolve(fst_model_config *c)
{
    fst_status status = check_range("inputs", c->inputs, 1, 1 << 20);
    if (!status)
        status = check_range("layers", c->layers, 1, FST__TOWER_LAYERS_MOST);
    if (!status)
        status = check_range("activation", c->activation, FST_ACTIVATION_GELU_TANH,
                             FST_ACTIVATION_TANH);
    return status ? status : fst__towers_resolve(c);
}

static const struct {
    int32_t outputs, kernel, stride, padding;
} networks[][FST__CNN_CONVOLUTIONS] = {
    [FST_CNN_ATARI] = {{32, 8, 4, 0}, {64, 4, 2, 0}, {64, 3, 1, 0}},
    [FST_CNN_SMALL] = {{32, 3, 1, 1}, {64, 3, 1, 1}, {64, 3, 1, 1}},
};

fst__convolution fst__cnn_convolution(const fst_model_config *config, int32_t index, int64_t images)
{
    fst__convolution shape = {.height = config->image_height, .width = config->image_width,
                              .outputs = config->image_channels};
    for (int32_t i = 0; i <= index; ++i) {
        if (i) {
            int64_t height = fst__convolution_height(&shape);
            shape.width = fst__convolution_width(&shape);
            shape.height = height;
        }
        shape.channels = shape.outputs;
        shape.outputs = networks[config->cnn][i].outputs;
        shape.kernel = networks[config->cnn][i].kernel;
        shape.stride = networks[config->cnn][i].stride;
        shape.padding = networks[config->cnn][i].padding;
    }
    shape.batch = images;
    return shape;
}

fst_status fst__cnn_resolve(fst_model_config *c)
{
    enum { LARGEST_SIDE = 1 << 12, LEAST_ATARI = 36 };
    int64_t least = c->cnn == FST_CNN_ATARI ? LEAST_ATARI : 1;
    const struct {
        const char *field;
        int64_t value, least, most;
    } rows[] = {
        {"cnn", c->cnn, FST_CNN_ATARI, FST_CNN_SMALL},
        {"image_channels", c->image_channels, 1, 1 << 10},
        {"image_height", c->image_height, least, LARGEST_SIDE},
        {"image_width", c->image_width, least, LARGEST_SIDE},
        {"activation", c->activation, FST_ACTIVATION_RELU, FST_ACTIVATION_RELU},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        fst_status status = check_range(rows[i].field, rows[i].value, rows[i].least, rows[i].most);
        if (status)
            return status;
    }
    c->layers = FST__CNN_CONVOLUTIONS + 1;
    return fst__towers_resolve(c);
}
