/* A micro-batch of rows, and what a step of them amounts to. */
#include "stages/language/language.h"

#include <math.h>

/* Puts masks into the rows that were read. Without words of the dataset's own the flags say where
 * words begin, and `words` only what is padding. */
static void mask_rows(fst__language *language, const fst_dataset *dataset, int64_t draw)
{
    int64_t length = language->length;
    for (int64_t b = 0; b < language->options.rows; ++b) {
        int64_t count = length;
        while (count > 0 && language->words[b * length + count - 1] < 0)
            --count;
        language->lengths[b] = (int32_t)count;
    }
    fst_mask_options mask = language->options.mask;
    mask.lengths = language->lengths;
    mask.documents = language->documents;
    mask.words = dataset->documents->tokens->continues ? language->words : NULL;
    fst__mask_rows(language->context, &mask, language->ids, language->options.rows, length, draw,
                   language->ids, language->targets);
}

void fst__language_read(fst__language *language, const fst_dataset *dataset, int64_t row,
                        bool training, fst_batch *batch)
{
    const fst__dataset_rows rows = {
        .ids = language->ids,
        .targets = language->targets,
        .positions = language->positions,
        .documents = language->documents,
        .words = language->words,
    };
    fst__dataset_read_rows(dataset, row, language->options.rows,
                           training && language->options.shuffle, &rows);
    if (language->options.masked)
        mask_rows(language, dataset, training ? row : FST__MASK_VALIDATION + row);
    /* Where documents see each other, rows are one document each and positions run through; but an
     * encoder must not see the padding behind them, which is a document too. */
    bool apart = language->options.masked || !dataset->pack.cross_documents;
    *batch = (fst_batch){
        .struct_size = sizeof *batch,
        .rows = language->options.rows,
        .length = language->length,
        .ids = language->ids,
        .targets = language->targets,
        .positions = apart ? language->positions : NULL,
        .documents = apart ? language->documents : NULL,
    };
}

static int64_t count_targets(const fst__language *language)
{
    int64_t size = language->options.rows * language->length, count = 0;
    for (int64_t i = 0; i < size; ++i)
        count += language->targets[i] >= 0;
    return count;
}

/* The mean is over the whole step, so its targets are counted before the first gradient. Reading and
 * masking have no state and cost next to nothing beside a forward. */
static double step_targets(fst_run *run)
{
    fst__language *language = fst__language_of(run);
    const fst__steps *steps = &language->steps;
    int64_t first = steps->position - steps->micro_step, targets = 0;
    for (int64_t i = 0; i < steps->options.accumulation; ++i) {
        fst_batch batch;
        fst__language_read(language, language->train, fst__steps_first(steps, first + i), true,
                           &batch);
        targets += count_targets(language);
    }
    return (double)targets;
}

static fst_status micro_batch(fst_run *run)
{
    fst__language *language = fst__language_of(run);
    fst__steps *steps = &language->steps;
    fst_model *model = steps->training.model;
    fst_batch batch;
    fst__language_read(language, language->train, fst__steps_first(steps, steps->position), true,
                       &batch);
    fst_loss_options options = {
        .struct_size = sizeof options,
        .scale = 1 / steps->divisor,
        .label_smoothing = language->options.label_smoothing,
        .z_loss = language->options.z_loss,
    };
    fst_loss loss = {.struct_size = sizeof loss};
    fst_status status = fst__model_forward(model, &batch, true, steps->position);
    if (!status)
        status = fst__model_loss(model, &options, &loss);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&steps->training, status);
    if (!status)
        status = fst__model_backward(model);
    if (status)
        return status;
    language->sums.loss += loss.loss;
    language->sums.z_loss += loss.z_loss;
    language->sums.tokens += loss.tokens;
    language->sums.correct += loss.correct;
    return FST_OK;
}

static double mean_loss(const fst_run *run)
{
    const fst__language_sums *sums = &fst__language_of(run)->sums;
    return sums->loss / (double)sums->tokens;
}

static void close_step(fst_run *run, const fst_optimizer_report *report)
{
    const fst__language *language = fst__language_of(run);
    const fst__steps *steps = &language->steps;
    double tokens = (double)language->sums.tokens, *m = run->metrics;
    run->tokens += language->sums.tokens;
    m[FST__METRIC_LOSS] = language->sums.loss / tokens;
    m[FST__LANGUAGE_Z_LOSS] = language->sums.z_loss / tokens;
    m[FST__LANGUAGE_PERPLEXITY] = exp(m[FST__METRIC_LOSS]);
    m[FST__LANGUAGE_ACCURACY] = (double)language->sums.correct / tokens;
    m[FST__LANGUAGE_TOKENS] = tokens;
    m[FST__METRIC_LEARNING_RATE] = report->learning_rate;
    m[FST__METRIC_GRADIENT_NORM] = report->gradient_norm;
    m[FST__LANGUAGE_CLIP_FACTOR] = report->clip_factor;
    m[FST__LANGUAGE_EPOCH] =
        (double)fst__steps_first(steps, steps->position) / (double)language->train_info.rows;
    m[FST__LANGUAGE_SPIKES] = (double)steps->spikes;
    m[FST__LANGUAGE_ROLLBACKS] = (double)steps->rollbacks;
}

static void clear_sums(fst_run *run)
{
    fst__language_of(run)->sums = (fst__language_sums){0};
}

const fst__steps_work fst__language_work = {
    .divisor = step_targets,
    .micro_batch = micro_batch,
    .loss = mean_loss,
    .close = close_step,
    .clear = clear_sums,
    .unit = "rows",
};
