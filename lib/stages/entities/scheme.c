/* The schemes' rules, and entities read by them or as conlleval does. */
#include "stages/entities/entities.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { ANY_TYPE, SAME_TYPE, OTHER_TYPE };

/* Holds for two neighbours whose prefixes are in the sets and whose types compare so. */
typedef struct rule {
    uint8_t before, now;
    uint8_t types;
} rule;

typedef struct scheme {
    uint8_t allowed;
    const rule *start, *inside, *end;
    size_t starts, insides, ends;
} scheme;

enum {
    I = FST__TAG_I, O = FST__TAG_O, B = FST__TAG_B, E = FST__TAG_E,
    S = FST__TAG_S, U = FST__TAG_U, L = FST__TAG_L, ANY = FST__TAG_ANY, DOT = FST__TAG_DOT,
};

/* seqeval/scheme.py, class for class. */
static const rule iob1_start[] = {
    {O, I, ANY_TYPE}, {I, I, OTHER_TYPE}, {B, I, ANY_TYPE}, {I, B, SAME_TYPE}, {B, B, SAME_TYPE}};
static const rule iob1_end[] = {{I, I, OTHER_TYPE}, {I, O, ANY_TYPE},   {I, B, ANY_TYPE},
                                {B, O, ANY_TYPE},   {B, I, OTHER_TYPE}, {B, B, SAME_TYPE}};
static const rule iob_inside[] = {{B, I, SAME_TYPE}, {I, I, SAME_TYPE}};
static const rule iob2_start[] = {{ANY, B, ANY_TYPE}};
static const rule iob2_end[] = {{I, O, ANY_TYPE}, {I, I, OTHER_TYPE}, {I, B, ANY_TYPE},
                                {B, O, ANY_TYPE}, {B, I, OTHER_TYPE}, {B, B, ANY_TYPE}};
static const rule ioe1_start[] = {
    {O, I, ANY_TYPE}, {I, I, OTHER_TYPE}, {E, I, ANY_TYPE}, {E, E, SAME_TYPE}};
static const rule ioe1_end[] = {{I, I, OTHER_TYPE}, {I, O, ANY_TYPE}, {I, E, OTHER_TYPE},
                                {E, I, SAME_TYPE},  {E, E, SAME_TYPE}};
static const rule ioe_inside[] = {{I, I, SAME_TYPE}, {I, E, SAME_TYPE}};
static const rule ioe2_start[] = {{O, I, ANY_TYPE}, {O, E, ANY_TYPE},   {E, I, ANY_TYPE},
                                  {E, E, ANY_TYPE}, {I, I, OTHER_TYPE}, {I, E, OTHER_TYPE}};
static const rule ioe2_end[] = {{E, ANY, ANY_TYPE}};
static const rule iobes_start[] = {{ANY, B | S, ANY_TYPE}};
static const rule iobes_inside[] = {{B | I, I | E, SAME_TYPE}};
static const rule iobes_end[] = {{S | E, ANY, ANY_TYPE}};
static const rule bilou_start[] = {{ANY, B | U, ANY_TYPE}};
static const rule bilou_inside[] = {{B | I, I | L, SAME_TYPE}};
static const rule bilou_end[] = {{U | L, ANY, ANY_TYPE}};

#define RULES(start, inside, end) start, inside, end, COUNT(start), COUNT(inside), COUNT(end)
static const scheme schemes[] = {
    [FST_TAGS_IOB1] = {I | O | B, RULES(iob1_start, iob_inside, iob1_end)},
    [FST_TAGS_IOB2] = {I | O | B, RULES(iob2_start, iob_inside, iob2_end)},
    [FST_TAGS_IOE1] = {I | O | E, RULES(ioe1_start, ioe_inside, ioe1_end)},
    [FST_TAGS_IOE2] = {I | O | E, RULES(ioe2_start, ioe_inside, ioe2_end)},
    [FST_TAGS_IOBES] = {I | O | B | E | S, RULES(iobes_start, iobes_inside, iobes_end)},
    [FST_TAGS_BILOU] = {B | I | L | O | U, RULES(bilou_start, bilou_inside, bilou_end)},
};

bool fst__scheme_allows(int32_t number, uint8_t prefix)
{
    return schemes[number].allowed & prefix;
}

fst__entity_reader fst__entity_reader_open(const fst_entities *entities, const int32_t *tags,
                                           int64_t count)
{
    return (fst__entity_reader){entities, tags, count, 0, 0, entities->outside};
}

/* Behind the last token stands an "O". */
static fst__tag tag_at(const fst__entity_reader *r, int64_t index)
{
    return index < r->count ? r->entities->tags[r->tags[index]] : r->entities->outside;
}

/* ---- strictly ---- */

static bool holds(const rule *rules, size_t count, fst__tag before, fst__tag now)
{
    bool same = before.type == now.type;
    for (size_t i = 0; i < count; ++i) {
        if ((rules[i].before & before.prefix) && (rules[i].now & now.prefix) &&
            (rules[i].types == ANY_TYPE || (rules[i].types == SAME_TYPE) == same))
            return true;
    }
    return false;
}

/* seqeval's Tokens.entities: from a start as far as the rules go; it counts where an end is then. */
static bool next_strict(fst__entity_reader *r, fst__entity *entity)
{
    const scheme *s = &schemes[r->entities->scheme];
    while (r->at <= r->count) {
        int64_t begin = r->at;
        fst__tag tag = tag_at(r, begin), last = tag, next;
        r->at = begin + 1;
        if (!holds(s->start, s->starts, r->before, tag)) {
            r->before = tag;
            continue;
        }
        while (next = tag_at(r, r->at), holds(s->inside, s->insides, last, next)) {
            last = next;
            ++r->at;
        }
        r->before = last;
        if (holds(s->end, s->ends, last, next)) {
            *entity = (fst__entity){begin, r->at, tag.type};
            return true;
        }
    }
    return false;
}

/* ---- as conlleval, seqeval's get_entities ---- */

static bool ends_between(fst__tag before, fst__tag now)
{
    if (before.prefix & (E | S))
        return true;
    if ((before.prefix & (B | I)) && (now.prefix & (B | S | O)))
        return true;
    return !(before.prefix & (O | DOT)) && before.type != now.type;
}

static bool starts_between(fst__tag before, fst__tag now)
{
    if (now.prefix & (B | S))
        return true;
    if ((before.prefix & (E | S | O)) && (now.prefix & (E | I)))
        return true;
    return !(now.prefix & (O | DOT)) && before.type != now.type;
}

static bool next_lenient(fst__entity_reader *r, fst__entity *entity)
{
    while (r->at <= r->count) {
        fst__tag before = r->before, now = tag_at(r, r->at);
        bool ended = ends_between(before, now);
        *entity = (fst__entity){r->begin, r->at, before.type};
        if (starts_between(before, now))
            r->begin = r->at;
        r->before = now;
        ++r->at;
        if (ended)
            return true;
    }
    return false;
}

bool fst__entity_reader_next(fst__entity_reader *reader, fst__entity *entity)
{
    return reader->entities->strict ? next_strict(reader, entity) : next_lenient(reader, entity);
}
