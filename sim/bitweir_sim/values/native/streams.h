// Maps between the stages of a program: where they are, and what divides the work on them.
//
// Some frames at a time go through all stages. Their maps lie in an arena that has `capacity` places for frames in each
// buffer. A map is rows of pixels; a pixel is numbers, a channel each, or bits: for each group of channels for each plane
// words of 32 channels, the lowest in the lowest bit, with zeros behind the last.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

enum Form : int64_t { BYTES, SHORTS, INTS, LONGS, BITS };

struct Buffer {
    int64_t offset, frame, pixel;  // where it begins, in bytes for one frame; bytes of a frame; bytes of a pixel
};

// One of `parts` that compute the same frames together.
struct Work {
    uint8_t *arena;
    int64_t capacity, frames, part, parts;
    const uint8_t *input;
    int64_t *scores;

    uint8_t *at(const Buffer &buffer, int64_t frame) const {
        return arena + buffer.offset * capacity + frame * buffer.frame;
    }
    // Calls each(begin, end) with this part's share of 0 to total.
    template <class Each> void share(int64_t total, Each each) const {
        int64_t begin = total * part / parts, end = total * (part + 1) / parts;
        if (begin < end) each(begin, end);
    }
    // Calls each(frame, pixel) for this part's share of the pixels of all frames.
    template <class Each> void pixels(int64_t count, Each each) const {
        share(frames * count, [&](int64_t begin, int64_t end) {
            for (int64_t frame = begin / count, pixel = begin % count; begin < end; ++begin) {
                each(frame, pixel);
                if (++pixel == count) pixel = 0, ++frame;
            }
        });
    }
    // Calls each(source, result) for this part's share of the pixels of two maps of the same size.
    template <class Each> void pairs(const Buffer &source, const Buffer &result, int64_t count, Each each) const {
        pixels(count, [&](int64_t frame, int64_t pixel) {
            each(at(source, frame) + pixel * source.pixel, at(result, frame) + pixel * result.pixel);
        });
    }
};

// Calls each with a zero of the type of numbers that a form has.
template <class Each> void with_numbers(int64_t form, Each each) {
    switch (form) {
    case BYTES: return each(uint8_t());
    case SHORTS: return each(int16_t());
    case INTS: return each(int32_t());
    default: return each(int64_t());
    }
}

// Puts the bits of 16 channels into their half of a word. They come in order: the lower half clears the higher one.
inline void put_bits(uint8_t *plane, int64_t channel, uint32_t bits) {
    if (channel % 32)
        std::memcpy(plane + channel / 8, &bits, 2);
    else
        std::memcpy(plane + channel / 8, &bits, 4);
}
