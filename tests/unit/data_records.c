/*
 * formats/records.h on real files: each file of the test data that holds records is read to its
 * end, and has as many as its publisher says. 77 where the data is not there.
 */
#include "base/error.h"
#include "formats/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *file;
    fst__records_options options;
    int64_t records, lists; /* lists: of the last record; 0 where the format has none */
    const char *member;     /* that every record has */
} expected[] = {
    {"preference/hh-helpful-base.jsonl.gz", {0}, 2354, 0, "rejected"},
    {"preference/oasst-zh-ranked.json", {0}, 775, 1, "output"},
    {"instruct/instruction-data-with-preference.json", {0}, 1100, 1, "chosen"},
    {"instruct/oasst-zh.json", {0}, 766, 1, "output"},
    {"grades/topicalchat/valid_freq.json.gz", {.path = "*"}, 539, 1, "content"},
    {"grades/topicalchat/valid_freq.json.gz", {.path = "*.content.*"}, 11681, 540, "message"},
    {"grades/vader/tweets_GroundTruth.txt", {.format = FST__RECORDS_TSV}, 4200, 0, "2"},
    {"grades/vader/amazonReviewSnippets_GroundTruth.txt", {.format = FST__RECORDS_TSV}, 3708, 0, "2"},
    {"grades/vader/nytEditorialSnippets_GroundTruth.txt", {.format = FST__RECORDS_TSV}, 5190, 0, "2"},
    {"sentiment/uci/amazon_cells_labelled.txt", {.format = FST__RECORDS_TSV}, 1000, 0, "1"},
    {"sentiment/uci/imdb_labelled.txt", {.format = FST__RECORDS_TSV}, 1000, 0, "1"},
    {"sentiment/uci/yelp_labelled.txt", {.format = FST__RECORDS_TSV}, 1000, 0, "1"},
    {"sentiment/rt-polarity/rt-polarity.pos",
     {.format = FST__RECORDS_LINES, .latin1 = true}, 5331, 0, "text"},
    {"sentiment/rt-polarity/rt-polarity.neg",
     {.format = FST__RECORDS_LINES, .latin1 = true}, 5331, 0, "text"},
    {"sts/train.csv", {.format = FST__RECORDS_TSV, .header = true}, 6040, 0, "sentence2"},
    {"sts/dev.csv", {.format = FST__RECORDS_TSV, .header = true}, 863, 0, "similarity"},
    {"lm/poetry-zh/poet.tang.0.json", {0}, 1000, 1, "paragraphs"},
    {"lm/poetry-zh/shijing.json", {0}, 305, 1, "content"},
};

static int check_file(const char *folder, size_t index)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, expected[index].file);
    fst__allocator allocator = {0};
    fst__records *records;
    fst_status status = fst__records_open(&allocator, path, &expected[index].options, &records);
    int64_t count = 0, lists = 0, lacking = 0;
    while (!status) {
        json_t *record;
        status = fst__records_next(records, &record);
        if (status || !record)
            break;
        ++count;
        lists = fst__records_list(records);
        lacking += json_object_get(record, expected[index].member) == NULL;
    }
    if (status)
        printf("%s\n", fst__error_text());
    else
        fst__records_close(records);
    bool good = !status && count == expected[index].records && lists == expected[index].lists &&
                lacking == 0;
    printf("%s %-52s %lld records, %lld lists, %lld without \"%s\"\n", good ? "ok " : "BAD",
           expected[index].file, (long long)count, (long long)lists, (long long)lacking,
           expected[index].member);
    return !good;
}

int main(void)
{
    const char *data = getenv("FOURSTAGE_DATA"), *source = getenv("FOURSTAGE_SOURCE");
    char folder[2048];
    if (data)
        snprintf(folder, sizeof folder, "%s", data);
    else
        snprintf(folder, sizeof folder, "%s/../shared/data", source ? source : ".");
    if (access(folder, R_OK) != 0) {
        printf("no test data in %s\n", folder);
        return 77;
    }
    int failed = 0;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; ++i)
        failed += check_file(folder, i);
    return failed != 0;
}
