/* Training and validation parts. */
#include "base/error.h"
#include "base/random.h"
#include "data/dataset.h"
#include "data/images.h"

fst_split_options fst__split_defaults(void)
{
    return (fst_split_options){
        .struct_size = sizeof(fst_split_options), .mode = FST_SPLIT_TAIL, .fraction = 0.1};
}

/* The documents of both sides. */
typedef struct sides {
    fst__document *train, *validation; /* [documents + 1] */
    int64_t train_count, validation_count;
} sides;

static void split_tail(const fst__documents *documents, double fraction, sides *s)
{
    int64_t total = documents->starts[documents->count];
    int64_t cut = (int64_t)((double)total * (1 - fraction));
    for (int64_t d = 0; d < documents->count; ++d) {
        fst__document span = documents->spans[d];
        int64_t before = cut - documents->starts[d]; /* of this document's ids */
        int64_t middle = before <= 0                       ? span.begin
                         : before >= span.end - span.begin ? span.end
                                                           : span.begin + before;
        if (middle > span.begin)
            s->train[s->train_count++] = (fst__document){span.begin, middle};
        if (middle < span.end)
            s->validation[s->validation_count++] = (fst__document){middle, span.end};
    }
}

static const uint64_t HASH_START = 0xcbf29ce484222325u;

/* FNV-1a over whole ids, then one Philox round makes it uniform. */
static uint64_t content_hash(const fst__tokens *tokens, fst__document span, uint64_t hash)
{
    enum { BLOCK = 256 };
    int32_t ids[BLOCK];
    for (int64_t i = span.begin; i < span.end; i += BLOCK) {
        int64_t count = span.end - i < BLOCK ? span.end - i : BLOCK;
        fst__tokens_copy(tokens, i, count, ids);
        for (int64_t j = 0; j < count; ++j)
            hash = (hash ^ (uint32_t)ids[j]) * 0x100000001b3u;
    }
    return hash;
}

static void split_documents(const fst__documents *documents, double fraction, uint64_t seed,
                            sides *s)
{
    for (int64_t d = 0; d < documents->count; ++d) {
        fst__document span = documents->spans[d];
        if (span.begin == span.end)
            continue;
        fst__philox_block block =
            fst__philox(seed, FST__STREAM_SPLIT, 0, content_hash(documents->tokens, span, HASH_START));
        if (fst__uniform_double(block.word[0], block.word[1]) < fraction)
            s->validation[s->validation_count++] = span;
        else
            s->train[s->train_count++] = span;
    }
}

static fst_status make_sides(fst_context *context, fst__documents *documents, const sides *s,
                             fst_dataset **train, fst_dataset **validation)
{
    fst__documents *list;
    fst_dataset *first = NULL;
    fst_status status = fst__documents_select(documents, s->train, s->train_count, &list);
    if (!status)
        status = fst__dataset_create(context, list, &first);
    if (!status)
        status = fst__documents_select(documents, s->validation, s->validation_count, &list);
    if (!status)
        status = fst__dataset_create(context, list, validation);
    if (status) {
        fst__dataset_destroy(first);
        return status;
    }
    *train = first;
    return FST_OK;
}

/* Does the example go to validation? A function of its ids, so that equal ones stay together. */
static bool is_validation(const fst__documents *documents, int64_t index, double fraction,
                          uint64_t seed)
{
    const fst__examples *examples = documents->examples;
    uint64_t hash = HASH_START;
    if (examples->images)
        hash = fst__images_hash(examples->images, index, hash);
    for (int64_t d = examples->first[index]; d < examples->first[index + 1]; ++d)
        hash = content_hash(documents->tokens, documents->spans[d], hash);
    fst__philox_block block = fst__philox(seed, FST__STREAM_SPLIT, 0, hash);
    return fst__uniform_double(block.word[0], block.word[1]) < fraction;
}

static fst_status split_examples(const fst_dataset *dataset, const fst_split_options *options,
                                 fst_dataset **train, fst_dataset **validation)
{
    fst__documents *documents = dataset->documents;
    fst__allocator *allocator = &dataset->context->allocator;
    int64_t count = documents->examples->count, sizes[2] = {0, 0};
    int64_t cut = (int64_t)((double)count * (1 - options->fraction));
    int64_t *order = fst__alloc_array(allocator, 2 * (size_t)count, sizeof(int64_t));
    const fst__example_words *windows = documents->examples->words; /* of a sentence stay together */
    bool before = false;
    fst_dataset *first = NULL;
    if (!order)
        return FST_ERR_NO_MEMORY;
    for (int64_t i = 0; i < count; ++i) {
        bool held_out = options->mode == FST_SPLIT_TAIL
                            ? i >= cut
                            : is_validation(documents, i, options->fraction, dataset->context->seed);
        if (i > 0 && windows && windows[i].sentence == windows[i - 1].sentence)
            held_out = before;
        before = held_out;
        order[held_out * count + sizes[held_out]++] = i;
    }
    fst_status status = FST_OK;
    if (sizes[0] == 0 || sizes[1] == 0)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "a fraction of %g of %lld examples leaves the %s part empty",
                           options->fraction, (long long)count,
                           sizes[0] == 0 ? "training" : "validation");
    if (!status)
        status = fst__examples_select(dataset, order, sizes[0], &first);
    if (!status)
        status = fst__examples_select(dataset, order + count, sizes[1], validation);
    fst__free(allocator, order);
    if (status)
        fst__dataset_destroy(first);
    else
        *train = first;
    return status;
}

fst_status fst__dataset_split(const fst_dataset *dataset, const fst_split_options *options,
                              fst_dataset **train, fst_dataset **validation)
{
    fst__documents *documents = dataset->documents;
    fst__allocator *allocator = &dataset->context->allocator;
    if (dataset->packed)
        return fst__fail(FST_ERR_STATE,
                         "the dataset is packed; split it first, then pack both parts");
    if (options->mode != FST_SPLIT_TAIL && options->mode != FST_SPLIT_DOCUMENTS)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "mode %d is none of the FST_SPLIT_ values",
                         options->mode);
    if (!(options->fraction > 0 && options->fraction < 1))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fraction is %g, expected between 0 and 1",
                         options->fraction);

    if (documents->examples)
        return split_examples(dataset, options, train, validation);
    fst_status status = FST_ERR_NO_MEMORY;
    sides s = {0};
    s.train = fst__alloc_array(allocator, (size_t)documents->count, sizeof(fst__document));
    s.validation = fst__alloc_array(allocator, (size_t)documents->count, sizeof(fst__document));
    if (!s.train || !s.validation)
        goto done;
    if (options->mode == FST_SPLIT_TAIL)
        split_tail(documents, options->fraction, &s);
    else
        split_documents(documents, options->fraction, dataset->context->seed, &s);
    if (s.train_count == 0 || s.validation_count == 0)
        status =
            fst__fail(FST_ERR_INVALID_ARGUMENT,
                      "a fraction of %g of %lld documents with %lld ids leaves the %s part empty",
                      options->fraction, (long long)documents->count,
                      (long long)documents->starts[documents->count],
                      s.train_count == 0 ? "training" : "validation");
    else
        status = make_sides(dataset->context, documents, &s, train, validation);
done:
    fst__free(allocator, s.validation);
    fst__free(allocator, s.train);
    return status;
}
