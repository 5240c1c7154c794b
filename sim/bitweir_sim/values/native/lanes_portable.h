// Sixteen lanes of 32 bits in plain C++, which compilers turn into whatever vectors there are; see lanes.h.
#pragma once

#include <cstdint>
#include <cstring>

constexpr int PIXELS = 2, VECTORS = 1;
constexpr bool DOTS_OF_BYTES = false;

struct Lanes {
    int32_t v[16];
};

template <class Each> inline Lanes lanes_of(Each each) {
    Lanes result;
    for (int i = 0; i < 16; ++i) result.v[i] = each(i);
    return result;
}

inline Lanes zero() { return lanes_of([](int) { return 0; }); }
inline Lanes broadcast(int32_t x) { return lanes_of([=](int) { return x; }); }
inline Lanes load(const void *from) {
    Lanes result;
    std::memcpy(result.v, from, sizeof result.v);
    return result;
}
inline void store(void *to, const Lanes &a) { std::memcpy(to, a.v, sizeof a.v); }

// The sums of bits in pairs, fours, bytes and the word.
inline int32_t ones(uint32_t x) {
    x -= x >> 1 & 0x55555555u;
    x = (x & 0x33333333u) + (x >> 2 & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    x += x >> 8;
    return int32_t((x + (x >> 16)) & 63u);
}

inline Lanes count_xor(const Lanes &acc, const Lanes &x, const Lanes &w) {
    return lanes_of([&](int i) { return acc.v[i] + ones(uint32_t(x.v[i] ^ w.v[i])); });
}
inline Lanes count_and(const Lanes &acc, const Lanes &x, const Lanes &w) {
    return lanes_of([&](int i) { return acc.v[i] + ones(uint32_t(x.v[i] & w.v[i])); });
}
inline Lanes dot_bytes(const Lanes &acc, const Lanes &, const Lanes &) { return acc; }
inline Lanes dot_shorts(const Lanes &acc, const Lanes &x, const Lanes &w) {
    return lanes_of([&](int i) {
        return acc.v[i] + int16_t(x.v[i]) * int16_t(w.v[i]) + (x.v[i] >> 16) * (w.v[i] >> 16);
    });
}

inline Lanes add(const Lanes &a, const Lanes &b) { return lanes_of([&](int i) { return a.v[i] + b.v[i]; }); }
inline Lanes add_scaled(const Lanes &acc, const Lanes &a, int32_t factor) {
    return lanes_of([&](int i) { return acc.v[i] + factor * a.v[i]; });
}
inline Lanes count_at_least(const Lanes &count, const Lanes &a, const Lanes &limit) {
    return lanes_of([&](int i) { return count.v[i] + (a.v[i] >= limit.v[i]); });
}
inline uint32_t at_least(const Lanes &a, const Lanes &limit) {
    uint32_t mask = 0;
    for (int i = 0; i < 16; ++i) mask |= uint32_t(a.v[i] >= limit.v[i]) << i;
    return mask;
}
inline uint32_t bit_of(const Lanes &a, int bit) {
    uint32_t mask = 0;
    for (int i = 0; i < 16; ++i) mask |= (uint32_t(a.v[i]) >> bit & 1u) << i;
    return mask;
}
