/* The optimizers against plain loops in double, and what a step promises beside the arithmetic. */
#include "base/error.h"
#include "base/random.h"
#include "fourstage/context.h"
#include "kernels/kernels.h"
#include "optim/optimizer.h"
#include "tensor/bf16.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static fst__allocator allocator;

/* Sizes around the chunk of 65,536 and the block of 1,024, and smaller than any register. */
static const struct {
    const char *name;
    int64_t rows, columns;
    uint32_t flags;
} shapes[] = {
    {"embedding", 701, 97, FST__PARAMETER_DECAY},
    {"layers.0.tall", 41, 9, FST__PARAMETER_DECAY | FST__PARAMETER_HIDDEN_MATRIX},
    {"layers.0.norm", 1, 7, 0},
    {"layers.0.frozen", 5, 5, FST__PARAMETER_DECAY | FST__PARAMETER_FROZEN},
    {"layers.1.wide", 19, 64, FST__PARAMETER_DECAY | FST__PARAMETER_HIDDEN_MATRIX},
    {"layers.1.bias", 1, 1, 0},
};
enum { COUNT = sizeof shapes / sizeof shapes[0] };

/* Parameters with memory of their own. */
typedef struct model {
    fst__parameter parameters[COUNT];
} model;

static int64_t elements(int i)
{
    return shapes[i].rows * shapes[i].columns;
}

static void model_init(model *m)
{
    for (int i = 0; i < COUNT; ++i) {
        size_t n = (size_t)elements(i);
        m->parameters[i] = (fst__parameter){.name = shapes[i].name,
                                            .rows = shapes[i].rows,
                                            .columns = shapes[i].columns,
                                            .flags = shapes[i].flags,
                                            .rank = shapes[i].rows > 1 ? 2 : 1,
                                            .value = malloc(n * sizeof(fst__real)),
                                            .gradient = malloc(n * sizeof(fst__real)),
                                            .working = i % 2 ? malloc(n * sizeof(uint16_t)) : NULL};
        for (size_t j = 0; j < n; ++j)
            m->parameters[i].value[j] =
                (fst__real)fst__normal(fst__philox(3, FST__STREAM_INIT, (uint64_t)i, j), 0);
    }
}

static void model_free(model *m)
{
    for (int i = 0; i < COUNT; ++i) {
        free(m->parameters[i].working);
        free(m->parameters[i].gradient);
        free(m->parameters[i].value);
    }
}

static double gradient_at(int i, int64_t j, int64_t step)
{
    return (double)(fst__real)fst__normal(
        fst__philox(4, FST__STREAM_AUGMENT, (uint64_t)(step * COUNT + i), (uint64_t)j), 1);
}

static void fill_gradients(model *m, int64_t step)
{
    for (int i = 0; i < COUNT; ++i)
        for (int64_t j = 0; j < elements(i); ++j)
            m->parameters[i].gradient[j] = (fst__real)gradient_at(i, j, step);
}

static fst__compute *compute_open(int32_t workers)
{
    fst__pool *pool = NULL;
    fst__compute *compute = NULL;
    ck_assert_int_eq(fst__pool_create(&allocator, workers, &pool), FST_OK);
    ck_assert_int_eq(fst__compute_create(&allocator, pool, FST_PROVIDER_REFERENCE, &compute),
                     FST_OK);
    return compute;
}

static void compute_close(fst__compute *compute)
{
    fst__pool *pool = compute->pool;
    fst__compute_destroy(&allocator, compute);
    fst__pool_destroy(pool);
    ck_assert_int_eq(allocator.live_bytes, 0);
}

static fst__optimizer *optimizer_open(const model *m, const fst_optimizer_options *options)
{
    fst__optimizer *optimizer = NULL;
    ck_assert_int_eq(fst__optimizer_create(&allocator, m->parameters, COUNT, options, &optimizer),
                     FST_OK);
    return optimizer;
}

/* ---- the same in double, one element after the other ---- */

typedef struct plain {
    double *value[COUNT], *first[COUNT], *second[COUNT];
} plain;

static void plain_init(plain *p, const model *m)
{
    for (int i = 0; i < COUNT; ++i) {
        size_t n = (size_t)elements(i);
        p->value[i] = malloc(n * sizeof(double));
        p->first[i] = calloc(n, sizeof(double));
        p->second[i] = calloc(n, sizeof(double));
        for (size_t j = 0; j < n; ++j)
            p->value[i][j] = (double)m->parameters[i].value[j];
    }
}

static void plain_free(plain *p)
{
    for (int i = 0; i < COUNT; ++i) {
        free(p->value[i]);
        free(p->first[i]);
        free(p->second[i]);
    }
}

static double plain_norm(int64_t step, double scale)
{
    double sum = 0;
    for (int i = 0; i < COUNT; ++i)
        for (int64_t j = 0; !(shapes[i].flags & FST__PARAMETER_FROZEN) && j < elements(i); ++j)
            sum += gradient_at(i, j, step) * gradient_at(i, j, step);
    return sqrt(sum) * scale;
}

static void plain_adamw(plain *p, int i, const fst_optimizer_options *o, int64_t step,
                        double factor, double rate, double decay)
{
    double t = (double)(step + 1);
    for (int64_t j = 0; j < elements(i); ++j) {
        double g = gradient_at(i, j, step) * factor;
        double *w = &p->value[i][j], *m = &p->first[i][j], *v = &p->second[i][j];
        *w *= 1 - rate * decay;
        *m = o->beta1 * *m + (1 - o->beta1) * g;
        *v = o->beta2 * *v + (1 - o->beta2) * g * g;
        double m_hat = *m / (1 - pow(o->beta1, t)), v_hat = *v / (1 - pow(o->beta2, t));
        *w -= rate * m_hat / (sqrt(v_hat) + o->epsilon);
    }
}

static void plain_sgd(plain *p, int i, const fst_optimizer_options *o, int64_t step, double factor,
                      double rate, double decay)
{
    for (int64_t j = 0; j < elements(i); ++j) {
        double *w = &p->value[i][j], *b = &p->first[i][j];
        double d = gradient_at(i, j, step) * factor + decay * *w;
        if (o->momentum > 0) {
            *b = step == 0 ? d : o->momentum * *b + (1 - o->dampening) * d;
            d = o->nesterov ? d + o->momentum * *b : *b;
        }
        *w -= rate * d;
    }
}

/* LARC of apex with clip=False, then SGD. */
static void plain_lars(plain *p, int i, const fst_optimizer_options *o, int64_t step, double factor,
                       double rate, double decay)
{
    double weight = 0, gradient = 0, trust = 1;
    for (int64_t j = 0; j < elements(i); ++j) {
        double g = gradient_at(i, j, step) * factor;
        weight += p->value[i][j] * p->value[i][j];
        gradient += g * g;
    }
    weight = sqrt(weight);
    gradient = sqrt(gradient);
    if (shapes[i].flags & FST__PARAMETER_DECAY)
        trust = o->lars_trust * weight / (gradient + decay * weight + o->epsilon);
    for (int64_t j = 0; j < elements(i); ++j) {
        double *w = &p->value[i][j], *b = &p->first[i][j];
        double d = trust * (gradient_at(i, j, step) * factor + decay * *w);
        *b = o->lars_momentum * *b + d;
        *w -= rate * (o->nesterov ? d + o->lars_momentum * *b : *b);
    }
}

/* x [rows, columns] ← its Newton–Schulz iterate, in double and by the definition. */
static void plain_newton_schulz(double *x, int64_t rows, int64_t columns, int steps)
{
    double *g = malloc((size_t)(rows * rows) * sizeof(double));
    double *p = malloc((size_t)(rows * rows) * sizeof(double));
    double *y = malloc((size_t)(rows * columns) * sizeof(double));
    double sum = 0;
    for (int64_t i = 0; i < rows * columns; ++i)
        sum += x[i] * x[i];
    for (int64_t i = 0; i < rows * columns; ++i)
        x[i] /= sqrt(sum) + 1e-7;
    for (int s = 0; s < steps; ++s) {
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < rows; ++j) {
                g[i * rows + j] = 0;
                for (int64_t k = 0; k < columns; ++k)
                    g[i * rows + j] += x[i * columns + k] * x[j * columns + k];
            }
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < rows; ++j) {
                double square = 0;
                for (int64_t k = 0; k < rows; ++k)
                    square += g[i * rows + k] * g[k * rows + j];
                p[i * rows + j] = -4.7750 * g[i * rows + j] + 2.0315 * square;
            }
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < columns; ++j) {
                y[i * columns + j] = 3.4445 * x[i * columns + j];
                for (int64_t k = 0; k < rows; ++k)
                    y[i * columns + j] += p[i * rows + k] * x[k * columns + j];
            }
        memcpy(x, y, (size_t)(rows * columns) * sizeof(double));
    }
    free(y);
    free(p);
    free(g);
}

static void plain_muon(plain *p, int i, const fst_optimizer_options *o, int64_t step, double factor,
                       double rate)
{
    int64_t rows = shapes[i].rows, columns = shapes[i].columns;
    double *direction = malloc((size_t)elements(i) * sizeof(double));
    for (int64_t j = 0; j < elements(i); ++j) {
        double g = gradient_at(i, j, step) * factor, *m = &p->first[i][j];
        *m = o->muon_momentum * *m + (1 - o->muon_momentum) * g;
        direction[j] = o->muon_nesterov ? (1 - o->muon_momentum) * g + o->muon_momentum * *m : *m;
    }
    plain_newton_schulz(direction, rows, columns, o->muon_iterations);
    double scale = o->muon_scale == FST_MUON_SCALE_MATCH_RMS
                       ? 0.2 * sqrt((double)(rows > columns ? rows : columns))
                       : sqrt(fmax(1, (double)rows / (double)columns));
    for (int64_t j = 0; j < elements(i); ++j)
        p->value[i][j] =
            p->value[i][j] * (1 - rate * o->muon_weight_decay) - rate * scale * direction[j];
    free(direction);
}

static void plain_step(plain *p, const fst_optimizer_options *o, int64_t step, double scale)
{
    double norm = plain_norm(step, scale);
    double factor = scale * (o->clip_norm > 0 ? fmin(1, o->clip_norm / (norm + 1e-6)) : 1);
    for (int i = 0; i < COUNT; ++i) {
        if (shapes[i].flags & FST__PARAMETER_FROZEN)
            continue;
        double decay = shapes[i].flags & FST__PARAMETER_DECAY ? o->weight_decay : 0;
        if (o->kind == FST_OPTIMIZER_MUON && shapes[i].flags & FST__PARAMETER_HIDDEN_MATRIX)
            plain_muon(p, i, o, step, factor, o->muon_learning_rate);
        else if (o->kind == FST_OPTIMIZER_LARS)
            plain_lars(p, i, o, step, factor, o->learning_rate, decay);
        else if (o->kind == FST_OPTIMIZER_SGD)
            plain_sgd(p, i, o, step, factor, o->learning_rate, decay);
        else
            plain_adamw(p, i, o, step, factor, o->learning_rate, decay);
    }
}

/* ---- the arithmetic ---- */

static void check_values(const model *m, const plain *p, double tolerance)
{
    for (int i = 0; i < COUNT; ++i)
        for (int64_t j = 0; j < elements(i); ++j) {
            double ours = (double)m->parameters[i].value[j], theirs = p->value[i][j];
            ck_assert_msg(fabs(ours - theirs) <= tolerance * (1 + fabs(theirs)),
                          "%s[%lld]: %.9g, %.9g", shapes[i].name, (long long)j, ours, theirs);
        }
}

static void check_leftovers(const model *m, bool kept, int64_t step)
{
    for (int i = 0; i < COUNT; ++i) {
        const fst__parameter *p = &m->parameters[i];
        if (p->flags & FST__PARAMETER_FROZEN)
            continue;
        for (int64_t j = 0; j < elements(i); ++j) {
            ck_assert(p->gradient[j] == (kept ? (fst__real)gradient_at(i, j, step) : 0));
            if (p->working)
                ck_assert_int_eq(p->working[j], fst__float_to_bf16((float)p->value[j]));
        }
    }
}

static void run_against_plain(const fst_optimizer_options *options, const fst__kernels *kernels,
                              double scale, double tolerance)
{
    model m;
    plain p;
    model_init(&m);
    plain_init(&p, &m);
    fst__compute *compute = compute_open(2);
    compute->kernels = kernels;
    fst__optimizer *optimizer = optimizer_open(&m, options);
    fst__step_options step_options = {.gradient_scale = scale, .learning_rate = -1};
    for (int64_t step = 0; step < 4; ++step) {
        fst_optimizer_report report = {0};
        fill_gradients(&m, step);
        ck_assert_int_eq(fst__optimizer_step(optimizer, compute, &step_options, &report), FST_OK);
        plain_step(&p, options, step, scale);
        ck_assert_int_eq(report.step, step + 1);
        ck_assert_double_eq_tol(report.gradient_norm, plain_norm(step, scale),
                                1e-9 * report.gradient_norm);
        check_leftovers(&m, options->keep_gradients, step);
    }
    check_values(&m, &p, tolerance);
    fst__optimizer_destroy(optimizer);
    compute_close(compute);
    plain_free(&p);
    model_free(&m);
}

/* Every table of kernels that this processor runs. */
static void run_all_tables(const fst_optimizer_options *options, double scale, double tolerance)
{
    for (int32_t i = 0; fst__kernels_at(i); ++i)
        run_against_plain(options, fst__kernels_at(i), scale, tolerance);
}

START_TEST(test_adamw)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.learning_rate = 0.01;
    options.weight_decay = 0.3;
    run_all_tables(&options, 1, 2e-6);
    options.clip_norm = 0;
    options.keep_gradients = 1;
    options.beta1 = 0.8;
    options.epsilon = 0.1;
    run_all_tables(&options, 0.25, 2e-6);
}
END_TEST

START_TEST(test_sgd)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.kind = FST_OPTIMIZER_SGD;
    options.learning_rate = 0.1;
    options.weight_decay = 0.2;
    run_all_tables(&options, 1, 2e-6);
    options.momentum = 0.9;
    options.dampening = 0.25;
    run_all_tables(&options, 3, 2e-6);
    options.dampening = 0;
    options.nesterov = 1;
    options.clip_norm = 0;
    run_all_tables(&options, 0.5, 2e-6);
}
END_TEST

START_TEST(test_lars)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.kind = FST_OPTIMIZER_LARS;
    options.learning_rate = 4;
    options.weight_decay = 0.2;
    run_all_tables(&options, 1, 2e-6);
    options.clip_norm = 0;
    options.nesterov = 1;
    options.lars_trust = 0.02;
    options.keep_gradients = 1;
    run_all_tables(&options, 3, 2e-6);
    options.nesterov = 0;
    options.lars_momentum = 0;
    options.weight_decay = 0;
    options.epsilon = 0.5;
    run_all_tables(&options, 0.5, 2e-6);
}
END_TEST

/* A weight or a gradient of zeros measures nothing: plain descent, without decay. */
START_TEST(test_lars_zero)
{
    model m;
    model_init(&m);
    fst_optimizer_options options = fst__optimizer_defaults();
    options.kind = FST_OPTIMIZER_LARS;
    options.learning_rate = 0.5;
    options.weight_decay = 0.2;
    options.clip_norm = 0;
    fst__compute *compute = compute_open(1);
    fst__optimizer *optimizer = optimizer_open(&m, &options);
    fill_gradients(&m, 0);
    memset(m.parameters[1].value, 0, (size_t)elements(1) * sizeof(fst__real));
    memset(m.parameters[4].gradient, 0, (size_t)elements(4) * sizeof(fst__real));
    fst__real kept = m.parameters[4].value[3];
    ck_assert_int_eq(fst__optimizer_step(optimizer, compute, NULL, NULL), FST_OK);
    ck_assert(m.parameters[4].value[3] == kept);
    for (int64_t j = 0; j < elements(1); ++j)
        ck_assert_double_eq_tol((double)m.parameters[1].value[j], -0.5 * gradient_at(1, j, 0), 1e-6);
    fst__optimizer_destroy(optimizer);
    compute_close(compute);
    model_free(&m);
}
END_TEST

START_TEST(test_muon)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.kind = FST_OPTIMIZER_MUON;
    options.muon_weight_decay = 0.1;
    run_all_tables(&options, 1, 2e-5);
    options.muon_scale = FST_MUON_SCALE_MATCH_RMS;
    options.muon_nesterov = 0;
    options.muon_iterations = 3;
    run_all_tables(&options, 1, 2e-5);
}
END_TEST

/* ---- promises ---- */

static void train(model *m, const fst_optimizer_options *options, int32_t workers, int64_t steps)
{
    fst__compute *compute = compute_open(workers);
    fst__optimizer *optimizer = optimizer_open(m, options);
    for (int64_t step = 0; step < steps; ++step) {
        fill_gradients(m, step);
        ck_assert_int_eq(fst__optimizer_step(optimizer, compute, NULL, NULL), FST_OK);
    }
    fst__optimizer_destroy(optimizer);
    compute_close(compute);
}

static void check_same(const model *a, const model *b)
{
    for (int i = 0; i < COUNT; ++i)
        ck_assert_msg(!memcmp(a->parameters[i].value, b->parameters[i].value,
                              (size_t)elements(i) * sizeof(fst__real)),
                      "%s differs", shapes[i].name);
}

START_TEST(test_same_bits_for_any_workers)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.kind = _i;
    options.momentum = 0.9;
    model one;
    model_init(&one);
    train(&one, &options, 1, 3);
    for (int32_t workers = 2; workers <= 4; ++workers) {
        model many;
        model_init(&many);
        train(&many, &options, workers, 3);
        check_same(&one, &many);
        model_free(&many);
    }
    model_free(&one);
}
END_TEST

/* Copies all state from one optimizer to another by its views, as a checkpoint does. */
static void copy_state(fst__optimizer *from, fst__optimizer *to)
{
    int64_t count = fst__optimizer_state_count(from);
    ck_assert_int_eq(count, fst__optimizer_state_count(to));
    for (int64_t i = 0; i < count; ++i) {
        const char *name, *name_to;
        fst_view view, view_to;
        fst__optimizer_state(from, i, &name, &view);
        fst__optimizer_state(to, i, &name_to, &view_to);
        ck_assert_str_eq(name, name_to);
        ck_assert_int_eq(view.rank, view_to.rank);
        size_t bytes = fst_dtype_size(view.dtype);
        for (int32_t d = 0; d < view.rank; ++d)
            bytes *= (size_t)view.shape[d];
        memcpy(view_to.data, view.data, bytes);
    }
}

START_TEST(test_state_resumes)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.kind = _i;
    options.momentum = 0.9;
    options.schedule = FST_SCHEDULE_COSINE;
    options.warmup_steps = 2;
    options.total_steps = 5;
    model whole, parts;
    model_init(&whole);
    model_init(&parts);
    train(&whole, &options, 2, 5);
    fst__compute *compute = compute_open(1);
    fst__optimizer *optimizer = optimizer_open(&parts, &options);
    for (int64_t step = 0; step < 5; ++step) {
        fst__optimizer *next = optimizer_open(&parts, &options);
        copy_state(optimizer, next);
        fst__optimizer_destroy(optimizer);
        optimizer = next;
        ck_assert_int_eq(fst__optimizer_steps(optimizer), step);
        fill_gradients(&parts, step);
        ck_assert_int_eq(fst__optimizer_step(optimizer, compute, NULL, NULL), FST_OK);
    }
    check_same(&whole, &parts);
    fst__optimizer_destroy(optimizer);
    compute_close(compute);
    model_free(&parts);
    model_free(&whole);
}
END_TEST

START_TEST(test_state_names)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.kind = FST_OPTIMIZER_MUON;
    model m;
    model_init(&m);
    fst__optimizer *optimizer = optimizer_open(&m, &options);
    static const char *const expected[] = {"step",
                                           "exp_avg.embedding",
                                           "exp_avg_sq.embedding",
                                           "momentum_buffer.layers.0.tall",
                                           "exp_avg.layers.0.norm",
                                           "exp_avg_sq.layers.0.norm",
                                           "momentum_buffer.layers.1.wide",
                                           "exp_avg.layers.1.bias",
                                           "exp_avg_sq.layers.1.bias"};
    ck_assert_int_eq(fst__optimizer_state_count(optimizer), 9);
    for (int64_t i = 0; i < 9; ++i) {
        const char *name;
        fst_view view;
        fst__optimizer_state(optimizer, i, &name, &view);
        ck_assert_str_eq(name, expected[i]);
        bool vector = strstr(expected[i], "norm") || strstr(expected[i], "bias");
        ck_assert_int_eq(view.rank, i == 0 ? 0 : vector ? 1 : 2);
    }
    fst__optimizer_destroy(optimizer);
    ck_assert_int_eq(allocator.live_bytes, 0);
    model_free(&m);
}
END_TEST

START_TEST(test_not_finite_changes_nothing)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    fst_optimizer_options options = fst__optimizer_defaults();
    options.clip_norm = 0; /* found without clipping too */
    model m, before;
    model_init(&m);
    model_init(&before);
    fst__compute *compute = compute_open(2);
    fst__optimizer *optimizer = optimizer_open(&m, &options);
    for (int i = 0; i < 3; ++i) {
        fill_gradients(&m, 0);
        m.parameters[4].gradient[700] = (fst__real)bad[i];
        ck_assert_int_eq(fst__optimizer_step(optimizer, compute, NULL, NULL), FST_ERR_NUMERIC);
        ck_assert_ptr_nonnull(strstr(fst_last_error(), "layers.1.wide"));
        check_same(&m, &before);
        ck_assert_int_eq(fst__optimizer_steps(optimizer), 0);
        ck_assert(m.parameters[0].gradient[5] == (fst__real)gradient_at(0, 5, 0));
    }
    fst__optimizer_destroy(optimizer);
    compute_close(compute);
    model_free(&before);
    model_free(&m);
}
END_TEST

/* The first pattern that matches decides; a factor of 0 leaves the weights as they are. */
START_TEST(test_groups)
{
    static const char *const patterns[] = {"layers.0.norm", "layers.?.*", "*"};
    static const double rates[] = {1, 0, 2};
    fst_optimizer_options options = fst__optimizer_defaults();
    options.weight_decay = 0;
    options.group_patterns = patterns;
    options.group_learning_rates = rates;
    options.group_count = 3;
    model m, plain_model, before;
    model_init(&m);
    model_init(&plain_model);
    model_init(&before);
    train(&m, &options, 2, 1);
    options.group_count = 0;
    train(&plain_model, &options, 2, 1);
    for (int i = 0; i < COUNT; ++i) {
        double expected[COUNT] = {2, 0, 1, 0, 0, 0};
        for (int64_t j = 0; j < elements(i); ++j) {
            double moved = (double)m.parameters[i].value[j] - (double)before.parameters[i].value[j];
            double once =
                (double)plain_model.parameters[i].value[j] - (double)before.parameters[i].value[j];
            ck_assert(fabs(moved - expected[i] * once) <= (expected[i] > 0 ? 1e-6 : 0));
        }
    }
    model_free(&before);
    model_free(&plain_model);
    model_free(&m);
}
END_TEST

START_TEST(test_rate_override)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.kind = FST_OPTIMIZER_MUON;
    options.schedule = FST_SCHEDULE_LINEAR;
    options.total_steps = 10;
    model m;
    model_init(&m);
    fst__compute *compute = compute_open(1);
    fst__optimizer *optimizer = optimizer_open(&m, &options);
    fst_optimizer_report report;
    fst__step_options step = {.gradient_scale = 1, .learning_rate = 5e-4};
    fill_gradients(&m, 0);
    ck_assert_int_eq(fst__optimizer_step(optimizer, compute, &step, &report), FST_OK);
    ck_assert_double_eq_tol(report.learning_rate, 5e-4, 1e-18);
    ck_assert_double_eq_tol(report.muon_learning_rate, 0.01, 1e-15);
    step.learning_rate = -1;
    fill_gradients(&m, 1);
    ck_assert_int_eq(fst__optimizer_step(optimizer, compute, &step, &report), FST_OK);
    ck_assert_double_eq_tol(report.learning_rate, 1e-3 * 0.9, 1e-18);
    ck_assert_double_eq_tol(report.muon_learning_rate, 0.02 * 0.9, 1e-15);
    fst__optimizer_destroy(optimizer);
    compute_close(compute);
    model_free(&m);
}
END_TEST

START_TEST(test_steady_step_allocates_nothing)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.kind = _i;
    model m;
    model_init(&m);
    fst__compute *compute = compute_open(2);
    fst__optimizer *optimizer = optimizer_open(&m, &options);
    int64_t before = 0;
    for (int64_t step = 0; step < 4; ++step) {
        fill_gradients(&m, step);
        ck_assert_int_eq(fst__optimizer_step(optimizer, compute, NULL, NULL), FST_OK);
        if (step == 0)
            before = allocator.allocations;
    }
    ck_assert_int_eq(allocator.allocations, before);
    fst__optimizer_destroy(optimizer);
    compute_close(compute);
    model_free(&m);
}
END_TEST

static void refused(fst_optimizer_options options, const char *word)
{
    model m;
    model_init(&m);
    fst__optimizer *optimizer = NULL;
    ck_assert_int_eq(fst__optimizer_create(&allocator, m.parameters, COUNT, &options, &optimizer),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_msg(strstr(fst_last_error(), word), "\"%s\" lacks %s", fst_last_error(), word);
    ck_assert_ptr_null(optimizer);
    ck_assert_int_eq(allocator.live_bytes, 0);
    model_free(&m);
}

START_TEST(test_refusals)
{
    fst_optimizer_options o = fst__optimizer_defaults();
#define REFUSED(field, bad, word)                                                                  \
    do {                                                                                           \
        fst_optimizer_options changed = o;                                                         \
        changed.field = (bad);                                                                     \
        refused(changed, word);                                                                    \
    } while (0)
    REFUSED(kind, 9, "kind");
    REFUSED(schedule, -1, "schedule");
    REFUSED(learning_rate, NAN, "learning_rate");
    REFUSED(learning_rate, -1, "learning_rate");
    REFUSED(beta1, 1, "beta1");
    REFUSED(beta2, NAN, "beta2");
    REFUSED(epsilon, INFINITY, "epsilon");
    REFUSED(weight_decay, -0.1, "weight_decay");
    REFUSED(clip_norm, -1, "clip_norm");
    REFUSED(momentum, 1.5, "momentum");
    REFUSED(nesterov, 1, "nesterov");
    REFUSED(nesterov, 2, "nesterov");
    REFUSED(muon_iterations, 0, "muon_iterations");
    REFUSED(muon_scale, 7, "muon_scale");
    REFUSED(schedule, FST_SCHEDULE_COSINE, "total_steps");
    REFUSED(minimum_ratio, 1.5, "minimum_ratio");
    REFUSED(warmup_steps, -1, "warmup_steps");
    REFUSED(group_count, 1, "group_patterns");
#undef REFUSED
}
END_TEST

/* Out of memory at every single allocation: an error, and nothing held. */
static int64_t allocations_left;

static void *failing_allocate(size_t size, void *user)
{
    return allocations_left-- > 0 ? malloc(size) : NULL;
}

static void failing_release(void *block, void *user)
{
    free(block);
}

START_TEST(test_out_of_memory)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.kind = FST_OPTIMIZER_MUON;
    model m;
    model_init(&m);
    fst__allocator failing = {.allocate = failing_allocate, .release = failing_release};
    fst_status status = FST_ERR_NO_MEMORY;
    int64_t limit = 0;
    for (; status; ++limit) {
        fst__optimizer *optimizer = NULL;
        allocations_left = limit;
        status = fst__optimizer_create(&failing, m.parameters, COUNT, &options, &optimizer);
        ck_assert(status == FST_OK || status == FST_ERR_NO_MEMORY);
        fst__optimizer_destroy(optimizer);
        ck_assert_int_eq(failing.live_bytes, 0);
    }
    ck_assert_int_gt(limit, 10);
    model_free(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optim");
    TCase *test = tcase_create("optim");
    tcase_set_timeout(test, 60);
    tcase_add_test(test, test_adamw);
    tcase_add_test(test, test_sgd);
    tcase_add_test(test, test_lars);
    tcase_add_test(test, test_lars_zero);
    tcase_add_test(test, test_muon);
    tcase_add_loop_test(test, test_same_bits_for_any_workers, 0, 3);
    tcase_add_loop_test(test, test_state_resumes, 0, 3);
    tcase_add_test(test, test_state_names);
    tcase_add_test(test, test_not_finite_changes_nothing);
    tcase_add_test(test, test_groups);
    tcase_add_test(test, test_rate_override);
    tcase_add_loop_test(test, test_steady_step_allocates_nothing, 0, 3);
    tcase_add_test(test, test_refusals);
    tcase_add_test(test, test_out_of_memory);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
