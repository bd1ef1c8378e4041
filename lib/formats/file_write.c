/* The atomic writer of formats/file.h. */
#include "formats/file.h"

#include "base/error.h"
#include "base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 256 * 1024,
    SUFFIX_LETTERS = 6,
    CREATE_ATTEMPTS = 100,
};

static const char suffix_start[] = ".tmp-";

struct fst__file_writer {
    fst__allocator *allocator;
    char *path;
    char *temporary;
    char *folder;
    int descriptor; /* of the temporary file; -1: none */
    bool created;   /* the temporary file is there and ours */
    bool failed;
    size_t used;    /* bytes waiting in the buffer */
    size_t written; /* bytes in the file */
    char buffer[];  /* BUFFER_SIZE bytes */
};

/* The folder part of a path: "a/b" → "a", "/b" → "/", "b" → ".". */
static char *folder_of(fst__allocator *allocator, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return fst__strdup(allocator, ".");
    return fst__strndup(allocator, path, slash == path ? 1 : (size_t)(slash - path));
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int open_retrying(const char *path, int flags, mode_t mode)
{
    int descriptor;
    do
        descriptor = open(path, flags | O_CLOEXEC, mode);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

static bool is_temporary_of(const char *entry, const char *name)
{
    size_t length = strlen(name), start = sizeof suffix_start - 1;
    if (strlen(entry) != length + start + SUFFIX_LETTERS || memcmp(entry, name, length) != 0 ||
        memcmp(entry + length, suffix_start, start) != 0)
        return false;
    for (const char *letter = entry + length + start; *letter; ++letter)
        if (*letter < 'a' || *letter > 'z')
            return false;
    return true;
}

/* A lock that can be had means that its writer is dead: a process's locks end with it. */
static void remove_if_stale(fst__allocator *allocator, const char *folder, const char *entry)
{
    char *path = fst__path_join(allocator, folder, entry);
    if (!path)
        return;
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISREG(status.st_mode)) {
        int descriptor = open_retrying(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
        if (descriptor >= 0) {
            if (flock(descriptor, LOCK_EX | LOCK_NB) == 0)
                unlink(path);
            close(descriptor);
        }
    }
    fst__free(allocator, path);
}

void fst__file_sweep(fst__allocator *allocator, const char *path)
{
    char *folder = folder_of(allocator, path);
    if (!folder)
        return;
    DIR *directory = opendir(folder);
    if (directory) {
        const struct dirent *entry;
        while ((entry = readdir(directory)))
            if (is_temporary_of(entry->d_name, name_of(path)))
                remove_if_stale(allocator, folder, entry->d_name);
        closedir(directory);
    }
    fst__free(allocator, folder);
}

/* Letters that another process or thread hardly picks too; O_EXCL decides. */
static void choose_suffix(char *letters, const void *address, uint64_t attempt)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    fst__philox_block block =
        fst__philox(time ^ (uint64_t)getpid() << 40, 0, (uint64_t)(uintptr_t)address, attempt);
    uint64_t value = (uint64_t)block.word[0] << 32 | block.word[1];
    for (int i = 0; i < SUFFIX_LETTERS; ++i, value /= 26)
        letters[i] = (char)('a' + value % 26);
}

/* Locks the new file. False: a sweep took it for stale between its creation and the lock. */
static bool claim(int descriptor)
{
    int result;
    do
        result = flock(descriptor, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result != 0 && errno == EWOULDBLOCK)
        return false;
    /* A file system without locks has no sweep either, since that needs the lock. */
    struct stat status;
    return fstat(descriptor, &status) == 0 && status.st_nlink > 0;
}

static fst_status create_temporary(fst__file_writer *writer)
{
    char *letters = writer->temporary + strlen(writer->temporary) - SUFFIX_LETTERS;
    for (uint64_t attempt = 0; attempt < CREATE_ATTEMPTS; ++attempt) {
        choose_suffix(letters, writer, attempt);
        int descriptor = open_retrying(writer->temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (descriptor < 0 && errno == EEXIST)
            continue;
        if (descriptor < 0)
            return fst__fail_errno(errno, "%s: cannot create it beside its name", writer->path);
        writer->descriptor = descriptor;
        writer->created = true;
        if (claim(descriptor))
            return FST_OK;
        close(descriptor);
        unlink(writer->temporary);
        writer->descriptor = -1;
        writer->created = false;
    }
    return fst__fail(FST_ERR_IO, "%s: no free name for a temporary file beside it", writer->path);
}

/* Whoever could not read the earlier file must not read the new one. Best effort: a file system
 * may know no permissions. */
static void keep_permissions(fst__file_writer *writer, const struct stat *earlier)
{
    if (fchmod(writer->descriptor, earlier->st_mode & 0777) != 0)
        errno = 0;
}

fst_status fst__file_writer_open(fst__allocator *allocator, const char *path,
                                 fst__file_writer **out)
{
    struct stat earlier;
    bool replaces = stat(path, &earlier) == 0;
    if (*name_of(path) == '\0' || (replaces && S_ISDIR(earlier.st_mode)))
        return fst__fail(FST_ERR_IO, "%s: is a folder, cannot write a file of that name", path);
    fst__file_sweep(allocator, path);

    fst_status status = FST_ERR_NO_MEMORY;
    fst__file_writer *writer = fst__alloc(allocator, sizeof *writer + BUFFER_SIZE);
    if (!writer)
        return status;
    *writer = (fst__file_writer){.allocator = allocator, .descriptor = -1};
    size_t length = strlen(path), room = length + sizeof suffix_start + SUFFIX_LETTERS;
    writer->path = fst__strdup(allocator, path);
    writer->folder = writer->path ? folder_of(allocator, path) : NULL;
    writer->temporary = writer->folder ? fst__alloc(allocator, room) : NULL;
    if (!writer->temporary)
        goto fail;
    snprintf(writer->temporary, room, "%s%s%s", path, suffix_start, "aaaaaa");
    status = create_temporary(writer);
    if (status != FST_OK)
        goto fail;
    if (replaces)
        keep_permissions(writer, &earlier);
    *out = writer;
    return FST_OK;
fail:
    fst__file_writer_abort(writer);
    return status;
}

/* A write beyond RLIMIT_FSIZE raises SIGXFSZ, which by default ends the host's process; look
 * before. */
static bool beyond_limit(size_t written, size_t size)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           (written > limit.rlim_cur || size > limit.rlim_cur - written);
}

static fst_status write_all(fst__file_writer *writer, const char *bytes, size_t size)
{
    if (size > 0 && beyond_limit(writer->written, size)) {
        writer->failed = true;
        return fst__fail_errno(EFBIG, "%s: cannot write at byte %zu", writer->path,
                               writer->written);
    }
    while (size > 0) {
        ssize_t count = write(writer->descriptor, bytes, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            writer->failed = true;
            return fst__fail_errno(count < 0 ? errno : EIO, "%s: cannot write at byte %zu",
                                   writer->path, writer->written);
        }
        bytes += count;
        size -= (size_t)count;
        writer->written += (size_t)count;
    }
    return FST_OK;
}

static fst_status flush(fst__file_writer *writer)
{
    fst_status status = write_all(writer, writer->buffer, writer->used);
    writer->used = 0;
    return status;
}

fst_status fst__file_writer_write(fst__file_writer *writer, const void *bytes, size_t size)
{
    if (writer->failed)
        return fst__fail(FST_ERR_STATE, "%s: an earlier write failed", writer->path);
    if (size > BUFFER_SIZE - writer->used) {
        fst_status status = flush(writer);
        if (status != FST_OK)
            return status;
    }
    if (size >= BUFFER_SIZE)
        return write_all(writer, bytes, size);
    if (size > 0)
        memcpy(writer->buffer + writer->used, bytes, size);
    writer->used += size;
    return FST_OK;
}

static int sync_retrying(int descriptor)
{
    int result;
    do
        result = fsync(descriptor);
    while (result != 0 && errno == EINTR);
    return result;
}

/* Makes the rename last. Some file systems have no fsync of folders and say EINVAL. */
static fst_status sync_folder(const fst__file_writer *writer)
{
    int descriptor = open_retrying(writer->folder, O_RDONLY | O_DIRECTORY, 0);
    if (descriptor < 0)
        return fst__fail_errno(errno, "%s: cannot open its folder to sync it", writer->path);
    fst_status status = FST_OK;
    if (sync_retrying(descriptor) != 0 && errno != EINVAL)
        status = fst__fail_errno(errno, "%s: cannot sync its folder", writer->path);
    close(descriptor);
    return status;
}

static fst_status close_temporary(fst__file_writer *writer)
{
    /* On Linux the descriptor is gone even if close says EINTR, and the data were synced. */
    int result = close(writer->descriptor);
    writer->descriptor = -1;
    if (result != 0 && errno != EINTR)
        return fst__fail_errno(errno, "%s: cannot close", writer->path);
    return FST_OK;
}

fst_status fst__file_writer_commit(fst__file_writer *writer)
{
    fst_status status = FST_OK;
    if (writer->failed)
        status = fst__fail(FST_ERR_STATE, "%s: an earlier write failed", writer->path);
    if (status == FST_OK)
        status = flush(writer);
    if (status == FST_OK && sync_retrying(writer->descriptor) != 0)
        status = fst__fail_errno(errno, "%s: cannot sync", writer->path);
    if (status == FST_OK)
        status = close_temporary(writer);
    if (status == FST_OK && rename(writer->temporary, writer->path) != 0)
        status = fst__fail_errno(errno, "%s: cannot rename the finished file to it", writer->path);
    if (status == FST_OK) {
        writer->created = false;
        status = sync_folder(writer);
    }
    fst__file_writer_abort(writer);
    return status;
}

void fst__file_writer_abort(fst__file_writer *writer)
{
    if (!writer)
        return;
    fst__allocator *allocator = writer->allocator;
    /* Removed while still locked, so that no sweep can race for the name. */
    if (writer->created)
        unlink(writer->temporary);
    if (writer->descriptor >= 0)
        close(writer->descriptor);
    fst__free(allocator, writer->temporary);
    fst__free(allocator, writer->folder);
    fst__free(allocator, writer->path);
    fst__free(allocator, writer);
}

fst_status fst__file_write(fst__allocator *allocator, const char *path, const void *bytes,
                           size_t size)
{
    fst__file_writer *writer;
    fst_status status = fst__file_writer_open(allocator, path, &writer);
    if (status != FST_OK)
        return status;
    status = fst__file_writer_write(writer, bytes, size);
    if (status != FST_OK) {
        fst__file_writer_abort(writer);
        return status;
    }
    return fst__file_writer_commit(writer);
}
