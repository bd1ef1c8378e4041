#include "model/head_labels.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Which are the same shows where they stand in order; `sorted` is room for that. */
static fst_status check(const char *const *labels, int64_t count, const char **sorted)
{
    for (int64_t i = 0; i < count; ++i) {
        if (!labels[i])
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "label %lld is NULL", (long long)i);
        sorted[i] = labels[i];
    }
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    for (int64_t i = 1; i < count; ++i) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "the label \"%.60s\" is given twice",
                             sorted[i]);
    }
    return FST_OK;
}

/* Pointers and behind them the texts, one piece of memory. */
static char **copy(fst__allocator *allocator, const char *const *labels, int64_t count)
{
    size_t bytes = (size_t)count * sizeof(char *);
    for (int64_t i = 0; i < count; ++i) {
        if (!fst__add_size(bytes, strlen(labels[i]) + 1, &bytes))
            return NULL;
    }
    char **all = fst__alloc(allocator, bytes);
    char *at = (char *)(all + count);
    for (int64_t i = 0; all && i < count; ++i) {
        size_t size = strlen(labels[i]) + 1;
        all[i] = memcpy(at, labels[i], size);
        at += size;
    }
    return all;
}

fst_status fst__head_set_labels(fst_model *model, fst__head *head, const char *const *labels)
{
    fst__allocator *allocator = &model->context->allocator;
    int64_t count = head->options.outputs;
    char **all = NULL;
    if (labels) {
        const char **sorted = fst__alloc_array(allocator, (size_t)count, sizeof *sorted);
        if (!sorted)
            return FST_ERR_NO_MEMORY;
        fst_status status = check(labels, count, sorted);
        fst__free(allocator, sorted);
        if (status)
            return status;
        all = copy(allocator, labels, count);
        if (!all)
            return FST_ERR_NO_MEMORY;
    }
    fst__free(allocator, head->labels);
    head->labels = all;
    return FST_OK;
}

const char *fst__head_label(const fst__head *head, int64_t index)
{
    return head->labels ? head->labels[index] : NULL;
}

bool fst__head_labels_to_json(const fst__head *head, json_t *root)
{
    json_t *names = json_object(), *ids = json_object();
    bool good = true;
    for (int64_t i = 0; i < head->options.outputs; ++i) {
        char key[24], standard[32];
        snprintf(key, sizeof key, "%lld", (long long)i);
        snprintf(standard, sizeof standard, "LABEL_%lld", (long long)i);
        const char *label = fst__head_label(head, i) ? fst__head_label(head, i) : standard;
        good = json_object_set_new(names, key, json_string(label)) == 0 && good;
        good = json_object_set_new(ids, label, json_integer(i)) == 0 && good;
    }
    good = json_object_set_new(root, "id2label", names) == 0 && good;
    return json_object_set_new(root, "label2id", ids) == 0 && good;
}
