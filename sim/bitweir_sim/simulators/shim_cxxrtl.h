// Access to a CXXRTL design for shim.cpp and board.cpp; TOP is the class of the top module,
// and fill_memories(TOP &) gives memories their words. With LINK_CLOCK it has a
// clock of that name, too: an edge is then one of the clocks for which it is called, or of both at once.

#ifdef WAVES
#include <cxxrtl/cxxrtl_vcd.h>

#include <fstream>
#endif

template <size_t B> const uint32_t *chunks(const cxxrtl::value<B> &v) { return v.data; }
// An output that is a register: before commit() it still has the value of this cycle.
template <size_t B> const uint32_t *chunks(const cxxrtl::wire<B> &w) { return w.curr.data; }

template <class P> inline bool bit(const P &port) { return chunks(port)[0] & 1; }

template <size_t BITS, class P> inline void get(const P &port, uint64_t *to) {
    const uint32_t *from = chunks(port);
    for (size_t n = 0; n < (BITS + 31) / 32; n += 2)
        *to++ = from[n] | (n + 1 < (BITS + 31) / 32 ? uint64_t(from[n + 1]) << 32 : 0);
}

template <size_t BITS> inline void put(cxxrtl::value<BITS> &port, const uint64_t *from) {
    for (size_t n = 0; n < (BITS + 31) / 32; n++)
        port.data[n] = uint32_t(from[n / 2] >> (n % 2 * 32));
    // Bits above the width must be 0.
    if (BITS % 32) port.data[BITS / 32] &= (uint32_t(1) << BITS % 32) - 1;
}

struct Design {
    TOP top;

    Design() { fill_memories(top); }

    void reset(bool on) { set_reset(top, on); }

    void set_clocks(bool clk, bool link_clk) {
        top.p_clk.set(clk);
        (void)link_clk;
#ifdef LINK_CLOCK
        top.LINK_CLOCK.set(link_clk);
#endif
    }

#ifdef WAVES
    // Both edges of the clock, so that the waveform shows them.
    cxxrtl::vcd_writer vcd;
    std::ofstream file;
    uint64_t time = 0;

    void open_waves(const char *path) {
        file.open(path);
        cxxrtl::debug_items items;
        top.debug_info(&items, nullptr, "");
        vcd.timescale(1, "ns");
        vcd.add_without_memories(items);
    }
    void sample() {
        vcd.sample(time);
        time += 5;
        if (vcd.buffer.size() > 1 << 20) flush_waves();
    }
    void flush_waves() {
        file << vcd.buffer << std::flush;
        vcd.buffer.clear();
    }
    bool waves_written() { return file.good(); }
    void settle(bool = true, bool = true) {
        set_clocks(false, false);
        top.step();
        sample();
    }
    void edge(bool clk = true, bool link_clk = true) {
        set_clocks(clk, link_clk);
        top.step();
        sample();
    }
#elif defined(FEEDBACK)
    void open_waves(const char *) {}
    void flush_waves() {}
    bool waves_written() { return true; }
    // Wires that feed themselves settle in several evaluations, which step() repeats: an edge each way.
    void settle(bool = true, bool = true) {
        set_clocks(false, false);
        top.step();
    }
    void edge(bool clk = true, bool link_clk = true) {
        set_clocks(clk, link_clk);
        top.step();
    }
#else
    void open_waves(const char *) {}
    void flush_waves() {}
    bool waves_written() { return true; }
    // One evaluation a cycle does both: registers take the next value at commit, so between
    // eval and commit the outputs have the values before the edge. The clock stays 1, and the
    // note of its last value is put back to 0, which makes the evaluation an edge.
    void settle(bool clk = true, bool link_clk = true) {
        set_clocks(true, true);
        top.prev_p_clk.set(!clk);
        (void)link_clk;
#ifdef LINK_CLOCK
        top.PREV_LINK_CLOCK.set(!link_clk);
#endif
        top.eval();
    }
    void edge(bool = true, bool = true) { top.commit(); }
#endif
};
