// Neurons: products of inputs with weights, summed, and compared with thresholds.
#pragma once

#include "lanes.h"
#include "streams.h"

enum Operation : int64_t { XOR, AND, DOT_BYTES, DOT_SHORTS };

template <int64_t OPERATION> inline Lanes step(const Lanes &acc, const Lanes &x, const Lanes &w) {
    if constexpr (OPERATION == XOR) return count_xor(acc, x, w);
    if constexpr (OPERATION == AND) return count_and(acc, x, w);
    if constexpr (OPERATION == DOT_BYTES) return dot_bytes(acc, x, w);
    return dot_shorts(acc, x, w);
}

// Dense layers and convolutions; a dense layer is a window that is the whole map.
//
// A window is runs of words at fixed distances from its first pixel. Sixteen neurons are a vector, and their weights
// lie in the order of use: [group][vector][weight plane][word][neuron]. A sum is that of all pairs of planes, each
// times its factor. Then codes are the number of limits of the neuron that it reaches, and what is handed on without
// thresholds is base + step * sum; both are given for each class of windows.
struct Dots {
    Buffer source, result;
    int64_t operation;
    int64_t positions;                   // windows of a frame
    const int32_t *place, *window_class; // of each window: bytes to its first pixel; its class
    int64_t runs;
    const int32_t *run;                  // for each run: bytes from the first pixel, and words
    int64_t words;                       // of all runs
    int64_t weight_planes, planes, plane_bytes;
    const int32_t *factors;              // [weight plane][plane]
    int64_t groups, group_bytes, vectors, outputs; // vectors and neurons of a group
    const uint32_t *weights;
    int64_t thresholds;
    const int32_t *limits;               // [class][threshold][group][16 * vectors]
    const void *base;                    // [class][group][16 * vectors], numbers of the form
    int64_t step, form, result_planes, result_plane_bytes;
};

struct Position {
    int64_t frame, pixel;
};

// Sums of vectors of neurons, for each of some windows: of all words of all runs, for one plane of weights and one of
// inputs.
template <int64_t OPERATION, int P, int V>
inline void accumulate(const Dots &d, const uint8_t *const (&x)[P], const uint32_t *w, int64_t stride, int64_t plane,
                       Lanes (&sums)[P][V]) {
    Lanes acc[P][V]; // in registers
    for (int p = 0; p < P; ++p)
        for (int v = 0; v < V; ++v) acc[p][v] = zero();
    for (int64_t r = 0; r < d.runs; ++r) {
        int64_t from = d.run[2 * r] + plane * d.plane_bytes;
        for (int64_t end = from + 4 * d.run[2 * r + 1]; from < end; from += 4, w += 16) {
            Lanes weights[V];
            for (int v = 0; v < V; ++v) weights[v] = load(w + v * stride);
            for (int p = 0; p < P; ++p) {
                int32_t word;
                std::memcpy(&word, x[p] + from, sizeof word);
                const Lanes inputs = broadcast(word);
                for (int v = 0; v < V; ++v) acc[p][v] = step<OPERATION>(acc[p][v], inputs, weights[v]);
            }
        }
    }
    for (int p = 0; p < P; ++p)
        for (int v = 0; v < V; ++v) sums[p][v] = acc[p][v];
}

// What leaves one vector of neurons for one window, into a pixel: the channels from one on, so many as are left. Limits
// and bases are those of the lane with this index.
inline void finish(const Dots &d, uint8_t *pixel, int64_t channel, int64_t left, const int32_t *limits, int64_t base,
                   const Lanes &sum) {
    Lanes result = sum;
    if (d.thresholds) {
        const int64_t lanes = d.groups * d.vectors * 16;
        result = zero();
        for (int64_t t = 0; t < d.thresholds; ++t) result = count_at_least(result, sum, load(limits + t * lanes));
        for (int64_t plane = 0; plane < d.result_planes; ++plane)
            put_bits(pixel + plane * d.result_plane_bytes, channel, bit_of(result, int(plane)));
        if (d.result_planes) return;
    } else if (d.form == INTS) {
        result = add_scaled(load(static_cast<const int32_t *>(d.base) + base), sum, int32_t(d.step));
    }
    if (d.form == INTS && left >= 16) return store(pixel + 4 * channel, result);
    int32_t numbers[16];
    store(numbers, result);
    left = std::min<int64_t>(16, left);
    if (d.form == INTS) {
        std::memcpy(pixel + 4 * channel, numbers, size_t(4 * left));
        return;
    }
    auto to = reinterpret_cast<int64_t *>(pixel) + channel;
    auto bases = static_cast<const int64_t *>(d.base) + base;
    for (int64_t i = 0; i < left; ++i) to[i] = d.thresholds ? numbers[i] : bases[i] + d.step * numbers[i];
}

template <int64_t OPERATION, int P, int V>
inline void tile(const Dots &d, const Work &work, const Position (&at)[P], int64_t vector) {
    const int64_t group = vector / d.vectors, first = (vector - group * d.vectors) * 16;
    const uint8_t *x[P];
    for (int p = 0; p < P; ++p)
        x[p] = work.at(d.source, at[p].frame) + d.place[at[p].pixel] + group * d.group_bytes;
    const int64_t pairs = d.weight_planes * d.planes, stride = d.weight_planes * d.words * 16;
    const uint32_t *weights = d.weights + vector * stride;
    Lanes sums[P][V];
    accumulate<OPERATION, P, V>(d, x, weights, stride, 0, sums);
    const int64_t lanes = d.groups * d.vectors * 16, channel = group * d.outputs + first;
    auto pixel = [&](int p) { return work.at(d.result, at[p].frame) + at[p].pixel * d.result.pixel; };
    if (pairs == 1 && *d.factors == 1 && d.result_planes == 1 && d.thresholds == 1) { // most binary layers
        for (int p = 0; p < P; ++p) {
            const int32_t *limits = d.limits + d.window_class[at[p].pixel] * lanes + vector * 16;
            uint8_t *to = pixel(p);
            for (int v = 0; v < V; ++v) put_bits(to, channel + 16 * v, at_least(sums[p][v], load(limits + 16 * v)));
        }
        return;
    }
    if (pairs > 1 || *d.factors != 1)
        for (int p = 0; p < P; ++p)
            for (int v = 0; v < V; ++v) sums[p][v] = add_scaled(zero(), sums[p][v], *d.factors);
    for (int64_t pair = 1; pair < pairs; ++pair) {
        Lanes more[P][V];
        accumulate<OPERATION, P, V>(d, x, weights + pair / d.planes * d.words * 16, stride, pair % d.planes, more);
        for (int p = 0; p < P; ++p)
            for (int v = 0; v < V; ++v) sums[p][v] = add_scaled(sums[p][v], more[p][v], d.factors[pair]);
    }
    for (int p = 0; p < P; ++p) {
        const int64_t type = d.window_class[at[p].pixel];
        const int32_t *limits = d.limits + type * d.thresholds * lanes + vector * 16;
        uint8_t *to = pixel(p);
        for (int v = 0; v < V; ++v)
            finish(d, to, channel + 16 * v, d.outputs - first - 16 * v, limits + 16 * v,
                   type * lanes + (vector + v) * 16, sums[p][v]);
    }
}

// Windows, counted through all frames, from begin to end; and vectors of neurons.
template <int64_t OPERATION, int V>
inline void windows(const Dots &d, const Work &work, int64_t begin, int64_t end, int64_t vector) {
    Position next{begin / d.positions, begin % d.positions};
    auto take = [&] {
        Position taken = next;
        if (++next.pixel == d.positions) next = {next.frame + 1, 0};
        return taken;
    };
    for (; begin + PIXELS <= end; begin += PIXELS) {
        Position at[PIXELS];
        for (Position &one : at) one = take();
        tile<OPERATION, PIXELS, V>(d, work, at, vector);
    }
    for (; begin < end; ++begin) {
        const Position at[1] = {take()};
        tile<OPERATION, 1, V>(d, work, at, vector);
    }
}

template <int64_t OPERATION> void neurons(const Dots &d, const Work &work) {
    const int64_t total = work.frames * d.positions;
    auto block = [&](int64_t begin, int64_t end, int64_t first, int64_t last) {
        while (first < last) {
            // A tile has vectors of one group, as all of them take the same inputs.
            const int64_t rest = std::min(last, (first / d.vectors + 1) * d.vectors) - first;
            if (rest >= VECTORS) {
                windows<OPERATION, VECTORS>(d, work, begin, end, first);
                first += VECTORS;
            } else {
                windows<OPERATION, 1>(d, work, begin, end, first);
                ++first;
            }
        }
    };
    const int64_t vectors = d.groups * d.vectors;
    // Parts share the windows, or the neurons where there are too few windows.
    if (total >= work.parts * PIXELS)
        work.share(total, [&](int64_t begin, int64_t end) { block(begin, end, 0, vectors); });
    else
        work.share((vectors + 1) / 2, [&](int64_t begin, int64_t end) {
            block(0, total, 2 * begin, std::min(vectors, 2 * end));
        });
}

inline void run(const Dots &d, const Work &work) {
    switch (d.operation) {
    case XOR: return neurons<XOR>(d, work);
    case AND: return neurons<AND>(d, work);
    case DOT_BYTES:
        if constexpr (DOTS_OF_BYTES) return neurons<DOT_BYTES>(d, work);
        return;
    default: return neurons<DOT_SHORTS>(d, work);
    }
}

// The same in 64 bits, for what is too large: sums of numbers of 64 bits, in any groups.
struct WideDots {
    Buffer source, result;
    int64_t positions;
    const int32_t *place, *window_class;
    int64_t taps;
    const int32_t *tap;     // bytes from the first pixel of a window
    int64_t channels, groups, outputs; // channels and neurons of a group
    const int64_t *weights; // [group][neuron][tap][channel]
    const int64_t *base;    // [class][group][neuron]
};

inline void run(const WideDots &d, const Work &work) {
    work.pixels(d.positions, [&](int64_t frame, int64_t pixel) {
        const uint8_t *window = work.at(d.source, frame) + d.place[pixel];
        auto to = reinterpret_cast<int64_t *>(work.at(d.result, frame) + pixel * d.result.pixel);
        const int64_t *w = d.weights, *base = d.base + d.window_class[pixel] * d.groups * d.outputs;
        for (int64_t group = 0; group < d.groups; ++group)
            for (int64_t m = 0; m < d.outputs; ++m) {
                int64_t acc = *base++;
                for (int64_t tap = 0; tap < d.taps; ++tap, w += d.channels) {
                    auto x = reinterpret_cast<const int64_t *>(window + d.tap[tap]) + group * d.channels;
                    for (int64_t c = 0; c < d.channels; ++c) acc += w[c] * x[c];
                }
                *to++ = acc;
            }
    });
}

// Convolutions in which each neuron takes a channel of its own.
struct Depthwise {
    Buffer source, result;
    int64_t form;           // of the numbers on both sides
    int64_t positions;
    const int32_t *place, *window_class;
    int64_t taps;
    const int32_t *tap;     // bytes from the first pixel of a window
    int64_t channels;
    const void *weights;    // [tap][channel], numbers of the form
    const void *base;       // [class][channel]
};

inline void run(const Depthwise &d, const Work &work) {
    with_numbers(d.form, [&](auto number) {
        using Number = decltype(number);
        work.pixels(d.positions, [&](int64_t frame, int64_t pixel) {
            const uint8_t *window = work.at(d.source, frame) + d.place[pixel];
            auto to = reinterpret_cast<Number *>(work.at(d.result, frame) + pixel * d.result.pixel);
            std::memcpy(to, static_cast<const Number *>(d.base) + d.window_class[pixel] * d.channels,
                        d.channels * sizeof(Number));
            auto w = static_cast<const Number *>(d.weights);
            for (int64_t tap = 0; tap < d.taps; ++tap, w += d.channels) {
                auto x = reinterpret_cast<const Number *>(window + d.tap[tap]);
                for (int64_t c = 0; c < d.channels; ++c) to[c] = Number(to[c] + w[c] * x[c]);
            }
        });
    });
}
