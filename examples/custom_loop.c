/*
 * A training loop of one's own, from the parts that a run is made of: forward, loss, backward,
 * optimizer step. Learns to continue the text of one file, character by character.
 *
 *     custom_loop FILE [STEPS]
 *
 * Build it alone with: cc custom_loop.c $(pkg-config --cflags --libs fourstage)
 */
#include "fourstage/context.h"
#include "fourstage/dataset.h"
#include "fourstage/model.h"
#include "fourstage/optimizer.h"
#include "fourstage/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 8, LENGTH = 64 };

static void check(fst_status status)
{
    if (status == FST_OK)
        return;
    fprintf(stderr, "%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

static fst_dataset *read_text(fst_context *context, const char *path, int32_t *vocabulary)
{
    fst_tokenizer_train_options characters;
    fst_tokenizer *tokenizer;
    check(fst_tokenizer_train_options_init(&characters, sizeof characters));
    characters.kind = FST_TOKENIZER_CHARACTER;
    check(fst_tokenizer_train_files(context, &path, 1, &characters, &tokenizer));
    check(fst_tokenizer_vocabulary_size(tokenizer, vocabulary));

    fst_pack_options rows;
    fst_dataset *text, *packed;
    check(fst_dataset_from_text_files(context, tokenizer, &path, 1, NULL, &text));
    check(fst_pack_options_init(&rows, sizeof rows));
    rows.length = LENGTH;
    check(fst_dataset_pack(text, &rows, &packed));
    fst_dataset_destroy(text);
    fst_tokenizer_destroy(tokenizer);
    return packed;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "custom_loop FILE [STEPS]\n");
        return 2;
    }
    int64_t steps = argc > 2 ? atoll(argv[2]) : 200;

    fst_context *context;
    check(fst_context_create(NULL, &context));

    fst_model_config config; /* GPT-2's architecture, small */
    check(fst_model_config_init(&config, sizeof config));
    fst_dataset *data = read_text(context, argv[1], &config.vocabulary_size);
    config.layers = 2;
    config.heads = 4;
    config.width = 128;
    config.context_length = LENGTH;
    fst_model *model;
    check(fst_model_create(context, &config, NULL, &model));

    fst_optimizer *optimizer; /* AdamW at 1e-3 */
    check(fst_optimizer_create(model, NULL, &optimizer));

    static int32_t ids[ROWS * LENGTH], targets[ROWS * LENGTH];
    fst_batch batch;
    check(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    fst_forward_options forward;
    check(fst_forward_options_init(&forward, sizeof forward));

    for (int64_t step = 0; step < steps; ++step) {
        fst_loss loss;
        fst_optimizer_report report;
        check(fst_dataset_read(data, step * ROWS, ROWS, 1, ids, targets, NULL, NULL));
        forward.step = step; /* numbers the dropout's draws, if there is dropout */
        check(fst_model_forward(model, &batch, &forward));
        check(fst_model_loss(model, NULL, &loss, sizeof loss));
        check(fst_model_backward(model, NULL, NULL));
        check(fst_optimizer_step(optimizer, &report, sizeof report));
        if (step % 20 == 0 || step == steps - 1)
            printf("step %4lld  loss %.4f  gradient %.3f\n", (long long)step,
                   loss.loss / (double)loss.tokens, report.gradient_norm);
    }

    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    fst_dataset_destroy(data);
    fst_context_destroy(context);
    return 0;
}
