/* Writes a tokenizer.json as `tokenizers` does, and what transformers wants beside it. */
#include "base/error.h"
#include "formats/file.h"
#include "formats/json.h"
#include "tokenizer/internal.h"

#include <stdlib.h>

static void write_spelling(const fst_tokenizer *tokenizer, int32_t id, fst__text *out)
{
    fst__json_append_string(out, fst__token_spelling(&tokenizer->vocabulary, id),
                            tokenizer->vocabulary.tokens[id].spelling_length);
}

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

static int by_id(const void *left, const void *right)
{
    const fst__added *a = left, *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* In the order of their ids, as `tokenizers` demands. */
static fst_status write_added(const fst_tokenizer *tokenizer, fst__text *out)
{
    fst__added *sorted = fst__alloc_array(tokenizer->allocator, tokenizer->added_count, sizeof *sorted);
    if (!sorted)
        return FST_ERR_NO_MEMORY;
    if (tokenizer->added_count) {
        memcpy(sorted, tokenizer->added, tokenizer->added_count * sizeof *sorted);
        qsort(sorted, tokenizer->added_count, sizeof *sorted, by_id);
    }
    fst__text_append_string(out, "  \"added_tokens\": [");
    for (size_t i = 0; i < tokenizer->added_count; ++i) {
        const fst__added *added = &sorted[i];
        fst__text_printf(out, "%s\n    {\"id\": %d, \"content\": ", i ? "," : "", added->id);
        write_spelling(tokenizer, added->id, out);
        fst__text_printf(out,
                         ", \"single_word\": %s, \"lstrip\": %s, \"rstrip\": %s, \"normalized\": %s, "
                         "\"special\": %s}",
                         boolean(added->single_word), boolean(added->strip_left), boolean(added->strip_right),
                         boolean(added->normalized), boolean(added->special));
    }
    fst__text_append_string(out, tokenizer->added_count ? "\n  ],\n" : "],\n");
    fst__free(tokenizer->allocator, sorted);
    return FST_OK;
}

static void write_vocabulary(const fst_tokenizer *tokenizer, fst__text *out)
{
    const char *separator = "\n";
    fst__text_append_string(out, "    \"vocab\": {");
    for (int32_t id = 0; id < tokenizer->vocabulary.count; ++id) {
        if (!(tokenizer->vocabulary.tokens[id].flags & FST__TOKEN_MODEL))
            continue;
        fst__text_append_string(out, separator);
        fst__text_append_string(out, "      ");
        write_spelling(tokenizer, id, out);
        fst__text_printf(out, ": %d", id);
        separator = ",\n";
    }
    fst__text_append_string(out, "\n    }");
}

static void write_merges(const fst_tokenizer *tokenizer, fst__text *out)
{
    fst__text_append_string(out, ",\n    \"merges\": [");
    for (size_t i = 0; i < tokenizer->bpe.count; ++i) {
        fst__text_append_string(out, i ? ",\n      [" : "\n      [");
        write_spelling(tokenizer, tokenizer->bpe.ordered[i].left, out);
        fst__text_append_string(out, ", ");
        write_spelling(tokenizer, tokenizer->bpe.ordered[i].right, out);
        fst__text_append_string(out, "]");
    }
    fst__text_append_string(out, "\n    ]");
}

static void write_model(const fst_tokenizer *tokenizer, fst__text *out)
{
    static const char *const names[] = {
        [FST__MODEL_BPE] = "BPE", [FST__MODEL_WORD_LEVEL] = "WordLevel", [FST__MODEL_WORDPIECE] = "WordPiece"};
    bool bpe = tokenizer->model == FST__MODEL_BPE;
    fst__text_printf(out, "  \"model\": {\n    \"type\": \"%s\",\n", names[tokenizer->model]);
    if (bpe)
        fst__text_append_string(out, "    \"dropout\": null,\n");
    fst__text_append_string(out, "    \"unk_token\": ");
    if (tokenizer->unknown_token)
        fst__json_append_string(out, tokenizer->unknown_token, strlen(tokenizer->unknown_token));
    else
        fst__text_append_string(out, "null");
    fst__text_append_string(out, ",\n");
    if (bpe)
        fst__text_printf(out,
                         "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n"
                         "    \"fuse_unk\": false,\n    \"byte_fallback\": false,\n    \"ignore_merges\": %s,\n",
                         boolean(tokenizer->bpe.ignore_merges));
    if (tokenizer->model == FST__MODEL_WORDPIECE) {
        fst__text_append_string(out, "    \"continuing_subword_prefix\": ");
        fst__json_append_string(out, tokenizer->wordpiece.prefix, tokenizer->wordpiece.prefix_length);
        fst__text_printf(out, ",\n    \"max_input_chars_per_word\": %zu,\n", tokenizer->wordpiece.most_characters);
    }
    write_vocabulary(tokenizer, out);
    if (bpe)
        write_merges(tokenizer, out);
    fst__text_append_string(out, "\n  }\n");
}

static fst_status write_json(const fst_tokenizer *tokenizer, fst__text *out)
{
    static const char *const names[FST__PARTS] = {"truncation",    "padding",        "normalizer",
                                                  "pre_tokenizer", "post_processor", "decoder"};
    fst__text_append_string(out, "{\n  \"version\": \"1.0\",\n");
    for (int part = 0; part < FST__PARTS; ++part) {
        if (part == FST__PART_NORMALIZER && write_added(tokenizer, out))
            return FST_ERR_NO_MEMORY;
        fst__text_printf(out, "  \"%s\": ", names[part]);
        fst__text_append_string(out, tokenizer->parts[part]);
        fst__text_append_string(out, ",\n");
    }
    write_model(tokenizer, out);
    fst__text_append_string(out, "}\n");
    return out->failed ? FST_ERR_NO_MEMORY : FST_OK;
}

static fst_status write_config(const fst_tokenizer *tokenizer, fst__text *out)
{
    static const struct {
        const char *member;
        int32_t role;
    } members[] = {{"bos_token", FST_TOKEN_BOS},     {"eos_token", FST_TOKEN_EOS},   {"pad_token", FST_TOKEN_PAD},
                   {"unk_token", FST_TOKEN_UNKNOWN}, {"mask_token", FST_TOKEN_MASK}, {"cls_token", FST_TOKEN_BOS},
                   {"sep_token", FST_TOKEN_EOS}};
    const size_t encoder_only = 5; /* from here on: of tokenizers with a mask */
    bool wordpiece = tokenizer->model == FST__MODEL_WORDPIECE, masks = tokenizer->roles[FST_TOKEN_MASK] >= 0;
    fst__text_append_string(out, "{\n");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; ++i) {
        int32_t id = tokenizer->roles[members[i].role];
        if (id < 0 || (i >= encoder_only && !masks && !wordpiece) || (i < 2 && wordpiece))
            continue;
        fst__text_printf(out, "  \"%s\": ", members[i].member);
        write_spelling(tokenizer, id, out);
        fst__text_append_string(out, ",\n");
    }
    fst__text_append_string(out, "  \"tokenizer_class\": \"PreTrainedTokenizerFast\"\n}\n");
    return out->failed ? FST_ERR_NO_MEMORY : FST_OK;
}

static fst_status save_one(const fst_tokenizer *tokenizer, const char *path,
                           fst_status (*write)(const fst_tokenizer *, fst__text *))
{
    fst__text text = fst__text_create(tokenizer->allocator);
    fst_status status = write(tokenizer, &text);
    if (!status)
        status = fst__file_write(tokenizer->allocator, path, text.data, text.length);
    fst__text_destroy(&text);
    return status;
}

fst_status fst__tokenizer_save(const fst_tokenizer *tokenizer, const char *path)
{
    if (!fst__file_is_directory(path))
        return save_one(tokenizer, path, write_json);
    char *file = fst__path_join(tokenizer->allocator, path, "tokenizer.json");
    char *config = fst__path_join(tokenizer->allocator, path, "tokenizer_config.json");
    fst_status status = file && config ? save_one(tokenizer, file, write_json) : FST_ERR_NO_MEMORY;
    if (!status)
        status = save_one(tokenizer, config, write_config);
    fst__free(tokenizer->allocator, config);
    fst__free(tokenizer->allocator, file);
    return status;
}
