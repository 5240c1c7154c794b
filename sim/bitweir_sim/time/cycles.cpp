// The machines of machines.py, compiled: the same state machines, a thousand times as fast.
//
// A program is a row of integers: the number of streams, the number of blocks, then for each block
// its kind, the number of its inputs and their streams, the number of its outputs and theirs, the
// number of its parameters and these. stepping.py writes it; each constructor below reads its parameters in
// the order in which the machine of the same name gives them.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace {

using Numbers = std::vector<int64_t>;

// A bit that comes so many cycles later.
struct Delay {
    int64_t latency, at = 0, on = 0;
    uint64_t bits = 0;     // the newest one lowest, where so many bits hold them
    std::vector<char> ring; // where not: from `at` on, the oldest one first

    explicit Delay(int64_t latency) : latency(latency), ring(latency > 62 ? latency : 0) {}
    bool busy() const { return ring.empty() ? bits != 0 : on > 0; }
    bool step(bool in) {
        if (ring.empty()) {
            bits = bits << 1 | in;
            bool out = bits >> latency & 1;
            bits &= (uint64_t(1) << latency) - 1;
            return out;
        }
        bool out = ring[at];
        ring[at] = in, on += in - out;
        if (++at == latency) at = 0;
        return out;
    }
    void state(Numbers &to) const {
        // 32 bits each, the newest one lowest.
        for (int64_t from = 0; from < latency; from += 32) {
            int64_t word = ring.empty() ? bits >> from & 0xffffffff : 0;
            for (int64_t n = from; !ring.empty() && n < std::min(from + 32, latency); n++)
                word |= int64_t(ring[(at + latency - 1 - n) % latency]) << (n - from);
            to.push_back(word);
        }
    }
};

struct Credits {
    int64_t depth, batch, lent = 0, waiting = 0;
    Delay moving, returning;
    int64_t came = 0, left = 0; // of a batch

    Credits(int64_t latency, int64_t depth, int64_t batch = 1, int64_t back = 0)
        : depth(depth), batch(batch), moving(latency), returning(back) {}
    bool available() const { return lent < depth; }
    bool valid() const { return waiting > 0; }
    bool busy() const { return moving.busy() || returning.busy(); }
    void step(bool start, bool give) {
        bool done = moving.step(start), returned = returning.step(give);
        if (batch == 1) {
            lent += start - returned;
            waiting += done - give;
            return;
        }
        lent += start;
        waiting -= give;
        came += done;
        left += give;
        if (came == batch) came = 0, waiting += batch;
        if (left == batch) left = 0, lent -= batch;
    }
    void state(Numbers &to) const {
        to.insert(to.end(), {lent, waiting});
        moving.state(to), returning.state(to);
        to.insert(to.end(), {came, left});
    }
};

struct Block {
    std::vector<int> inputs, outputs;
    virtual ~Block() = default;
    virtual bool ready() const = 0;
    virtual int turn() const { return -1; } // the input of which a beat is taken; -1: of all
    virtual bool valid(int output) const = 0;
    virtual bool busy() const = 0;
    virtual bool word_ready() const { return false; } // takes a word of streamed weights
    virtual void step(bool take, const uint8_t *moves, bool word) = 0;
    virtual void state(Numbers &to) const = 0;
    bool gives(const uint8_t *moves) const { return moves[outputs[0]]; }
};

struct Buffered : Block {
    int64_t room, held = 0, ahead, run = 0, made = 0;
    Credits credits;
    int64_t prefetched, words = 0, shared, served = 0; // words of weights, and steps that the first one has served
    Numbers programme;

    explicit Buffered(const int64_t *p)
        : room(p[0]), ahead(-p[1]), credits(p[2], p[3], p[6 + 4 * p[5]]), prefetched(p[4]), shared(p[7 + 4 * p[5]]),
          programme(p + 6, p + 6 + 4 * p[5]) {}
    bool ready() const override { return held < room; }
    bool valid(int) const override { return credits.valid(); }
    bool issues() const {
        return ahead >= 0 && (!prefetched || words) && (credits.available() || !programme[4 * run + 1]);
    }
    bool word_ready() const override { return words < prefetched; }
    bool busy() const override { return issues() || credits.busy() || word_ready(); } // a word is sure to come
    void step(bool take, const uint8_t *moves, bool word) override {
        const int64_t *now = &programme[4 * run]; // steps, result, arrive, depart
        bool issue = issues();
        credits.step(issue && now[1], gives(moves));
        held += take;
        ahead += take;
        words += word;
        if (!issue) return;
        if (prefetched && ++served == shared) served = 0, words--;
        held -= now[3];
        ahead -= now[2];
        if (++made < now[0]) return;
        made = 0;
        if (4 * ++run == int64_t(programme.size())) run = 0;
    }
    void state(Numbers &to) const override {
        to.insert(to.end(), {held, ahead, words, served, run, made});
        credits.state(to);
    }
};

struct Collect : Block {
    Credits credits;
    Numbers completes;
    int64_t beat = 0, pause, resting = 0; // cycles in which it takes nothing, behind a beat and yet to come

    explicit Collect(const int64_t *p)
        : credits(p[0], p[1], 1, p[3 + p[2]]), completes(p + 3, p + 3 + p[2]), pause(p[4 + p[2]] - 1) {}
    bool ready() const override { return !resting && (credits.available() || !completes[beat]); }
    bool valid(int) const override { return credits.valid(); }
    bool busy() const override { return resting > 0 || credits.busy(); }
    void step(bool take, const uint8_t *moves, bool) override {
        credits.step(take && completes[beat], gives(moves));
        resting = take ? pause : std::max<int64_t>(0, resting - 1);
        if (take && ++beat == int64_t(completes.size())) beat = 0;
    }
    void state(Numbers &to) const override {
        to.insert(to.end(), {beat, resting});
        credits.state(to);
    }
};

struct Level : Block {
    int64_t room, leave, beat = 0, moving = 0;
    // What was added in each of the last cycles, the oldest first, and its sum.
    Numbers levels, late, amounts, turns;

    explicit Level(const int64_t *p)
        : room(p[0]), leave(p[1]), levels(p[2]), late(p[3]), amounts(p + 5, p + 5 + p[4]),
          turns(p + 5 + p[4], p + 5 + 2 * p[4]) {}
    int turn() const override { return int(turns[beat]); }
    bool ready() const override {
        for (int64_t level : levels)
            if (level > room) return false;
        return true;
    }
    bool valid(int output) const override { return levels[output] - moving >= leave; }
    bool busy() const override { return moving > 0; }
    void step(bool take, const uint8_t *moves, bool) override {
        int64_t added = take ? amounts[beat] : 0;
        for (size_t n = 0; n < levels.size(); n++) levels[n] += added - moves[outputs[n]] * leave;
        if (!late.empty()) {
            moving += added - late.front();
            late.erase(late.begin());
            late.push_back(added);
        }
        if (take && ++beat == int64_t(amounts.size())) beat = 0;
    }
    void state(Numbers &to) const override {
        to.insert(to.end(), levels.begin(), levels.end());
        to.insert(to.end(), late.begin(), late.end());
        to.push_back(beat);
    }
};

std::unique_ptr<Block> make(int64_t kind, const int64_t *parameters) {
    switch (kind) {
    case 0: return std::make_unique<Buffered>(parameters);
    case 1: return std::make_unique<Collect>(parameters);
    default: return std::make_unique<Level>(parameters);
    }
}

// Where a block takes streamed weights: a word is offered in at most `words` of each `cycles` cycles behind the first
// `latency`, evenly, and in none with a stall. Once offered, it stays.
struct Supply {
    size_t block;
    int64_t words = 1, cycles = 1, latency = 0, phase = 0;
    bool offering = false;
    std::vector<uint8_t> stalls;
    Numbers recorded;

    explicit Supply(size_t block) : block(block) {}
    bool offers(int64_t cycle) {
        bool turn = latency == 0;
        if (latency)
            latency--;
        else if ((phase += words) >= cycles)
            phase -= cycles;
        else
            turn = false;
        return offering = offering || (turn && !(cycle < int64_t(stalls.size()) && stalls[cycle]));
    }
};

struct Run {
    std::vector<Supply> supplies;
    std::vector<std::unique_ptr<Block>> blocks;
    // Of each stream: whether a beat moves, and is offered. Of each block: whether it takes, is ready, is busy.
    std::vector<uint8_t> moves, offers, took, ready, busy, word;
    std::vector<int> turn; // of each block, the input of which it takes a beat; -1: of all
    Numbers counts, waits; // waits: of each stream, cycles starved and cycles blocked
    std::vector<Numbers> recorded;
    bool offering = false, still = false;
    int64_t cycle = 0;

    explicit Run(const int64_t *p) {
        int64_t streams = *p++, count = *p++;
        moves.resize(streams), counts.resize(streams), recorded.resize(streams);
        offers.resize(streams), took.resize(count), ready.resize(count), busy.resize(count), turn.resize(count);
        word.resize(count);
        waits.resize(2 * streams);
        for (; count; count--) {
            int64_t kind = *p++;
            std::vector<int> inputs, outputs;
            for (int64_t n = *p++; n; n--) inputs.push_back(int(*p++));
            for (int64_t n = *p++; n; n--) outputs.push_back(int(*p++));
            int64_t size = *p++;
            blocks.push_back(make(kind, p));
            blocks.back()->inputs = inputs, blocks.back()->outputs = outputs;
            p += size;
        }
        for (size_t b = 0; b < blocks.size(); b++) {
            look(b);
            if (blocks[b]->word_ready()) supplies.emplace_back(b);
        }
    }

    // What a block does in the next cycle, as far as its state says: the same as before until it steps.
    void look(size_t b) {
        ready[b] = blocks[b]->ready(), busy[b] = blocks[b]->busy(), turn[b] = blocks[b]->turn();
        for (size_t n = 0; n < blocks[b]->outputs.size(); n++)
            offers[blocks[b]->outputs[n]] = blocks[b]->valid(int(n));
    }

    bool awaits(size_t b, size_t input) const { return turn[b] < 0 || turn[b] == int(input); }

    void step(bool may_offer, bool takes, bool record, bool watch) {
        offers[0] = offering = offering || may_offer;
        moves = offers;
        if (watch) waits[2 * (moves.size() - 1)] += takes && !moves.back();
        moves.back() = moves.back() && takes;
        for (size_t b = 0; b < blocks.size(); b++) {
            bool take = ready[b];
            const std::vector<int> &inputs = blocks[b]->inputs;
            for (size_t n = 0; watch && n < inputs.size(); n++)
                waits[2 * inputs[n]] += ready[b] && awaits(b, n) && !moves[inputs[n]];
            for (size_t n = 0; n < inputs.size(); n++) take = take && (moves[inputs[n]] || !awaits(b, n));
            for (size_t n = 0; n < inputs.size(); n++) moves[inputs[n]] = take && awaits(b, n);
            took[b] = take;
        }
        if (watch)
            for (size_t s = 0; s < moves.size(); s++) waits[2 * s + 1] += offers[s] && !moves[s];
        for (Supply &supply : supplies) {
            bool moved = word[supply.block] = supply.offers(cycle) && blocks[supply.block]->word_ready();
            if (!moved) continue;
            supply.offering = false;
            if (record) supply.recorded.push_back(cycle);
        }
        still = !moves[0];
        for (size_t b = 0; b < blocks.size(); b++) {
            bool steps = took[b] || busy[b];
            for (int stream : blocks[b]->outputs) steps = steps || moves[stream];
            if (!steps) continue;
            still = false;
            blocks[b]->step(took[b], moves.data(), word[b]);
            look(b);
        }
        if (moves[0]) offering = false;
    }
};

} // namespace

extern "C" {

void *cycles_new(const int64_t *program) { return new Run(program); }

void cycles_free(void *handle) { delete static_cast<Run *>(handle); }

// Steps until `outputs` output beats have moved in all and `drain` cycles more are over, or `until` is reached.
// The source has `inputs` beats in all (negative: no end); a closed sink takes nothing. Ends before if output beats are
// left and nothing can move any more. Returns the cycle.
int64_t cycles_run(void *handle, int64_t inputs, int64_t outputs, int64_t drain, int64_t until, const uint8_t *pauses,
                   int64_t pause_count, const uint8_t *refusals, int64_t refusal_count, int64_t closed, int64_t record,
                   int64_t watch) {
    Run &run = *static_cast<Run *>(handle);
    int64_t after = 0, patterns = std::max(pause_count, refusal_count);
    run.still = false;
    for (; run.cycle < until; run.cycle++) {
        // While a pattern of stalls lasts, what stands still may only wait for its end.
        if (run.counts.back() >= outputs) {
            if (after++ >= drain) break;
        } else if (run.still && run.cycle > patterns) {
            break;
        }
        bool may = (inputs < 0 || run.counts[0] < inputs) && !(run.cycle < pause_count && pauses[run.cycle]);
        run.step(may, !(closed || (run.cycle < refusal_count && refusals[run.cycle])), record, watch);
        for (size_t s = 0; s < run.moves.size(); s++) {
            run.counts[s] += run.moves[s];
            if (record && run.moves[s]) run.recorded[s].push_back(run.cycle);
        }
    }
    return run.cycle;
}

const int64_t *cycles_counts(void *handle) { return static_cast<Run *>(handle)->counts.data(); }

const int64_t *cycles_waits(void *handle) { return static_cast<Run *>(handle)->waits.data(); }

int64_t cycles_state(void *handle, int64_t *to) {
    Numbers state;
    for (auto &block : static_cast<Run *>(handle)->blocks) block->state(state);
    for (auto &supply : static_cast<Run *>(handle)->supplies)
        state.insert(state.end(), {supply.phase, supply.latency, supply.offering});
    if (to)
        for (size_t n = 0; n < state.size(); n++) to[n] = state[n];
    return int64_t(state.size());
}

// How the words of streamed weights of the block that is the `number`-th of those that take some come.
void cycles_supply(void *handle, int64_t number, int64_t words, int64_t cycles, int64_t latency, const uint8_t *stalls,
                   int64_t count) {
    Supply &supply = static_cast<Run *>(handle)->supplies[number];
    supply.words = words, supply.cycles = cycles, supply.latency = latency;
    supply.stalls.assign(stalls, stalls + count);
}

// Behind the streams of the pipeline come those of weights.
int64_t cycles_recorded(void *handle, int64_t stream, const int64_t **cycles) {
    Run &run = *static_cast<Run *>(handle);
    int64_t streams = int64_t(run.recorded.size());
    Numbers &found = stream < streams ? run.recorded[stream] : run.supplies[stream - streams].recorded;
    *cycles = found.data();
    return int64_t(found.size());
}

} // extern "C"
