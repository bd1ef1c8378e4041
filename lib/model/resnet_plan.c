/* The architecture of a ResNet: which convolutions, in which order, of which shapes and names. */
#include "model/resnet.h"

#include "base/error.h"

#include <stdio.h>

enum { MOST_STAGES = 4, WIDENING = 4 };

static fst__convolution shape_of(int64_t height, int64_t width, int64_t channels, int64_t outputs,
                                 int64_t kernel, int64_t stride)
{
    return (fst__convolution){.batch = 1, .height = height, .width = width, .channels = channels,
                              .outputs = outputs, .kernel = kernel, .stride = stride,
                              .padding = kernel / 2};
}

static fst__convolution stem_of(const fst_model_config *c)
{
    bool large = c->stem == FST_STEM_7X7;
    return shape_of(c->image_height, c->image_width, c->image_channels, c->stage_width,
                    large ? 7 : 3, large ? 2 : 1);
}

fst__max_pool fst__resnet_pool(const fst_model_config *config)
{
    fst__convolution stem = stem_of(config);
    return (fst__max_pool){.batch = 1, .height = fst__convolution_height(&stem),
                           .width = fst__convolution_width(&stem), .channels = stem.outputs,
                           .kernel = 3, .stride = 2, .padding = 1};
}

static int32_t depth_of(const fst_model_config *c, int32_t stage)
{
    const int32_t depths[MOST_STAGES] = {c->blocks_1, c->blocks_2, c->blocks_3, c->blocks_4};
    return stage < MOST_STAGES ? depths[stage] : 0;
}

/* Where the walk is: the map that the next block reads. */
typedef struct walker {
    const fst_model_config *config;
    fst__unit_visit visit;
    void *context;
    int64_t height, width, channels;
    int32_t block, stage, stage_block;
} walker;

static void visit_unit(const walker *at, fst__convolution shape, int32_t place, bool shortcut)
{
    fst__unit_plan plan = {.shape = shape, .block = at->block, .stage = at->stage,
                           .stage_block = at->stage_block, .place = place, .shortcut = shortcut};
    int s = (int)at->stage, b = (int)at->stage_block, n = (int)place + 1;
    if (shortcut) {
        snprintf(plan.conv, sizeof plan.conv, "stages.%d.%d.shortcut.conv", s, b);
        snprintf(plan.norm, sizeof plan.norm, "stages.%d.%d.shortcut.norm", s, b);
    } else {
        snprintf(plan.conv, sizeof plan.conv, "stages.%d.%d.conv%d", s, b, n);
        snprintf(plan.norm, sizeof plan.norm, "stages.%d.%d.norm%d", s, b, n);
    }
    at->visit(at->context, &plan);
}

static void visit_block(walker *at, int64_t inner, int64_t outputs, int64_t stride)
{
    int64_t h = at->height, w = at->width;
    fst__convolution whole = shape_of(h, w, at->channels, outputs, 1, stride);
    at->height = fst__convolution_height(&whole);
    at->width = fst__convolution_width(&whole);
    if (at->config->bottleneck) {
        visit_unit(at, shape_of(h, w, at->channels, inner, 1, 1), 0, false);
        visit_unit(at, shape_of(h, w, inner, inner, 3, stride), 1, false);
        visit_unit(at, shape_of(at->height, at->width, inner, outputs, 1, 1), 2, false);
    } else {
        visit_unit(at, shape_of(h, w, at->channels, outputs, 3, stride), 0, false);
        visit_unit(at, shape_of(at->height, at->width, outputs, outputs, 3, 1), 1, false);
    }
    if (stride != 1 || at->channels != outputs)
        visit_unit(at, whole, 0, true);
    at->channels = outputs;
    ++at->block;
}

void fst__resnet_walk(const fst_model_config *config, fst__unit_visit visit, void *context)
{
    fst__unit_plan stem = {.conv = "stem.conv", .norm = "stem.norm", .shape = stem_of(config),
                           .block = -1};
    visit(context, &stem);
    fst__max_pool pool = fst__resnet_pool(config);
    bool pooled = config->stem == FST_STEM_7X7;
    walker at = {
        .config = config, .visit = visit, .context = context,
        .height = pooled ? fst__max_pool_height(&pool) : pool.height,
        .width = pooled ? fst__max_pool_width(&pool) : pool.width,
        .channels = config->stage_width,
    };
    for (; depth_of(config, at.stage); ++at.stage) {
        int64_t inner = (int64_t)config->stage_width << at.stage;
        int64_t outputs = config->bottleneck ? inner * WIDENING : inner;
        for (at.stage_block = 0; at.stage_block < depth_of(config, at.stage); ++at.stage_block)
            visit_block(&at, inner, outputs, at.stage > 0 && at.stage_block == 0 ? 2 : 1);
    }
}

/* ---- from the fields of the config to those that other backbones give */

static fst_status check_range(const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value >= least && value <= most)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT,
                     "fst_model_config.%s is %lld, expected %lld to %lld", field, (long long)value,
                     (long long)least, (long long)most);
}

static fst_status check_fields(const fst_model_config *c)
{
    enum { LARGEST_SIDE = 1 << 14, MOST_BLOCKS = 1 << 10 };
    const struct {
        const char *field;
        int64_t value, least, most;
    } rows[] = {
        {"image_channels", c->image_channels, 1, 1 << 10},
        {"image_height", c->image_height, 1, LARGEST_SIDE},
        {"image_width", c->image_width, 1, LARGEST_SIDE},
        {"stem", c->stem, FST_STEM_3X3, FST_STEM_7X7},
        {"bottleneck", c->bottleneck, 0, 1},
        {"stage_width", c->stage_width, 1, 1 << 14},
        {"blocks_1", c->blocks_1, 1, MOST_BLOCKS},
        {"blocks_2", c->blocks_2, 0, MOST_BLOCKS},
        {"blocks_3", c->blocks_3, 0, c->blocks_2 ? MOST_BLOCKS : 0},
        {"blocks_4", c->blocks_4, 0, c->blocks_3 ? MOST_BLOCKS : 0},
        {"causal", c->causal, 0, 0},
        {"pooler", c->pooler, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        fst_status status = check_range(rows[i].field, rows[i].value, rows[i].least, rows[i].most);
        if (status)
            return status;
    }
    return FST_OK;
}

static void keep_last(void *context, const fst__unit_plan *plan)
{
    *(fst__unit_plan *)context = *plan;
}

fst_status fst__resnet_resolve(fst_model_config *config)
{
    fst_status status = check_fields(config);
    if (status)
        return status;
    fst__unit_plan last;
    fst__resnet_walk(config, keep_last, &last);
    config->layers = config->blocks_1 + config->blocks_2 + config->blocks_3 + config->blocks_4;
    config->width = (int32_t)last.shape.outputs;
    config->context_length = (int32_t)fst__convolution_rows(&last.shape);
    config->heads = config->kv_heads = 1;
    config->head_size = 0;
    config->position = FST_POSITION_NONE;
    return FST_OK;
}
