/* Datasets of examples from memory. The tokenizer is one of bytes, so that ids are the text. */
#include "fourstage/batch.h"
#include "fourstage/examples.h"

#include "../support/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fst_context *context;
static fst_tokenizer *tokenizer; /* 0: <|endoftext|>, 1: <bos>, then the bytes */
static fst_example_options options;

static void setup(void)
{
    static const char *const special[] = {"<|endoftext|>", "<bos>"}, *const texts[] = {"a"};
    fst_context_options context_options;
    fst_tokenizer_train_options train;
    fst_context_options_init(&context_options, sizeof context_options);
    context_options.threads = 1;
    context_options.seed = 5;
    context_options.provider = FST_PROVIDER_REFERENCE;
    ck_assert_int_eq(fst_context_create(&context_options, &context), FST_OK);
    fst_tokenizer_train_options_init(&train, sizeof train);
    train.special_tokens = special;
    train.special_token_count = 2;
    train.vocabulary_size = 258;
    ck_assert_int_eq(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &tokenizer),
                     FST_OK);
    ck_assert_int_eq(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_EOS, 0), FST_OK);
    ck_assert_int_eq(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_BOS, 1), FST_OK);
    ck_assert_int_eq(fst_example_options_init(&options, sizeof options), FST_OK);
}

static void teardown(void)
{
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
}

static fst_examples_info info_of(const fst_dataset *dataset)
{
    fst_examples_info info;
    ck_assert_int_eq(fst_dataset_get_examples_info(dataset, &info, sizeof info), FST_OK);
    return info;
}

static fst_example example_of(const fst_dataset *dataset, int64_t index, int64_t sequence)
{
    fst_example example;
    ck_assert_int_eq(fst_dataset_get_example(dataset, index, sequence, &example, sizeof example),
                     FST_OK);
    return example;
}

/* Ids as text, special ones spelled, what is trained in brackets. */
static const char *spell(const fst_dataset *dataset, int64_t index, int64_t sequence)
{
    static char text[4096];
    char *at = text;
    fst_example e = example_of(dataset, index, sequence);
    for (int64_t i = 0; i < e.length; ++i) {
        const char *bytes;
        size_t length;
        ck_assert_int_eq(fst_tokenizer_token(tokenizer, e.ids[i], &bytes, &length), FST_OK);
        if (e.trained[i] && (i == 0 || !e.trained[i - 1]))
            *at++ = '[';
        memcpy(at, e.ids[i] == 0 ? "$" : bytes, e.ids[i] == 0 ? 1 : length);
        at += e.ids[i] == 0 ? 1 : length;
        if (e.trained[i] && (i + 1 == e.length || !e.trained[i + 1]))
            *at++ = ']';
    }
    *at = '\0';
    return text;
}

static const char *const roles[] = {"user", "assistant", "system",   "user",
                                    "gpt",  "human",     "assistant"};
static const char *const contents[] = {"hi", "hello", "S", "a", "bcd", "e", "fg"};
static const int64_t offsets[] = {0, 2, 7};

static fst_dataset *conversations(fst_status expected)
{
    fst_dataset *dataset = NULL;
    ck_assert_int_eq(fst_dataset_from_conversations(context, tokenizer, roles, contents, offsets, 2,
                                                    &options, &dataset),
                     expected);
    return dataset;
}

START_TEST(test_conversations)
{
    fst_dataset *dataset = conversations(FST_OK);
    ck_assert_str_eq(spell(dataset, 0, 0), "hi[hello$]");
    ck_assert_str_eq(spell(dataset, 1, 0), "Sa[bcd$]e[fg$]");
    fst_examples_info info = info_of(dataset);
    ck_assert_int_eq(info.kind, FST_EXAMPLES_CONVERSATIONS);
    ck_assert_int_eq(info.examples, 2);
    ck_assert_int_eq(info.tokens, 18);
    ck_assert_int_eq(info.trained_tokens, 13);
    ck_assert_int_eq(info.longest, 10);
    ck_assert_int_eq(info.maximum_answers, 1);
    ck_assert_int_eq(example_of(dataset, 1, 0).prompt_length, 2);
    ck_assert_ptr_null(example_of(dataset, 1, 0).labels);
    fst_dataset_destroy(dataset);
}
END_TEST

START_TEST(test_conversation_refusals)
{
    static const struct {
        const char *roles[2], *contents[2], *text;
        int32_t drop_useless;
        fst_status status;
    } cases[] = {
        {{"user", "assistant"},
         {"hi", ""},
         "conversation 1: it has an empty answer",
         0,
         FST_ERR_INVALID_ARGUMENT},
        {{"user", "assistant"},
         {"hi", " \n"},
         "conversation 1: it has an empty answer",
         0,
         FST_ERR_INVALID_ARGUMENT},
        {{"user", "user"},
         {"hi", "ho"},
         "conversation 1: it has no answer",
         0,
         FST_ERR_INVALID_ARGUMENT},
        {{"user", "bot"},
         {"hi", "ho"},
         "conversation 1: message 1: the role is \"bot\"",
         1,
         FST_ERR_INVALID_ARGUMENT},
        {{"user", NULL}, {"hi", "ho"}, "roles[3] is NULL", 1, FST_ERR_INVALID_ARGUMENT},
        {{"user", "gpt"}, {"hi", NULL}, "contents[3] is NULL", 1, FST_ERR_INVALID_ARGUMENT},
        {{"user", "gpt"},
         {"\xC3", "ho"},
         "conversation 1: message 0 is not UTF-8",
         1,
         FST_ERR_INVALID_ARGUMENT},
        {{"user", "assistant"}, {"hi", ""}, NULL, 1, FST_OK},
        {{"user", "user"}, {"hi", "ho"}, NULL, 1, FST_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const char *const all_roles[] = {"user", "gpt", cases[i].roles[0], cases[i].roles[1]};
        const char *const all[] = {"a", "b", cases[i].contents[0], cases[i].contents[1]};
        const int64_t begins[] = {0, 2, 4};
        fst_dataset *dataset = NULL;
        options.drop_useless = cases[i].drop_useless;
        ck_assert_int_eq(fst_dataset_from_conversations(context, tokenizer, all_roles, all, begins,
                                                        2, &options, &dataset),
                         cases[i].status);
        if (cases[i].text)
            ck_assert_msg(strstr(fst_last_error(), cases[i].text) != NULL, "case %zu: %s", i,
                          fst_last_error());
        else
            ck_assert_int_eq(info_of(dataset).dropped_useless, 1);
        fst_dataset_destroy(dataset);
    }
    const int64_t empty[] = {0, 0, 2}, late[] = {1, 2, 4};
    fst_dataset *dataset;
    ck_assert_int_eq(fst_dataset_from_conversations(context, tokenizer, roles, contents, empty, 2,
                                                    NULL, &dataset),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_from_conversations(context, tokenizer, roles, contents, late, 2,
                                                    NULL, &dataset),
                     FST_ERR_INVALID_ARGUMENT);
    const char *const useless[] = {"user"}, *const text[] = {"x"};
    const int64_t one[] = {0, 1};
    ck_assert_int_eq(fst_dataset_from_conversations(context, tokenizer, useless, text, one, 1,
                                                    &options, &dataset),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "not one example is left"));
}
END_TEST

START_TEST(test_too_long)
{
    options.max_length = 9;
    conversations(FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "conversation 1: 10 ids, max_length is 9"));
    options.too_long = FST_TOO_LONG_DROP;
    fst_dataset *dataset = conversations(FST_OK);
    ck_assert_int_eq(info_of(dataset).examples, 1);
    ck_assert_int_eq(info_of(dataset).dropped_too_long, 1);
    fst_dataset_destroy(dataset);
    options.too_long = FST_TOO_LONG_CUT_START;
    options.max_length = 6;
    dataset = conversations(FST_OK);
    ck_assert_str_eq(spell(dataset, 0, 0), "[hello$]");
    ck_assert_str_eq(spell(dataset, 1, 0), "[d$]e[fg$]");
    ck_assert_int_eq(info_of(dataset).cut, 2);
    fst_dataset_destroy(dataset);
    options.too_long = FST_TOO_LONG_CUT_END;
    dataset = conversations(FST_OK);
    ck_assert_str_eq(spell(dataset, 0, 0), "hi[hell]");
    ck_assert_str_eq(spell(dataset, 1, 0), "Sa[bcd$]");
    fst_dataset_destroy(dataset);
    options.max_length = 2; /* nothing of the answers is left */
    conversations(FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "conversation 0: nothing to train on is left"));
    options.max_length = 1;
    options.too_long = FST_TOO_LONG_CUT_START; /* an end token that nothing predicts */
    conversations(FST_ERR_INVALID_ARGUMENT);
    options.too_long = 4;
    conversations(FST_ERR_INVALID_ARGUMENT);
}
END_TEST

START_TEST(test_labelled)
{
    static const char *const texts[] = {"good", "bad", "so so"}, *const pairs[] = {"x", "y", "z"};
    const float labels[] = {1, NAN, 0, 0.5f, NAN, NAN};
    fst_dataset *dataset = NULL;
    options.label_count = 2;
    ck_assert_int_eq(
        fst_dataset_from_labelled(context, tokenizer, texts, NULL, labels, 3, &options, &dataset),
        FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "example 2: all of its labels are missing"));
    options.drop_useless = options.add_bos = options.add_eos = 1;
    ck_assert_int_eq(
        fst_dataset_from_labelled(context, tokenizer, texts, pairs, labels, 3, &options, &dataset),
        FST_OK);
    ck_assert_str_eq(spell(dataset, 0, 0), "<bos>good\nx$");
    ck_assert_str_eq(spell(dataset, 1, 0), "<bos>bad\ny$");
    ck_assert_float_eq(example_of(dataset, 0, 0).labels[0], 1);
    ck_assert(isnan(example_of(dataset, 0, 0).labels[1]));
    ck_assert_float_eq(example_of(dataset, 1, 0).labels[1], 0.5f);
    ck_assert_int_eq(example_of(dataset, 1, 0).prompt_length, 7);
    ck_assert_int_eq(info_of(dataset).label_count, 2);
    ck_assert_int_eq(info_of(dataset).dropped_useless, 1);
    fst_dataset_destroy(dataset);

    options.max_length = 4; /* the begin token stays */
    options.too_long = FST_TOO_LONG_CUT_START;
    options.pair_separator = "<|endoftext|>";
    ck_assert_int_eq(
        fst_dataset_from_labelled(context, tokenizer, texts, pairs, labels, 3, &options, &dataset),
        FST_OK);
    ck_assert_str_eq(spell(dataset, 0, 0), "<bos>$x$");
    fst_dataset_destroy(dataset);

    fst_chat_template chat;
    fst_chat_template_preset(FST_CHAT_ALPACA, &chat, sizeof chat);
    chat.default_system = NULL;
    options.chat = &chat;
    options.max_length = 0;
    ck_assert_int_eq(
        fst_dataset_from_labelled(context, tokenizer, texts, pairs, labels, 3, &options, &dataset),
        FST_ERR_INVALID_ARGUMENT); /* add_bos with a template */
    options.add_bos = options.add_eos = 0;
    ck_assert_int_eq(
        fst_dataset_from_labelled(context, tokenizer, texts, pairs, labels, 3, &options, &dataset),
        FST_OK);
    ck_assert_str_eq(spell(dataset, 0, 0), "### Instruction:\ngood\n\n### Response:x$");
    fst_dataset_destroy(dataset);
    const float infinite[] = {1, INFINITY};
    ck_assert_int_eq(
        fst_dataset_from_labelled(context, tokenizer, texts, NULL, infinite, 1, &options, &dataset),
        FST_ERR_INVALID_ARGUMENT);
    static const char *const empty[] = {""};
    options.drop_useless = 0;
    ck_assert_int_eq(
        fst_dataset_from_labelled(context, tokenizer, empty, NULL, labels, 1, &options, &dataset),
        FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "example 0: its text is empty"));
}
END_TEST

static const char *const prompts[] = {"pq", "r", "stuv"};
static const char *const answers[] = {"good", "bad", "same", "same", "1", "2", "1", "3"};
static const int64_t answer_offsets[] = {0, 2, 4, 8};

static fst_dataset *preferences(const float *margins, int64_t count, fst_status expected)
{
    fst_dataset *dataset = NULL;
    ck_assert_int_eq(fst_dataset_from_preferences(context, tokenizer, prompts, answers,
                                                  answer_offsets, margins, count, &options,
                                                  &dataset),
                     expected);
    return dataset;
}

START_TEST(test_preferences)
{
    const float margins[] = {0.5f, 0, 2};
    preferences(margins, 3, FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "example 1: two answers are identical"));
    options.drop_useless = 1;
    fst_dataset *dataset = preferences(margins, 3, FST_OK);
    fst_examples_info info = info_of(dataset);
    ck_assert_int_eq(info.examples, 2);
    ck_assert_int_eq(info.sequences, 5);
    ck_assert_int_eq(info.maximum_answers, 3);
    ck_assert_int_eq(info.dropped_useless, 2); /* a pair, and a repeated answer */
    ck_assert_str_eq(spell(dataset, 0, 0), "pq[good$]");
    ck_assert_str_eq(spell(dataset, 0, 1), "pq[bad$]");
    ck_assert_str_eq(spell(dataset, 1, 0), "stuv[1$]");
    ck_assert_str_eq(spell(dataset, 1, 1), "stuv[2$]");
    ck_assert_str_eq(spell(dataset, 1, 2), "stuv[3$]");
    ck_assert_double_eq(example_of(dataset, 1, 0).margin, 2);
    ck_assert_int_eq(example_of(dataset, 1, 0).sequences, 3);
    ck_assert_int_eq(example_of(dataset, 1, 0).prompt_length, 4);
    fst_example unused;
    ck_assert_int_eq(fst_dataset_get_example(dataset, 1, 3, &unused, sizeof unused),
                     FST_ERR_INVALID_ARGUMENT);
    fst_dataset_destroy(dataset);

    options.too_long = FST_TOO_LONG_CUT_START; /* both lose the same of the prompt */
    options.max_length = 6;
    dataset = preferences(NULL, 1, FST_OK);
    ck_assert_str_eq(spell(dataset, 0, 0), "q[good$]");
    ck_assert_str_eq(spell(dataset, 0, 1), "q[bad$]");
    ck_assert_int_eq(info_of(dataset).cut, 1);
    fst_dataset_destroy(dataset);
    options.max_length = 3;
    dataset = preferences(NULL, 1, FST_OK);
    ck_assert_str_eq(spell(dataset, 0, 0), "[od$]");
    ck_assert_str_eq(spell(dataset, 0, 1), "[ad$]");
    fst_dataset_destroy(dataset);
    options.max_length = 2; /* "d$" both */
    preferences(NULL, 1, FST_ERR_INVALID_ARGUMENT);
    options.drop_useless = 0;
    preferences(NULL, 1, FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "identical after cutting"));
    options.max_length = 0;
    const float not_a_number[] = {NAN};
    preferences(not_a_number, 1, FST_ERR_INVALID_ARGUMENT);
    const int64_t single[] = {0, 1};
    dataset = NULL;
    ck_assert_int_eq(fst_dataset_from_preferences(context, tokenizer, prompts, answers, single,
                                                  NULL, 1, NULL, &dataset),
                     FST_ERR_INVALID_ARGUMENT);
}
END_TEST

/* A file of one line, loaded as pairs. */
static fst_dataset *load_pairs(const char *line, fst_status expected)
{
    scratch place = scratch_create();
    const char *path = scratch_path(&place, "pairs.jsonl");
    fst_dataset *dataset = NULL;
    scratch_write(path, line, strlen(line));
    options.kind = FST_EXAMPLES_PAIRS;
    ck_assert_int_eq(fst_dataset_load_examples(context, tokenizer, &path, 1, &options, &dataset),
                     expected);
    scratch_destroy(&place);
    return dataset;
}

START_TEST(test_pairs)
{
    static const char *const anchors[] = {"cat", "a longer one"}, *const same[] = {"tom", "cat"};
    static const char *const hard[] = {"hat", "bat"}, *const empty[] = {"a", ""};
    const float labels[] = {4.5f, NAN}, infinite[] = {1, -INFINITY};
    fst_dataset *dataset = NULL;
    options.add_bos = 1;
    options.max_length = 6;
    options.too_long = FST_TOO_LONG_CUT_START; /* each for itself */
    ck_assert_int_eq(fst_dataset_from_pairs(context, tokenizer, anchors, same, hard, NULL, 2,
                                            &options, &dataset),
                     FST_OK);
    ck_assert_int_eq(info_of(dataset).kind, FST_EXAMPLES_PAIRS);
    ck_assert_int_eq(info_of(dataset).sequences, 6);
    ck_assert_int_eq(info_of(dataset).label_count, 0);
    ck_assert_int_eq(info_of(dataset).cut, 1);
    ck_assert_str_eq(spell(dataset, 0, 0), "<bos>cat");
    ck_assert_str_eq(spell(dataset, 0, 1), "<bos>tom");
    ck_assert_str_eq(spell(dataset, 0, 2), "<bos>hat");
    ck_assert_str_eq(spell(dataset, 1, 0), "<bos>r one");
    ck_assert_str_eq(spell(dataset, 1, 2), "<bos>bat");
    fst_dataset_destroy(dataset);
    options.add_eos = 1;
    options.too_long = FST_TOO_LONG_CUT_END;
    ck_assert_int_eq(fst_dataset_from_pairs(context, tokenizer, anchors, same, hard, NULL, 2,
                                            &options, &dataset),
                     FST_OK);
    ck_assert_str_eq(spell(dataset, 0, 0), "<bos>cat$");
    ck_assert_str_eq(spell(dataset, 1, 0), "<bos>a lo$");
    fst_dataset_destroy(dataset);
    options.add_bos = options.add_eos = 0;
    options.drop_useless = 1;
    ck_assert_int_eq(fst_dataset_from_pairs(context, tokenizer, anchors, same, NULL, labels, 2,
                                            &options, &dataset),
                     FST_OK);
    ck_assert_int_eq(info_of(dataset).dropped_useless, 1);
    ck_assert_int_eq(info_of(dataset).sequences, 2);
    ck_assert_float_eq(example_of(dataset, 0, 0).labels[0], 4.5f);
    fst_dataset_destroy(dataset);
    options.drop_useless = 0;
    ck_assert_int_eq(fst_dataset_from_pairs(context, tokenizer, anchors, same, NULL, infinite, 2,
                                            &options, &dataset),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_from_pairs(context, tokenizer, anchors, empty, NULL, NULL, 2,
                                            &options, &dataset),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "example 1: there is no text in it"));
}
END_TEST

START_TEST(test_pairs_of_files)
{
    fst_dataset *dataset = load_pairs("{\"sent0\": \"a\", \"sent1\": \"b\", \"hard_neg\": \"c\"}\n"
                                      "{\"anchor\": \"d\", \"positive\": \"e\"}\n",
                                      FST_OK);
    ck_assert_int_eq(info_of(dataset).examples, 2);
    ck_assert_int_eq(info_of(dataset).sequences, 5);
    ck_assert_str_eq(spell(dataset, 0, 2), "c");
    ck_assert_str_eq(spell(dataset, 1, 1), "e");
    fst_dataset_destroy(dataset);
    options.label_count = 1;
    options.label_fields = (const char *const[]){"score"};
    dataset = load_pairs("{\"sentence1\": \"a\", \"sentence2\": \"b\", \"score\": 2.5}\n", FST_OK);
    ck_assert_float_eq(example_of(dataset, 0, 1).labels[0], 2.5f);
    fst_dataset_destroy(dataset);
    options.label_count = 0;
    options.label_fields = NULL;
    load_pairs("{\"anchor\": \"a\"}\n", FST_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "there is no \"positive\""));
    options.negative_field = "worse";
    load_pairs("{\"anchor\": \"a\", \"positive\": \"b\"}\n", FST_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "there is no \"worse\""));
}
END_TEST

START_TEST(test_prompts)
{
    fst_dataset *dataset = NULL;
    options.add_bos = 1;
    ck_assert_int_eq(fst_dataset_from_prompts(context, tokenizer, prompts, 3, &options, &dataset),
                     FST_OK);
    ck_assert_str_eq(spell(dataset, 2, 0), "<bos>stuv");
    ck_assert_int_eq(example_of(dataset, 2, 0).prompt_length, 5);
    fst_dataset_destroy(dataset);
    fst_chat_template chat;
    fst_chat_template_preset(FST_CHAT_CHATML, &chat, sizeof chat);
    options.chat = &chat;
    options.add_bos = 0;
    options.maximum_examples = 2;
    ck_assert_int_eq(fst_dataset_from_prompts(context, tokenizer, prompts, 3, &options, &dataset),
                     FST_OK);
    ck_assert_str_eq(spell(dataset, 1, 0),
                     "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n");
    ck_assert_int_eq(info_of(dataset).examples, 2);
    fst_dataset_destroy(dataset);
}
END_TEST

START_TEST(test_order_and_collate)
{
    options.drop_useless = 1;
    fst_dataset *dataset = preferences(NULL, 3, FST_OK);
    int64_t order[40], again[7], counts[2] = {0, 0};
    ck_assert_int_eq(fst_dataset_order(dataset, 0, 40, 1, order), FST_OK);
    for (int i = 0; i < 40; i += 2)
        ck_assert_int_eq(order[i] + order[i + 1], 1); /* each epoch is a permutation */
    for (int i = 0; i < 40; i += 2)
        ++counts[order[i]];
    ck_assert(counts[0] > 0 && counts[1] > 0);
    ck_assert_int_eq(fst_dataset_order(dataset, 13, 7, 1, again), FST_OK);
    ck_assert_mem_eq(order + 13, again, sizeof again);
    ck_assert_int_eq(fst_dataset_order(dataset, 3, 2, 0, order), FST_OK);
    ck_assert_int_eq(order[0], 1);
    ck_assert_int_eq(order[1], 0);

    const int64_t examples[] = {1, 0}, sequences[] = {2, 1};
    int32_t ids[2 * 7], targets[2 * 7], lengths[2];
    memset(ids, -1, sizeof ids);
    ck_assert_int_eq(fst_dataset_collate(dataset, examples, sequences, 2, 7, ids, targets, lengths),
                     FST_OK);
    ck_assert_int_eq(lengths[0], 6); /* stuv3$ */
    ck_assert_int_eq(lengths[1], 6); /* pqbad$ */
    const fst_example e = example_of(dataset, 0, 1);
    ck_assert_mem_eq(ids + 7, e.ids, 6 * sizeof *ids);
    ck_assert_int_eq(ids[13], 0);
    const int32_t expected[7] = {FST_IGNORE, e.ids[2],   e.ids[3],  e.ids[4],
                                 0,          FST_IGNORE, FST_IGNORE};
    ck_assert_mem_eq(targets + 7, expected, sizeof expected);
    ck_assert_int_eq(fst_dataset_collate(dataset, examples, NULL, 2, 7, NULL, NULL, lengths),
                     FST_OK);
    ck_assert_int_eq(lengths[1], 7);
    ck_assert_int_eq(fst_dataset_collate(dataset, examples, NULL, 2, 6, ids, targets, lengths),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "row 1"));
    const int64_t outside[] = {0, 2};
    ck_assert_int_eq(fst_dataset_collate(dataset, outside, NULL, 2, 9, ids, targets, lengths),
                     FST_ERR_INVALID_ARGUMENT);
    fst_dataset_destroy(dataset);
}
END_TEST

enum { MANY = 60 };

/* Conversations of all lengths from 3 ids on; two of each text. */
static fst_dataset *many(void)
{
    static char words[MANY][40];
    static const char *all_roles[2 * MANY], *all[2 * MANY];
    static int64_t begins[MANY + 1];
    for (int i = 0; i < MANY; ++i) {
        int letter = i / 2;
        memset(words[i], 'A' + letter, (size_t)letter + 1);
        words[i][letter + 1] = '\0';
        all_roles[2 * i] = "user";
        all_roles[2 * i + 1] = "assistant";
        all[2 * i] = "?";
        all[2 * i + 1] = words[i];
        begins[i + 1] = 2 * (i + 1);
    }
    fst_dataset *dataset = NULL;
    ck_assert_int_eq(fst_dataset_from_conversations(context, tokenizer, all_roles, all, begins,
                                                    MANY, &options, &dataset),
                     FST_OK);
    return dataset;
}

START_TEST(test_split)
{
    fst_dataset *dataset = many(), *train, *validation;
    fst_split_options split;
    fst_split_options_init(&split, sizeof split);
    split.fraction = 0.3;
    ck_assert_int_eq(fst_dataset_split(dataset, &split, &train, &validation), FST_OK);
    ck_assert_int_eq(info_of(train).examples, 42);
    ck_assert_int_eq(example_of(validation, 0, 0).length, example_of(dataset, 42, 0).length);
    ck_assert_ptr_eq(example_of(validation, 0, 0).ids, example_of(dataset, 42, 0).ids);
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    split.mode = FST_SPLIT_DOCUMENTS;
    ck_assert_int_eq(fst_dataset_split(dataset, &split, &train, &validation), FST_OK);
    fst_dataset_destroy(dataset);
    fst_examples_info sides[2] = {info_of(train), info_of(validation)};
    ck_assert_int_eq(sides[0].examples + sides[1].examples, MANY);
    ck_assert_int_eq(sides[0].tokens + sides[1].tokens, 2 * (30 * 31 / 2 + 30 * 2));
    ck_assert_int_gt(sides[1].examples, 4);
    for (int64_t i = 0; i < sides[1].examples; i += 2) /* twins stay together */
        ck_assert_int_eq(example_of(validation, i, 0).length,
                         example_of(validation, i + 1, 0).length);
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);

    options.drop_useless = 1; /* labels, margins and answers go with their example */
    const float margins[] = {1, 2, 3};
    dataset = preferences(margins, 3, FST_OK);
    split.mode = FST_SPLIT_TAIL;
    split.fraction = 0.5;
    ck_assert_int_eq(fst_dataset_split(dataset, &split, &train, &validation), FST_OK);
    ck_assert_double_eq(example_of(train, 0, 0).margin, 1);
    ck_assert_double_eq(example_of(validation, 0, 0).margin, 3);
    ck_assert_str_eq(spell(validation, 0, 2), "stuv[3$]");
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    fst_dataset_destroy(dataset);
}
END_TEST

START_TEST(test_pack)
{
    enum { LENGTH = 40 };
    fst_dataset *dataset = many(), *packed;
    fst_pack_options pack;
    fst_pack_options_init(&pack, sizeof pack);
    pack.length = LENGTH;
    ck_assert_int_eq(fst_dataset_pack(dataset, &pack, &packed), FST_ERR_INVALID_ARGUMENT);
    pack.mode = FST_PACK_BEST_FIT;
    ck_assert_int_eq(fst_dataset_pack(dataset, &pack, &packed), FST_ERR_INVALID_ARGUMENT);
    pack.cross_documents = 0;
    pack.length = 31;
    ck_assert_int_eq(fst_dataset_pack(dataset, &pack, &packed), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "32 ids, length is 31"));
    pack.length = LENGTH;
    ck_assert_int_eq(fst_dataset_pack(dataset, &pack, &packed), FST_OK);
    fst_dataset_info info;
    ck_assert_int_eq(fst_dataset_get_info(packed, &info, sizeof info), FST_OK);
    ck_assert_int_eq(info.targets, info_of(dataset).trained_tokens);
    int32_t ids[LENGTH], targets[LENGTH], positions[LENGTH], documents[LENGTH];
    int64_t seen = 0, wanted = 0;
    for (int64_t row = 0; row < info.rows; ++row) {
        ck_assert_int_eq(fst_dataset_read(packed, row, 1, 1, ids, targets, positions, documents),
                         FST_OK);
        for (int t = 0; t < LENGTH; ++t) {
            seen += ids[t] != 0 || (t > 0 && targets[t - 1] == 0); /* not padding */
            if (targets[t] == FST_IGNORE)
                continue;
            ++wanted;
            ck_assert_int_lt(t, LENGTH - 1);
            ck_assert_int_eq(targets[t], ids[t + 1]);
            ck_assert_int_eq(documents[t], documents[t + 1]);
            ck_assert_int_eq(positions[t], t - documents[t]);
            /* In a document all answer letters are one. */
            if (targets[t] != 0 && t > documents[t])
                ck_assert_int_eq(targets[t], ids[t]);
        }
    }
    ck_assert_int_eq(wanted, info.targets);
    ck_assert_int_eq(seen, info_of(dataset).tokens);
    fst_example unused;
    ck_assert_int_eq(fst_dataset_get_example(packed, 0, 0, &unused, sizeof unused), FST_ERR_STATE);
    fst_dataset_destroy(packed);
    ck_assert_int_eq(fst_dataset_pack(dataset, NULL, &packed),
                     FST_OK); /* what fits conversations */
    fst_dataset_destroy(packed);
    fst_dataset_destroy(dataset);
    options.drop_useless = 1;
    dataset = preferences(NULL, 3, FST_OK);
    ck_assert_int_eq(fst_dataset_pack(dataset, &pack, &packed), FST_ERR_STATE);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "only conversations are packed"));
    fst_dataset_destroy(dataset);
}
END_TEST

/* A tokenizer of another context, which is gone before its dataset: each gets its memory back. */
START_TEST(test_another_context)
{
    static const char *const texts[] = {"a"};
    scratch_memory memory[2] = {{0}, {0}};
    fst_context *both[2];
    fst_tokenizer *other;
    fst_dataset *dataset;
    fst_tokenizer_train_options train;
    for (int i = 0; i < 2; ++i) {
        fst_context_options own;
        fst_context_options_init(&own, sizeof own);
        own.threads = 1;
        own.provider = FST_PROVIDER_REFERENCE;
        own.allocate = scratch_allocate;
        own.release = scratch_release;
        own.allocate_user = &memory[i];
        ck_assert_int_eq(fst_context_create(&own, &both[i]), FST_OK);
    }
    fst_tokenizer_train_options_init(&train, sizeof train);
    train.vocabulary_size = 256;
    ck_assert_int_eq(fst_tokenizer_train_texts(both[0], texts, NULL, 1, &train, &other), FST_OK);
    fst_chat_template chat;
    fst_chat_template_init(&chat, sizeof chat);
    options.chat = &chat;
    ck_assert_int_eq(fst_dataset_from_conversations(both[1], other, roles, contents, offsets, 2,
                                                    &options, &dataset),
                     FST_OK);
    fst_tokenizer_destroy(other);
    fst_context_destroy(both[0]);
    ck_assert_int_eq(memory[0].live, 0);
    ck_assert_int_eq(example_of(dataset, 0, 0).length, 7);
    fst_context_destroy(both[1]);
    fst_dataset_destroy(dataset);
    ck_assert_int_eq(memory[1].live, 0);
}
END_TEST

START_TEST(test_plain_documents)
{
    const int32_t ids[] = {1, 2, 3};
    int64_t index;
    fst_example example;
    fst_examples_info info;
    fst_dataset *dataset;
    ck_assert_int_eq(fst_dataset_from_tokens(context, ids, 3, NULL, 0, NULL, &dataset), FST_OK);
    ck_assert_int_eq(fst_dataset_get_example(dataset, 0, 0, &example, sizeof example),
                     FST_ERR_STATE);
    ck_assert_int_eq(fst_dataset_get_examples_info(dataset, &info, sizeof info), FST_ERR_STATE);
    ck_assert_int_eq(fst_dataset_order(dataset, 0, 1, 0, &index), FST_ERR_STATE);
    ck_assert_int_eq(fst_dataset_collate(dataset, &index, NULL, 1, 1, NULL, NULL, NULL),
                     FST_ERR_STATE);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "fst_dataset_load_examples"));
    fst_dataset_destroy(dataset);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("examples");
    TCase *cases = tcase_create("examples");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_conversations);
    tcase_add_test(cases, test_conversation_refusals);
    tcase_add_test(cases, test_too_long);
    tcase_add_test(cases, test_labelled);
    tcase_add_test(cases, test_preferences);
    tcase_add_test(cases, test_pairs);
    tcase_add_test(cases, test_pairs_of_files);
    tcase_add_test(cases, test_prompts);
    tcase_add_test(cases, test_order_and_collate);
    tcase_add_test(cases, test_split);
    tcase_add_test(cases, test_pack);
    tcase_add_test(cases, test_another_context);
    tcase_add_test(cases, test_plain_documents);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
