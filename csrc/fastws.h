/* fastws.h: the whole C contract of the codec. Bytes and lengths only: nothing here knows Python, sockets or clocks.
 *
 * The order is the one in which a frame is read: header, mask, utf8, text (decoder side), text (encoder side), and
 * the choice of the kernel. Lengths are `n`, in bytes unless said otherwise; buffers are `src` and `dst`. Bytes
 * need no alignment, code units that of their width. Every function touches exactly the bytes it names. */
#ifndef FASTWS_H
#define FASTWS_H

#include <stddef.h>
#include <stdint.h>

/* What a header can be refused for. The numbers are those of `Fault` in fastws/errors.py. */
typedef enum {
    FWS_SHORT = -1, /* not a fault: more bytes are needed */
    FWS_OK = 0,
    FWS_ERR_RESERVED_BITS = 1,
    FWS_ERR_RESERVED_OPCODE = 2,
    FWS_ERR_CONTROL_FRAGMENTED = 3,
    FWS_ERR_CONTROL_TOO_LONG = 4,
    FWS_ERR_FRAME_UNMASKED = 5,
    FWS_ERR_FRAME_MASKED = 6,
    FWS_ERR_LENGTH_NOT_MINIMAL = 7,
    FWS_ERR_LENGTH_TOP_BIT = 8,
    FWS_ERR_NOTHING_TO_CONTINUE = 9,
    FWS_ERR_MESSAGE_UNFINISHED = 10
} fws_fault;

/* Header ---------------------------------------------------------------------------------------------------------- */

#define FWS_MAX_HEADER 14

/* A frame header as it stands on the wire (RFC 6455 §5.2). */
typedef struct {
    uint64_t length;    /* payload bytes that follow */
    uint8_t first;      /* FIN, RSV1 to RSV3 and the opcode, as sent */
    uint8_t second;     /* MASK and the 7-bit length, as sent */
    uint8_t size;       /* bytes of the header, 2 to 14 */
    uint8_t has_length; /* whether `length` was read: a header cut before its key has one */
    uint8_t key[4];     /* the masking key, zero where the frame is not masked */
} fws_header;

/* What a decoder expects of the next header. */
typedef struct {
    uint8_t masked;         /* 0x80 if frames must be masked (the local side is a server), 0 if they must not be */
    uint8_t reserved;       /* reserved bits (0x70) that extensions use; RSV1 only where a message starts */
    uint8_t minimal_length; /* refuse lengths that a shorter form could tell */
    uint8_t in_message;     /* a message has begun: a continuation must follow */
} fws_rules;

/* Read a header from src[0..n). Reads no more than it needs and consumes nothing.
 * Returns FWS_OK; FWS_SHORT while bytes are lacking, with h->has_length telling whether the length is known;
 * FWS_ERR_LENGTH_*. With n >= 2, h->first and h->second are always set. */
fws_fault fws_parse_header(const uint8_t *src, size_t n, int minimal_length, fws_header *h);

/* What the first two bytes of a header decide, in the order of `fws_fault`. */
fws_fault fws_check_start(uint8_t first, uint8_t second, const fws_rules *rules);

/* Write a header in its shortest form to dst, which has room for FWS_MAX_HEADER bytes. key may be NULL.
 * Returns the bytes written. */
size_t fws_format_header(uint8_t *dst, uint8_t first, uint64_t length, const uint8_t *key);

/* Bytes that fws_format_header would write. */
size_t fws_header_size(uint64_t length, int masked);

/* Mask ------------------------------------------------------------------------------------------------------------ */

/* Mask or unmask n bytes (RFC 6455 §5.3). dst == src is allowed; other overlap is not.
 * key: 4 bytes in wire order.  phase: which key byte meets src[0], 0 to 3.
 * Returns the phase for the byte after the last. */
unsigned fws_mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase);

/* The same, or a plain copy where key is NULL, until a byte that is not ASCII is met. dst == src is allowed.
 * Returns n if all is ASCII; otherwise fewer than n, up to which dst is written and ASCII. What dst holds after that
 * is unspecified. */
size_t fws_mask_ascii(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase);

/* Utf8 ------------------------------------------------------------------------------------------------------------ */

/* Text seen so far: streaming validation state and what a decoder must know to allocate once.
 * Invariant: all bytes before offset are valid, but for the unfinished code point in `pending`. Start from zero. */
typedef struct {
    uint64_t offset;      /* bytes taken, pending ones included; at a fault, of the first byte that cannot be */
    uint64_t code_points; /* complete code points taken */
    uint8_t widest;       /* the highest byte that is not ASCII, or 0: to 0xC3 Latin-1, to 0xEF UCS-2, then UCS-4 */
    uint8_t n_pending;    /* bytes of an unfinished code point, 0 to 3 */
    uint8_t pending[3];
} fws_utf8;

/* Take the next n bytes of a text (RFC 3629), cut anywhere.
 * Returns 1, or 0 if a byte cannot be: state->offset names it and the state is not to be fed again. */
int fws_utf8_feed(fws_utf8 *state, const uint8_t *src, size_t n);

/* The same for masked bytes, which are left as they are. key may be NULL. */
int fws_utf8_feed_masked(fws_utf8 *state, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase);

/* Whether src[0..n) is UTF-8, complete. */
int fws_is_utf8(const uint8_t *src, size_t n);

/* Bytes of one code unit that hold the text: 1 (Latin-1), 2 (UCS-2) or 4 (UCS-4). */
int fws_utf8_width(const fws_utf8 *state);

/* Text to code units (what a decoder does) ------------------------------------------------------------------------ */

/* Unmask, validate and decode in one pass, until what is not Latin-1 is met: code points up to U+00FF, 1 byte each in
 * dst, which has room for n. src starts on a code point. key may be NULL.
 * Returns n if all is Latin-1, and complete; otherwise fewer than n, up to which it is, ending on a code point.
 * *written is how many code points this gave. What dst holds after them is unspecified. */
size_t fws_decode_latin1(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase,
                         size_t *written);

/* Unmask valid, complete UTF-8 and write its code points as units of `width` bytes, native byte order.
 * dst has room for as many units as src has code points, and exactly these are written. key may be NULL. */
void fws_decode_text(void *dst, int width, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase);

/* Code units to text (what an encoder does) ----------------------------------------------------------------------- */

#define FWS_SURROGATE SIZE_MAX

/* UTF-8 bytes that n code units of `width` bytes need; FWS_SURROGATE if one is a surrogate. */
size_t fws_encoded_size(const void *src, int width, size_t n);

/* Encode n code units as UTF-8 and mask them. dst has room for fws_encoded_size bytes, and exactly these are
 * written. No unit is a surrogate or above U+10FFFF. key may be NULL. */
void fws_encode_text(uint8_t *dst, const void *src, int width, size_t n, const uint8_t *key);

/* Kernels --------------------------------------------------------------------------------------------------------- */

/* Choose the kernel: by name, or with NULL the best that this CPU and operating system can run. To be called once,
 * before any other function here and before any thread. Returns 0 if the name is not one of those available. */
int fws_select_kernel(const char *name);

/* The name of the chosen kernel. */
const char *fws_kernel_name(void);

/* The name of the i-th kernel that this machine can run, weakest first; NULL after the last. */
const char *fws_available_kernel(size_t i);

#endif
