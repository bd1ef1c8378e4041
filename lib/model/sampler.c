#include "model/sampler.h"

#include "base/error.h"
#include "base/random.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

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

static double sum_of(const fst__candidate *candidates, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; ++i)
        sum += candidates[i].probability;
    return sum;
}

/* Top-p of the kept, which stand at the end of the array in order, best last. */
static int64_t cut_top_p(const fst__candidate *end, int64_t kept, double top_p)
{
    double total = sum_of(end - kept, kept), sum = 0;
    for (int64_t i = 1; i <= kept; ++i) {
        sum += end[-i].probability;
        if (sum >= top_p * total)
            return i;
    }
    return kept;
}

/*
 * Keeps the best by top-k, of those the best by top-p, of those the best by min-p. They are taken
 * off a heap one by one and end up at the array's end, best last, so only as many are sorted as are
 * looked at. Without top-k the sum that top-p is a part of is known before anything is taken; with
 * it, only once the k are.
 */
static fst__candidate *keep_best(fst__candidate *all, int64_t count, const fst_sampling_options *o,
                                 int64_t *kept)
{
    bool cut_k = o->top_k > 0 && o->top_k < count, cut_p = o->top_p < 1;
    int64_t most = cut_k ? o->top_k : count, taken = 0;
    double enough = cut_p && !cut_k ? o->top_p * sum_of(all, count) : INFINITY, sum = 0;
    for (int64_t i = count / 2 - 1; i >= 0; --i)
        sift_down(all, count, i);
    double least = o->min_p * all[0].probability;
    while (taken < most && sum < enough) {
        fst__candidate best = all[0];
        /* Only what is below min-p follows, but top-p of the k may count it. */
        if (best.probability < least && !(cut_k && cut_p))
            break;
        int64_t last = count - ++taken;
        all[0] = all[last];
        sift_down(all, last, 0);
        all[last] = best;
        sum += best.probability;
    }
    if (cut_k && cut_p)
        taken = cut_top_p(all + count, taken, o->top_p);
    while (all[count - taken].probability < least)
        --taken;
    *kept = taken;
    return all + count - taken;
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

static void record_kept(const fst__candidate *kept, int64_t count, unsigned char *record,
                        int32_t vocabulary)
{
    memset(record, 0, ((size_t)vocabulary + 7) / 8);
    for (int64_t i = 0; i < count; ++i) {
        if (kept[i].probability > 0)
            record[kept[i].id / 8] |= (unsigned char)(1 << kept[i].id % 8);
    }
}

fst_status fst__sampler_draw(fst__sampler *sampler, const fst_sampling_options *options,
                             const fst__history *history, fst__real *logits, uint64_t seed,
                             uint64_t index, unsigned char *record, int32_t *id,
                             double *log_probability)
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
        const fst__candidate only = {1, best};
        if (record)
            record_kept(&only, 1, record, vocabulary);
        *id = best;
        *log_probability = 0;
        return FST_OK;
    }
    double most = (double)logits[best];
    for (int32_t i = 0; i < vocabulary; ++i) {
        sampler->candidates[i].id = i;
        sampler->candidates[i].probability =
            exp(((double)logits[i] - most) / options->temperature);
    }
    const fst__candidate *kept = sampler->candidates;
    int64_t count = vocabulary;
    bool all = options->top_k <= 0 && options->top_p >= 1 && options->min_p <= 0;
    if (!all)
        kept = keep_best(sampler->candidates, vocabulary, options, &count);
    if (record)
        record_kept(kept, count, record, vocabulary);
    double total = sum_of(kept, count);
    const fst__candidate *drawn = draw(kept, count, total, seed, index);
    *id = drawn->id;
    *log_probability = log(drawn->probability / total);
    return FST_OK;
}
