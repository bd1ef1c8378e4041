#include "data/best_fit.h"

#include "base/error.h"

#include <string.h>

/* Which amounts of room occur among the open rows: a bit for each, and a bit for each word. */
typedef struct room_set {
    uint64_t *words, *summary;
    int64_t word_count, summary_count;
} room_set;

static void room_set_change(room_set *set, int64_t room, bool present)
{
    uint64_t bit = (uint64_t)1 << (room & 63);
    int64_t word = room >> 6;
    set->words[word] = present ? set->words[word] | bit : set->words[word] & ~bit;
    bit = (uint64_t)1 << (word & 63);
    if (set->words[word])
        set->summary[word >> 6] |= bit;
    else
        set->summary[word >> 6] &= ~bit;
}

/* The first set bit at or behind `from`, or −1. */
static int64_t next_bit(const uint64_t *words, int64_t count, int64_t from)
{
    int64_t word = from >> 6;
    if (word >= count)
        return -1;
    uint64_t bits = words[word] & (~(uint64_t)0 << (from & 63));
    while (!bits) {
        if (++word >= count)
            return -1;
        bits = words[word];
    }
    return word * 64 + __builtin_ctzll(bits);
}

/* The least room ≥ `least` that occurs, or −1. */
static int64_t room_set_find(const room_set *set, int64_t least)
{
    int64_t word = least >> 6;
    uint64_t bits = set->words[word] & (~(uint64_t)0 << (least & 63));
    if (bits)
        return word * 64 + __builtin_ctzll(bits);
    word = next_bit(set->summary, set->summary_count, word + 1);
    return word < 0 ? -1 : word * 64 + __builtin_ctzll(set->words[word]);
}

/* Memory of one packing run. */
typedef struct packing {
    int64_t length;
    int64_t piece_count;
    fst__piece *pieces; /* [piece_count] longest first */
    int64_t *row_of;    /* [piece_count] */
    int64_t *room;      /* [rows] left in each row */
    int64_t *below;     /* [rows] next row with the same room, −1: none */
    int64_t *top;       /* [length + 1] a row with that room, −1: none */
    room_set set;
    int64_t rows;
} packing;

static int64_t count_pieces(const fst__documents *documents, int64_t length)
{
    int64_t count = 0;
    for (int64_t d = 0; d < documents->count; ++d)
        count += (documents->starts[d + 1] - documents->starts[d] + length - 1) / length;
    return count;
}

/* Counting sort by falling length; equal lengths keep the documents' order. `place` is
 * [length + 2] and zero. */
static void cut_pieces(const fst__documents *documents, packing *p, int64_t *place)
{
    int64_t length = p->length;
    for (int pass = 0; pass < 2; ++pass) {
        for (int64_t d = 0; d < documents->count; ++d) {
            int64_t size = documents->starts[d + 1] - documents->starts[d];
            for (int64_t offset = 0; offset < size; offset += length) {
                int64_t count = size - offset < length ? size - offset : length;
                if (pass == 0)
                    place[length - count + 1] += 1;
                else
                    p->pieces[place[length - count]++] = (fst__piece){d, offset, count};
            }
        }
        for (int64_t i = 0; pass == 0 && i <= length; ++i)
            place[i + 1] += place[i];
    }
}

static void push_row(packing *p, int64_t row)
{
    int64_t room = p->room[row];
    p->below[row] = p->top[room];
    p->top[room] = row;
    room_set_change(&p->set, room, true);
}

static int64_t pop_row(packing *p, int64_t room)
{
    int64_t row = p->top[room];
    p->top[room] = p->below[row];
    if (p->top[room] < 0)
        room_set_change(&p->set, room, false);
    return row;
}

static void place_pieces(packing *p)
{
    for (int64_t i = 0; i < p->piece_count; ++i) {
        int64_t count = p->pieces[i].count;
        int64_t room = room_set_find(&p->set, count);
        int64_t row = room < 0 ? p->rows++ : pop_row(p, room);
        p->room[row] = (room < 0 ? p->length : room) - count;
        p->row_of[i] = row;
        if (p->room[row] > 0)
            push_row(p, row);
    }
}

/* Row after row, each row's pieces in the order they were placed. */
static fst_status order_by_row(fst_dataset *dataset, const packing *p)
{
    fst__allocator *allocator = &dataset->context->allocator;
    dataset->pieces = fst__alloc_array(allocator, (size_t)p->piece_count, sizeof(fst__piece));
    dataset->row_first = fst__alloc_array(allocator, (size_t)p->rows + 1, sizeof(int64_t));
    if (!dataset->pieces || !dataset->row_first)
        return FST_ERR_NO_MEMORY;
    int64_t *first = dataset->row_first;
    memset(first, 0, ((size_t)p->rows + 1) * sizeof *first);
    for (int64_t i = 0; i < p->piece_count; ++i)
        first[p->row_of[i] + 1] += 1;
    for (int64_t row = 0; row < p->rows; ++row)
        first[row + 1] += first[row];
    int64_t *next = p->room; /* done with */
    memcpy(next, first, (size_t)p->rows * sizeof *first);
    for (int64_t i = 0; i < p->piece_count; ++i)
        dataset->pieces[next[p->row_of[i]]++] = p->pieces[i];
    dataset->rows = p->rows;
    return FST_OK;
}

fst_status fst__best_fit(fst_dataset *dataset)
{
    fst__allocator *allocator = &dataset->context->allocator;
    packing p = {.length = dataset->pack.length};
    p.piece_count = count_pieces(dataset->documents, p.length);
    p.set.word_count = p.length / 64 + 1;
    p.set.summary_count = p.set.word_count / 64 + 1;
    size_t pieces = (size_t)p.piece_count, rooms = (size_t)p.length + 1;
    int64_t *place = fst__alloc_zero(allocator, (rooms + 1) * sizeof(int64_t));
    p.pieces = fst__alloc_array(allocator, pieces, sizeof(fst__piece));
    p.row_of = fst__alloc_array(allocator, pieces, sizeof(int64_t));
    p.room = fst__alloc_array(allocator, pieces, sizeof(int64_t));
    p.below = fst__alloc_array(allocator, pieces, sizeof(int64_t));
    p.top = fst__alloc_array(allocator, rooms, sizeof(int64_t));
    p.set.words = fst__alloc_zero(allocator, (size_t)p.set.word_count * sizeof(uint64_t));
    p.set.summary = fst__alloc_zero(allocator, (size_t)p.set.summary_count * sizeof(uint64_t));
    fst_status status = FST_ERR_NO_MEMORY;
    if (place && p.pieces && p.row_of && p.room && p.below && p.top && p.set.words &&
        p.set.summary) {
        memset(p.top, -1, rooms * sizeof(int64_t));
        cut_pieces(dataset->documents, &p, place);
        place_pieces(&p);
        status = order_by_row(dataset, &p);
    }
    fst__free(allocator, p.set.summary);
    fst__free(allocator, p.set.words);
    fst__free(allocator, p.top);
    fst__free(allocator, p.below);
    fst__free(allocator, p.room);
    fst__free(allocator, p.row_of);
    fst__free(allocator, p.pieces);
    fst__free(allocator, place);
    return status;
}
