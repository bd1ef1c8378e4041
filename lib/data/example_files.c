/* Examples from files of records. */
#include "base/error.h"
#include "data/layouts.h"
#include "formats/records.h"

static fst_status add_file(fst__layout *layout, const char *path, int64_t index)
{
    const fst__example_builder *builder = layout->builder;
    const fst_example_options *o = &builder->options;
    const fst__records_options options = {
        .format = o->format, .header = o->header, .latin1 = o->latin1, .path = o->records};
    fst__records *records;
    fst_status status = fst__records_open(&builder->context->allocator, path, &options, &records);
    if (status)
        return status;
    fst__layout_file(layout);
    while (!fst__example_builder_full(builder)) {
        json_t *record;
        status = fst__records_next(records, &record);
        if (status || !record)
            break;
        status = fst__layout_add(layout, record, fst__records_list(records), index,
                                 fst__records_place(records));
        if (status)
            break;
    }
    fst__records_close(records);
    return status;
}

fst_status fst__dataset_load_examples(fst_context *context, const fst_tokenizer *tokenizer,
                                      const char *const *paths, int64_t count,
                                      const fst_example_options *options, fst_dataset **out)
{
    fst__example_builder builder;
    fst__layout layout = {0};
    fst_status status = fst__example_builder_open(&builder, context, tokenizer, options,
                                                  options->kind, FST_ERR_FORMAT);
    if (!status)
        status = fst__layout_open(&layout, &builder);
    for (int64_t i = 0; i < count && !status && !fst__example_builder_full(&builder); ++i)
        status = paths[i]
                     ? add_file(&layout, paths[i], i)
                     : fst__fail(FST_ERR_INVALID_ARGUMENT, "paths[%lld] is NULL", (long long)i);
    fst__layout_close(&layout);
    if (!status)
        status = fst__example_builder_finish(&builder, out);
    fst__example_builder_close(&builder);
    return status;
}
