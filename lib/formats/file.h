/*
 * Whole files in, whole files out. A file is written beside its name and renamed into place once it
 * is on the disk, so whoever looks sees the earlier file or the new one and nothing between.
 *
 * Every error text holds the path and the system's reason. A missing file is FST_ERR_NOT_FOUND.
 */
#ifndef FST_FORMATS_FILE_H
#define FST_FORMATS_FILE_H

#include "base/alloc.h"
#include "fourstage/status.h"

#include <stdbool.h>

/* Opens a regular file for reading (close-on-exec); *size may be NULL. Anything else by that name
 * (a folder, a pipe, a device) is refused without waiting for it. */
fst_status fst__file_open(const char *path, int *descriptor, size_t *size);

/* Reads exactly `size` bytes at `offset`; a file that ends before is FST_ERR_IO. */
fst_status fst__file_read_at(int descriptor, const char *path, size_t offset, void *bytes,
                             size_t size);

/* The file's bytes in a block from `allocator`, with a NUL behind them that *size does not count.
 * More than `limit` bytes are refused (FST_ERR_FORMAT) before they are held. */
fst_status fst__file_read(fst__allocator *allocator, const char *path, size_t limit, char **data,
                          size_t *size);

/* Anything of that name, a folder too. */
bool fst__file_exists(const char *path);
bool fst__file_is_directory(const char *path);

/* Creates one folder; one that is there already is fine. */
fst_status fst__directory_create(const char *path);

/* "folder/name" in a new block; no second slash if the folder ends in one. NULL if memory is out. */
char *fst__path_join(fst__allocator *allocator, const char *folder, const char *name);

/* Removes a file; one that is not there is fine. */
fst_status fst__file_remove(const char *path);

/*
 * The atomic writer. The temporary file is `path` with ".tmp-" and six letters behind it, created
 * with mode 0666 less the umask, or with the permissions of the file it replaces. It is locked
 * (flock) while its writer lives; that is how the sweep tells a dead process's file from one that
 * is being written.
 */
typedef struct fst__file_writer fst__file_writer;

/* Also sweeps the target's stale temporary files. A folder of that name is refused here. */
fst_status fst__file_writer_open(fst__allocator *allocator, const char *path,
                                 fst__file_writer **writer);

/* Buffered. After a failure only abort is left. */
fst_status fst__file_writer_write(fst__file_writer *writer, const void *bytes, size_t size);

/* Flushes, fsyncs, closes, renames, fsyncs the folder; frees the writer in every case. After a
 * failure the temporary file is gone and the earlier file stands; only if the folder's fsync is
 * what failed does the new one stand already, whole. */
fst_status fst__file_writer_commit(fst__file_writer *writer);

/* Removes the temporary file and frees the writer; takes NULL. Keeps the thread's error text. */
void fst__file_writer_abort(fst__file_writer *writer);

/* open, write, commit. */
fst_status fst__file_write(fst__allocator *allocator, const char *path, const void *bytes,
                           size_t size);

/* Removes what killed writers of `path` left behind. Best effort, never an error. */
void fst__file_sweep(fst__allocator *allocator, const char *path);

#endif
