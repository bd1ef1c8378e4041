/* A policy's file: it acts with the same bits, and whatever is wrong with it is told and leaves nothing. */
#include "../support/small_control.h"

#include "../support/scratch.h"
#include "formats/safetensors.h"
#include "model/control_policy.h"

typedef union room {
    float box[SMALL_CONTROL_BYTES / 4];
    uint8_t bytes[SMALL_CONTROL_BYTES];
} room;

static room seen, done, again;
static float l[SMALL_CONTROL_ROWS], v[SMALL_CONTROL_ROWS], l2[SMALL_CONTROL_ROWS], v2[SMALL_CONTROL_ROWS];

START_TEST(a_saved_policy_acts_the_same)
{
    const small_control *c = &small_controls[_i];
    scratch place = scratch_create();
    const char *path = scratch_path(&place, "policy.safetensors");
    fst_context *context = tiny_context(1);
    fst_policy *policy = small_policy(context, c), *loaded;
    for (int i = 0; i < 3; ++i) {
        small_observations(c->observation, SMALL_CONTROL_ROWS, 90 + i, &seen);
        REQUIRE(fst_policy_update_normalizer(policy, &seen, SMALL_CONTROL_ROWS));
    }
    REQUIRE(fst_policy_save(policy, path));
    fst_context_destroy(context); /* the policy holds it */
    context = tiny_context(2);
    REQUIRE(fst_policy_load(context, path, &loaded));
    for (int step = 0; step < 6; ++step) {
        fst_act_options options;
        REQUIRE(fst_act_options_init(&options, sizeof options));
        options.step = step;
        small_observations(c->observation, SMALL_CONTROL_ROWS, step, &seen);
        memset(&done, 0, sizeof done);
        memset(&again, 0, sizeof again);
        REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, &options, &done, l, v));
        REQUIRE(fst_policy_act(loaded, &seen, SMALL_CONTROL_ROWS, &options, &again, l2, v2));
        ck_assert(memcmp(&done, &again, sizeof done) == 0);
        ck_assert(memcmp(l, l2, sizeof l) == 0 && memcmp(v, v2, sizeof v) == 0);
    }
    /* It learns on with the same statistics, and is saved as the same bytes. */
    REQUIRE(fst_policy_update_normalizer(policy, &seen, SMALL_CONTROL_ROWS));
    REQUIRE(fst_policy_update_normalizer(loaded, &seen, SMALL_CONTROL_ROWS));
    const char *first = scratch_path(&place, "first"), *second = scratch_path(&place, "second");
    REQUIRE(fst_policy_save(policy, first));
    REQUIRE(fst_policy_save(loaded, second));
    size_t sizes[2];
    char *bytes[2] = {scratch_read(first, &sizes[0]), scratch_read(second, &sizes[1])};
    ck_assert(sizes[0] == sizes[1] && memcmp(bytes[0], bytes[1], sizes[0]) == 0);
    free(bytes[0]);
    free(bytes[1]);
    fst_policy_destroy(policy);
    fst_policy_destroy(loaded);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

START_TEST(bounds_come_back)
{
    scratch place = scratch_create();
    const char *path = scratch_path(&place, "policy.safetensors");
    fst_context *context = tiny_context(1);
    fst_space spaces[2], space;
    const float low[] = {-2, -INFINITY}, high[] = {2, 7};
    fst_control_policy_options options = small_control_options(&small_controls[2], spaces);
    spaces[1].low = low;
    spaces[1].high = high;
    fst_policy *policy;
    REQUIRE(fst_policy_create_control(context, &options, &policy));
    REQUIRE(fst_policy_save(policy, path));
    fst_policy_destroy(policy);
    REQUIRE(fst_policy_load(context, path, &policy));
    REQUIRE(fst_policy_action_space(policy, &space, sizeof space));
    ck_assert(memcmp(space.low, low, sizeof low) == 0 && memcmp(space.high, high, sizeof high) == 0);
    REQUIRE(fst_policy_observation_space(policy, &space, sizeof space));
    ck_assert(!space.low && !space.high && space.shape[0] == 5 && space.rank == 1);
    fst_policy_destroy(policy);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

static fst_model *given_model(fst_context *context, bool residual)
{
    fst_model_config config = tiny_config(residual ? FST_FAMILY_RESNET : FST_FAMILY_GPT2);
    if (!residual) {
        config.inputs = 5;
        config.context_length = 9;
        return tiny_model(context, &config, FST_BF16, 0);
    }
    config.image_channels = 2;
    config.image_height = 7;
    config.image_width = 6;
    config.stage_width = 8;
    config.blocks_1 = config.blocks_2 = 1;
    return tiny_model(context, &config, FST_F32, 0);
}

/* A ResNet, and a transformer of bfloat16: they act, learn and come back from their file. */
START_TEST(models_that_were_given_come_back)
{
    static const small_control controls[] = {{"ResNet", SEES_BYTES, ACTS_CHOICE, FST_NETWORK_AUTO, -1, 0},
                                             {"bfloat16", SEES_BOX, ACTS_BOX, FST_NETWORK_AUTO, -1, 1}};
    const small_control *c = &controls[_i];
    scratch place = scratch_create();
    const char *path = scratch_path(&place, "policy.safetensors");
    fst_context *context = tiny_context(2);
    fst_space spaces[2];
    fst_control_policy_options options = small_control_options(c, spaces);
    fst_policy *policy, *loaded;
    fst_model *model = options.model = given_model(context, _i == 0);
    REQUIRE(fst_policy_create_control(context, &options, &policy));
    fst_model_destroy(model);
    small_observations(c->observation, SMALL_CONTROL_ROWS, 2, &seen);
    REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, NULL, &done, l, v));
    fst_action_batch batch = {.struct_size = sizeof batch, .count = 4, .observations = &seen, .actions = &done};
    REQUIRE(fst_policy_evaluate(policy, &batch, l2, NULL, v2));
    REQUIRE(fst_policy_backward(policy, l2, l2, v2));
    REQUIRE(fst_policy_save(policy, path));
    REQUIRE(fst_policy_load(context, path, &loaded));
    for (int step = 0; step < 3; ++step) {
        fst_act_options how = {.struct_size = sizeof how, .step = step};
        uint8_t begins[SMALL_CONTROL_ROWS];
        how.begins = memset(begins, step == 0, sizeof begins);
        REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, &how, &done, l, v));
        REQUIRE(fst_policy_act(loaded, &seen, SMALL_CONTROL_ROWS, &how, &again, l2, v2));
        ck_assert(memcmp(l, l2, sizeof l) == 0 && memcmp(v, v2, sizeof v) == 0);
    }
    fst_policy_destroy(policy);
    fst_policy_destroy(loaded);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

/* Every cut, and flipped bits: refused, or a policy of other numbers; never more. */
START_TEST(torn_files_are_refused)
{
    const small_control *c = &small_controls[2];
    scratch place = scratch_create();
    const char *path = scratch_path(&place, "policy.safetensors"), *torn = scratch_path(&place, "torn");
    fst_context *context = tiny_context(1);
    fst_policy *policy = small_policy(context, c);
    REQUIRE(fst_policy_save(policy, path));
    fst_policy_destroy(policy);
    size_t size;
    char *bytes = scratch_read(path, &size);
    int64_t live = context->allocator.live_bytes;
    int refused = 0;
    for (size_t cut = 0; cut < size; cut += 1 + size / 150) {
        policy = NULL;
        scratch_write(torn, bytes, cut);
        ck_assert_int_eq(fst_policy_load(context, torn, &policy), FST_ERR_FORMAT);
        ck_assert(!policy && context->allocator.live_bytes == live);
    }
    size_t header = 8 + *(const uint16_t *)bytes;
    for (size_t at = 0; at < header; at += 5) {
        policy = NULL;
        bytes[at] ^= (char)(1 << at % 7);
        scratch_write(torn, bytes, size);
        fst_status status = fst_policy_load(context, torn, &policy);
        ck_assert_msg(status == FST_OK || status == FST_ERR_FORMAT, "byte %d: %s", (int)at, fst_last_error());
        refused += status != FST_OK;
        fst_policy_destroy(policy);
        ck_assert_int_eq(context->allocator.live_bytes, live);
        bytes[at] ^= (char)(1 << at % 7);
    }
    ck_assert_int_gt(refused, 100);
    free(bytes);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

/* The good file's metadata with `from` replaced by `to`, over the good file's tensors but `without`. */
static void rewrite(const char *path, const char *changed, const char *from, const char *to,
                    const char *without)
{
    fst__allocator allocator = {0};
    fst__safetensors *file;
    fst__safetensors_writer *writer;
    REQUIRE(fst__safetensors_open(&allocator, path, &file));
    REQUIRE(fst__safetensors_writer_create(&allocator, &writer));
    const char *text = fst__safetensors_metadata(file, "policy"), *at = from ? strstr(text, from) : text;
    ck_assert_msg(at != NULL, "no %s in %s", from, text);
    size_t size = strlen(text) + (to ? strlen(to) : 0) + 1;
    char *made = malloc(size);
    snprintf(made, size, "%.*s%s%s", (int)(at - text), text, to ? to : "", at + (from ? strlen(from) : 0));
    REQUIRE(fst__safetensors_writer_metadata(writer, "policy", made));
    free(made);
    size_t count = fst__safetensors_count(file);
    void **values = calloc(count, sizeof *values);
    for (size_t i = 0; i < count; ++i) {
        fst__safetensors_tensor t = fst__safetensors_at(file, i);
        values[i] = malloc(t.bytes);
        REQUIRE(fst__safetensors_read(file, &t, values[i], t.bytes));
        if (!without || strcmp(without, t.name) != 0)
            REQUIRE(fst__safetensors_writer_add(writer, t.name, t.dtype, t.rank, t.shape, values[i]));
    }
    REQUIRE(fst__safetensors_writer_write(writer, changed));
    for (size_t i = 0; i < count; ++i)
        free(values[i]);
    free(values);
    fst__safetensors_writer_destroy(writer);
    fst__safetensors_close(file);
    ck_assert_int_eq(allocator.live_bytes, 0);
}

/* Descriptions that promise what the file does not hold, each refused in bounded memory. */
START_TEST(hostile_descriptions_are_refused)
{
    static const struct {
        const char *from, *to, *without, *named;
    } cases[] = {
        {"\"format\":1", "\"format\":2", NULL, "format"},
        {"\"layers\":2,\"width\":32", "\"layers\":2000000000,\"width\":32", NULL, "layers"},
        {"\"layers\":2,\"width\":32", "\"layers\":8,\"width\":32", NULL, "more weights"},
        {"\"tower_width\":16", "\"tower_width\":16384", NULL, "more weights"},
        {"\"tower_width\":16", "\"tower_width\":15", NULL, "tensor"},
        {"\"inputs\":5", "\"inputs\":4", NULL, "tensor"},
        {"\"inputs\":5", "\"inputs\":1048576", NULL, "more weights"},
        {"\"outputs\":2", "\"outputs\":1000000000", NULL, "heads.policy.weight"},
        {"\"outputs\":1", "\"outputs\":3", NULL, "heads.value.weight"},
        {"\"shape\":[5]", "\"shape\":[6]", NULL, "6"},
        {"\"shape\":[5]", "\"shape\":[1099511627776]", NULL, "shape"},
        {"\"shape\":[5]", "\"shape\":[1,1,1,1,5]", NULL, "rank"},
        {"\"shape\":[2]", "\"shape\":[3]", NULL, "policy"},
        {"\"backbone\":3", "\"backbone\":0", NULL, "contradict"},
        {"\"backbone\":3", "\"backbone\":77", NULL, "contradict"},
        {"\"window\":1", "\"window\":2", NULL, "contradict"},
        {"\"kind\":0", "\"kind\":1", NULL, "contradict"},
        {"\"dtype\":\"F32\"", "\"dtype\":\"F99\"", NULL, "dtype"},
        {"\"policy_gain\":", "\"surprise\":1,\"policy_gain\":", NULL, "unknown"},
        {"\"observation_clip\":10", "\"observation_clip\":0", NULL, "contradict"},
        {"{", "[", NULL, "line 1"},
        {"\"format\":1,", "", NULL, "format"},
        {NULL, "", "observations.mean", "observations.mean"},
        {NULL, "", "observations.count", "observations.count"},
        {NULL, "", "towers.1.layers.1.weight", "towers.1.layers.1.weight"},
        {NULL, "", "heads.log_std.bias", "heads.log_std.bias"},
        {NULL, "", "heads.value.bias", "heads.value.bias"},
    };
    scratch place = scratch_create();
    const char *path = scratch_path(&place, "policy.safetensors");
    fst_context *context = tiny_context(1);
    fst_policy *policy = small_policy(context, &small_controls[2]);
    REQUIRE(fst_policy_save(policy, path));
    fst_policy_destroy(policy);
    int64_t live = context->allocator.live_bytes;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const char *changed = scratch_path(&place, "changed");
        rewrite(path, changed, cases[i].from, cases[i].to, cases[i].without);
        policy = NULL;
        ck_assert_msg(fst_policy_load(context, changed, &policy) == FST_ERR_FORMAT && !policy, "%s: %s",
                      cases[i].to, fst_last_error());
        ck_assert_msg(strstr(fst_last_error(), cases[i].named) != NULL, "\"%s\" does not name %s",
                      fst_last_error(), cases[i].named);
        ck_assert_int_eq(context->allocator.live_bytes, live);
    }
    ck_assert_int_lt(context->allocator.peak_bytes, live + (64 << 20));
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

START_TEST(files_that_are_none)
{
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_policy *policy = NULL;
    ck_assert_int_eq(fst_policy_load(context, scratch_path(&place, "nothing"), &policy), FST_ERR_NOT_FOUND);
    fst__safetensors_writer *writer;
    const float one = 1;
    const int64_t shape = 1;
    const char *path = scratch_path(&place, "other.safetensors");
    REQUIRE(fst__safetensors_writer_create(&context->allocator, &writer));
    REQUIRE(fst__safetensors_writer_add(writer, "one", FST_F32, 1, &shape, &one));
    REQUIRE(fst__safetensors_writer_write(writer, path));
    fst__safetensors_writer_destroy(writer);
    ck_assert_int_eq(fst_policy_load(context, path, &policy), FST_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "fst_policy_save"));
    policy = small_policy(context, &small_controls[0]);
    ck_assert_int_eq(fst_policy_save(policy, scratch_path(&place, "no/such/folder")), FST_ERR_IO);
    fst_policy_destroy(policy);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control_file");
    TCase *tests = tcase_create("control_file");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_saved_policy_acts_the_same, 0, SMALL_CONTROLS);
    tcase_add_test(tests, bounds_come_back);
    tcase_add_loop_test(tests, models_that_were_given_come_back, 0, 2);
    tcase_add_test(tests, torn_files_are_refused);
    tcase_add_test(tests, hostile_descriptions_are_refused);
    tcase_add_test(tests, files_that_are_none);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
