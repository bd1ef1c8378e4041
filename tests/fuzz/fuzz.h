/*
 * A fuzz target is LLVMFuzzerTestOneInput. Built as usual it has the main below, which replays the
 * files it is given and then `rounds` inputs made from the target's own seeds: the same ones every
 * time. With clang, -fsanitize=fuzzer and -DFST__LIBFUZZER libFuzzer drives it instead.
 */
#ifndef FST_TESTS_FUZZ_H
#define FST_TESTS_FUZZ_H

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

typedef struct fuzz_seed {
    const char *bytes;
    size_t size;
} fuzz_seed;

enum { FUZZ_ROOM = 65536 };

/* Changes the input in place by one of: a flipped bit, a random byte, a piece removed, repeated or
 * brought from elsewhere, a number replaced. Returns the new size. */
static inline size_t fuzz_mutate(uint8_t *bytes, size_t size, fst__philox_block random)
{
    static const char *const numbers[] = {"0", "-1", "1", "255", "65536", "4294967296", "1e9", "0.5",
                                          "9223372036854775807", "9223372036854775808"};
    size_t at = size ? random.word[1] % size : 0, length = random.word[2] % 16 + 1;
    if (length > size - at)
        length = size - at;
    switch (random.word[0] % 6) {
    case 0:
        if (size)
            bytes[at] ^= (uint8_t)(1u << random.word[3] % 8);
        break;
    case 1:
        if (size)
            bytes[at] = (uint8_t)random.word[3];
        break;
    case 2:
        memmove(bytes + at, bytes + at + length, size - at - length);
        size -= length;
        break;
    case 3:
        if (size + length > FUZZ_ROOM)
            break;
        memmove(bytes + at + length, bytes + at, size - at);
        size += length;
        break;
    case 4:
        if (size)
            memmove(bytes + random.word[3] % (size - length + 1), bytes + at, length);
        break;
    default: {
        const char *number = numbers[random.word[3] % (sizeof numbers / sizeof numbers[0])];
        while (at < size && (bytes[at] < '0' || bytes[at] > '9'))
            ++at;
        size_t end = at, added = strlen(number);
        while (end < size && bytes[end] >= '0' && bytes[end] <= '9')
            ++end;
        if (at == size || size - (end - at) + added > FUZZ_ROOM)
            break;
        memmove(bytes + at + added, bytes + end, size - end);
        memcpy(bytes + at, number, added);
        size = size - (end - at) + added;
    }
    }
    return size;
}

static inline int fuzz_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    uint8_t *bytes = malloc(FUZZ_ROOM);
    size_t size = fread(bytes, 1, FUZZ_ROOM, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return 0;
}

/* `finish`, if any, may mend an input (a length, a checksum) so that it gets further. */
static inline int fuzz_main(int count, char **arguments, const fuzz_seed *seeds, size_t seed_count,
                            int rounds, void (*finish)(uint8_t *bytes, size_t size))
{
    for (int i = 1; i < count; ++i)
        if (fuzz_file(arguments[i]) != 0)
            return 1;
    uint8_t *bytes = malloc(FUZZ_ROOM);
    for (int round = 0; round < rounds; ++round) {
        const fuzz_seed *seed = &seeds[(size_t)round % seed_count];
        size_t size = seed->size;
        memcpy(bytes, seed->bytes, size);
        uint32_t changes = fst__philox(1, 0, 0, (uint64_t)round).word[0] % 8;
        for (uint32_t i = 0; i < changes; ++i)
            size = fuzz_mutate(bytes, size, fst__philox(1, 0, i + 1, (uint64_t)round));
        if (finish && round % 4 != 0)
            finish(bytes, size);
        /* A block of exactly this size lets a sanitizer see a read beyond it. */
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, bytes, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    free(bytes);
    printf("%d inputs\n", rounds);
    return 0;
}

#endif
