#include "data/images.h"

#include "base/error.h"
#include "base/random.h"

#include <string.h>

fst__examples *fst__examples_alloc(fst__allocator *allocator, int32_t kind, int64_t count,
                                   int64_t label_count, bool margins)
{
    fst__examples *examples = fst__alloc_zero(allocator, sizeof *examples);
    if (!examples)
        return NULL;
    examples->kind = kind;
    examples->count = count;
    examples->label_count = label_count;
    examples->first = fst__alloc_array(allocator, (size_t)count + 1, sizeof(int64_t));
    if (label_count > 0)
        examples->labels =
            fst__alloc_array(allocator, (size_t)count * sizeof(float), (size_t)label_count);
    if (margins)
        examples->margins = fst__alloc_array(allocator, (size_t)count, sizeof(double));
    if (kind == FST_EXAMPLES_TOKENS)
        examples->words = fst__alloc_array(allocator, (size_t)count, sizeof *examples->words);
    if ((kind == FST_EXAMPLES_TOKENS && !examples->words) || !examples->first ||
        (label_count > 0 && !examples->labels) ||
        (margins && !examples->margins)) {
        fst__examples_free(examples, allocator);
        return NULL;
    }
    examples->first[0] = 0;
    return examples;
}

bool fst__examples_want_seconds(fst__examples *examples, fst__allocator *allocator, int64_t sequences)
{
    examples->seconds = fst__alloc_array(allocator, (size_t)sequences, sizeof(int64_t));
    return examples->seconds != NULL;
}

void fst__examples_free(fst__examples *examples, fst__allocator *allocator)
{
    if (!examples)
        return;
    fst__free(allocator, examples->words);
    fst__free(allocator, examples->seconds);
    fst__free(allocator, examples->margins);
    fst__free(allocator, examples->labels);
    fst__free(allocator, examples->first);
    fst__images_free(examples->images, allocator);
    fst__free(allocator, examples);
}

void fst__examples_measure(fst__examples *examples, const fst__documents *documents)
{
    const uint8_t *trained = documents->tokens->trained;
    examples->trained_tokens = examples->longest = examples->maximum_answers = 0;
    for (int64_t d = 0; d < documents->count; ++d) {
        fst__document span = documents->spans[d];
        if (span.end - span.begin > examples->longest)
            examples->longest = span.end - span.begin;
        for (int64_t i = span.begin + (examples->words ? 0 : 1); i < span.end; ++i)
            examples->trained_tokens += trained[i];
    }
    for (int64_t i = 0; i < examples->count; ++i) {
        int64_t answers = examples->first[i + 1] - examples->first[i];
        if (answers > examples->maximum_answers)
            examples->maximum_answers = answers;
    }
}

/* Copies what belongs to the chosen examples; the documents' spans go to `spans`. */
static void copy_chosen(const fst__documents *from, const int64_t *indices, fst__examples *to,
                        fst__document *spans)
{
    const fst__examples *examples = from->examples;
    int64_t labels = examples->label_count;
    to->dropped = examples->dropped;
    for (int64_t i = 0; i < to->count; ++i) {
        int64_t index = indices[i], first = examples->first[index];
        int64_t count = examples->first[index + 1] - first;
        memcpy(spans + to->first[i], from->spans + first, (size_t)count * sizeof *spans);
        if (to->seconds)
            memcpy(to->seconds + to->first[i], examples->seconds + first, (size_t)count * sizeof(int64_t));
        to->first[i + 1] = to->first[i] + count;
        if (labels > 0)
            memcpy(to->labels + i * labels, examples->labels + index * labels,
                   (size_t)labels * sizeof(float));
        if (to->margins)
            to->margins[i] = examples->margins[index];
        if (to->words)
            to->words[i] = examples->words[index];
    }
}

fst_status fst__examples_select(const fst_dataset *dataset, const int64_t *indices, int64_t count,
                                fst_dataset **out)
{
    fst__documents *from = dataset->documents, *list;
    const fst__examples *examples = from->examples;
    fst__allocator *allocator = &dataset->context->allocator;
    size_t sequences = 0;
    for (int64_t i = 0; i < count; ++i)
        sequences += (size_t)(examples->first[indices[i] + 1] - examples->first[indices[i]]);
    fst__document *spans = fst__alloc_array(allocator, sequences, sizeof(fst__document));
    fst__examples *chosen = fst__examples_alloc(allocator, examples->kind, count,
                                                examples->label_count, examples->margins != NULL);
    fst_status status = spans && chosen ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status && examples->images) {
        chosen->images = fst__images_select(allocator, examples->images, indices, count);
        status = chosen->images ? FST_OK : FST_ERR_NO_MEMORY;
    }
    if (!status && examples->seconds && !fst__examples_want_seconds(chosen, allocator, from->count))
        status = FST_ERR_NO_MEMORY;
    if (!status) {
        copy_chosen(from, indices, chosen, spans);
        status = fst__documents_select(from, spans, chosen->first[count], &list);
    }
    fst__free(allocator, spans);
    if (status) {
        fst__examples_free(chosen, allocator);
        return status;
    }
    fst__examples_measure(chosen, list);
    list->examples = chosen;
    return fst__dataset_create(dataset->context, list, out);
}

int64_t fst__examples_prompt_length(const fst__documents *documents, int64_t document)
{
    fst__document span = documents->spans[document];
    const uint8_t *first =
        memchr(documents->tokens->trained + span.begin, 1, (size_t)(span.end - span.begin));
    return first ? first - documents->tokens->trained - span.begin : span.end - span.begin;
}

fst_status fst__examples_check_any(const fst_dataset *dataset, const char *function)
{
    if (!dataset->documents->examples)
        return fst__fail(FST_ERR_STATE,
                         "%s: the dataset holds plain documents, no examples; make one with "
                         "fst_dataset_load_examples or fst_dataset_from_conversations, _labelled, "
                         "_preferences or _prompts",
                         function);
    if (dataset->packed)
        return fst__fail(FST_ERR_STATE,
                         "%s: the dataset is packed; use the one it was made from, or "
                         "fst_dataset_read",
                         function);
    return FST_OK;
}

fst_status fst__examples_check(const fst_dataset *dataset, const char *function)
{
    fst_status status = fst__examples_check_any(dataset, function);
    if (!status && dataset->documents->examples->images)
        status = fst__fail(FST_ERR_STATE,
                           "%s: the dataset holds images, which have no ids; read them with "
                           "fst_dataset_read_images",
                           function);
    return status;
}

/* Ids before the second of two texts; all, where there is one text. */
static int64_t second_begin(const fst__documents *documents, int64_t document)
{
    const fst__examples *examples = documents->examples;
    fst__document span = documents->spans[document];
    int64_t second = examples->seconds ? examples->seconds[document] : -1;
    return second >= 0 ? second : span.end - span.begin;
}

void fst__examples_get(const fst_dataset *dataset, int64_t index, int64_t sequence,
                       fst_example *example)
{
    const fst__documents *documents = dataset->documents;
    const fst__examples *examples = documents->examples;
    int64_t document = examples->first[index] + sequence;
    fst__document span = documents->spans[document];
    *example = (fst_example){
        .struct_size = sizeof *example,
        .ids = (const int32_t *)documents->tokens->ids + span.begin,
        .trained = documents->tokens->trained + span.begin,
        .length = span.end - span.begin,
        .sequences = examples->first[index + 1] - examples->first[index],
        .labels = examples->labels ? examples->labels + index * examples->label_count : NULL,
        .margin = examples->margins ? examples->margins[index] : 0,
        .prompt_length = fst__examples_prompt_length(documents, document),
        .second_begin = second_begin(documents, document),
    };
}

void fst__examples_order(const fst_dataset *dataset, int64_t position, int64_t count, bool shuffle,
                         int64_t *indices)
{
    int64_t examples = dataset->documents->examples->count;
    for (int64_t i = 0; i < count; ++i) {
        int64_t epoch = (position + i) / examples, index = (position + i) % examples;
        indices[i] =
            shuffle ? (int64_t)fst__permute(dataset->context->seed, FST__STREAM_SHUFFLE,
                                            (uint64_t)epoch, (uint64_t)index, (uint64_t)examples)
                    : index;
    }
}

static void fill_row(const fst__documents *documents, int64_t document, int64_t length,
                     int32_t *ids, int32_t *targets)
{
    fst__document span = documents->spans[document];
    int64_t count = span.end - span.begin;
    const int32_t *from = (const int32_t *)documents->tokens->ids + span.begin;
    const uint8_t *trained = documents->tokens->trained + span.begin;
    if (ids) {
        memcpy(ids, from, (size_t)count * sizeof *ids);
        memset(ids + count, 0, (size_t)(length - count) * sizeof *ids);
    }
    if (targets && documents->tokens->words) {
        for (int64_t t = 0; t < length; ++t)
            targets[t] = t < count ? documents->tokens->words->classes[span.begin + t] : FST_IGNORE;
        return;
    }
    for (int64_t t = 0; targets && t < length; ++t)
        targets[t] = t + 1 < count && trained[t + 1] ? from[t + 1] : FST_IGNORE;
}

static fst_status check_row(const fst_dataset *dataset, int64_t row, int64_t index,
                            int64_t sequence, int64_t length)
{
    const fst__documents *documents = dataset->documents;
    const fst__examples *examples = documents->examples;
    if (index < 0 || index >= examples->count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "examples[%lld] is %lld, expected 0 … %lld",
                         (long long)row, (long long)index, (long long)examples->count - 1);
    int64_t count = examples->first[index + 1] - examples->first[index];
    if (sequence < 0 || sequence >= count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "sequences[%lld] is %lld, example %lld has %lld",
                         (long long)row, (long long)sequence, (long long)index, (long long)count);
    fst__document span = documents->spans[examples->first[index] + sequence];
    if (span.end - span.begin > length)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "row %lld: example %lld has a sequence of %lld ids, length is %lld",
                         (long long)row, (long long)index, (long long)(span.end - span.begin),
                         (long long)length);
    return FST_OK;
}

fst_status fst__examples_collate(const fst_dataset *dataset, const int64_t *examples,
                                 const int64_t *sequences, int64_t rows, int64_t length,
                                 int32_t *ids, int32_t *targets, int32_t *lengths)
{
    const fst__documents *documents = dataset->documents;
    for (int64_t b = 0; b < rows; ++b) {
        int64_t sequence = sequences ? sequences[b] : 0;
        fst_status status = check_row(dataset, b, examples[b], sequence, length);
        if (status)
            return status;
    }
    for (int64_t b = 0; b < rows; ++b) {
        int64_t document = documents->examples->first[examples[b]] + (sequences ? sequences[b] : 0);
        fill_row(documents, document, length, ids ? ids + b * length : NULL,
                 targets ? targets + b * length : NULL);
        if (lengths)
            lengths[b] =
                (int32_t)(documents->spans[document].end - documents->spans[document].begin);
    }
    return FST_OK;
}

fst_status fst__examples_types(const fst_dataset *dataset, const int64_t *examples, const int64_t *sequences,
                               int64_t rows, int64_t length, int32_t *types)
{
    const fst__documents *documents = dataset->documents;
    for (int64_t b = 0; b < rows; ++b) {
        fst_status status = check_row(dataset, b, examples[b], sequences ? sequences[b] : 0, length);
        if (status)
            return status;
    }
    for (int64_t b = 0; b < rows; ++b) {
        int64_t document = documents->examples->first[examples[b]] + (sequences ? sequences[b] : 0);
        fst__document span = documents->spans[document];
        int64_t second = second_begin(documents, document);
        for (int64_t t = 0; t < length; ++t)
            types[b * length + t] = t >= second && t < span.end - span.begin;
    }
    return FST_OK;
}
