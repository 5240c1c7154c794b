// For simulators that are compiled without optimisation: functions of CXXRTL's runtime that must be inlined are called.
// The standard library comes first and keeps its own: it has functions that exist nowhere but inlined.
#include <algorithm>
#include <atomic>
#include <cassert>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <vector>

#define __always_inline__ __unused__
