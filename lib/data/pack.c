/* Rows of equal length: the plan, and what its targets amount to. */
#include "base/error.h"
#include "data/best_fit.h"
#include "data/dataset.h"
#include "data/examples.h"

enum { LONGEST_ROW = 1 << 24 };

fst_pack_options fst__pack_defaults(void)
{
    return (fst_pack_options){.struct_size = sizeof(fst_pack_options),
                              .length = 256,
                              .mode = FST_PACK_WRAPPED,
                              .cross_documents = 1};
}

static fst_status check_options(const fst_pack_options *o)
{
    if (o->length < 1 || o->length > LONGEST_ROW)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "length is %lld, expected 1 … %d",
                         (long long)o->length, LONGEST_ROW);
    if (o->mode < FST_PACK_WRAPPED || o->mode > FST_PACK_RANDOM)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "mode %d is none of the FST_PACK_ values",
                         o->mode);
    if ((o->cross_documents != 0 && o->cross_documents != 1) ||
        (o->drop_last != 0 && o->drop_last != 1))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "cross_documents is %d, drop_last is %d: expected 0 or 1",
                         o->cross_documents, o->drop_last);
    if (o->pad_id < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "pad_id is %d, expected ≥ 0", o->pad_id);
    return FST_OK;
}

/* Targets of [begin, end) in the tokens' numbering. */
static void add_targets(fst_dataset *dataset, int64_t begin, int64_t end)
{
    if (end <= begin)
        return;
    const fst__tokens *tokens = dataset->documents->tokens;
    dataset->targets += fst__tokens_trained(tokens, begin, end);
    if (!tokens->trained) {
        dataset->target_bytes += fst__tokens_bytes(tokens, begin, end);
        return;
    }
    for (int64_t i = begin; i < end; ++i)
        dataset->target_bytes += tokens->trained[i] ? fst__tokens_bytes(tokens, i, i + 1) : 0;
}

/* Wrapped: in the one long row of all documents, place p predicts place p + 1, for p < `places`. */
static void count_wrapped_targets(fst_dataset *dataset, int64_t places)
{
    const fst__documents *documents = dataset->documents;
    for (int64_t d = 0; d < documents->count; ++d) {
        int64_t start = documents->starts[d], end = documents->starts[d + 1];
        /* A document's first id follows another document's last; place 0 follows nothing. */
        int64_t first = dataset->pack.cross_documents && start > 0 ? start : start + 1;
        int64_t last = end < places + 1 ? end : places + 1;
        int64_t shift = documents->spans[d].begin - start;
        add_targets(dataset, first + shift, last + shift);
    }
}

/* Best fit: every id but a document's first, which follows whatever stands before it in its row. */
static void count_best_fit_targets(fst_dataset *dataset)
{
    const fst__documents *documents = dataset->documents;
    for (int64_t d = 0; d < documents->count; ++d)
        add_targets(dataset, documents->spans[d].begin + 1, documents->spans[d].end);
    if (!dataset->pack.cross_documents)
        return;
    for (int64_t row = 0; row < dataset->rows; ++row) {
        for (int64_t i = dataset->row_first[row] + 1; i < dataset->row_first[row + 1]; ++i) {
            int64_t begin = documents->spans[dataset->pieces[i].document].begin;
            const fst__piece *before = &dataset->pieces[i - 1];
            int64_t size =
                documents->starts[before->document + 1] - documents->starts[before->document];
            if (dataset->pieces[i].offset == 0 && before->offset + before->count == size)
                add_targets(dataset, begin, begin + 1);
        }
    }
}

static fst_status plan(fst_dataset *dataset)
{
    int64_t total = dataset->documents->starts[dataset->documents->count];
    int64_t length = dataset->pack.length;
    switch (dataset->pack.mode) {
    case FST_PACK_BEST_FIT: {
        fst_status status = fst__best_fit(dataset);
        if (status)
            return status;
        count_best_fit_targets(dataset);
        break;
    }
    case FST_PACK_RANDOM:
        if (total <= length)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "random windows of %lld ids and one target more need more than the "
                             "%lld ids there are",
                             (long long)length, (long long)total);
        dataset->rows = total / length;
        dataset->targets = dataset->rows * length;
        break;
    default:
        dataset->rows =
            (total - 1) / length + (!dataset->pack.drop_last && (total - 1) % length > 0);
        if (dataset->rows > 0)
            count_wrapped_targets(
                dataset, total - 1 < dataset->rows * length ? total - 1 : dataset->rows * length);
        break;
    }
    if (dataset->targets == 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%lld documents with %lld ids, in rows of %lld, leave nothing to predict",
                         (long long)dataset->documents->count, (long long)total, (long long)length);
    return FST_OK;
}

/* Conversations stand whole in their rows and see nothing of each other. */
static fst_status check_examples(const fst_dataset *dataset, const fst_pack_options *o)
{
    const fst__examples *examples = dataset->documents->examples;
    if (!examples)
        return FST_OK;
    if (examples->kind != FST_EXAMPLES_CONVERSATIONS)
        return fst__fail(FST_ERR_STATE,
                         "only conversations are packed; read this dataset with "
                         "fst_dataset_get_example or fst_dataset_collate");
    if (o->mode != FST_PACK_BEST_FIT || o->cross_documents)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "conversations are packed with mode FST_PACK_BEST_FIT and "
                         "cross_documents 0, so that they are not cut and do not see each other");
    if (examples->longest > o->length)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "a conversation has %lld ids, length is %lld; max_length and too_long of "
                         "fst_example_options say what becomes of longer ones",
                         (long long)examples->longest, (long long)o->length);
    return FST_OK;
}

fst_status fst__dataset_pack(const fst_dataset *dataset, const fst_pack_options *options,
                             fst_dataset **packed)
{
    if (dataset->packed)
        return fst__fail(FST_ERR_STATE,
                         "the dataset is packed already; pack the one it was made from");
    fst_status status = check_options(options);
    if (!status)
        status = check_examples(dataset, options);
    if (status)
        return status;
    fst_dataset *result;
    status =
        fst__dataset_create(dataset->context, fst__documents_retain(dataset->documents), &result);
    if (status)
        return status;
    result->packed = true;
    result->pack = *options;
    if ((status = plan(result))) {
        fst__dataset_destroy(result);
        return status;
    }
    *packed = result;
    return FST_OK;
}
