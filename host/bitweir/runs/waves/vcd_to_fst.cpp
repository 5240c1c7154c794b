// Writes the content of a VCD file as FST, through functions of libfst that fst.py hands over.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <unordered_map>

namespace {

// Numbers of fstapi.h.
enum { MODULE = 0, INTEGER = 1, PARAMETER = 2, REAL = 3, WIRE = 16, STRING = 21, LZ4 = 2 };

// Laid out as `_Writer` in fst.py.
struct Writer {
    void *(*create)(const char *path, int compress);
    void (*pack)(void *, int);
    void (*timescale)(void *, const char *);
    void (*scope)(void *, int kind, const char *name, const char *component);
    void (*upscope)(void *);
    uint32_t (*variable)(void *, int kind, int direction, uint32_t bits, const char *name, uint32_t alias);
    void (*time)(void *, uint64_t);
    void (*change)(void *, uint32_t handle, const void *);
    void (*text)(void *, uint32_t handle, const void *, uint32_t bytes);
    void (*close)(void *);
};

struct Variable {
    uint32_t handle, bits;
    int kind;
};

int kind_of(const std::string &word) {
    if (word == "string") return STRING;
    if (word == "integer") return INTEGER;
    if (word == "parameter") return PARAMETER;
    return word == "real" ? REAL : WIRE;
}

struct Conversion {
    const Writer &fst;
    void *file;
    std::unordered_map<std::string, Variable> variables;
    std::string value;

    void define(std::ifstream &source) {
        std::string word, kind, mark, name;
        while (source >> word) {
            if (word == "$scope") {
                source >> kind >> name;
                fst.scope(file, MODULE, name.c_str(), nullptr);
            } else if (word == "$upscope") {
                fst.upscope(file);
            } else if (word == "$timescale") {
                std::string unit;
                for (word.clear(); source >> word && word != "$end";) unit += word;
                fst.timescale(file, unit.c_str());
                continue;
            } else if (word == "$var") {
                uint32_t bits;
                source >> kind >> bits >> mark >> name;
                auto found = variables.find(mark);
                uint32_t alias = found == variables.end() ? 0 : found->second.handle;
                // Texts have no length of their own.
                int type = kind_of(kind);
                uint32_t handle = fst.variable(file, type, 0, type == STRING ? 0 : bits, name.c_str(), alias);
                if (!alias) variables[mark] = {handle, bits, type};
            }
            bool ends = word == "$enddefinitions";
            while (word != "$end" && source >> word) {}
            if (ends) return;
        }
    }

    void change(char kind, const char *from, size_t size, const std::string &mark) {
        auto found = variables.find(mark);
        if (found == variables.end()) return;
        const Variable &one = found->second;
        value.assign(from, size);
        if (kind == 's') {
            fst.text(file, one.handle, value.data(), uint32_t(size));
        } else if (kind == 'r') {
            double number = strtod(value.c_str(), nullptr);
            fst.change(file, one.handle, &number);
        } else if (size && size <= one.bits) {
            // What is left out on the left are zeros, or the same as the first where that is not known.
            value.insert(0, one.bits - size, value[0] == '1' ? '0' : value[0]);
            fst.change(file, one.handle, value.data());
        }
    }

    // The last time.
    int64_t copy(std::ifstream &source) {
        std::string line, mark;
        int64_t now = 0;
        while (std::getline(source, line)) {
            if (line.empty() || line[0] == '$') continue;
            if (line[0] == '#') {
                now = strtoll(line.c_str() + 1, nullptr, 10);
                fst.time(file, uint64_t(now));
            } else if (strchr("bBsSrR", line[0])) {
                size_t end = line.rfind(' ');
                if (end == std::string::npos) continue;
                mark.assign(line, end + 1, std::string::npos);
                change(char(line[0] | 32), line.data() + 1, end - 1, mark);
            } else {
                mark.assign(line, 1, std::string::npos);
                change('b', line.data(), 1, mark);
            }
        }
        return now;
    }
};

} // namespace

// The last time in the file; -1 where the new file cannot be made, or the other one cannot be read.
extern "C" int64_t vcd_to_fst(const Writer *fst, const char *from, const char *to) {
    std::ifstream source(from);
    void *file = source ? fst->create(to, 1) : nullptr;
    if (!file) return -1;
    fst->pack(file, LZ4);
    Conversion conversion{*fst, file, {}, {}};
    conversion.define(source);
    int64_t end = conversion.copy(source);
    fst->close(file);
    return source.bad() ? -1 : end;
}
