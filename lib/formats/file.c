#include "formats/file.h"

#include "base/checked.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static fst_status fail_path(int error, const char *what, const char *path)
{
    fst_status status = fst__fail_errno(error, "%s: cannot %s", path, what);
    return error == ENOENT ? FST_ERR_NOT_FOUND : status;
}

fst_status fst__file_open(const char *path, int *descriptor, size_t *size)
{
    int fd;
    do
        /* O_NONBLOCK: a pipe without a writer must not make us wait to find out that it is one. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return fail_path(errno, "open", path);
    struct stat status;
    fst_status result = FST_OK;
    if (fstat(fd, &status) != 0)
        result = fail_path(errno, "stat", path);
    else if (S_ISDIR(status.st_mode))
        result = fst__fail(FST_ERR_IO, "%s: is a folder, expected a file", path);
    else if (!S_ISREG(status.st_mode))
        result = fst__fail(FST_ERR_IO, "%s: is not a regular file", path);
    if (result != FST_OK) {
        close(fd);
        return result;
    }
    *descriptor = fd;
    if (size)
        *size = (size_t)status.st_size;
    return FST_OK;
}

/* Up to `size` bytes; fewer only at the end of the file. */
static fst_status read_some(int descriptor, const char *path, size_t offset, char *bytes,
                            size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t count = pread(descriptor, bytes + *got, size - *got, (off_t)(offset + *got));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return fst__fail_errno(errno, "%s: cannot read at byte %zu", path, offset + *got);
        if (count == 0)
            break;
        *got += (size_t)count;
    }
    return FST_OK;
}

fst_status fst__file_read_at(int descriptor, const char *path, size_t offset, void *bytes,
                             size_t size)
{
    size_t got;
    fst_status status = read_some(descriptor, path, offset, bytes, size, &got);
    if (status == FST_OK && got < size)
        status = fst__fail(FST_ERR_IO, "%s: ends at byte %zu, where %zu bytes more were expected",
                           path, offset + got, size - got);
    return status;
}

fst_status fst__file_read(fst__allocator *allocator, const char *path, size_t limit, char **data,
                          size_t *size)
{
    int descriptor;
    size_t expected, used = 0;
    char *bytes = NULL;
    fst_status result = fst__file_open(path, &descriptor, &expected);
    if (result != FST_OK)
        return result;
    /* The size is a hint (0 under /proc; a file may grow): read on until the end is seen, with one
     * byte of room beyond the hint, so that an honest one takes a single pass. */
    size_t capacity = (expected < limit ? expected : limit) + 1;
    for (;;) {
        char *grown = fst__realloc(allocator, bytes, capacity + 1);
        if (!grown) {
            result = FST_ERR_NO_MEMORY;
            goto fail;
        }
        bytes = grown;
        size_t got;
        result = read_some(descriptor, path, used, bytes + used, capacity - used, &got);
        if (result != FST_OK)
            goto fail;
        used += got;
        if (used > limit) {
            result = fst__fail(FST_ERR_FORMAT, "%s: larger than the %zu bytes allowed", path, limit);
            goto fail;
        }
        if (used < capacity)
            break;
        capacity = used < limit / 2 ? 2 * used + 4096 : limit + 1;
    }
    close(descriptor);
    bytes[used] = '\0';
    *data = bytes;
    *size = used;
    return FST_OK;
fail:
    fst__free(allocator, bytes);
    close(descriptor);
    return result;
}

bool fst__file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

bool fst__file_is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

fst_status fst__file_remove(const char *path)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return FST_OK;
    return fail_path(errno, "remove", path);
}

fst_status fst__directory_create(const char *path)
{
    if (mkdir(path, 0777) == 0)
        return FST_OK;
    int error = errno;
    if (error == EEXIST && fst__file_is_directory(path))
        return FST_OK;
    return fail_path(error, "create the folder", path);
}

char *fst__path_join(fst__allocator *allocator, const char *folder, const char *name)
{
    size_t left = strlen(folder), right = strlen(name), total;
    if (!fst__add_size(left, right, &total) || !fst__add_size(total, 2, &total)) {
        fst__fail(FST_ERR_NO_MEMORY, "a path is too long");
        return NULL;
    }
    char *path = fst__alloc(allocator, total);
    if (!path)
        return NULL;
    memcpy(path, folder, left);
    if (left > 0 && folder[left - 1] != '/')
        path[left++] = '/';
    memcpy(path + left, name, right + 1);
    return path;
}
