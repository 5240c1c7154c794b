// Access to a design that is translated directly for shim.cpp; TOP is the class of what is around its units.

struct Design {
    TOP top;

    void reset(bool on) { set_reset(top, on); }
    void open_waves(const char *) {}
    void flush_waves() {}
    bool waves_written() { return true; }
    void settle(bool = true, bool = true) { top.settle(); }
    void edge(bool = true, bool = true) { top.edge(); }
#ifdef TOGGLES
    uint64_t toggles(size_t unit) { return top.toggles(unit); }
#endif
};
