/* Losses of embeddings. See objectives.c on void *. */
#include "stages/objectives/objectives.h"

#include "api/check.h"
#include "base/context.h"
#include "base/options.h"

fst_status fst_contrastive_loss_options_init(fst_contrastive_loss_options *options, size_t size)
{
    const fst_contrastive_loss_options defaults = fst__contrastive_loss_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults,
                             "fst_contrastive_loss_options");
}

/* What both check, and the memory that both take; *block is the caller's to free. */
static fst_status begin(const char *function, fst_context *context,
                        const fst_contrastive_loss_options *options,
                        fst_contrastive_loss_options *ours, const fst_contrastive_loss *result,
                        size_t size)
{
    fst_status status = fst__check_pointer(context, function, "context");
    *ours = fst__contrastive_loss_defaults();
    if (!status)
        status = fst__options_overlay(ours, sizeof *ours, options, "fst_contrastive_loss_options");
    return status ? status : fst__options_check(result, size, "fst_contrastive_loss");
}

/* Counts that make no sense are refused by the loss itself, before it takes from an arena of no memory. */
static fst_status take(fst_context *context, int64_t rows, int64_t candidates, int64_t width,
                       bool ntxent, fst__arena *scratch)
{
    *scratch = fst__arena_over(NULL, 0);
    if (rows < 1 || candidates < 1 || width < 1)
        return FST_OK;
    size_t bytes = fst__contrastive_scratch(rows, candidates, width, ntxent);
    if (bytes == 0)
        return fst__fail(FST_ERR_NO_MEMORY, "contrastive loss: the embeddings are too large");
    void *block = fst__alloc(&context->allocator, bytes);
    *scratch = fst__arena_over(block, bytes);
    return block ? FST_OK : FST_ERR_NO_MEMORY;
}

static fst_status give(fst_contrastive_loss *result, size_t size, const fst_contrastive_loss *found)
{
    return fst__options_init(result, size, found, sizeof *found, "fst_contrastive_loss");
}

fst_status fst_loss_ntxent(fst_context *context, const fst_contrastive_loss_options *options,
                           const float *first, const float *second, int64_t examples, int64_t width,
                           float *first_gradient, float *second_gradient,
                           fst_contrastive_loss *result, size_t size)
{
    static const char function[] = "fst_loss_ntxent";
    fst_contrastive_loss_options ours;
    fst_contrastive_loss found = {.struct_size = sizeof found};
    fst__arena scratch = fst__arena_over(NULL, 0);
    fst_status status = begin(function, context, options, &ours, result, size);
    if (!status)
        status = fst__check_pointer(first, function, "first");
    if (!status)
        status = fst__check_pointer(second, function, "second");
    if (!status && examples >= 1 && examples <= INT32_MAX)
        status = take(context, 2 * examples, 2 * examples, width, true, &scratch);
    const void *a = first, *b = second;
    void *da = first_gradient, *db = second_gradient;
    if (!status)
        status = fst__loss_ntxent(context->compute, &ours, a, b, examples, width, da, db, &scratch,
                                  &found);
    if (scratch.base)
        fst__free(&context->allocator, scratch.base);
    return status ? status : give(result, size, &found);
}

fst_status fst_loss_infonce(fst_context *context, const fst_contrastive_loss_options *options,
                            const float *anchors, const float *candidates, int64_t examples,
                            int64_t candidate_count, int64_t width, float *anchor_gradient,
                            float *candidate_gradient, fst_contrastive_loss *result, size_t size)
{
    static const char function[] = "fst_loss_infonce";
    fst_contrastive_loss_options ours;
    fst_contrastive_loss found = {.struct_size = sizeof found};
    fst__arena scratch = fst__arena_over(NULL, 0);
    fst_status status = begin(function, context, options, &ours, result, size);
    if (!status)
        status = fst__check_pointer(anchors, function, "anchors");
    if (!status)
        status = fst__check_pointer(candidates, function, "candidates");
    if (!status && examples >= 1 && examples <= INT32_MAX && candidate_count <= INT32_MAX)
        status = take(context, examples, candidate_count, width, false, &scratch);
    const void *a = anchors, *c = candidates;
    void *da = anchor_gradient, *dc = candidate_gradient;
    if (!status)
        status = fst__loss_infonce(context->compute, &ours, a, c, examples, candidate_count, width, da,
                                   dc, &scratch, &found);
    if (scratch.base)
        fst__free(&context->allocator, scratch.base);
    return status ? status : give(result, size, &found);
}
