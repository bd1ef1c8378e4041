/*
 * Compiles tokenizer.json's components. What is not done here is refused by its name: ids that are
 * a little wrong are worse than none.
 */
#include "base/error.h"
#include "formats/json.h"
#include "tokenizer/internal.h"

#include <utf8proc.h>

typedef struct parts_compiler {
    fst_tokenizer *tokenizer;
    const char *name; /* of the file */
    const char *part; /* e.g. "pre_tokenizer" */
    bool template_seen;
    bool bert_seen; /* BertNormalizer */
} parts_compiler;

/* Deeper sequences than any real file has; bounds the recursion. */
enum { MOST_NESTING = 8 };

static fst_status unknown(const parts_compiler *compiler, const char *type)
{
    return fst__fail(FST_ERR_UNSUPPORTED, "%s: %s: \"%.100s\" is not supported", compiler->name, compiler->part,
                     type);
}

/* Calls one() for the component or for each of a Sequence. `list` is the member of a Sequence. */
static fst_status each(parts_compiler *compiler, json_t *component, const char *list, int depth,
                       fst_status (*one)(struct parts_compiler *, json_t *, const char *type))
{
    const char *type;
    if (!component || json_is_null(component))
        return FST_OK;
    fst_status status = fst__json_get_string(component, "type", compiler->name, true, &type);
    if (status)
        return fst__fail_in(status, "%s", compiler->part);
    if (strcmp(type, "Sequence") != 0)
        return one(compiler, component, type);
    if (depth == MOST_NESTING)
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: %s: more than %d Sequences in one another", compiler->name,
                         compiler->part, MOST_NESTING);
    json_t *items = NULL;
    status = fst__json_get_array(component, list, compiler->name, true, &items);
    for (size_t i = 0; i < json_array_size(items) && !status; ++i)
        status = each(compiler, json_array_get(items, i), list, depth + 1, one);
    return status;
}

/* The tables of the normalizer and the pre-tokenizer, made by whichever comes first. */
static fst_status want_bert(parts_compiler *compiler)
{
    fst_tokenizer *tokenizer = compiler->tokenizer;
    if (!tokenizer->bert)
        tokenizer->bert = fst__alloc_zero(tokenizer->allocator, sizeof *tokenizer->bert);
    return tokenizer->bert ? FST_OK : FST_ERR_NO_MEMORY;
}

static fst_status compile_bert_normalizer(parts_compiler *compiler, json_t *component)
{
    fst__bert_options options = {.clean_text = true, .chinese_characters = true, .lowercase = true};
    if (compiler->bert_seen || compiler->tokenizer->normalization)
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: normalizer: \"BertNormalizer\" beside another is not supported",
                         compiler->name);
    compiler->bert_seen = true;
    json_t *strip = json_object_get(component, "strip_accents");
    fst_status status = fst__json_get_bool(component, "clean_text", compiler->name, false, &options.clean_text);
    if (!status)
        status = fst__json_get_bool(component, "handle_chinese_chars", compiler->name, false,
                                    &options.chinese_characters);
    if (!status)
        status = fst__json_get_bool(component, "lowercase", compiler->name, false, &options.lowercase);
    options.strip_accents = options.lowercase;
    if (!status && strip && !json_is_null(strip))
        status = fst__json_get_bool(component, "strip_accents", compiler->name, false, &options.strip_accents);
    if (status)
        return fst__fail_in(status, "normalizer: BertNormalizer");
    status = want_bert(compiler);
    if (!status) {
        compiler->tokenizer->bert->normalizes = true;
        compiler->tokenizer->bert->options = options;
    }
    return status;
}

static fst_status compile_normalizer(parts_compiler *compiler, json_t *component, const char *type)
{
    static const struct {
        const char *type;
        int options;
    } known[] = {
        {"NFC", UTF8PROC_STABLE | UTF8PROC_COMPOSE},
        {"NFD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE},
        {"NFKC", UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
        {"NFKD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT},
    };
    if (strcmp(type, "BertNormalizer") == 0)
        return compile_bert_normalizer(compiler, component);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i) {
        if (strcmp(type, known[i].type) != 0)
            continue;
        if (compiler->tokenizer->normalization || compiler->bert_seen)
            return fst__fail(FST_ERR_UNSUPPORTED, "%s: normalizer: more than one normal form", compiler->name);
        compiler->tokenizer->normalization = known[i].options;
        return FST_OK;
    }
    return unknown(compiler, type);
}

static fst_status add_step(parts_compiler *compiler, int kind, const char *pattern, size_t length, bool literal,
                           fst__step step)
{
    fst__pretokenizer *pretokenizer = &compiler->tokenizer->pretokenizer;
    if (pretokenizer->count == FST__MAX_STEPS)
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: pre_tokenizer: more than %d steps", compiler->name,
                         FST__MAX_STEPS);
    step.kind = kind;
    if (kind == FST__STEP_SPLIT) {
        fst_status status = fst__pattern_compile(compiler->tokenizer->allocator, pattern, length, literal, true,
                                                 &step.pattern);
        if (status)
            return fst__fail_in(status, "%s: pre_tokenizer", compiler->name);
    }
    pretokenizer->steps[pretokenizer->count++] = step;
    return FST_OK;
}

static fst_status compile_split(parts_compiler *compiler, json_t *component)
{
    json_t *pattern;
    const char *behavior, *text = NULL;
    bool invert = false;
    fst_status status = fst__json_get_object(component, "pattern", compiler->name, true, &pattern);
    if (!status)
        status = fst__json_get_string(component, "behavior", compiler->name, true, &behavior);
    if (!status)
        status = fst__json_get_bool(component, "invert", compiler->name, false, &invert);
    if (!status)
        status = fst__json_get_string(pattern, "Regex", compiler->name, false, &text);
    bool literal = !text;
    if (!status && !text)
        status = fst__json_get_string(pattern, "String", compiler->name, true, &text);
    if (status)
        return fst__fail_in(status, "pre_tokenizer: Split");
    fst__step step = {.keep_matches = true, .keep_gaps = true};
    if (strcmp(behavior, "Removed") == 0) {
        step.keep_matches = invert;
        step.keep_gaps = !invert;
    } else if (strcmp(behavior, "Isolated") != 0) {
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: pre_tokenizer: Split: behavior \"%.40s\" is not supported",
                         compiler->name, behavior);
    }
    return add_step(compiler, FST__STEP_SPLIT, text, strlen(text), literal, step);
}

static fst_status compile_byte_level(parts_compiler *compiler, json_t *component)
{
    bool prefix = true, use_regex = true;
    fst_status status = fst__json_get_bool(component, "add_prefix_space", compiler->name, false, &prefix);
    if (!status)
        status = fst__json_get_bool(component, "use_regex", compiler->name, false, &use_regex);
    if (status)
        return fst__fail_in(status, "pre_tokenizer: ByteLevel");
    compiler->tokenizer->pretokenizer.byte_level = true;
    if (prefix)
        status = add_step(compiler, FST__STEP_PREFIX_SPACE, NULL, 0, false, (fst__step){0});
    if (!status && use_regex)
        status = add_step(compiler, FST__STEP_SPLIT, FST__PATTERN_GPT2, strlen(FST__PATTERN_GPT2), false,
                          (fst__step){.keep_matches = true, .keep_gaps = true});
    return status;
}

static fst_status compile_pre_tokenizer(parts_compiler *compiler, json_t *component, const char *type)
{
    static const fst__step isolate = {.keep_matches = true, .keep_gaps = true};
    if (compiler->tokenizer->pretokenizer.byte_level)
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: pre_tokenizer: \"%.100s\" behind ByteLevel is not supported",
                         compiler->name, type);
    if (strcmp(type, "ByteLevel") == 0)
        return compile_byte_level(compiler, component);
    if (strcmp(type, "Split") == 0)
        return compile_split(compiler, component);
    if (strcmp(type, "BertPreTokenizer") == 0) {
        fst_status bert = want_bert(compiler);
        return bert ? bert : add_step(compiler, FST__STEP_BERT, NULL, 0, false, isolate);
    }
    if (strcmp(type, "Digits") != 0)
        return unknown(compiler, type);
    bool individual = false;
    fst_status status = fst__json_get_bool(component, "individual_digits", compiler->name, false, &individual);
    if (status)
        return fst__fail_in(status, "pre_tokenizer: Digits");
    const char *pattern = individual ? "\\p{N}" : "\\p{N}+";
    return add_step(compiler, FST__STEP_SPLIT, pattern, strlen(pattern), false, isolate);
}

static fst_status append_pair_item(parts_compiler *compiler, int32_t id, int32_t type)
{
    fst__pair_template *pair = &compiler->tokenizer->pair;
    fst__pair_item *items = fst__realloc_array(compiler->tokenizer->allocator, pair->items, pair->count + 1,
                                               sizeof *items);
    if (!items)
        return FST_ERR_NO_MEMORY;
    pair->items = items;
    items[pair->count++] = (fst__pair_item){id, type};
    return FST_OK;
}

static fst_status append_affix_id(parts_compiler *compiler, fst__affix *affix, int64_t id)
{
    fst__allocator *allocator = compiler->tokenizer->allocator;
    if (id > INT32_MAX || !fst__vocabulary_has(&compiler->tokenizer->vocabulary, (int32_t)id))
        return fst__fail(FST_ERR_FORMAT, "%s: post_processor: id %lld is no token", compiler->name, (long long)id);
    int32_t *ids = fst__realloc_array(allocator, affix->ids, affix->count + 1, sizeof *ids);
    if (!ids)
        return FST_ERR_NO_MEMORY;
    affix->ids = ids;
    ids[affix->count++] = (int32_t)id;
    return FST_OK;
}

/* special_tokens: {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}} */
static fst_status append_template_token(parts_compiler *compiler, fst__affix *affix, json_t *item, json_t *specials)
{
    const char *id;
    json_t *special, *ids = NULL;
    fst_status status = fst__json_get_string(item, "id", compiler->name, true, &id);
    if (status)
        return status;
    special = json_object_get(specials, id);
    if (!special)
        return fst__fail(FST_ERR_FORMAT, "%s: post_processor: the template's token \"%.100s\" is not defined",
                         compiler->name, id);
    status = fst__json_get_array(special, "ids", compiler->name, true, &ids);
    for (size_t i = 0; i < json_array_size(ids) && !status; ++i) {
        json_t *value = json_array_get(ids, i);
        status = json_is_integer(value)
                     ? append_affix_id(compiler, affix, json_integer_value(value))
                     : fst__fail(FST_ERR_FORMAT, "%s: post_processor: \"ids\" holds no integer", compiler->name);
    }
    return status;
}

static fst_status compile_pair_item(parts_compiler *compiler, json_t *item, json_t *specials)
{
    json_t *special = json_object_get(item, "SpecialToken"), *sequence = json_object_get(item, "Sequence");
    const char *id;
    int64_t type = 0;
    fst__affix ids = {0};
    fst_status status = fst__json_get_int(special ? special : sequence, "type_id", compiler->name, false, &type, 0,
                                          INT32_MAX);
    if (!status && !special)
        status = fst__json_get_string(sequence, "id", compiler->name, true, &id);
    if (status)
        return fst__fail_in(status, "post_processor: \"pair\"");
    if (!special)
        return append_pair_item(compiler, strcmp(id, "B") == 0 ? FST__PAIR_SECOND : FST__PAIR_FIRST, (int32_t)type);
    status = append_template_token(compiler, &ids, special, specials);
    for (size_t i = 0; i < ids.count && !status; ++i)
        status = append_pair_item(compiler, ids.ids[i], (int32_t)type);
    fst__free(compiler->tokenizer->allocator, ids.ids);
    return status;
}

/* "pair": as "single", for two texts, which are the sequences A and B. An empty one, as files have that
 * were made for single texts, leaves pairs without a template. */
static fst_status compile_pair(parts_compiler *compiler, json_t *component, json_t *specials)
{
    json_t *pair = NULL;
    fst_status status = fst__json_get_array(component, "pair", compiler->name, false, &pair);
    for (size_t i = 0; i < json_array_size(pair) && !status; ++i) {
        json_t *item = json_array_get(pair, i);
        if (!json_is_object(json_object_get(item, "SpecialToken")) && !json_is_object(json_object_get(item, "Sequence")))
            status = fst__fail(FST_ERR_FORMAT, "%s: post_processor: \"pair\" must hold Sequences and SpecialTokens",
                               compiler->name);
        else
            status = compile_pair_item(compiler, item, specials);
    }
    return status;
}

static fst_status compile_template(parts_compiler *compiler, json_t *component)
{
    json_t *single = NULL, *specials = NULL;
    fst_tokenizer *tokenizer = compiler->tokenizer;
    fst_status status = fst__json_get_array(component, "single", compiler->name, true, &single);
    if (!status)
        status = fst__json_get_object(component, "special_tokens", compiler->name, false, &specials);
    bool sequence_seen = false;
    for (size_t i = 0; i < json_array_size(single) && !status; ++i) {
        json_t *item = json_array_get(single, i), *special = json_object_get(item, "SpecialToken");
        if (special) {
            status = append_template_token(compiler, sequence_seen ? &tokenizer->suffix : &tokenizer->prefix,
                                           special, specials);
        } else if (!json_object_get(item, "Sequence") || sequence_seen) {
            status = fst__fail(FST_ERR_FORMAT,
                               "%s: post_processor: \"single\" must hold one Sequence and SpecialTokens",
                               compiler->name);
        } else {
            sequence_seen = true;
        }
    }
    if (!status && !sequence_seen)
        status = fst__fail(FST_ERR_FORMAT, "%s: post_processor: \"single\" has no Sequence", compiler->name);
    return status ? status : compile_pair(compiler, component, specials);
}

/* RobertaProcessing and BertProcessing: "sep": ["</s>", 2], "cls": ["<s>", 0]. */
static fst_status compile_bert(parts_compiler *compiler, json_t *component, bool roberta)
{
    static const char *const members[] = {"cls", "sep"};
    fst_tokenizer *tokenizer = compiler->tokenizer;
    fst_status status = FST_OK;
    for (int i = 0; i < 2 && !status; ++i) {
        json_t *pair;
        status = fst__json_get_array(component, members[i], compiler->name, true, &pair);
        if (!status && !json_is_integer(json_array_get(pair, 1)))
            status = fst__fail(FST_ERR_FORMAT, "%s: post_processor: \"%s\" is not [token, id]", compiler->name,
                               members[i]);
        if (!status)
            status = append_affix_id(compiler, i ? &tokenizer->suffix : &tokenizer->prefix,
                                     json_integer_value(json_array_get(pair, 1)));
    }
    if (status)
        return status;
    /* cls first sep second sep; RoBERTa: cls first sep sep second sep, without types. */
    int32_t cls = tokenizer->prefix.ids[0], sep = tokenizer->suffix.ids[0], type = roberta ? 0 : 1;
    const fst__pair_item items[] = {{cls, 0}, {FST__PAIR_FIRST, 0}, {sep, 0}, {sep, 0}, {FST__PAIR_SECOND, type},
                                    {sep, type}};
    for (size_t i = 0; i < sizeof items / sizeof items[0] && !status; ++i) {
        if (roberta || i != 3)
            status = append_pair_item(compiler, items[i].id, items[i].type);
    }
    return status;
}

static fst_status compile_post_processor(parts_compiler *compiler, json_t *component, const char *type)
{
    if (strcmp(type, "ByteLevel") == 0) /* only trims offsets; ours always cover the text */
        return FST_OK;
    bool template = strcmp(type, "TemplateProcessing") == 0;
    if (!template && strcmp(type, "RobertaProcessing") != 0 && strcmp(type, "BertProcessing") != 0)
        return unknown(compiler, type);
    if (compiler->template_seen)
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: post_processor: \"%s\" behind another template",
                         compiler->name, type);
    compiler->template_seen = true;
    return template ? compile_template(compiler, component)
                    : compile_bert(compiler, component, strcmp(type, "RobertaProcessing") == 0);
}

static fst_status compile_wordpiece_decoder(parts_compiler *compiler, json_t *component)
{
    fst_tokenizer *tokenizer = compiler->tokenizer;
    const char *prefix = FST__WORDPIECE_PREFIX;
    bool cleanup = true;
    if (tokenizer->decoder != FST__DECODER_NONE)
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: decoder: \"WordPiece\" behind another is not supported",
                         compiler->name);
    fst_status status = fst__json_get_string(component, "prefix", compiler->name, false, &prefix);
    if (!status)
        status = fst__json_get_bool(component, "cleanup", compiler->name, false, &cleanup);
    if (status)
        return fst__fail_in(status, "decoder: WordPiece");
    tokenizer->decoder = FST__DECODER_WORDPIECE;
    tokenizer->decoder_cleanup = cleanup;
    tokenizer->decoder_prefix = fst__strdup(tokenizer->allocator, prefix);
    return tokenizer->decoder_prefix ? FST_OK : FST_ERR_NO_MEMORY;
}

static fst_status compile_decoder(parts_compiler *compiler, json_t *component, const char *type)
{
    if (strcmp(type, "ByteLevel") == 0)
        compiler->tokenizer->decoder = FST__DECODER_BYTE_LEVEL;
    else if (strcmp(type, "WordPiece") == 0)
        return compile_wordpiece_decoder(compiler, component);
    else if (strcmp(type, "Fuse") != 0)
        return unknown(compiler, type);
    else if (compiler->tokenizer->decoder == FST__DECODER_NONE)
        compiler->tokenizer->decoder = FST__DECODER_FUSE;
    return FST_OK;
}

static fst_status compile_part(parts_compiler *compiler, int part, const char *key, const char *list,
                               fst_status (*one)(struct parts_compiler *, json_t *, const char *))
{
    json_error_t error;
    const char *text = compiler->tokenizer->parts[part];
    json_t *component = json_loads(text, JSON_DECODE_ANY, &error);
    if (!component)
        return fst__fail(FST_ERR_NO_MEMORY, "%s: %s: %s", compiler->name, key, error.text);
    compiler->part = key;
    fst_status status = each(compiler, component, list, 0, one);
    json_decref(component);
    return status;
}

/* A byte-level model without a ByteLevel pre-tokenizer would be one over characters, and the other
 * way round the vocabulary would be spelled in the wrong alphabet. */
static fst_status check_levels(const parts_compiler *compiler)
{
    const fst_tokenizer *tokenizer = compiler->tokenizer;
    bool byte_level = tokenizer->pretokenizer.byte_level;
    if (tokenizer->model == FST__MODEL_BPE && !byte_level)
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: model BPE without the pre_tokenizer \"ByteLevel\" is not supported",
                         compiler->name);
    if (tokenizer->model != FST__MODEL_BPE && (byte_level || tokenizer->decoder == FST__DECODER_BYTE_LEVEL))
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: model %s with \"ByteLevel\" is not supported", compiler->name,
                         tokenizer->model == FST__MODEL_WORDPIECE ? "WordPiece" : "WordLevel");
    return FST_OK;
}

fst_status fst__components_compile(fst_tokenizer *tokenizer, const char *name)
{
    parts_compiler compiler = {.tokenizer = tokenizer, .name = name};
    tokenizer->decoder = FST__DECODER_NONE;
    fst_status status = compile_part(&compiler, FST__PART_NORMALIZER, "normalizer", "normalizers",
                                     compile_normalizer);
    if (!status)
        status = compile_part(&compiler, FST__PART_PRE_TOKENIZER, "pre_tokenizer", "pretokenizers",
                              compile_pre_tokenizer);
    if (!status)
        status = compile_part(&compiler, FST__PART_POST_PROCESSOR, "post_processor", "processors",
                              compile_post_processor);
    if (!status)
        status = compile_part(&compiler, FST__PART_DECODER, "decoder", "decoders", compile_decoder);
    if (!status && tokenizer->bert)
        fst__bert_fill(tokenizer->bert);
    return status ? status : check_levels(&compiler);
}
