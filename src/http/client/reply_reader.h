/*
 * The reader of replies (RFC 9112): heads, bodies by length, by chunks or up to the end of the
 * connection, trailer fields. It knows no connection: the owner of a cutter passes on its
 * callbacks, and sets the terminator that the reader names.
 *
 *   HEAD ─▶ (1xx: HEAD again) ─▶ LENGTH ──────────────────────────────────────▶ DONE
 *                                CLOSE: up to the end of the connection ───────▶ DONE
 *             (101: CLOSE)
 *                                CHUNK_LINE ─▶ CHUNK_DATA ─▶ CHUNK_END ─▶ CHUNK_LINE …
 *                                     └ size 0 ─▶ TRAILERS ────────────────────▶ DONE
 *   any ── a fault ──▶ FAILED      DONE ── a byte ──▶ FAILED, with WEIR_E_HTTP_EXTRA
 *
 * It also reads the response of a CGI program, which the records of FastCGI frame: its end is that
 * of the input.
 *
 *   HEAD ─▶ LENGTH ─▶ REST ─▶ DONE        HEAD ─▶ CLOSE ─▶ DONE
 */
#ifndef HTTP_CLIENT_REPLY_READER_H
#define HTTP_CLIENT_REPLY_READER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/http_client.h>
#include <weir/span.h>
#include <weir/terminator.h>

enum http_reader_state {
	HTTP_READER_HEAD,
	HTTP_READER_LENGTH,
	HTTP_READER_CLOSE,
	HTTP_READER_CHUNK_LINE,
	HTTP_READER_CHUNK_DATA,
	HTTP_READER_CHUNK_END,
	HTTP_READER_TRAILERS,
	HTTP_READER_REST, /* of CGI: all of the body has come, or none is wanted */
	HTTP_READER_DONE,
	HTTP_READER_FAILED,
};

struct http_reader;

/* The parts of a reply. A callback may end the reader by http_reader_fail, but not free it. */
struct http_reader_type {
	void (*interim)(struct http_reader *reader, const struct weir_http_reply_head *head);
	void (*head)(struct http_reader *reader, const struct weir_http_reply_head *head);
	void (*piece)(struct http_reader *reader, struct weir_span bytes);
	void (*trailer)(struct http_reader *reader, const struct weir_http_field *field);
	/* The reply is complete (0), or the reader has failed: called once for each begin. */
	void (*end)(struct http_reader *reader, int error);
	/*
	 * 101 came. Returns whether it was asked for: then all that follows is pieces. NULL: never.
	 */
	bool (*accepts_upgrade)(
	        struct http_reader *reader, const struct weir_http_reply_head *head);
	void (*upgraded)(struct http_reader *reader, const struct weir_http_reply_head *head);
};

struct http_reader {
	const struct http_reader_type *type;
	enum http_reader_state state;
	int fault;           /* of the terminator that has refused the input, or 0 */
	bool changed;        /* the terminator has to be set: http_reader_next */
	bool begun;          /* a byte of the reply came */
	bool to_head;        /* the request was HEAD: the reply has no body */
	bool keep_alive;     /* the connection may be used again */
	bool cgi;            /* a response of CGI (RFC 3875 6) */
	bool extra;          /* of CGI: bytes came behind the body */
	unsigned interims;   /* that came before the final head */
	unsigned trailers;   /* fields */
	size_t head_max;     /* bytes of a head */
	uint64_t length;     /* of the body, or of the chunk */
	uint64_t body_bytes; /* that came */
	uint64_t body_max;
};

/* Sets `type` and `head_max`; the reader expects no reply yet. */
void http_reader_init(
        struct http_reader *reader, const struct http_reader_type *type, size_t head_max);

/* The next reply begins. Does not change `cgi`. */
void http_reader_begin(struct http_reader *reader, bool to_head, uint64_t body_max);

/* The callbacks of the cutter or channel. */
void http_reader_request(struct http_reader *reader, struct weir_span request);
void http_reader_piece(struct http_reader *reader, struct weir_span bytes);
void http_reader_overflow(struct http_reader *reader);

/* The input has ended; `truncated`: by TLS, it may have been cut short. */
void http_reader_eof(struct http_reader *reader, bool truncated);

/* Fails, unless the reply is complete: end() is called with `error`. */
void http_reader_fail(struct http_reader *reader, int error);

/* A terminator, and how its input is read. */
struct http_reader_next {
	struct weir_terminator terminator;
	uint32_t request_max;
	bool streamed;
};

/*
 * Names the terminator of the state, and clears `changed`. Returns false if the one that is set
 * stays.
 */
bool http_reader_next(struct http_reader *reader, struct http_reader_next *ret);

#endif
