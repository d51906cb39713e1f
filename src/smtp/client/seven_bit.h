/*
 * A message with bytes of 8 bits, for a server that takes 7 (RFC 6152 3): each part that has such
 * bytes is encoded in quoted-printable or base64.
 *
 *   file ──▶ scan ──▶ plan: what is replaced and what is encoded, by offset ──▶ producer ──▶ 7 bits
 *
 * The scan reads the message once; its memory depends only on the depth of the parts. The plan is a
 * list of edits, so that the producer knows no MIME: it sends the bytes between the edits
 * unchanged. Decoding the parts of the result gives those of the message, byte by byte.
 *
 * Bytes of 8 bits in header fields stay: there is no encoding that suits every field, and such
 * fields are not allowed without SMTPUTF8 anyway. Bytes of 8 bits outside of all parts, before the
 * first boundary and after the last one, become `*`.
 */
#ifndef WEIR_SMTP_SEVEN_BIT_H
#define WEIR_SMTP_SEVEN_BIT_H

#include <stddef.h>
#include <stdint.h>

#include <weir/producer.h>
#include <weir/span.h>

enum seven_bit_action {
	SEVEN_BIT_REPLACE, /* replace the bytes by `text` */
	SEVEN_BIT_QUOTE,   /* encode in quoted-printable (RFC 2045 6.7) */
	SEVEN_BIT_BASE64,  /* encode in base64 (6.8) */
	SEVEN_BIT_MASK,    /* each byte of 8 bits becomes `*` */
	SEVEN_BIT_REPAIR,  /* quoted-printable already: encode the bytes of 8 bits only */
};

struct seven_bit_edit {
	uint64_t start, end; /* offsets in the message; equal if text is only inserted */
	const char *text;    /* REPLACE: static */
	enum seven_bit_action action;
};

/*
 * Edits in the order of their offsets; they do not overlap. All zero: the message is not changed.
 */
struct seven_bit_plan {
	struct seven_bit_edit *edits;
	size_t count;
};

/* -- making a plan; any thread ----------------------------------------------------------------- */

struct seven_bit_scan;

/* Creates a scan. NULL without memory. */
struct seven_bit_scan *seven_bit_scan_create(void);

/* Takes the next bytes of the message, whose lines end in LF or CRLF. */
void seven_bit_scan_take(struct seven_bit_scan *scan, struct weir_span bytes);

/*
 * Ends the scan. Returns 0 with a plan, which is empty if nothing has to be encoded; -ENOMEM; or
 * WEIR_E_SYNTAX if the message cannot be encoded: then *ret_fault is a static reply with the
 * reason.
 */
int seven_bit_scan_finish(
        struct seven_bit_scan *scan, struct seven_bit_plan *ret, const char **ret_fault);

/* NULL is allowed. */
void seven_bit_scan_destroy(struct seven_bit_scan *scan);

void seven_bit_plan_free(struct seven_bit_plan *plan);

/* -- encoding ---------------------------------------------------------------------------------- */

/* All zero at first, except `action`. */
struct seven_bit_encoder {
	enum seven_bit_action action; /* not REPLACE */
	uint8_t column;               /* of the line that is written */
	uint8_t held_size;
	char held[3]; /* read and not written yet, since it depends on the bytes that follow */
};

/* The largest size that `size` bytes can become. */
#define SEVEN_BIT_ENCODED_MAX(size) (4 * (size) + 32)

/* Encodes `bytes`, and with `last` the held ones; returns the number of bytes written to `text`. */
size_t seven_bit_encode(
        struct seven_bit_encoder *encoder, struct weir_span bytes, bool last, char *text);

/*
 * The size of the message in `fd` when it is sent by `plan`; reads the parts that are encoded,
 * blocks. Returns 0 or a negative errno.
 */
int seven_bit_size(const struct seven_bit_plan *plan, int fd, uint64_t size, uint64_t *ret_size);

/*
 * A producer of the message by `plan`. Both the file and the plan must stay until it is closed.
 * NULL without memory.
 */
struct weir_producer *seven_bit_producer(const struct seven_bit_plan *plan, int fd, uint64_t size);

#endif
