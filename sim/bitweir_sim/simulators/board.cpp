// A board: the UART of a compiled design, bit by bit, for many clock cycles in one call.
//
// board.py writes `design.h` beside this file. It defines
//   Design                               the simulated top: construct, reset(bool), settle(clk, link_clk),
//                                        edge(clk, link_clk), each for the clocks that tick
//   set_rx(Design &, bool), get_tx(Design &), get_busy(Design &)
//   CHIP, get_pins(Design &), put_data(Design &, uint64_t)
//                                        whether there are pins of an SDRAM chip; all that go there; its data pins
//
// The clocks, and a cycle, are those of shim_clocks.h. The host's side keeps exactly to the baud rate: bits begin in
// the cycle in which their time comes, and are sampled in the cycle of their middle. Times are counted in parts of a cycle, of which a cycle has `baud`.

#include <cstdint>
#include <deque>
#include <vector>

#include "design.h"

#include "shim_clocks.h"

namespace {

// Bits of silence on both wires after which nothing is under way in the design, if it is not busy.
constexpr int64_t QUIET_BITS = 40, QUIET_CYCLES = 1000;

struct Board : Clocks {
    int64_t baud, active = 0, broken = 0;

    // To the device: the start bit, 8 bits, the stop bit.
    std::deque<uint8_t> queue;
    bool sending = false;
    unsigned shift = 0;
    int64_t edges = 0, edge_at = 0, edge_part = 0, free_part = 0;

    // From the device.
    std::vector<uint8_t> out;
    bool receiving = false, level = true;
    int64_t begun_part = 0, samples = 0, sample_at = 0;
    unsigned sampled = 0;

    int64_t cycle_of(int64_t part) const { return (part + baud - 1) / baud; }

    void send() {
        if (!sending) {
            if (queue.empty()) return;
            sending = true;
            shift = queue.front() << 1 | 1u << 9;
            queue.pop_front();
            edges = 0;
            // If the byte before ended just now, right behind it, to the part of a cycle.
            edge_part = cycle_of(free_part) == cycle ? free_part : cycle * baud;
            edge_at = cycle_of(edge_part);
        }
        active = cycle;
        if (cycle < edge_at) return;
        if (edges == 10) {
            sending = false;
            free_part = edge_part;
            send();
            return;
        }
        set_rx(design, shift >> edges & 1);
        edge_part += clock;
        edge_at = cycle_of(edge_part);
        edges++;
    }

    void receive(bool tx) {
        if (!receiving) {
            if (level && !tx) {
                receiving = true;
                begun_part = cycle * baud;
                samples = 0;
                sample_at = cycle_of(begun_part + clock / 2);
                sampled = 0;
            }
        } else if (cycle >= sample_at) {
            sampled |= unsigned(tx) << samples++;
            sample_at = cycle_of(begun_part + clock / 2 + samples * clock);
            if (samples == 10) {
                receiving = false;
                // The start bit is 0 and the stop bit 1, or it was no byte.
                if ((sampled & 0x201) == 0x200) out.push_back(uint8_t(sampled >> 1));
                else broken++;
            }
        }
        level = tx;
        if (receiving) active = cycle;
    }

    Board(int64_t clock, int64_t core_clock, double phase, int64_t baud) : Clocks(clock, core_clock, phase), baud(baud) {
        set_rx(design, true);
        reset();
        out.clear();
    }

    void step() {
        cycle_with([this] {
            receive(get_tx(design));
            if (get_busy(design)) active = cycle;
        });
    }

    bool quiet() const {
        return !sending && queue.empty() && cycle - active > QUIET_CYCLES + QUIET_BITS * (clock / baud + 1);
    }

    void reset() {
        reset_with([this] { step(); });
        active = cycle;
    }
};

} // namespace

extern "C" {

void *board_new(int64_t clock, int64_t core_clock, double phase, int64_t baud) {
    return new Board(clock, core_clock, phase, baud);
}

void board_free(void *handle) { delete static_cast<Board *>(handle); }

// The SDRAM chip at the pins, from the next edge on.
void board_chip(void *handle, Chip chip) { static_cast<Board *>(handle)->chip = chip; }

void board_reset(void *handle) { static_cast<Board *>(handle)->reset(); }

// Send bytes to the device, and run for so many cycles, or until nothing is under way. Whether it is.
bool board_run(void *handle, const uint8_t *bytes, int64_t count, int64_t cycles) {
    auto &b = *static_cast<Board *>(handle);
    b.queue.insert(b.queue.end(), bytes, bytes + count);
    for (int64_t end = b.cycle + cycles; b.cycle < end; b.step()) {
        b.send();
        if (b.quiet()) return false;
    }
    return true;
}

int64_t board_cycle(void *handle) { return static_cast<Board *>(handle)->cycle; }

int64_t board_core_cycle(void *handle) { return static_cast<Board *>(handle)->core_cycle; }

// Bytes that are to be sent yet.
int64_t board_waiting(void *handle) { return int64_t(static_cast<Board *>(handle)->queue.size()); }

// Bytes of the device without a stop bit.
int64_t board_broken(void *handle) { return static_cast<Board *>(handle)->broken; }

// What came from the device since the last board_clear. Valid until the next call.
int64_t board_output(void *handle, const uint8_t **bytes) {
    auto &b = *static_cast<Board *>(handle);
    *bytes = b.out.data();
    return int64_t(b.out.size());
}

void board_clear(void *handle) { static_cast<Board *>(handle)->out.clear(); }

} // extern "C"
