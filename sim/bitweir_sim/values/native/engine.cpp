// Networks on a CPU: runs a program of stages on frames. Python makes the program, and checks all sizes.
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "dots.h"
#include "layers.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Packed bits are read as bytes, shorts and words.");

namespace {

enum Kind : int64_t {
    LOAD, STORE, CONVERT, PACK, UNPACK, PAD, UPSAMPLE, PLACE, SELECT, AFFINE, THRESHOLD, PIECEWISE, HIGHEST, POOL,
    DOTS, WIDE_DOTS, DEPTHWISE,
};

struct Stage {
    int64_t kind;
    const void *parameters;
};

template <class Parameters> void run_as(const Stage &stage, const Work &work) {
    run(*static_cast<const Parameters *>(stage.parameters), work);
}

using Runner = void (*)(const Stage &, const Work &);
const Runner RUNNERS[] = {
    run_as<Load>, run_as<Store>, run_as<Convert>, run_as<Pack>, run_as<Unpack>, run_as<Pad>, run_as<Upsample>,
    run_as<Place>, run_as<Select>, run_as<Affine>, run_as<Threshold>, run_as<Piecewise>, run_as<Highest>, run_as<Pool>,
    run_as<Dots>, run_as<WideDots>, run_as<Depthwise>,
};

// Threads wait for one another: they spin for a moment, as stages are short, and then sleep, as other programs may have
// the core of the one that is missing.
class Barrier {
  public:
    void wait(int64_t parts) {
        if (parts == 1) return;
        const int64_t round = rounds.load();
        if (arrived.fetch_add(1) + 1 == parts) {
            arrived = 0;
            {
                const std::lock_guard<std::mutex> lock(mutex);
                rounds.fetch_add(1);
            }
            next.notify_all();
            return;
        }
        for (int spins = 0; spins < 4000; ++spins)
            if (rounds.load() != round) return;
        std::unique_lock<std::mutex> lock(mutex);
        next.wait(lock, [&] { return rounds.load() != round; });
    }

  private:
    std::atomic<int64_t> arrived{0}, rounds{0};
    std::mutex mutex;
    std::condition_variable next;
};

struct Arena {
    explicit Arena(size_t bytes) : memory(static_cast<uint8_t *>(std::aligned_alloc(64, (bytes + 63) / 64 * 64))) {}
    ~Arena() { std::free(memory); }
    Arena(const Arena &) = delete;
    uint8_t *const memory;
};

// Runs each(part, parts) for all parts at once, the first in this thread. There are `wanted` parts, or fewer where the
// system gives no more threads.
template <class Each> void in_threads(int64_t wanted, Each each) {
    std::vector<std::thread> others;
    others.reserve(wanted);
    std::atomic<int64_t> parts{0};
    auto body = [&](int64_t part) {
        while (!parts) std::this_thread::yield();
        each(part, parts.load());
    };
    try {
        for (int64_t part = 1; part < wanted; ++part) others.emplace_back(body, part);
    } catch (const std::system_error &) {
    }
    parts = int64_t(others.size()) + 1;
    body(0);
    for (std::thread &other : others) other.join();
}

} // namespace

extern "C" {

int64_t native_dots_of_bytes() { return DOTS_OF_BYTES; }

// Runs `frames` frames of `input_bytes` each, `capacity` at a time, to `outputs` scores each. Threads take frames; with
// `together` they all compute the same frames. `arena_bytes` is for one frame. Returns 1 where memory or threads lack.
int64_t native_run(const Stage *stages, int64_t count, int64_t arena_bytes, const uint8_t *input, int64_t input_bytes,
                   int64_t *scores, int64_t outputs, int64_t frames, int64_t capacity, int64_t threads,
                   int64_t together) {
    // The last number of a map may be read in whole vectors.
    const size_t bytes = size_t(arena_bytes) * size_t(capacity) + 64;
    std::atomic<int64_t> next{0};
    std::atomic<bool> failed{false};
    Barrier barrier;
    auto chunk = [&](const Arena &arena, int64_t begin, int64_t part, int64_t parts) {
        const Work work{arena.memory, capacity, std::min(capacity, frames - begin), part, parts,
                        input + begin * input_bytes, scores + begin * outputs};
        for (int64_t i = 0; i < count; ++i) {
            RUNNERS[stages[i].kind](stages[i], work);
            barrier.wait(parts);
        }
    };
    try {
        if (together) {
            const Arena arena(bytes);
            if (!arena.memory) return 1;
            in_threads(threads, [&](int64_t part, int64_t parts) {
                for (int64_t begin = 0; begin < frames; begin += capacity) chunk(arena, begin, part, parts);
            });
            return 0;
        }
        in_threads(threads, [&](int64_t, int64_t) {
            const Arena arena(bytes);
            if (!arena.memory) failed = true;
            for (int64_t begin; !failed && (begin = next.fetch_add(capacity)) < frames;) chunk(arena, begin, 0, 1);
        });
        return failed;
    } catch (const std::exception &) {
        return 1;
    }
}
}
