/* Contrastive runs: that chunks make no difference, that a step is the public parts', what is measured
 * and what is refused. */
#include "../support/small_contrastive.h"

#include "fourstage/metrics.h"
#include "fourstage/objectives.h"

#include <stdbool.h>

#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(call, status);                                                            \
        ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());                    \
    } while (0)

enum { WEIGHTS = 1 << 16 };

/* All weights, or all gradients, one behind the other. */
static int64_t copy(fst_model *model, bool gradients, float *out)
{
    int64_t count, at = 0;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        REQUIRE(gradients ? fst_model_gradient(model, name, &view)
                          : fst_model_parameter(model, name, &view));
        int64_t size = view.shape[0] * (view.rank == 2 ? view.shape[1] : 1);
        ck_assert_int_le(at + size, WEIGHTS);
        memcpy(out + at, view.data, (size_t)size * sizeof *out);
        at += size;
    }
    return at;
}

/* ---- gradient caching ---- */

static int64_t gradient_of(small_contrastive_config config, int64_t chunk, float *out, double *loss)
{
    small_contrastive s;
    config.contrastive.chunk = chunk;
    config.optimizer.keep_gradients = 1;
    small_contrastive_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    *loss = small_contrastive_metric(s.run, "loss");
    int64_t count = copy(s.model, true, out);
    small_contrastive_destroy(&s);
    return count;
}

/* Without dropout the chunks are all that differs. */
START_TEST(test_chunks_change_nothing)
{
    static float whole[WEIGHTS], chunked[WEIGHTS];
    double loss, again;
    small_contrastive_config config = small_contrastive_defaults(
        _i == 4 ? SMALL_IMAGES : _i < 2 ? SMALL_PAIRS : SMALL_TRIPLETS);
    config.model_dropout = 0;
    config.hidden_layers = _i % 2 ? 1 : -1;
    config.contrastive.pooling = _i < 2 ? FST_POOL_MEAN : FST_POOL_LAST;
    config.contrastive.objective = _i ? FST_CONTRASTIVE_AUTO : FST_CONTRASTIVE_NTXENT;
    int64_t count = gradient_of(config, 0, whole, &loss);
    double largest = 0;
    for (int64_t i = 0; i < count; ++i)
        largest = fmax(largest, fabs((double)whole[i]));
    for (int64_t chunk = 1; chunk <= 4; ++chunk) { /* 5 rows: also chunks that are not full */
        ck_assert_int_eq(gradient_of(config, chunk, chunked, &again), count);
        ck_assert_double_eq_tol(again, loss, 1e-6);
        for (int64_t i = 0; i < count; ++i) {
            ck_assert_msg(fabs((double)whole[i] - (double)chunked[i]) <= 1e-6 * largest,
                          "chunk %d, gradient %d: %g, %g of %g", (int)chunk, (int)i,
                          (double)chunked[i], (double)whole[i], largest);
        }
    }
    ck_assert_double_gt(largest, 1e-2);
}
END_TEST

/* ---- pooling without a head ---- */

/* Gradients of the trunk, with the pooled hidden states compared or with a head that hands them on. */
static int64_t trunk_gradient(int32_t pooling, bool with_head, float *out)
{
    small_contrastive s;
    small_contrastive_config config = small_contrastive_defaults(SMALL_PAIRS);
    config.model_dropout = 0;
    config.contrastive.pooling = pooling;
    config.optimizer.keep_gradients = 1;
    small_contrastive_prepare(&s, &config);
    fst_head_options head;
    fst_view view;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "same";
    head.pooling = pooling;
    head.outputs = 32;
    head.bias = 0;
    fst_optimizer_destroy(s.optimizer);
    s.optimizer = NULL;
    if (with_head) {
        REQUIRE(fst_model_add_head(s.model, &head));
        REQUIRE(fst_model_parameter(s.model, "heads.same.weight", &view));
        for (int i = 0; i < 32 * 32; ++i)
            ((float *)view.data)[i] = i % 33 == 0;
        REQUIRE(fst_model_set_trainable(s.model, "heads.*", 0));
        config.contrastive.head = "same";
    }
    REQUIRE(fst_optimizer_create(s.model, &config.optimizer, &s.optimizer));
    REQUIRE(small_contrastive_start(&s, &config));
    REQUIRE(fst_run_step(s.run, NULL, 0));
    int64_t count, at = 0;
    REQUIRE(fst_model_parameter_count(s.model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        REQUIRE(fst_model_parameter_name(s.model, i, &name));
        if (strncmp(name, "heads.", 6) == 0)
            continue;
        REQUIRE(fst_model_gradient(s.model, name, &view));
        int64_t size = view.shape[0] * (view.rank == 2 ? view.shape[1] : 1);
        memcpy(out + at, view.data, (size_t)size * sizeof *out);
        at += size;
    }
    small_contrastive_destroy(&s);
    return at;
}

START_TEST(test_pooling)
{
    static float pooled[WEIGHTS], headed[WEIGHTS];
    int64_t count = trunk_gradient(_i, false, pooled);
    ck_assert_int_eq(trunk_gradient(_i, true, headed), count);
    double largest = 0;
    for (int64_t i = 0; i < count; ++i)
        largest = fmax(largest, fabs((double)headed[i]));
    ck_assert_double_gt(largest, 1e-2);
    for (int64_t i = 0; i < count; ++i)
        ck_assert_msg(fabs((double)pooled[i] - (double)headed[i]) <= 1e-6 * largest, "%d: %g, %g",
                      (int)i, (double)pooled[i], (double)headed[i]);
}
END_TEST

/* ---- the same by hand ---- */

enum { ROWS = 5, MOST_LENGTH = 32, WIDTH = 12 };

/* Embeddings of examples [first, first + n), two views each, into [2, ROWS, WIDTH]. */
static void forward_by_hand(const small_contrastive *s, const int64_t *indices, int64_t first,
                            int64_t n, int64_t step, float *z)
{
    int32_t ids[2 * ROWS * MOST_LENGTH], lengths[2 * ROWS];
    int64_t examples[2 * ROWS], longest = 1;
    for (int64_t r = 0; r < 2 * n; ++r) {
        fst_example example;
        examples[r] = indices[first + r / 2];
        REQUIRE(fst_dataset_get_example(s->train, examples[r], 0, &example, sizeof example));
        longest = example.length > longest ? example.length : longest;
    }
    fst_examples_info info;
    REQUIRE(fst_dataset_get_examples_info(s->train, &info, sizeof info));
    int64_t length = (longest + 15) / 16 * 16;
    length = length < info.longest ? length : info.longest;
    REQUIRE(fst_dataset_collate(s->train, examples, NULL, 2 * n, length, ids, NULL, lengths));
    fst_batch batch;
    fst_forward_options options;
    fst_view view;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    options.step = step;
    batch.rows = 2 * n;
    batch.length = length;
    batch.ids = ids;
    batch.lengths = lengths;
    REQUIRE(fst_model_forward(s->model, &batch, &options));
    REQUIRE(fst_model_output(s->model, "projection", &view));
    for (int64_t r = 0; r < 2 * n; ++r)
        memcpy(z + (r % 2 * ROWS + first + r / 2) * WIDTH, (float *)view.data + r * WIDTH,
               WIDTH * sizeof *z);
}

static void backward_by_hand(const small_contrastive *s, int64_t first, int64_t n, const float *dz)
{
    float rows[2 * ROWS * WIDTH];
    for (int64_t r = 0; r < 2 * n; ++r)
        memcpy(rows + r * WIDTH, dz + (r % 2 * ROWS + first + r / 2) * WIDTH, WIDTH * sizeof *dz);
    const fst_view view = {.data = rows, .dtype = FST_F32, .rank = 2, .shape = {2 * n, WIDTH},
                           .strides = {WIDTH, 1}};
    REQUIRE(fst_model_backward(s->model, "projection", &view));
}

static void step_by_hand(const small_contrastive *s, int64_t step, int64_t chunk)
{
    float z[2 * ROWS * WIDTH], dz[2 * ROWS * WIDTH];
    int64_t indices[ROWS], chunks = (ROWS + chunk - 1) / chunk;
    fst_contrastive_loss found;
    fst_contrastive_loss_options options;
    REQUIRE(fst_contrastive_loss_options_init(&options, sizeof options));
    options.temperature = 0.05;
    REQUIRE(fst_dataset_order(s->train, step * ROWS, ROWS, 1, indices));
    for (int64_t c = 0; c < chunks; ++c)
        forward_by_hand(s, indices, c * chunk, c + 1 < chunks ? chunk : ROWS - c * chunk,
                        step * chunks + c, z);
    REQUIRE(fst_loss_infonce(s->context, &options, z, z + ROWS * WIDTH, ROWS, ROWS, WIDTH, dz,
                             dz + ROWS * WIDTH, &found, sizeof found));
    for (int64_t c = 0; c < chunks; ++c) {
        int64_t n = c + 1 < chunks ? chunk : ROWS - c * chunk;
        if (chunks > 1)
            forward_by_hand(s, indices, c * chunk, n, step * chunks + c, z);
        backward_by_hand(s, c * chunk, n, dz);
    }
    REQUIRE(fst_optimizer_step(s->optimizer, NULL, 0));
}

/* With dropout: two steps of a run are the public parts', to the bit. */
START_TEST(test_by_hand)
{
    static float run_weights[WEIGHTS], hand_weights[WEIGHTS];
    small_contrastive s, hand;
    small_contrastive_config config = small_contrastive_defaults(SMALL_DROPOUT);
    config.hidden_layers = 1;
    config.contrastive.chunk = _i ? 2 : 0;
    small_contrastive_create(&s, &config);
    REQUIRE(fst_run_until(s.run, 2));
    int64_t count = copy(s.model, false, run_weights);
    small_contrastive_destroy(&s);
    small_contrastive_prepare(&hand, &config);
    for (int64_t step = 0; step < 2; ++step)
        step_by_hand(&hand, step, _i ? 2 : ROWS);
    copy(hand.model, false, hand_weights);
    ck_assert_mem_eq(run_weights, hand_weights, (size_t)count * sizeof *run_weights);
    small_contrastive_destroy(&hand);
}
END_TEST

/* ---- what it does ---- */

START_TEST(test_learns)
{
    small_contrastive s;
    small_contrastive_config config = small_contrastive_defaults((small_views)_i);
    config.run.total_steps = 30;
    config.contrastive.temperature = 0.2;
    config.dtype = _i < 2 ? FST_F32 : FST_BF16;
    config.hidden_layers = _i % 2 ? 0 : -1;
    fst_augment_options augment;
    REQUIRE(fst_augment_options_init(&augment, sizeof augment));
    if (config.views == SMALL_IMAGES) { /* views that are the same, to be told from the others */
        config.contrastive.augment = &augment;
        config.model_dropout = 0;
    }
    small_contrastive_create(&s, &config);
    REQUIRE(fst_run_evaluate(s.run));
    double before = small_contrastive_metric(s.run, "validation_loss");
    REQUIRE(fst_run_until(s.run, 0));
    REQUIRE(fst_run_evaluate(s.run));
    double after = small_contrastive_metric(s.run, "validation_loss");
    ck_assert_msg(after < 0.8 * before, "%g after %g", after, before);
    static const char *const names[] = {"loss", "alignment", "gradient_norm", "tokens", "epoch",
                                        "validation_accuracy", "validation_alignment"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        ck_assert_msg(small_contrastive_metric(s.run, names[i]) >= 0, "%s", names[i]);
    ck_assert(small_contrastive_metric(s.run, "uniformity") < 0);
    ck_assert(small_contrastive_metric(s.run, "validation_uniformity") < 0);
    ck_assert(isnan(small_contrastive_metric(s.run, "validation_spearman")));
    small_contrastive_destroy(&s);
}
END_TEST

START_TEST(test_same_bits_for_any_threads)
{
    static float one[WEIGHTS], other[WEIGHTS];
    int64_t count = 0;
    for (int32_t threads = 1; threads <= 4; ++threads) {
        small_contrastive s;
        small_contrastive_config config = small_contrastive_defaults(SMALL_DROPOUT);
        config.context.threads = threads;
        config.contrastive.chunk = 2;
        config.optimizer.kind = FST_OPTIMIZER_LARS;
        small_contrastive_create(&s, &config);
        REQUIRE(fst_run_until(s.run, 0));
        count = copy(s.model, false, threads == 1 ? one : other);
        if (threads > 1)
            ck_assert_mem_eq(one, other, (size_t)count * sizeof *one);
        small_contrastive_destroy(&s);
    }
}
END_TEST

START_TEST(test_steady_step_allocates_nothing)
{
    small_contrastive s;
    small_contrastive_config config = small_contrastive_defaults((small_views)(_i % 4));
    config.contrastive.chunk = _i < 4 ? 0 : 2;
    config.hidden_layers = _i < 4 ? -1 : 1;
    config.run.total_steps = 0;
    small_contrastive_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0)); /* products meet their shapes */
    REQUIRE(fst_run_evaluate(s.run));
    REQUIRE(fst_run_until(s.run, 9));
    int64_t before = tiny_allocations(s.context);
    REQUIRE(fst_run_until(s.run, 13));
    REQUIRE(fst_run_evaluate(s.run));
    ck_assert_int_eq(tiny_allocations(s.context), before);
    fst_memory memory;
    REQUIRE(fst_run_memory(s.run, &memory, sizeof memory));
    ck_assert(memory.total > 0 && memory.activations > 0 && memory.data > 0);
    small_contrastive_destroy(&s);
}
END_TEST

/* ---- validation by labels ---- */

START_TEST(test_scored)
{
    small_contrastive s;
    small_contrastive_config config = small_contrastive_defaults(SMALL_DROPOUT);
    config.scored = 1;
    config.hidden_layers = 0; /* which the labels are not compared through */
    small_contrastive_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    REQUIRE(fst_run_evaluate(s.run));
    enum { C = 32, N = CONTRASTIVE_HELD_OUT - 1 }; /* one without a label was dropped */
    float first[N * C], second[N * C], cosines[N], labels[N];
    fst_embed_options options;
    int64_t count;
    REQUIRE(fst_embed_options_init(&options, sizeof options));
    options.rows = 3;
    REQUIRE(fst_model_embed(s.model, s.validation, &options, first, N * C, &count));
    ck_assert_int_eq(count, N * C);
    options.sequence = 1;
    REQUIRE(fst_model_embed(s.model, s.validation, &options, second, N * C, &count));
    for (int i = 0; i < N; ++i) {
        fst_example example;
        REQUIRE(fst_dataset_get_example(s.validation, i, 0, &example, sizeof example));
        labels[i] = example.labels[0];
        double cosine = 0;
        for (int k = 0; k < C; ++k)
            cosine += (double)first[i * C + k] * (double)second[i * C + k];
        cosines[i] = (float)cosine;
    }
    double pearson, spearman;
    REQUIRE(fst_metrics_correlation(s.context, labels, cosines, N, &pearson, &spearman));
    ck_assert_double_eq_tol(small_contrastive_metric(s.run, "validation_spearman"), spearman, 1e-6);
    ck_assert_double_eq_tol(small_contrastive_metric(s.run, "validation_pearson"), pearson, 1e-5);
    ck_assert_double_eq_tol(small_contrastive_metric(s.run, "validation_loss"), -spearman, 1e-6);
    ck_assert(small_contrastive_metric(s.run, "validation_alignment") > 0);
    ck_assert(small_contrastive_metric(s.run, "validation_uniformity") < 0);
    small_contrastive_destroy(&s);
}
END_TEST

START_TEST(test_embed)
{
    small_contrastive s;
    small_contrastive_config config = small_contrastive_defaults(SMALL_PAIRS);
    config.hidden_layers = 1;
    small_contrastive_prepare(&s, &config);
    static float all[CONTRASTIVE_TEXTS * 32], some[CONTRASTIVE_TEXTS * 32];
    int64_t count, room = CONTRASTIVE_TEXTS * 32;
    fst_embed_options options;
    REQUIRE(fst_embed_options_init(&options, sizeof options));
    REQUIRE(fst_model_embed(s.model, s.train, NULL, all, room, &count));
    ck_assert_int_eq(count, room);
    double length = 0, difference = 0;
    for (int k = 0; k < 32; ++k)
        length += (double)all[k] * (double)all[k];
    ck_assert_double_eq_tol(length, 1, 1e-6);
    options.rows = 3; /* neither batch nor padding change an embedding */
    REQUIRE(fst_model_embed(s.model, s.train, &options, some, room, &count));
    for (int64_t i = 0; i < count; ++i)
        difference = fmax(difference, fabs((double)all[i] - (double)some[i]));
    ck_assert_double_lt(difference, 1e-6);
    options.head = "projection";
    options.normalise = 0;
    REFUSED(fst_model_embed(s.model, s.train, &options, NULL, 0, &count), FST_ERR_BUFFER_TOO_SMALL,
            "20 examples × 12");
    ck_assert_int_eq(count, CONTRASTIVE_TEXTS * 12);
    REQUIRE(fst_model_embed(s.model, s.train, &options, some, count, &count));
    options.head = "none";
    REFUSED(fst_model_embed(s.model, s.train, &options, some, room, &count), FST_ERR_NOT_FOUND,
            "no head \"none\"");
    options.head = NULL;
    options.pooling = FST_POOL_POOLER;
    REFUSED(fst_model_embed(s.model, s.train, &options, some, room, &count), FST_ERR_MISMATCH,
            "no pooler");
    options.pooling = FST_POOL_MEAN;
    options.sequence = 2;
    REFUSED(fst_model_embed(s.model, s.train, &options, some, room, &count),
            FST_ERR_INVALID_ARGUMENT, "example 0 has 2");
    options.sequence = 0;
    options.rows = 0;
    REFUSED(fst_model_embed(s.model, s.train, &options, some, room, &count),
            FST_ERR_INVALID_ARGUMENT, "rows is 0");
    small_contrastive_destroy(&s);
}
END_TEST

/* ---- refusals ---- */

START_TEST(test_refusals)
{
    small_contrastive s;
    small_contrastive_config config = small_contrastive_defaults(SMALL_TRIPLETS);
    small_contrastive_prepare(&s, &config);
    fst_contrastive_options *o = &config.contrastive;
#define REFUSED_WITH(field, value, status, words)                                                  \
    do {                                                                                           \
        const fst_contrastive_options kept = *o;                                                   \
        o->field = value;                                                                          \
        REFUSED(small_contrastive_start(&s, &config), status, words);                              \
        *o = kept;                                                                                 \
    } while (0)
    REFUSED_WITH(rows, 1, FST_ERR_INVALID_ARGUMENT, "rows");
    REFUSED_WITH(rows, INT64_MAX, FST_ERR_INVALID_ARGUMENT, "rows");
    REFUSED_WITH(chunk, -1, FST_ERR_INVALID_ARGUMENT, "chunk");
    REFUSED_WITH(temperature, -1, FST_ERR_INVALID_ARGUMENT, "temperature");
    REFUSED_WITH(temperature, NAN, FST_ERR_INVALID_ARGUMENT, "temperature");
    REFUSED_WITH(hard_negative_logit, INFINITY, FST_ERR_INVALID_ARGUMENT, "hard_negative_logit");
    REFUSED_WITH(objective, 3, FST_ERR_INVALID_ARGUMENT, "objective");
    REFUSED_WITH(objective, FST_CONTRASTIVE_NTXENT, FST_ERR_INVALID_ARGUMENT, "hard negatives");
    REFUSED_WITH(views, 9, FST_ERR_INVALID_ARGUMENT, "views");
    REFUSED_WITH(shuffle, 2, FST_ERR_INVALID_ARGUMENT, "shuffle");
    REFUSED_WITH(pooling, 17, FST_ERR_INVALID_ARGUMENT, "pooling");
    REFUSED_WITH(pooling, FST_POOL_POOLER, FST_ERR_MISMATCH, "pooler");
    REFUSED_WITH(length, 1, FST_ERR_MISMATCH, "length is 1");
    REFUSED_WITH(length, 99, FST_ERR_MISMATCH, "context_length");
    REFUSED_WITH(evaluation_rows, -1, FST_ERR_INVALID_ARGUMENT, "evaluation_rows");
    REFUSED_WITH(evaluation_rows, 1, FST_ERR_MISMATCH, "two examples");
    REFUSED_WITH(spike_action, FST_SPIKE_SKIP, FST_ERR_INVALID_ARGUMENT, "spike_action");
    fst_dataset *pairs = s.validation;
    s.validation = small_contrastive_data(&s, 0, 4, 2, 0);
    REFUSED(small_contrastive_start(&s, &config), FST_ERR_MISMATCH, "train has 3");
    fst_dataset_destroy(s.validation);
    s.validation = pairs;
    small_contrastive_destroy(&s);

    config = small_contrastive_defaults(SMALL_DROPOUT);
    config.model_dropout = 0;
    small_contrastive_prepare(&s, &config);
    REFUSED(small_contrastive_start(&s, &config), FST_ERR_INVALID_ARGUMENT, "dropout");
    config.contrastive.views = FST_VIEWS_PAIRS;
    REFUSED(small_contrastive_start(&s, &config), FST_ERR_STATE, "no pairs");
    config.contrastive.views = FST_VIEWS_AUTO;
    config.hidden_layers = 0; /* names a head that the model has not */
    REFUSED(small_contrastive_start(&s, &config), FST_ERR_NOT_FOUND, "projection");
    small_contrastive_destroy(&s);
}
END_TEST

/* What goes with images only, and with texts only. */
START_TEST(test_image_refusals)
{
    small_contrastive s;
    small_contrastive_config config = small_contrastive_defaults(SMALL_IMAGES);
    fst_augment_options augment;
    REQUIRE(fst_augment_options_init(&augment, sizeof augment));
    small_contrastive_prepare(&s, &config);
    fst_contrastive_options *o = &config.contrastive;
    REFUSED_WITH(views, FST_VIEWS_DROPOUT, FST_ERR_INVALID_ARGUMENT, "FST_VIEWS_AUGMENT");
    REFUSED_WITH(length, 4, FST_ERR_INVALID_ARGUMENT, "length");
    augment.flip = 7;
    REFUSED_WITH(augment, &augment, FST_ERR_INVALID_ARGUMENT, "augment.flip");
    augment.struct_size = 3;
    REFUSED_WITH(augment, &augment, FST_ERR_INVALID_ARGUMENT, "fst_augment_options");
    REQUIRE(fst_augment_options_init(&augment, sizeof augment));
    o->augment = &augment; /* nothing is done, which is allowed */
    REQUIRE(small_contrastive_start(&s, &config));
    REQUIRE(fst_run_step(s.run, NULL, 0));
    ck_assert_double_eq(small_contrastive_metric(s.run, "tokens"), 2 * (double)o->rows);
    float embeddings[CONTRASTIVE_TEXTS * 32];
    int64_t count;
    REQUIRE(fst_model_embed(s.model, s.train, NULL, embeddings, CONTRASTIVE_TEXTS * 32, &count));
    fst_dataset *texts = small_contrastive_data(&s, 0, 4, 1, 0);
    REFUSED(fst_model_embed(s.model, texts, NULL, embeddings, CONTRASTIVE_TEXTS * 32, &count),
            FST_ERR_MISMATCH, "reads images");
    fst_dataset_destroy(texts);
    small_contrastive_destroy(&s);

    config = small_contrastive_defaults(SMALL_DROPOUT);
    small_contrastive_prepare(&s, &config);
    REFUSED_WITH(augment, &augment, FST_ERR_INVALID_ARGUMENT, "augment");
    REFUSED_WITH(views, FST_VIEWS_AUGMENT, FST_ERR_INVALID_ARGUMENT, "views");
    small_contrastive_destroy(&s);
}
END_TEST

/* ---- batch norm ---- */

/* Running statistics, one behind the other. */
static int64_t copy_statistics(fst_model *model, float *out)
{
    int64_t count, at = 0;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        if (!strstr(name, ".running_"))
            continue;
        REQUIRE(fst_model_parameter(model, name, &view));
        memcpy(out + at, view.data, (size_t)view.shape[0] * sizeof *out);
        at += view.shape[0];
    }
    return at;
}

/* Chunks are refused unless asked for; a forward that is only looked at leaves the statistics alone: they
 * move once a chunk, and by no evaluation. */
START_TEST(test_batch_norm)
{
    static float before[WEIGHTS], after[WEIGHTS];
    small_contrastive s;
    small_contrastive_config config = small_contrastive_defaults(SMALL_IMAGES);
    config.family = FST_FAMILY_RESNET;
    config.contrastive.chunk = 2;
    small_contrastive_prepare(&s, &config);
    REFUSED(small_contrastive_start(&s, &config), FST_ERR_INVALID_ARGUMENT, "chunk_statistics");
    config.contrastive.chunk_statistics = 1;
    REQUIRE(small_contrastive_start(&s, &config));
    int64_t count = copy_statistics(s.model, before);
    ck_assert_int_gt(count, 0);
    REQUIRE(fst_run_evaluate(s.run));
    copy_statistics(s.model, after);
    ck_assert_mem_eq(before, after, (size_t)count * sizeof *before);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    copy_statistics(s.model, after);
    int64_t moved = 0;
    for (int64_t i = 0; i < count; ++i)
        moved += before[i] != after[i];
    ck_assert_int_gt(moved, count / 2);
    fst_view view;
    REQUIRE(fst_model_parameter(s.model, "stem.conv.weight", &view));
    float weight = ((float *)view.data)[3];
    ((float *)view.data)[3] = NAN; /* a step that fails leaves them alone too */
    REFUSED(fst_run_step(s.run, NULL, 0), FST_ERR_NUMERIC, "stem.conv.weight");
    copy_statistics(s.model, before);
    ck_assert_mem_eq(before, after, (size_t)count * sizeof *before);
    ((float *)view.data)[3] = weight;
    REQUIRE(fst_run_step(s.run, NULL, 0));
    small_contrastive_destroy(&s);
}
END_TEST

/* A weight that is not a number: caught in the step, named, nothing changed. */
START_TEST(test_not_finite)
{
    static float before[WEIGHTS], after[WEIGHTS];
    small_contrastive s;
    small_contrastive_config config = small_contrastive_defaults(SMALL_DROPOUT);
    config.contrastive.chunk = 2;
    small_contrastive_create(&s, &config);
    fst_view view;
    REQUIRE(fst_model_parameter(s.model, "layers.1.mlp.up.weight", &view));
    ((float *)view.data)[5] = NAN;
    int64_t count = copy(s.model, false, before);
    REFUSED(fst_run_step(s.run, NULL, 0), FST_ERR_NUMERIC, "layers.1.mlp.up.weight");
    copy(s.model, false, after);
    ck_assert_mem_eq(before, after, (size_t)count * sizeof *before);
    ((float *)view.data)[5] = 0;
    REQUIRE(fst_run_step(s.run, NULL, 0));
    small_contrastive_destroy(&s);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("contrastive");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_chunks_change_nothing, 0, 5);
    tcase_add_loop_test(tcase, test_pooling, FST_POOL_LAST, FST_POOL_MAX + 1);
    tcase_add_loop_test(tcase, test_by_hand, 0, 2);
    tcase_add_loop_test(tcase, test_learns, 0, 4);
    tcase_add_test(tcase, test_same_bits_for_any_threads);
    tcase_add_loop_test(tcase, test_steady_step_allocates_nothing, 0, 8);
    tcase_add_test(tcase, test_scored);
    tcase_add_test(tcase, test_embed);
    tcase_add_test(tcase, test_refusals);
    tcase_add_test(tcase, test_image_refusals);
    tcase_add_test(tcase, test_batch_norm);
    tcase_add_test(tcase, test_not_finite);
    Suite *suite = suite_create("contrastive runs");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
