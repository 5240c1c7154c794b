// A board: the SPI of a compiled design, whose controller clocks whole transfers.
//
// board.py writes `design.h` beside this file: see board.cpp, with set_sck, set_copi, set_cs and get_cipo in place of the
// UART. The controller takes CIPO as it is before the edge of the clock that sees SCK rise, which is the earliest that it may.
// Times are counted in parts of a cycle, of which a cycle has twice the rate of SCK.

#include <cstdint>

#include "design.h"

#include "shim_clocks.h"

namespace {

struct Board : Clocks {
    int64_t rate, part = 0;
    bool cipo = false;

    Board(int64_t clock, int64_t core_clock, double phase, int64_t rate) : Clocks(clock, core_clock, phase), rate(rate) {
        set_sck(design, false);
        set_copi(design, false);
        set_cs(design, true);
        reset();
    }

    void step() {
        cycle_with([this] { cipo = get_cipo(design); });
    }

    // Half a period of SCK.
    void half() {
        part += clock;
        while (cycle * 2 * rate < part) step();
    }

    uint8_t byte(uint8_t sent) {
        uint8_t came = 0;
        for (int place = 7; place >= 0; place--) {
            set_copi(design, sent >> place & 1);
            half();
            set_sck(design, true);
            step();
            came = uint8_t(came << 1 | cipo);
            half();
            set_sck(design, false);
        }
        return came;
    }

    void transfer(const uint8_t *sent, uint8_t *came, int64_t count) {
        part = cycle * 2 * rate;
        set_cs(design, false);
        for (int64_t at = 0; at < count; at++) came[at] = byte(sent[at]);
        half();
        set_cs(design, true);
        half();
        half();
    }

    void reset() {
        reset_with([this] { step(); });
    }
};

} // namespace

extern "C" {

void *board_new(int64_t clock, int64_t core_clock, double phase, int64_t rate) {
    return new Board(clock, core_clock, phase, rate);
}

void board_free(void *handle) { delete static_cast<Board *>(handle); }

void board_chip(void *handle, Chip chip) { static_cast<Board *>(handle)->chip = chip; }

void board_reset(void *handle) { static_cast<Board *>(handle)->reset(); }

// A transfer of so many bytes, of which as many come.
void board_transfer(void *handle, const uint8_t *sent, uint8_t *came, int64_t count) {
    static_cast<Board *>(handle)->transfer(sent, came, count);
}

int64_t board_cycle(void *handle) { return static_cast<Board *>(handle)->cycle; }

int64_t board_core_cycle(void *handle) { return static_cast<Board *>(handle)->core_cycle; }

} // extern "C"
