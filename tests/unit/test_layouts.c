/* Files of records: what each known layout becomes, and that a bad record is refused with its file and
 * line. The tokenizer is one of bytes, so that ids are the text. */
#include "fourstage/examples.h"

#include "../support/scratch.h"

#include <math.h>

static scratch place;
static fst_context *context;
static fst_tokenizer *tokenizer; /* 0: <|endoftext|>, 1: <bos>, then the bytes */
static fst_chat_template chat;   /* readable: S(…) U(…) A(…) */

static void setup(void)
{
    static const char *const special[] = {"<|endoftext|>", "<bos>"}, *const texts[] = {"a"};
    fst_context_options context_options;
    fst_tokenizer_train_options train;
    place = scratch_create();
    fst_context_options_init(&context_options, sizeof context_options);
    context_options.threads = 1;
    context_options.provider = FST_PROVIDER_REFERENCE;
    ck_assert_int_eq(fst_context_create(&context_options, &context), FST_OK);
    fst_tokenizer_train_options_init(&train, sizeof train);
    train.special_tokens = special;
    train.special_token_count = 2;
    train.vocabulary_size = 258;
    ck_assert_int_eq(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &tokenizer), FST_OK);
    ck_assert_int_eq(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_EOS, 0), FST_OK);
    fst_chat_template_init(&chat, sizeof chat);
    chat.system_prefix = "S(";
    chat.user_prefix = "U(";
    chat.assistant_prefix = "A(";
    chat.system_suffix = chat.user_suffix = chat.assistant_suffix = ")";
    chat.train_suffix = 0;
    chat.input_prefix = "+";
    chat.input_system = "with input";
}

static void teardown(void)
{
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    scratch_destroy(&place);
}

static fst_example_options options_of(int32_t kind)
{
    fst_example_options options;
    ck_assert_int_eq(fst_example_options_init(&options, sizeof options), FST_OK);
    options.kind = kind;
    options.chat = kind == FST_EXAMPLES_LABELLED ? NULL : &chat;
    return options;
}

static fst_status load(const char *name, const char *text, const fst_example_options *options,
                       fst_dataset **dataset)
{
    const char *path = scratch_path(&place, name);
    scratch_write(path, text, strlen(text));
    *dataset = NULL;
    return fst_dataset_load_examples(context, tokenizer, &path, 1, options, dataset);
}

/* All sequences, each with '|' behind it; what is trained in brackets; '$' is the end token. */
static const char *spell(const fst_dataset *dataset)
{
    static char text[8192];
    char *at = text;
    fst_examples_info info;
    ck_assert_int_eq(fst_dataset_get_examples_info(dataset, &info, sizeof info), FST_OK);
    for (int64_t index = 0; index < info.examples; ++index) {
        fst_example e = {.sequences = 1};
        for (int64_t s = 0; s < e.sequences; ++s) {
            ck_assert_int_eq(fst_dataset_get_example(dataset, index, s, &e, sizeof e), FST_OK);
            for (int64_t i = 0; i < e.length; ++i) {
                const char *bytes;
                size_t length;
                ck_assert_int_eq(fst_tokenizer_token(tokenizer, e.ids[i], &bytes, &length), FST_OK);
                if (e.trained[i] && (i == 0 || !e.trained[i - 1]))
                    *at++ = '[';
                *at++ = e.ids[i] == 0 ? '$' : *bytes;
                if (e.trained[i] && (i + 1 == e.length || !e.trained[i + 1]))
                    *at++ = ']';
            }
            *at++ = '|';
        }
    }
    *at = '\0';
    return text;
}

/* ---- layouts ---- */

typedef struct layout_case {
    int32_t kind;
    const char *record, *expected;
} layout_case;

enum {
    TALK = FST_EXAMPLES_CONVERSATIONS,
    PAIR = FST_EXAMPLES_PREFERENCES,
    ASK = FST_EXAMPLES_PROMPTS,
    GRADE = FST_EXAMPLES_LABELLED,
};

#define HUMAN "\\n\\nHuman: "
#define ASSISTANT "\\n\\nAssistant: "

static const layout_case layout_cases[] = {
    {TALK, "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}]}",
     "U(q)A([a])|"},
    {TALK, "{\"conversations\":[{\"from\":\"system\",\"value\":\"s\"},{\"from\":\"human\",\"value\":\"q\"},"
           "{\"from\":\"gpt\",\"value\":\"a\"},{\"from\":\"human\",\"value\":\"r\"},{\"from\":\"gpt\",\"value\":\"b\"}]}",
     "S(s)U(q)A([a])U(r)A([b])|"},
    {TALK, "{\"system\":\"s\",\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"gpt\",\"value\":\"a\"}]}",
     "S(s)U(q)A([a])|"},
    {TALK, "{\"prompt\":\"q\",\"completion\":\"a\"}", "U(q)A([a])|"},
    {TALK, "{\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],\"completion\":[{\"role\":\"assistant\",\"content\":\"a\"}]}",
     "U(q)A([a])|"},
    {TALK, "{\"instruction\":\"q\",\"input\":\"\",\"output\":\"a\"}", "U(q)A([a])|"},
    {TALK, "{\"instruction\":\"q\",\"input\":null,\"output\":\"a\"}", "U(q)A([a])|"},
    {TALK, "{\"instruction\":\"q\",\"output\":\"a\"}", "U(q)A([a])|"},
    {TALK, "{\"instruction\":\"q\",\"input\":\"i\",\"output\":\"a\"}", "S(with input)U(q+i)A([a])|"},
    {TALK, "{\"instruction\":\"q\",\"input\":\"\",\"output\":[\"a\",\"b\"]}", "U(q)A([a])|"},
    {TALK, "{\"instruction\":\"r\",\"output\":\"b\",\"history\":[[\"q\",\"a\"]]}", "U(q)A([a])U(r)A([b])|"},
    {TALK, "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\"}", "U(q)A([a])|"},
    {TALK, "{\"chosen\":\"" HUMAN "q" ASSISTANT "a\",\"rejected\":\"" HUMAN "q" ASSISTANT "b\"}", "U(q)A([a])|"},
    {PAIR, "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\"}", "U(q)A([a])|U(q)A([b])|"},
    {PAIR, "{\"prompt\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"q\"}],"
           "\"chosen\":[{\"role\":\"assistant\",\"content\":\"a\"}],\"rejected\":[{\"role\":\"assistant\",\"content\":\"b\"}]}",
     "S(s)U(q)A([a])|S(s)U(q)A([b])|"},
    {PAIR, "{\"instruction\":\"q\",\"input\":\"i\",\"output\":\"o\",\"chosen\":\"a\",\"rejected\":\"b\"}",
     "S(with input)U(q+i)A([a])|S(with input)U(q+i)A([b])|"},
    {PAIR, "{\"instruction\":\"q\",\"input\":\"\",\"output\":[\"a\",\"b\",\"c\"]}", "U(q)A([a])|U(q)A([b])|U(q)A([c])|"},
    {PAIR, "{\"chosen\":\"" HUMAN "q" ASSISTANT "a" HUMAN "r" ASSISTANT "b\",\"rejected\":\"" HUMAN "q" ASSISTANT "a" HUMAN
           "r" ASSISTANT "c\"}",
     "U(q)A(a)U(r)A([b])|U(q)A(a)U(r)A([c])|"},
    /* The rejected answer goes on with turns of its own: they are its text. */
    {PAIR, "{\"chosen\":\"" HUMAN "q" ASSISTANT "a\",\"rejected\":\"" HUMAN "q" ASSISTANT "a" HUMAN "r" ASSISTANT "b\"}",
     "U(q)A([a])|U(q)A([a\n\nHuman: r\n\nAssistant: b])|"},
    {PAIR, "{\"chosen\":\"" HUMAN "q" ASSISTANT "a\",\"rejected\":\"" HUMAN "q" ASSISTANT "b" ASSISTANT "c\"}",
     "U(q)A([a])|U(q)A([b\n\nAssistant: c])|"},
    {PAIR, "{\"chosen\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}],"
           "\"rejected\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"b\"}]}",
     "U(q)A([a])|U(q)A([b])|"},
    {ASK, "{\"prompt\":\"q\",\"completion\":\"a\"}", "U(q)A(|"},
    {ASK, "{\"text\":\"q\"}", "U(q)A(|"},
    {ASK, "{\"instruction\":\"q\",\"input\":\"i\",\"output\":\"o\"}", "S(with input)U(q+i)A(|"},
    {ASK, "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"},"
          "{\"role\":\"user\",\"content\":\"r\"},{\"role\":\"assistant\",\"content\":\"b\"}]}",
     "U(q)A(a)U(r)A(|"},
    {ASK, "{\"chosen\":\"" HUMAN "q" ASSISTANT "a\",\"rejected\":\"" HUMAN "q" ASSISTANT "b\"}", "U(q)A(|"},
    {GRADE, "{\"text\":\"t\",\"label\":2}", "t|"},
};

START_TEST(test_layouts)
{
    const layout_case *c = &layout_cases[_i];
    fst_example_options options = options_of(c->kind);
    fst_dataset *dataset;
    fst_status status = load("a.jsonl", c->record, &options, &dataset);
    ck_assert_msg(status == FST_OK, "%s: %s", c->record, fst_last_error());
    ck_assert_str_eq(spell(dataset), c->expected);
    fst_dataset_destroy(dataset);
}
END_TEST

START_TEST(test_named_fields)
{
    fst_example_options options = options_of(PAIR);
    fst_dataset *dataset;
    options.prompt_field = "question.title";
    options.chosen_field = "good";
    options.rejected_field = "bad";
    options.margin_field = "by";
    ck_assert_int_eq(load("a.jsonl", "{\"question\":{\"title\":\"q\"},\"good\":\"a\",\"bad\":\"b\",\"by\":\"1.5\"}",
                          &options, &dataset),
                     FST_OK);
    ck_assert_str_eq(spell(dataset), "U(q)A([a])|U(q)A([b])|");
    fst_example e;
    fst_dataset_get_example(dataset, 0, 0, &e, sizeof e);
    ck_assert_double_eq(e.margin, 1.5);
    fst_dataset_destroy(dataset);
    options = options_of(PAIR);
    options.answer_field = "ranked";
    options.prompt_field = "q";
    ck_assert_int_eq(load("a.jsonl", "{\"q\":\"q\",\"ranked\":[\"a\",\"b\"],\"chosen\":\"no\",\"rejected\":\"n\"}",
                          &options, &dataset),
                     FST_OK);
    ck_assert_str_eq(spell(dataset), "U(q)A([a])|U(q)A([b])|");
    fst_dataset_destroy(dataset);
    options = options_of(TALK);
    options.text_field = "chat";
    ck_assert_int_eq(load("a.jsonl", "{\"chat\":[{\"role\":\"user\",\"content\":\"q\"},"
                                     "{\"role\":\"assistant\",\"content\":\"a\"}]}",
                          &options, &dataset),
                     FST_OK);
    ck_assert_str_eq(spell(dataset), "U(q)A([a])|");
    fst_dataset_destroy(dataset);
}
END_TEST

/* Prompts without a template are texts. */
START_TEST(test_prompt_texts)
{
    fst_example_options options = options_of(ASK);
    fst_dataset *dataset;
    options.chat = NULL;
    ck_assert_int_eq(load("a.txt", "one\n\ntwo\r\nthree", &options, &dataset), FST_OK);
    ck_assert_str_eq(spell(dataset), "one|two|three|");
    fst_dataset_destroy(dataset);
    ck_assert_int_eq(load("a.jsonl", "{\"instruction\":\"q\",\"input\":\"i\"}\n{\"prompt\":\"p\"}\n{\"chosen\":\"" HUMAN
                                     "q" ASSISTANT "a\",\"rejected\":\"" HUMAN "q" ASSISTANT "b\"}",
                          &options, &dataset),
                     FST_OK);
    ck_assert_str_eq(spell(dataset), "q\ni|p|q|");
    fst_dataset_destroy(dataset);
    ck_assert_int_eq(load("a.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\","
                                     "\"content\":\"a\"},{\"role\":\"user\",\"content\":\"r\"}]}",
                          &options, &dataset),
                     FST_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "needs options.chat"));
}
END_TEST

/* ---- labels, history, tables ---- */

static void labels_are(const fst_dataset *dataset, int64_t count, const double *expected)
{
    fst_examples_info info;
    fst_dataset_get_examples_info(dataset, &info, sizeof info);
    ck_assert_int_eq(info.examples, count);
    for (int64_t i = 0; i < count; ++i) {
        fst_example e;
        ck_assert_int_eq(fst_dataset_get_example(dataset, i, 0, &e, sizeof e), FST_OK);
        for (int64_t k = 0; k < info.label_count; ++k) {
            double wanted = expected[i * info.label_count + k];
            ck_assert_msg(isnan(wanted) ? isnan(e.labels[k]) : (double)e.labels[k] == wanted,
                          "example %lld label %lld: %g, expected %g", (long long)i, (long long)k,
                          (double)e.labels[k], wanted);
        }
    }
}

START_TEST(test_labels)
{
    static const char *const fields[] = {"rating", "source", "n"};
    static const char *const values[] = {"Poor=1,Not Good=2,Good=4", "self=0,*=1", NULL};
    fst_example_options options = options_of(GRADE);
    fst_dataset *dataset;
    options.label_fields = fields;
    options.label_values = values;
    options.label_count = 3;
    ck_assert_int_eq(load("a.jsonl", "{\"text\":\"a\",\"rating\":\"Good\",\"source\":[\"self\",\"book\"],\"n\":2}\n"
                                     "{\"text\":\"b\",\"rating\":\"Not Good\",\"source\":[\"self\"],\"n\":\"-1.5\"}\n"
                                     "{\"text\":\"c\",\"rating\":\"Superb\",\"source\":[],\"n\":true}\n"
                                     "{\"text\":\"d\",\"rating\":\"\",\"source\":\"self\",\"n\":null}\n"
                                     "{\"text\":\"e\",\"source\":\"x\"}\n",
                          &options, &dataset),
                     FST_OK);
    labels_are(dataset, 5, (const double[]){4, 1, 2, 2, 0, -1.5, NAN, NAN, 1, NAN, 0, NAN, NAN, 1, NAN});
    fst_dataset_destroy(dataset);
    static const char *const broken[] = {"Poor", NULL, NULL};
    options.label_values = broken;
    ck_assert_int_eq(load("a.jsonl", "{\"text\":\"a\"}", &options, &dataset), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "label_values[0]"));
    options.label_fields = NULL;
    ck_assert_int_eq(load("a.jsonl", "{\"text\":\"a\"}", &options, &dataset), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "label_fields is NULL"));
}
END_TEST

START_TEST(test_history)
{
    static const char *const fields[] = {"r"};
    fst_example_options options = options_of(GRADE);
    fst_dataset *dataset;
    options.label_fields = fields;
    options.label_count = 1;
    options.records = "*.turns.*";
    options.history = 2;
    options.history_separator = "<|endoftext|>";
    options.drop_useless = 1;
    ck_assert_int_eq(load("a.json", "{\"x\":{\"turns\":[{\"text\":\"a\",\"r\":1},{\"text\":\"b\"},{\"text\":\"c\",\"r\":3},"
                                    "{\"text\":\"d\",\"r\":4}]},\"y\":{\"turns\":[{\"text\":\"e\",\"r\":5}]}}",
                          &options, &dataset),
                     FST_OK);
    ck_assert_str_eq(spell(dataset), "a|a$b$c|b$c$d|e|");
    labels_are(dataset, 4, (const double[]){1, 3, 4, 5});
    fst_dataset_destroy(dataset);
}
END_TEST

START_TEST(test_tables)
{
    static const char *const named[] = {"label"}, *const second[] = {"1"};
    fst_example_options options = options_of(GRADE);
    fst_dataset *dataset;
    options.header = 1;
    options.label_fields = named;
    options.label_count = 1;
    ck_assert_int_eq(load("a.csv", "text,label\n\"a, \"\"b\"\"\nc\",1\nd,0.5\n", &options, &dataset), FST_OK);
    ck_assert_str_eq(spell(dataset), "a, \"b\"\nc|d|");
    labels_are(dataset, 2, (const double[]){1, 0.5});
    fst_dataset_destroy(dataset);
    options.header = 0;
    options.text_field = "0";
    options.label_fields = second;
    ck_assert_int_eq(load("a.tsv", "say \"hi\"\t1\nd\t\n", &options, &dataset), FST_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "line 2: all of its labels are missing"));
    options.drop_useless = 1;
    ck_assert_int_eq(load("a.tsv", "say \"hi\"\t1\nd\t\n", &options, &dataset), FST_OK);
    ck_assert_str_eq(spell(dataset), "say \"hi\"|");
    fst_dataset_destroy(dataset);
    options = options_of(PAIR);
    options.header = 1;
    ck_assert_int_eq(load("a.csv", "prompt,chosen,rejected,margin\nq,a,b,2\n", &options, &dataset), FST_OK);
    ck_assert_str_eq(spell(dataset), "U(q)A([a])|U(q)A([b])|");
    fst_dataset_destroy(dataset);
}
END_TEST

START_TEST(test_several_files)
{
    static const char *const file[] = {"@file"};
    fst_example_options options = options_of(GRADE);
    const char *paths[] = {scratch_path(&place, "good.txt"), scratch_path(&place, "bad.txt")};
    fst_dataset *dataset;
    options.label_fields = file;
    options.label_count = 1;
    options.latin1 = 1;
    options.maximum_examples = 3;
    scratch_write(paths[0], "a\nb\n", 4);
    scratch_write(paths[1], "\xE9\nd\n", 4);
    ck_assert_int_eq(fst_dataset_load_examples(context, tokenizer, paths, 2, &options, &dataset), FST_OK);
    labels_are(dataset, 3, (const double[]){0, 0, 1});
    fst_example e;
    fst_dataset_get_example(dataset, 2, 0, &e, sizeof e);
    ck_assert_int_eq(e.length, 2); /* é in UTF-8 */
    fst_dataset_destroy(dataset);
    paths[1] = "no/such/file.txt";
    options.maximum_examples = 0;
    ck_assert_int_eq(fst_dataset_load_examples(context, tokenizer, paths, 2, &options, &dataset),
                     FST_ERR_NOT_FOUND);
    paths[1] = NULL;
    ck_assert_int_eq(fst_dataset_load_examples(context, tokenizer, paths, 2, &options, &dataset),
                     FST_ERR_INVALID_ARGUMENT);
}
END_TEST

/* ---- what is refused ---- */

/* Each file has a good record before the bad one where that is possible; `text` is in the error. */
typedef struct bad_case {
    const char *name;
    int32_t kind;
    const char *file, *text;
} bad_case;

#define GOOD_TALK "{\"prompt\":\"q\",\"completion\":\"a\"}\n"
#define GOOD_PAIR "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\"}\n"
#define GOOD_TEXT "{\"text\":\"t\",\"label\":1}\n"

static const bad_case bad_cases[] = {
    /* the document */
    {"a.jsonl", TALK, GOOD_TALK "{", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"completion\":\"a\"", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"completion\":\"a\"}}", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\" \"completion\":\"a\"}", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"prompt\":\"r\",\"completion\":\"a\"}", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "{'prompt':'q','completion':'a'}", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "[1]", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "7", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "null", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "\xEF\xBB\xBF{\"prompt\":\"q\",\"completion\":\"a\"}", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\xFF\",\"completion\":\"a\"}", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\\ud800\",\"completion\":\"a\"}", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\\u0000\",\"completion\":\"a\"}", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "\n\n{\"prompt\":\"q\tr\",\"completion\":\"a\"}", "line 4"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"completion\":\"a\",\"n\":NaN}", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"completion\":\"a\",\"n\":1e999}", "line 2"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"completion\":\"a\",\"n\":01}", "line 2"},
    {"a.json", TALK, "[{\"prompt\":\"q\",\"completion\":\"a\"},]", "a.json"},
    {"a.json", TALK, "[{\"prompt\":\"q\",\"completion\":\"a\"}", "a.json"},
    {"a.json", TALK, "[{\"prompt\":\"q\",\"completion\":\"a\"}, 3]", "a.json"},
    {"a.json", TALK, "", "a.json"},
    {"a.json", TALK, "{\"prompt\":\"q\"}", "a.json"},
    {"a.json", TALK, "\"text\"", "a.json"},
    /* conversations */
    {"a.jsonl", TALK, GOOD_TALK "{}", "line 2: no known layout"},
    {"a.jsonl", TALK, GOOD_TALK "{\"question\":\"q\",\"reply\":\"a\"}", "line 2: no known layout has these members: question, reply"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\"}", "line 2: there is a prompt, and no answer in \"output\""},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"completion\":null}", "line 2: there is a prompt, and no answer"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"completion\":3}", "line 2: \"completion\" is not a text"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"completion\":\"\"}", "line 2: it has an empty answer"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"completion\":\" \\n\"}", "line 2: it has an empty answer"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":\"q\",\"completion\":[]}", "line 2: it has no answer"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":3,\"completion\":\"a\"}", "line 2: \"prompt\" is neither a text nor a list"},
    {"a.jsonl", TALK, GOOD_TALK "{\"prompt\":[],\"completion\":\"a\"}", "line 2: \"prompt\" has no message"},
    {"a.jsonl", TALK, GOOD_TALK "{\"messages\":[]}", "line 2: \"messages\" has no message"},
    {"a.jsonl", TALK, GOOD_TALK "{\"messages\":\"hi\"}", "line 2: no known layout"},
    {"a.jsonl", TALK, GOOD_TALK "{\"messages\":[1]}", "line 2: \"messages\" has a message 0 without"},
    {"a.jsonl", TALK, GOOD_TALK "{\"messages\":[{\"role\":\"user\"}]}", "line 2: \"messages\" has a message 0 without a text \"content\""},
    {"a.jsonl", TALK, GOOD_TALK "{\"messages\":[{\"content\":\"q\"}]}", "line 2: \"messages\" has a message 0 without a text \"role\""},
    {"a.jsonl", TALK, GOOD_TALK "{\"messages\":[{\"role\":\"user\",\"content\":null}]}", "line 2: \"messages\" has a message 0"},
    {"a.jsonl", TALK, GOOD_TALK "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"robot\",\"content\":\"a\"}]}",
     "line 2: \"messages\" message 1: the role is \"robot\""},
    {"a.jsonl", TALK, GOOD_TALK "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}", "line 2: it has no answer"},
    {"a.jsonl", TALK, GOOD_TALK "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"\"}]}",
     "line 2: it has an empty answer"},
    {"a.jsonl", TALK, GOOD_TALK "{\"instruction\":\"q\",\"input\":5,\"output\":\"a\"}", "line 2: \"input\" is not a text"},
    {"a.jsonl", TALK, GOOD_TALK "{\"instruction\":\"q\",\"history\":[[\"a\"]],\"output\":\"a\"}", "line 2: \"history\""},
    {"a.jsonl", TALK, GOOD_TALK "{\"instruction\":\"q\",\"history\":\"a\",\"output\":\"a\"}", "line 2: \"history\" is not a list"},
    {"a.jsonl", TALK, GOOD_TALK "{\"system\":7,\"prompt\":\"q\",\"completion\":\"a\"}", "line 2: \"system\" is not a text"},
    /* preferences */
    {"a.jsonl", PAIR, GOOD_PAIR "{\"prompt\":\"q\",\"chosen\":\"a\"}", "line 2: there is a prompt, and no answers"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":4}", "line 2: \"rejected\" is not a text"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"a\"}", "line 2: two answers are identical"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"prompt\":\"q\",\"output\":[\"a\"]}", "line 2: it has fewer than two answers"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"prompt\":\"q\",\"output\":\"a\"}", "line 2: it has fewer than two answers"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"prompt\":\"q\",\"output\":[\"a\",2]}", "line 2: \"output\" is not a text"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\",\"margin\":\"big\"}", "line 2: \"margin\" is not a number"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"prompt\":\"q\",\"chosen\":\"\",\"rejected\":\"b\"}", "line 2: nothing in it is to be trained on"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"chosen\":\"a\",\"rejected\":\"b\"}", "line 2: \"chosen\" does not begin with"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"chosen\":\"" HUMAN "q" ASSISTANT "a\",\"rejected\":\"" HUMAN "r" ASSISTANT "b\"}",
     "line 2: \"chosen\" and \"rejected\" have no common beginning"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"chosen\":\"" HUMAN "q" ASSISTANT "a\",\"rejected\":\"" ASSISTANT "b\"}",
     "line 2: \"chosen\" and \"rejected\" have no common beginning"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"chosen\":\"" HUMAN "q\",\"rejected\":\"" HUMAN "q\"}", "line 2: \"chosen\" and \"rejected\""},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"chosen\":7,\"rejected\":\"b\"}", "line 2: \"chosen\" is neither"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"chosen\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}],"
                                "\"rejected\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"b\"},"
                                "{\"role\":\"assistant\",\"content\":\"c\"}]}",
     "line 2: \"rejected\" has 2 messages behind the common ones"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"prompt\":\"q\",\"chosen\":[{\"role\":\"user\",\"content\":\"a\"}],\"rejected\":\"b\"}",
     "line 2: \"chosen\" is not one message of the assistant's"},
    {"a.jsonl", PAIR, GOOD_PAIR "{\"text\":\"q\"}", "line 2: no known layout"},
    /* prompts */
    {"a.jsonl", ASK, "{\"text\":\"q\"}\n{\"text\":3}", "line 2"},
    {"a.jsonl", ASK, "{\"text\":\"q\"}\n{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}]}", "line 2: there is no message before"},
    /* labelled */
    {"a.jsonl", GRADE, GOOD_TEXT "{\"label\":1}", "line 2: there is no \"text\""},
    {"a.jsonl", GRADE, GOOD_TEXT "{\"text\":null,\"label\":1}", "line 2: there is no \"text\""},
    {"a.jsonl", GRADE, GOOD_TEXT "{\"text\":5,\"label\":1}", "line 2: \"text\" is not a text"},
    {"a.jsonl", GRADE, GOOD_TEXT "{\"text\":\"\",\"label\":1}", "line 2: its text is empty"},
    {"a.jsonl", GRADE, GOOD_TEXT "{\"text\":\"t\"}", "line 2: all of its labels are missing"},
    {"a.jsonl", GRADE, GOOD_TEXT "{\"text\":\"t\",\"label\":\"good\"}", "line 2: \"label\" is \"good\", expected a number"},
    {"a.jsonl", GRADE, GOOD_TEXT "{\"text\":\"t\",\"label\":\"1e999\"}", "line 2: \"label\" is \"1e999\""},
    {"a.jsonl", GRADE, GOOD_TEXT "{\"text\":\"t\",\"label\":\"nan\"}", "line 2: \"label\" is \"nan\""},
    {"a.jsonl", GRADE, GOOD_TEXT "{\"text\":\"t\",\"label\":1e39}", "line 2: \"label\" is 1e+39"},
    {"a.jsonl", GRADE, GOOD_TEXT "{\"text\":\"t\",\"label\":{}}", "line 2: \"label\" is an object"},
    {"a.jsonl", GRADE, GOOD_TEXT "{\"text\":\"t\",\"label\":[[1]]}", "line 2: \"label\" is an array of arrays"},
    {"a.csv", GRADE, "text,label\nt,1\n\"t,1\n", "line 3"},
    {"a.csv", GRADE, "text,label\nt,1\nt\n", "line 3"},
    {"a.csv", GRADE, "text,label\nt,1\nt,1,2\n", "line 3"},
    {"a.csv", GRADE, "text,label\nt,1\n\"t\"x,1\n", "line 3"},
    {"a.csv", GRADE, "text,label\nt,1\n\"a\nb\",x\n", "line 3: \"label\" is \"x\""},
    {"a.csv", GRADE, "text,label\nt,1\n\xFF,1\n", "line 3"},
    {"a.csv", GRADE, "text,text\nt,1\n", "line 1"},
    {"a.csv", GRADE, "words,label\nt,1\n", "line 2: there is no \"text\""},
    {"a.tsv", GRADE, "text\tlabel\nt\t1\nt\n", "line 3"},
    {"a.tsv", GRADE, "text\tlabel\nt\t1\nt\tx\n", "line 3: \"label\" is \"x\""},
    {"a.txt", ASK, "one\ntw\xC3\n", "line 2"},
};

START_TEST(test_refused)
{
    const bad_case *c = &bad_cases[_i];
    fst_example_options options = options_of(c->kind);
    fst_dataset *dataset;
    options.header = 1;
    fst_status status = load(c->name, c->file, &options, &dataset);
    ck_assert_msg(status == FST_ERR_FORMAT, "%s: status %d, %s", c->file, status, fst_last_error());
    ck_assert_ptr_null(dataset);
    ck_assert_msg(strstr(fst_last_error(), c->name) && strstr(fst_last_error(), c->text), "%s: %s",
                  c->file, fst_last_error());
}
END_TEST

/* Every truncation of a good file is refused or gives the records that are whole. */
START_TEST(test_truncated)
{
    static const char good[] = "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\"}\n"
                               "{\"prompt\":\"\\u00e9\xC3\xA9\",\"chosen\":\"\",\"rejected\":\"b\"}";
    fst_example_options options = options_of(PAIR);
    chat.train_suffix = 1;
    int refused = 0;
    for (size_t length = 0; length < sizeof good; ++length) {
        char part[sizeof good];
        fst_dataset *dataset;
        memcpy(part, good, length);
        part[length] = '\0';
        fst_status status = load("a.jsonl", part, &options, &dataset);
        bool whole = length >= 42 && (length <= 43 || length == sizeof good - 1);
        ck_assert_int_eq(status == FST_OK, whole);
        refused += status != FST_OK;
        fst_dataset_destroy(dataset);
    }
    ck_assert_int_gt(refused, 80);
    chat.train_suffix = 0;
}
END_TEST

START_TEST(test_kinds_refused)
{
    fst_example_options options = options_of(TALK);
    fst_dataset *dataset;
    options.kind = 4;
    ck_assert_int_eq(load("a.jsonl", GOOD_TALK, &options, &dataset), FST_ERR_INVALID_ARGUMENT);
    options = options_of(TALK);
    options.format = 6;
    ck_assert_int_eq(load("a.jsonl", GOOD_TALK, &options, &dataset), FST_ERR_INVALID_ARGUMENT);
    options = options_of(TALK);
    ck_assert_int_eq(load("a.bin", GOOD_TALK, &options, &dataset), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(load("a.jsonl", "\n\n", &options, &dataset), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "not one example is left"));
    ck_assert_ptr_null(dataset);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layouts");
    TCase *cases = tcase_create("layouts");
    tcase_add_unchecked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, test_layouts, 0, sizeof layout_cases / sizeof *layout_cases);
    tcase_add_test(cases, test_named_fields);
    tcase_add_test(cases, test_prompt_texts);
    tcase_add_test(cases, test_labels);
    tcase_add_test(cases, test_history);
    tcase_add_test(cases, test_tables);
    tcase_add_test(cases, test_several_files);
    tcase_add_loop_test(cases, test_refused, 0, sizeof bad_cases / sizeof *bad_cases);
    tcase_add_test(cases, test_truncated);
    tcase_add_test(cases, test_kinds_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
