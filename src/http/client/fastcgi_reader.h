/*
 * The reader of what a FastCGI application sends for a request: records, whose STDOUT is the
 * response of a CGI program. It passes that on to a reader of replies, whose callbacks the user
 * gets, and is used as that one is: with the callbacks of a cutter and the terminators that it
 * names.
 *
 *   HEADER ─▶ CONTENT, with its padding ─▶ HEADER …
 *      └─▶ END_REQUEST: the reply is complete ─▶ ENDED
 *
 *   channel ─▶ records ─▶ STDOUT ─▶ cutter ─▶ http_reader: head(), piece(), end()
 *                  └─▶ STDERR ─▶ text()
 */
#ifndef HTTP_FASTCGI_READER_H
#define HTTP_FASTCGI_READER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/cutter.h>

#include "fastcgi_record.h"
#include "reply_reader.h"

enum fastcgi_reader_state {
	FASTCGI_READER_HEADER,
	FASTCGI_READER_CONTENT,
	FASTCGI_READER_END, /* the content of END_REQUEST is awaited */
	FASTCGI_READER_ENDED,
};

struct fastcgi_reader;

/* The application has written bytes to its error stream. */
typedef void fastcgi_text_fn(struct fastcgi_reader *reader, struct weir_span bytes);

struct fastcgi_reader {
	struct http_reader *reply; /* of CGI; fails with the fault of a record */
	fastcgi_text_fn *text;
	struct weir_cutter cutter; /* of STDOUT */
	enum fastcgi_reader_state state;
	bool changed;     /* the terminator has to be set */
	bool keep;        /* the application was asked to keep the connection */
	bool stdout_over; /* its stream has ended */
	struct fastcgi_header header;
	uint32_t content_left; /* of the record; then its padding */
	uint32_t app_status;   /* of END_REQUEST: the exit status of the program */
};

/* Makes `reply` a reader of CGI. No reply is expected yet. */
void fastcgi_reader_init(
        struct fastcgi_reader *reader, struct http_reader *reply, fastcgi_text_fn *text);
void fastcgi_reader_finish(struct fastcgi_reader *reader);

/* The next reply begins, after http_reader_begin. */
void fastcgi_reader_begin(struct fastcgi_reader *reader, bool keep);

/* The callbacks of the cutter or channel. Its overflow is http_reader_overflow of `reply`. */
void fastcgi_reader_request(struct fastcgi_reader *reader, struct weir_span request);
void fastcgi_reader_piece(struct fastcgi_reader *reader, struct weir_span bytes);

/* The input has ended: a reply is complete with END_REQUEST alone. */
void fastcgi_reader_eof(struct fastcgi_reader *reader);

/* As http_reader_next. */
bool fastcgi_reader_next(struct fastcgi_reader *reader, struct http_reader_next *ret);

#endif
