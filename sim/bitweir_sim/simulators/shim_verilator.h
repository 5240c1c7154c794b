// Access to a Verilator design for shim.cpp and board.cpp; TOP is the class of the top module. With LINK_CLOCK it has a
// clock of that name, too: an edge is then one of the clocks for which it is called, or of both at once.

#include <type_traits>

#include "verilated.h"
#ifdef WAVES
#include "verilated_vcd_c.h"
#endif

inline bool bit(CData port) { return port & 1; }

// Up to 64 bits are one integer, more are 32-bit words.
template <size_t BITS, class P> inline void get(const P &port, uint64_t *to) {
    if constexpr (std::is_integral<P>::value) {
        *to = port;
    } else {
        constexpr size_t words = (BITS + 31) / 32;
        for (size_t n = 0; n < words; n += 2)
            *to++ = port[n] | (n + 1 < words ? uint64_t(port[n + 1]) << 32 : 0);
    }
}

template <size_t BITS, class P> inline void put(P &port, const uint64_t *from) {
    if constexpr (std::is_integral<P>::value) {
        port = P(BITS < 64 ? *from & ((uint64_t(1) << BITS % 64) - 1) : *from);
    } else {
        constexpr size_t words = (BITS + 31) / 32;
        for (size_t n = 0; n < words; n++) port[n] = uint32_t(from[n / 2] >> (n % 2 * 32));
        if (BITS % 32) port[words - 1] &= (uint32_t(1) << BITS % 32) - 1;
    }
}

struct Design {
    VerilatedContext context;
    TOP top{&context, "top"};

    void reset(bool on) { set_reset(top, on); }

#ifdef WAVES
    VerilatedVcdC vcd;
    ~Design() { vcd.close(); }
    void open_waves(const char *path) {
        context.traceEverOn(true);
        top.trace(&vcd, 99);
        vcd.open(path);
    }
    void flush_waves() { vcd.flush(); }
    // It closes the file when it cannot write.
    bool waves_written() { return vcd.isOpen(); }
    void dump() {
        vcd.dump(context.time());
        context.timeInc(5);
    }
#else
    void open_waves(const char *) {}
    void flush_waves() {}
    bool waves_written() { return true; }
    void dump() {}
#endif
    void set_clocks(bool clk, bool link_clk) {
        top.clk = clk;
        (void)link_clk;
#ifdef LINK_CLOCK
        top.LINK_CLOCK = link_clk;
#endif
        top.eval();
        dump();
    }
    void settle(bool = true, bool = true) { set_clocks(false, false); }
    void edge(bool clk = true, bool link_clk = true) { set_clocks(clk, link_clk); }
};
