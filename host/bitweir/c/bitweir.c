/* bitweir: accelerators from C, over a link of bytes or over AXI. See bitweir.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bitweir.h"

#include <string.h>

/* ---- bytes */

const char *bw_message(bw_status status)
{
    switch (status) {
    case BW_OK: return "There is no error.";
    case BW_TRANSPORT: return "The way to the accelerator is broken.";
    case BW_SILENT: return "The accelerator does not answer.";
    case BW_NOT_BITWEIR: return "What answers is no accelerator of bitweir, or speaks another version.";
    case BW_OTHER_DEVICE: return "Another accelerator answers, or what arrived is not what was sent.";
    case BW_NOT_LOADED: return "The accelerator has no parameters: load some.";
    case BW_WRONG_IMAGE: return "The image is damaged, or for another accelerator.";
    case BW_ARGUMENT: return "The accelerator cannot do that.";
    }
    return "That is no status.";
}

uint32_t bw_crc32(uint32_t crc, const uint8_t *data, size_t size)
{
    crc = ~crc;
    for (size_t at = 0; at < size; at++) {
        crc ^= data[at];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1u ? 0xEDB88320u : 0u);
    }
    return ~crc;
}

static uint32_t number_of(const uint8_t *data, size_t bytes)
{
    uint32_t value = 0;
    for (size_t at = 0; at < bytes; at++)
        value |= (uint32_t)data[at] << 8 * at;
    return value;
}

static void put_number(uint8_t *data, size_t bytes, uint64_t value)
{
    for (size_t at = 0; at < bytes; at++)
        data[at] = (uint8_t)(value >> 8 * at);
}

/* ---- SPI as a transport: zeros from the device are nothing, and its own are pairs, as those of SLIP (RFC 1055) */

enum { ESCAPE = 0xDB, ESCAPED_ZERO = 0xDC, ESCAPED_ESCAPE = 0xDD, AT_ONCE = 32 };

static int spi_transfer(bw_spi *spi, const uint8_t *out, size_t size)
{
    uint8_t in[AT_ONCE];
    if (spi->transfer(spi->context, out, in, size))
        return 1;
    for (size_t at = 0; at < size; at++) {
        uint8_t byte = in[at];
        if (byte == 0)
            continue;
        if (byte == ESCAPE) {
            spi->escaped = 1;
            continue;
        }
        if (spi->escaped && (byte == ESCAPED_ZERO || byte == ESCAPED_ESCAPE))
            byte = byte == ESCAPED_ZERO ? 0 : ESCAPE;
        spi->escaped = 0;
        /* What has no room is lost as on a bad wire, and asked for again. */
        if (spi->held < sizeof spi->came)
            spi->came[spi->held++] = byte;
    }
    return 0;
}

static int spi_write(void *context, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size; at += AT_ONCE) {
        size_t left = size - at;
        if (spi_transfer(context, data + at, left < AT_ONCE ? left : AT_ONCE))
            return 1;
    }
    return 0;
}

static long spi_read(void *context, uint8_t *data, size_t room, unsigned milliseconds)
{
    static const uint8_t zeros[AT_ONCE];
    bw_spi *spi = context;
    uint64_t bytes = (uint64_t)milliseconds * spi->rate / 8000u;
    for (uint64_t at = 0; spi->held == 0 && at <= bytes; at += AT_ONCE)
        if (spi_transfer(spi, zeros, AT_ONCE))
            return -1;
    size_t count = spi->held < room ? spi->held : room;
    memcpy(data, spi->came, count);
    spi->held -= (unsigned)count;
    memmove(spi->came, spi->came + count, spi->held);
    return (long)count;
}

bw_transport bw_over_spi(bw_spi *spi)
{
    bw_transport transport = {spi_read, spi_write, spi};
    return transport;
}

/* ---- packets on the wire */

enum { HELLO = 1, CLASSES = 2, RESULTS = 3, LOAD = 4, LOAD_ODD = 5, LOAD_EVEN = 6, ANSWER = 128 };
enum { HEADER = 11, CHECK = 4, MAGIC_AND_VERSION = 5 };

/* Bytes of a request besides which longer ones would hardly use the wire better. */
#define ENOUGH 512u
/* Bytes that are no answer before the accelerator counts as silent. */
#define NOISE (1ul << 20)

/* A block of COBS: its code, and the bytes that it stands for. */
typedef struct {
    bw_transport *transport;
    uint8_t block[255];
    size_t filled;
    int failed;
} encoder;

static void end_block(encoder *to)
{
    to->block[0] = (uint8_t)(to->filled + 1);
    to->failed |= to->transport->write(to->transport->context, to->block, to->filled + 1);
    to->filled = 0;
}

static void encode(encoder *to, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        if (data[at])
            to->block[++to->filled] = data[at];
        if (!data[at] || to->filled == 254)
            end_block(to);
    }
}

/* A packet between zeros. */
static int send_packet(bw_link *link, int kind, uint64_t number, size_t count, const uint8_t *payload, size_t size,
                       size_t zeros)
{
    static const uint8_t delimiter = 0;
    uint8_t header[HEADER], check[CHECK];
    encoder to = {&link->transport, {0}, 0, 0};
    header[0] = (uint8_t)kind;
    put_number(header + 1, 8, number);
    put_number(header + 9, 2, count);
    uint32_t crc = bw_crc32(bw_crc32(0, header, HEADER), payload, size);
    /* What stands behind the payload in the packet ends with zeros, which continue no payload. */
    static const uint8_t none[64];
    for (size_t left = zeros; left; left -= left < sizeof none ? left : sizeof none)
        crc = bw_crc32(crc, none, left < sizeof none ? left : sizeof none);
    put_number(check, CHECK, crc);
    to.failed |= link->transport.write(link->transport.context, &delimiter, 1);
    encode(&to, header, HEADER);
    encode(&to, payload, size);
    for (size_t left = zeros; left; left -= left < sizeof none ? left : sizeof none)
        encode(&to, none, left < sizeof none ? left : sizeof none);
    encode(&to, check, CHECK);
    end_block(&to);
    return to.failed | link->transport.write(link->transport.context, &delimiter, 1);
}

/* A packet as it comes. Its payload is kept as far as there is room; all else is counted. */
typedef struct {
    uint8_t header[HEADER], last[CHECK];
    uint8_t *payload;
    size_t room, size; /* bytes of the packet without its check */
    size_t held;       /* bytes in `last`, which may be the check */
    uint32_t crc;
    unsigned left, code; /* bytes of the block that are still to come, and its code */
    int begun;
} decoder;

static void begin(decoder *from)
{
    from->size = from->held = 0;
    from->crc = 0;
    from->left = from->code = 0;
    from->begun = 0;
}

static void decoded(decoder *from, uint8_t byte)
{
    if (from->held == CHECK) {
        uint8_t settled = from->last[0];
        from->crc = bw_crc32(from->crc, &settled, 1);
        if (from->size < HEADER)
            from->header[from->size] = settled;
        else if (from->size - HEADER < from->room)
            from->payload[from->size - HEADER] = settled;
        from->size++;
        memmove(from->last, from->last + 1, CHECK - 1);
        from->held--;
    }
    from->last[from->held++] = byte;
}

/* Take a byte of the wire: 1 when a right packet ends with it. */
static int take(decoder *from, uint8_t byte)
{
    if (byte == 0) {
        return from->begun && from->left == 0 && from->size >= HEADER && from->crc == number_of(from->last, CHECK);
    }
    if (from->left == 0) {
        /* A block of less than 254 bytes stands for a zero behind it, unless it is the last one. */
        if (from->begun && from->code != 255)
            decoded(from, 0);
        from->begun = 1;
        from->code = byte;
        from->left = byte - 1u;
    } else {
        decoded(from, byte);
        from->left--;
    }
    return 0;
}

/* ---- requests and answers */

/* A question: what is sent, and where its answer goes. */
typedef struct {
    int kind;
    size_t count, size, zeros; /* units, bytes, and zeros behind them, in the request */
    const uint8_t *payload;
    uint8_t *answer;
    size_t answer_count, answer_size;
    double milliseconds; /* that the device may take */
} question;

/* Wait for an answer with one of two numbers: 0 or 1; 2 for a device without parameters; -1 when none comes, -2 when the
 * transport failed. The answer to the second one is that to a question about no frames. */
static int wait_for(bw_link *link, const question *asked, uint64_t first, int probes, uint64_t probe, double patience)
{
    decoder from = {{0}, {0}, asked->answer, asked->answer_size, 0, 0, 0, 0, 0, 0};
    unsigned long noise = 0;
    begin(&from);
    while (noise < NOISE) {
        uint8_t data[64];
        long came = link->transport.read(link->transport.context, data, sizeof data, (unsigned)patience + 1u);
        if (came < 0)
            return -2;
        if (came == 0)
            return -1;
        noise += (unsigned long)came;
        for (long at = 0; at < came; at++) {
            if (take(&from, data[at])) {
                uint64_t number = number_of(from.header + 1, 4) | (uint64_t)number_of(from.header + 5, 4) << 32;
                size_t count = number_of(from.header + 9, 2), size = from.size - HEADER;
                if (number == first && from.header[0] == (asked->kind | ANSWER)) {
                    if (count == asked->answer_count && size == asked->answer_size)
                        return 0;
                    if (asked->kind != HELLO && count == 0 && size == 0)
                        return 2;
                }
                if (probes && number == probe && from.header[0] == (CLASSES | ANSWER) && count == 0 && size == 0)
                    return 1;
            }
            if (data[at] == 0)
                begin(&from);
        }
    }
    return -1;
}

/* Ask until there is an answer. */
static bw_status ask(bw_link *link, const question *asked)
{
    double factor = 1;
    for (unsigned silent = 0; silent <= link->tries; link->lost++) {
        uint64_t first = link->number++, probe = 0;
        int probes = 0, found;
        if (send_packet(link, asked->kind, first, asked->count, asked->payload, asked->size, asked->zeros))
            return BW_TRANSPORT;
        /* A late answer counts, and an answer to a shorter question behind it says that there will be none. */
        while ((found = wait_for(link, asked, first, probes, probe,
                                 (link->margin + 1.25 * asked->milliseconds) * factor)) == -1) {
            if (++silent > link->tries)
                return BW_SILENT;
            factor = factor < 8 ? factor * 2 : 8;
            probe = link->number++;
            probes = 1;
            if (send_packet(link, CLASSES, probe, 0, NULL, 0, 0))
                return BW_TRANSPORT;
        }
        if (found == 0)
            return BW_OK;
        if (found == 2)
            return BW_NOT_LOADED;
        if (found == -2)
            return BW_TRANSPORT;
        silent++;
    }
    return BW_SILENT;
}

static bw_status hello(bw_link *link, uint8_t *raw)
{
    question asked = {HELLO, 0, 0, 0, NULL, raw, BW_IDENTITY_BYTES, BW_IDENTITY_BYTES, 0};
    return ask(link, &asked);
}

/* What the bytes of an identity say; 0 where no accelerator says such. */
static int recognised(bw_identity *identity, const uint8_t *raw)
{
    static const uint8_t expected[MAGIC_AND_VERSION] = {'w', 'e', 'i', 'r', 4};
    uint64_t vectors = number_of(raw + 24, 4), length = number_of(raw + 28, 4), lanes = number_of(raw + 32, 4);
    uint64_t bits = raw[36], beats, bytes, limit = (uint64_t)1 << 28;
    if (memcmp(raw, expected, sizeof expected))
        return 0;
    identity->loads = raw[5] & 1u;
    identity->result = raw[5] >> 1 & 7u;
    identity->streams_weights = raw[5] >> 4 & 1u;
    identity->capacity = number_of(raw + 8, 4);
    identity->clock = number_of(raw + 12, 4);
    identity->cycles = number_of(raw + 16, 4);
    identity->latency = number_of(raw + 20, 4);
    identity->score_bits = raw[37];
    identity->classes = (uint16_t)number_of(raw + 38, 2);
    memcpy(identity->digest, raw + 40, sizeof identity->digest);
    identity->parameters = number_of(raw + 64, 4);
    /* Numbers that no accelerator has would be a size or a time without end. */
    if (!identity->clock || !identity->classes || identity->result > 4 || !lanes || lanes > 1u << 20 || !bits || bits > 64
        || !identity->score_bits || identity->score_bits > 64 || !vectors || vectors > 1u << 26 || !length
        || length > 1u << 26)
        return 0;
    beats = (length + lanes - 1) / lanes;
    if (beats > limit || vectors * beats > limit || vectors * beats > 8 * limit / (lanes * bits))
        return 0;
    bytes = (vectors * beats * lanes * bits + 7) / 8;
    identity->frame_bytes = (uint32_t)bytes;
    identity->scores_bytes = ((uint32_t)identity->classes * identity->score_bits + 7) / 8;
    identity->class_bytes = identity->result ? 0 : identity->classes <= 256 ? 1 : 2;
    return 1;
}

bw_status bw_open(bw_link *link, bw_transport transport, uint64_t first_number)
{
    bw_status status;
    memset(link, 0, sizeof *link);
    link->transport = transport;
    link->margin = 200;
    link->tries = 8;
    link->number = first_number;
    status = hello(link, link->raw);
    if (status)
        return status;
    return recognised(&link->identity, link->raw) ? BW_OK : BW_NOT_BITWEIR;
}

/* Check that the device is the same as before; what is loaded may differ where `loaded` takes it. */
static bw_status same(bw_link *link, uint32_t *loaded)
{
    uint8_t raw[BW_IDENTITY_BYTES];
    bw_status status = hello(link, raw);
    if (status)
        return status;
    if (memcmp(raw, link->raw, BW_IDENTITY_BYTES - 4))
        return BW_OTHER_DEVICE;
    if (loaded)
        *loaded = link->identity.parameters = number_of(raw + 64, 4);
    else if (memcmp(raw, link->raw, sizeof raw))
        return BW_OTHER_DEVICE;
    memcpy(link->raw, raw, sizeof raw);
    return BW_OK;
}

static bw_status frames_asked(bw_link *link, int kind, const uint8_t *frames, size_t count, uint8_t *answers, size_t unit)
{
    const bw_identity *device = &link->identity;
    size_t most, part;
    bw_status status;
    if (device->capacity < HEADER + (uint64_t)device->frame_bytes)
        return BW_ARGUMENT;
    most = (device->capacity < ENOUGH ? device->capacity : ENOUGH) - HEADER;
    most = most / device->frame_bytes ? most / device->frame_bytes : 1;
    for (size_t at = 0; at < count; at += part) {
        part = count - at < most ? count - at : most;
        question asked = {kind, part, part * device->frame_bytes, 0, frames + at * device->frame_bytes,
                          answers + at * unit, part, part * unit, 0};
        asked.milliseconds = 1000.0 * ((double)part * device->cycles + device->latency) / device->clock;
        if ((status = ask(link, &asked)))
            return status;
    }
    /* Answers do not say whose they are: those between two greetings of one device are its own. */
    return count ? same(link, NULL) : BW_OK;
}

bw_status bw_classes(bw_link *link, const uint8_t *frames, size_t count, uint8_t *answers)
{
    if (!link->identity.class_bytes)
        return BW_ARGUMENT;
    return frames_asked(link, CLASSES, frames, count, answers, link->identity.class_bytes);
}

bw_status bw_results(bw_link *link, const uint8_t *frames, size_t count, uint8_t *answers)
{
    return frames_asked(link, RESULTS, frames, count, answers, link->identity.scores_bytes + link->identity.class_bytes);
}

bw_status bw_load(bw_link *link, const uint8_t *image, size_t size)
{
    const bw_identity *device = &link->identity;
    size_t piece = device->frame_bytes, most;
    uint32_t found, wanted;
    if (!(device->loads || device->streams_weights) || size < CHECK || device->capacity < HEADER + piece)
        return BW_ARGUMENT;
    most = ((device->capacity < ENOUGH ? device->capacity : ENOUGH) - HEADER) / piece;
    most = most ? most : 1;
    wanted = number_of(image + size - CHECK, CHECK);
    /* A reset of the device during a load spoils it. */
    for (int attempt = 0; attempt < 3; attempt++) {
        int kind = LOAD;
        for (size_t at = 0; at < size;) {
            size_t pieces = (size - at + piece - 1) / piece;
            pieces = pieces < most ? pieces : most;
            size_t bytes = size - at < pieces * piece ? size - at : pieces * piece;
            question asked = {kind, pieces, bytes, pieces * piece - bytes, image + at, NULL, 0, 0, 0};
            bw_status status = ask(link, &asked);
            if (status)
                return status;
            at += bytes;
            kind = kind == LOAD_ODD ? LOAD_EVEN : LOAD_ODD;
        }
        bw_status status = same(link, &found);
        if (status)
            return status;
        if (found == wanted && (found || device->loads))
            return BW_OK;
    }
    return BW_WRONG_IMAGE;
}

int64_t bw_score(const bw_identity *identity, const uint8_t *answer, size_t index)
{
    size_t first = index * identity->score_bits;
    uint64_t value = 0;
    for (size_t bit = 0; bit < identity->score_bits; bit++)
        value |= (uint64_t)(answer[(first + bit) / 8] >> (first + bit) % 8 & 1u) << bit;
    /* Scores are in two's complement; labels, codes and classes of pixels are not negative. */
    if ((identity->result == 0 || identity->result == 2) && value >> (identity->score_bits - 1) && identity->score_bits < 64)
        return (int64_t)value - ((int64_t)1 << (identity->score_bits - 1)) * 2;
    return (int64_t)value;
}

uint32_t bw_class(const bw_identity *identity, const uint8_t *class_of_answer)
{
    return number_of(class_of_answer, identity->class_bytes);
}

/* ---- AXI */

static uint32_t get(const bw_axi *axi, uint32_t offset)
{
    return axi->bus.read(axi->bus.context, offset);
}

static void put(const bw_axi *axi, uint32_t offset, uint32_t value)
{
    axi->bus.write(axi->bus.context, offset, value);
}

/* Wait until some bits of a register are as wanted. */
static int becomes(const bw_axi *axi, uint32_t offset, uint32_t mask, int set)
{
    for (unsigned long poll = 0; poll < axi->polls; poll++)
        if (!(get(axi, offset) & mask) == !set)
            return 1;
    return 0;
}

bw_status bw_axi_open(bw_axi *axi, bw_axi_bus bus, uint32_t network)
{
    memset(axi, 0, sizeof *axi);
    axi->bus = bus;
    axi->polls = 1000000;
    if (get(axi, BW_REG_ID) != 0x52494557u || get(axi, BW_REG_VERSION) >> 16 != 1)
        return BW_NOT_BITWEIR;
    if (network && get(axi, BW_REG_NETWORK) != network)
        return BW_OTHER_DEVICE;
    axi->features = get(axi, BW_REG_FEATURES);
    axi->frame_bytes = get(axi, BW_REG_FRAME_BYTES);
    axi->result_bytes = get(axi, BW_REG_RESULT_BYTES);
    axi->image_bytes = get(axi, BW_REG_IMAGE_BYTES);
    return BW_OK;
}

bw_status bw_axi_run(bw_axi *axi, const uint8_t *frames, size_t count, uint8_t *results)
{
    if (!(get(axi, BW_REG_STATUS) & BW_STATUS_LOADED))
        return BW_NOT_LOADED;
    put(axi, BW_REG_CONTROL, BW_CONTROL_CLEAR);
    for (size_t at = 0; at < count; at++) {
        if (axi->bus.send(axi->bus.context, frames + at * axi->frame_bytes, axi->frame_bytes))
            return BW_TRANSPORT;
        if (axi->bus.receive(axi->bus.context, results + at * axi->result_bytes, axi->result_bytes))
            return BW_TRANSPORT;
    }
    if (get(axi, BW_REG_SHORT_PACKETS) || get(axi, BW_REG_LONG_PACKETS))
        return BW_TRANSPORT;
    if (axi->features & BW_FEATURES_CHECKSUMS
        && (get(axi, BW_REG_FRAMES_CRC) != bw_crc32(0, frames, count * axi->frame_bytes)
            || get(axi, BW_REG_RESULTS_CRC) != bw_crc32(0, results, count * axi->result_bytes)))
        return BW_OTHER_DEVICE;
    return BW_OK;
}

bw_status bw_axi_load(bw_axi *axi, const uint8_t *image, size_t size)
{
    if (!(axi->features & BW_FEATURES_LOADS))
        return BW_ARGUMENT;
    if (size != axi->image_bytes)
        return BW_WRONG_IMAGE;
    if (!becomes(axi, BW_REG_STATUS, BW_STATUS_BUSY, 0))
        return BW_SILENT;
    put(axi, BW_REG_IRQ_STATUS, BW_IRQ_STATUS_LOADED | BW_IRQ_STATUS_ERROR);
    put(axi, BW_REG_CONTROL, BW_CONTROL_START_LOAD);
    for (size_t at = 0; at < size; at += 4)
        put(axi, BW_REG_WINDOW, number_of(image + at, size - at < 4 ? size - at : 4));
    if (!becomes(axi, BW_REG_IRQ_STATUS, BW_IRQ_STATUS_LOADED | BW_IRQ_STATUS_ERROR, 1))
        return BW_SILENT;
    if (get(axi, BW_REG_IRQ_STATUS) & BW_IRQ_STATUS_ERROR || get(axi, BW_REG_LOADED_CRC) != number_of(image + size - 4, 4))
        return BW_WRONG_IMAGE;
    return BW_OK;
}

void bw_axi_reset(bw_axi *axi)
{
    put(axi, BW_REG_CONTROL, BW_CONTROL_RESET);
}
