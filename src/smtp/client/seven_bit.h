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
#ifndef WEIR_SEVEN_BIT_H
#define WEIR_SEVEN_BIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/limits.h>
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
void seven_bit_scan_consume(struct seven_bit_scan *scan, struct weir_span bytes);

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

/* -- fields of MIME ---------------------------------------------------------------------------- */

/* Content-Type, for the structure of a body, and Content-Transfer-Encoding (RFC 2045). */
enum {
	MIME_BOUNDARY_MAX = 200, /* bytes; RFC 2046 5.1.1 allows 70 */
};

enum mime_structure {
	MIME_TEXT,       /* text, or a malformed type (RFC 2045 5.2) */
	MIME_DATA,       /* a type that is not text, whose bytes any encoding may carry */
	MIME_MULTIPART,  /* parts, between lines with the boundary */
	MIME_SIGNED,     /* multipart/signed: the same, and no byte of it may change (RFC 1847) */
	MIME_DIGEST,     /* multipart/digest: the same, and a part without a type is a message */
	MIME_MESSAGE,    /* message/rfc822: a header and a body again */
	MIME_UNENCODABLE /* a message/ type that no encoding is allowed for, as message/partial */
};

struct mime_type {
	enum mime_structure structure;
	bool malformed; /* a multipart without a boundary that can be used */
	size_t boundary_size;
	char boundary[MIME_BOUNDARY_MAX];
};

/* Parses the value of Content-Type, which may have line folds and comments. */
void mime_type_parse(struct weir_span value, struct mime_type *ret);

enum mime_encoding {
	MIME_7BIT,
	MIME_8BIT, /* or binary */
	MIME_QUOTED_PRINTABLE,
	MIME_BASE64,
	MIME_UNKNOWN_ENCODING,
};

/* Parses the value of Content-Transfer-Encoding. An empty one is 7bit. */
enum mime_encoding mime_encoding_parse(struct weir_span value);

/* -- the scan, for seven_bit_scan.c and seven_bit_plan.c --------------------------------------- */

enum {
	SEVEN_BIT_LINE_MAX = 1024, /* bytes of a line that are scanned; MIME needs no longer ones */
	SEVEN_BIT_FIELD_MAX = 4096, /* bytes of a field's value, unfolded */
};

/* Why a message cannot be encoded; replies to the sender. */
#define SEVEN_BIT_FAULT_SIGNED                                                                     \
	"554 5.6.3 The message has bytes of 8 bits, the next server takes 7, and to encode them "  \
	"would break the signature"
#define SEVEN_BIT_FAULT_STRUCTURE                                                                  \
	"554 5.6.3 The message has bytes of 8 bits, the next server takes 7, and its MIME "        \
	"structure is malformed"
#define SEVEN_BIT_FAULT_UNENCODABLE                                                                \
	"554 5.6.3 The message has bytes of 8 bits, the next server takes 7, and they stand in a " \
	"part that may not be encoded"
#define SEVEN_BIT_FAULT_BOUND                                                                      \
	"554 5.6.3 The message has bytes of 8 bits, the next server takes 7, and it has too many " \
	"parts"

enum mime_phase {
	PHASE_HEADER,
	PHASE_BODY,     /* of a part without parts */
	PHASE_PREAMBLE, /* before the first boundary */
	PHASE_PARTS,    /* an entity is above this one on the stack */
	PHASE_EPILOGUE, /* behind the last boundary */
};

struct mime_entity {
	enum mime_phase phase;
	enum mime_encoding encoding;
	struct mime_type type;
	const char *fault; /* why it cannot be encoded, static; NULL: it can be */
	bool root;         /* a message, not a part of a multipart */
	bool intact;       /* within multipart/signed */
	bool in_digest;    /* without a type it is a message */
	bool has_type, has_encoding, has_version; /* these fields have been seen */
	uint64_t encoding_start, encoding_end;    /* that field, with its line end */
	uint64_t header_end;                      /* where a field can be inserted */
	uint64_t start;                           /* of the body, preamble or epilogue */
	uint64_t high;                            /* bytes of 8 bits in it */
};

/* Fields that are read. */
enum mime_field {
	FIELD_NONE,
	FIELD_OTHER,
	FIELD_TYPE,
	FIELD_ENCODING,
};

struct seven_bit_scan {
	int error;         /* -ENOMEM */
	const char *fault; /* the first */
	bool needed;       /* something has to be encoded */
	struct seven_bit_plan plan;
	size_t capacity; /* of the plan's edits */

	uint64_t offset;     /* of the byte that comes next */
	uint64_t line_start; /* of the line it belongs to */
	uint64_t line_high;  /* bytes of 8 bits in that line */
	size_t line_size;    /* bytes of it, of which `line` has the first */
	unsigned ending;     /* bytes that the line before it ended in: 0, 1 or 2 */
	char last;           /* the byte before the one that comes next */
	char line[SEVEN_BIT_LINE_MAX];

	enum mime_field field;
	uint64_t field_start;
	size_t field_size;
	bool field_cut; /* the value is longer than what is kept */
	char value[SEVEN_BIT_FIELD_MAX];

	unsigned depth; /* entities; at least 1 */
	struct mime_entity entities[WEIR_SMTP_MIME_DEPTH_MAX];
};

/* The entity on top of the stack. */
struct mime_entity *seven_bit_top(struct seven_bit_scan *scan);

/* The message cannot be encoded; the first fault decides. */
void seven_bit_fail(struct seven_bit_scan *scan, const char *fault);

/* Sets the encoding of an entity in its header. */
void seven_bit_label(
        struct seven_bit_scan *scan, const struct mime_entity *entity, enum mime_encoding encoding);

/* Begins an entity. `intact`: no byte of it may change; `in_digest`: see the field. */
void seven_bit_push(struct seven_bit_scan *scan, bool root, bool intact, bool in_digest);

/* The preamble or the epilogue of a multipart has ended. */
void seven_bit_end_outside(struct seven_bit_scan *scan, struct mime_entity *entity, uint64_t end);

/* Ends the entity on top of the stack, whose last byte is before `end`. */
void seven_bit_pop(struct seven_bit_scan *scan, uint64_t end);

#endif
