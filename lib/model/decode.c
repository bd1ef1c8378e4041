#include "model/decode.h"

#include "base/checked.h"
#include "base/error.h"
#include "model/adapter.h"
#include "model/transformer.h"
#include "nn/attention_decode.h"
#include "nn/output_layer.h"

#include <math.h>
#include <string.h>

/* From this many new tokens on, tiles of queries pay: a prompt, not a step. */
enum { PROMPT_TOKENS = 16 };

fst_status fst__kv_cache_create(const fst_model *model, int64_t sequences, int64_t capacity,
                                fst__kv_cache *out)
{
    const fst_model_config *c = &model->config;
    fst__kv_cache cache = {
        .allocator = &model->context->allocator,
        .sequences = sequences,
        .capacity = capacity,
        .kv_heads = c->kv_heads,
        .head_size = c->head_size,
        .layers = c->layers,
        .dtype = model->options.dtype == FST_BF16 ? FST_BF16 : FST__REAL_DTYPE,
    };
    size_t total;
    bool fits = fst__mul_size((size_t)sequences, (size_t)capacity, &total) &&
                fst__mul_size(total, (size_t)fst__config_key_size(c), &total) &&
                fst__mul_size(total, fst__element_size(cache.dtype), &cache.layer_bytes) &&
                fst__mul_size(cache.layer_bytes, (size_t)c->layers, &total);
    if (!fits)
        return fst__fail(FST_ERR_NO_MEMORY, "a cache of %lld sequences of %lld positions is too large",
                         (long long)sequences, (long long)capacity);
    cache.keys = fst__alloc(cache.allocator, total);
    cache.values = fst__alloc(cache.allocator, total);
    cache.lengths = fst__alloc_zero(cache.allocator, (size_t)sequences * sizeof *cache.lengths);
    cache.new_counts = fst__alloc_zero(cache.allocator, (size_t)sequences * sizeof *cache.lengths);
    if (!cache.keys || !cache.values || !cache.lengths || !cache.new_counts) {
        fst__kv_cache_destroy(&cache);
        return FST_ERR_NO_MEMORY;
    }
    *out = cache;
    return FST_OK;
}

void fst__kv_cache_destroy(fst__kv_cache *cache)
{
    if (!cache->allocator)
        return;
    fst__free(cache->allocator, cache->new_counts);
    fst__free(cache->allocator, cache->lengths);
    fst__free(cache->allocator, cache->values);
    fst__free(cache->allocator, cache->keys);
    *cache = (fst__kv_cache){0};
}

/* rows [n, kv_heads·D] to positions [start, start + n) of one sequence of one layer. */
static void store(const fst__kv_cache *cache, char *layer, int64_t sequence, int64_t start,
                  fst__matrix rows)
{
    size_t element = fst__element_size(cache->dtype);
    size_t head_bytes = (size_t)cache->head_size * element;
    for (int64_t h = 0; h < cache->kv_heads; ++h) {
        char *to = layer + (size_t)((sequence * cache->kv_heads + h) * cache->capacity + start) *
                               head_bytes;
        for (int64_t t = 0; t < rows.rows; ++t)
            memcpy(to + (size_t)t * head_bytes, fst__matrix_at(rows, t, h * cache->head_size),
                   head_bytes);
    }
}

/* A whole prompt into an empty cache: ordinary attention over its own keys. */
static fst_status prompt_attention(fst_model *model, int64_t row, int64_t count, int32_t layer,
                                   fst__matrix query, fst__matrix key, fst__matrix value,
                                   fst__matrix out)
{
    fst__activations *a = &model->activations;
    fst__attention attention = fst__attention_of(model, layer);
    attention.batch = 1;
    attention.queries = count;
    attention.keys = count;
    attention.first_key = a->first_key + row;
    attention.end_key = a->end_key + row;
    return fst__attention_forward(model->context->compute, &attention,
                                  fst__matrix_rows(query, row, count),
                                  fst__matrix_rows(key, row, count),
                                  fst__matrix_rows(value, row, count),
                                  fst__matrix_rows(out, row, count),
                                  a->layers[layer].lse, &a->scratch);
}

static bool is_prompt(const fst__kv_cache *cache, int64_t sequence)
{
    return cache->new_counts[sequence] >= PROMPT_TOKENS &&
           cache->lengths[sequence] == cache->new_counts[sequence];
}

static fst__attention_decode step_attention(const fst_model *model, int32_t layer)
{
    const fst__kv_cache *cache = model->cache;
    return (fst__attention_decode){
        .sequences = cache->sequences,
        .heads = model->config.heads,
        .kv_heads = cache->kv_heads,
        .head_size = cache->head_size,
        .capacity = cache->capacity,
        .scale = (fst__real)(1.0 / sqrt((double)cache->head_size)),
        .lengths = cache->lengths,
        .new_queries = cache->new_counts,
        .window = model->config.window,
        .cache_dtype = cache->dtype,
        .key_cache = cache->keys + (size_t)layer * cache->layer_bytes,
        .value_cache = cache->values + (size_t)layer * cache->layer_bytes,
    };
}

fst_status fst__decode_attention(fst_model *model, int32_t layer, fst__matrix query, fst__matrix key,
                                 fst__matrix value, fst__matrix out)
{
    fst__kv_cache *cache = model->cache;
    char *keys = cache->keys + (size_t)layer * cache->layer_bytes;
    char *values = cache->values + (size_t)layer * cache->layer_bytes;
    bool all_prompts = true;
    for (int64_t s = 0, row = 0; s < cache->sequences; row += cache->new_counts[s], ++s) {
        int64_t count = cache->new_counts[s], start = cache->lengths[s] - count;
        store(cache, keys, s, start, fst__matrix_rows(key, row, count));
        store(cache, values, s, start, fst__matrix_rows(value, row, count));
        all_prompts = all_prompts && (count == 0 || is_prompt(cache, s));
    }
    if (!all_prompts) {
        fst__attention_decode attention = step_attention(model, layer);
        return fst__attention_decode_run(model->context->compute, &attention, query, out,
                                         &model->activations.scratch);
    }
    fst_status status = FST_OK;
    for (int64_t s = 0, row = 0; s < cache->sequences && !status; row += cache->new_counts[s], ++s) {
        if (cache->new_counts[s])
            status = prompt_attention(model, row, cache->new_counts[s], layer, query, key, value, out);
    }
    return status;
}

/* Bytes that attention needs beyond the plan of a batch of `tokens` rows of one position. */
static size_t attention_scratch(const fst_model *model)
{
    const fst__kv_cache *cache = model->cache;
    fst__attention_decode step = step_attention(model, 0);
    size_t most = fst__attention_decode_scratch(model->context->compute, &step);
    for (int64_t s = 0; s < cache->sequences; ++s) {
        if (!is_prompt(cache, s))
            continue;
        fst__attention prompt = fst__attention_of(model, 0);
        prompt.batch = 1;
        prompt.queries = prompt.keys = cache->new_counts[s];
        size_t size = fst__attention_scratch(model->context->compute, &prompt, cache->dtype, false);
        if (size > most)
            most = size;
    }
    return most;
}

static void fill_rows(fst_model *model, const int32_t *ids)
{
    const fst__kv_cache *cache = model->cache;
    fst__activations *a = &model->activations;
    int32_t window = model->config.window;
    for (int64_t s = 0, row = 0; s < cache->sequences; ++s) {
        int32_t count = cache->new_counts[s], start = cache->lengths[s] - count;
        for (int32_t t = 0; t < count; ++t, ++row) {
            a->ids[row] = ids[row];
            if (a->types)
                a->types[row] = 0;
            a->positions[row] = start + t;
            a->end_key[row] = start + t + 1;
            a->first_key[row] = window > 0 && start + t - window + 1 > 0 ? start + t - window + 1 : 0;
        }
    }
}

static fst_status last_logits(fst_model *model, fst__real *logits)
{
    const fst__kv_cache *cache = model->cache;
    fst__activations *a = &model->activations;
    fst__head_transform transform;
    fst__output_layer layer;
    fst__model_output_layer(model, false, &transform, &layer);
    int64_t vocabulary = model->config.vocabulary_size, active = 0;
    /* Gather the last rows in front, then one product. */
    for (int64_t s = 0, row = 0; s < cache->sequences; ++s) {
        row += cache->new_counts[s];
        if (!cache->new_counts[s])
            continue;
        memcpy(fst__matrix_at(a->branch, active++, 0), fst__matrix_at(a->hidden, row - 1, 0),
               (size_t)a->hidden.columns * fst__element_size(a->hidden.dtype));
    }
    return fst__output_layer_forward(model->context->compute, &layer,
                                     fst__matrix_rows(a->branch, 0, active),
                                     fst__matrix_of(logits, active, vocabulary, FST__REAL_DTYPE),
                                     &a->scratch);
}

static fst_status check_counts(const fst_model *model, const fst__kv_cache *cache,
                               const int32_t *ids, const int32_t *counts, int64_t *tokens)
{
    *tokens = 0;
    for (int64_t s = 0; s < cache->sequences; ++s) {
        if (counts[s] < 0 || cache->lengths[s] + (int64_t)counts[s] > cache->capacity)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "sequence %lld would have %lld tokens, more than the cache's %lld",
                             (long long)s, (long long)cache->lengths[s] + counts[s],
                             (long long)cache->capacity);
        *tokens += counts[s];
    }
    for (int64_t i = 0; i < *tokens; ++i) {
        if (ids[i] < 0 || ids[i] >= model->config.vocabulary_size)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "token %lld is id %d, expected 0 to %d",
                             (long long)i, (int)ids[i], (int)model->config.vocabulary_size - 1);
    }
    return FST_OK;
}

fst_status fst__model_decode(fst_model *model, fst__kv_cache *cache, const int32_t *ids,
                             const int32_t *counts, fst__real *logits)
{
    int64_t tokens;
    fst_status status = check_counts(model, cache, ids, counts, &tokens);
    if (status || tokens == 0)
        return status;
    model->phase = FST__PHASE_IDLE;
    model->has_output = false;
    bool begins = false; /* while a sequence goes on, the weights stay */
    for (int64_t s = 0; s < cache->sequences; ++s) {
        begins |= counts[s] && cache->lengths[s] == 0;
        cache->new_counts[s] = counts[s];
        cache->lengths[s] += counts[s];
    }
    model->cache = cache;
    status = fst__model_lay_out(model, tokens, 1, false, attention_scratch(model));
    if (!status && begins)
        status = fst__adapter_refresh(model);
    if (!status) {
        fill_rows(model, ids);
        status = fst__transformer_forward(model);
    }
    if (!status && logits)
        status = last_logits(model, logits);
    model->cache = NULL;
    if (status) {
        for (int64_t s = 0; s < cache->sequences; ++s)
            cache->lengths[s] -= counts[s];
    }
    return status;
}
