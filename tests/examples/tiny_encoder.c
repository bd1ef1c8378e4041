/*
 * Makes a directory with a tiny random BERT and a WordPiece tokenizer of the words in a file:
 *
 *     tiny_encoder FILE DIR
 */
#include <fourstage/fourstage.h>

#include <stdio.h>
#include <stdlib.h>

static void check(fst_status status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const char *paths[] = {argv[1]};
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_tokenizer_train_options how;
    fst_model_config config;
    fst_model *model;
    int32_t pad;
    check(fst_context_create(NULL, &context));
    check(fst_tokenizer_train_options_init(&how, sizeof how));
    how.kind = FST_TOKENIZER_WORDPIECE;
    how.vocabulary_size = 200;
    check(fst_tokenizer_train_files(context, paths, 1, &how, &tokenizer));
    check(fst_model_config_init(&config, sizeof config));
    check(fst_model_config_set_family(&config, FST_FAMILY_BERT));
    check(fst_tokenizer_vocabulary_size(tokenizer, &config.vocabulary_size));
    check(fst_tokenizer_special_id(tokenizer, FST_TOKEN_PAD, &pad));
    config.pad_id = pad;
    config.context_length = 64;
    config.layers = 2;
    config.width = 32;
    config.heads = 2;
    config.hidden_size = 64;
    config.init_std = 0.1; /* so narrow a model hardly learns from 0.02 */
    check(fst_model_create(context, &config, NULL, &model));
    check(fst_model_save(model, tokenizer, argv[2]));
    fst_model_destroy(model);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    return 0;
}
