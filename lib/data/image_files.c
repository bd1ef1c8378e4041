/* Datasets of images from files: IDX, and folders of PNG. */
#include "base/error.h"
#include "data/images.h"
#include "formats/file.h"
#include "formats/idx.h"
#include "formats/png.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- IDX ---- */

/* [count, height, width] or [count, channels, height, width]. */
static fst_status idx_shape(const fst__idx *idx, const char *path, fst__image_shape *shape)
{
    int64_t channels = idx->rank == 4 ? idx->shape[1] : 1;
    if (idx->rank < 3)
        return fst__fail(FST_ERR_FORMAT,
                         "%s: byte 3: %d dimensions, expected 3 or 4 of a file of images", path,
                         (int)idx->rank);
    int64_t height = idx->shape[idx->rank - 2], width = idx->shape[idx->rank - 1];
    if ((channels != 1 && channels != 3) || height > FST__IMAGE_MAX_SIDE || width > FST__IMAGE_MAX_SIDE)
        return fst__fail(FST_ERR_FORMAT,
                         "%s: byte 8: images of %" PRId64 " × %" PRId64 " × %" PRId64
                         ", expected 1 or 3 channels and sides of at most %d",
                         path, channels, height, width, FST__IMAGE_MAX_SIDE);
    *shape = (fst__image_shape){idx->type == FST__IDX_U8 ? FST_PIXELS_U8 : FST_PIXELS_F32,
                                (int32_t)channels, (int32_t)height, (int32_t)width};
    return FST_OK;
}

/* [count] or [count, label_count] as floats. */
static fst_status read_labels(fst__allocator *allocator, const char *path, const char *images,
                              int64_t count, float **labels, int64_t *label_count)
{
    fst__idx idx;
    fst_status status = fst__idx_read(allocator, path, &idx);
    if (status)
        return status;
    if (idx.rank > 2)
        status = fst__fail(FST_ERR_FORMAT,
                           "%s: byte 3: %d dimensions, expected 1 or 2 of a file of labels", path,
                           (int)idx.rank);
    else if (idx.shape[0] != count)
        status = fst__fail(FST_ERR_FORMAT,
                           "%s: byte 4: %" PRId64 " labels, %s has %" PRId64 " images", path,
                           idx.shape[0], images, count);
    *label_count = idx.rank == 2 ? idx.shape[1] : 1;
    float *values = status ? NULL : fst__alloc_array(allocator, (size_t)idx.count, sizeof(float));
    if (!status && !values)
        status = FST_ERR_NO_MEMORY;
    for (int64_t i = 0; !status && i < idx.count; ++i)
        values[i] = idx.type == FST__IDX_U8 ? (float)((const uint8_t *)idx.data)[i]
                                            : ((const float *)idx.data)[i];
    fst__idx_free(allocator, &idx);
    *labels = values;
    return status;
}

fst_status fst__dataset_load_idx(fst_context *context, const char *images, const char *labels,
                                 const fst_image_options *options, fst_dataset **out)
{
    fst__allocator *allocator = &context->allocator;
    fst__idx idx;
    fst__pixels pixels = {0};
    float *values = NULL;
    int64_t label_count = 1;
    fst_status status = fst__image_options_check(options);
    if (!status)
        status = fst__idx_read(allocator, images, &idx);
    if (status)
        return status;
    status = idx_shape(&idx, images, &pixels.shape);
    if (!status && labels)
        status = read_labels(allocator, labels, images, idx.shape[0], &values, &label_count);
    if (!status) {
        int64_t limit = options->maximum_images;
        pixels.count = limit > 0 && limit < idx.shape[0] ? limit : idx.shape[0];
        pixels.data = pixels.owned = idx.data;
        idx.data = NULL;
        status = fst__dataset_of_pixels(context, &pixels, values, label_count, options, out);
        if (status == FST_ERR_INVALID_ARGUMENT)
            status = fst__fail_in(status, "%s", images);
    }
    fst__free(allocator, values);
    fst__idx_free(allocator, &idx);
    return status;
}

/* ---- folders ---- */

/* Names in a folder, sorted by their bytes. */
typedef struct names {
    char **names;
    int64_t count, room;
} names;

static void names_free(fst__allocator *allocator, names *list)
{
    for (int64_t i = 0; i < list->count; ++i)
        fst__free(allocator, list->names[i]);
    fst__free(allocator, list->names);
}

static fst_status names_add(fst__allocator *allocator, names *list, const char *name)
{
    if (list->count == list->room) {
        int64_t room = list->room ? 2 * list->room : 64;
        char **grown = fst__realloc_array(allocator, list->names, (size_t)room, sizeof *grown);
        if (!grown)
            return FST_ERR_NO_MEMORY;
        list->names = grown;
        list->room = room;
    }
    list->names[list->count] = fst__strdup(allocator, name);
    return list->names[list->count] ? (++list->count, FST_OK) : FST_ERR_NO_MEMORY;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_png(const char *name)
{
    size_t length = strlen(name);
    return length > 4 && (strcmp(name + length - 4, ".png") == 0 || strcmp(name + length - 4, ".PNG") == 0);
}

/* Folders or PNG files in `path`. */
static fst_status list_entries(fst__allocator *allocator, const char *path, bool folders, names *list)
{
    DIR *directory = opendir(path);
    if (!directory) {
        int error = errno;
        fst_status status = fst__fail_errno(error, "%s: cannot open the folder", path);
        return error == ENOENT ? FST_ERR_NOT_FOUND : status;
    }
    fst_status status = FST_OK;
    while (!status) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry) {
            status = errno ? fst__fail_errno(errno, "%s: cannot read the folder", path) : FST_OK;
            break;
        }
        if (entry->d_name[0] == '.')
            continue;
        char *full = fst__path_join(allocator, path, entry->d_name);
        bool wanted = full && fst__file_is_directory(full) == folders &&
                      (folders || is_png(entry->d_name));
        status = !full ? FST_ERR_NO_MEMORY : wanted ? names_add(allocator, list, entry->d_name) : FST_OK;
        fst__free(allocator, full);
    }
    closedir(directory);
    if (list->count > 1)
        qsort(list->names, (size_t)list->count, sizeof *list->names, by_bytes);
    return status;
}

/* Images as they come, all of one shape. */
typedef struct collection {
    fst_context *context;
    const fst_image_options *options;
    fst__image_shape shape;
    uint8_t *pixels; /* [room, channels, height, width] */
    float *labels;   /* [room] */
    int64_t count, room;
} collection;

static fst_status make_room(collection *c)
{
    fst__allocator *allocator = &c->context->allocator;
    if (c->count < c->room)
        return FST_OK;
    int64_t room = c->room ? 2 * c->room : 16;
    void *pixels = fst__realloc_array(allocator, c->pixels, (size_t)room,
                                      (size_t)fst__image_bytes(&c->shape));
    if (!pixels)
        return FST_ERR_NO_MEMORY;
    c->pixels = pixels;
    void *labels = fst__realloc_array(allocator, c->labels, (size_t)room, sizeof(float));
    if (!labels)
        return FST_ERR_NO_MEMORY;
    c->labels = labels;
    c->room = room;
    return FST_OK;
}

/* PNG has a pixel's channels one behind the other, a dataset the planes. */
static void to_planes(const fst__png *png, uint8_t *planes)
{
    int64_t area = (int64_t)png->height * png->width;
    for (int32_t c = 0; c < png->channels; ++c)
        for (int64_t i = 0; i < area; ++i)
            planes[c * area + i] = png->pixels[i * png->channels + c];
}

static fst_status add_image(collection *c, const fst__png *png, const char *path, float label)
{
    fst__allocator *allocator = &c->context->allocator;
    const fst_image_options *o = c->options;
    const fst__image_shape from = {FST_PIXELS_U8, png->channels, png->height, png->width};
    if (c->count == 0)
        c->shape = (fst__image_shape){FST_PIXELS_U8, o->channels ? o->channels : from.channels,
                                      o->height ? o->height : from.height,
                                      o->width ? o->width : from.width};
    if (o->height == 0 && (from.height != c->shape.height || from.width != c->shape.width))
        return fst__fail(FST_ERR_FORMAT,
                         "%s: %d × %d pixels, the first file has %d × %d; height and width of "
                         "fst_image_options give all the same size",
                         path, (int)from.height, (int)from.width, (int)c->shape.height,
                         (int)c->shape.width);
    fst_status status = make_room(c);
    uint8_t *planes = status ? NULL : fst__alloc(allocator, (size_t)fst__image_bytes(&from));
    float *scratch = planes ? fst__alloc_array(allocator, fst__image_convert_scratch(&from, &c->shape),
                                               sizeof(float))
                            : NULL;
    if (!status && !scratch)
        status = FST_ERR_NO_MEMORY;
    if (!status) {
        to_planes(png, planes);
        fst__image_convert(&from, planes, &c->shape,
                           c->pixels + c->count * fst__image_bytes(&c->shape), scratch);
        c->labels[c->count++] = label;
    }
    fst__free(allocator, scratch);
    fst__free(allocator, planes);
    return status;
}

static fst_status add_folder(collection *c, const char *folder, float label)
{
    fst__allocator *allocator = &c->context->allocator;
    names files = {0};
    fst_status status = list_entries(allocator, folder, false, &files);
    int64_t limit = c->options->maximum_images;
    int64_t count = limit > 0 && limit < files.count ? limit : files.count;
    for (int64_t i = 0; !status && i < count; ++i) {
        char *path = fst__path_join(allocator, folder, files.names[i]);
        fst__png png = {0};
        status = path ? fst__png_read(allocator, path, &png) : FST_ERR_NO_MEMORY;
        if (!status)
            status = add_image(c, &png, path, label);
        fst__png_free(allocator, &png);
        fst__free(allocator, path);
    }
    names_free(allocator, &files);
    return status;
}

static fst_status add_classes(collection *c, const char *folder, const names *classes)
{
    fst__allocator *allocator = &c->context->allocator;
    fst_status status = FST_OK;
    for (int64_t i = 0; !status && i < classes->count; ++i) {
        char *path = fst__path_join(allocator, folder, classes->names[i]);
        status = path ? add_folder(c, path, (float)i) : FST_ERR_NO_MEMORY;
        fst__free(allocator, path);
    }
    return status;
}

static fst_status finish(collection *c, const char *folder, const names *classes, fst_dataset **out)
{
    if (c->count == 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: no PNG file in it, nor in a folder there",
                         folder);
    fst_image_options options = *c->options;
    fst__pixels pixels = {.shape = c->shape, .count = c->count, .data = c->pixels, .owned = c->pixels};
    options.class_names = (const char *const *)classes->names;
    options.class_count = classes->count;
    c->pixels = NULL;
    return fst__dataset_of_pixels(c->context, &pixels, classes->count > 0 ? c->labels : NULL, 1,
                                  &options, out);
}

fst_status fst__dataset_load_image_folder(fst_context *context, const char *folder,
                                          const fst_image_options *options, fst_dataset **out)
{
    fst__allocator *allocator = &context->allocator;
    names classes = {0};
    collection c = {.context = context, .options = options};
    fst_status status = fst__image_options_check(options);
    if (!status)
        status = list_entries(allocator, folder, true, &classes);
    if (!status)
        status = classes.count > 0 ? add_classes(&c, folder, &classes) : add_folder(&c, folder, 0);
    if (!status)
        status = finish(&c, folder, &classes, out);
    fst__free(allocator, c.labels);
    fst__free(allocator, c.pixels);
    names_free(allocator, &classes);
    return status;
}
