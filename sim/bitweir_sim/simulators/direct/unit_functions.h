// The functions of a unit, the part of a design whose outputs depend on its registers and memories alone.
// NAME(x) is the name of its function x.

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(what) JOIN(UNIT, what)

struct Unit {
    Registers registers[2];
    u64 in[INPUTS + 2];
    u8 *memories[MEMORIES + 1];
    bool now, still;
#ifdef TOGGLES
    u64 toggles;
#endif
};

// Bits of registers that change, counted where somebody asks for them.
static inline void count_toggles(Unit &unit) {
#ifdef TOGGLES
    u64 words[2][(sizeof(Registers) + 7) / 8] = {};
    for (int n = 0; n < 2; n++) memcpy(words[n], &unit.registers[n], sizeof(Registers));
    for (size_t n = 0; n < sizeof words[0] / 8; n++) unit.toggles += __builtin_popcountll(words[0][n] ^ words[1][n]);
#else
    (void)unit;
#endif
}

extern "C" {

// A unit at its start; `words` has the first words of each memory, or nothing where they are zeros.
void *NAME(new)(const u8 *const *words) {
    Unit *const unit = (Unit *)calloc(1, sizeof(Unit));
    unit->registers[0] = first;
    for (int n = 0; n < MEMORIES; n++) {
        // A word of zeros behind the last one is for addresses out of range, and some bytes for reads of whole words.
        unit->memories[n] = (u8 *)calloc(1, sizes[n] + sizes[MEMORIES + n] + 16);
        if (words[n]) memcpy(unit->memories[n], words[n], sizes[n]);
    }
    return unit;
}

void NAME(free)(void *handle) {
    Unit *const unit = (Unit *)handle;
    for (int n = 0; n < MEMORIES; n++) free(unit->memories[n]);
    free(unit);
}

// The outputs, as they are now, and with the inputs that were there last.
void NAME(show)(void *handle, u64 *out) {
    Unit &unit = *(Unit *)handle;
    show(unit.registers[unit.now], (const u8 *)unit.in, unit, out);
}

// The outputs of what is around the units, which may depend on its inputs, and then its edge.
void NAME(settle)(void *handle, const u64 *in, u64 *out) {
    Unit &unit = *(Unit *)handle;
    memcpy(unit.in, in, INPUTS * sizeof(u64));
    show(unit.registers[unit.now], (const u8 *)unit.in, unit, out);
    advance(unit.registers[unit.now], unit.registers[!unit.now], (const u8 *)unit.in, unit);
    count_toggles(unit);
    unit.now = !unit.now;
}

// A clock cycle: where neither inputs nor registers or memories have changed, nothing does.
void NAME(step)(void *handle, const u64 *in, u64 *out) {
    Unit &unit = *(Unit *)handle;
    if (unit.still && !memcmp(unit.in, in, INPUTS * sizeof(u64))) return;
    memcpy(unit.in, in, INPUTS * sizeof(u64));
    Registers &old = unit.registers[unit.now], &next = unit.registers[!unit.now];
    const bool wrote = advance(old, next, (const u8 *)unit.in, unit);
    count_toggles(unit);
    unit.still = !memcmp(&old, &next, sizeof(Registers)) && !wrote;
    unit.now = !unit.now;
    if (!unit.still) show(next, (const u8 *)unit.in, unit, out);
}

#ifdef TOGGLES
u64 NAME(toggles)(void *handle) { return ((Unit *)handle)->toggles; }
#endif
}
