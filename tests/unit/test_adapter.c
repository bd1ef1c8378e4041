/* Adapters through the public interface: what they change, what they must not change by a bit, the
 * order of calls, merging, generation. Their directories are in test_adapter_files.c. */
#include "../support/adapted_model.h"

#include "../support/scratch.h"
#include "fourstage/optimizer.h"
#include "fourstage/policy.h"
#include "model/decode.h"

static fst_model *adapted(fst_context *context, const adapted_subject *s, int32_t checkpointing)
{
    fst_model *model = adapted_trunk(context, s, checkpointing);
    fst_adapter_options options = adapted_options(s);
    REQUIRE(fst_model_add_adapter(model, &options));
    adapted_stir(model);
    return model;
}

static void same_bits(const char *what, const float *a, const float *b, int64_t count)
{
    ck_assert_msg(memcmp(a, b, (size_t)count * sizeof *a) == 0, "%s: the bits differ", what);
}

/* Fresh, off, and gone, an adapter changes no bit; stirred, it changes something. */
START_TEST(trunk_alone)
{
    const adapted_subject *s = &adapted_subjects[_i];
    fst_context *context = tiny_context(2);
    fst_model *model = adapted_trunk(context, s, 0);
    int64_t count, parameters, more;
    double loss = adapted_step(model, 3);
    float *plain = adapted_logits(model, 3, 17, &count);
    REQUIRE(fst_model_parameter_count(model, &parameters));
    fst_adapter_options options = adapted_options(s);
    REQUIRE(fst_model_add_adapter(model, &options));
    float *fresh = adapted_logits(model, 3, 17, &count);
    same_bits("fresh", fresh, plain, count);
    ck_assert(adapted_step(model, 3) == loss);
    adapted_stir(model);
    float *stirred = adapted_logits(model, 3, 17, &count);
    ck_assert_msg(adapted_distance(stirred, plain, count) > 0.05, "the adapter does nothing");
    REQUIRE(fst_model_enable_adapter(model, 0));
    float *off = adapted_logits(model, 3, 17, &count);
    same_bits("off", off, plain, count);
    ck_assert(adapted_step(model, 3) == loss);
    REQUIRE(fst_model_enable_adapter(model, 1));
    float *on = adapted_logits(model, 3, 17, &count);
    same_bits("on again", on, stirred, count);
    REQUIRE(fst_model_remove_adapter(model));
    REQUIRE(fst_model_parameter_count(model, &more));
    ck_assert_int_eq(more, parameters);
    float *gone = adapted_logits(model, 3, 17, &count);
    same_bits("gone", gone, plain, count);
    ck_assert(adapted_step(model, 3) == loss);
    free(plain), free(fresh), free(stirred), free(off), free(on), free(gone);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(merging)
{
    const adapted_subject *s = &adapted_subjects[_i];
    fst_context *context = tiny_context(2);
    fst_model *model = adapted(context, s, 0);
    int64_t count;
    fst_view gradient;
    float *before = adapted_logits(model, 3, 17, &count);
    REQUIRE(fst_model_merge_adapter(model));
    float *after = adapted_logits(model, 3, 17, &count);
    double distance = adapted_distance(after, before, count);
    ck_assert_msg(distance <= (s->dtype == FST_BF16 ? 6e-2 : 1e-5), "%s: off by %g", s->name,
                  distance);
    ck_assert_int_eq(fst_model_merge_adapter(model), FST_ERR_NOT_FOUND);
    REQUIRE(fst_model_gradient(model, "layers.0.mlp.down.weight", &gradient));
    adapted_step(model, 1);
    ck_assert(((float *)gradient.data)[0] != 0);
    free(before), free(after);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* Logits behind the last id: by the whole forward, and token by token. */
START_TEST(decoding_is_the_forward)
{
    const adapted_subject *s = &adapted_subjects[_i];
    enum { LENGTH = 21 };
    fst_context *context = tiny_context(2);
    fst_model *model = adapted(context, s, 0);
    int32_t ids[LENGTH], one = 1;
    tiny_ids(ids, LENGTH, 4);
    for (int32_t enabled = 0; enabled < 2; ++enabled) {
        REQUIRE(fst_model_enable_adapter(model, enabled));
        int64_t count;
        float *whole = adapted_logits(model, 1, LENGTH, &count), found[TINY_VOCABULARY];
        fst__kv_cache cache;
        REQUIRE(fst__kv_cache_create(model, 1, LENGTH, &cache));
        for (int32_t t = 0; t < LENGTH; ++t)
            REQUIRE(fst__model_decode(model, &cache, ids + t, &one, found));
        fst__kv_cache_destroy(&cache);
        double distance = adapted_distance(found, whole + (LENGTH - 1) * TINY_VOCABULARY,
                                           TINY_VOCABULARY);
        ck_assert_msg(distance <= (s->dtype == FST_BF16 ? 4e-2 : 1e-5), "%s: off by %g", s->name,
                      distance);
        free(whole);
    }
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

static void generate(fst_model *model, int32_t *out)
{
    int32_t prompt[5];
    tiny_ids(prompt, 5, 9);
    const int32_t *prompts[] = {prompt};
    const int64_t lengths[] = {5};
    fst_policy *policy;
    fst_sampling_options options;
    fst_generation result;
    REQUIRE(fst_policy_create(model, NULL, &policy));
    REQUIRE(fst_sampling_options_init(&options, sizeof options));
    options.max_new_tokens = 30;
    options.ignore_end = 1;
    REQUIRE(fst_policy_generate(policy, prompts, lengths, 1, &options, NULL, NULL));
    REQUIRE(fst_policy_get_result(policy, 0, &result, sizeof result));
    ck_assert_int_eq(result.count, 30);
    memcpy(out, result.ids, 30 * sizeof *out);
    fst_policy_destroy(policy);
}

START_TEST(generation_on_and_off)
{
    const adapted_subject *s = &adapted_subjects[_i];
    fst_context *context = tiny_context(2);
    fst_model *trunk = adapted_trunk(context, s, 0), *model = adapted(context, s, 0);
    int32_t plain[30], on[30], off[30];
    generate(trunk, plain);
    generate(model, on);
    REQUIRE(fst_model_enable_adapter(model, 0));
    generate(model, off);
    ck_assert(memcmp(plain, off, sizeof off) == 0);
    ck_assert(memcmp(plain, on, sizeof on) != 0);
    fst_model_destroy(model);
    fst_model_destroy(trunk);
    fst_context_destroy(context);
}
END_TEST

/* All of an adapter's gradients in one array, to be freed. */
static float *adapter_gradients(fst_model *model, int64_t *total)
{
    int64_t parameters;
    float *all = NULL;
    *total = 0;
    REQUIRE(fst_model_parameter_count(model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        if (!strstr(name, "lora_"))
            continue;
        REQUIRE(fst_model_gradient(model, name, &view));
        int64_t size = view.shape[0] * (view.rank == 2 ? view.shape[1] : 1);
        all = realloc(all, (size_t)(*total + size) * sizeof *all);
        memcpy(all + *total, view.data, (size_t)size * sizeof *all);
        *total += size;
    }
    return all;
}

/* Threads and checkpointing change no bit, dropout included. */
START_TEST(same_gradients)
{
    const adapted_subject *s = &adapted_subjects[_i];
    float *found[3];
    int64_t count = 0;
    for (int i = 0; i < 3; ++i) {
        fst_context *context = tiny_context(i == 1 ? 3 : 1);
        fst_model *model = adapted(context, s, i == 2);
        adapted_step(model, 5);
        found[i] = adapter_gradients(model, &count);
        fst_model_destroy(model);
        fst_context_destroy(context);
    }
    double most = 0;
    for (int64_t i = 0; i < count; ++i)
        most = fmax(most, fabs((double)found[0][i]));
    ck_assert(most > 1e-4 && isfinite(most));
    same_bits("three threads", found[1], found[0], count);
    same_bits("checkpointing", found[2], found[0], count);
    free(found[0]), free(found[1]), free(found[2]);
}
END_TEST

/* A training forward without dropout has the bits of evaluation; with it, others. The batch is many
 * blocks of rows, and the rank more than the inputs. */
START_TEST(dropout_of_the_forward)
{
    const adapted_subject *s = &adapted_subjects[_i];
    fst_context *context = tiny_context(2);
    fst_model *model = adapted_trunk(context, s, 0);
    fst_adapter_options options = adapted_options(s);
    options.rank = 64;
    REQUIRE(fst_model_add_adapter(model, &options));
    adapted_stir(model);
    int64_t count;
    float *evaluated = adapted_logits(model, 32, TINY_CONTEXT, &count);
    float *without = adapted_logits_of(model, 32, TINY_CONTEXT, FST_FORWARD_TRAIN, 0, &count);
    same_bits("without dropout", without, evaluated, count);
    float *with = adapted_logits_of(model, 32, TINY_CONTEXT, FST_FORWARD_TRAIN, 1, &count);
    ck_assert(memcmp(with, evaluated, (size_t)count * sizeof *with) != 0);
    free(evaluated), free(without), free(with);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* Weights of the trunk made trainable again beside the adapter get the gradients that they would
 * have without freezing: those of the product's share of backward. */
START_TEST(trunk_beside_the_adapter)
{
    const adapted_subject *s = &adapted_subjects[_i];
    fst_context *context = tiny_context(2);
    fst_model *model = adapted(context, s, 0);
    const char *const names[] = {"layers.1.attention.output.weight", "layers.1.mlp.down.weight",
                                 s->family == FST_FAMILY_GPT2 ? "layers.1.attention.output.bias"
                                                              : "layers.1.attention.norm.weight"};
    for (int i = 0; i < 3; ++i)
        REQUIRE(fst_model_set_trainable(model, names[i], 1));
    adapted_step(model, 2);
    for (int i = 0; i < 3; ++i) {
        fst_view view;
        double most = 0;
        REQUIRE(fst_model_gradient(model, names[i], &view));
        int64_t size = view.shape[0] * (view.rank == 2 ? view.shape[1] : 1);
        for (int64_t j = 0; j < size; ++j)
            most = fmax(most, fabs((double)((float *)view.data)[j]));
        ck_assert_msg(most > 1e-5 && isfinite(most), "%s: %s has a gradient of %g", s->name, names[i],
                      most);
    }
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* A copy has the adapter, its state and what is frozen, and goes its own way. */
START_TEST(copies)
{
    const adapted_subject *s = &adapted_subjects[_i];
    fst_context *context = tiny_context(2);
    fst_model *model = adapted(context, s, 0), *copy;
    fst_model_options options;
    fst_adapter_options found;
    fst_view view;
    int64_t count;
    REQUIRE(fst_model_options_init(&options, sizeof options));
    options.dtype = s->dtype;
    float *logits = adapted_logits(model, 3, 17, &count);
    REQUIRE(fst_model_copy(model, &options, &copy));
    fst_model_destroy(model);
    float *same = adapted_logits(copy, 3, 17, &count);
    same_bits("the copy", same, logits, count);
    REQUIRE(fst_model_get_adapter(copy, &found, sizeof found));
    ck_assert(found.rank == 4 && found.alpha == 6);
    ck_assert_ptr_nonnull(found.modules[found.module_count - 1]);
    ck_assert_int_eq(fst_model_gradient(copy, "layers.1.mlp.down.weight", &view), FST_ERR_STATE);
    REQUIRE(fst_model_merge_adapter(copy));
    free(logits), free(same);
    fst_model_destroy(copy);
    fst_context_destroy(context);
}
END_TEST

START_TEST(training_the_adapter_alone)
{
    const adapted_subject *s = &adapted_subjects[_i];
    fst_context *context = tiny_context(2);
    fst_model *model = adapted(context, s, 0);
    fst_view weight, view;
    int64_t count;
    ck_assert_int_ne(fst_model_gradient(model, "layers.1.attention.qkv.weight", &view), FST_OK);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "layers.1.attention.qkv.weight"));
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    REQUIRE(fst_optimizer_options_init(&options, sizeof options));
    options.learning_rate = 1e-2;
    REQUIRE(fst_optimizer_create(model, &options, &optimizer));
    REQUIRE(fst_model_enable_adapter(model, 0));
    float *trunk = adapted_logits(model, 2, 20, &count);
    REQUIRE(fst_model_enable_adapter(model, 1));
    double first = adapted_step(model, 0), last = 0;
    REQUIRE(fst_optimizer_step(optimizer, NULL, 0));
    REQUIRE(fst_model_parameter(model, "layers.0.mlp.down.weight", &weight));
    int64_t allocations = 0;
    for (int i = 0; i < 40; ++i) {
        if (i == 2)
            allocations = tiny_allocations(context);
        last = adapted_step(model, 0);
        REQUIRE(fst_optimizer_step(optimizer, NULL, 0));
    }
    ck_assert_int_eq(tiny_allocations(context), allocations);
    ck_assert_msg(last < 0.7 * first, "%s: the loss went from %g to %g", s->name, first, last);
    REQUIRE(fst_model_enable_adapter(model, 0));
    float *after = adapted_logits(model, 2, 20, &count);
    same_bits("the frozen trunk", after, trunk, count);
    /* While an optimizer lives, its parameters stay. */
    ck_assert_int_eq(fst_model_remove_adapter(model), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_merge_adapter(model), FST_ERR_STATE);
    fst_optimizer_destroy(optimizer);
    REQUIRE(fst_model_remove_adapter(model));
    free(trunk), free(after);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(less_memory)
{
    int64_t bytes[2];
    for (int i = 0; i < 2; ++i) {
        fst_context *context = tiny_context(1);
        fst_model_config config = tiny_config(FST_FAMILY_GPT2);
        config.width = 256;
        config.hidden_size = 1024;
        fst_model *model = tiny_model(context, &config, FST_F32, 0);
        fst_adapter_options options = adapted_options(&adapted_subjects[0]);
        if (i)
            REQUIRE(fst_model_add_adapter(model, &options));
        fst_optimizer *optimizer;
        REQUIRE(fst_optimizer_create(model, NULL, &optimizer));
        bytes[i] = tiny_live_bytes(context);
        fst_optimizer_destroy(optimizer);
        fst_model_destroy(model);
        fst_context_destroy(context);
    }
    /* Weights, gradients and two moments, against weights and a little. */
    ck_assert_msg(bytes[1] < 0.35 * (double)bytes[0], "%lld bytes with an adapter, %lld without",
                  (long long)bytes[1], (long long)bytes[0]);
}
END_TEST

START_TEST(states)
{
    fst_context *context = tiny_context(1);
    fst_model *model = adapted_trunk(context, &adapted_subjects[3], 0);
    fst_adapter_options options;
    ck_assert_int_eq(fst_model_get_adapter(model, &options, sizeof options), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_model_enable_adapter(model, 1), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_model_merge_adapter(model), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_model_remove_adapter(model), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_model_save_adapter(model, "/nowhere/at/all"), FST_ERR_NOT_FOUND);
    fst_optimizer *optimizer;
    REQUIRE(fst_optimizer_create(model, NULL, &optimizer));
    ck_assert_int_eq(fst_model_add_adapter(model, NULL), FST_ERR_STATE);
    fst_optimizer_destroy(optimizer);
    REQUIRE(fst_model_add_adapter(model, NULL));
    ck_assert_int_eq(fst_model_add_adapter(model, NULL), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_enable_adapter(model, 2), FST_ERR_INVALID_ARGUMENT);
    REQUIRE(fst_model_get_adapter(model, &options, sizeof options));
    ck_assert_int_eq(options.rank, 16);
    ck_assert(options.alpha == 32 && options.dropout == 0.05);
    ck_assert_int_eq(options.module_count, 7);
    ck_assert_str_eq(options.modules[4], "gate_proj");
    /* A backward must not cross the switch. */
    int32_t ids[4] = {1, 2, 3, 4};
    fst_batch batch;
    fst_loss loss;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = 1;
    batch.length = 4;
    batch.ids = batch.targets = ids;
    REQUIRE(fst_model_forward(model, &batch, NULL));
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    REQUIRE(fst_model_enable_adapter(model, 0));
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_ERR_STATE);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(bad_options)
{
    fst_context *context = tiny_context(1);
    fst_model *model = adapted_trunk(context, &adapted_subjects[0], 0);
    const char *const wrong[] = {"c_attn", "q_proj"}, *const none[] = {NULL};
    for (int i = 0; i < 11; ++i) {
        static const char *const fields[] = {"rank",    "rank",    "rank_stabilized",
                                             "weight_decomposed", "alpha", "alpha", "dropout",
                                             "dropout", "module_count", "q_proj", "modules[0]"};
        fst_adapter_options options;
        REQUIRE(fst_adapter_options_init(&options, sizeof options));
        options.rank = i == 0 ? 0 : i == 1 ? 1 << 20 : 4;
        options.rank_stabilized = i == 2 ? 2 : 0;
        options.weight_decomposed = i == 3 ? -1 : 0;
        options.alpha = i == 4 ? 0 : i == 5 ? NAN : 1;
        options.dropout = i == 6 ? 1 : i == 7 ? -0.1 : 0;
        options.module_count = i == 8 ? 3 : i == 9 ? 2 : i == 10;
        options.modules = i == 9 ? wrong : i == 10 ? none : NULL;
        ck_assert_int_eq(fst_model_add_adapter(model, &options), FST_ERR_INVALID_ARGUMENT);
        ck_assert_msg(strstr(fst_last_error(), fields[i]) != NULL, "%d: %s", i, fst_last_error());
        ck_assert_int_eq(fst_model_remove_adapter(model), FST_ERR_NOT_FOUND);
    }
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(chosen_modules)
{
    fst_context *context = tiny_context(1);
    fst_model *model = adapted_trunk(context, &adapted_subjects[0], 0);
    const char *const names[] = {"c_proj", "attn.c_attn", "c_proj"};
    fst_adapter_options options = adapted_options(&adapted_subjects[0]);
    fst_view view;
    options.modules = names;
    options.module_count = 3;
    REQUIRE(fst_model_add_adapter(model, &options));
    REQUIRE(fst_model_get_adapter(model, &options, sizeof options));
    ck_assert_int_eq(options.module_count, 3);
    ck_assert_str_eq(options.modules[0], "c_attn");
    ck_assert_str_eq(options.modules[1], "attn.c_proj");
    ck_assert_str_eq(options.modules[2], "mlp.c_proj");
    REQUIRE(fst_model_parameter(model, "layers.1.mlp.c_proj.lora_A", &view));
    ck_assert_int_eq(view.shape[0], 4);
    ck_assert_int_eq(view.shape[1], 48);
    REQUIRE(fst_model_parameter(model, "layers.0.c_attn.lora_B", &view));
    ck_assert_int_eq(view.shape[0], 96);
    ck_assert_int_eq(view.shape[1], 4);
    ck_assert_int_eq(fst_model_parameter(model, "layers.0.c_fc.lora_A", &view), FST_ERR_NOT_FOUND);
    /* A module's draw does not depend on which others there are, and fills ±1/√in. */
    float kept[4 * 32], most = 0;
    REQUIRE(fst_model_parameter(model, "layers.1.attn.c_proj.lora_A", &view));
    memcpy(kept, view.data, sizeof kept);
    for (int i = 0; i < 4 * 32; ++i)
        most = fmaxf(most, fabsf(kept[i]));
    ck_assert(most <= 1 / sqrtf(32) && most > 0.9f / sqrtf(32));
    REQUIRE(fst_model_remove_adapter(model));
    options = adapted_options(&adapted_subjects[0]);
    REQUIRE(fst_model_add_adapter(model, &options));
    REQUIRE(fst_model_parameter(model, "layers.1.attn.c_proj.lora_A", &view));
    same_bits("A", view.data, kept, 4 * 32);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* Refused memory leaves the model as it was. */
START_TEST(out_of_memory)
{
    scratch_memory memory = {0};
    fst_context_options options = tiny_context_options(1);
    fst_context *context;
    options.allocate = scratch_allocate;
    options.release = scratch_release;
    options.allocate_user = &memory;
    REQUIRE(fst_context_create(&options, &context));
    fst_model *model = adapted_trunk(context, &adapted_subjects[2], 0);
    fst_adapter_options adapter = adapted_options(&adapted_subjects[2]);
    int64_t before, after, count;
    REQUIRE(fst_model_parameter_count(model, &before));
    float *plain = adapted_logits(model, 2, 9, &count);
    fst_status status = FST_ERR_NO_MEMORY;
    int64_t live = memory.live;
    for (int64_t fail = 1; status == FST_ERR_NO_MEMORY; ++fail) {
        memory.fail_at = memory.calls + fail;
        status = fst_model_add_adapter(model, &adapter);
        memory.fail_at = 0;
        if (status != FST_ERR_NO_MEMORY)
            break;
        REQUIRE(fst_model_parameter_count(model, &after));
        ck_assert_int_eq(after, before);
        float *again = adapted_logits(model, 2, 9, &count);
        same_bits("after a refusal", again, plain, count);
        free(again);
        ck_assert_int_eq(fst_model_remove_adapter(model), FST_ERR_NOT_FOUND);
        ck_assert_int_eq(memory.live, live);
    }
    ck_assert_int_eq(status, FST_OK);
    free(plain);
    fst_model_destroy(model);
    fst_context_destroy(context);
    ck_assert_int_eq(memory.live, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("adapter");
    TCase *tests = tcase_create("adapter");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, trunk_alone, 0, ADAPTED_SUBJECTS);
    tcase_add_loop_test(tests, merging, 0, ADAPTED_SUBJECTS);
    tcase_add_loop_test(tests, decoding_is_the_forward, 0, ADAPTED_DECODERS);
    tcase_add_loop_test(tests, generation_on_and_off, 0, ADAPTED_DECODERS);
    tcase_add_loop_test(tests, same_gradients, 0, ADAPTED_SUBJECTS);
    tcase_add_loop_test(tests, dropout_of_the_forward, 0, ADAPTED_SUBJECTS);
    tcase_add_loop_test(tests, trunk_beside_the_adapter, 0, ADAPTED_SUBJECTS);
    tcase_add_loop_test(tests, copies, 0, ADAPTED_SUBJECTS);
    tcase_add_loop_test(tests, training_the_adapter_alone, 0, ADAPTED_SUBJECTS);
    tcase_add_test(tests, less_memory);
    tcase_add_test(tests, states);
    tcase_add_test(tests, bad_options);
    tcase_add_test(tests, chosen_modules);
    tcase_add_test(tests, out_of_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
