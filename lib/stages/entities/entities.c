/* A counter of entities: its tags and types, what is added, what that amounts to. */
#include "stages/entities/entities.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

/* ---- tags */

/* Where a tag's type stands, and its bytes; one without a type is "_", as seqeval has it. */
typedef struct parsed {
    uint8_t prefix;
    const char *type;
    size_t length;
} parsed;

static uint8_t prefix_of(char letter)
{
    switch (letter) {
    case 'I': return FST__TAG_I;
    case 'O': return FST__TAG_O;
    case 'B': return FST__TAG_B;
    case 'E': return FST__TAG_E;
    case 'S': return FST__TAG_S;
    case 'U': return FST__TAG_U;
    case 'L': return FST__TAG_L;
    case '.': return FST__TAG_DOT;
    default: return 0;
    }
}

/* Leniently the type is what follows the first "-", strictly what is left without "-" at both ends. */
static parsed parse(const char *tag, bool strict)
{
    const char *type = tag + 1, *end = tag + strlen(tag);
    while (((unsigned char)*type & 0xC0) == 0x80) /* the first character may have several bytes */
        ++type;
    const char *dash = strict ? NULL : strchr(type, '-');
    if (dash)
        type = dash + 1;
    while (strict && type < end && *type == '-')
        ++type;
    while (strict && end > type && end[-1] == '-')
        --end;
    if (type == end) {
        type = "_";
        end = type + 1;
    }
    return (parsed){prefix_of(*tag), type, (size_t)(end - type)};
}

static bool makes_entities(parsed tag)
{
    return tag.prefix != FST__TAG_O && tag.prefix != FST__TAG_DOT;
}

/* Where the type stands among the sorted ones, or would. */
static int64_t find_type(const fst_entities *e, const char *type, size_t length, bool *found)
{
    int64_t low = 0, high = e->type_count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        size_t known = strlen(e->types[middle]);
        int order = memcmp(e->types[middle], type, known < length ? known : length);
        if (order == 0)
            order = (known > length) - (known < length);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

static void collect_types(fst_entities *e, const char *const *tags)
{
    char *free = e->text;
    for (int64_t i = 0; i < e->tag_count; ++i) {
        parsed tag = parse(tags[i], e->strict);
        bool found = true;
        int64_t at = makes_entities(tag) ? find_type(e, tag.type, tag.length, &found) : 0;
        if (found)
            continue;
        memmove(e->types + at + 1, e->types + at, (size_t)(e->type_count - at) * sizeof *e->types);
        e->types[at] = free;
        ++e->type_count;
        memcpy(free, tag.type, tag.length);
        free[tag.length] = '\0';
        free += tag.length + 1;
    }
}

static fst__tag tag_of(const fst_entities *e, const char *text)
{
    parsed tag = parse(text, e->strict);
    bool found;
    int64_t type = find_type(e, tag.type, tag.length, &found);
    return (fst__tag){tag.prefix, found ? (int32_t)type : -1};
}

/* seqeval/scheme.py, auto_detect: the sets of prefixes that tell a scheme. */
int32_t fst__tags_scheme(const char *const *tags, int64_t tag_count)
{
    enum { I = FST__TAG_I, B = FST__TAG_B, E = FST__TAG_E, S = FST__TAG_S, L = FST__TAG_L, U = FST__TAG_U };
    unsigned found = 0;
    for (int64_t i = 0; i < tag_count; ++i) {
        uint8_t prefix = prefix_of(tags[i][0]);
        if (prefix == 0 || prefix == FST__TAG_DOT)
            return FST_TAGS_AUTO;
        found |= prefix;
    }
    unsigned without_o = found & ~(unsigned)FST__TAG_O;
    switch (without_o) {
    case B: case I | B: return FST_TAGS_IOB2;
    case E: case I | E: return FST_TAGS_IOE2;
    case I | B | E | S: case I | B | E: case B | E | S: case B | E: return FST_TAGS_IOBES;
    case I | B | L | U: case I | B | L: case B | L | U: case B | L: return FST_TAGS_BILOU;
    case S: return found == S ? FST_TAGS_IOBES : FST_TAGS_AUTO;
    case U: return found == U ? FST_TAGS_BILOU : FST_TAGS_AUTO;
    default: return FST_TAGS_AUTO;
    }
}

bool fst__tags_name_entities(const char *const *tags, int64_t tag_count)
{
    for (int64_t i = 0; i < tag_count; ++i) {
        uint8_t prefix = prefix_of(tags[i][0]);
        bool outside = strcmp(tags[i], "O") == 0;
        if (!outside && (!(prefix & FST__TAG_ANY) || prefix == FST__TAG_O || tags[i][1] != '-'))
            return false;
    }
    return true;
}

/* ---- life */

static fst_status check_tags(const char *const *tags, int64_t tag_count, bool strict, int32_t *scheme)
{
    if (tag_count < 1 || tag_count > UINT16_MAX)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "entities: tag_count is %" PRId64 ", expected 1 … 65535", tag_count);
    if (*scheme < FST_TAGS_AUTO || *scheme > FST_TAGS_BILOU)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "entities: scheme is %d, expected an FST_TAGS_ value",
                         (int)*scheme);
    for (int64_t i = 0; i < tag_count; ++i) {
        if (!tags[i] || !*tags[i])
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "entities: tags[%" PRId64 "] is %s", i,
                             tags[i] ? "empty" : "NULL");
    }
    if (strict && *scheme == FST_TAGS_AUTO) {
        *scheme = fst__tags_scheme(tags, tag_count);
        if (*scheme == FST_TAGS_AUTO)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "entities: the tags' prefixes are not those of IOB2, IOE2, IOBES or BILOU; "
                             "say which scheme it is");
    }
    for (int64_t i = 0; strict && i < tag_count; ++i) {
        if (!fst__scheme_allows(*scheme, prefix_of(tags[i][0])))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "entities: tags[%" PRId64 "], \"%s\", has a prefix that the scheme has not", i,
                             tags[i]);
    }
    return FST_OK;
}

static fst_status take(fst_entities *e, size_t text)
{
    fst__allocator *allocator = &e->context->allocator;
    size_t count = (size_t)e->tag_count;
    e->tags = fst__alloc_array(allocator, count, sizeof *e->tags);
    e->text = fst__alloc(allocator, text);
    e->types = fst__alloc_array(allocator, count, sizeof *e->types);
    e->counts = fst__alloc_array(allocator, count, sizeof *e->counts);
    return e->tags && e->text && e->types && e->counts ? FST_OK : FST_ERR_NO_MEMORY;
}

static fst_entities *alloc(fst_context *context)
{
    fst_entities *e = fst__alloc_zero(&context->allocator, sizeof *e);
    if (e)
        e->context = fst__context_retain(context);
    return e;
}

fst_status fst__entities_create(fst_context *context, const char *const *tags, int64_t tag_count,
                                bool strict, int32_t scheme, fst_entities **out)
{
    size_t text = 0;
    fst_status status = check_tags(tags, tag_count, strict, &scheme);
    if (status)
        return status;
    for (int64_t i = 0; i < tag_count; ++i)
        text += strlen(tags[i]) + 1; /* at least "_" and its NUL */
    fst_entities *e = alloc(context);
    if (!e)
        return FST_ERR_NO_MEMORY;
    e->strict = strict;
    e->scheme = scheme;
    e->tag_count = tag_count;
    status = take(e, 2 * text);
    if (status) {
        fst__entities_destroy(e);
        return status;
    }
    collect_types(e, tags);
    for (int64_t i = 0; i < tag_count; ++i)
        e->tags[i] = tag_of(e, tags[i]);
    e->outside = tag_of(e, "O");
    fst__entities_clear(e);
    *out = e;
    return FST_OK;
}

void fst__entities_destroy(fst_entities *e)
{
    if (!e)
        return;
    fst_context *context = e->context;
    fst__allocator *allocator = &context->allocator;
    fst__free(allocator, e->scratch);
    fst__free(allocator, e->counts);
    fst__free(allocator, e->types);
    fst__free(allocator, e->text);
    fst__free(allocator, e->tags);
    fst__free(allocator, e);
    fst__context_release(context);
}

fst_status fst__entities_copy(const fst_entities *from, fst_entities **out)
{
    size_t text = 1, count = (size_t)from->tag_count, types = (size_t)from->type_count;
    for (int64_t i = 0; i < from->type_count; ++i)
        text += strlen(from->types[i]) + 1;
    fst_entities *e = alloc(from->context);
    if (!e)
        return FST_ERR_NO_MEMORY;
    e->tag_count = from->tag_count;
    fst_status status = take(e, text);
    if (status) {
        fst__entities_destroy(e);
        return status;
    }
    fst_entities blocks = *e;
    *e = *from;
    e->tags = blocks.tags;
    e->text = blocks.text;
    e->types = blocks.types;
    e->counts = blocks.counts;
    e->scratch = NULL;
    e->room = 0;
    memcpy(e->tags, from->tags, count * sizeof *e->tags);
    memcpy(e->counts, from->counts, types * sizeof *e->counts);
    char *free = e->text;
    for (size_t i = 0; i < types; ++i) {
        size_t length = strlen(from->types[i]) + 1;
        e->types[i] = memcpy(free, from->types[i], length);
        free += length;
    }
    *out = e;
    return FST_OK;
}

/* ---- counting */

fst_status fst__entities_reserve(fst_entities *e, int64_t tokens)
{
    if (tokens <= e->room)
        return FST_OK;
    int32_t *scratch = fst__alloc_array(&e->context->allocator, (size_t)tokens, 2 * sizeof *scratch);
    if (!scratch)
        return FST_ERR_NO_MEMORY;
    fst__free(&e->context->allocator, e->scratch);
    e->scratch = scratch;
    e->room = tokens;
    return FST_OK;
}

static fst_status check_sequences(const fst_entities *e, const int32_t *labels,
                                  const int32_t *predictions, const int64_t *offsets,
                                  int64_t sequences, int64_t *longest)
{
    *longest = 0;
    for (int64_t s = 0; s < sequences; ++s) {
        int64_t length = offsets[s + 1] - offsets[s];
        if (offsets[0] != 0 || length < 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "entities: offsets[%" PRId64 "] is %" PRId64
                             ", expected to begin with 0 and never to fall",
                             offsets[0] != 0 ? 0 : s + 1, offsets[0] != 0 ? offsets[0] : offsets[s + 1]);
        *longest = length > *longest ? length : *longest;
    }
    for (int64_t i = 0; i < offsets[sequences]; ++i) {
        if (labels[i] >= e->tag_count || predictions[i] >= e->tag_count)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "entities: %s[%" PRId64 "] is %d, there are %" PRId64 " tags",
                             labels[i] >= e->tag_count ? "labels" : "predictions", i,
                             (int)(labels[i] >= e->tag_count ? labels[i] : predictions[i]),
                             e->tag_count);
    }
    return FST_OK;
}

/* Entities of one side end one behind the other, so that both sides are walked once. */
static void count_sequence(fst_entities *e, const int32_t *labels, const int32_t *predictions,
                           int64_t count)
{
    fst__entity_reader true_reader = fst__entity_reader_open(e, labels, count);
    fst__entity_reader told_reader = fst__entity_reader_open(e, predictions, count);
    fst__entity true_one, told;
    bool is_true = fst__entity_reader_next(&true_reader, &true_one);
    bool is_told = fst__entity_reader_next(&told_reader, &told);
    while (is_true || is_told) {
        bool true_now = is_true && (!is_told || true_one.end <= told.end);
        bool told_now = is_told && (!is_true || told.end <= true_one.end);
        if (true_now)
            ++e->counts[true_one.type].labelled;
        if (told_now)
            ++e->counts[told.type].predicted;
        if (true_now && told_now && true_one.begin == told.begin && true_one.type == told.type)
            ++e->counts[told.type].right;
        if (true_now)
            is_true = fst__entity_reader_next(&true_reader, &true_one);
        if (told_now)
            is_told = fst__entity_reader_next(&told_reader, &told);
    }
    for (int64_t i = 0; i < count; ++i)
        e->right_tokens += labels[i] == predictions[i];
    e->tokens += count;
    ++e->sequences;
}

fst_status fst__entities_add(fst_entities *e, const int32_t *labels, const int32_t *predictions,
                             const int64_t *offsets, int64_t sequences)
{
    int64_t longest;
    fst_status status = check_sequences(e, labels, predictions, offsets, sequences, &longest);
    if (!status)
        status = fst__entities_reserve(e, longest);
    for (int64_t s = 0; !status && s < sequences; ++s) {
        int64_t count = 0;
        for (int64_t i = offsets[s]; i < offsets[s + 1]; ++i) {
            if (labels[i] < 0 || predictions[i] < 0)
                continue;
            e->scratch[count] = labels[i];
            e->scratch[e->room + count++] = predictions[i];
        }
        count_sequence(e, e->scratch, e->scratch + e->room, count);
    }
    return status;
}

void fst__entities_clear(fst_entities *e)
{
    memset(e->counts, 0, (size_t)e->type_count * sizeof *e->counts);
    e->sequences = e->tokens = e->right_tokens = 0;
}

/* ---- what was counted */

static double ratio(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

/* As seqeval computes it, so that the figures are the same to the bit. */
static double f1_of(double precision, double recall)
{
    return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

void fst__entities_type(const fst_entities *e, int64_t index, fst_entity_type *type)
{
    const fst__entity_counts *c = &e->counts[index];
    *type = (fst_entity_type){
        .struct_size = sizeof *type,
        .name = e->types[index],
        .labelled = c->labelled,
        .predicted = c->predicted,
        .right = c->right,
        .precision = ratio(c->right, c->predicted),
        .recall = ratio(c->right, c->labelled),
    };
    type->f1 = f1_of(type->precision, type->recall);
}

void fst__entities_metrics(const fst_entities *e, fst_entity_metrics *m)
{
    int64_t occurring = 0;
    *m = (fst_entity_metrics){
        .struct_size = sizeof *m,
        .sequences = e->sequences,
        .tokens = e->tokens,
        .right_tokens = e->right_tokens,
    };
    for (int64_t i = 0; i < e->type_count; ++i) {
        fst_entity_type t;
        fst__entities_type(e, i, &t);
        if (t.labelled == 0 && t.predicted == 0)
            continue;
        double support = (double)t.labelled;
        ++occurring;
        m->labelled += t.labelled;
        m->predicted += t.predicted;
        m->right += t.right;
        m->precision_macro += t.precision;
        m->recall_macro += t.recall;
        m->f1_macro += t.f1;
        m->precision_weighted += t.precision * support;
        m->recall_weighted += t.recall * support;
        m->f1_weighted += t.f1 * support;
    }
    m->precision = ratio(m->right, m->predicted);
    m->recall = ratio(m->right, m->labelled);
    m->f1 = f1_of(m->precision, m->recall);
    double types = occurring > 0 ? (double)occurring : 1;
    double supports = m->labelled > 0 ? (double)m->labelled : 1;
    m->precision_macro /= types;
    m->recall_macro /= types;
    m->f1_macro /= types;
    m->precision_weighted /= supports;
    m->recall_weighted /= supports;
    m->f1_weighted /= supports;
}
