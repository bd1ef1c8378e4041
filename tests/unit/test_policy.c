/* Generation: batches against single prompts, the decode path against the training forward, what
 * ends a sequence, what a callback may do, and what happens to memory. */
#include "../support/tiny_model.h"

#include "../support/scratch.h"
#include "fourstage/policy.h"
#include "fourstage/tokenizer.h"
#include "model/decode.h"

#include <pthread.h>
#include <stdbool.h>

typedef struct subject {
    const char *name;
    int32_t family, dtype, window;
} subject;

static const subject subjects[] = {
    {"gpt2", FST_FAMILY_GPT2, FST_F32, 0},       {"llama", FST_FAMILY_LLAMA, FST_F32, 0},
    {"qwen3", FST_FAMILY_QWEN3, FST_F32, 0},     {"llama, window", FST_FAMILY_LLAMA, FST_F32, 7},
    {"gpt2, bf16", FST_FAMILY_GPT2, FST_BF16, 0}, {"llama, bf16", FST_FAMILY_LLAMA, FST_BF16, 0},
    {"qwen3, bf16", FST_FAMILY_QWEN3, FST_BF16, 0}, {"llama, window, bf16", FST_FAMILY_LLAMA, FST_BF16, 7},
};
enum { SUBJECTS = sizeof subjects / sizeof subjects[0] };

/* What rounding may change, relative to the largest logit. */
static double tolerance(const subject *s)
{
    return s->dtype == FST_BF16 ? 4e-2 : 1e-5;
}

static fst_model *subject_model(fst_context *context, const subject *s)
{
    fst_model_config config = tiny_config(s->family);
    config.window = s->window;
    return tiny_model(context, &config, s->dtype, 0);
}

static void assert_near(const fst__real *found, const fst__real *expected, int64_t n, double bound,
                        const char *what)
{
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; ++i) {
        double error = fabs((double)found[i] - (double)expected[i]);
        largest = fmax(largest, fabs((double)expected[i]));
        worst = fmax(worst, isnan(error) ? INFINITY : error);
    }
    ck_assert_msg(worst <= bound * largest, "%s: off by %g of %g", what, worst, largest);
}

/* Logits behind the last of `length` ids, by the training forward. */
static void forward_logits(fst_model *model, const int32_t *ids, int64_t length, fst__real *logits)
{
    int32_t vocabulary = model->config.vocabulary_size;
    fst_batch batch;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = 1;
    batch.length = length;
    batch.ids = ids;
    REQUIRE(fst_model_forward(model, &batch, NULL));
    fst_view view;
    REQUIRE(fst_model_output(model, "logits", &view));
    memcpy(logits, (fst__real *)view.data + (length - 1) * vocabulary,
           (size_t)vocabulary * sizeof *logits);
}

/* The same by the decode path, in pieces of `piece` tokens. */
static void decode_logits(fst_model *model, const int32_t *ids, int32_t length, int32_t piece,
                          fst__real *logits)
{
    fst__kv_cache cache;
    REQUIRE(fst__kv_cache_create(model, 1, length + 3, &cache));
    for (int32_t at = 0; at < length; at += piece) {
        int32_t count = length - at < piece ? length - at : piece;
        REQUIRE(fst__model_decode(model, &cache, ids + at, &count, logits));
    }
    fst__kv_cache_destroy(&cache);
}

START_TEST(decoding_is_the_training_forward)
{
    const subject *s = &subjects[_i];
    fst_context *context = tiny_context(2);
    fst_model *model = subject_model(context, s);
    int32_t ids[70];
    fst__real expected[TINY_VOCABULARY], found[TINY_VOCABULARY];
    static const int32_t lengths[] = {1, 2, 15, 16, 17, 70}, pieces[] = {1, 5, 16, 33, 70};
    tiny_ids(ids, 70, 3);
    for (int l = 0; l < 6; ++l) {
        forward_logits(model, ids, lengths[l], expected);
        for (int p = 0; p < 5; ++p) {
            decode_logits(model, ids, lengths[l], pieces[p], found);
            assert_near(found, expected, TINY_VOCABULARY, tolerance(s), s->name);
        }
        /* Told apart from a prompt that differs in its first token that the window shows. */
        int32_t other[70];
        memcpy(other, ids, sizeof ids);
        int32_t first = s->window && lengths[l] > s->window ? lengths[l] - s->window : 0;
        other[first] = (other[first] + 1) % TINY_VOCABULARY;
        decode_logits(model, other, lengths[l], 16, found);
        ck_assert(memcmp(found, expected, sizeof found) != 0);
    }
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* More tokens than one forward takes: 2,048 and the rest. */
START_TEST(long_prompts_are_read_in_pieces)
{
    enum { LENGTH = 2500 };
    fst_context *context = tiny_context(2);
    fst_model_config config = tiny_config(_i ? FST_FAMILY_LLAMA : FST_FAMILY_GPT2);
    config.context_length = LENGTH + 4;
    config.layers = 1;
    config.width = 16;
    config.heads = 2;
    config.kv_heads = 2;
    config.window = _i ? 300 : 0;
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    int32_t *ids = malloc((LENGTH + 4) * sizeof *ids);
    tiny_ids(ids, LENGTH, 8);
    /* A short and a long one beside it, and greedy tokens as the training forward gives them. */
    const int32_t *prompts[] = {ids + 100, ids, ids + 7};
    int64_t lengths[] = {3, LENGTH, 2100};
    fst_sampling_options options;
    REQUIRE(fst_sampling_options_init(&options, sizeof options));
    options.max_new_tokens = 3;
    options.temperature = 0;
    fst_policy *policy;
    REQUIRE(fst_policy_create(model, NULL, &policy));
    REQUIRE(fst_policy_generate(policy, prompts, lengths, 3, &options, NULL, NULL));
    for (int p = 0; p < 3; ++p) {
        fst_generation generation;
        REQUIRE(fst_policy_get_result(policy, p, &generation, sizeof generation));
        ck_assert_int_eq(generation.count, 3);
        int32_t *all = malloc((size_t)(lengths[p] + 3) * sizeof *all);
        memcpy(all, prompts[p], (size_t)lengths[p] * sizeof *all);
        for (int t = 0; t < 3; ++t) {
            fst__real logits[TINY_VOCABULARY];
            forward_logits(model, all, lengths[p] + t, logits);
            fst__real chosen = logits[generation.ids[t]], most = logits[0];
            for (int i = 0; i < TINY_VOCABULARY; ++i)
                most = logits[i] > most ? logits[i] : most;
            ck_assert_msg(chosen >= most - (fst__real)1e-4, "prompt %d, token %d", p, t);
            all[lengths[p] + t] = generation.ids[t];
        }
        free(all);
    }
    fst_policy_destroy(policy);
    fst_model_destroy(model);
    fst_context_destroy(context);
    free(ids);
}
END_TEST

enum { PROMPTS = 6, MOST = 12 };

typedef struct outcome {
    int32_t ids[MOST];
    double log_probabilities[MOST];
    int64_t count;
} outcome;

static void generate(fst_model *model, const int32_t *const *prompts, const int64_t *lengths,
                     int64_t count, const int64_t *seeds, double temperature, outcome *outcomes)
{
    fst_policy *policy;
    fst_sampling_options options;
    REQUIRE(fst_sampling_options_init(&options, sizeof options));
    options.max_new_tokens = MOST;
    options.temperature = temperature;
    options.seeds = seeds;
    REQUIRE(fst_policy_create(model, NULL, &policy));
    REQUIRE(fst_policy_generate(policy, prompts, lengths, count, &options, NULL, NULL));
    for (int64_t i = 0; i < count; ++i) {
        fst_generation g;
        REQUIRE(fst_policy_get_result(policy, i, &g, sizeof g));
        ck_assert_int_eq(g.count, MOST);
        ck_assert_int_eq(g.finish, FST_FINISH_LENGTH);
        ck_assert_ptr_null(g.text);
        outcomes[i].count = g.count;
        memcpy(outcomes[i].ids, g.ids, sizeof outcomes[i].ids);
        memcpy(outcomes[i].log_probabilities, g.log_probabilities, sizeof outcomes[i].log_probabilities);
    }
    fst_policy_destroy(policy);
}

static void assert_same(const outcome *a, const outcome *b, const char *name, int prompt)
{
    for (int t = 0; t < MOST; ++t) {
        ck_assert_msg(a->ids[t] == b->ids[t], "%s: prompt %d, token %d: %d and %d", name, prompt, t,
                      (int)a->ids[t], (int)b->ids[t]);
        ck_assert_double_eq_tol(a->log_probabilities[t], b->log_probabilities[t], 2e-5);
    }
}

/* Ragged prompts, alone, together, in another order, with others beside them; greedy and drawn. */
START_TEST(sequences_do_not_depend_on_each_other)
{
    static const int64_t sizes[PROMPTS] = {1, 40, 3, 17, 16, 80};
    const subject *s = &subjects[_i % 4];
    double temperature = _i / 4;
    fst_context *context = tiny_context(2);
    fst_model *model = subject_model(context, s);
    int32_t ids[PROMPTS][80];
    const int32_t *prompts[PROMPTS], *reversed[PROMPTS];
    int64_t back_sizes[PROMPTS], seeds[PROMPTS], back_seeds[PROMPTS];
    outcome together[PROMPTS], backwards[PROMPTS], alone;
    for (int p = 0; p < PROMPTS; ++p) {
        tiny_ids(ids[p], 80, (uint32_t)p + 20);
        prompts[p] = ids[p];
        seeds[p] = 1000 - 7 * p;
        reversed[PROMPTS - 1 - p] = ids[p];
        back_sizes[PROMPTS - 1 - p] = sizes[p];
        back_seeds[PROMPTS - 1 - p] = seeds[p];
    }
    generate(model, prompts, sizes, PROMPTS, seeds, temperature, together);
    generate(model, reversed, back_sizes, PROMPTS, back_seeds, temperature, backwards);
    int differ = 0;
    for (int p = 0; p < PROMPTS; ++p) {
        generate(model, &prompts[p], &sizes[p], 1, &seeds[p], temperature, &alone);
        assert_same(&together[p], &alone, s->name, p);
        assert_same(&backwards[PROMPTS - 1 - p], &alone, s->name, p);
        differ += memcmp(together[0].ids, alone.ids, sizeof alone.ids) != 0;
    }
    ck_assert_int_ge(differ, 3);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(logits_do_not_depend_on_the_batch)
{
    enum { COUNT = 3, SIZE = 30 };
    const subject *s = &subjects[_i];
    static const int32_t counts[COUNT] = {4, 30, 19};
    fst_context *context = tiny_context(2);
    fst_model *model = subject_model(context, s);
    int32_t ids[COUNT * SIZE];
    tiny_ids(ids, COUNT * SIZE, 5);
    fst__real batched[COUNT * TINY_VOCABULARY], alone[TINY_VOCABULARY];
    fst__kv_cache cache;
    REQUIRE(fst__kv_cache_create(model, COUNT, SIZE, &cache));
    REQUIRE(fst__model_decode(model, &cache, ids, counts, batched));
    fst__kv_cache_destroy(&cache);
    for (int c = 0, at = 0; c < COUNT; at += counts[c], ++c) {
        decode_logits(model, ids + at, counts[c], SIZE, alone);
        assert_near(batched + c * TINY_VOCABULARY, alone, TINY_VOCABULARY, tolerance(s), s->name);
    }
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/*
 * A model that recites: each token is followed by the one that stands behind it in `script`, whose
 * bytes are all different. Embeddings are one-hot, blocks add nothing, the head maps each to the next.
 */
typedef struct reciter {
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_model *model;
    fst_policy *policy;
    int32_t end; /* the tokenizer's special token */
} reciter;

static int32_t byte_id(const reciter *r, char byte)
{
    int32_t id;
    size_t count;
    REQUIRE(fst_tokenizer_encode(r->tokenizer, &byte, 1, NULL, &id, NULL, 1, &count));
    ck_assert_uint_eq(count, 1);
    return id;
}

static fst_view weights(const reciter *r, const char *name)
{
    fst_view view;
    REQUIRE(fst_model_parameter(r->model, name, &view));
    return view;
}

static reciter recite_in(fst_context *context, const char *script)
{
    reciter r = {.context = context};
    const char *text = "a", *special = "<end>";
    fst_tokenizer_train_options train;
    REQUIRE(fst_tokenizer_train_options_init(&train, sizeof train));
    train.vocabulary_size = 257;
    train.special_tokens = &special;
    train.special_token_count = 1;
    REQUIRE(fst_tokenizer_train_texts(r.context, &text, NULL, 1, &train, &r.tokenizer));
    REQUIRE(fst_tokenizer_find(r.tokenizer, special, &r.end));
    fst_model_config config = tiny_config(FST_FAMILY_LLAMA);
    config.vocabulary_size = config.width = 257;
    config.head_size = 8;
    config.layers = 1;
    config.position = FST_POSITION_NONE;
    config.init_std = 0;
    config.eos_id = r.end;
    r.model = tiny_model(r.context, &config, FST_F32, 0);
    fst_view embedding = weights(&r, "embedding.tokens.weight"), head = weights(&r, "head.weight");
    for (int64_t i = 0; i < 257; ++i)
        ((float *)embedding.data)[i * 257 + i] = 1;
    for (const char *at = script; *at; ++at) {
        int32_t next = at[1] ? byte_id(&r, at[1]) : r.end;
        ((float *)head.data)[next * 257 + byte_id(&r, *at)] = 1;
    }
    REQUIRE(fst_model_weights_changed(r.model));
    REQUIRE(fst_policy_create(r.model, r.tokenizer, &r.policy));
    return r;
}

static reciter recite(const char *script)
{
    return recite_in(tiny_context(1), script);
}

static void reciter_destroy(reciter *r)
{
    fst_policy_destroy(r->policy);
    fst_model_destroy(r->model);
    fst_tokenizer_destroy(r->tokenizer);
    fst_context_destroy(r->context);
}

/* What the callback saw, and what it shall do. */
typedef struct listener {
    char text[256];
    int calls, stop_at, value;
    reciter *destroys;
} listener;

static int32_t listen(const fst_token *token, void *user)
{
    listener *self = user;
    ck_assert_int_eq(token->index, self->calls);
    ck_assert_int_eq(token->sequence, 0);
    ck_assert_ptr_nonnull(token->text);
    ck_assert_uint_eq(token->struct_size, sizeof *token);
    strncat(self->text, token->text, token->text_length);
    /* Whole characters: what was shown so far never ends inside one. */
    size_t length = strlen(self->text), back = 0;
    while (back < length && ((unsigned char)self->text[length - 1 - back] & 0xC0) == 0x80)
        ++back;
    if (length) {
        unsigned char lead = (unsigned char)self->text[length - 1 - back];
        ck_assert_uint_eq(back, lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0);
    }
    if (self->destroys) {
        fst_policy_destroy(self->destroys->policy);
        self->destroys->policy = NULL;
        self->destroys = NULL;
    }
    return ++self->calls == self->stop_at ? self->value : 0;
}

static const char SCRIPT[] = "(a\xC3\xA9\xE2\x82\xACx\xF0\x9D\x84\x9Eyz STOP!";

static fst_sampling_options greedy_options(int64_t most)
{
    fst_sampling_options options;
    REQUIRE(fst_sampling_options_init(&options, sizeof options));
    options.temperature = 0;
    options.max_new_tokens = most;
    return options;
}

static fst_generation result_of(const reciter *r)
{
    fst_generation generation;
    REQUIRE(fst_policy_get_result(r->policy, 0, &generation, sizeof generation));
    ck_assert_uint_eq(strlen(generation.text), generation.text_length);
    return generation;
}

START_TEST(end_token_and_whole_characters)
{
    reciter r = recite(SCRIPT);
    const char *prompt = "(";
    fst_sampling_options options = greedy_options(80);
    listener heard = {.text = ""};
    REQUIRE(fst_policy_generate_text(r.policy, &prompt, NULL, 1, &options, listen, &heard));
    fst_generation g = result_of(&r);
    ck_assert_int_eq(g.finish, FST_FINISH_END);
    ck_assert_int_eq(g.count, (int64_t)sizeof SCRIPT - 1); /* the end token instead of "(" */
    ck_assert_int_eq(g.ids[g.count - 1], r.end);
    ck_assert_str_eq(g.text, SCRIPT + 1);
    ck_assert_str_eq(heard.text, SCRIPT + 1);
    /* Cut anywhere: only whole characters, in the callback and in the result. */
    for (int64_t most = 0; most < (int64_t)sizeof SCRIPT - 1; ++most) {
        options.max_new_tokens = most;
        heard = (listener){.text = ""};
        REQUIRE(fst_policy_generate_text(r.policy, &prompt, NULL, 1, &options, listen, &heard));
        g = result_of(&r);
        ck_assert_int_eq(g.count, most);
        ck_assert_int_eq(heard.calls, most);
        ck_assert_int_eq(g.finish, FST_FINISH_LENGTH);
        ck_assert_str_eq(heard.text, g.text);
        ck_assert_int_eq(strncmp(g.text, SCRIPT + 1, g.text_length), 0);
        ck_assert_int_ge((int64_t)g.text_length, most - 3);
    }
    reciter_destroy(&r);
}
END_TEST

START_TEST(ignore_end_and_stop_ids)
{
    reciter r = recite(SCRIPT);
    const char *prompt = "(";
    fst_sampling_options options = greedy_options(40);
    options.ignore_end = 1;
    REQUIRE(fst_policy_generate_text(r.policy, &prompt, NULL, 1, &options, NULL, NULL));
    fst_generation g = result_of(&r);
    ck_assert_int_eq(g.count, 40);
    ck_assert_int_eq(g.finish, FST_FINISH_LENGTH);
    int32_t stops[] = {byte_id(&r, '!'), byte_id(&r, 'x')};
    options.stop_ids = stops;
    options.stop_id_count = 2;
    REQUIRE(fst_policy_generate_text(r.policy, &prompt, NULL, 1, &options, NULL, NULL));
    g = result_of(&r);
    ck_assert_int_eq(g.finish, FST_FINISH_END);
    ck_assert_int_eq(g.ids[g.count - 1], stops[1]);
    ck_assert_str_eq(g.text, "a\xC3\xA9\xE2\x82\xACx");
    reciter_destroy(&r);
}
END_TEST

/* Each token is a byte, so every stop string is cut across tokens. */
START_TEST(stop_strings)
{
    static const struct {
        const char *stops[2], *text;
    } cases[] = {
        {{"STOP", NULL}, "a\xC3\xA9\xE2\x82\xACx\xF0\x9D\x84\x9Eyz "},
        {{" ST", "STOP"}, "a\xC3\xA9\xE2\x82\xACx\xF0\x9D\x84\x9Eyz"},
        {{"\xF0\x9D\x84\x9E", NULL}, "a\xC3\xA9\xE2\x82\xACx"},
        {{"\xE2\x82\xACx", "zzz"}, "a\xC3\xA9"},
        {{"a", NULL}, ""},
        {{"STOPPED", "STALE"}, SCRIPT + 1}, /* held back, then shown after all */
    };
    reciter r = recite(SCRIPT);
    const char *prompt = "(";
    fst_sampling_options options = greedy_options(80);
    options.stop_strings = cases[_i].stops;
    options.stop_string_count = cases[_i].stops[1] ? 2 : 1;
    listener heard = {.text = ""};
    REQUIRE(fst_policy_generate_text(r.policy, &prompt, NULL, 1, &options, listen, &heard));
    fst_generation g = result_of(&r);
    ck_assert_int_eq(g.finish, _i == 5 ? FST_FINISH_END : FST_FINISH_STRING);
    ck_assert_str_eq(g.text, cases[_i].text);
    ck_assert_str_eq(heard.text, cases[_i].text);
    /* The same without a listener. */
    REQUIRE(fst_policy_generate_text(r.policy, &prompt, NULL, 1, &options, NULL, NULL));
    ck_assert_str_eq(result_of(&r).text, cases[_i].text);
    reciter_destroy(&r);
}
END_TEST

START_TEST(callbacks_stop_and_abort)
{
    reciter r = recite(SCRIPT);
    const char *prompt = "(";
    fst_sampling_options options = greedy_options(80);
    for (int n = 0; n < 2; ++n) {
        listener heard = {.text = "", .stop_at = 2, .value = n ? -77 : 5};
        ck_assert_int_eq(fst_policy_generate_text(r.policy, &prompt, NULL, 1, &options, listen, &heard),
                         n ? -77 : FST_STOPPED);
        ck_assert_int_eq(heard.calls, 2);
        fst_generation g = result_of(&r);
        ck_assert_int_eq(g.count, 2);
        if (!n) {
            ck_assert_int_eq(g.finish, FST_FINISH_STOPPED);
            ck_assert_str_eq(g.text, "a"); /* the second token is half of é */
        }
    }
    /* And the policy goes on. */
    REQUIRE(fst_policy_generate_text(r.policy, &prompt, NULL, 1, &options, NULL, NULL));
    ck_assert_str_eq(result_of(&r).text, SCRIPT + 1);
    reciter_destroy(&r);
}
END_TEST

static int32_t enter_again(const fst_token *token, void *user)
{
    const reciter *r = user;
    const char *prompt = "x";
    int32_t id = 1;
    const int32_t *prompts = &id;
    int64_t length = 1;
    (void)token;
    ck_assert_int_eq(fst_policy_generate(r->policy, &prompts, &length, 1, NULL, NULL, NULL), FST_ERR_BUSY);
    ck_assert_int_eq(fst_policy_generate_text(r->policy, &prompt, NULL, 1, NULL, NULL, NULL), FST_ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "callback"));
    /* Another policy over the same model may. */
    fst_policy *other;
    fst_sampling_options options = greedy_options(4);
    REQUIRE(fst_policy_create(r->model, r->tokenizer, &other));
    REQUIRE(fst_policy_generate_text(other, &prompt, NULL, 1, &options, NULL, NULL));
    fst_policy_destroy(other);
    return 0;
}

START_TEST(callbacks_enter_again)
{
    reciter r = recite(SCRIPT);
    const char *prompt = "(";
    fst_sampling_options options = greedy_options(80);
    REQUIRE(fst_policy_generate_text(r.policy, &prompt, NULL, 1, &options, enter_again, &r));
    ck_assert_str_eq(result_of(&r).text, SCRIPT + 1);
    reciter_destroy(&r);
}
END_TEST

START_TEST(callbacks_destroy_their_policy)
{
    reciter r = recite(SCRIPT);
    const char *prompt = "(";
    fst_sampling_options options = greedy_options(80);
    listener heard = {.text = "", .destroys = &r};
    REQUIRE(fst_policy_generate_text(r.policy, &prompt, NULL, 1, &options, listen, &heard));
    ck_assert_str_eq(heard.text, SCRIPT + 1);
    ck_assert_ptr_null(r.policy);
    reciter_destroy(&r);
}
END_TEST

START_TEST(full_context_ends_a_sequence)
{
    fst_context *context = tiny_context(1);
    fst_model *model = subject_model(context, &subjects[_i % 2]);
    int32_t ids[TINY_CONTEXT + 1];
    tiny_ids(ids, TINY_CONTEXT + 1, 2);
    const int32_t *prompts[] = {ids, ids, ids};
    int64_t lengths[] = {TINY_CONTEXT, TINY_CONTEXT - 2, 5};
    fst_sampling_options options = greedy_options(INT64_MAX);
    fst_policy *policy;
    REQUIRE(fst_policy_create(model, NULL, &policy));
    REQUIRE(fst_policy_generate(policy, prompts, lengths, 3, &options, NULL, NULL));
    for (int p = 0; p < 3; ++p) {
        fst_generation g;
        REQUIRE(fst_policy_get_result(policy, p, &g, sizeof g));
        ck_assert_int_eq(g.count, TINY_CONTEXT - lengths[p]);
        ck_assert_int_eq(g.finish, FST_FINISH_LENGTH);
    }
    fst_generation before, after;
    REQUIRE(fst_policy_get_result(policy, 1, &before, sizeof before));
    /* A call that is refused leaves the results; the text names the prompt. */
    lengths[1] = TINY_CONTEXT + 1;
    ck_assert_int_eq(fst_policy_generate(policy, prompts, lengths, 3, &options, NULL, NULL),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "prompt 1"));
    lengths[1] = 3;
    ids[4] = TINY_VOCABULARY;
    ck_assert_int_eq(fst_policy_generate(policy, prompts, lengths, 3, &options, NULL, NULL),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "id 4"));
    REQUIRE(fst_policy_get_result(policy, 1, &after, sizeof after));
    ck_assert_ptr_eq(before.ids, after.ids);
    ck_assert_int_eq(fst_policy_get_result(policy, 3, &after, sizeof after), FST_ERR_INVALID_ARGUMENT);
    /* In the order that is not that of their making. */
    fst_context_destroy(context);
    fst_model_destroy(model);
    fst_policy_destroy(policy);
}
END_TEST

START_TEST(not_a_number_is_refused)
{
    fst_context *context = tiny_context(1);
    fst_model *model = subject_model(context, &subjects[0]);
    fst_view view;
    REQUIRE(fst_model_parameter(model, "layers.1.mlp.up.bias", &view));
    ((float *)view.data)[3] = NAN;
    int32_t id = 4;
    const int32_t *prompt = &id;
    int64_t length = 1;
    fst_policy *policy;
    REQUIRE(fst_policy_create(model, NULL, &policy));
    ck_assert_int_eq(fst_policy_generate(policy, &prompt, &length, 1, NULL, NULL, NULL), FST_ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "sequence 0"));
    fst_policy_destroy(policy);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* Equal generates take equally many blocks and leave as many bytes. */
START_TEST(memory_does_not_grow)
{
    reciter r = recite(SCRIPT);
    const char *prompts[] = {"(", "x"};
    fst_sampling_options options = greedy_options(30);
    options.repetition_penalty = 1.0001;
    int64_t blocks[4], bytes[4];
    for (int n = 0; n < 4; ++n) {
        int64_t before = tiny_allocations(r.context);
        REQUIRE(fst_policy_generate_text(r.policy, prompts, NULL, 2, &options, NULL, NULL));
        blocks[n] = tiny_allocations(r.context) - before;
        bytes[n] = tiny_live_bytes(r.context);
    }
    ck_assert_int_eq(blocks[2], blocks[1]);
    ck_assert_int_eq(blocks[3], blocks[1]);
    ck_assert_int_eq(bytes[2], bytes[1]);
    ck_assert_int_eq(bytes[3], bytes[1]);
    ck_assert_int_le(blocks[1], 80);
    reciter_destroy(&r);
}
END_TEST

START_TEST(refused_memory)
{
    scratch_memory memory = {0};
    fst_context_options options = tiny_context_options(1);
    options.allocate = scratch_allocate;
    options.release = scratch_release;
    options.allocate_user = &memory;
    fst_context *context;
    REQUIRE(fst_context_create(&options, &context));
    int64_t failed = 0, succeeded = 0;
    for (int64_t k = 1; !succeeded; ++k) {
        ck_assert_int_lt(k, 500);
        memory.fail_at = 0;
        reciter r = recite_in(context, SCRIPT);
        const char *prompts[] = {"(", "\xC3"};
        fst_sampling_options sampling = greedy_options(30);
        sampling.frequency_penalty = 1e-6;
        memory.calls = 0;
        memory.fail_at = k;
        memory.for_good = _i;
        fst_status status = fst_policy_generate_text(r.policy, prompts, NULL, 2, &sampling, NULL, NULL);
        ck_assert_msg(status == FST_OK || status == FST_ERR_NO_MEMORY, "allocation %d: %d", (int)k, status);
        failed += status != FST_OK;
        succeeded += status == FST_OK && memory.calls < k;
        memory.fail_at = 0;
        if (status) {
            /* The handles still work. */
            REQUIRE(fst_policy_generate_text(r.policy, prompts, NULL, 2, &sampling, NULL, NULL));
            ck_assert_str_eq(result_of(&r).text, SCRIPT + 1);
        }
        fst_policy_destroy(r.policy);
        fst_model_destroy(r.model);
        fst_tokenizer_destroy(r.tokenizer);
    }
    ck_assert_int_gt(failed, 10);
    fst_context_destroy(context);
    ck_assert_int_eq(memory.live, 0);
}
END_TEST

START_TEST(nothing_stays_behind)
{
    fst_context *context = tiny_context(2);
    int64_t before = tiny_live_bytes(context);
    fst_model *model = subject_model(context, &subjects[_i]);
    int32_t ids[20];
    tiny_ids(ids, 20, 1);
    const int32_t *prompts[] = {ids, ids + 5};
    int64_t lengths[] = {20, 7};
    fst_policy *policy;
    REQUIRE(fst_policy_create(model, NULL, &policy));
    REQUIRE(fst_policy_generate(policy, prompts, lengths, 2, NULL, NULL, NULL));
    fst_model_destroy(model);
    ck_assert_int_gt(tiny_live_bytes(context), before);
    fst_policy_destroy(policy);
    ck_assert_int_eq(tiny_live_bytes(context), before);
    fst_context_destroy(context);
}
END_TEST

/* Threads that share a context and a tokenizer, each with a model and a policy of its own. */
enum { HOST_THREADS = 8 };

typedef struct host_thread {
    pthread_t thread;
    const reciter *shared;
    int32_t ids[20];
    fst_status status;
} host_thread;

static void *generate_on_thread(void *argument)
{
    host_thread *self = argument;
    const char *prompt = "(a\xC3\xA9";
    fst_model_config config;
    fst_model *model = NULL;
    fst_policy *policy = NULL;
    fst_sampling_options options;
    fst_generation generation = {0};
    self->status = fst_model_get_config(self->shared->model, &config, sizeof config);
    config.init_std = .2;
    config.layers = 2;
    if (!self->status)
        self->status = fst_model_create(self->shared->context, &config, NULL, &model);
    if (!self->status)
        self->status = fst_policy_create(model, self->shared->tokenizer, &policy);
    if (!self->status)
        self->status = fst_sampling_options_init(&options, sizeof options);
    options.max_new_tokens = 20;
    options.ignore_end = 1;
    if (!self->status)
        self->status = fst_policy_generate_text(policy, &prompt, NULL, 1, &options, NULL, NULL);
    if (!self->status)
        self->status = fst_policy_get_result(policy, 0, &generation, sizeof generation);
    if (!self->status && generation.count == 20)
        memcpy(self->ids, generation.ids, sizeof self->ids);
    fst_model_destroy(model);
    fst_policy_destroy(policy);
    return NULL;
}

START_TEST(threads_share_a_context_and_a_tokenizer)
{
    fst_context *context = tiny_context(2);
    int64_t before = tiny_live_bytes(context);
    reciter r = recite_in(context, SCRIPT);
    host_thread alone = {.shared = &r}, threads[HOST_THREADS];
    generate_on_thread(&alone);
    ck_assert_int_eq(alone.status, FST_OK);
    ck_assert_int_ne(alone.ids[0] + alone.ids[1] + alone.ids[19], 0);
    for (int i = 0; i < HOST_THREADS; ++i) {
        threads[i] = (host_thread){.shared = &r};
        ck_assert_int_eq(pthread_create(&threads[i].thread, NULL, generate_on_thread, &threads[i]), 0);
    }
    for (int i = 0; i < HOST_THREADS; ++i) {
        pthread_join(threads[i].thread, NULL);
        ck_assert_int_eq(threads[i].status, FST_OK);
        ck_assert_mem_eq(threads[i].ids, alone.ids, sizeof alone.ids);
    }
    fst_policy_destroy(r.policy);
    fst_model_destroy(r.model);
    /* The tokenizer keeps a scratch for each thread that was in it at the same time. */
    fst_tokenizer_destroy(r.tokenizer);
    ck_assert_int_eq(tiny_live_bytes(context), before);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("policy");
    TCase *tcase = tcase_create("policy");
    tcase_set_timeout(tcase, 100);
    tcase_add_loop_test(tcase, decoding_is_the_training_forward, 0, SUBJECTS);
    tcase_add_loop_test(tcase, long_prompts_are_read_in_pieces, 0, 2);
    tcase_add_loop_test(tcase, sequences_do_not_depend_on_each_other, 0, 8);
    tcase_add_loop_test(tcase, logits_do_not_depend_on_the_batch, 0, SUBJECTS);
    tcase_add_test(tcase, end_token_and_whole_characters);
    tcase_add_test(tcase, ignore_end_and_stop_ids);
    tcase_add_loop_test(tcase, stop_strings, 0, 6);
    tcase_add_test(tcase, callbacks_stop_and_abort);
    tcase_add_test(tcase, callbacks_enter_again);
    tcase_add_test(tcase, callbacks_destroy_their_policy);
    tcase_add_loop_test(tcase, full_context_ends_a_sequence, 0, 2);
    tcase_add_test(tcase, not_a_number_is_refused);
    tcase_add_test(tcase, memory_does_not_grow);
    tcase_add_loop_test(tcase, refused_memory, 0, 2);
    tcase_add_loop_test(tcase, nothing_stays_behind, 0, 2);
    tcase_add_test(tcase, threads_share_a_context_and_a_tokenizer);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
