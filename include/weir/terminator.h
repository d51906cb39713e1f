/*
 * A terminator: the rule for where the current request ends. It is a value, copied into the channel
 * when it is set; it applies to the very next byte.
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

enum weir_scan {
	WEIR_SCAN_MORE,  /* no end in sight */
	WEIR_SCAN_FOUND, /* the request ends here */
	WEIR_SCAN_BAD,   /* whatever follows, this can be no request */
};

/* What a scan found, counted from the start of the request. */
struct weir_cut {
	size_t end;   /* FOUND: the bytes of the request and what ends it */
	size_t strip; /* FOUND: of these, the last that are not part of the request */
	size_t hold;  /* MORE: the last bytes that may turn out to be the beginning of the end */
};

struct weir_terminator;

struct weir_terminator_type {
	const char *name;
	/*
	 * Looks for the end. `data` holds the current request from its start (or, where input is
	 * streamed, from its first byte not handed over yet). The first `seen` bytes of it were
	 * there in an earlier call that answered MORE. `before` counts the bytes of this request
	 * handed over before `data`. Sets *ret as the answer needs it; all zero at the call.
	 */
	enum weir_scan (*scan)(struct weir_terminator *terminator, struct weir_span data,
	        size_t seen, uint64_t before, struct weir_cut *ret);
};

/* To write one of your own: a type, and a value that points to it. */
struct weir_terminator {
	const struct weir_terminator_type *type;
	union {
		const char *delimiter; /* borrowed as long as it is set */
		uint64_t length;
		const void *context;
	};
	uint32_t size;  /* of the delimiter */
	uint32_t state; /* the scan's own; the channel makes it 0 before each request */
};

/*
 * 1 to WEIR_DELIMITER_MAX bytes, which must stay valid as long as the terminator is set. The terminator
 * of a delimiter of any other size refuses all input: overflow() is called with WEIR_E_SYNTAX.
 */
WEIR_API struct weir_terminator weir_until(struct weir_span delimiter);

/* CRLF. */
WEIR_API struct weir_terminator weir_until_line_end(void);

/*
 * LF or CRLF, as protocols for people take it: nc and telnet end lines in different ways. A CR that
 * no LF follows belongs to the line. Where a relay in front may see other lines than this server
 * does (SMTP, HTTP), use weir_until_line_end.
 */
WEIR_API struct weir_terminator weir_until_any_line_end(void);

/*
 * So many bytes: each request is of this length until another terminator is set. A length of 0 is
 * met at once, and request() must then set another: it would be met for ever.
 */
WEIR_API struct weir_terminator weir_length(uint64_t length);

/* No end: everything that comes, up to the end of the input. For streamed input only. */
WEIR_API struct weir_terminator weir_everything(void);

#endif
