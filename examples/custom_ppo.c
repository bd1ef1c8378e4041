/* Proximal policy optimization by hand, from the parts that the run of fst_rl_create is made of:
 * sample, score, advantages, update. A model that begins with random weights learns to go on with
 * the alphabet from any letter; what is rewarded is the one function `score`.
 * Alone: cc custom_ppo.c $(pkg-config --cflags --libs fourstage) && ./a.out [ITERATIONS] */
#include "fourstage/fourstage.h"
#include <stdio.h>
#include <stdlib.h>

enum { LETTERS = 26, ROWS = 64, ANSWER = 8, SIZE = ROWS * ANSWER, EPOCHS = 4, PART = SIZE / 4 };

/* [ROWS, ANSWER]: position t is what was seen before token t of the answer, its target. */
static int32_t ids[SIZE], targets[SIZE];
static int64_t lengths[ROWS];
static uint8_t mask[SIZE];
static float weights[SIZE], old[SIZE], reference[SIZE], values[SIZE], kl[SIZE];
static float rewards[SIZE], advantages[SIZE], returns[SIZE];

static void check(fst_status status)
{
    if (status == FST_OK)
        return;
    fprintf(stderr, "%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

/* The share of the answer's places that hold the letter after the one before. */
static float score(int32_t prompt, const int32_t *answer, int64_t length)
{
    float sum = 0;
    for (int64_t t = 0; t < length; ++t)
        sum += answer[t] == ((t ? answer[t - 1] : prompt) + 1) % LETTERS;
    return sum / ANSWER;
}

static double sample(fst_policy *policy, int iteration)
{
    int32_t letters[ROWS];
    const int32_t *prompts[ROWS];
    int64_t ones[ROWS];
    double sum = 0;
    fst_sampling_options sampling = {.struct_size = sizeof sampling, .max_new_tokens = ANSWER,
                                     .seed = iteration, .temperature = 1, .top_p = 1,
                                     .repetition_penalty = 1};
    for (int i = 0; i < ROWS; ++i)
        letters[i] = (iteration * ROWS + i) % LETTERS, prompts[i] = &letters[i], ones[i] = 1;
    check(fst_policy_generate(policy, prompts, ones, ROWS, &sampling, NULL, NULL));
    for (int i = 0; i < SIZE; ++i) {
        int64_t t = i % ANSWER, row = i / ANSWER;
        fst_generation answer = {.struct_size = sizeof answer};
        check(fst_policy_get_result(policy, row, &answer, sizeof answer));
        lengths[row] = answer.count;
        mask[i] = t < answer.count;
        weights[i] = mask[i] ? 1.0f / PART : 0;
        targets[i] = mask[i] ? answer.ids[t] : FST_IGNORE;
        ids[i] = t == 0 ? letters[row] : mask[i] ? answer.ids[t - 1] : 0;
        rewards[i] = t == answer.count - 1 ? score(letters[row], answer.ids, answer.count) : 0;
        sum += rewards[i];
    }
    return sum / ROWS;
}

/* The same bits in either mode, so that the first ratios are exactly 1. */
static void forward(fst_model *model, int at, int32_t mode, fst_view *log_probs, fst_view *value)
{
    fst_batch batch = {.struct_size = sizeof batch, .rows = PART / ANSWER, .length = ANSWER,
                       .ids = ids + at, .targets = targets + at};
    fst_forward_options options = {.struct_size = sizeof options, .mode = mode, .temperature = 1};
    check(fst_model_forward(model, &batch, &options));
    check(fst_model_output(model, "log_probabilities", log_probs));
    check(fst_model_output(model, "value", value));
}

static void look(fst_model *model, float *log_probs, float *value)
{
    fst_view p, v;
    for (int i = 0; i < SIZE; ++i) {
        if (i % PART == 0)
            forward(model, i, FST_FORWARD_EVALUATE, &p, &v);
        log_probs[i] = ((float *)p.data)[i % PART];
        value[i] = ((float *)v.data)[i % PART];
    }
}

/* The score on the last token, less the KL to the reference on each; from that the advantages. */
static double judge(fst_model *model, fst_model *frozen)
{
    fst_trajectories t = {.struct_size = sizeof t, .trajectories = ROWS, .steps = ANSWER,
                          .lengths = lengths};
    double sum;
    look(frozen, reference, values);
    look(model, old, values);
    check(fst_loss_kl(FST_KL_K1, old, reference, weights, SIZE, kl, NULL, &sum));
    for (int i = 0; i < SIZE; ++i)
        rewards[i] -= 0.005f * kl[i];
    check(fst_advantages_gae(NULL, &t, rewards, values, NULL, NULL, NULL, NULL, advantages, returns));
    check(fst_advantages_whiten(advantages, mask, SIZE, 1));
    return sum * PART / ROWS; /* of an answer, in nats */
}

static double update(fst_model *model, fst_optimizer *optimizer, int at)
{
    static float dp[PART], dv[PART];
    fst_view p, v;
    fst_policy_loss loss;
    fst_value_loss fit;
    forward(model, at, FST_FORWARD_TRAIN, &p, &v);
    check(fst_loss_policy(NULL, p.data, old + at, advantages + at, weights + at, PART,
                          dp, &loss, sizeof loss));
    check(fst_loss_value(0.2, v.data, values + at, returns + at, weights + at, PART, dv,
                         &fit, sizeof fit));
    p.data = dp, v.data = dv; /* gradients have their outputs' shapes */
    check(fst_model_add_gradient(model, "log_probabilities", &p));
    check(fst_model_add_gradient(model, "value", &v));
    check(fst_model_backward(model, NULL, NULL));
    check(fst_optimizer_step(optimizer, NULL, 0));
    return loss.ratio_max;
}

int main(int argc, char **argv)
{
    fst_context *context;
    fst_model *model, *frozen;
    fst_model_config config; /* GPT-2's architecture, small */
    fst_head_options head = {.struct_size = sizeof head, .name = "value", .kind = FST_HEAD_TOKEN,
                             .outputs = 1, .bias = 1}; /* begins as zeros */
    fst_optimizer *optimizer; /* AdamW at 1e-3 */
    fst_policy *policy;
    check(fst_context_create(NULL, &context));
    check(fst_model_config_init(&config, sizeof config));
    config.vocabulary_size = LETTERS + 1;
    config.eos_id = LETTERS;
    check(fst_model_create(context, &config, NULL, &model));
    check(fst_model_add_head(model, &head));
    check(fst_model_copy(model, NULL, &frozen));
    check(fst_optimizer_create(model, NULL, &optimizer));
    check(fst_policy_create(model, NULL, &policy));
    for (int i = 0, count = argc > 1 ? atoi(argv[1]) : 80; i < count; ++i) {
        double mean = sample(policy, i), distance = judge(model, frozen);
        double first = update(model, optimizer, 0); /* its largest ratio */
        for (int at = PART; at < EPOCHS * SIZE; at += PART)
            update(model, optimizer, at % SIZE);
        printf("iteration %3d  score %.3f  kl %5.2f  first ratio %.9g\n", i, mean, distance, first);
    }
    fst_policy_destroy(policy);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(frozen);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
