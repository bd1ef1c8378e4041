#include "data/words.h"

#include "base/error.h"
#include "data/examples.h"

fst_status fst__strings_append(fst__strings *strings, const char *text, size_t length)
{
    if (strings->count == strings->capacity) {
        int64_t larger = strings->capacity ? 2 * strings->capacity : 64;
        size_t *begins = fst__realloc_array(strings->text.allocator, strings->begins, (size_t)larger,
                                            sizeof *begins);
        if (!begins)
            return FST_ERR_NO_MEMORY;
        strings->begins = begins;
        strings->capacity = larger;
    }
    size_t begin = strings->text.length;
    fst__text_append(&strings->text, text, length);
    fst__text_append(&strings->text, "", 1);
    if (strings->text.failed)
        return FST_ERR_NO_MEMORY;
    strings->begins[strings->count++] = begin;
    return FST_OK;
}

void fst__strings_free(fst__strings *strings)
{
    fst__free(strings->text.allocator, strings->begins);
    fst__text_destroy(&strings->text);
}

fst__words *fst__words_alloc(fst__allocator *allocator)
{
    fst__words *words = fst__alloc_zero(allocator, sizeof *words);
    if (!words)
        return NULL;
    words->words.text = fst__text_create(allocator);
    words->names.text = fst__text_create(allocator);
    return words;
}

void fst__words_free(fst__words *words, fst__allocator *allocator)
{
    if (!words)
        return;
    fst__strings_free(&words->names);
    fst__free(allocator, words->sentence_of);
    fst__free(allocator, words->tags);
    fst__strings_free(&words->words);
    fst__free(allocator, words->word_of);
    fst__free(allocator, words->classes);
    fst__free(allocator, words);
}

fst_status fst__words_check(const fst_dataset *dataset, const char *function)
{
    if (dataset->documents->tokens->words && dataset->documents->examples)
        return FST_OK;
    return fst__fail(FST_ERR_STATE,
                     "%s: the dataset holds no words with tags; fst_dataset_from_words and "
                     "fst_dataset_load_conll make such",
                     function);
}

void fst__words_example(const fst_dataset *dataset, int64_t index, fst_word_example *example)
{
    const fst__documents *documents = dataset->documents;
    const fst__examples *examples = documents->examples;
    const fst__words *words = documents->tokens->words;
    fst__document span = documents->spans[examples->first[index]];
    *example = (fst_word_example){
        .struct_size = sizeof *example,
        .ids = (const int32_t *)documents->tokens->ids + span.begin,
        .classes = words->classes + span.begin,
        .words = words->word_of + span.begin,
        .length = span.end - span.begin,
        .first_word = examples->words[index].first,
        .end_word = examples->words[index].end,
        .sentence = examples->words[index].sentence,
    };
}

/* Words that an example's ids are of, without those in front of a window. */
static int64_t words_with_ids(const fst_word_example *example)
{
    int64_t count = 0, last = -1;
    for (int64_t t = 0; t < example->length; ++t) {
        if (example->words[t] >= example->first_word && example->words[t] != last) {
            last = example->words[t];
            ++count;
        }
    }
    return count;
}

void fst__words_info(const fst_dataset *dataset, fst_words_info *info)
{
    const fst__examples *examples = dataset->documents->examples;
    const fst__words *words = dataset->documents->tokens->words;
    *info = (fst_words_info){
        .struct_size = sizeof *info,
        .tags = words->names.count,
        .words = words->words.count,
        .sentences = words->sentences,
        .examples = examples->count,
        .labelled = examples->trained_tokens,
    };
    for (int64_t i = 0; i < examples->count; ++i) {
        fst_word_example example;
        fst__words_example(dataset, i, &example);
        info->cut += examples->words[i].cut;
        info->without_ids += example.end_word - example.first_word - examples->words[i].cut -
                             words_with_ids(&example);
    }
}
