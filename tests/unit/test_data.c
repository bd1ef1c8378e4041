/* Datasets of ids: every id names its own place, so a row tells where it came from. */
#include "base/random.h"
#include "fourstage/context.h"
#include "fourstage/dataset.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Lengths of documents: empty ones, ones of a single id, of a row, and of more than a row. */
static const int64_t lengths[] = {5, 0, 1, 8, 30, 3, 3, 7, 16, 0, 2, 1, 9, 24, 4, 6, 17, 0};
enum { DOCUMENTS = sizeof lengths / sizeof lengths[0], LENGTH = 8 };

static int64_t offsets[DOCUMENTS + 1];
static int64_t total;
static int32_t *identity;    /* [total] id i at place i */
static int32_t *document_of; /* [total] */

static void setup(void)
{
    for (int d = 0; d < DOCUMENTS; ++d)
        offsets[d + 1] = offsets[d] + lengths[d];
    total = offsets[DOCUMENTS];
    identity = malloc((size_t)total * sizeof *identity);
    document_of = malloc((size_t)total * sizeof *document_of);
    for (int d = 0; d < DOCUMENTS; ++d)
        for (int64_t i = offsets[d]; i < offsets[d + 1]; ++i) {
            identity[i] = (int32_t)i;
            document_of[i] = d;
        }
}

static void teardown(void)
{
    free(document_of);
    free(identity);
}

static fst_context *context_open(int64_t seed)
{
    fst_context_options options;
    fst_context *context = NULL;
    ck_assert_int_eq(fst_context_options_init(&options, sizeof options), FST_OK);
    options.threads = 2;
    options.seed = seed;
    options.provider = FST_PROVIDER_REFERENCE;
    ck_assert_int_eq(fst_context_create(&options, &context), FST_OK);
    return context;
}

static fst_dataset *dataset_open(fst_context *context)
{
    fst_dataset *dataset = NULL;
    ck_assert_int_eq(
        fst_dataset_from_tokens(context, identity, total, offsets, DOCUMENTS, NULL, &dataset),
        FST_OK);
    return dataset;
}

static fst_dataset *pack(const fst_dataset *dataset, int32_t mode, int32_t cross, int64_t length)
{
    fst_pack_options options;
    fst_dataset *packed = NULL;
    ck_assert_int_eq(fst_pack_options_init(&options, sizeof options), FST_OK);
    options.mode = mode;
    options.cross_documents = cross;
    options.length = length;
    options.pad_id = 12345;
    ck_assert_int_eq(fst_dataset_pack(dataset, &options, &packed), FST_OK);
    return packed;
}

static fst_dataset_info info_of(const fst_dataset *dataset)
{
    fst_dataset_info info;
    ck_assert_int_eq(fst_dataset_get_info(dataset, &info, sizeof info), FST_OK);
    return info;
}

/* Rows of all four arrays. */
typedef struct rows {
    int64_t count;
    int32_t *ids, *targets, *positions, *documents;
} rows;

static rows read_rows(const fst_dataset *packed, int64_t position, int64_t count, int32_t shuffle)
{
    size_t size = (size_t)(count * info_of(packed).length) * sizeof(int32_t);
    rows r = {count, malloc(size), malloc(size), malloc(size), malloc(size)};
    ck_assert_int_eq(fst_dataset_read(packed, position, count, shuffle, r.ids, r.targets,
                                      r.positions, r.documents),
                     FST_OK);
    return r;
}

static void rows_free(rows r)
{
    free(r.documents);
    free(r.positions);
    free(r.targets);
    free(r.ids);
}

/* ---- ids ---- */

static void count_release(void *user)
{
    *(int *)user += 1;
}

START_TEST(test_types_and_release)
{
    fst_context *context = context_open(0);
    uint16_t u16[6] = {7, 0, 65535, 3, 2, 1};
    int64_t i64[6] = {7, 0, 65535, 3, 2, 1};
    int32_t i32[6] = {7, 0, 65535, 3, 2, 1};
    const void *arrays[] = {i32, u16, i64};
    for (int32_t type = 0; type < 3; ++type) {
        int released = 0;
        fst_dataset_token_options options;
        fst_dataset_token_options_init(&options, sizeof options);
        options.type = type;
        options.release = count_release;
        options.release_user = &released;
        fst_dataset *dataset, *packed;
        ck_assert_int_eq(
            fst_dataset_from_tokens(context, arrays[type], 6, NULL, 0, &options, &dataset), FST_OK);
        packed = pack(dataset, FST_PACK_WRAPPED, 1, 5);
        ck_assert_int_eq(info_of(dataset).maximum_id, 65535);
        fst_dataset_destroy(dataset);
        rows r = read_rows(packed, 0, 1, 0);
        ck_assert(!memcmp(r.ids, i32, 5 * sizeof(int32_t)));
        ck_assert(!memcmp(r.targets, i32 + 1, 5 * sizeof(int32_t)));
        rows_free(r);
        ck_assert_int_eq(released, 0);
        fst_dataset_destroy(packed);
        ck_assert_int_eq(released, 1);
    }
    fst_context_destroy(context);
}
END_TEST

static void refused(const void *ids, int64_t count, const int64_t *starts, int64_t documents,
                    int32_t type, int64_t vocabulary, const char *word)
{
    fst_context *context = context_open(0);
    int released = 0;
    fst_dataset_token_options options;
    fst_dataset_token_options_init(&options, sizeof options);
    options.type = type;
    options.vocabulary_size = vocabulary;
    options.release = count_release;
    options.release_user = &released;
    fst_dataset *dataset = NULL;
    ck_assert_int_eq(
        fst_dataset_from_tokens(context, ids, count, starts, documents, &options, &dataset),
        FST_ERR_INVALID_ARGUMENT);
    ck_assert_msg(strstr(fst_last_error(), word), "\"%s\" lacks \"%s\"", fst_last_error(), word);
    ck_assert_ptr_null(dataset);
    ck_assert_int_eq(released, 0);
    fst_context_destroy(context);
}

START_TEST(test_refused_ids)
{
    const int32_t i32[4] = {1, 2, -3, 4};
    const int64_t i64[4] = {1, 2, 3, (int64_t)INT32_MAX + 1};
    const uint16_t u16[4] = {9, 10, 11, 12};
    const int64_t falling[4] = {0, 3, 2, 4}, short_[3] = {0, 1, 3}, late[2] = {1, 4},
                  far[3] = {0, 9, 4};
    refused(i32, 4, NULL, 0, FST_TOKENS_I32, 0, "ids[2] is -3");
    refused(i64, 4, NULL, 0, FST_TOKENS_I64, 0, "ids[3] is 2147483648");
    refused(u16, 4, NULL, 0, FST_TOKENS_U16, 11, "ids[2] is 11");
    refused(u16, 0, NULL, 0, FST_TOKENS_U16, 0, "count");
    refused(u16, 4, falling, 3, FST_TOKENS_U16, 0, "offsets[2] is 2");
    refused(u16, 4, short_, 2, FST_TOKENS_U16, 0, "offsets[2] is 3");
    refused(u16, 4, late, 1, FST_TOKENS_U16, 0, "offsets[0] is 1");
    refused(u16, 4, far, 2, FST_TOKENS_U16, 0, "offsets[1] is 9");
    refused(u16, 4, falling, 0, FST_TOKENS_U16, 0, "documents");
    refused(u16, 4, NULL, 0, 3, 0, "type");
    refused((const char *)i64 + 2, 3, NULL, 0, FST_TOKENS_I32, 0, "aligned");
}
END_TEST

/* A copy does not see what the caller does to the ids afterwards. */
START_TEST(test_copy)
{
    fst_context *context = context_open(0);
    int32_t ids[5] = {1, 2, 3, 4, 5}, out[5];
    fst_dataset_token_options options;
    fst_dataset_token_options_init(&options, sizeof options);
    options.copy = 1;
    fst_dataset *dataset;
    int64_t count = 0;
    ck_assert_int_eq(fst_dataset_from_tokens(context, ids, 5, NULL, 0, &options, &dataset), FST_OK);
    ids[0] = 99;
    ck_assert_int_eq(fst_dataset_get_document(dataset, 0, out, 4, &count),
                     FST_ERR_BUFFER_TOO_SMALL);
    ck_assert_int_eq(count, 5);
    ck_assert_int_eq(fst_dataset_get_document(dataset, 0, out, 5, &count), FST_OK);
    ck_assert_int_eq(out[0], 1);
    ck_assert_int_eq(fst_dataset_get_document(dataset, 1, out, 5, &count),
                     FST_ERR_INVALID_ARGUMENT);
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
}
END_TEST

/* ---- splits ---- */

static void mark_documents(const fst_dataset *dataset, int *seen)
{
    fst_dataset_info info = info_of(dataset);
    int32_t *ids = malloc((size_t)total * sizeof *ids);
    for (int64_t d = 0; d < info.documents; ++d) {
        int64_t count;
        ck_assert_int_eq(fst_dataset_get_document(dataset, d, ids, total, &count), FST_OK);
        for (int64_t i = 0; i < count; ++i)
            seen[ids[i]] += 1;
    }
    free(ids);
}

START_TEST(test_split_tail)
{
    fst_context *context = context_open(0);
    fst_dataset *dataset = dataset_open(context), *train, *validation;
    fst_split_options options;
    fst_split_options_init(&options, sizeof options);
    static const double fractions[] = {0.1, 0.5, 0.93};
    for (int f = 0; f < 3; ++f) {
        options.fraction = fractions[f];
        ck_assert_int_eq(fst_dataset_split(dataset, &options, &train, &validation), FST_OK);
        int64_t cut = (int64_t)((double)total * (1 - fractions[f]));
        ck_assert_int_eq(info_of(train).tokens, cut);
        ck_assert_int_eq(info_of(validation).tokens, total - cut);
        int *seen = calloc((size_t)total, sizeof *seen);
        mark_documents(train, seen);
        for (int64_t i = 0; i < total; ++i)
            ck_assert_int_eq(seen[i], i < cut);
        mark_documents(validation, seen);
        for (int64_t i = 0; i < total; ++i)
            ck_assert_int_eq(seen[i], 1);
        free(seen);
        fst_dataset_destroy(train);
        fst_dataset_destroy(validation);
    }
    options.fraction = 1e-9;
    ck_assert_int_eq(fst_dataset_split(dataset, &options, &train, &validation), FST_OK);
    ck_assert_int_eq(info_of(validation).tokens, 1); /* rounded down for training */
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    options.fraction = 1;
    ck_assert_int_eq(fst_dataset_split(dataset, &options, &train, &validation),
                     FST_ERR_INVALID_ARGUMENT);
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
}
END_TEST

enum { TWINS = 400 };

/* 400 documents of 3 ids, each there twice. */
static fst_dataset *twins_open(fst_context *context, int32_t *ids, int64_t *starts)
{
    fst_dataset *dataset;
    for (int d = 0; d < 2 * TWINS; ++d) {
        starts[d] = 3 * d;
        for (int i = 0; i < 3; ++i)
            ids[3 * d + i] = d % TWINS;
    }
    starts[2 * TWINS] = 6 * TWINS;
    ck_assert_int_eq(
        fst_dataset_from_tokens(context, ids, 6 * TWINS, starts, 2 * TWINS, NULL, &dataset),
        FST_OK);
    return dataset;
}

START_TEST(test_split_documents)
{
    static int32_t ids[6 * TWINS];
    static int64_t starts[2 * TWINS + 1];
    int8_t sides[2][TWINS];
    fst_split_options options;
    fst_split_options_init(&options, sizeof options);
    options.mode = FST_SPLIT_DOCUMENTS;
    options.fraction = 0.25;
    for (int seed = 0; seed < 2; ++seed) {
        fst_context *context = context_open(seed);
        fst_dataset *dataset = twins_open(context, ids, starts), *parts[2];
        ck_assert_int_eq(fst_dataset_split(dataset, &options, &parts[0], &parts[1]), FST_OK);
        int64_t documents[2] = {info_of(parts[0]).documents, info_of(parts[1]).documents};
        ck_assert_int_eq(documents[0] + documents[1], 2 * TWINS);
        ck_assert_int_gt(documents[1], 2 * TWINS / 6);
        ck_assert_int_lt(documents[1], 2 * TWINS / 3);
        memset(sides[seed], -1, TWINS);
        for (int side = 0; side < 2; ++side)
            for (int64_t d = 0; d < documents[side]; ++d) {
                int32_t document[3];
                int64_t count;
                ck_assert_int_eq(fst_dataset_get_document(parts[side], d, document, 3, &count),
                                 FST_OK);
                int8_t *at = &sides[seed][document[0]];
                ck_assert(*at == -1 || *at == side); /* both copies on one side */
                *at = (int8_t)side;
            }
        fst_dataset_destroy(dataset);
        fst_dataset_destroy(parts[0]);
        fst_dataset_destroy(parts[1]);
        fst_context_destroy(context);
    }
    ck_assert(memcmp(sides[0], sides[1], TWINS));
}
END_TEST

/* ---- rows ---- */

/* What the header says of a row that holds ids of identity[]: each piece of a document in order. */
static void check_row(const rows *r, int64_t row, int64_t length, int32_t cross, int *input_seen,
                      int *target_seen)
{
    const int32_t *ids = r->ids + row * length, *targets = r->targets + row * length;
    const int32_t *positions = r->positions + row * length,
                  *documents = r->documents + row * length;
    int64_t begin = 0; /* of the document's piece at hand */
    for (int64_t t = 0; t < length; ++t) {
        if (ids[t] == 12345) {
            if (t == 0 || ids[t - 1] != 12345)
                begin = t;
            ck_assert_int_eq(targets[t], FST_IGNORE);
            ck_assert_int_eq(documents[t], begin);
            ck_assert_int_ge(positions[t], 0);
            continue;
        }
        input_seen[ids[t]] += 1;
        if (t > 0 && (ids[t] != ids[t - 1] + 1 || document_of[ids[t]] != document_of[ids[t - 1]]))
            begin = t;
        ck_assert_int_eq(documents[t], cross ? 0 : begin);
        ck_assert_int_eq(positions[t], cross ? t : t - begin);
        bool last = ids[t] + 1 == total || document_of[ids[t] + 1] != document_of[ids[t]];
        if (!last)
            ck_assert_int_eq(targets[t], ids[t] + 1);
        else if (!cross)
            ck_assert_int_eq(targets[t], FST_IGNORE);
        if (targets[t] >= 0)
            target_seen[targets[t]] += 1;
    }
}

START_TEST(test_wrapped)
{
    fst_context *context = context_open(0);
    fst_dataset *dataset = dataset_open(context);
    for (int32_t cross = 0; cross < 2; ++cross)
        for (int64_t length = 1; length <= total + 1; length += length < 20 ? 1 : 37) {
            fst_dataset *packed = pack(dataset, FST_PACK_WRAPPED, cross, length);
            int64_t count = info_of(packed).rows;
            ck_assert_int_eq(count, (total - 1 + length - 1) / length);
            int *inputs = calloc((size_t)total, sizeof(int)),
                *targets = calloc((size_t)total, sizeof(int));
            rows r = read_rows(packed, 0, count, 0);
            for (int64_t row = 0; row < count; ++row)
                check_row(&r, row, length, cross, inputs, targets);
            for (int64_t i = 0; i + 1 < total; ++i)
                ck_assert_int_eq(r.ids[i], i);
            for (int64_t i = 0; i < total; ++i) {
                bool first = i == 0 || document_of[i] != document_of[i - 1];
                ck_assert_int_eq(targets[i], cross ? i > 0 : !first);
            }
            rows_free(r);
            free(inputs);
            free(targets);
            fst_dataset_destroy(packed);
        }
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
}
END_TEST

START_TEST(test_best_fit)
{
    fst_context *context = context_open(0);
    fst_dataset *dataset = dataset_open(context);
    for (int32_t cross = 0; cross < 2; ++cross)
        for (int64_t length = 2; length < 140; length += 3) {
            fst_dataset *packed = pack(dataset, FST_PACK_BEST_FIT, cross, length);
            int64_t count = info_of(packed).rows;
            int *inputs = calloc((size_t)total, sizeof(int)),
                *targets = calloc((size_t)total, sizeof(int));
            rows r = read_rows(packed, 0, count, 0);
            for (int64_t row = 0; row < count; ++row)
                check_row(&r, row, length, cross, inputs, targets);
            for (int64_t i = 0; i < total; ++i) {
                bool first = i == 0 || document_of[i] != document_of[i - 1];
                ck_assert_int_eq(inputs[i], 1);
                ck_assert(first ? targets[i] <= cross : targets[i] == 1);
            }
            /* Best-fit decreasing never needs more than 11/9 of the best, plus one. */
            ck_assert_int_le(count, 1 + 11 * ((total + length - 1) / length) / 9 + 1);
            rows_free(r);
            free(inputs);
            free(targets);
            fst_dataset_destroy(packed);
        }
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
}
END_TEST

/* Against a search of all rows for the fullest one that fits, on many documents. */
START_TEST(test_best_fit_is_best_fit)
{
    enum { MANY = 3000, ROW = 300 };
    int64_t *starts = malloc((MANY + 1) * sizeof *starts), *room = malloc(MANY * sizeof *room);
    starts[0] = 0;
    for (int d = 0; d < MANY; ++d)
        starts[d + 1] = starts[d] + 1 + fst__philox(5, 1, 0, (uint64_t)d).word[0] % ROW;
    int32_t *ids = calloc((size_t)starts[MANY], sizeof *ids);
    int64_t expected = 0;
    for (int64_t length = ROW; length > 0; --length)
        for (int d = 0; d < MANY; ++d) {
            if (starts[d + 1] - starts[d] != length)
                continue;
            int64_t best = -1;
            for (int64_t row = 0; row < expected; ++row)
                if (room[row] >= length && (best < 0 || room[row] < room[best]))
                    best = row;
            if (best < 0)
                room[best = expected++] = ROW;
            room[best] -= length;
        }
    fst_context *context = context_open(0);
    fst_dataset *dataset, *packed;
    ck_assert_int_eq(
        fst_dataset_from_tokens(context, ids, starts[MANY], starts, MANY, NULL, &dataset), FST_OK);
    packed = pack(dataset, FST_PACK_BEST_FIT, 0, ROW);
    ck_assert_int_eq(info_of(packed).rows, expected);
    fst_dataset_destroy(packed);
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
    free(ids);
    free(room);
    free(starts);
}
END_TEST

START_TEST(test_random_windows)
{
    fst_context *context = context_open(9), *other = context_open(10);
    fst_dataset *dataset = dataset_open(context), *again = dataset_open(other);
    fst_dataset *packed = pack(dataset, FST_PACK_RANDOM, 1, total - 3);
    int seen[3] = {0};
    rows r = read_rows(packed, 1000, 60, 0);
    for (int64_t row = 0; row < 60; ++row) {
        int32_t begin = r.ids[row * (total - 3)];
        ck_assert(begin >= 0 && begin < 3);
        seen[begin] += 1;
        for (int64_t t = 0; t < total - 3; ++t) {
            ck_assert_int_eq(r.ids[row * (total - 3) + t], begin + t);
            ck_assert_int_eq(r.targets[row * (total - 3) + t], begin + t + 1);
        }
    }
    for (int i = 0; i < 3; ++i)
        ck_assert_int_gt(seen[i], 8);
    rows_free(r);
    fst_dataset_destroy(packed);

    fst_dataset *first = pack(dataset, FST_PACK_RANDOM, 0, LENGTH);
    fst_dataset *second = pack(again, FST_PACK_RANDOM, 0, LENGTH);
    rows a = read_rows(first, 7, 40, 1), b = read_rows(second, 7, 40, 1),
         c = read_rows(first, 8, 39, 1);
    ck_assert(memcmp(a.ids, b.ids, 40 * LENGTH * sizeof(int32_t))); /* the seed decides */
    ck_assert(!memcmp(a.ids + LENGTH, c.ids, 39 * LENGTH * sizeof(int32_t)));
    int *inputs = calloc((size_t)total, sizeof(int)), *targets = calloc((size_t)total, sizeof(int));
    for (int64_t row = 0; row < 40; ++row)
        check_row(&a, row, LENGTH, 0, inputs, targets);
    free(inputs);
    free(targets);
    rows_free(a);
    rows_free(b);
    rows_free(c);
    fst_dataset_destroy(first);
    fst_dataset_destroy(second);
    fst_pack_options options;
    fst_pack_options_init(&options, sizeof options);
    options.mode = FST_PACK_RANDOM;
    options.length = total;
    ck_assert_int_eq(fst_dataset_pack(dataset, &options, &packed), FST_ERR_INVALID_ARGUMENT);
    fst_dataset_destroy(dataset);
    fst_dataset_destroy(again);
    fst_context_destroy(context);
    fst_context_destroy(other);
}
END_TEST

/* Any cut of the reading gives the same rows; each epoch has each row once, in its own order. */
START_TEST(test_shuffle_and_resume)
{
    fst_context *context = context_open(3);
    fst_dataset *dataset = dataset_open(context);
    for (int32_t mode = FST_PACK_WRAPPED; mode <= FST_PACK_BEST_FIT; ++mode) {
        fst_dataset *packed = pack(dataset, mode, 0, LENGTH);
        int64_t count = info_of(packed).rows, row_size = LENGTH * sizeof(int32_t);
        rows whole = read_rows(packed, 0, 3 * count, 1), plain = read_rows(packed, 0, count, 0);
        ck_assert(memcmp(whole.ids, whole.ids + count * LENGTH, (size_t)(count * row_size)));
        for (int epoch = 0; epoch < 3; ++epoch)
            for (int64_t row = 0; row < count; ++row) {
                int found = 0;
                for (int64_t i = 0; i < count; ++i)
                    found += !memcmp(whole.ids + (epoch * count + i) * LENGTH,
                                     plain.ids + row * LENGTH, (size_t)row_size);
                ck_assert_int_eq(found, 1);
            }
        for (int64_t position = 0; position < 2 * count; position += 5) {
            rows part = read_rows(packed, position, count, 1);
            ck_assert(!memcmp(part.ids, whole.ids + position * LENGTH, (size_t)(count * row_size)));
            ck_assert(!memcmp(part.targets, whole.targets + position * LENGTH,
                              (size_t)(count * row_size)));
            ck_assert(!memcmp(part.positions, whole.positions + position * LENGTH,
                              (size_t)(count * row_size)));
            ck_assert(!memcmp(part.documents, whole.documents + position * LENGTH,
                              (size_t)(count * row_size)));
            rows_free(part);
        }
        int32_t *only = malloc((size_t)(count * row_size)); /* arrays left out change nothing */
        ck_assert_int_eq(fst_dataset_read(packed, 4, count, 1, NULL, only, NULL, NULL), FST_OK);
        ck_assert(!memcmp(only, whole.targets + 4 * LENGTH, (size_t)(count * row_size)));
        free(only);
        rows_free(whole);
        rows_free(plain);
        fst_dataset_destroy(packed);
    }
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
}
END_TEST

/* targets and target_bytes are what an epoch's rows add up to. */
START_TEST(test_info)
{
    fst_context *context = context_open(0);
    int32_t *bytes = malloc((size_t)total * sizeof *bytes);
    int64_t all = 0;
    for (int64_t i = 0; i < total; ++i)
        all += bytes[i] = (int32_t)(i % 5);
    fst_dataset_token_options options;
    fst_dataset_token_options_init(&options, sizeof options);
    options.vocabulary_size = total;
    options.token_bytes = bytes;
    fst_dataset *dataset, *train, *validation;
    ck_assert_int_eq(
        fst_dataset_from_tokens(context, identity, total, offsets, DOCUMENTS, &options, &dataset),
        FST_OK);
    ck_assert_int_eq(info_of(dataset).bytes, all);
    ck_assert_int_eq(info_of(dataset).documents, DOCUMENTS);
    ck_assert_int_eq(info_of(dataset).rows, 0);
    ck_assert_int_eq(fst_dataset_split(dataset, NULL, &train, &validation), FST_OK);
    ck_assert_int_eq(info_of(train).bytes + info_of(validation).bytes, all);
    fst_dataset *sources[] = {dataset, train, validation};
    for (int which = 0; which < 3; ++which)
        for (int variant = 0; variant < 8; ++variant) {
            fst_pack_options pack_options;
            fst_pack_options_init(&pack_options, sizeof pack_options);
            pack_options.mode = variant & 1;
            pack_options.cross_documents = variant >> 1 & 1;
            pack_options.drop_last = variant >> 2;
            pack_options.length = LENGTH;
            fst_dataset *packed;
            ck_assert_int_eq(fst_dataset_pack(sources[which], &pack_options, &packed), FST_OK);
            fst_dataset_info info = info_of(packed);
            rows r = read_rows(packed, 0, info.rows, 0);
            int64_t targets = 0, target_bytes = 0;
            for (int64_t i = 0; i < info.rows * LENGTH; ++i)
                if (r.targets[i] >= 0) {
                    targets += 1;
                    target_bytes += bytes[r.targets[i]];
                }
            ck_assert_int_eq(info.targets, targets);
            ck_assert_int_eq(info.target_bytes, target_bytes);
            rows_free(r);
            fst_dataset_destroy(packed);
        }
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
    free(bytes);
}
END_TEST

START_TEST(test_state_errors)
{
    fst_context *context = context_open(0);
    fst_dataset *dataset = dataset_open(context), *packed = pack(dataset, FST_PACK_WRAPPED, 1, 4),
                *other, *more;
    int32_t ids[8];
    ck_assert_int_eq(fst_dataset_read(dataset, 0, 1, 0, ids, NULL, NULL, NULL), FST_ERR_STATE);
    ck_assert_int_eq(fst_dataset_pack(packed, NULL, &other), FST_ERR_STATE);
    ck_assert_int_eq(fst_dataset_split(packed, NULL, &other, &more), FST_ERR_STATE);
    ck_assert_int_eq(fst_dataset_read(packed, -1, 1, 0, ids, NULL, NULL, NULL),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_read(packed, 0, 0, 0, ids, NULL, NULL, NULL),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_read(packed, 0, 1, 2, ids, NULL, NULL, NULL),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_read(packed, INT64_MAX, 1, 0, ids, NULL, NULL, NULL),
                     FST_ERR_INVALID_ARGUMENT);
    fst_pack_options options;
    fst_pack_options_init(&options, sizeof options);
    options.length = 0;
    ck_assert_int_eq(fst_dataset_pack(dataset, &options, &other), FST_ERR_INVALID_ARGUMENT);
    const int32_t one[2] = {1, 2};
    const int64_t singles[3] = {0, 1, 2}; /* two documents of one id: nothing follows anything */
    fst_dataset *lonely;
    ck_assert_int_eq(fst_dataset_from_tokens(context, one, 2, singles, 2, NULL, &lonely), FST_OK);
    fst_pack_options_init(&options, sizeof options);
    options.cross_documents = 0;
    for (int32_t mode = FST_PACK_WRAPPED; mode <= FST_PACK_BEST_FIT; ++mode) {
        options.mode = mode;
        ck_assert_int_eq(fst_dataset_pack(lonely, &options, &other), FST_ERR_INVALID_ARGUMENT);
    }
    fst_dataset_destroy(lonely);
    fst_context_destroy(context); /* before its datasets */
    fst_dataset_destroy(dataset);
    ck_assert_int_eq(fst_dataset_read(packed, 0, 1, 0, ids, NULL, NULL, NULL), FST_OK);
    fst_dataset_destroy(packed);
    fst_dataset_destroy(NULL);
}
END_TEST

/* Out of memory at every single allocation. */
static int64_t allocations_left = INT64_MAX;

static void *failing_allocate(size_t size, void *user)
{
    return allocations_left-- > 0 ? malloc(size) : NULL;
}

static void failing_release(void *block, void *user)
{
    free(block);
}

static fst_status make_all(fst_context *context)
{
    fst_dataset *dataset = NULL, *train = NULL, *validation = NULL, *packed = NULL;
    fst_dataset_token_options options;
    fst_dataset_token_options_init(&options, sizeof options);
    options.copy = 1;
    fst_pack_options pack_options;
    fst_pack_options_init(&pack_options, sizeof pack_options);
    pack_options.mode = FST_PACK_BEST_FIT;
    fst_status status =
        fst_dataset_from_tokens(context, identity, total, offsets, DOCUMENTS, &options, &dataset);
    if (!status)
        status = fst_dataset_split(dataset, NULL, &train, &validation);
    if (!status)
        status = fst_dataset_pack(train, &pack_options, &packed);
    fst_dataset_destroy(dataset);
    fst_dataset_destroy(validation);
    fst_dataset_destroy(train);
    fst_dataset_destroy(packed);
    return status;
}

static int64_t live_bytes(const fst_context *context)
{
    fst_context_info info;
    ck_assert_int_eq(fst_context_get_info(context, &info, sizeof info), FST_OK);
    return info.live_bytes;
}

START_TEST(test_out_of_memory)
{
    fst_context_options options;
    fst_context_options_init(&options, sizeof options);
    options.allocate = failing_allocate;
    options.release = failing_release;
    options.threads = 1;
    options.provider = FST_PROVIDER_REFERENCE;
    fst_context *context;
    ck_assert_int_eq(fst_context_create(&options, &context), FST_OK);
    int64_t before = live_bytes(context), limit = 0;
    fst_status status = FST_ERR_NO_MEMORY;
    for (; status; ++limit) {
        allocations_left = limit;
        status = make_all(context);
        ck_assert(status == FST_OK || status == FST_ERR_NO_MEMORY);
        ck_assert_int_eq(live_bytes(context), before);
    }
    ck_assert_int_gt(limit, 20);
    allocations_left = INT64_MAX;
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("data");
    TCase *test = tcase_create("data");
    tcase_set_timeout(test, 60);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, test_types_and_release);
    tcase_add_test(test, test_refused_ids);
    tcase_add_test(test, test_copy);
    tcase_add_test(test, test_split_tail);
    tcase_add_test(test, test_split_documents);
    tcase_add_test(test, test_wrapped);
    tcase_add_test(test, test_best_fit);
    tcase_add_test(test, test_best_fit_is_best_fit);
    tcase_add_test(test, test_random_windows);
    tcase_add_test(test, test_shuffle_and_resume);
    tcase_add_test(test, test_info);
    tcase_add_test(test, test_state_errors);
    tcase_add_test(test, test_out_of_memory);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
