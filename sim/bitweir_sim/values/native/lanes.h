// What all kernels are made of: vectors of sixteen lanes of 32 bits, one for each of sixteen neurons.
//
// A lane takes 32 bits of inputs against 32 bits of the weights of its neuron: 32 of one bit, 4 bytes or 2 shorts. So a
// word of inputs is broadcast, no vector is ever summed across, and sixteen thresholds give sixteen packed bits at once.
//
//   count_xor, count_and   acc + popcount(x ^ w), acc + popcount(x & w)
//   dot_bytes              acc + sum of 4 products of an unsigned byte of x and a signed one of w (if DOTS_OF_BYTES)
//   dot_shorts             acc + sum of 2 products of signed shorts
//   add_scaled             acc + factor * a
//   count_at_least         count + 1 in lanes in which a >= limit
//   at_least, bit_of       a bit for each lane: a >= limit; one bit of a
//
// PIXELS x VECTORS sums are in registers at a time. All integers wrap (-fwrapv); that they fit is proved in Python.
#pragma once

#if defined(BITWEIR_AVX512)
#include "lanes_avx512.h"
#elif defined(BITWEIR_AVX2)
#include "lanes_avx2.h"
#elif defined(BITWEIR_NEON)
#include "lanes_neon.h"
#else
#include "lanes_portable.h"
#endif
