// Drives one compiled design for many clock cycles in one call.
//
// compiled.py writes `design.h` beside this file. It defines
//   Design                     the simulated top: construct, reset(bool), settle(), edge(), waves
//   I_WORDS, O_WORDS           64-bit words of a payload
//   put_i(Design &, const uint64_t *), i_valid(Design &, bool), i_ready(Design &),
//   get_o(Design &, uint64_t *), o_valid(Design &), o_ready(Design &, bool)
//   FEEDS and visit_feeds(Design &, visitor), called with (index, words, put, valid, ready)
//   TAPS and visit_taps(Design &, visitor), called with (index, words, valid, ready, fetch)
//
// settle() lets combinational logic follow the inputs, edge() completes the rising edge. Between
// the two, outputs have the values of the cycle that the edge ends.

#include <cstdint>
#include <cstring>
#include <vector>

#include "design.h"

namespace {

struct Stream {
    std::vector<int64_t> cycles;
    std::vector<uint64_t> payloads;
    // The beat that was offered and did not move; stream rule 2 says it stays.
    std::vector<uint64_t> held;
    bool holds = false;
};

enum Status : int64_t { RUNNING = 0, DONE = 1, DROPPED = 2, CHANGED = 3 };

// A stream of weights: words from the first one on, over and over.
struct Fed {
    std::vector<int64_t> cycles;
    int64_t next = 0;
    bool offering = false;
};

struct Simulation {
    Design design;
    Stream i, o, taps[TAPS ? TAPS : 1];
    Fed feeds[FEEDS ? FEEDS : 1];
    std::vector<uint64_t> word;
    int64_t cycle = 0, next = 0, after = 0, culprit = 0;

    // One look at an output stream in one cycle; records a beat that moves.
    template <class Fetch>
    Status observe(Stream &s, size_t words, bool valid, bool ready, Fetch fetch) {
        if (s.holds && !valid) return DROPPED;
        if (!valid) return RUNNING;
        if (word.size() < words) word.resize(words);
        fetch(word.data());
        if (s.holds && memcmp(word.data(), s.held.data(), words * 8)) return CHANGED;
        s.holds = !ready;
        if (ready) {
            s.cycles.push_back(cycle);
            s.payloads.insert(s.payloads.end(), word.begin(), word.begin() + words);
        } else {
            s.held.assign(word.begin(), word.begin() + words);
        }
        return RUNNING;
    }
};

} // namespace

extern "C" {

// Laid out as `_Feed` in compiled.py.
struct Feed {
    const uint64_t *words;
    int64_t word_count;
    const uint8_t *stalls;
    int64_t stall_count;
};

// Laid out as `_Job` in compiled.py.
struct Job {
    const uint64_t *beats;
    int64_t beat_count;
    const uint8_t *i_stalls;
    int64_t i_stall_count;
    const uint8_t *o_stalls;
    int64_t o_stall_count;
    int64_t expected_outputs; // negative: no end
    int64_t drain;            // cycles after the last expected output
    int64_t until;            // stop before this cycle
    int64_t record_taps;
    const Feed *feeds;
};

void *bitweir_new(const char *waves, int64_t reset_cycles) {
    auto *s = new Simulation;
    s->design.open_waves(waves);
    s->design.reset(true);
    i_valid(s->design, false);
    o_ready(s->design, false);
    visit_feeds(s->design, [](int64_t, size_t, auto, auto valid, auto) { valid(false); });
    for (int64_t n = 0; n < reset_cycles; n++) {
        s->design.settle();
        s->design.edge();
    }
    s->design.reset(false);
    return s;
}

void bitweir_free(void *handle) { delete static_cast<Simulation *>(handle); }

int64_t bitweir_run(void *handle, const Job *job) {
    auto &s = *static_cast<Simulation *>(handle);
    Design &d = s.design;
    bool offering = s.i.holds;
    Status status = RUNNING;
    for (; s.cycle < job->until; s.cycle++) {
        if (job->expected_outputs >= 0 && int64_t(s.o.cycles.size()) >= job->expected_outputs && s.after++ >= job->drain) {
            status = DONE;
            break;
        }
        if (!offering) {
            offering = s.next < job->beat_count && !(s.cycle < job->i_stall_count && job->i_stalls[s.cycle]);
            if (offering) put_i(d, job->beats + s.next * I_WORDS);
            i_valid(d, offering);
        }
        bool ready = !(s.cycle < job->o_stall_count && job->o_stalls[s.cycle]);
        o_ready(d, ready);
        visit_feeds(d, [&](int64_t index, size_t words, auto put, auto valid, auto) {
            Fed &fed = s.feeds[index];
            const Feed &feed = job->feeds[index];
            if (fed.offering) return;
            fed.offering = !(s.cycle < feed.stall_count && feed.stalls[s.cycle]);
            if (fed.offering) put(feed.words + fed.next * words);
            valid(fed.offering);
        });
        d.settle();
        visit_feeds(d, [&](int64_t index, size_t, auto, auto, auto fed_ready) {
            Fed &fed = s.feeds[index];
            if (!fed.offering || !fed_ready()) return;
            fed.cycles.push_back(s.cycle);
            fed.next = fed.next + 1 == job->feeds[index].word_count ? 0 : fed.next + 1;
            fed.offering = false;
        });
        if (offering && i_ready(d)) {
            s.i.cycles.push_back(s.cycle);
            s.next++;
            offering = false;
        }
        status = s.observe(s.o, O_WORDS, o_valid(d), ready, [&](uint64_t *to) { get_o(d, to); });
        s.culprit = -1;
        if (TAPS && job->record_taps && status == RUNNING)
            visit_taps(d, [&](int64_t index, size_t words, bool valid, bool tap_ready, auto fetch) {
                if (status != RUNNING) return;
                status = s.observe(s.taps[index], words, valid, tap_ready, fetch);
                s.culprit = index;
            });
        if (status != RUNNING) break;
        d.edge();
    }
    s.i.holds = offering;
    d.flush_waves();
    return status;
}

// Whether all of the waveform until now is in its file.
int64_t bitweir_waves(void *handle) { return static_cast<Simulation *>(handle)->design.waves_written(); }

int64_t bitweir_cycle(void *handle) { return static_cast<Simulation *>(handle)->cycle; }

// Which stream broke a rule: -1 is o, others are taps.
int64_t bitweir_culprit(void *handle) { return static_cast<Simulation *>(handle)->culprit; }

// What moved on a stream: -2 is i, -1 is o, others are taps. Valid until the next run or free.
int64_t bitweir_beats(void *handle, int64_t which, const int64_t **cycles, const uint64_t **payloads) {
    auto &s = *static_cast<Simulation *>(handle);
    Stream &stream = which == -2 ? s.i : which == -1 ? s.o : s.taps[which];
    *cycles = stream.cycles.data();
    *payloads = stream.payloads.data();
    return int64_t(stream.cycles.size());
}

// The cycles in which words of weights moved. Valid until the next run or free.
int64_t bitweir_fed(void *handle, int64_t which, const int64_t **cycles) {
    Fed &fed = static_cast<Simulation *>(handle)->feeds[which];
    *cycles = fed.cycles.data();
    return int64_t(fed.cycles.size());
}

#ifdef TOGGLES
// Bits of the registers of a unit that have changed since the start.
uint64_t bitweir_toggles(void *handle, int64_t unit) {
    return static_cast<Simulation *>(handle)->design.toggles(size_t(unit));
}
#endif

} // extern "C"
