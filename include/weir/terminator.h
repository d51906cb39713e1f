/*
 * A terminator: the rule for where the current request ends. It is a value, which is copied into
 * the channel when it is set, and applies to the very next byte.
 *
 *   input  GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HT…
 *          └─ request ─────────────┘└ strip ┘
 */
#ifndef WEIR_TERMINATOR_H
#define WEIR_TERMINATOR_H

#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

enum weir_scan {
	WEIR_SCAN_MORE,  /* the request does not end in this input */
	WEIR_SCAN_FOUND, /* the request ends here */
	WEIR_SCAN_BAD,   /* no continuation can make this a request */
};

/* Where the request ends, counted from its start. */
struct weir_cut {
	size_t end;   /* FOUND: the bytes of the request, with those that end it */
	size_t strip; /* FOUND: of these, the last ones that are not part of the request */
	size_t hold;  /* MORE: the last bytes, which may turn out to be the beginning of the end */
};

struct weir_terminator;

struct weir_terminator_type {
	const char *name;
	/*
	 * Looks for the end. `data` is the current request from its start or, where input is
	 * streamed, from its first byte that piece() has not got yet. The first `seen` bytes were
	 * there in an earlier call that returned MORE. `before` is the number of bytes of this
	 * request that piece() has got. Sets the fields of *ret that belong to the result; they are
	 * 0 at the call.
	 */
	enum weir_scan (*scan)(struct weir_terminator *terminator, struct weir_span data,
	        size_t seen, uint64_t before, struct weir_cut *ret);
};

/* A terminator of one's own is a type, and a value that points to it. */
struct weir_terminator {
	const struct weir_terminator_type *type;
	union {
		const char *delimiter; /* borrowed as long as the terminator is set */
		uint64_t length;
		const void *context;
	};
	uint32_t size;  /* of the delimiter */
	uint32_t state; /* for the scan; 0 at the start of each request */
};

/*
 * A delimiter of 1 to WEIR_DELIMITER_MAX bytes, which must stay valid as long as the terminator is
 * set. A delimiter of any other size refuses all input: overflow() is called with WEIR_E_SYNTAX.
 */
WEIR_API struct weir_terminator weir_until(struct weir_span delimiter);

/* CRLF. */
WEIR_API struct weir_terminator weir_until_line_end(void);

/*
 * LF or CRLF, for protocols that people type: nc and telnet end lines in different ways. A CR
 * without an LF belongs to the line. Where a proxy could see other lines than this server does
 * (SMTP, HTTP), use weir_until_line_end.
 */
WEIR_API struct weir_terminator weir_until_any_line_end(void);

/*
 * A number of bytes: each request has this length until another terminator is set. A length of 0
 * ends at once; then request() must set another terminator, or it is called without end.
 */
WEIR_API struct weir_terminator weir_length(uint64_t length);

/* No end: everything up to the end of the input. For streamed input only. */
WEIR_API struct weir_terminator weir_everything(void);

WEIR_C_END

#endif
