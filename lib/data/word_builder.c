#include "data/word_builder.h"

#include "base/error.h"
#include "data/text_builder.h"
#include "fourstage/batch.h"

#include <string.h>

fst_word_options fst__word_defaults(void)
{
    return (fst_word_options){.struct_size = sizeof(fst_word_options), .tag_column = -1, .id_column = -1};
}

/* ---- life */

static fst_status bad(const char *field, int64_t value, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_word_options.%s is %lld, expected %s", field,
                     (long long)value, expected);
}

static fst_status check_options(const fst_word_options *o)
{
    const struct {
        const char *name;
        int32_t value;
    } flags[] = {{"all_pieces", o->all_pieces}, {"add_bos", o->add_bos},
                 {"add_eos", o->add_eos},       {"special_tokens", o->special_tokens},
                 {"no_tags", o->no_tags},       {"drop_useless", o->drop_useless},
                 {"comments", o->comments},     {"latin1", o->latin1}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; ++i)
        if (flags[i].value != 0 && flags[i].value != 1)
            return bad(flags[i].name, flags[i].value, "0 or 1");
    if (o->max_length < 0 || o->max_length > 1 << 24)
        return bad("max_length", o->max_length, "0 … 2²⁴");
    if (o->max_length > 0 && o->max_length <= o->add_bos + o->add_eos)
        return bad("max_length", o->max_length, "room for a word beside the begin and end tokens");
    if (o->too_long != FST_TOO_LONG_ERROR && o->too_long != FST_TOO_LONG_DROP &&
        o->too_long != FST_TOO_LONG_CUT_END && o->too_long != FST_TOO_LONG_WINDOWS)
        return bad("too_long", o->too_long, "FST_TOO_LONG_ERROR, _DROP, _CUT_END or _WINDOWS");
    if (o->overlap < 0 || (o->overlap > 0 && (o->too_long != FST_TOO_LONG_WINDOWS ||
                                             o->overlap >= o->max_length - o->add_bos - o->add_eos)))
        return bad("overlap", o->overlap, "0, or with windows less than their length");
    if (o->maximum_sentences < 0)
        return bad("maximum_sentences", o->maximum_sentences, "at least 0");
    if (o->columns < FST_COLUMNS_AUTO || o->columns > FST_COLUMNS_SPACES)
        return bad("columns", o->columns, "an FST_COLUMNS_ value");
    if (o->id_column < -1)
        return bad("id_column", o->id_column, "-1 or a column from 0");
    if (o->reserved != 0)
        return bad("reserved", o->reserved, "0");
    return FST_OK;
}

static fst_status find_special(const fst_tokenizer *tokenizer, int32_t add, int32_t role,
                               const char *name, int32_t *id)
{
    *id = add ? fst__tokenizer_special_id(tokenizer, role) : -1;
    if (add && *id < 0)
        return fst__fail(FST_ERR_NOT_FOUND,
                         "fst_word_options.%s is 1 and the tokenizer has no such token", name);
    return FST_OK;
}

fst_status fst__word_builder_open(fst__word_builder *builder, fst_context *context,
                                  const fst_tokenizer *tokenizer, const fst_word_options *options,
                                  fst_status refusal)
{
    fst__allocator *allocator = &context->allocator;
    *builder = (fst__word_builder){.context = context,
                                   .tokenizer = tokenizer,
                                   .options = *options,
                                   .refusal = refusal,
                                   .pieces = {.allocator = allocator},
                                   .spaced = fst__text_create(allocator)};
    fst_status status = check_options(options);
    if (!status)
        status = find_special(tokenizer, options->add_bos, FST_TOKEN_BOS, "add_bos", &builder->bos_id);
    if (!status)
        status = find_special(tokenizer, options->add_eos, FST_TOKEN_EOS, "add_eos", &builder->eos_id);
    if (!status && !(builder->words = fst__words_alloc(allocator)))
        status = FST_ERR_NO_MEMORY;
    return status ? status : fst__word_tags_open(builder);
}

void fst__word_builder_close(fst__word_builder *builder)
{
    fst__allocator *allocator = &builder->context->allocator;
    fst__text_destroy(&builder->spaced);
    fst__free(allocator, builder->piece_ends);
    fst__ids_destroy(&builder->pieces);
    fst__free(allocator, builder->examples);
    fst__free(allocator, builder->offsets);
    fst__free(allocator, builder->ids);
    fst__words_free(builder->words, allocator);
    fst__free(allocator, builder->sorted);
    *builder = (fst__word_builder){.context = builder->context};
}

bool fst__word_builder_full(const fst__word_builder *builder)
{
    int64_t maximum = builder->options.maximum_sentences;
    return maximum > 0 && builder->words->sentences >= maximum;
}

/* Room for `capacity` elements, one array of several that grow together. */
static fst_status grow(const fst__word_builder *builder, void **array, int64_t capacity, size_t size)
{
    void *block = fst__realloc_array(&builder->context->allocator, *array, (size_t)capacity, size);
    if (!block)
        return FST_ERR_NO_MEMORY;
    *array = block;
    return FST_OK;
}

/* ---- a word */

static fst_status reserve_word(fst__word_builder *builder, int64_t in_sentence)
{
    fst__words *words = builder->words;
    fst_status status = FST_OK;
    if (words->words.count == words->tag_capacity) {
        int64_t larger = words->tag_capacity ? 2 * words->tag_capacity : 256;
        status = grow(builder, (void **)&words->tags, larger, sizeof *words->tags);
        if (!status)
            status = grow(builder, (void **)&words->sentence_of, larger, sizeof *words->sentence_of);
        if (!status)
            words->tag_capacity = larger;
    }
    if (!status && in_sentence == builder->piece_capacity) {
        int64_t larger = builder->piece_capacity ? 2 * builder->piece_capacity : 64;
        status = grow(builder, (void **)&builder->piece_ends, larger, sizeof *builder->piece_ends);
        if (!status)
            builder->piece_capacity = larger;
    }
    return status;
}

/* With byte-level BPE words in a text have their space in front. */
static fst_status encode(fst__word_builder *builder, const char *word, size_t length)
{
    const char *text = word;
    if (fst__tokenizer_is_byte_level(builder->tokenizer) && word[0] != ' ') {
        fst__text *spaced = &builder->spaced;
        spaced->length = 0;
        fst__text_append(spaced, " ", 1);
        fst__text_append(spaced, word, length);
        if (spaced->failed)
            return FST_ERR_NO_MEMORY;
        text = spaced->data;
        length = spaced->length;
    }
    return fst__tokenizer_encode(builder->tokenizer, text, length, false,
                                 builder->options.special_tokens, &builder->pieces);
}

fst_status fst__word_builder_word(fst__word_builder *builder, const char *word, size_t length,
                                  const char *tag, size_t tag_length)
{
    fst__words *words = builder->words;
    int64_t index = words->words.count, in_sentence = index - builder->first_word;
    int32_t class = FST_IGNORE;
    fst_status status = tag ? fst__word_tags_class(builder, tag, tag_length, &class) : FST_OK;
    if (!status)
        status = reserve_word(builder, in_sentence);
    if (!status)
        status = encode(builder, word, length);
    if (!status)
        status = fst__strings_append(&words->words, word, length);
    if (status)
        return status;
    words->tags[index] = class;
    words->sentence_of[index] = words->sentences;
    builder->piece_ends[in_sentence] = builder->pieces.count;
    return FST_OK;
}

/* ---- a sentence */

/* Ids of the sentence's words [from, end). */
static int64_t pieces_between(const fst__word_builder *builder, int64_t from, int64_t end)
{
    size_t begin = from > 0 ? builder->piece_ends[from - 1] : 0;
    return end > from ? (int64_t)(builder->piece_ends[end - 1] - begin) : 0;
}

static fst_status reserve_example(fst__word_builder *builder, int64_t ids)
{
    fst__words *words = builder->words;
    fst_status status = FST_OK;
    if (builder->example_count + 2 > builder->example_capacity) {
        int64_t larger = builder->example_capacity ? 2 * builder->example_capacity : 64;
        status = grow(builder, (void **)&builder->offsets, larger, sizeof *builder->offsets);
        if (!status)
            status = grow(builder, (void **)&builder->examples, larger, sizeof *builder->examples);
        if (!status)
            builder->example_capacity = larger;
    }
    if (!status && words->id_count + ids > words->id_capacity) {
        int64_t larger = 2 * words->id_capacity + ids;
        status = grow(builder, (void **)&builder->ids, larger, sizeof *builder->ids);
        if (!status)
            status = grow(builder, (void **)&words->classes, larger, sizeof *words->classes);
        if (!status)
            status = grow(builder, (void **)&words->word_of, larger, sizeof *words->word_of);
        if (!status)
            words->id_capacity = larger;
    }
    return status;
}

static void put_id(fst__word_builder *builder, int32_t id, int32_t class, int64_t word)
{
    fst__words *words = builder->words;
    if (id < 0)
        return;
    builder->ids[words->id_count] = id;
    words->classes[words->id_count] = class;
    words->word_of[words->id_count++] = word;
}

/* A stretch of the sentence, in words of it: tags from `first` on, ids from `from` on, at most `room` of
 * them; the last `cut` words have none. */
typedef struct stretch {
    int64_t from, first, end, cut, room;
} stretch;

static fst_status put_example(fst__word_builder *builder, const stretch *s)
{
    fst__words *words = builder->words;
    int64_t left = pieces_between(builder, s->from, s->end - s->cut), base = builder->first_word;
    left = left < s->room ? left : s->room;
    fst_status status = reserve_example(builder, left + 2);
    if (status)
        return status;
    builder->offsets[builder->example_count] = words->id_count;
    put_id(builder, builder->bos_id, FST_IGNORE, -1);
    for (int64_t w = s->from; w < s->end - s->cut; ++w) {
        size_t begin = w > 0 ? builder->piece_ends[w - 1] : 0;
        for (size_t i = begin; i < builder->piece_ends[w] && left > 0; ++i, --left) {
            bool carries = w >= s->first && (i == begin || builder->options.all_pieces);
            put_id(builder, builder->pieces.ids[i], carries ? words->tags[base + w] : FST_IGNORE,
                   base + w);
        }
    }
    put_id(builder, builder->eos_id, FST_IGNORE, -1);
    builder->examples[builder->example_count++] =
        (fst__example_words){base + s->first, base + s->end, words->sentences, s->cut};
    builder->offsets[builder->example_count] = words->id_count;
    return FST_OK;
}

/* Behind the words from `from` on that have at most `room` ids together; never without an id: a word
 * longer than the room loses its last ids. */
static int64_t end_that_fits(const fst__word_builder *builder, int64_t from, int64_t count,
                             int64_t room)
{
    int64_t end = from;
    while (end < count && pieces_between(builder, from, end + 1) <= room)
        ++end;
    return pieces_between(builder, from, end) == 0 && end < count ? end + 1 : end;
}

/* The first word before `first` that stands in its window too. */
static int64_t overlap_begin(const fst__word_builder *builder, int64_t first, int64_t count,
                             int64_t room)
{
    int64_t from = first, next = first + 1;
    while (next < count && pieces_between(builder, first, next) == 0)
        ++next;
    int64_t own = pieces_between(builder, first, next), most = builder->options.overlap;
    most = most < room - own ? most : room - own;
    while (from > 0 && pieces_between(builder, from - 1, first) <= most)
        --from;
    return from;
}

static fst_status put_windows(fst__word_builder *builder, int64_t count, int64_t room)
{
    fst_status status = FST_OK;
    for (int64_t first = 0, end; first < count && !status; first = end) {
        int64_t from = overlap_begin(builder, first, count, room);
        end = end_that_fits(builder, first, count, room - pieces_between(builder, from, first));
        status = put_example(builder, &(stretch){from, first, end, 0, room});
    }
    return status;
}

static fst_status put_cut(fst__word_builder *builder, int64_t count, int64_t room)
{
    int64_t kept = end_that_fits(builder, 0, count, room);
    ++builder->dropped.cut;
    return put_example(builder, &(stretch){0, 0, count, count - kept, room});
}

static fst_status too_long(fst__word_builder *builder, int64_t count, int64_t room)
{
    int64_t maximum = builder->options.max_length, specials = maximum - room;
    switch (builder->options.too_long) {
    case FST_TOO_LONG_WINDOWS: return put_windows(builder, count, room);
    case FST_TOO_LONG_CUT_END: return put_cut(builder, count, room);
    case FST_TOO_LONG_DROP: ++builder->dropped.too_long; return FST_OK;
    default:
        return fst__fail(builder->refusal,
                         "the sentence has %lld ids, max_length is %lld; too_long says what becomes of such",
                         (long long)builder->pieces.count + (long long)specials, (long long)maximum);
    }
}

fst_status fst__word_builder_sentence(fst__word_builder *builder)
{
    const fst_word_options *o = &builder->options;
    fst__words *words = builder->words;
    int64_t count = words->words.count - builder->first_word, ids = (int64_t)builder->pieces.count;
    int64_t room = o->max_length > 0 ? o->max_length - o->add_bos - o->add_eos : INT64_MAX;
    fst_status status = FST_OK;
    if (count == 0)
        return fst__fail(builder->refusal, "the sentence has no words");
    if (ids > 0)
        status = ids > room ? too_long(builder, count, room)
                            : put_example(builder, &(stretch){0, 0, count, 0, room});
    else if (o->drop_useless)
        ++builder->dropped.useless;
    else
        status = fst__fail(builder->refusal, "the tokenizer leaves nothing of the sentence; "
                                             "drop_useless leaves such out");
    if (status)
        return status;
    ++words->sentences;
    words->longest_sentence = count > words->longest_sentence ? count : words->longest_sentence;
    builder->first_word = words->words.count;
    builder->pieces.count = 0;
    return FST_OK;
}

/* ---- the dataset */

static fst__examples *make_examples(const fst__word_builder *builder)
{
    size_t count = (size_t)builder->example_count;
    fst__examples *examples = fst__examples_alloc(&builder->context->allocator, FST_EXAMPLES_TOKENS,
                                                  builder->example_count, 0, false);
    if (!examples)
        return NULL;
    for (size_t i = 0; i <= count; ++i)
        examples->first[i] = (int64_t)i;
    memcpy(examples->words, builder->examples, count * sizeof *examples->words);
    examples->dropped = builder->dropped;
    return examples;
}

static fst_status make_documents(fst__word_builder *builder, fst__documents **out)
{
    fst__allocator *allocator = &builder->context->allocator;
    fst__words *words = builder->words;
    size_t count = (size_t)words->id_count;
    fst__tokens tokens = {.type = FST_TOKENS_I32, .count = words->id_count};
    tokens.vocabulary = fst__tokenizer_vocabulary_size(builder->tokenizer);
    tokens.trained = fst__alloc(allocator, count);
    fst_status status = tokens.trained ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status)
        status = fst__token_bytes_of(builder->tokenizer, allocator, (int32_t)tokens.vocabulary,
                                     &tokens.token_bytes);
    if (status) {
        fst__free(allocator, tokens.trained);
        return status;
    }
    for (size_t i = 0; i < count; ++i)
        tokens.trained[i] = words->classes[i] >= 0;
    tokens.ids = tokens.owned = builder->ids;
    tokens.words = words;
    builder->ids = NULL;
    builder->words = NULL;
    return fst__documents_create(builder->context, &tokens, builder->offsets, builder->example_count,
                                 out);
}

fst_status fst__word_builder_finish(fst__word_builder *builder, fst_dataset **out)
{
    if (builder->example_count == 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "not one sentence is left: %lld too long, %lld useless",
                         (long long)builder->dropped.too_long, (long long)builder->dropped.useless);
    fst__examples *examples = NULL;
    fst__documents *documents;
    fst_status status = fst__word_tags_order(builder);
    if (!status && !(examples = make_examples(builder)))
        status = FST_ERR_NO_MEMORY;
    if (!status)
        status = make_documents(builder, &documents);
    if (status) {
        fst__examples_free(examples, &builder->context->allocator);
        return status;
    }
    documents->examples = examples;
    fst__examples_measure(examples, documents);
    return fst__dataset_create(builder->context, documents, out);
}
