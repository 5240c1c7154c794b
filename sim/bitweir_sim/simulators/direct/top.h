// A port of a design: whole numbers of 64 bits, the lowest bit first.

#include <cstdint>
#include <cstring>

template <size_t BITS> struct Port {
    uint64_t *const at;
    void set(bool on) { at[0] = on; }
};

template <size_t BITS> inline bool bit(const Port<BITS> &port) { return port.at[0] & 1; }

template <size_t BITS, class P> inline void get(const P &port, uint64_t *to) {
    memcpy(to, port.at, (BITS + 63) / 64 * 8);
}

template <size_t BITS> inline void put(Port<BITS> &port, const uint64_t *from) {
    memcpy(port.at, from, (BITS + 63) / 64 * 8);
    // Bits above the width must be 0.
    if (BITS % 64) port.at[BITS / 64] &= ((uint64_t)1 << BITS % 64) - 1;
}
