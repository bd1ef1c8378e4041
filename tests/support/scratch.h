/* A temporary folder, whole files in and out of it, and an allocator that refuses on demand. */
#ifndef FST_TESTS_SCRATCH_H
#define FST_TESTS_SCRATCH_H

#include "base/alloc.h"

#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct scratch {
    char folder[256];
    char paths[32][768]; /* the last few that scratch_path gave */
    int turn;
} scratch;

static inline scratch scratch_create(void)
{
    scratch place = {0};
    const char *base = getenv("TMPDIR");
    snprintf(place.folder, sizeof place.folder, "%s/fourstage-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(place.folder));
    return place;
}

static inline const char *scratch_path(scratch *place, const char *name)
{
    char *path = place->paths[place->turn++ % 32];
    size_t folder = strlen(place->folder), length = strlen(name);
    ck_assert_uint_lt(folder + length + 2, sizeof place->paths[0]);
    memcpy(path, place->folder, folder);
    path[folder] = '/';
    memcpy(path + folder + 1, name, length + 1);
    return path;
}

static inline int scratch_remove_entry(const char *path, const struct stat *status, int kind,
                                       struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void scratch_destroy(scratch *place)
{
    nftw(place->folder, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "cannot write %s", path);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* To be freed; a NUL stands behind the bytes. */
static inline char *scratch_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot read %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    ck_assert_uint_eq(fread(bytes, 1, *size, file), *size);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

/* Entries of the folder, without "." and "..". */
static inline int scratch_entries(const char *folder)
{
    DIR *directory = opendir(folder);
    ck_assert_ptr_nonnull(directory);
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

/* Allocation number fail_at (from 1) is refused, and all after it too if `for_good`. 0: none. */
typedef struct scratch_memory {
    int64_t fail_at, calls, live;
    bool for_good;
} scratch_memory;

static inline void *scratch_allocate(size_t size, void *user)
{
    scratch_memory *memory = user;
    ++memory->calls;
    if (memory->fail_at > 0 && (memory->calls == memory->fail_at ||
                                (memory->for_good && memory->calls > memory->fail_at)))
        return NULL;
    void *block = malloc(size);
    memory->live += block != NULL;
    return block;
}

static inline void scratch_release(void *block, void *user)
{
    ((scratch_memory *)user)->live -= block != NULL;
    free(block);
}

#define SCRATCH_ALLOCATOR(memory)                                                                  \
    {.allocate = scratch_allocate, .release = scratch_release, .user = (memory)}

#endif
