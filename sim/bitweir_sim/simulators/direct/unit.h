// What the code of each unit begins with: types, and how bits of words are read. See unit_functions.h.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

// Where the system can choose a function when it loads a library, there is one for processors with wide vectors, too.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__)
#define MANY __attribute__((target_clones("avx2", "default")))
#endif
#ifndef MANY
#define MANY
#endif

// Memory is as it is on processors whose lowest byte comes first.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lowest byte must come first");

template <class T> static inline __attribute__((always_inline)) T load(const u8 *from) {
    T value;
    memcpy(&value, from, sizeof value);
    return value;
}

// Bits from one on; 16 bytes must be there.
template <unsigned WIDTH> static inline __attribute__((always_inline)) u64 bits(const u8 *from, u32 low) {
    const u8 *const at = from + low / 8;
    u64 value = load<u64>(at) >> low % 8;
    if (WIDTH > 57 && low % 8) value |= (u64)at[8] << (64 - low % 8);
    return WIDTH < 64 ? value & (((u64)1 << WIDTH % 64) - 1) : value;
}
