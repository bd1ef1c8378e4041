/* How a model's embeddings are made. */
#include "model/sentence.h"

#include "api/check.h"
#include "base/error.h"
#include "base/options.h"

fst_status fst_sentence_options_init(fst_sentence_options *options, size_t size)
{
    fst_sentence_options defaults = fst__sentence_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_sentence_options");
}

fst_status fst_model_get_sentence(const fst_model *model, fst_sentence_options *options, size_t size)
{
    fst_status status = fst__check_pointer(model, "fst_model_get_sentence", "model");
    if (status)
        return status;
    const fst_sentence_options *found = fst__model_sentence(model);
    if (!found)
        return fst__fail(FST_ERR_NOT_FOUND, "the model does not say how embeddings are made");
    return fst__options_init(options, size, found, sizeof *found, "fst_sentence_options");
}

fst_status fst_model_set_sentence(fst_model *model, const fst_sentence_options *options)
{
    fst_sentence_options o = fst__sentence_defaults();
    fst_status status = fst__check_pointer(model, "fst_model_set_sentence", "model");
    if (!status)
        status = fst__options_overlay(&o, sizeof o, options, "fst_sentence_options");
    return status ? status : fst__model_set_sentence(model, options ? &o : NULL);
}
