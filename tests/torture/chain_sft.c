/* Finetuning, of a head and on conversations: stepped, evaluated, saved, resumed, asked. */
#include "chains.h"

#include "fourstage/examples.h"
#include "fourstage/metrics.h"
#include "fourstage/model.h"
#include "fourstage/sft.h"
#include "fourstage/tokenizer.h"
#include "fourstage/words.h"

#include <math.h>
#include <stdio.h>

enum { EXAMPLES = 4, OUTPUTS = 2 };

#define TRY(call)                       \
    do {                                \
        status = (call);                \
        if (status != FST_OK)           \
            goto done;                  \
    } while (0)

static const char *const texts[] = {"很好", "not good at all", "so good", "太差了，再也不来",
                                    "good", "very good indeed", "bad", "床前明月光"};

static fst_status make_tokenizer(fst_context *context, fst_tokenizer **tokenizer)
{
    static const char *const special[] = {"<|endoftext|>"};
    fst_tokenizer_train_options train;
    fst_status status;
    TRY(fst_tokenizer_train_options_init(&train, sizeof train));
    train.vocabulary_size = 300;
    train.special_tokens = special;
    train.special_token_count = 1;
    TRY(fst_tokenizer_train_texts(context, texts, NULL, 8, &train, tokenizer));
    TRY(fst_tokenizer_set_special_id(*tokenizer, FST_TOKEN_EOS, 0));
done:
    return status;
}

static fst_status make_model(fst_context *context, fst_model **model)
{
    fst_model_config config;
    fst_head_options head;
    fst_status status;
    TRY(fst_model_config_init(&config, sizeof config));
    config.vocabulary_size = 300;
    config.context_length = 64;
    config.layers = 2;
    config.width = 32;
    config.heads = 4;
    config.dropout = 0.1;
    TRY(fst_model_create(context, &config, NULL, model));
    TRY(fst_head_options_init(&head, sizeof head));
    head.name = "sentiment";
    head.outputs = OUTPUTS;
    TRY(fst_model_add_head(*model, &head));
    head.name = "tags";
    head.kind = FST_HEAD_TOKEN;
    TRY(fst_model_add_head(*model, &head));
done:
    return status;
}

/* Steps, stops inside one, goes on in another run. */
static fst_status run_both(const fst_sft_options *options, const char *path)
{
    fst_run *run = NULL, *resumed = NULL;
    fst_status status;
    int32_t updated;
    double loss;
    TRY(fst_sft_create(options, &run));
    TRY(fst_run_step(run, NULL, 0));
    TRY(fst_run_advance(run, &updated));
    TRY(fst_run_save(run, path));
    fst_run_destroy(run);
    run = NULL;
    TRY(fst_sft_create(options, &resumed));
    TRY(fst_run_resume(resumed, path));
    TRY(fst_run_until(resumed, 0));
    TRY(fst_run_metric(resumed, "validation_loss", &loss));
    if (!isfinite(loss))
        status = FST_ERR_INTERNAL;
    int64_t counts[OUTPUTS * OUTPUTS], count;
    fst_class_metrics metrics;
    if (!status && options->head) {
        TRY(fst_sft_confusion(resumed, counts, OUTPUTS * OUTPUTS, &count));
        TRY(fst_metrics_classes(counts, OUTPUTS, NULL, NULL, NULL, &metrics, sizeof metrics));
    }
done:
    fst_run_destroy(run);
    fst_run_destroy(resumed);
    return status;
}

static fst_status ask(fst_context *context, fst_model *model, const fst_dataset *dataset)
{
    float outputs[EXAMPLES * OUTPUTS];
    int64_t count;
    double pearson, spearman;
    fst_regression_metrics metrics;
    fst_status status;
    TRY(fst_sft_predict(model, "sentiment", dataset, 3, outputs, EXAMPLES * OUTPUTS, &count));
    TRY(fst_metrics_correlation(context, outputs, outputs, count, &pearson, &spearman));
    TRY(fst_metrics_regression(context, outputs, outputs, count, &metrics, sizeof metrics));
    if (!(spearman > 0.99) || metrics.rmse != 0)
        status = FST_ERR_INTERNAL;
done:
    return status;
}

/* Words with tags, one sentence of them in windows; their entities, and a class for each. */
static fst_status run_tags(fst_context *context, const fst_tokenizer *tokenizer, fst_sft_options *sft,
                           const char *path)
{
    static const char *const tags[] = {"O", "B-X", "O", "B-X", "B-X", "O", "O", "B-X"};
    static const int64_t offsets[] = {0, 3, 8};
    fst_dataset *dataset = NULL;
    fst_entities *entities = NULL;
    fst_word_options how;
    fst_words_info info;
    fst_entity_metrics metrics;
    fst_status status;
    int32_t told[8];
    int64_t count;
    const int64_t ends[] = {0, 8};
    TRY(fst_word_options_init(&how, sizeof how));
    how.max_length = 40;
    how.too_long = FST_TOO_LONG_WINDOWS;
    TRY(fst_dataset_from_words(context, tokenizer, texts, tags, offsets, 2, &how, &dataset));
    TRY(fst_dataset_get_words_info(dataset, &info, sizeof info));
    sft->train = sft->validation = dataset;
    sft->head = "tags";
    TRY(run_both(sft, path));
    TRY(fst_sft_tag(sft->model, "tags", dataset, 2, told, 8, &count));
    TRY(fst_entities_create(context, tags, 2, 1, FST_TAGS_AUTO, &entities));
    TRY(fst_entities_add(entities, told, told, ends, 1));
    TRY(fst_entities_get_metrics(entities, &metrics, sizeof metrics));
    if (metrics.sequences != 1 || metrics.right != metrics.predicted || info.words != count)
        status = FST_ERR_INTERNAL;
done:
    fst_entities_destroy(entities);
    fst_dataset_destroy(dataset);
    return status;
}

fst_status chain_sft(const fst_context_options *options, const char *folder)
{
    static const float labels[EXAMPLES] = {1, 0, 1, 0};
    static const char *const roles[] = {"user", "assistant", "user", "assistant",
                                        "user", "assistant", "user", "assistant"};
    static const int64_t offsets[EXAMPLES + 1] = {0, 2, 4, 6, 8};
    fst_context *context = NULL;
    fst_tokenizer *tokenizer = NULL;
    fst_model *model = NULL;
    fst_dataset *labelled = NULL, *talks = NULL, *packed = NULL;
    fst_status status;
    char path[512];
    snprintf(path, sizeof path, "%s/sft.safetensors", folder);
    TRY(fst_context_create(options, &context));
    TRY(make_tokenizer(context, &tokenizer));
    TRY(make_model(context, &model));
    fst_example_options how;
    TRY(fst_example_options_init(&how, sizeof how));
    how.label_count = 1;
    TRY(fst_dataset_from_labelled(context, tokenizer, texts, NULL, labels, EXAMPLES, &how,
                                  &labelled));
    TRY(fst_dataset_from_conversations(context, tokenizer, roles, texts, offsets, EXAMPLES, NULL,
                                       &talks));
    fst_pack_options pack;
    TRY(fst_pack_options_init(&pack, sizeof pack));
    pack.length = 64;
    pack.mode = FST_PACK_BEST_FIT;
    pack.cross_documents = 0;
    TRY(fst_dataset_pack(talks, &pack, &packed));
    fst_run_options run;
    TRY(fst_run_options_init(&run, sizeof run));
    run.total_steps = 3;
    run.evaluate_every = 2;
    fst_sft_options sft;
    TRY(fst_sft_options_init(&sft, sizeof sft));
    sft.model = model;
    sft.run = &run;
    sft.rows = 2;
    sft.accumulation = 2;
    sft.train = sft.validation = packed;
    TRY(run_both(&sft, path));
    sft.train = sft.validation = labelled;
    sft.head = "sentiment";
    TRY(run_both(&sft, path));
    TRY(ask(context, model, labelled));
    TRY(run_tags(context, tokenizer, &sft, path));
done:
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    fst_model_destroy(model);
    fst_dataset_destroy(packed);
    fst_dataset_destroy(talks);
    fst_dataset_destroy(labelled);
    return status;
}
