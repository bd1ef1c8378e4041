/*
 * Fuzz target of image files. The first byte of an input says what the rest is: IDX, IDX packed by gzip, IDX
 * labels beside good images, or PNG. What is read must have the values that its shape says; what is refused
 * names the file, and nothing is left behind.
 */
#include "fuzz.h"

#include "base/context.h"
#include "fourstage/images.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { MEMORY = 96 << 20, IDX, PACKED, LABELS, PNG, KINDS };

static fst_context *context;
static char folder[300];

static void require(bool holds)
{
    if (!holds) {
        fprintf(stderr, "%s\n", fst_last_error());
        abort();
    }
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");
    require(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void open_once(void)
{
    fst_context_options options;
    if (context)
        return;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/fourstage-fuzz-images-%ld", base && *base ? base : "/tmp",
             (long)getpid());
    require(mkdir(folder, 0777) == 0);
    fst_context_options_init(&options, sizeof options);
    options.threads = 1;
    options.provider = FST_PROVIDER_REFERENCE;
    require(fst_context_create(&options, &context) == FST_OK);
}

static void check(const fst_dataset *dataset)
{
    fst_images_info info;
    require(fst_dataset_get_images_info(dataset, &info, sizeof info) == FST_OK);
    require(info.images >= 1 && info.height >= 1 && info.width >= 1);
    int64_t last = info.images - 1, values = (int64_t)info.channels * info.height * info.width;
    float *image = malloc((size_t)values * sizeof *image), *labels;
    require(fst_dataset_read_images(dataset, &last, 1, NULL, 0, image) == FST_OK);
    float sum = 0;
    for (int64_t i = 0; i < values; ++i)
        sum += image[i];
    require(sum == sum);
    free(image);
    if (info.label_count == 0)
        return;
    labels = malloc((size_t)info.label_count * sizeof *labels);
    require(fst_dataset_read_labels(dataset, &last, 1, labels) == FST_OK);
    free(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char images[] = "\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x02" "abcdefgh";
    static const char *const names[] = {"i.idx", "i.idx.gz", "l.idx", "i.png"};
    char name[320], other[320];
    fst_dataset *dataset = NULL;
    if (size < 1)
        return 0;
    open_once();
    int kind = IDX + bytes[0] % (KINDS - IDX);
    snprintf(name, sizeof name, "%s/%s", folder, names[kind - IDX]);
    snprintf(other, sizeof other, "%s/good.idx", folder);
    write_file(name, bytes + 1, size - 1);
    write_file(other, images, sizeof images - 1);
    int64_t live = atomic_load(&context->allocator.live_bytes);
    context->allocator.peak_bytes = live;
    fst_status status = kind == PNG      ? fst_dataset_load_image_folder(context, folder, NULL, &dataset)
                        : kind == LABELS ? fst_dataset_load_idx(context, other, name, NULL, &dataset)
                                         : fst_dataset_load_idx(context, name, NULL, NULL, &dataset);
    /* Packed bytes are held as they unpack: by their limit, not by their number. */
    require(kind == PNG || kind == PACKED ||
            context->allocator.peak_bytes - live <= MEMORY + 2 * (int64_t)size);
    if (status == FST_OK)
        check(dataset);
    else
        require(!dataset && *fst_last_error() &&
                (status != FST_ERR_FORMAT || strstr(fst_last_error(), name)));
    fst_dataset_destroy(dataset);
    unlink(name);
    unlink(other);
    require(atomic_load(&context->allocator.live_bytes) == live);
    return 0;
}

#ifndef FST__LIBFUZZER
#define SEED(text) {text, sizeof(text) - 1}

static const fuzz_seed seeds[] = {
    SEED("\x00\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03" "abcdefghijkl"),
    SEED("\x00\0\0\x0d\x03\0\0\0\x01\0\0\0\x01\0\0\0\x02\x3f\x80\0\0\xbf\x80\0\0"),
    SEED("\x00\0\0\x08\x04\0\0\0\x01\0\0\0\x03\0\0\0\x01\0\0\0\x02" "abcdef"),
    SEED("\x01\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x63\x60\xe0\x60\x66\x60\x60\x60\x02\x62\x66"
         "\x10\x4e\x4c\x4a\x4e\x01\x00\x64\x44\xd9\x2e\x14\x00\x00\x00"),
    SEED("\x02\0\0\x08\x01\0\0\0\x02\x01\x00"),
    SEED("\x02\0\0\x0d\x02\0\0\0\x02\0\0\0\x01\x3f\x80\0\0\xbf\x80\0\0"),
    SEED("\x03\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x02\0\0\0\x02\x08\x02\0\0\0\xfd\xd4\x9a\x73"
         "\0\0\0\x16IDAT\x78\x9c\x63\x64\x62\x66\x61\x65\x63\x60\xe7\xe0\xe4\xe2\xe6\x01\0\x02\x23\0\x4f"
         "\x5b\x2a\x1a\xe9\0\0\0\0IEND\xae\x42\x60\x82"),
};

/* Check sums of a PNG's chunks are put right, so that what is in them is looked at. */
static void mend(uint8_t *bytes, size_t size)
{
    if (size < 9 || bytes[0] % 4 != 3)
        return;
    for (size_t at = 9; at + 12 <= size;) {
        size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
                        bytes[at + 3];
        if (length > size - at - 12)
            return;
        uint32_t sum = (uint32_t)crc32(0, bytes + at + 4, (uInt)length + 4);
        for (int i = 0; i < 4; ++i)
            bytes[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += 12 + length;
    }
}

int main(int count, char **arguments)
{
    int failed = fuzz_main(count, arguments, seeds, sizeof seeds / sizeof *seeds, 14000, mend);
    fst_context_destroy(context);
    rmdir(folder);
    return failed;
}
#endif
