// The cycle of every beat, beat by beat in place of cycle by cycle: what flow.py explains.
//
// Each event (a beat that moves, a step of a programme) comes at the soonest cycle that those before it allow: a cycle
// after the one before it at the same place, and so many after the beats and the slots that it waits for. So each block
// works through its events as far as those of its neighbours are known, and the order of work changes no result.
// Backwards, each event gets the latest cycle with which those after it keep theirs; events, beats and frames are then
// counted from the last one, so that both directions use rings in the same way.
//
// Reads the same programs as cycles.cpp. The beats of a stream are described there and in machines.py.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace {

using Numbers = std::vector<int64_t>;

const int64_t NEVER = int64_t(1) << 60;

int64_t ceil_div(int64_t a, int64_t b) { return a <= 0 ? 0 : (a + b - 1) / b; }

struct Stream {
    int64_t beats = 0; // of a frame
    int producer = -1, consumer = -1;
    int64_t room = 8; // beats that must be remembered
    // Forwards, `gives` has the cycle from which each beat is offered; backwards, the latest one in which its slot must
    // become free. `moves` has the cycle in which it moves. Both are rings, with numbers of those set so far.
    Numbers gives, moves;
    int64_t given = 0, moved = 0, mask = 0;
    // Of each frame that has moved, a hash of all these cycles: their sum with a weight for each, modulo 2^64. If all
    // of them are c cycles later, it is greater by c * `whole`.
    std::vector<uint64_t> sums;
    uint64_t sum = 0, whole = 0;
    int64_t left = 0;
    bool records = false;
    bool offers = true; // false: beats are always offered, and there is nothing to compare of that
    Numbers recorded;

    void start() {
        int64_t size = 8;
        while (size < room) size *= 2;
        gives.resize(size), moves.resize(size), mask = size - 1;
        begin();
    }
    void begin() {
        left = beats, whole = 0;
        for (int64_t n = 1; n <= beats; n++) whole += weight(n) * (1 + offers * OFFERED);
    }
    static constexpr uint64_t OFFERED = 0xBF58476D1CE4E5B9;
    static uint64_t weight(int64_t beat) {
        uint64_t mixed = uint64_t(beat) * 0x9E3779B97F4A7C15;
        return mixed ^ mixed >> 29;
    }
    bool waits() const { return given > moved; }
    int64_t next() const { return gives[moved & mask]; }
    void give(int64_t at) { gives[given++ & mask] = at; }
    void move(int64_t at) {
        sum += weight(left) * (uint64_t(at) + offers * OFFERED * uint64_t(gives[moved & mask]));
        moves[moved++ & mask] = at;
        if (records) recorded.push_back(at);
        if (--left == 0) sums.push_back(sum), sum = 0, left = beats;
    }
};

// Words of weights that come at a rate: the twin of `_Source` in supply.py.
struct Supply {
    int64_t words = 1, cycles = 1, latency = 0;
    // The first cycle from this one on in which a new word is offered.
    int64_t turn(int64_t from) const {
        if (from < latency) from = latency;
        __int128 number = __int128(from - latency) * words / cycles + 1;
        return latency + int64_t((number * cycles + words - 1) / words) - 1;
    }
    bool repeats_after(int64_t shift) const { return __int128(shift) * words % cycles == 0; }
};

struct Block {
    std::vector<Stream *> in, out;
    virtual ~Block() = default;
    // Beats that may be on their way between this block and the one behind it; and words that it looks back.
    virtual int64_t capacity() const = 0;
    virtual int64_t lookback() const { return 0; }
    // Frames from which its events depend on earlier ones, at most.
    virtual int64_t lag() const { return 0; }
    // Work through events as far as possible; returns whether there were any.
    virtual bool forward() = 0;
    // To the last event of so many frames; returns whether the numbers of beats are those of whole frames.
    virtual bool finish(int64_t frames) = 0;
    virtual bool backward() = 0;
};

struct Collect : Block {
    int64_t latency, depth, back, every, beat = 0, last = -1, left = 0, results = 0, count = 0;
    Numbers completes;

    explicit Collect(const int64_t *p)
        : latency(p[0]), depth(p[1]), back(p[3 + p[2]]), every(p[4 + p[2]]), completes(p + 3, p + 3 + p[2]) {}
    int64_t capacity() const override { return depth; }
    int64_t lag() const override { return ceil_div(depth, out[0]->beats); }

    bool forward() override {
        Stream &o = *out[0];
        for (bool some = false;; some = true) {
            int64_t at = last < 0 ? 0 : last + every;
            for (Stream *i : in) {
                if (!i->waits()) return some;
                at = std::max(at, i->next());
            }
            if (completes[beat]) {
                if (int64_t slot = o.given - depth; slot >= 0) {
                    if (o.moved <= slot) return some;
                    at = std::max(at, o.moves[slot & o.mask] + 1 + back);
                }
                o.give(at + latency + 1);
            }
            for (Stream *i : in) i->move(at);
            last = at;
            if (++beat == int64_t(completes.size())) beat = 0;
        }
    }

    bool finish(int64_t frames) override {
        left = frames * in[0]->beats, count = frames * out[0]->beats, last = NEVER, beat = completes.size() - 1;
        int64_t each = std::count(completes.begin(), completes.end(), 1), size = completes.size();
        for (int64_t n = std::min(depth, count); n > 0; n--) out[0]->give(NEVER);
        for (Stream *i : in)
            if (i->beats != in[0]->beats) return false;
        return left % size == 0 && left / size * each == count;
    }

    bool backward() override {
        Stream &o = *out[0];
        bool some = false;
        for (; left; some = true) {
            int64_t at = last == NEVER ? last - 1 : last - every;
            for (Stream *i : in) {
                if (!i->waits()) return some;
                at = std::min(at, i->next());
            }
            if (completes[beat]) {
                if (o.moved == results) return some;
                at = std::min(at, o.moves[results++ & o.mask] - latency - 1);
                if (o.given < count) o.give(at - 1 - back);
            }
            for (Stream *i : in) i->move(at);
            last = at, left--;
            if (--beat < 0) beat = completes.size() - 1;
        }
        return some;
    }
};

struct Level : Block {
    int64_t room, leave, latency, beat = 0, last = -1, left = 0, sum = 0, results = 0, slot = -1;
    Numbers amounts, turns;

    explicit Level(const int64_t *p)
        : room(p[0]), leave(p[1]), latency(p[3]), amounts(p + 5, p + 5 + p[4]),
          turns(p + 5 + p[4], p + 5 + 2 * p[4]) {}
    int64_t capacity() const override {
        return (room + *std::max_element(amounts.begin(), amounts.end())) / leave + 2;
    }
    int64_t lag() const override { return ceil_div(room / leave + 1, out[0]->beats); }
    bool takes(size_t input) const { return turns[beat] < 0 || turns[beat] == int64_t(input); }
    // Beats that must have left before one is taken with so much taken before it.
    int64_t awaited(int64_t before) const { return ceil_div(before - room, leave); }

    bool forward() override {
        for (bool some = false;; some = true) {
            int64_t at = last + 1;
            // Counted, as divisions take long.
            while (sum - (slot + 1) * leave > room) slot++;
            for (size_t n = 0; n < in.size(); n++) {
                if (!takes(n)) continue;
                if (!in[n]->waits()) return some;
                at = std::max(at, in[n]->next());
            }
            for (Stream *o : out) {
                if (slot < 0) break;
                if (o->moved <= slot) return some;
                at = std::max(at, o->moves[slot & o->mask] + 1);
            }
            sum += amounts[beat];
            for (Stream *o : out)
                while ((o->given + 1) * leave <= sum) o->give(at + latency + 1);
            for (size_t n = 0; n < in.size(); n++)
                if (takes(n)) in[n]->move(at);
            last = at;
            if (++beat == int64_t(amounts.size())) beat = 0;
        }
    }

    bool finish(int64_t frames) override {
        int64_t size = amounts.size(), each = 0, beats = 0;
        for (int64_t amount : amounts) each += amount;
        for (size_t n = 0; n < in.size(); n++) {
            beats += in[n]->beats;
            // All inputs at once, or each in its turn.
            if (turns[0] < 0 && in[n]->beats != in[0]->beats) return false;
        }
        if (turns[0] < 0) beats = in[0]->beats;
        left = frames * beats, last = NEVER, beat = size - 1, sum = left / size * each;
        for (Stream *o : out) {
            if (left % size || sum != frames * o->beats * leave) return false;
            for (int64_t n = sum / leave - awaited(sum - amounts.back()); n > 0; n--) o->give(NEVER);
        }
        return true;
    }

    bool backward() override {
        bool some = false;
        for (; left; some = true) {
            int64_t at = last - 1, before = sum - amounts[beat], made = sum / leave - before / leave;
            for (size_t n = 0; n < in.size(); n++) {
                if (!takes(n)) continue;
                if (!in[n]->waits()) return some;
                at = std::min(at, in[n]->next());
            }
            for (Stream *o : out) {
                if (!made) break;
                if (o->moved < results + made) return some;
                at = std::min(at, o->moves[(results + made - 1) & o->mask] - latency - 1);
            }
            results += made, left--;
            int64_t earlier = left ? before - amounts[beat ? beat - 1 : amounts.size() - 1] : 0;
            // Slots for which this is the first beat that waits; beats between them wait for none.
            int64_t slots = awaited(before) - (left ? awaited(earlier) : 0);
            for (Stream *o : out)
                for (int64_t n = 0; n < slots; n++) o->give(n ? NEVER : at - 1);
            for (size_t n = 0; n < in.size(); n++)
                if (takes(n)) in[n]->move(at);
            last = at, sum = before;
            if (--beat < 0) beat = amounts.size() - 1;
        }
        return some;
    }
};

struct Buffered : Block {
    struct Steps {
        int64_t count, result, arrive, depart;
        bool plain() const { return !(result || arrive || depart); }
    };
    int64_t room, start, latency, depth, most = 1;
    const Steps *programme; // within `numbers`
    int64_t runs;
    Numbers numbers;
    int64_t batch; // results that leave together, and that make room together
    // Steps: the place in the programme, the last one's cycle, the words that the next one needs; results so far.
    int64_t run = 0, made = 0, step = -1, need, take = -1, begun = 0;
    // Forwards, the cycle in which each word departed; backwards, the latest one in which each is needed.
    Numbers words;
    int64_t known = 0, mask = 0;
    // Streamed weights, where they may be late: words taken ahead at most, steps that each serves, steps that the
    // present one has served; the stream has the cycle in which each came and that of its last step.
    int64_t ahead, shared, served = 0;
    bool late;
    Supply supply;
    Stream weights;
    // Backwards only.
    int64_t total = 0, count = 0, results = 0, departed = 0, left = 0;

    explicit Buffered(const int64_t *p)
        : room(p[0]), start(p[1]), latency(p[2]), depth(p[3]), runs(p[5]), numbers(p + 6, p + 6 + 4 * p[5]),
          batch(p[6 + 4 * p[5]]), ahead(p[4]), shared(p[7 + 4 * p[5]]), late(p[4] == 1) {
        // Where a word of weights comes in every cycle and two or more are taken ahead, only the first step ever waits.
        if (ahead > 0) step = 0;
        programme = reinterpret_cast<const Steps *>(numbers.data());
        need = start;
        for (int64_t n = 0; n < runs; n++) most = std::max({most, programme[n].arrive, programme[n].depart});
        int64_t size = 8;
        while (size < lookback()) size *= 2;
        words.resize(size), mask = size - 1;
    }
    int64_t capacity() const override { return depth + batch; }
    // A beat may wait for a step of an earlier frame, and that one for the last result before it.
    int64_t lag() const override {
        return std::max(ceil_div(depth + batch, out[0]->beats), ceil_div(room, in[0]->beats) + 1);
    }
    int64_t lookback() const override { return 2 * (room + start + 2 * most) + 8; }

    // Words of weights come at a rate.
    void supplied(const Supply &by) {
        supply = by;
        late = late || by.words < by.cycles || by.latency;
    }
    // Before the first step: `weights` has a beat for each word of a frame.
    void begin() {
        if (!late) return;
        int64_t each = 0, steps = 0;
        for (int64_t n = 0; n < runs; n++)
            each += programme[n].count * (programme[n].result != 0), steps += programme[n].count;
        weights.beats = std::max<int64_t>(out[0]->beats * steps / (each * shared), 1);
        weights.room = ahead + 2;
        weights.start();
    }
    // The cycle in which the word of the next step comes.
    int64_t word() {
        Stream &w = weights;
        if (!w.waits()) {
            int64_t before = w.given ? w.gives[(w.given - 1) & w.mask] : -1, slot = w.given - ahead;
            int64_t at = supply.turn(before + 1);
            w.give(slot < 0 ? at : std::max(at, w.moves[slot & w.mask] + 1));
        }
        return w.next();
    }

    bool forward() override {
        for (bool some = false;; some = true)
            if (!(takes() | steps())) return some;
    }

    bool takes() {
        Stream &i = *in[0];
        bool some = false;
        for (; i.waits(); some = true) {
            int64_t at = std::max(take + 1, i.next()), slot = i.moved - room;
            if (slot >= known) break;
            if (slot >= 0) at = std::max(at, words[slot & mask] + 1);
            i.move(take = at);
        }
        return some;
    }

    bool steps() {
        Stream &i = *in[0], &o = *out[0];
        bool some = false;
        for (; i.moved >= need; some = true) {
            const Steps &now = programme[run];
            int64_t at = step + 1;
            if (need) at = std::max(at, i.moves[(need - 1) & i.mask] + 1);
            if (late) at = std::max(at, word() + 1);
            if (now.plain() && !late) {
                at += now.count - 1 - made, made = now.count - 1;
            } else if (now.result) {
                if (int64_t slot = batch * ceil_div(begun - depth + 1, batch) - 1; slot >= 0) {
                    if (o.moved <= slot) break;
                    at = std::max(at, o.moves[slot & o.mask] + 1);
                }
                if (++begun % batch == 0)
                    for (int64_t n = 0; n < batch; n++) o.give(at + latency + 1);
            }
            if (late && ++served == shared) served = 0, weights.move(at);
            for (int64_t n = 0; n < now.depart; n++) words[known++ & mask] = at;
            need += now.arrive, step = at;
            if (++made < now.count) continue;
            made = 0;
            if (++run == runs) run = 0;
        }
        return some;
    }

    bool finish(int64_t frames) override {
        int64_t arrive = 0, depart = 0, each = 0, count_of_steps = 0;
        for (int64_t n = 0; n < runs; n++) {
            const Steps &now = programme[n];
            arrive += now.count * now.arrive, depart += now.count * now.depart;
            each += now.count * (now.result != 0), count_of_steps += now.count;
        }
        total = frames * in[0]->beats, count = frames * out[0]->beats;
        if (!each || count % each || count / each * arrive != total || depart != arrive) return false;
        // Where weights may be late, steps wait for what is known forwards alone.
        if (late || count % batch) return false;
        left = count / each * count_of_steps;
        run = runs - 1, made = programme[run].count, step = take = NEVER, need = start + total, departed = total;
        // The last beat of each batch makes room for the result `depth` behind the first one, if there is one.
        for (int64_t n = count - ceil_div(count - depth, batch) * batch; n > 0; n--) out[0]->give(NEVER);
        // Words behind those that the last step needs.
        for (int64_t n = total - (need - programme[run].arrive); n > 0; n--) words[known++ & mask] = NEVER;
        return need - programme[run].arrive <= total;
    }

    bool backward() override {
        for (bool some = false;; some = true)
            if (!(takes_back() | steps_back())) return some;
    }

    bool takes_back() {
        Stream &i = *in[0];
        bool some = false;
        for (; i.waits() && known > i.moved; some = true) {
            take = std::min({take - 1, i.next(), words[i.moved & mask]});
            i.move(take);
        }
        return some;
    }

    bool steps_back() {
        Stream &i = *in[0], &o = *out[0];
        bool some = false;
        for (; left; some = true) {
            const Steps &now = programme[run];
            int64_t at = step - 1, steps = 1;
            if (now.plain()) steps = made, at -= steps - 1;
            if (now.result && results % batch == 0) {
                // A batch leaves behind its last result.
                int64_t first = results + batch - 1;
                if (o.moved <= first) break;
                at = std::min(at, o.moves[first & o.mask] - latency - 1);
            }
            // The first word that the departing ones make room for.
            if (int64_t word = departed - now.depart + room; now.depart && word < total) {
                if (i.moved < total - word) break;
                at = std::min(at, i.moves[(total - 1 - word) & i.mask] - 1);
            }
            if (now.result) {
                int64_t waits = count - 1 - results++ - depth;
                if (waits >= 0 && waits % batch == 0)
                    for (int64_t n = 0; n < batch; n++) o.give(n ? NEVER : at - 1);
            }
            departed -= now.depart, need -= now.arrive;
            left -= steps, made -= steps, step = at;
            if (!made) {
                run = run ? run - 1 : runs - 1;
                made = programme[run].count;
            }
            // Words that no earlier step needs: the last of them is needed now, and those before it come before it.
            int64_t fresh = left ? programme[run].arrive : need;
            for (int64_t n = 0; n < fresh; n++) words[known++ & mask] = n ? NEVER : at - 1;
        }
        return some;
    }
};

// Offers frames at a rate of so many cycles for so many frames.
struct Source : Block {
    int64_t cycles = 0, frames = 1, frame = 0, left = 0, end = NEVER;
    int64_t capacity() const override { return 64; }
    bool forward() override {
        Stream &o = *out[0];
        bool some = false;
        for (; o.given - o.moved < 64 && frame < end; some = true) {
            if (!left) left = o.beats;
            o.give(frame * cycles / frames);
            if (--left == 0) frame++;
        }
        return some;
    }
    bool finish(int64_t number) override {
        end = number;
        return true;
    }
    bool backward() override {
        Stream &o = *out[0];
        bool some = false;
        for (; o.given - o.moved < 64 && o.given < end * o.beats; some = true) o.give(NEVER);
        return some;
    }
};

struct Sink : Block {
    int64_t last = -1, late = -1, cycles = 0, frames = 1;
    Numbers finished, deadlines; // cycles of the last beats of frames
    int64_t capacity() const override { return 1; }
    bool forward() override {
        Stream &i = *in[0];
        bool some = false;
        for (; i.waits(); some = true) {
            i.move(last = std::max(last + 1, i.next()));
            if (i.left < i.beats) continue;
            size_t frame = finished.size(), size = deadlines.size();
            if (size && frame == size) deadlines.push_back(deadlines[size - frames] + cycles);
            if (size && last > deadlines[frame]) late = frame;
            finished.push_back(last);
        }
        return some;
    }
    bool finish(int64_t) override {
        last = NEVER;
        return true;
    }
    bool backward() override {
        Stream &i = *in[0];
        bool some = false;
        for (; i.waits(); some = true) {
            if (i.left == i.beats) last = std::min(last, deadlines[deadlines.size() - 1 - i.sums.size()] + 1);
            i.move(last = std::min(last - 1, i.next()));
        }
        return some;
    }
};

struct Flow {
    std::vector<Stream> streams;
    std::vector<std::unique_ptr<Block>> blocks;
    std::vector<std::vector<int>> neighbours;
    std::vector<uint8_t> queued;
    std::vector<int> queue;
    std::vector<Buffered *> streamed; // with weights that are streamed
    Source *source;
    Sink *sink;
    int64_t lag = 1; // frames from which events depend on earlier ones
    bool known = true;

    Flow(const int64_t *p, const int64_t *beats) {
        streams.resize(*p++);
        int64_t count = *p++;
        for (size_t s = 0; s < streams.size(); s++) streams[s].beats = beats[s];
        for (; count; count--) {
            int64_t kind = *p++;
            std::vector<int> inputs, outputs;
            for (int64_t n = *p++; n; n--) inputs.push_back(int(*p++));
            for (int64_t n = *p++; n; n--) outputs.push_back(int(*p++));
            int64_t size = *p++;
            if (kind < 0 || kind > 2) {
                known = false;
                return;
            }
            Block *made = kind == 0 ? static_cast<Block *>(new Buffered(p))
                        : kind == 1 ? static_cast<Block *>(new Collect(p))
                                    : static_cast<Block *>(new Level(p));
            add(made, inputs, outputs);
            if (kind == 0 && p[4]) streamed.push_back(static_cast<Buffered *>(made));
            p += size;
        }
        add(source = new Source, {}, {0});
        add(sink = new Sink, {int(streams.size()) - 1}, {});
        neighbours.resize(blocks.size()), queued.assign(blocks.size(), 0);
        for (Stream &s : streams) {
            if (s.producer < 0 || s.consumer < 0 || !s.beats) {
                known = false;
                return;
            }
            s.room = blocks[s.producer]->capacity() + blocks[s.consumer]->lookback() + 8;
            s.start();
            neighbours[s.producer].push_back(s.consumer);
            neighbours[s.consumer].push_back(s.producer);
        }
        for (auto &block : blocks) lag = std::max(lag, block->lag());
    }

    void add(Block *block, const std::vector<int> &inputs, const std::vector<int> &outputs) {
        int number = int(blocks.size());
        blocks.emplace_back(block);
        for (int s : inputs) block->in.push_back(&streams[s]), streams[s].consumer = number;
        for (int s : outputs) block->out.push_back(&streams[s]), streams[s].producer = number;
    }

    void wake(int b) {
        if (!queued[b]) queued[b] = 1, queue.push_back(b);
    }

    // Work through events in one direction, until there are none or `stop` says so.
    template <typename Stop> void work(bool (Block::*direction)(), Stop stop) {
        for (Buffered *block : streamed) {
            block->begin();
            if (block->late) lag = std::max(lag, ceil_div(block->ahead, block->weights.beats) + 1);
        }
        for (size_t b = 0; b < blocks.size(); b++) wake(int(b));
        for (size_t next = 0; next < queue.size();) {
            int b = queue[next++];
            queued[b] = 0;
            if (next == queue.size() || next > 4096) queue.erase(queue.begin(), queue.begin() + next), next = 0;
            if (!(blocks[b].get()->*direction)()) continue;
            for (int other : neighbours[b]) wake(other);
            if (stop()) return;
        }
    }

    // Calls `then` for each stream, and each of weights that may be late; whether it is true of all.
    template <typename Then> bool all(Then then) {
        for (Stream &s : streams)
            if (!then(s)) return false;
        for (Buffered *block : streamed)
            if (block->late && !then(block->weights)) return false;
        return true;
    }
    bool complete(int64_t frame) {
        return all([&](Stream &s) { return int64_t(s.sums.size()) > frame; });
    }
    // Whether all beats of a frame came so many cycles after those of the one so many frames before.
    bool repeats(int64_t frame, int64_t frames, int64_t cycles) {
        return all([&](Stream &s) { return s.sums[frame] == s.sums[frame - frames] + s.whole * uint64_t(cycles); });
    }

    // Whether all streams repeat what they did so many frames ago; counted in `same`.
    int64_t checked = 0, same = 0;
    bool settled(int64_t cycles, int64_t frames) {
        for (; complete(checked); checked++) {
            same = checked >= frames && repeats(checked, frames, cycles) ? same + 1 : 0;
            if (same >= lag && checked >= lag + frames) return true;
        }
        return false;
    }

    // With a source that always offers: the number of frames after which all repeats, 0 as long as none is known.
    Numbers alike = {0}; // of each such number, how many frames in turn have repeated
    int64_t period() {
        for (; complete(checked); checked++) {
            alike.push_back(0);
            for (int64_t frames = 1; frames <= checked; frames++) {
                int64_t cycles = sink->finished[checked] - sink->finished[checked - frames];
                alike[frames] = repeats(checked, frames, cycles) ? alike[frames] + 1 : 0;
                if (alike[frames] < lag) continue;
                bool whole = true;
                for (Buffered *block : streamed) whole = whole && (!block->late || block->supply.repeats_after(cycles));
                if (whole) return frames;
            }
        }
        return 0;
    }
};

} // namespace

extern "C" {

// `beats`: of each stream a frame. Returns null where a machine is not known here.
void *flow_new(const int64_t *program, const int64_t *beats) {
    auto flow = std::make_unique<Flow>(program, beats);
    return flow->known ? flow.release() : nullptr;
}

void flow_free(void *handle) { delete static_cast<Flow *>(handle); }

void flow_record(void *handle, int64_t stream) { static_cast<Flow *>(handle)->streams[stream].records = true; }

// Runs forwards with a source that offers `frames` frames every `cycles` cycles. Returns 0 where it jams, 1 as soon as
// it is sure that all repeats, 2 where a frame comes after its deadline, 3 after `most` frames. Deadlines repeat, too.
int64_t flow_forward(void *handle, int64_t cycles, int64_t frames, int64_t most, const int64_t *deadlines,
                     int64_t deadline_count) {
    Flow &flow = *static_cast<Flow *>(handle);
    flow.source->cycles = flow.sink->cycles = cycles, flow.source->frames = flow.sink->frames = frames;
    flow.sink->deadlines.assign(deadlines, deadlines + deadline_count);
    size_t done = 0;
    int64_t ending = 0;
    flow.work(&Block::forward, [&] {
        if (flow.sink->late >= 0) return (ending = 2) != 0;
        if (flow.sink->finished.size() == done) return false;
        done = flow.sink->finished.size();
        ending = flow.settled(cycles, frames) ? 1 : int64_t(done) >= most ? 3 : 0;
        return ending != 0;
    });
    return ending;
}

// How words of weights come to the block of this number among those that take them.
void flow_supply(void *handle, int64_t number, int64_t words, int64_t cycles, int64_t latency) {
    static_cast<Flow *>(handle)->streamed[number]->supplied({words, cycles, latency});
}

// Runs forwards with a source that always offers. Returns the number of frames after which all repeats, from the frames
// on that are finished less so many; 0 where it jams.
int64_t flow_steady(void *handle) {
    Flow &flow = *static_cast<Flow *>(handle);
    flow.streams[0].offers = false;
    flow.streams[0].begin();
    size_t done = 0;
    int64_t found = 0;
    flow.work(&Block::forward, [&] {
        if (flow.sink->finished.size() == done) return false;
        done = flow.sink->finished.size();
        return (found = flow.period()) != 0;
    });
    if (found) flow.sink->finished.resize(flow.checked + 1);
    return found;
}

// Runs backwards through as many frames as there are deadlines; a new handle must be used. Returns whether it could.
int64_t flow_backward(void *handle, const int64_t *deadlines, int64_t frames) {
    Flow &flow = *static_cast<Flow *>(handle);
    flow.sink->deadlines.assign(deadlines, deadlines + frames);
    for (auto &block : flow.blocks)
        if (!block->finish(frames)) return 0;
    flow.work(&Block::backward, [] { return false; });
    for (Stream &s : flow.streams)
        if (s.moved != frames * s.beats) return 0;
    return 1;
}

int64_t flow_finished(void *handle, const int64_t **cycles) {
    Numbers &found = static_cast<Flow *>(handle)->sink->finished;
    *cycles = found.data();
    return int64_t(found.size());
}

// Backwards, the last beat comes first.
int64_t flow_recorded(void *handle, int64_t stream, const int64_t **cycles) {
    Numbers &found = static_cast<Flow *>(handle)->streams[stream].recorded;
    *cycles = found.data();
    return int64_t(found.size());
}

} // extern "C"
