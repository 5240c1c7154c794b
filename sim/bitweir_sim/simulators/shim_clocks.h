// The clocks of a board, and its SDRAM chip: what board.cpp and spi_board.cpp have in common.
//
// The chip is a function that is called at each edge of `clk` with the pins. It may say that it needs no call before
// they change; then it is told how many edges it has missed.
//
// A cycle here is one of `link_clk`, to whose domain the pins belong; the edges of `clk` come between, at their own
// rate and phase, or with it.

#pragma once

#include <cstdint>

namespace {

// Cycles of either clock that a reset lasts at least.
constexpr int64_t RESET_CYCLES = 8;

// Pins, and edges missed before this one; what the chip drives behind it in the lowest bits, and above them whether the
// next edges may be missed while the pins are the same.
using Chip = uint64_t (*)(uint64_t pins, int64_t missed);
constexpr uint64_t REST = 1u << 16;

struct Clocks {
    Design design;
    int64_t clock, core_clock, cycle = 0, core_cycle = 0;
    // Time until the next edge of `clk`, counted from the next one of `link_clk`, in units of which a second has
    // clock * core_clock: a cycle is core_clock, and one of `clk` is clock.
    int64_t until = 0;

    // The chip, if there is one; none while the design is reset.
    Chip chip = nullptr;
    bool in_reset = false, rests = false;
    uint64_t pins = 0;
    int64_t missed = 0;

    // `clock` is that of the pins, `core_clock` the other one, whose first edge comes `phase` of its cycle later.
    Clocks(int64_t clock, int64_t core_clock, double phase)
        : clock(clock), core_clock(core_clock), until(int64_t(phase * double(clock))) {
        design.open_waves(nullptr);
    }

    // An edge of `clk`, and of `link_clk` with it.
    void core_edge(bool both) {
        if (!CHIP || !chip || in_reset) {
            design.edge(true, both);
        } else {
            uint64_t now = get_pins(design);
            if (rests && now == pins) {
                missed++;
                design.edge(true, both);
            } else {
                uint64_t drives = chip(now, missed);
                pins = now;
                missed = 0;
                rests = drives & REST;
                design.edge(true, both);
                put_data(design, drives & 0xFFFF);
            }
        }
        until += clock;
        core_cycle++;
    }

    // A cycle of `link_clk`; `look` sees the outputs before its edge.
    template <class Look> void cycle_with(Look look) {
        while (until < 0) {
            design.settle(true, false);
            core_edge(false);
        }
        bool both = until == 0;
        design.settle(both, true);
        look();
        if (both) core_edge(true);
        else design.edge(false, true);
        until -= core_clock;
        cycle++;
    }

    template <class Step> void reset_with(Step step) {
        design.reset(true);
        in_reset = true;
        rests = false;
        missed = 0;
        for (int64_t end = cycle + RESET_CYCLES, core_end = core_cycle + RESET_CYCLES;
             cycle < end || core_cycle < core_end;)
            step();
        in_reset = false;
        design.reset(false);
    }
};

} // namespace
