// Sixteen lanes of 32 bits in four registers of NEON (AArch64), which counts the bits of bytes by CNT; see lanes.h.
#pragma once

#include <arm_neon.h>
#include <cstdint>

constexpr int PIXELS = 2, VECTORS = 1;
constexpr bool DOTS_OF_BYTES = false;

struct Lanes {
    int32x4_t v[4];
};

template <class Each> inline Lanes lanes_of(Each each) { return {{each(0), each(1), each(2), each(3)}}; }

inline Lanes broadcast(int32_t x) { return lanes_of([=](int) { return vdupq_n_s32(x); }); }
inline Lanes zero() { return broadcast(0); }
inline Lanes load(const void *from) {
    auto place = static_cast<const uint8_t *>(from);
    return lanes_of([=](int i) { return vreinterpretq_s32_u8(vld1q_u8(place + 16 * i)); });
}
inline void store(void *to, const Lanes &a) {
    auto place = static_cast<uint8_t *>(to);
    for (int i = 0; i < 4; ++i) vst1q_u8(place + 16 * i, vreinterpretq_u8_s32(a.v[i]));
}

inline int32x4_t add_ones(int32x4_t acc, int32x4_t x) {
    uint16x8_t pairs = vpaddlq_u8(vcntq_u8(vreinterpretq_u8_s32(x)));
    return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(acc), pairs));
}
inline Lanes count_xor(const Lanes &acc, const Lanes &x, const Lanes &w) {
    return lanes_of([&](int i) { return add_ones(acc.v[i], veorq_s32(x.v[i], w.v[i])); });
}
inline Lanes count_and(const Lanes &acc, const Lanes &x, const Lanes &w) {
    return lanes_of([&](int i) { return add_ones(acc.v[i], vandq_s32(x.v[i], w.v[i])); });
}
inline Lanes dot_bytes(const Lanes &acc, const Lanes &, const Lanes &) { return acc; }
inline Lanes dot_shorts(const Lanes &acc, const Lanes &x, const Lanes &w) {
    return lanes_of([&](int i) {
        int16x8_t a = vreinterpretq_s16_s32(x.v[i]), b = vreinterpretq_s16_s32(w.v[i]);
        int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b)), high = vmull_high_s16(a, b);
        return vaddq_s32(acc.v[i], vpaddq_s32(low, high));
    });
}

inline Lanes add(const Lanes &a, const Lanes &b) {
    return lanes_of([&](int i) { return vaddq_s32(a.v[i], b.v[i]); });
}
inline Lanes add_scaled(const Lanes &acc, const Lanes &a, int32_t factor) {
    return lanes_of([&](int i) { return vmlaq_n_s32(acc.v[i], a.v[i], factor); });
}
// A comparison gives -1 where it holds.
inline Lanes count_at_least(const Lanes &count, const Lanes &a, const Lanes &limit) {
    return lanes_of(
        [&](int i) { return vsubq_s32(count.v[i], vreinterpretq_s32_u32(vcgeq_s32(a.v[i], limit.v[i]))); });
}
inline uint32_t mask_of(const uint32x4_t (&holds)[4]) {
    const uint32_t places[4] = {1, 2, 4, 8};
    uint32_t mask = 0;
    for (int i = 0; i < 4; ++i) mask |= vaddvq_u32(vandq_u32(holds[i], vld1q_u32(places))) << 4 * i;
    return mask;
}
inline uint32_t at_least(const Lanes &a, const Lanes &limit) {
    uint32x4_t holds[4];
    for (int i = 0; i < 4; ++i) holds[i] = vcgeq_s32(a.v[i], limit.v[i]);
    return mask_of(holds);
}
inline uint32_t bit_of(const Lanes &a, int bit) {
    uint32x4_t holds[4];
    for (int i = 0; i < 4; ++i) holds[i] = vtstq_s32(a.v[i], vdupq_n_s32(int32_t(1u << bit)));
    return mask_of(holds);
}
