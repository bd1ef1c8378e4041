/* Rows of a packing, each a function of (seed, position) alone. */
#include "base/random.h"
#include "data/dataset.h"

/* One row being filled; the arrays may be NULL. */
typedef struct row {
    int32_t *ids, *targets, *positions, *documents, *words; /* [length] */
    int64_t length, filled;
    int32_t word; /* the last one's number */
    bool cross;
    bool open; /* the last target waits for what stands next */
} row;

/* A word that is cut begins anew, as a piece does in a row of its own. */
static void append_words(row *r, const fst__tokens *tokens, int64_t begin, int64_t count)
{
    for (int64_t i = 0; i < count; ++i) {
        bool goes_on = i > 0 && tokens->continues && tokens->continues[begin + i];
        r->word += !goes_on;
        r->words[r->filled + i] = r->word;
    }
}

/* Appends ids [piece.offset, + count) of a document; the target of an id is the one behind it in
 * the document, also where that stands in another row. */
static void append(row *r, const fst__documents *documents, fst__piece piece)
{
    const fst__tokens *tokens = documents->tokens;
    fst__document span = documents->spans[piece.document];
    int64_t begin = span.begin + piece.offset, at = r->filled;
    int64_t follow = span.end - begin - 1 < piece.count ? span.end - begin - 1 : piece.count;
    if (r->targets) {
        if (r->open && r->cross && piece.offset == 0)
            fst__tokens_copy(tokens, begin, 1, r->targets + at - 1);
        fst__tokens_copy(tokens, begin + 1, follow, r->targets + at);
        if (follow < piece.count)
            r->targets[at + follow] = FST_IGNORE;
        for (int64_t i = 0; tokens->trained && i < follow; ++i)
            if (!tokens->trained[begin + 1 + i])
                r->targets[at + i] = FST_IGNORE;
    }
    if (r->ids)
        fst__tokens_copy(tokens, begin, piece.count, r->ids + at);
    for (int64_t i = 0; r->positions && i < piece.count; ++i)
        r->positions[at + i] = (int32_t)(r->cross ? at + i : i);
    for (int64_t i = 0; r->documents && i < piece.count; ++i)
        r->documents[at + i] = (int32_t)(r->cross ? 0 : at);
    if (r->words)
        append_words(r, tokens, begin, piece.count);
    r->filled += piece.count;
    r->open = follow < piece.count;
}

static void pad(row *r, int32_t pad_id)
{
    int64_t at = r->filled;
    for (int64_t i = at; i < r->length; ++i) {
        if (r->ids)
            r->ids[i] = pad_id;
        if (r->targets)
            r->targets[i] = FST_IGNORE;
        if (r->positions)
            r->positions[i] = (int32_t)(i - at);
        if (r->documents)
            r->documents[i] = (int32_t)at;
        if (r->words)
            r->words[i] = -1;
    }
}

/* The document that holds place `place` of the documents' one long row; empty ones hold none. */
static int64_t document_at(const fst__documents *documents, int64_t place)
{
    int64_t low = 0, high = documents->count; /* starts[low] ≤ place < starts[high] */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (documents->starts[middle] <= place)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The long row's places [place, place + length), and the one behind as the last target. */
static void fill_window(row *r, const fst__documents *documents, int64_t place)
{
    int64_t d = document_at(documents, place);
    for (; d < documents->count && r->filled < r->length; ++d) {
        int64_t offset = place + r->filled - documents->starts[d];
        int64_t left = documents->starts[d + 1] - documents->starts[d] - offset;
        int64_t count = left < r->length - r->filled ? left : r->length - r->filled;
        if (count > 0)
            append(r, documents, (fst__piece){d, offset, count});
    }
    int64_t next = place + r->length;
    if (r->targets && r->open && r->cross && r->filled == r->length &&
        next < documents->starts[documents->count]) {
        d = document_at(documents, next);
        fst__tokens_copy(documents->tokens, documents->spans[d].begin, 1,
                         r->targets + r->length - 1);
    }
}

static void fill_planned(row *r, const fst_dataset *dataset, int64_t index)
{
    for (int64_t i = dataset->row_first[index]; i < dataset->row_first[index + 1]; ++i)
        append(r, dataset->documents, dataset->pieces[i]);
}

/* Any of the windows that have a target behind each id, all equally likely. */
static int64_t random_place(const fst_dataset *dataset, int64_t position)
{
    const fst__documents *documents = dataset->documents;
    uint64_t choices = (uint64_t)(documents->starts[documents->count] - dataset->pack.length);
    fst__philox_block block =
        fst__philox(dataset->context->seed, FST__STREAM_WINDOW, 0, (uint64_t)position);
    uint64_t word = (uint64_t)block.word[0] << 32 | block.word[1];
    __extension__ typedef unsigned __int128 wide;
    return (int64_t)((wide)word * choices >> 64);
}

static void fill(row *r, const fst_dataset *dataset, int64_t position, bool shuffle)
{
    if (dataset->pack.mode == FST_PACK_RANDOM) {
        fill_window(r, dataset->documents, random_place(dataset, position));
        return;
    }
    int64_t epoch = position / dataset->rows, index = position % dataset->rows;
    if (shuffle)
        index = (int64_t)fst__permute(dataset->context->seed, FST__STREAM_SHUFFLE, (uint64_t)epoch,
                                      (uint64_t)index, (uint64_t)dataset->rows);
    if (dataset->pack.mode == FST_PACK_BEST_FIT)
        fill_planned(r, dataset, index);
    else
        fill_window(r, dataset->documents, index * dataset->pack.length);
    pad(r, dataset->pack.pad_id);
}

static int32_t *row_of(int32_t *array, int64_t index, int64_t length)
{
    return array ? array + index * length : NULL;
}

void fst__dataset_read_rows(const fst_dataset *packed, int64_t position, int64_t rows, bool shuffle,
                            const fst__dataset_rows *out)
{
    int64_t length = packed->pack.length;
    for (int64_t b = 0; b < rows; ++b) {
        row r = {.ids = row_of(out->ids, b, length),
                 .targets = row_of(out->targets, b, length),
                 .positions = row_of(out->positions, b, length),
                 .documents = row_of(out->documents, b, length),
                 .words = row_of(out->words, b, length),
                 .length = length,
                 .word = -1,
                 .cross = packed->pack.cross_documents != 0};
        fill(&r, packed, position + b, shuffle);
    }
}

void fst__dataset_read(const fst_dataset *packed, int64_t position, int64_t rows, bool shuffle,
                       int32_t *ids, int32_t *targets, int32_t *positions, int32_t *documents)
{
    const fst__dataset_rows out = {ids, targets, positions, documents, NULL};
    fst__dataset_read_rows(packed, position, rows, shuffle, &out);
}
