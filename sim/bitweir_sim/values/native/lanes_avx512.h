// Sixteen lanes of 32 bits in one register of AVX-512, with its instructions VPOPCNTD and VPDPBUSD; see lanes.h.
#pragma once

#include <cstdint>
#include <immintrin.h>

constexpr int PIXELS = 4, VECTORS = 4;
constexpr bool DOTS_OF_BYTES = true;

using Lanes = __m512i;

inline Lanes zero() { return _mm512_setzero_si512(); }
inline Lanes broadcast(int32_t x) { return _mm512_set1_epi32(x); }
inline Lanes load(const void *from) { return _mm512_loadu_si512(from); }
inline void store(void *to, Lanes a) { _mm512_storeu_si512(to, a); }

inline Lanes count_xor(Lanes acc, Lanes x, Lanes w) {
    return _mm512_add_epi32(acc, _mm512_popcnt_epi32(_mm512_xor_si512(x, w)));
}
inline Lanes count_and(Lanes acc, Lanes x, Lanes w) {
    return _mm512_add_epi32(acc, _mm512_popcnt_epi32(_mm512_and_si512(x, w)));
}
inline Lanes dot_bytes(Lanes acc, Lanes x, Lanes w) { return _mm512_dpbusd_epi32(acc, x, w); }
inline Lanes dot_shorts(Lanes acc, Lanes x, Lanes w) { return _mm512_add_epi32(acc, _mm512_madd_epi16(x, w)); }

inline Lanes add(Lanes a, Lanes b) { return _mm512_add_epi32(a, b); }
inline Lanes add_scaled(Lanes acc, Lanes a, int32_t factor) {
    return _mm512_add_epi32(acc, _mm512_mullo_epi32(a, broadcast(factor)));
}
inline Lanes count_at_least(Lanes count, Lanes a, Lanes limit) {
    return _mm512_mask_add_epi32(count, _mm512_cmpge_epi32_mask(a, limit), count, broadcast(1));
}
inline uint32_t at_least(Lanes a, Lanes limit) { return _mm512_cmpge_epi32_mask(a, limit); }
inline uint32_t bit_of(Lanes a, int bit) { return _mm512_test_epi32_mask(a, broadcast(int32_t(1u << bit))); }
