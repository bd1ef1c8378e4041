/* What may be asked of sampling. */
#include "model/sampling.h"

#include "base/error.h"

#include <math.h>

fst_sampling_options fst__sampling_defaults(void)
{
    return (fst_sampling_options){
        .struct_size = sizeof(fst_sampling_options),
        .max_new_tokens = 128,
        .temperature = 1,
        .top_p = 1,
        .repetition_penalty = 1,
    };
}

static fst_status check_real(const char *field, double value, double least, double most)
{
    if (value >= least && value <= most)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_sampling_options.%s is %g, expected %g to %g",
                     field, value, least, most);
}

static fst_status check_reals(const fst_sampling_options *o)
{
    const double large = 1e6, tiny = 1e-6;
    fst_status status = check_real("temperature", o->temperature, 0, large);
    if (!status && o->temperature > 0)
        status = check_real("temperature", o->temperature, tiny, large);
    if (!status)
        status = check_real("top_p", o->top_p, tiny, 1);
    if (!status)
        status = check_real("min_p", o->min_p, 0, 1 - tiny);
    if (!status)
        status = check_real("repetition_penalty", o->repetition_penalty, tiny, large);
    if (!status)
        status = check_real("presence_penalty", o->presence_penalty, -large, large);
    if (!status)
        status = check_real("frequency_penalty", o->frequency_penalty, -large, large);
    return status;
}

static fst_status check_lists(const fst_sampling_options *o, int32_t vocabulary, bool has_tokenizer)
{
    if ((o->bias_count && (!o->bias_ids || !o->bias_values)) || (o->stop_id_count && !o->stop_ids) ||
        (o->stop_string_count && !o->stop_strings))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sampling_options: a count is given without its array");
    for (size_t i = 0; i < o->bias_count; ++i) {
        if (o->bias_ids[i] < 0 || o->bias_ids[i] >= vocabulary)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_sampling_options.bias_ids[%zu] is %d, expected 0 to %d", i,
                             (int)o->bias_ids[i], (int)vocabulary - 1);
        if (isnan(o->bias_values[i]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_sampling_options.bias_values[%zu] is NaN", i);
    }
    if (o->stop_string_count && !has_tokenizer)
        return fst__fail(FST_ERR_STATE, "stop_strings need a policy with a tokenizer");
    for (size_t i = 0; i < o->stop_string_count; ++i) {
        if (!o->stop_strings[i] || !o->stop_strings[i][0])
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_sampling_options.stop_strings[%zu] is empty", i);
    }
    return FST_OK;
}

fst_status fst__sampling_check(const fst_sampling_options *o, int32_t vocabulary,
                               bool has_tokenizer)
{
    if (o->max_new_tokens < 0 || o->top_k < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sampling_options.max_new_tokens and top_k must be at least 0");
    if (o->record_kept != 0 && o->record_kept != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sampling_options.record_kept is %d, expected 0 or 1",
                         (int)o->record_kept);
    fst_status status = check_reals(o);
    return status ? status : check_lists(o, vocabulary, has_tokenizer);
}
