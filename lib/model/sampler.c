#include "model/sampler.h"

#include "base/error.h"
#include "base/random.h"

#include <math.h>
#include <stdbool.h>

fst_status fst__sampler_create(fst__allocator *allocator, int32_t vocabulary, fst__sampler *out)
{
    fst__candidate *candidates =
        fst__alloc_array(allocator, (size_t)vocabulary, sizeof *candidates);
    if (!candidates)
        return FST_ERR_NO_MEMORY;
    *out = (fst__sampler){allocator, vocabulary, candidates};
    return FST_OK;
}

void fst__sampler_destroy(fst__sampler *sampler)
{
    if (sampler->allocator)
        fst__free(sampler->allocator, sampler->candidates);
    *sampler = (fst__sampler){0};
}

static void penalise(const fst_sampling_options *o, const fst__history *history, fst__real *logits,
                     int32_t vocabulary)
{
    if (!history->counts)
        return;
    fst__real repetition = (fst__real)o->repetition_penalty;
    for (int32_t i = 0; i < vocabulary; ++i) {
        int32_t count = history->counts[i];
        if (count || history->in_prompt[i])
            logits[i] = logits[i] > 0 ? logits[i] / repetition : logits[i] * repetition;
        if (count)
            logits[i] -= (fst__real)(o->presence_penalty + o->frequency_penalty * count);
    }
}

static void add_bias(const fst_sampling_options *o, fst__real *logits)
{
    for (size_t i = 0; i < o->bias_count; ++i)
        logits[o->bias_ids[i]] += (fst__real)o->bias_values[i];
}

/* The largest, the first of equals; -1 if there is a NaN or nothing above -inf. */
static int32_t largest(const fst__real *logits, int32_t vocabulary)
{
    int32_t best = -1;
    fst__real most = -(fst__real)INFINITY;
    bool nan = false;
    for (int32_t i = 0; i < vocabulary; ++i) {
        nan = nan || isnan(logits[i]);
        if (logits[i] > most) {
            most = logits[i];
            best = i;
        }
    }
    return nan || isinf(most) ? -1 : best;
}

/* More probable, or as probable with a smaller id: a total order, so results are reproducible. */
static bool before(const fst__candidate *a, const fst__candidate *b)
{
    return a->probability > b->probability ||
           (a->probability == b->probability && a->id < b->id);
}

/* Restores the heap (best on top) below `at`. */
static void sift_down(fst__candidate *heap, int64_t count, int64_t at)
{
    fst__candidate moving = heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && before(&heap[child + 1], &heap[child]))
            ++child;
        if (!before(&heap[child], &moving))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

/*
 * Keeps the best by top-k, then top-p of those, then min-p of those. The kept ones are taken off a
 * heap one by one and end up at the array's end, best last, so only as many are sorted as are kept.
 */
static fst__candidate *keep_best(fst__candidate *all, int64_t count, const fst_sampling_options *o,
                                 int64_t *kept)
{
    int64_t most = o->top_k > 0 && o->top_k < count ? o->top_k : count;
    for (int64_t i = count / 2 - 1; i >= 0; --i)
        sift_down(all, count, i);
    double total = 0, sum = 0;
    if (most == count) {
        for (int64_t i = 0; i < count; ++i)
            total += all[i].probability;
    }
    int64_t heap = count, taken = 0;
    double least = o->min_p * all[0].probability;
    while (taken < most) {
        fst__candidate best = all[0];
        if (best.probability < least)
            break;
        all[0] = all[--heap];
        sift_down(all, heap, 0);
        all[heap] = best;
        ++taken;
        sum += best.probability;
        if (most == count && sum >= o->top_p * total)
            break;
    }
    *kept = taken;
    return all + heap;
}

/* With top-k, top-p counts within the k: `best` is sorted, best last. */
static int64_t cut_top_p(const fst__candidate *best, int64_t kept, double top_p)
{
    double total = 0, sum = 0;
    for (int64_t i = 0; i < kept; ++i)
        total += best[i].probability;
    for (int64_t i = kept - 1; i >= 0; --i) {
        sum += best[i].probability;
        if (sum >= top_p * total)
            return kept - i;
    }
    return kept;
}

static const fst__candidate *draw(const fst__candidate *from, int64_t count, double total,
                                  uint64_t seed, uint64_t index)
{
    fst__philox_block block = fst__philox(seed, FST__STREAM_SAMPLING, 0, index);
    double mark = fst__uniform_double(block.word[0], block.word[1]) * total;
    const fst__candidate *last = NULL;
    for (int64_t i = 0; i < count; ++i) {
        if (from[i].probability <= 0)
            continue;
        last = &from[i];
        mark -= from[i].probability;
        if (mark < 0)
            break;
    }
    return last;
}

fst_status fst__sampler_draw(fst__sampler *sampler, const fst_sampling_options *options,
                             const fst__history *history, fst__real *logits, uint64_t seed,
                             uint64_t index, int32_t *id, double *log_probability)
{
    int32_t vocabulary = sampler->vocabulary;
    penalise(options, history, logits, vocabulary);
    add_bias(options, logits);
    int32_t best = largest(logits, vocabulary);
    if (best < 0)
        return fst__fail(FST_ERR_NUMERIC,
                         "the logits of token %llu are not finite, or every token is forbidden",
                         (unsigned long long)index);
    if (options->temperature == 0) {
        *id = best;
        *log_probability = 0;
        return FST_OK;
    }
    double most = (double)logits[best], total = 0;
    for (int32_t i = 0; i < vocabulary; ++i) {
        sampler->candidates[i].id = i;
        sampler->candidates[i].probability =
            exp(((double)logits[i] - most) / options->temperature);
    }
    const fst__candidate *kept = sampler->candidates;
    int64_t count = vocabulary;
    bool all = options->top_k <= 0 && options->top_p >= 1 && options->min_p <= 0;
    if (!all) {
        kept = keep_best(sampler->candidates, vocabulary, options, &count);
        if (options->top_k > 0 && options->top_p < 1) {
            int64_t fewer = cut_top_p(kept, count, options->top_p);
            kept += count - fewer;
            count = fewer;
        }
    }
    for (int64_t i = 0; i < count; ++i)
        total += kept[i].probability;
    const fst__candidate *drawn = draw(kept, count, total, seed, index);
    *id = drawn->id;
    *log_probability = log(drawn->probability / total);
    return FST_OK;
}
