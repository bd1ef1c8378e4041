/* From the gradient of the last map back through the blocks. Three maps of gradients take turns. */
#include "model/resnet.h"

#include "base/error.h"
#include "model/trainable.h"

/* The gradient of a map, in one of the places for them. */
static fst__matrix gradient_of(void *place, fst__matrix map)
{
    return fst__matrix_of(place, map.rows, map.columns, map.dtype);
}

/* dx = gradient of the convolution's output from that of the norm's (of the ReLU's, if relu); masked,
 * or NULL: that of what came onto it. */
static fst_status norm_backward(fst_model *model, const fst__unit *unit, bool relu, fst__matrix dy,
                                fst__matrix dx, const fst__matrix *masked)
{
    fst__batch_norm norm = {unit->shape.outputs, (fst__real)model->config.norm_epsilon,
                            unit->norm_weight->value, unit->norm_bias->value};
    if (!fst__batch_norm_backward(model->context->compute, &norm, unit->before, unit->mean,
                                  unit->rstd, unit->of_batch, relu, masked ? &unit->after : NULL,
                                  dy, dx, masked, fst__gradient_or_null(unit->norm_weight),
                                  fst__gradient_or_null(unit->norm_bias),
                                  &model->activations.scratch))
        return fst__fail(FST_ERR_INTERNAL, "resnet: the scratch planned is too small");
    return FST_OK;
}

/* dx: NULL where nothing below is trained. */
static fst_status conv_backward(fst_model *model, const fst__unit *unit, fst__matrix in,
                                fst__matrix dy, const fst__matrix *dx, bool accumulate)
{
    return fst__convolution_backward(model->context->compute, &unit->shape, in,
                                     fst__weight_matrix(unit->weight), dy, dx, accumulate,
                                     fst__gradient_or_null(unit->weight),
                                     &model->activations.scratch);
}

/* The places: of the gradient of a block's output, which becomes that of its input, and two more. */
typedef struct places {
    void *stream, *one, *other;
} places;

static void swap(void **a, void **b)
{
    void *kept = *a;
    *a = *b;
    *b = kept;
}

/* From the block's output to the output of its first convolution, which is left in `one`; the
 * gradient behind the last ReLU stays in `stream`. */
static fst_status branch_backward(fst_model *model, const fst__resnet_block *block, places *at)
{
    const fst__unit *first = &model->resnet->units[block->first];
    const fst__unit *last = first + block->count - 1;
    fst__matrix dy = gradient_of(at->stream, last->after);
    fst_status status =
        norm_backward(model, last, true, dy, gradient_of(at->one, last->before), &dy);
    for (const fst__unit *unit = last; unit > first && !status; --unit) {
        const fst__unit *before = unit - 1;
        fst__matrix dx = gradient_of(at->other, before->after);
        status = conv_backward(model, unit, before->after, gradient_of(at->one, unit->before), &dx,
                               false);
        if (!status)
            status = norm_backward(model, before, true, dx, dx, NULL);
        swap(&at->one, &at->other);
    }
    return status;
}

/* with_input: leaves the gradient of the block's input in `stream`. */
static fst_status block_backward(fst_model *model, const fst__resnet_block *block, bool with_input,
                                 places *at)
{
    const fst__unit *first = &model->resnet->units[block->first];
    fst_status status = branch_backward(model, block, at);
    fst__matrix d_input = gradient_of(at->stream, block->input);
    if (!status && block->shortcut >= 0) {
        const fst__unit *shortcut = &model->resnet->units[block->shortcut];
        fst__matrix dy = gradient_of(at->stream, shortcut->before);
        d_input = gradient_of(at->other, block->input);
        status = norm_backward(model, shortcut, false, dy, dy, NULL);
        if (!status)
            status = conv_backward(model, shortcut, block->input, dy, with_input ? &d_input : NULL,
                                   false);
        swap(&at->stream, &at->other);
    }
    if (status)
        return status;
    return conv_backward(model, first, block->input, gradient_of(at->one, first->before),
                         with_input ? &d_input : NULL, true);
}

static fst_status stem_backward(fst_model *model, places *at)
{
    const fst__resnet *net = model->resnet;
    const fst__unit *stem = &net->units[0];
    if (model->config.stem == FST_STEM_7X7) {
        fst__max_pool pool = fst__resnet_pool(&model->config);
        pool.batch = model->activations.rows;
        fst__max_pool_backward(model->context->compute, &pool, net->taps,
                               gradient_of(at->stream, net->pooled),
                               gradient_of(at->one, stem->after));
        swap(&at->stream, &at->one);
    }
    fst__matrix dy = gradient_of(at->stream, stem->after);
    fst_status status = norm_backward(model, stem, true, dy, dy, NULL);
    return status ? status : conv_backward(model, stem, net->images, dy, NULL, false);
}

fst_status fst__resnet_backward(fst_model *model)
{
    const fst__resnet *net = model->resnet;
    int32_t lowest = fst__model_lowest_trainable(model);
    places at = {net->gradients[0], net->gradients[1], net->gradients[2]};
    fst_status status = FST_OK;
    for (int32_t b = net->block_count - 1; b >= lowest && b >= 0 && !status; --b)
        status = block_backward(model, &net->blocks[b], b > lowest, &at);
    if (!status && lowest < 0)
        status = stem_backward(model, &at);
    return status;
}
