#include "stages/checkpoint_folder.h"

#include "base/error.h"
#include "formats/file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "checkpoint-"
#define SUFFIX ".safetensors"

/* The step in a checkpoint's name; -1 for any other name, a temporary file's too. */
static int64_t step_of(const char *name)
{
    if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0)
        return -1;
    const char *at = name + sizeof PREFIX - 1;
    int64_t step = 0;
    int digits = 0;
    for (; *at >= '0' && *at <= '9' && digits < 18; ++at, ++digits)
        step = step * 10 + (*at - '0');
    return digits > 0 && strcmp(at, SUFFIX) == 0 ? step : -1;
}

static int newest_first(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? 1 : a > b ? -1 : 0;
}

static fst_status append(fst__allocator *allocator, int64_t **steps, int64_t count, int64_t step)
{
    if ((count & (count - 1)) == 0) { /* full at each power of two */
        int64_t *grown = fst__realloc_array(allocator, *steps, count > 0 ? 2 * (size_t)count : 1,
                                            sizeof **steps);
        if (!grown)
            return FST_ERR_NO_MEMORY;
        *steps = grown;
    }
    (*steps)[count] = step;
    return FST_OK;
}

fst_status fst__checkpoint_list(fst__allocator *allocator, const char *folder, int64_t **steps,
                                int64_t *count)
{
    *steps = NULL;
    *count = 0;
    DIR *directory = opendir(folder);
    if (!directory) {
        int error = errno;
        fst_status status = fst__fail_errno(error, "cannot read the folder %s", folder);
        return error == ENOENT ? FST_ERR_NOT_FOUND : status;
    }
    fst_status status = FST_OK;
    while (!status) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry && errno)
            status = fst__fail_errno(errno, "cannot read the folder %s", folder);
        if (!entry)
            break;
        int64_t step = step_of(entry->d_name);
        if (step >= 0 && !(status = append(allocator, steps, *count, step)))
            ++*count;
    }
    closedir(directory);
    if (status) {
        fst__free(allocator, *steps);
        *steps = NULL;
        return status;
    }
    if (*count > 1)
        qsort(*steps, (size_t)*count, sizeof **steps, newest_first);
    return FST_OK;
}

char *fst__checkpoint_path(fst__allocator *allocator, const char *folder, int64_t step)
{
    char name[64];
    snprintf(name, sizeof name, PREFIX "%" PRId64 SUFFIX, step);
    return fst__path_join(allocator, folder, name);
}

fst_status fst__checkpoint_prune(fst__allocator *allocator, const char *folder, int64_t step,
                                 int64_t keep)
{
    int64_t *steps, count, kept = 0;
    fst_status status = fst__checkpoint_list(allocator, folder, &steps, &count);
    for (int64_t i = 0; !status && i < count; ++i) {
        if (steps[i] > step || kept++ < keep)
            continue;
        char *path = fst__checkpoint_path(allocator, folder, steps[i]);
        if (!path)
            status = FST_ERR_NO_MEMORY;
        else
            unlink(path);
        fst__free(allocator, path);
    }
    fst__free(allocator, steps);
    return status;
}
