/*
 * Any bytes as a .safetensors file: they are refused with a text, or every tensor can be read and
 * the file can be written again, and then says the same. Aborts if not.
 */
#include "fuzz.h"

#include "base/error.h"
#include "formats/safetensors.h"

#include <sys/mman.h>
#include <unistd.h>

static void require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_safetensors: %s; last error: %s\n", what, fst__error_text());
        abort();
    }
}

static void use(const fst__safetensors *file, fst__allocator *allocator, size_t size)
{
    size_t count = fst__safetensors_count(file);
    size_t next = count ? fst__safetensors_at(file, 0).offset : size;
    for (size_t i = 0; i < count; ++i) {
        fst__safetensors_tensor tensor = fst__safetensors_at(file, i), found;
        require(tensor.offset == next, "a hole or an overlap");
        next += tensor.bytes;
        require(next <= size, "a tensor leaves the file");
        require(fst__safetensors_find(file, tensor.name, &found) == FST_OK, "a name is lost");
        require(found.offset == tensor.offset && found.bytes == tensor.bytes, "names are mixed up");
        void *bytes = fst__alloc(allocator, tensor.bytes);
        require(fst__safetensors_read(file, &tensor, bytes, tensor.bytes) == FST_OK, "unreadable");
        fst__free(allocator, bytes);
        double *values = fst__alloc_array(allocator, tensor.elements, sizeof *values);
        fst_status status =
            fst__safetensors_read_as(file, &tensor, FST_F64, values, tensor.elements);
        require(status == FST_OK || status == FST_ERR_MISMATCH, "inconvertible");
        fst__free(allocator, values);
    }
    require(next == size, "bytes that belong to no tensor");
    fst__safetensors_metadata(file, "format");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fst__allocator allocator = {0};
    fst__safetensors *file = NULL;
    char path[64];
    int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    require(descriptor >= 0 && write(descriptor, bytes, size) == (ssize_t)size, "no memory file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    fst_status status = fst__safetensors_open(&allocator, path, &file);
    if (status == FST_OK)
        use(file, &allocator, size);
    else
        require((status == FST_ERR_FORMAT || status == FST_ERR_UNSUPPORTED) &&
                    strstr(fst__error_text(), "byte ") != NULL,
                "refused in the wrong way");
    fst__safetensors_close(file);
    require(allocator.live_bytes == 0, "a leak");
    require(allocator.peak_bytes <= 2 * (int64_t)size + 64 * 1000 * 1000, "too much memory");
    close(descriptor);
    return 0;
}

#ifndef FST__LIBFUZZER

#define SEED(length, text) {length "\0\0\0\0\0\0\0" text, sizeof(length "\0\0\0\0\0\0\0" text) - 1}

static const fuzz_seed seeds[] = {
    SEED("\x02", "{}"),
    SEED("\xb8", "{\"__metadata__\":{\"format\":\"pt\",\"k\\u00e4\":\"\"},"
                 "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                 "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,3],\"data_offsets\":[8,14]}}"
                 "    0123456789abcd"),
    SEED("\xd0", "{\"x\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]},"
                 "\"y\":{\"dtype\":\"I64\",\"shape\":[0],\"data_offsets\":[2,2]},"
                 "\"z\":{\"shape\":[4],\"data_offsets\":[2,6],\"dtype\":\"BOOL\"},"
                 "\"w\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[6,14]}}\x01\x02\x03"),
};

/* Makes the header's length fit, so that a change of its size is not all that is ever seen: up to
 * the last '}', and on over the spaces behind. */
static void finish(uint8_t *bytes, size_t size)
{
    if (size < 8)
        return;
    size_t end = size;
    while (end > 8 && bytes[end - 1] != '}')
        --end;
    while (end < size && bytes[end] == ' ')
        ++end;
    uint64_t length = end - 8;
    memcpy(bytes, &length, 8);
}

int main(int count, char **arguments)
{
    return fuzz_main(count, arguments, seeds, sizeof seeds / sizeof seeds[0], 100000, finish);
}

#endif
