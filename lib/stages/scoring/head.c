/* A model with a score head: answers sorted by length, a forward for each handful. */
#include "stages/scoring/scoring.h"

#include "base/error.h"
#include "base/options.h"
#include "data/chat.h"
#include "formats/sort.h"
#include "fourstage/examples.h"
#include "model/heads.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* An answer behind its prompt: two stretches of ids. */
typedef struct row {
    int64_t answer;
    const int32_t *parts[2];
    int64_t lengths[2];
} row;

typedef struct head_state {
    fst_model *model; /* held */
    char *head;
    int64_t output, max_length, tokens;
    double shift, scale;
    bool cut;

    bool has_chat;
    fst__chat chat;
    char *chat_texts; /* what `chat` borrows */
    fst__rendering rendering;
    fst__trained_ids encoded; /* of a batch of texts */
    int64_t *offsets;         /* [capacity + 1] into it */

    row *rows;        /* [capacity] */
    int32_t *lengths; /* [capacity] */
    int64_t capacity;
    int32_t *ids; /* [id_capacity] of a forward */
    int64_t id_capacity;
} head_state;

fst_reward_head_options fst__reward_head_defaults(void)
{
    return (fst_reward_head_options){
        .struct_size = sizeof(fst_reward_head_options),
        .head = "score",
        .scale = 1,
        .tokens = 4096,
    };
}

/* ---- memory ---- */

static fst_status reserve_rows(head_state *h, fst__allocator *allocator, int64_t count)
{
    if (h->capacity >= count)
        return FST_OK;
    fst__free(allocator, h->offsets);
    fst__free(allocator, h->lengths);
    fst__free(allocator, h->rows);
    h->capacity = 0;
    h->offsets = NULL;
    h->lengths = NULL;
    h->rows = fst__alloc_array(allocator, (size_t)count, sizeof *h->rows);
    if (h->rows)
        h->lengths = fst__alloc_array(allocator, (size_t)count, sizeof *h->lengths);
    if (h->lengths)
        h->offsets = fst__alloc_array(allocator, (size_t)count + 1, sizeof *h->offsets);
    if (!h->offsets)
        return FST_ERR_NO_MEMORY;
    h->capacity = count;
    return FST_OK;
}

static fst_status reserve_ids(head_state *h, fst__allocator *allocator, int64_t count)
{
    if (h->id_capacity >= count)
        return FST_OK;
    fst__free(allocator, h->ids);
    h->id_capacity = 0;
    h->ids = fst__alloc_array(allocator, (size_t)count, sizeof *h->ids);
    if (!h->ids)
        return FST_ERR_NO_MEMORY;
    h->id_capacity = count;
    return FST_OK;
}

/* ---- what is read ---- */

static fst_status encode_texts(head_state *h, const fst_reward_batch *batch)
{
    fst_status status = FST_OK;
    h->encoded.count = 0;
    for (int64_t i = 0; !status && i < batch->count; ++i) {
        const char *prompt = batch->prompt_texts ? batch->prompt_texts[i] : "";
        const char *response = batch->response_texts[i];
        const fst__message messages[] = {
            {FST__ROLE_USER, prompt, strlen(prompt), false},
            {FST__ROLE_ASSISTANT, response, strlen(response), true},
        };
        h->offsets[i] = h->encoded.count;
        status = fst__chat_encode(&h->chat, &h->rendering, messages, 2, false, NULL, &h->encoded);
        if (status)
            status = fst__fail_in(status, "answer %" PRId64, i);
    }
    if (status) { /* its text may be one that failed to grow */
        fst__allocator *allocator = h->encoded.allocator;
        fst__rendering_close(&h->rendering);
        fst__rendering_open(&h->rendering, allocator);
    }
    h->offsets[batch->count] = h->encoded.count;
    return status;
}

static row row_of(const head_state *h, const fst_reward_batch *batch, int64_t i)
{
    row r = {.answer = i};
    if (batch->responses) {
        r.parts[0] = batch->prompts ? batch->prompts[i] : NULL;
        r.lengths[0] = batch->prompts ? batch->prompt_lengths[i] : 0;
        r.parts[1] = batch->responses[i];
        r.lengths[1] = batch->response_lengths[i];
    } else {
        r.parts[1] = h->encoded.ids + h->offsets[i];
        r.lengths[1] = h->offsets[i + 1] - h->offsets[i];
    }
    return r;
}

static fst_status fit(const head_state *h, row *r)
{
    int64_t total = r->lengths[0] + r->lengths[1], beyond = total - h->max_length;
    if (total < 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "answer %" PRId64 ": prompt and answer have no ids", r->answer);
    if (beyond <= 0)
        return FST_OK;
    if (!h->cut)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "answer %" PRId64 ": prompt and answer have %" PRId64
                         " ids, expected at most %" PRId64,
                         r->answer, total, h->max_length);
    for (int part = 0; part < 2; ++part) {
        int64_t cut = beyond < r->lengths[part] ? beyond : r->lengths[part];
        if (cut > 0)
            r->parts[part] += cut;
        r->lengths[part] -= cut;
        beyond -= cut;
    }
    return FST_OK;
}

static bool less(const void *context, size_t a, size_t b)
{
    const row *rows = context;
    int64_t length_a = rows[a].lengths[0] + rows[a].lengths[1];
    int64_t length_b = rows[b].lengths[0] + rows[b].lengths[1];
    return length_a != length_b ? length_a < length_b : rows[a].answer < rows[b].answer;
}

static void swap(void *context, size_t a, size_t b)
{
    row *rows = context, kept = rows[a];
    rows[a] = rows[b];
    rows[b] = kept;
}

static fst_status gather(fst_reward_model *reward_model, const fst_reward_batch *batch)
{
    head_state *h = reward_model->state;
    fst_status status = reserve_rows(h, &reward_model->context->allocator, batch->count);
    if (!status && !batch->responses && !h->has_chat)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "reward head \"%s\": the batch has texts only and the reward model was "
                           "made without a tokenizer",
                           h->head);
    if (!status && batch->responses && !batch->prompts && batch->prompt_texts)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "reward head \"%s\": the batch has the answers' ids and the prompts' "
                           "texts, expected ids of both or texts of both",
                           h->head);
    if (!status && !batch->responses)
        status = encode_texts(h, batch);
    for (int64_t i = 0; !status && i < batch->count; ++i) {
        h->rows[i] = row_of(h, batch, i);
        status = fit(h, &h->rows[i]);
    }
    if (!status)
        fst__sort((size_t)batch->count, less, swap, h->rows);
    return status;
}

/* ---- forwards ---- */

static double element(const fst_view *view, int64_t r, int64_t output)
{
    int64_t at = r * view->strides[0] + output * view->strides[1];
    return (double)((const fst__real *)view->data)[at];
}

/* Rows [first, first + count), the longest last. */
static fst_status score_rows(fst_reward_model *reward_model, int64_t first, int64_t count,
                             float *scores)
{
    head_state *h = reward_model->state;
    const row *rows = h->rows + first;
    int64_t length = rows[count - 1].lengths[0] + rows[count - 1].lengths[1];
    fst_status status = reserve_ids(h, &reward_model->context->allocator, count * length);
    if (status)
        return status;
    memset(h->ids, 0, (size_t)(count * length) * sizeof *h->ids);
    for (int64_t r = 0; r < count; ++r) {
        int32_t *at = h->ids + r * length;
        for (int part = 0; part < 2; ++part) {
            size_t bytes = (size_t)rows[r].lengths[part] * sizeof *at;
            if (bytes)
                memcpy(at, rows[r].parts[part], bytes);
            at += rows[r].lengths[part];
        }
        h->lengths[r] = (int32_t)(at - (h->ids + r * length));
    }
    const fst_batch batch = {
        .struct_size = sizeof batch,
        .rows = count,
        .length = length,
        .ids = h->ids,
        .lengths = h->lengths,
    };
    fst_view view;
    status = fst__model_forward(h->model, &batch, false, 0);
    if (!status)
        status = fst__model_output(h->model, h->head, &view);
    for (int64_t r = 0; !status && r < count; ++r)
        scores[rows[r].answer] = (float)((element(&view, r, h->output) - h->shift) * h->scale);
    return status;
}

static fst_status score(fst_reward_model *reward_model, const fst_reward_batch *batch, float *scores)
{
    head_state *h = reward_model->state;
    fst_status status = gather(reward_model, batch);
    for (int64_t first = 0, count; !status && first < batch->count; first += count) {
        count = 1;
        while (first + count < batch->count) {
            const row *next = &h->rows[first + count];
            if ((count + 1) * (next->lengths[0] + next->lengths[1]) > h->tokens)
                break;
            ++count;
        }
        status = score_rows(reward_model, first, count, scores);
    }
    return status;
}

static void destroy(fst_reward_model *reward_model)
{
    head_state *h = reward_model->state;
    fst__allocator *allocator = &reward_model->context->allocator;
    if (!h)
        return;
    fst__free(allocator, h->ids);
    fst__free(allocator, h->lengths);
    fst__free(allocator, h->rows);
    fst__free(allocator, h->offsets);
    fst__trained_ids_destroy(&h->encoded);
    fst__rendering_close(&h->rendering);
    if (h->has_chat)
        fst__chat_close(&h->chat);
    fst__free(allocator, h->chat_texts);
    fst__free(allocator, h->head);
    fst__model_release(h->model);
    fst__free(allocator, h);
}

static const fst__scorer head_scorer = {
    .name = "reward head",
    .score = score,
    .destroy = destroy,
};

/* ---- making ---- */

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_reward_head_options.%s: expected %s", field,
                     expected);
}

static fst_status check_head(fst_model *model, const fst_reward_head_options *o)
{
    const fst__head *head = o->head ? fst__head_find(model, o->head) : NULL;
    if (!o->head)
        return bad("head", "a head's name, it is NULL");
    if (!head)
        return fst__fail(FST_ERR_NOT_FOUND, "fst_reward_head_options.head: the model has no \"%s\"",
                         o->head);
    if (head->options.kind != FST_HEAD_SEQUENCE)
        return bad("head", "a head of kind FST_HEAD_SEQUENCE");
    if (o->output < 0 || o->output >= head->options.outputs)
        return bad("output", "one of the head's outputs");
    return FST_OK;
}

static fst_status check(const fst_model *model, const fst_tokenizer *tokenizer,
                        const fst_reward_head_options *o)
{
    if (!isfinite(o->shift))
        return bad("shift", "a finite number");
    if (!isfinite(o->scale) || o->scale == 0)
        return bad("scale", "a finite number that is not 0");
    if (o->max_length < 0 || o->max_length > model->config.context_length)
        return bad("max_length", "0 to the model's context_length");
    if (o->too_long != FST_TOO_LONG_ERROR && o->too_long != FST_TOO_LONG_CUT_START)
        return bad("too_long", "FST_TOO_LONG_ERROR or FST_TOO_LONG_CUT_START");
    if (o->tokens < 1 || o->tokens > INT32_MAX)
        return bad("tokens", "at least 1");
    if (tokenizer && fst__tokenizer_vocabulary_size(tokenizer) > model->config.vocabulary_size)
        return fst__fail(FST_ERR_MISMATCH, "the tokenizer has %d ids, the model's vocabulary_size is %d",
                         (int)fst__tokenizer_vocabulary_size(tokenizer),
                         (int)model->config.vocabulary_size);
    return FST_OK;
}

/* The caller's template with its texts copied into one block. */
static fst_status copy_chat(head_state *h, fst__allocator *allocator, fst_chat_template *chat)
{
    const char **texts[] = {
        &chat->begin,       &chat->system_prefix,    &chat->system_suffix,    &chat->user_prefix,
        &chat->user_suffix, &chat->assistant_prefix, &chat->assistant_suffix, &chat->default_system,
    };
    enum { TEXTS = sizeof texts / sizeof texts[0] };
    size_t total = 1;
    for (int i = 0; i < TEXTS; ++i)
        total += *texts[i] ? strlen(*texts[i]) + 1 : 0;
    char *at = h->chat_texts = fst__alloc(allocator, total);
    if (!at)
        return FST_ERR_NO_MEMORY;
    for (int i = 0; i < TEXTS; ++i) {
        if (!*texts[i])
            continue;
        size_t size = strlen(*texts[i]) + 1;
        memcpy(at, *texts[i], size);
        *texts[i] = at;
        at += size;
    }
    return FST_OK;
}

static fst_status open_chat(fst_reward_model *rm, const fst_chat_template *theirs)
{
    head_state *h = rm->state;
    fst_chat_template chat = fst__chat_defaults();
    fst_status status = FST_OK;
    if (theirs)
        status = fst__options_overlay(&chat, sizeof chat, theirs, "fst_chat_template");
    else
        status = fst__chat_preset(&chat, FST_CHAT_PLAIN);
    if (!status)
        status = copy_chat(h, &rm->context->allocator, &chat);
    if (status)
        return status;
    h->has_chat = true;
    return fst__chat_open(&h->chat, rm->tokenizer, &chat);
}

static fst_status make(fst_reward_model *rm, fst_model *model, const fst_reward_head_options *o)
{
    fst__allocator *allocator = &rm->context->allocator;
    head_state *h = fst__alloc_zero(allocator, sizeof *h);
    rm->state = h;
    if (!h)
        return FST_ERR_NO_MEMORY;
    h->model = fst__model_retain(model);
    h->output = o->output;
    h->max_length = o->max_length ? o->max_length : model->config.context_length;
    h->tokens = o->tokens;
    h->shift = o->shift;
    h->scale = o->scale;
    h->cut = o->too_long == FST_TOO_LONG_CUT_START;
    h->encoded.allocator = allocator;
    fst__rendering_open(&h->rendering, allocator);
    h->head = fst__strdup(allocator, o->head);
    if (!h->head)
        return FST_ERR_NO_MEMORY;
    return rm->tokenizer ? open_chat(rm, o->chat) : FST_OK;
}

fst_status fst__reward_model_from_model(fst_model *model, fst_tokenizer *tokenizer,
                                        const fst_reward_head_options *options,
                                        fst_reward_model **out)
{
    fst_reward_model *rm;
    fst_status status = check_head(model, options);
    if (!status)
        status = check(model, tokenizer, options);
    if (!status)
        status = fst__scorer_create(model->context, &head_scorer, tokenizer, &rm);
    if (status)
        return status;
    status = make(rm, model, options);
    if (status) {
        fst__reward_model_release(rm);
        return status;
    }
    *out = rm;
    return FST_OK;
}
