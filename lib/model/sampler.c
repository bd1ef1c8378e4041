#include "model/sampler.h"

#include "base/error.h"
#include "base/random.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Probabilities whose sum is kept, so that a draw looks through one chunk and not through all ids. */
enum { CHUNK = 256 };

/* Below it nothing changes any more, and its inverse must stay finite in float. */
static const double LEAST_TEMPERATURE = 1e-30;

fst_status fst__sampler_create(fst__allocator *allocator, const fst__kernels *kernels,
                               int32_t vocabulary, fst__sampler *out)
{
    size_t count = (size_t)vocabulary;
    fst__sampler sampler = {
        .allocator = allocator,
        .kernels = kernels,
        .vocabulary = vocabulary,
        .probabilities = fst__alloc_array(allocator, count, sizeof *sampler.probabilities),
        .sums = fst__alloc_array(allocator, (count + CHUNK - 1) / CHUNK, sizeof *sampler.sums),
        .candidates = fst__alloc_array(allocator, count, sizeof *sampler.candidates),
    };
    if (!sampler.probabilities || !sampler.sums || !sampler.candidates) {
        fst__sampler_destroy(&sampler);
        return FST_ERR_NO_MEMORY;
    }
    *out = sampler;
    return FST_OK;
}

void fst__sampler_destroy(fst__sampler *sampler)
{
    if (sampler->allocator) {
        fst__free(sampler->allocator, sampler->candidates);
        fst__free(sampler->allocator, sampler->sums);
        fst__free(sampler->allocator, sampler->probabilities);
    }
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

/* The first that is the largest; -1 if there is none above -inf, or it is inf. */
static int32_t largest(const fst__kernels *kernels, const fst__real *logits, int32_t vocabulary)
{
    fst__real most = kernels->max(logits, vocabulary);
    if (isinf(most))
        return -1;
    int32_t best = 0;
    while (best < vocabulary && logits[best] != most)
        ++best;
    return best < vocabulary ? best : -1;
}

static bool has_nan(const fst__real *logits, int32_t vocabulary)
{
    int found = 0;
    for (int32_t i = 0; i < vocabulary; ++i)
        found |= isnan(logits[i]);
    return found;
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

static double mark_of(uint64_t seed, uint64_t index, double total)
{
    fst__philox_block block = fst__philox(seed, FST__STREAM_SAMPLING, 0, index);
    return fst__uniform_double(block.word[0], block.word[1]) * total;
}

static int32_t draw_candidate(const fst__candidate *from, int64_t count, double mark)
{
    int32_t last = -1;
    for (int64_t i = 0; i < count; ++i) {
        if (from[i].probability <= 0)
            continue;
        last = from[i].id;
        mark -= from[i].probability;
        if (mark < 0)
            break;
    }
    return last;
}

static void record_id(unsigned char *record, int32_t id)
{
    record[id / 8] |= (unsigned char)(1 << id % 8);
}

static size_t record_size(const fst__sampler *sampler)
{
    return ((size_t)sampler->vocabulary + 7) / 8;
}

static int64_t chunk_size(const fst__sampler *sampler, int32_t first)
{
    return sampler->vocabulary - first < CHUNK ? sampler->vocabulary - first : CHUNK;
}

/* exp((logits − most)/T), each within some 10⁻⁷ of its value: in the kernels' arithmetic, since this
 * is most of the work. */
static void exponentials(const fst__sampler *sampler, const fst__real *logits, fst__real most,
                         double temperature)
{
    const fst__kernels *k = sampler->kernels;
    fst__real *p = sampler->probabilities;
    fst__real factor = (fst__real)(temperature < LEAST_TEMPERATURE ? 1 / LEAST_TEMPERATURE
                                                                   : 1 / temperature);
    for (int32_t i = 0; i < sampler->vocabulary; i += CHUNK) {
        int64_t n = chunk_size(sampler, i);
        k->affine(1, logits + i, -most, p + i, n);
        if (temperature != 1)
            k->scale(factor, p + i, p + i, n);
        k->exp(p + i, p + i, n);
    }
}

/* Sums of the chunks, and their sum, in double: a sum in float would cost digits of every
 * log-probability. Four at a time, since a single one waits for itself. */
static double sum_chunks(const fst__sampler *sampler)
{
    double total = 0;
    for (int32_t i = 0; i < sampler->vocabulary; i += CHUNK) {
        const fst__real *p = sampler->probabilities + i;
        int64_t n = chunk_size(sampler, i), j = 0;
        double sum[4] = {0};
        for (; j + 4 <= n; j += 4)
            for (int l = 0; l < 4; ++l)
                sum[l] += (double)p[j + l];
        for (; j < n; ++j)
            sum[0] += (double)p[j];
        total += sampler->sums[i / CHUNK] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
    return total;
}

/* Of all ids, in their order. */
static int32_t draw_id(const fst__sampler *sampler, double mark)
{
    int32_t at = -1;
    for (int32_t i = 0; i < sampler->vocabulary; i += CHUNK) {
        double sum = sampler->sums[i / CHUNK];
        if (sum <= 0)
            continue;
        at = i;
        if (mark < sum)
            break;
        mark -= sum;
    }
    int32_t last = -1;
    for (int32_t i = at, end = at + (int32_t)chunk_size(sampler, at); i < end; ++i) {
        if (sampler->probabilities[i] <= 0)
            continue;
        last = i;
        mark -= (double)sampler->probabilities[i];
        if (mark < 0)
            break;
    }
    return last;
}

/* One of those that top-k, top-p and min-p leave; *total: the sum of their probabilities. */
static int32_t draw_best(fst__sampler *sampler, const fst_sampling_options *options, uint64_t seed,
                         uint64_t index, unsigned char *record, double *total)
{
    int64_t count;
    for (int32_t i = 0; i < sampler->vocabulary; ++i)
        sampler->candidates[i] = (fst__candidate){(double)sampler->probabilities[i], i};
    const fst__candidate *kept =
        keep_best(sampler->candidates, sampler->vocabulary, options, &count);
    for (int64_t i = 0; record && i < count; ++i) {
        if (kept[i].probability > 0)
            record_id(record, kept[i].id);
    }
    *total = sum_of(kept, count);
    return draw_candidate(kept, count, mark_of(seed, index, *total));
}

fst_status fst__sampler_draw(fst__sampler *sampler, const fst_sampling_options *options,
                             const fst__history *history, fst__real *logits, uint64_t seed,
                             uint64_t index, unsigned char *record, int32_t *id,
                             double *log_probability)
{
    int32_t vocabulary = sampler->vocabulary;
    penalise(options, history, logits, vocabulary);
    add_bias(options, logits);
    int32_t best = largest(sampler->kernels, logits, vocabulary);
    double total = NAN;
    if (best >= 0 && options->temperature == 0) {
        total = has_nan(logits, vocabulary) ? NAN : 1;
    } else if (best >= 0) {
        exponentials(sampler, logits, logits[best], options->temperature);
        total = sum_chunks(sampler);
    }
    if (isnan(total))
        return fst__fail(FST_ERR_NUMERIC,
                         "the logits of token %llu are not finite, or every token is forbidden",
                         (unsigned long long)index);
    if (record)
        memset(record, 0, record_size(sampler));
    if (options->temperature == 0) {
        if (record)
            record_id(record, best);
        *id = best;
        *log_probability = 0;
        return FST_OK;
    }
    if (options->top_k > 0 || options->top_p < 1 || options->min_p > 0) {
        *id = draw_best(sampler, options, seed, index, record, &total);
    } else {
        *id = draw_id(sampler, mark_of(seed, index, total));
        for (int32_t i = 0; record && i < vocabulary; ++i) {
            if (sampler->probabilities[i] > 0)
                record_id(record, i);
        }
    }
    *log_probability = ((double)logits[*id] - (double)logits[best]) / options->temperature - log(total);
    return FST_OK;
}
