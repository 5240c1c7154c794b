/* bitweir: accelerators from C, over a link of bytes or over AXI. See docs/c-library.md.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * C99, no memory of its own, no other library. Nothing is shared between objects: one thread at a time for each. */
#ifndef BITWEIR_H
#define BITWEIR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    BW_OK = 0,
    BW_TRANSPORT,    /* a callback failed */
    BW_SILENT,       /* nothing answers */
    BW_NOT_BITWEIR,  /* what answers is no accelerator, or speaks another version */
    BW_OTHER_DEVICE, /* another accelerator answers than before, or than was asked for */
    BW_NOT_LOADED,   /* there are no parameters or weights: load some */
    BW_WRONG_IMAGE,  /* the image is damaged, or for another accelerator */
    BW_ARGUMENT      /* no room for a frame, nothing to load, or such */
} bw_status;

/* A sentence in English. */
const char *bw_message(bw_status status);

/* CRC-32 (ISO-HDLC, as zlib has it), continued: begin with 0. */
uint32_t bw_crc32(uint32_t crc, const uint8_t *data, size_t size);

/* ---- the link: packets over a serial port, or anything else that carries bytes; see docs/link.md */

typedef struct {
    /* Wait up to so many milliseconds for the first byte, and give those that are there: how many, 0 when none came, or
     * less than 0 when the transport failed. */
    long (*read)(void *context, uint8_t *data, size_t room, unsigned milliseconds);
    /* Send all bytes: 0, or anything else when that failed. */
    int (*write)(void *context, const uint8_t *data, size_t size);
    void *context;
} bw_transport;

/* SPI: the accelerator is the peripheral, in mode 0, and answers while it is clocked; see docs/link.md. Set the first three,
 * and the rest to 0. */
typedef struct {
    /* Send bytes while CS is low, and take as many: 0, or anything else when that failed. */
    int (*transfer)(void *context, const uint8_t *out, uint8_t *in, size_t size);
    void *context;
    uint32_t rate; /* Hz of SCK: so many bytes are clocked in the time that an answer may take */
    unsigned escaped, held;
    uint8_t came[256]; /* bytes that came while others were sent */
} bw_spi;

/* The transport for bw_open; the object stays yours, and in use. */
bw_transport bw_over_spi(bw_spi *spi);

#define BW_IDENTITY_BYTES 68

/* What a device tells of itself. */
typedef struct {
    uint32_t capacity;       /* bytes of requests that it has room for */
    uint32_t clock;          /* Hz */
    uint32_t cycles;         /* a frame takes, in steady state */
    uint32_t latency;        /* cycles from a frame to its result */
    uint32_t frame_bytes;    /* in a request */
    uint16_t classes;        /* scores, labels or codes of a frame */
    uint8_t score_bits;      /* of a score, a label or a code */
    uint8_t result;          /* 0: a class; 1: labels; 2: scores; 3: codes; 4: classes of pixels */
    uint8_t loads;           /* parameters are in RAM */
    uint8_t streams_weights; /* weights are in a memory outside the chip */
    uint32_t scores_bytes;   /* of a frame in an answer */
    uint32_t class_bytes;    /* the same; 0 where the result is no class */
    uint32_t parameters;     /* the last 4 bytes of the image that is in place; 0: none */
    uint8_t digest[16];      /* the first bytes of the network's SHA-256 */
} bw_identity;

typedef struct {
    bw_transport transport;
    bw_identity identity;
    unsigned margin;  /* milliseconds that an answer may take besides the device's own time: 200 */
    unsigned tries;   /* waits in a row without an answer before it is silent: 8 */
    uint64_t number;  /* of the next request */
    uint64_t lost;    /* requests that were sent again */
    uint8_t raw[BW_IDENTITY_BYTES];
} bw_link;

/* Ask who is there.
 *
 * first_number: drawn at random from all 64 bits, anew in each program: an answer to an earlier one must not pass for an
 * answer to this one. */
bw_status bw_open(bw_link *link, bw_transport transport, uint64_t first_number);

/* Classes of frames: count * frame_bytes bytes in, count * class_bytes out. Where the result is no class, use
 * bw_results. */
bw_status bw_classes(bw_link *link, const uint8_t *frames, size_t count, uint8_t *answers);

/* Scores and class, labels or codes of frames: count * (scores_bytes + class_bytes) bytes out. */
bw_status bw_results(bw_link *link, const uint8_t *frames, size_t count, uint8_t *answers);

/* Load parameters.bin; or weights.bin with the 4 bytes of its CRC-32 behind it, the lowest first. */
bw_status bw_load(bw_link *link, const uint8_t *image, size_t size);

/* Number `index` of an answer of bw_results: a score, a label or a code. */
int64_t bw_score(const bw_identity *identity, const uint8_t *answer, size_t index);

/* The class in an answer of bw_classes, or behind the scores in one of bw_results. */
uint32_t bw_class(const bw_identity *identity, const uint8_t *class_of_answer);

/* ---- AXI: registers on AXI4-Lite, packets on AXI4-Stream; see docs/axi-lite.md */

typedef struct {
    uint32_t (*read)(void *context, uint32_t offset);              /* a register */
    void (*write)(void *context, uint32_t offset, uint32_t value); /* the same */
    /* Send a packet with a frame, and take one with a result, as a DMA engine does: 0, or anything else on failure. */
    int (*send)(void *context, const uint8_t *frame, size_t bytes);
    int (*receive)(void *context, uint8_t *result, size_t bytes);
    void *context;
} bw_axi_bus;

typedef struct {
    bw_axi_bus bus;
    uint32_t frame_bytes, result_bytes, image_bytes;
    uint32_t features;   /* BW_FEATURES_... */
    unsigned long polls; /* reads of a register before it counts as silent: 1,000,000 */
} bw_axi;

#define BW_REG_ID 0x000u
#define BW_REG_VERSION 0x004u
#define BW_REG_NETWORK 0x008u
#define BW_REG_FEATURES 0x00Cu
#define BW_REG_FRAME_BYTES 0x010u
#define BW_REG_RESULT_BYTES 0x014u
#define BW_REG_IMAGE_BYTES 0x018u
#define BW_REG_CONTROL 0x020u
#define BW_REG_STATUS 0x024u
#define BW_REG_IRQ_ENABLE 0x028u
#define BW_REG_IRQ_STATUS 0x02Cu
#define BW_REG_FRAMES_IN 0x030u
#define BW_REG_FRAMES_OUT 0x034u
#define BW_REG_INPUT_STALLS 0x038u
#define BW_REG_OUTPUT_STALLS 0x03Cu
#define BW_REG_SHORT_PACKETS 0x040u
#define BW_REG_LONG_PACKETS 0x044u
#define BW_REG_CYCLES 0x048u
#define BW_REG_FRAMES_CRC 0x050u
#define BW_REG_RESULTS_CRC 0x054u
#define BW_REG_LOADED_CRC 0x058u
#define BW_REG_WEIGHTS_BASE 0x060u
#define BW_REG_WEIGHTS_ENABLE 0x064u
#define BW_REG_WINDOW 0x800u

#define BW_FEATURES_LOADS 0x1u
#define BW_FEATURES_CHECKSUMS 0x2u
#define BW_FEATURES_READS_WEIGHTS 0x4u
#define BW_FEATURES_CLASS_ONLY 0x8u
#define BW_CONTROL_RESET 0x1u
#define BW_CONTROL_CLEAR 0x2u
#define BW_CONTROL_START_LOAD 0x4u
#define BW_STATUS_BUSY 0x1u
#define BW_STATUS_LOADED 0x2u
#define BW_IRQ_STATUS_RESULT 0x1u
#define BW_IRQ_STATUS_LOADED 0x2u
#define BW_IRQ_STATUS_ERROR 0x4u

/* Check who is there. network: the first 8 digits of the network's SHA-256 as a number (see NAME.v), or 0 for any. */
bw_status bw_axi_open(bw_axi *axi, bw_axi_bus bus, uint32_t network);

/* Frames one after the other: count * frame_bytes bytes in, count * result_bytes out. Where the accelerator has
 * checksums, BW_OTHER_DEVICE says that the bytes it took or sent were not these. */
bw_status bw_axi_run(bw_axi *axi, const uint8_t *frames, size_t count, uint8_t *results);

/* Load parameters.bin. No frame may be under way. */
bw_status bw_axi_load(bw_axi *axi, const uint8_t *image, size_t size);

/* Discard all frames under way. The DMA engine must be stopped. */
void bw_axi_reset(bw_axi *axi);

#ifdef __cplusplus
}
#endif

#endif
