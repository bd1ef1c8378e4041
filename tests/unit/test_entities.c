/* Entities of tag sequences: the textbook cases, what is refused. The parity suite has the random ones. */
#include "fourstage/fourstage.h"

#include <check.h>
#include <stdint.h>
#include <string.h>

static fst_context *context;

static void set_up(void)
{
    fst_context_options options;
    fst_context_options_init(&options, sizeof options);
    options.threads = 1;
    ck_assert_int_eq(fst_context_create(&options, &context), FST_OK);
}

static void tear_down(void)
{
    fst_context_destroy(context);
}

static const char *const tags[] = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
enum { O, BP, IP, BL, IL, TAGS };

static fst_entities *counter(int32_t strict)
{
    fst_entities *entities;
    ck_assert_int_eq(fst_entities_create(context, tags, TAGS, strict, FST_TAGS_AUTO, &entities), FST_OK);
    return entities;
}

/* "I" behind "O" begins an entity for conlleval, and is none for IOB2. */
START_TEST(test_both_ways)
{
    const int32_t labels[] = {BP, IP, O, BL, O, IP, IP}, told[] = {BP, IP, O, IL, O, IP, IP};
    const int64_t offsets[] = {0, 5, 7};
    for (int32_t strict = 0; strict < 2; ++strict) {
        fst_entities *entities = counter(strict);
        ck_assert_int_eq(fst_entities_add(entities, labels, told, offsets, 2), FST_OK);
        fst_entity_metrics m;
        ck_assert_int_eq(fst_entities_get_metrics(entities, &m, sizeof m), FST_OK);
        ck_assert_int_eq(m.tokens, 7);
        ck_assert_int_eq(m.right_tokens, 6);
        ck_assert_int_eq(m.sequences, 2);
        ck_assert_int_eq(m.labelled, strict ? 2 : 3);
        ck_assert_int_eq(m.predicted, strict ? 1 : 3);
        ck_assert_int_eq(m.right, strict ? 1 : 3);
        ck_assert_double_eq(m.f1, strict ? 2.0 / 3 : 1.0);
        fst_entity_type type;
        int64_t types;
        ck_assert_int_eq(fst_entities_get_type_count(entities, &types), FST_OK);
        ck_assert_int_eq(types, 2);
        ck_assert_int_eq(fst_entities_get_type(entities, 0, &type, sizeof type), FST_OK);
        ck_assert_str_eq(type.name, "LOC");
        ck_assert_int_eq(type.labelled, 1);
        ck_assert_double_eq(type.f1, strict ? 0 : 1);
        ck_assert_int_eq(fst_entities_clear(entities), FST_OK);
        ck_assert_int_eq(fst_entities_get_metrics(entities, &m, sizeof m), FST_OK);
        ck_assert_int_eq(m.labelled + m.tokens, 0);
        ck_assert_double_eq(m.f1, 0);
        fst_entities_destroy(entities);
    }
}
END_TEST

/* An entity ends with its sequence, and one of another type is another. */
START_TEST(test_find)
{
    fst_entities *entities = counter(0);
    const int32_t sequence[] = {IP, IP, IL, BL, O, IP};
    int32_t types[4];
    int64_t begins[4], ends[4], count;
    ck_assert_int_eq(fst_entities_find(entities, sequence, 6, NULL, NULL, NULL, 0, &count),
                     FST_ERR_BUFFER_TOO_SMALL);
    ck_assert_int_eq(count, 4);
    ck_assert_int_eq(fst_entities_find(entities, sequence, 6, types, begins, ends, 4, &count), FST_OK);
    const int64_t expected[4][3] = {{1, 0, 2}, {0, 2, 3}, {0, 3, 4}, {1, 5, 6}};
    for (int i = 0; i < 4; ++i) {
        ck_assert_int_eq(types[i], expected[i][0]);
        ck_assert_int_eq(begins[i], expected[i][1]);
        ck_assert_int_eq(ends[i], expected[i][2]);
    }
    fst_entities_destroy(entities);
}
END_TEST

static void refused(const char *const *names, int64_t count, int32_t strict, int32_t scheme,
                    const char *text)
{
    fst_entities *entities = NULL;
    ck_assert_int_eq(fst_entities_create(context, names, count, strict, scheme, &entities),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_null(entities);
    ck_assert_msg(strstr(fst_last_error(), text), "%s", fst_last_error());
}

START_TEST(test_refused)
{
    static const char *const empty[] = {"O", ""}, *const hole[] = {"O", NULL};
    static const char *const mixed[] = {"O", "B-x", "U-x", "S-x"}, *const parts[] = {"NOUN", "VERB"};
    refused(tags, 0, 0, 0, "tag_count is 0");
    refused(tags, 65536, 0, 0, "tag_count is 65536");
    refused(tags, TAGS, 2, 0, "strict is 2");
    refused(tags, TAGS, 0, 7, "scheme is 7");
    refused(tags, TAGS, 0, -1, "scheme is -1");
    refused(empty, 2, 0, 0, "tags[1] is empty");
    refused(hole, 2, 0, 0, "tags[1] is NULL");
    refused(mixed, 4, 1, FST_TAGS_AUTO, "say which scheme");
    refused(mixed, 4, 1, FST_TAGS_IOBES, "tags[2], \"U-x\"");
    refused(parts, 2, 1, FST_TAGS_AUTO, "say which scheme");
    refused(NULL, 2, 1, FST_TAGS_AUTO, "tags is NULL");
    fst_entities_destroy(NULL);

    fst_entities *entities = counter(1);
    const int32_t one[] = {O}, five[] = {5};
    const int64_t offsets[] = {0, 1}, late[] = {1, 1}, falling[] = {0, 1, 0};
    ck_assert_int_eq(fst_entities_add(entities, five, one, offsets, 1), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "labels[0] is 5"));
    ck_assert_int_eq(fst_entities_add(entities, one, five, offsets, 1), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "predictions[0] is 5"));
    ck_assert_int_eq(fst_entities_add(entities, one, one, late, 1), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_entities_add(entities, one, one, falling, 2), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_entities_add(entities, one, one, offsets, 0), FST_ERR_INVALID_ARGUMENT);
    fst_entity_type type;
    ck_assert_int_eq(fst_entities_get_type(entities, 2, &type, sizeof type), FST_ERR_INVALID_ARGUMENT);
    fst_entity_metrics m;
    ck_assert_int_eq(fst_entities_get_metrics(entities, &m, 4), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_entities_get_metrics(entities, &m, sizeof m), FST_OK);
    ck_assert_int_eq(m.sequences, 0);
    fst_entities_destroy(entities);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("entities");
    TCase *cases = tcase_create("entities");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, test_both_ways);
    tcase_add_test(cases, test_find);
    tcase_add_test(cases, test_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
