// All layers but neurons, and what brings maps from one form into another.
#pragma once

#include "lanes.h"
#include "streams.h"

// ---- forms

struct Load {
    Buffer result;
    int64_t bytes; // of a frame
};

inline void run(const Load &d, const Work &work) {
    work.share(work.frames, [&](int64_t begin, int64_t end) {
        for (; begin < end; ++begin) std::memcpy(work.at(d.result, begin), work.input + begin * d.bytes, d.bytes);
    });
}

struct Store {
    Buffer source;
    int64_t form, numbers; // of a frame
};

inline void run(const Store &d, const Work &work) {
    with_numbers(d.form, [&](auto number) {
        work.share(work.frames, [&](int64_t begin, int64_t end) {
            for (; begin < end; ++begin) {
                auto from = reinterpret_cast<const decltype(number) *>(work.at(d.source, begin));
                std::copy(from, from + d.numbers, work.scores + begin * d.numbers);
            }
        });
    });
}

struct Convert {
    Buffer source, result;
    int64_t pixels, channels, from, to;
};

inline void run(const Convert &d, const Work &work) {
    with_numbers(d.from, [&](auto a) {
        with_numbers(d.to, [&](auto b) {
            work.pairs(d.source, d.result, d.pixels, [&](const uint8_t *source, uint8_t *result) {
                auto from = reinterpret_cast<const decltype(a) *>(source);
                auto to = reinterpret_cast<decltype(b) *>(result);
                for (int64_t c = 0; c < d.channels; ++c) to[c] = decltype(b)(from[c]);
            });
        });
    });
}

// A bit of each of 16 codes; `numbers` are bytes or ints, of which only `count` may be read.
inline uint32_t plane_of(const uint8_t *numbers, int64_t count, int plane) {
    uint64_t words[2] = {0, 0};
    if (count >= 16)
        std::memcpy(words, numbers, 16);
    else
        std::memcpy(words, numbers, size_t(count));
    uint32_t bits = 0;
    // The product puts the lowest bits of eight bytes side by side into the highest byte.
    for (int i = 0; i < 2; ++i)
        bits |= uint32_t(((words[i] >> plane & 0x0101010101010101u) * 0x0102040810204080u) >> 56) << 8 * i;
    return bits;
}
inline uint32_t plane_of(const int32_t *numbers, int64_t count, int plane) {
    if (count >= 16) return bit_of(load(numbers), plane);
    int32_t some[16] = {};
    std::memcpy(some, numbers, count * sizeof *some);
    return bit_of(load(some), plane);
}

struct Pack {
    Buffer source, result;
    int64_t pixels, form, groups, channels, planes; // channels of a group
};

inline void run(const Pack &d, const Work &work) {
    auto pack = [&](auto number) {
        using Number = decltype(number);
        work.pairs(d.source, d.result, d.pixels, [&](const uint8_t *source, uint8_t *result) {
            for (int64_t group = 0; group < d.groups; ++group) {
                auto from = reinterpret_cast<const Number *>(source) + group * d.channels;
                for (int plane = 0; plane < d.planes; ++plane)
                    for (int64_t c = 0; c < d.channels; c += 32, result += 4) {
                        uint32_t word = plane_of(from + c, d.channels - c, plane);
                        if (c + 16 < d.channels) word |= plane_of(from + c + 16, d.channels - c - 16, plane) << 16;
                        std::memcpy(result, &word, sizeof word);
                    }
            }
        });
    };
    d.form == BYTES ? pack(uint8_t()) : pack(int32_t());
}

struct Unpack {
    Buffer source, result; // to ints
    int64_t pixels, groups, channels, planes;
};

inline void run(const Unpack &d, const Work &work) {
    work.pairs(d.source, d.result, d.pixels, [&](const uint8_t *source, uint8_t *result) {
        auto to = reinterpret_cast<int32_t *>(result);
        const int64_t words = (d.channels + 31) / 32;
        for (int64_t group = 0; group < d.groups; ++group, to += d.channels, source += d.planes * words * 4)
            for (int64_t c = 0; c < d.channels; c += 32)
                for (int64_t plane = 0; plane < d.planes; ++plane) {
                    uint32_t word;
                    std::memcpy(&word, source + plane * words * 4 + c / 8, sizeof word);
                    const int64_t count = std::min<int64_t>(32, d.channels - c);
                    for (int64_t i = 0; i < count; ++i) {
                        int32_t bit = int32_t(word >> i & 1u) << plane;
                        to[c + i] = plane ? to[c + i] | bit : bit;
                    }
                }
    });
}

// ---- moves

// Zero bytes around a map, so that all windows lie within.
struct Pad {
    Buffer source, result;
    int64_t rows, columns, above, left, padded_rows, padded_columns;
};

inline void run(const Pad &d, const Work &work) {
    work.pixels(d.padded_rows, [&](int64_t frame, int64_t row) {
        uint8_t *to = work.at(d.result, frame) + row * d.padded_columns * d.result.pixel;
        const int64_t from = row - d.above, bytes = d.columns * d.result.pixel, left = d.left * d.result.pixel;
        if (from < 0 || from >= d.rows) {
            std::memset(to, 0, d.padded_columns * d.result.pixel);
            return;
        }
        std::memset(to, 0, left);
        std::memcpy(to + left, work.at(d.source, frame) + from * bytes, bytes);
        std::memset(to + left + bytes, 0, (d.padded_columns - d.columns - d.left) * d.result.pixel);
    });
}

struct Upsample {
    Buffer source, result;
    int64_t rows, columns, down, across; // of the source; factors
};

inline void run(const Upsample &d, const Work &work) {
    const int64_t wide = d.columns * d.across;
    work.pixels(d.rows * d.down * wide, [&](int64_t frame, int64_t pixel) {
        const int64_t row = pixel / wide / d.down, column = pixel % wide / d.across;
        std::memcpy(work.at(d.result, frame) + pixel * d.result.pixel,
                    work.at(d.source, frame) + (row * d.columns + column) * d.source.pixel, d.source.pixel);
    });
}

// Bytes of each pixel, to a place in another one.
struct Place {
    Buffer source, result;
    int64_t pixels, bytes, to;
};

inline void run(const Place &d, const Work &work) {
    work.pairs(d.source, d.result, d.pixels,
               [&](const uint8_t *source, uint8_t *result) { std::memcpy(result + d.to, source, d.bytes); });
}

struct Select {
    Buffer source, result;
    int64_t pixels, form, channels;
    const int32_t *channel;
};

inline void run(const Select &d, const Work &work) {
    with_numbers(d.form, [&](auto number) {
        work.pairs(d.source, d.result, d.pixels, [&](const uint8_t *source, uint8_t *result) {
            auto from = reinterpret_cast<const decltype(number) *>(source);
            auto to = reinterpret_cast<decltype(number) *>(result);
            for (int64_t c = 0; c < d.channels; ++c) to[c] = from[d.channel[c]];
        });
    });
}

// ---- channel by channel

// scale * number + offset, which may be added to what is there; numbers of one form.
struct Affine {
    Buffer source, result;
    int64_t pixels, form, channels, add;
    const void *scale, *offset;
};

inline void run(const Affine &d, const Work &work) {
    with_numbers(d.form, [&](auto number) {
        using Number = decltype(number);
        auto scale = static_cast<const Number *>(d.scale), offset = static_cast<const Number *>(d.offset);
        work.pairs(d.source, d.result, d.pixels, [&](const uint8_t *source, uint8_t *result) {
            auto from = reinterpret_cast<const Number *>(source);
            auto to = reinterpret_cast<Number *>(result);
            if (d.add)
                for (int64_t c = 0; c < d.channels; ++c) to[c] = Number(to[c] + scale[c] * from[c] + offset[c]);
            else
                for (int64_t c = 0; c < d.channels; ++c) to[c] = Number(scale[c] * from[c] + offset[c]);
        });
    });
}

// Codes: how many limits each number reaches; from ints to bits, or from any numbers to ints.
struct Threshold {
    Buffer source, result;
    int64_t pixels, form, channels, thresholds, to, planes, plane_bytes;
    const void *limits; // [threshold][channels, rounded up to 16], of the form; those behind the last are never reached
};

inline void packed_codes(const Threshold &d, const Work &work) {
    const int64_t padded = (d.channels + 15) / 16 * 16;
    work.pairs(d.source, d.result, d.pixels, [&](const uint8_t *source, uint8_t *result) {
        auto limits = static_cast<const int32_t *>(d.limits);
        for (int64_t c = 0; c < d.channels; c += 16) {
            const Lanes numbers = load(source + 4 * c); // what is read beyond the map reaches no limit
            if (d.thresholds == 1 && d.planes == 1) {
                put_bits(result, c, at_least(numbers, load(limits + c)));
                continue;
            }
            Lanes count = zero();
            for (int64_t t = 0; t < d.thresholds; ++t)
                count = count_at_least(count, numbers, load(limits + t * padded + c));
            for (int64_t plane = 0; plane < d.planes; ++plane)
                put_bits(result + plane * d.plane_bytes, c, bit_of(count, int(plane)));
        }
    });
}

inline void run(const Threshold &d, const Work &work) {
    if (d.to == BITS) return packed_codes(d, work);
    const int64_t padded = (d.channels + 15) / 16 * 16;
    with_numbers(d.form, [&](auto number) {
        using Number = decltype(number);
        work.pairs(d.source, d.result, d.pixels, [&](const uint8_t *source, uint8_t *result) {
            auto from = reinterpret_cast<const Number *>(source);
            auto to = reinterpret_cast<int32_t *>(result);
            std::fill(to, to + d.channels, 0);
            auto limits = static_cast<const Number *>(d.limits);
            for (int64_t t = 0; t < d.thresholds; ++t, limits += padded)
                for (int64_t c = 0; c < d.channels; ++c) to[c] += from[c] >= limits[c];
        });
    });
}

struct Piecewise {
    Buffer source, result; // longs
    int64_t pixels, channels, thresholds, shift;
    const int64_t *limits, *scale, *offset; // [channel][piece]; one threshold less than pieces
};

inline void run(const Piecewise &d, const Work &work) {
    work.pairs(d.source, d.result, d.pixels, [&](const uint8_t *source, uint8_t *result) {
        auto from = reinterpret_cast<const int64_t *>(source);
        auto to = reinterpret_cast<int64_t *>(result);
        for (int64_t c = 0; c < d.channels; ++c) {
            int64_t piece = c * (d.thresholds + 1);
            for (int64_t t = 0; t < d.thresholds; ++t) piece += from[c] >= d.limits[c * d.thresholds + t];
            to[c] = (d.scale[piece] * from[c] + d.offset[piece]) >> d.shift; // which rounds down
        }
    });
}

// The lowest channel with the highest number: its index, or a 1 in its place and 0 in all others; to ints.
struct Highest {
    Buffer source, result;
    int64_t pixels, form, channels, vote;
};

inline void run(const Highest &d, const Work &work) {
    with_numbers(d.form, [&](auto number) {
        work.pairs(d.source, d.result, d.pixels, [&](const uint8_t *source, uint8_t *result) {
            auto from = reinterpret_cast<const decltype(number) *>(source);
            auto to = reinterpret_cast<int32_t *>(result);
            const int64_t best = std::max_element(from, from + d.channels) - from; // the first of equal ones
            if (d.vote)
                for (int64_t c = 0; c < d.channels; ++c) to[c] = c == best;
            else
                *to = int32_t(best);
        });
    });
}

// ---- windows

// The largest numbers, or the least in some channels, or sums; of bits (of one plane) in words.
struct Pool {
    Buffer source, result;
    int64_t form, elements; // numbers or words of a pixel
    int64_t rows, columns, out_rows, out_columns, kernel_rows, kernel_columns, down, across, above, left;
    int64_t sum;
    const void *least;      // all ones or 0 for each element (for each bit); or null
};

template <class Number, class Combine> void pooled(const Pool &d, const Work &work, Combine combine) {
    work.pixels(d.out_rows * d.out_columns, [&](int64_t frame, int64_t pixel) {
        const int64_t top = pixel / d.out_columns * d.down - d.above, left = pixel % d.out_columns * d.across - d.left;
        const int64_t bottom = std::min(d.rows, top + d.kernel_rows), right = std::min(d.columns, left + d.kernel_columns);
        auto to = reinterpret_cast<Number *>(work.at(d.result, frame) + pixel * d.result.pixel);
        const uint8_t *map = work.at(d.source, frame);
        bool first = true;
        for (int64_t row = std::max<int64_t>(0, top); row < bottom; ++row)
            for (int64_t column = std::max<int64_t>(0, left); column < right; ++column) {
                auto from = reinterpret_cast<const Number *>(map + (row * d.columns + column) * d.source.pixel);
                if (first)
                    std::copy(from, from + d.elements, to);
                else
                    for (int64_t c = 0; c < d.elements; ++c) to[c] = combine(to[c], from[c], c);
                first = false;
            }
    });
}

inline void run(const Pool &d, const Work &work) {
    if (d.form == BITS) {
        if (auto least = static_cast<const uint32_t *>(d.least))
            return pooled<uint32_t>(d, work, [=](uint32_t a, uint32_t b, int64_t c) {
                return ((a & b) & least[c]) | ((a | b) & ~least[c]);
            });
        return pooled<uint32_t>(d, work, [](uint32_t a, uint32_t b, int64_t) { return a | b; });
    }
    with_numbers(d.form, [&](auto number) {
        using Number = decltype(number);
        if (d.sum) return pooled<Number>(d, work, [](Number a, Number b, int64_t) { return Number(a + b); });
        if (auto least = static_cast<const Number *>(d.least))
            return pooled<Number>(d, work, [=](Number a, Number b, int64_t c) {
                return least[c] ? std::min(a, b) : std::max(a, b);
            });
        pooled<Number>(d, work, [](Number a, Number b, int64_t) { return std::max(a, b); });
    });
}
