/* What a contrastive run asks of its options and data, and what follows from them. */
#include "base/checked.h"
#include "base/error.h"
#include "stages/contrastive/contrastive.h"

#include <inttypes.h>
#include <math.h>

static const char train[] = "fst_contrastive_options.train";
static const char validation[] = "fst_contrastive_options.validation";

fst_contrastive_options fst__contrastive_defaults(void)
{
    fst__steps_options steps = fst__steps_defaults();
    return (fst_contrastive_options){
        .struct_size = sizeof(fst_contrastive_options),
        .pooling = FST_POOL_AUTO,
        .shuffle = 1,
        .rows = 64,
        .spike_warmup = steps.spike_warmup,
        .spike_patience = steps.spike_patience,
        .spike_rollbacks = steps.spike_rollbacks,
    };
}

fst__steps_options fst__contrastive_steps(const fst_contrastive_options *o)
{
    return (fst__steps_options){
        .accumulation = 1,
        .spike_action = o->spike_action,
        .spike_loss_z = o->spike_loss_z,
        .spike_gradient_z = o->spike_gradient_z,
        .spike_warmup = o->spike_warmup,
        .spike_patience = o->spike_patience,
        .spike_rollbacks = o->spike_rollbacks,
    };
}

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_contrastive_options.%s: expected %s", field,
                     expected);
}

static fst_status check_values(const fst_contrastive_options *o)
{
    if (o->objective < FST_CONTRASTIVE_AUTO || o->objective > FST_CONTRASTIVE_INFONCE)
        return bad("objective", "an FST_CONTRASTIVE_ value");
    if (o->views < FST_VIEWS_AUTO || o->views > FST_VIEWS_AUGMENT)
        return bad("views", "an FST_VIEWS_ value");
    if (o->shuffle != 0 && o->shuffle != 1)
        return bad("shuffle", "0 or 1");
    if (o->chunk_statistics != 0 && o->chunk_statistics != 1)
        return bad("chunk_statistics", "0 or 1");
    if (!(o->temperature >= 0 && isfinite(o->temperature)))
        return bad("temperature", "a finite number ≥ 0");
    if (!isfinite(o->hard_negative_logit))
        return bad("hard_negative_logit", "a finite number");
    if (o->rows < 2 || o->rows > INT32_MAX / FST__VIEWS_MOST)
        return bad("rows", "at least 2");
    if (o->chunk < 0)
        return bad("chunk", "at least 0");
    if (o->evaluation_rows < 0)
        return bad("evaluation_rows", "at least 0");
    return o->length < 0 ? bad("length", "at least 0") : FST_OK;
}

/* Sequences of every example; 0 where they differ. */
static int64_t sequences_of(const fst_dataset *dataset, int64_t *odd)
{
    const fst__examples *examples = dataset->documents->examples;
    int64_t first = examples->first[1] - examples->first[0];
    for (int64_t i = 1; i < examples->count; ++i) {
        *odd = i;
        if (examples->first[i + 1] - examples->first[i] != first)
            return 0;
    }
    return first;
}

static fst_status check_pairs(const fst_dataset *dataset, const char *what, int64_t *views)
{
    int64_t odd = 0;
    if (dataset->documents->examples->kind != FST_EXAMPLES_PAIRS)
        return fst__fail(FST_ERR_STATE, "%s holds no pairs; see fst_dataset_from_pairs", what);
    *views = sequences_of(dataset, &odd);
    if (*views == 0)
        return fst__fail(FST_ERR_MISMATCH,
                         "%s: example %" PRId64 " has another number of texts than example 0", what,
                         odd);
    return FST_OK;
}

static fst_status check_dropout(const fst_model *model, const fst__head *head)
{
    if (model->config.dropout > 0 || model->config.attention_dropout > 0 ||
        (head && head->options.dropout > 0))
        return FST_OK;
    return bad("views", "a model with dropout: without it both views of a text are the same");
}

/* How many views there are of an example, and how they come about. */
static fst_status find_views(fst__contrastive *c)
{
    fst_contrastive_options *o = &c->options;
    bool pairs = o->train->documents->examples->kind == FST_EXAMPLES_PAIRS;
    bool images = fst__is_images(o->train);
    if (o->views == FST_VIEWS_AUTO)
        o->views = images ? FST_VIEWS_AUGMENT : pairs ? FST_VIEWS_PAIRS : FST_VIEWS_DROPOUT;
    c->views = 2;
    if (images != (o->views == FST_VIEWS_AUGMENT))
        return bad("views", "FST_VIEWS_AUGMENT for images, another for texts");
    if (!images && o->augment)
        return bad("augment", "NULL for texts");
    fst_status status = o->views == FST_VIEWS_PAIRS
                            ? check_pairs(o->train, train, &c->views)
                        : images ? FST_OK
                                 : check_dropout(o->model, c->embedding.head);
    if (status)
        return status;
    if (o->objective == FST_CONTRASTIVE_AUTO)
        o->objective = images ? FST_CONTRASTIVE_NTXENT : FST_CONTRASTIVE_INFONCE;
    if (o->objective == FST_CONTRASTIVE_NTXENT && c->views > 2)
        return bad("objective", "FST_CONTRASTIVE_INFONCE for pairs with hard negatives");
    return FST_OK;
}

static fst_status check_validation(fst__contrastive *c)
{
    const fst_contrastive_options *o = &c->options;
    const fst__examples *examples = o->validation->documents->examples;
    int64_t views, count = examples->count;
    c->scored = examples->kind == FST_EXAMPLES_PAIRS && examples->label_count > 0;
    if (c->scored && examples->label_count != 1)
        return fst__fail(FST_ERR_MISMATCH, "%s has %" PRId64 " labels an example, expected one",
                         validation, examples->label_count);
    c->evaluated_examples = o->evaluation_rows > 0 && o->evaluation_rows < count
                                ? o->evaluation_rows
                                : count;
    if (c->evaluated_examples < 2)
        return fst__fail(FST_ERR_MISMATCH, "%s: expected two examples or more to evaluate on",
                         validation);
    if (c->scored || o->views != FST_VIEWS_PAIRS)
        return FST_OK;
    fst_status status = check_pairs(o->validation, validation, &views);
    if (!status && views != c->views)
        status = fst__fail(FST_ERR_MISMATCH, "%s has %" PRId64 " texts an example, train has %" PRId64,
                           validation, views, c->views);
    return status;
}

/* The longest sequence, or what the caller plans for, which must do. */
static fst_status find_length(const fst__contrastive *c, int64_t *length)
{
    const fst_contrastive_options *o = &c->options;
    int64_t longest = o->train->documents->examples->longest, product;
    if (o->validation && o->validation->documents->examples->longest > longest)
        longest = o->validation->documents->examples->longest;
    if (fst__is_images(o->train)) {
        *length = 0;
        return o->length ? bad("length", "0 for images") : FST_OK;
    }
    if (o->length > 0 && o->length < longest)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_contrastive_options.length is %" PRId64
                         ", the data has a sequence of %" PRId64 " ids",
                         o->length, longest);
    *length = o->length > 0 ? o->length : longest;
    if (*length > o->model->config.context_length)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_contrastive_options.length is %" PRId64
                         ", the model's context_length is %d",
                         *length, (int)o->model->config.context_length);
    if (!fst__mul_i64(o->rows * c->views, *length, &product) || product > INT32_MAX)
        return bad("rows", "a batch of less than 2³¹ tokens");
    return FST_OK;
}

static fst_status check_chunks(fst__contrastive *c)
{
    fst_contrastive_options *o = &c->options;
    if (o->chunk == 0 || o->chunk > o->rows)
        o->chunk = o->rows;
    c->chunks = (o->rows + o->chunk - 1) / o->chunk;
    if (c->chunks > 1 && !o->chunk_statistics && fst__has_batch_norm(o->model))
        return bad("chunk", "0 or rows for a model with batch norm, whose statistics would be those "
                            "of a chunk; chunk_statistics 1 allows it");
    return FST_OK;
}

fst_status fst__contrastive_check(const fst_contrastive_options *options,
                                  const fst_run_options *run_options, fst__contrastive *c,
                                  int64_t *length)
{
    static const char name[] = "fst_contrastive_options";
    fst_contrastive_options *o = &c->options;
    *o = *options;
    if (!o->model || !o->train)
        return bad(o->model ? "train" : "model", "a handle, it is NULL");
    const fst__steps_options steps = fst__contrastive_steps(o);
    fst_status status = check_values(o);
    if (!status)
        status = fst__steps_check(&steps, run_options, name);
    if (!status)
        status = fst__embedding_open(o->model, NULL, o->pooling, name, &c->trunk);
    if (!status)
        status = fst__embedding_open(o->model, o->head, o->pooling, name, &c->embedding);
    o->pooling = c->trunk.pooling;
    if (!status)
        status = fst__embed_check_data(o->model, o->train, train);
    if (!status && o->validation)
        status = fst__embed_check_data(o->model, o->validation, validation);
    if (!status)
        status = find_views(c);
    if (!status && o->validation)
        status = check_validation(c);
    if (!status)
        status = check_chunks(c);
    if (o->temperature == 0)
        o->temperature = o->views == FST_VIEWS_AUGMENT ? 0.1 : 0.05;
    c->loss = fst__contrastive_loss_defaults();
    c->loss.temperature = o->temperature;
    c->loss.hard_negative_logit = o->hard_negative_logit;
    return status ? status : find_length(c, length);
}
