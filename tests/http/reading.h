/*
 * A reader of replies on a cutter, in clear HTTP or in the records of FastCGI. Its reports are
 * collected as text, as those of fake_origin.h.
 */
#ifndef WEIR_TEST_READING_H
#define WEIR_TEST_READING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/buffer.h>
#include <weir/cutter.h>
#include <weir/error.h>

#include "fastcgi_reader.h"
#include "reply_reader.h"

enum {
	READING_HEAD_MAX = 1024,
	READING_BODY_MAX = 100,
	READING_RUNNING = 1, /* no error has this number */
};

struct reading {
	struct http_reader reader;
	struct fastcgi_reader fastcgi;
	bool is_fastcgi;
	struct weir_cutter cutter;
	struct weir_buffer text;
	struct weir_buffer error_text; /* of FastCGI */
	int error;
	unsigned ends;
};

void reading_begin(struct reading *reading, bool to_head);
/* The application is asked to keep the connection. */
void reading_begin_fastcgi(struct reading *reading, bool to_head);
void reading_finish(struct reading *reading);

/* Without an end of the input. */
void reading_feed(struct reading *reading, struct weir_span bytes);
/* In two pieces, cut at `at`; then the end of the input. */
void reading_feed_all(struct reading *reading, struct weir_span bytes, size_t at);

#endif
