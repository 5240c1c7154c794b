// Sixteen lanes of 32 bits in two registers of AVX2, which counts bits by a table of 16 in PSHUFB (W. Mula); see lanes.h.
#pragma once

#include <cstdint>
#include <immintrin.h>

constexpr int PIXELS = 2, VECTORS = 2;
constexpr bool DOTS_OF_BYTES = false;

struct Lanes {
    __m256i low, high;
};

inline Lanes zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline Lanes broadcast(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline Lanes load(const void *from) {
    auto place = static_cast<const __m256i *>(from);
    return {_mm256_loadu_si256(place), _mm256_loadu_si256(place + 1)};
}
inline void store(void *to, const Lanes &a) {
    auto place = static_cast<__m256i *>(to);
    _mm256_storeu_si256(place, a.low);
    _mm256_storeu_si256(place + 1, a.high);
}

// The ones of each 32 bits: of half bytes by a table, then of bytes, pairs of bytes, and pairs of those.
inline __m256i ones(__m256i x) {
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i table = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(x, half));
    __m256i high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), half));
    __m256i pairs = _mm256_maddubs_epi16(_mm256_add_epi8(low, high), _mm256_set1_epi8(1));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

inline Lanes count_xor(const Lanes &acc, const Lanes &x, const Lanes &w) {
    return {_mm256_add_epi32(acc.low, ones(_mm256_xor_si256(x.low, w.low))),
            _mm256_add_epi32(acc.high, ones(_mm256_xor_si256(x.high, w.high)))};
}
inline Lanes count_and(const Lanes &acc, const Lanes &x, const Lanes &w) {
    return {_mm256_add_epi32(acc.low, ones(_mm256_and_si256(x.low, w.low))),
            _mm256_add_epi32(acc.high, ones(_mm256_and_si256(x.high, w.high)))};
}
inline Lanes dot_bytes(const Lanes &acc, const Lanes &, const Lanes &) { return acc; }
inline Lanes dot_shorts(const Lanes &acc, const Lanes &x, const Lanes &w) {
    return {_mm256_add_epi32(acc.low, _mm256_madd_epi16(x.low, w.low)),
            _mm256_add_epi32(acc.high, _mm256_madd_epi16(x.high, w.high))};
}

inline Lanes add(const Lanes &a, const Lanes &b) {
    return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
inline Lanes add_scaled(const Lanes &acc, const Lanes &a, int32_t factor) {
    const __m256i times = _mm256_set1_epi32(factor);
    return {_mm256_add_epi32(acc.low, _mm256_mullo_epi32(a.low, times)),
            _mm256_add_epi32(acc.high, _mm256_mullo_epi32(a.high, times))};
}
// There is only "greater", which gives -1 where it holds.
inline Lanes count_at_least(const Lanes &count, const Lanes &a, const Lanes &limit) {
    const __m256i one = _mm256_set1_epi32(1);
    return {_mm256_add_epi32(_mm256_add_epi32(count.low, one), _mm256_cmpgt_epi32(limit.low, a.low)),
            _mm256_add_epi32(_mm256_add_epi32(count.high, one), _mm256_cmpgt_epi32(limit.high, a.high))};
}
inline uint32_t signs(__m256i a) { return uint32_t(_mm256_movemask_ps(_mm256_castsi256_ps(a))); }
inline uint32_t at_least(const Lanes &a, const Lanes &limit) {
    uint32_t below = signs(_mm256_cmpgt_epi32(limit.low, a.low)) | signs(_mm256_cmpgt_epi32(limit.high, a.high)) << 8;
    return below ^ 0xffffu;
}
inline uint32_t bit_of(const Lanes &a, int bit) {
    const __m128i shift = _mm_cvtsi32_si128(31 - bit);
    return signs(_mm256_sll_epi32(a.low, shift)) | signs(_mm256_sll_epi32(a.high, shift)) << 8;
}
