#include "fourstage/embed.h"

#include "api/check.h"
#include "base/options.h"
#include "stages/embedding.h"

fst_status fst_embed_options_init(fst_embed_options *options, size_t size)
{
    const fst_embed_options defaults = fst__embed_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_embed_options");
}

/* In the library that computes in double the embeddings are doubles. */
fst_status fst_model_embed(fst_model *model, const fst_dataset *dataset,
                           const fst_embed_options *options, float *embeddings, int64_t capacity,
                           int64_t *count)
{
    static const char function[] = "fst_model_embed";
    fst_embed_options ours = fst__embed_defaults();
    fst_status status = fst__check_pointer(model, function, "model");
    if (!status)
        status = fst__check_pointer(dataset, function, "dataset");
    if (!status)
        status = fst__check_pointer(count, function, "count");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_embed_options");
    if (!status && capacity < 0)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_model_embed: capacity is negative");
    if (!status && capacity > 0)
        status = fst__check_pointer(embeddings, function, "embeddings");
    void *values = embeddings;
    return status ? status : fst__model_embed(model, dataset, &ours, values, capacity, count);
}
