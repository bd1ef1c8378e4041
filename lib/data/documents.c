#include "data/dataset.h"

#include "base/error.h"
#include "data/examples.h"
#include "data/words.h"

#include <string.h>

static int64_t token_at(const fst__tokens *tokens, int64_t index)
{
    switch (tokens->type) {
    case FST_TOKENS_U16:
        return ((const uint16_t *)tokens->ids)[index];
    case FST_TOKENS_I64:
        return ((const int64_t *)tokens->ids)[index];
    default:
        return ((const int32_t *)tokens->ids)[index];
    }
}

void fst__tokens_copy(const fst__tokens *tokens, int64_t begin, int64_t count, int32_t *ids)
{
    if (tokens->type == FST_TOKENS_I32) {
        if (count > 0)
            memcpy(ids, (const int32_t *)tokens->ids + begin, (size_t)count * sizeof *ids);
        return;
    }
    for (int64_t i = 0; i < count; ++i)
        ids[i] = (int32_t)token_at(tokens, begin + i);
}

int64_t fst__tokens_trained(const fst__tokens *tokens, int64_t begin, int64_t end)
{
    if (!tokens->trained)
        return end - begin;
    int64_t count = 0;
    for (int64_t i = begin; i < end; ++i)
        count += tokens->trained[i];
    return count;
}

int64_t fst__tokens_bytes(const fst__tokens *tokens, int64_t begin, int64_t end)
{
    int64_t bytes = 0;
    if (!tokens->token_bytes)
        return 0;
    for (int64_t i = begin; i < end; ++i)
        bytes += tokens->token_bytes[token_at(tokens, i)];
    return bytes;
}

static void tokens_free(fst__tokens *tokens)
{
    fst_context *context = tokens->context;
    if (tokens->release)
        tokens->release(tokens->release_user);
    fst__free(&context->allocator, tokens->token_bytes);
    fst__words_free(tokens->words, &context->allocator);
    fst__free(&context->allocator, tokens->continues);
    fst__free(&context->allocator, tokens->trained);
    fst__free(&context->allocator, tokens->owned);
    fst__free(&context->allocator, tokens);
    fst__context_release(context);
}

static void tokens_release(fst__tokens *tokens)
{
    if (atomic_fetch_sub(&tokens->references, 1) == 1)
        tokens_free(tokens);
}

/* Text bytes and the largest id, which the ids' check has bounded already. */
static void measure(fst__documents *documents)
{
    const fst__tokens *tokens = documents->tokens;
    int64_t largest = 0;
    for (int64_t d = 0; d < documents->count; ++d) {
        fst__document span = documents->spans[d];
        for (int64_t i = span.begin; i < span.end; ++i) {
            int64_t id = token_at(tokens, i);
            largest = id > largest ? id : largest;
        }
        documents->bytes += fst__tokens_bytes(tokens, span.begin, span.end);
        documents->starts[d + 1] = documents->starts[d] + (span.end - span.begin);
    }
    documents->maximum_id = (int32_t)largest;
}

static fst__documents *documents_alloc(fst__allocator *allocator, int64_t count)
{
    fst__documents *documents = fst__alloc_zero(allocator, sizeof *documents);
    if (!documents)
        return NULL;
    documents->references = 1;
    documents->count = count;
    documents->spans = fst__alloc_array(allocator, (size_t)count, sizeof(fst__document));
    documents->starts = fst__alloc_array(allocator, (size_t)count + 1, sizeof(int64_t));
    if (!documents->spans || !documents->starts) {
        fst__free(allocator, documents->starts);
        fst__free(allocator, documents->spans);
        fst__free(allocator, documents);
        return NULL;
    }
    documents->starts[0] = 0;
    return documents;
}

fst_status fst__documents_create(fst_context *context, const fst__tokens *tokens,
                                 const int64_t *offsets, int64_t count, fst__documents **out)
{
    fst__allocator *allocator = &context->allocator;
    fst__documents *documents = documents_alloc(allocator, count);
    fst__tokens *held = documents ? fst__alloc(allocator, sizeof *held) : NULL;
    if (!held) {
        if (documents) {
            fst__free(allocator, documents->starts);
            fst__free(allocator, documents->spans);
            fst__free(allocator, documents);
        }
        fst__free(allocator, tokens->token_bytes);
        fst__words_free(tokens->words, allocator);
        fst__free(allocator, tokens->continues);
        fst__free(allocator, tokens->trained);
        fst__free(allocator, tokens->owned);
        return FST_ERR_NO_MEMORY;
    }
    *held = *tokens;
    held->references = 1;
    held->context = fst__context_retain(context);
    documents->tokens = held;
    for (int64_t d = 0; d < count; ++d)
        documents->spans[d] = (fst__document){offsets[d], offsets[d + 1]};
    measure(documents);
    *out = documents;
    return FST_OK;
}

fst_status fst__documents_select(fst__documents *from, const fst__document *spans, int64_t count,
                                 fst__documents **out)
{
    fst__documents *documents = documents_alloc(&from->tokens->context->allocator, count);
    if (!documents)
        return FST_ERR_NO_MEMORY;
    documents->tokens = from->tokens;
    atomic_fetch_add(&from->tokens->references, 1);
    memcpy(documents->spans, spans, (size_t)count * sizeof *spans);
    measure(documents);
    *out = documents;
    return FST_OK;
}

fst__documents *fst__documents_retain(fst__documents *documents)
{
    atomic_fetch_add(&documents->references, 1);
    return documents;
}

void fst__documents_release(fst__documents *documents)
{
    if (!documents || atomic_fetch_sub(&documents->references, 1) != 1)
        return;
    fst__tokens *tokens = documents->tokens;
    fst__allocator *allocator = &tokens->context->allocator;
    fst__examples_free(documents->examples, allocator);
    fst__free(allocator, documents->starts);
    fst__free(allocator, documents->spans);
    fst__free(allocator, documents);
    tokens_release(tokens); /* last: it may let go of the context */
}

fst_status fst__dataset_create(fst_context *context, fst__documents *documents, fst_dataset **out)
{
    fst_dataset *dataset = fst__alloc_zero(&context->allocator, sizeof *dataset);
    if (!dataset) {
        fst__documents_release(documents);
        return FST_ERR_NO_MEMORY;
    }
    dataset->references = 1;
    dataset->context = fst__context_retain(context);
    dataset->documents = documents;
    *out = dataset;
    return FST_OK;
}

void fst__dataset_destroy(fst_dataset *dataset)
{
    if (!dataset || atomic_fetch_sub(&dataset->references, 1) != 1)
        return;
    fst_context *context = dataset->context;
    fst__free(&context->allocator, dataset->row_first);
    fst__free(&context->allocator, dataset->pieces);
    fst__documents_release(dataset->documents);
    fst__free(&context->allocator, dataset);
    fst__context_release(context);
}
