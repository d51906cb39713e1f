/* See the header. */
#include "reading.h"

#include <weir/list.h>

/* -- reports ----------------------------------------------------------------------------------- */

static struct reading *reading_of(struct http_reader *reader)
{
	return WEIR_CONTAINER(reader, struct reading, reader);
}

static void reading_note(struct reading *reading, const char *what, struct weir_span bytes)
{
	assert_int_equal(weir_buffer_format(&reading->text, 1 << 20, "%s%.*s", what,
	                         (int)bytes.size, bytes.data),
	        0);
}

static void reading_on_interim(struct http_reader *reader, const struct weir_http_reply_head *head)
{
	char status[16];
	snprintf(status, sizeof status, "(%u)", head->status);
	reading_note(reading_of(reader), status, WEIR_SPAN(""));
}

static void reading_on_head(struct http_reader *reader, const struct weir_http_reply_head *head)
{
	struct reading *reading = reading_of(reader);
	char status[32];
	snprintf(status, sizeof status, "%u ", head->status);
	reading_note(reading, status, head->reason);
	reading_note(reading, "|", WEIR_SPAN(""));
}

static void reading_on_piece(struct http_reader *reader, struct weir_span bytes)
{
	assert_true(bytes.size > 0);
	reading_note(reading_of(reader), "", bytes);
}

static void reading_on_trailer(struct http_reader *reader, const struct weir_http_field *field)
{
	struct reading *reading = reading_of(reader);
	reading_note(reading, "|", field->name);
	reading_note(reading, "=", field->value);
}

static void reading_on_end(struct http_reader *reader, int error)
{
	struct reading *reading = reading_of(reader);
	reading->error = error;
	reading->ends++;
}

static void reading_on_text(struct fastcgi_reader *reader, struct weir_span bytes)
{
	struct reading *reading = WEIR_CONTAINER(reader, struct reading, fastcgi);
	assert_true(bytes.size > 0);
	assert_int_equal(
	        weir_buffer_append(&reading->error_text, bytes.data, bytes.size, 1 << 20), 0);
}

/* -- the cutter -------------------------------------------------------------------------------- */

static void reading_apply(struct reading *reading)
{
	struct http_reader_next next;
	if (reading->is_fastcgi ? !fastcgi_reader_next(&reading->fastcgi, &next)
	                        : !http_reader_next(&reading->reader, &next))
		return;
	reading->cutter.request_max = next.request_max;
	if (next.streamed)
		weir_cutter_stream(&reading->cutter, next.terminator);
	else
		weir_cutter_await(&reading->cutter, next.terminator);
}

static void reading_on_request(struct weir_cutter *cutter, struct weir_span request)
{
	struct reading *reading = WEIR_CONTAINER(cutter, struct reading, cutter);
	if (reading->is_fastcgi)
		fastcgi_reader_request(&reading->fastcgi, request);
	else
		http_reader_request(&reading->reader, request);
	reading_apply(reading);
}

static void reading_on_bytes(struct weir_cutter *cutter, struct weir_span bytes)
{
	struct reading *reading = WEIR_CONTAINER(cutter, struct reading, cutter);
	if (reading->is_fastcgi)
		fastcgi_reader_piece(&reading->fastcgi, bytes);
	else
		http_reader_piece(&reading->reader, bytes);
}

static void reading_on_overflow(struct weir_cutter *cutter, int error)
{
	(void)error;
	http_reader_overflow(&WEIR_CONTAINER(cutter, struct reading, cutter)->reader);
}

/* -- what tests call --------------------------------------------------------------------------- */

static void reading_init(struct reading *reading)
{
	static const struct http_reader_type type = {.interim = reading_on_interim,
	        .head = reading_on_head,
	        .piece = reading_on_piece,
	        .trailer = reading_on_trailer,
	        .end = reading_on_end};
	*reading = (struct reading){.error = READING_RUNNING};
	http_reader_init(&reading->reader, &type, READING_HEAD_MAX);
	weir_cutter_init(&reading->cutter, weir_until_line_end(), READING_HEAD_MAX);
}

void reading_begin(struct reading *reading, bool to_head)
{
	reading_init(reading);
	http_reader_begin(&reading->reader, to_head, READING_BODY_MAX);
	reading_apply(reading);
}

void reading_begin_fastcgi(struct reading *reading, bool to_head)
{
	reading_init(reading);
	reading->is_fastcgi = true;
	fastcgi_reader_init(&reading->fastcgi, &reading->reader, reading_on_text);
	http_reader_begin(&reading->reader, to_head, READING_BODY_MAX);
	fastcgi_reader_begin(&reading->fastcgi, true);
	reading_apply(reading);
}

void reading_finish(struct reading *reading)
{
	weir_cutter_finish(&reading->cutter);
	fastcgi_reader_finish(&reading->fastcgi);
	weir_buffer_finish(&reading->text);
	weir_buffer_finish(&reading->error_text);
}

void reading_feed(struct reading *reading, struct weir_span bytes)
{
	static const struct weir_cutter_type type = {.request = reading_on_request,
	        .piece = reading_on_bytes,
	        .overflow = reading_on_overflow};
	if (bytes.size)
		assert_int_equal(weir_cutter_feed(&reading->cutter, &type, bytes), 0);
}

void reading_feed_all(struct reading *reading, struct weir_span bytes, size_t at)
{
	reading_feed(reading, weir_span(bytes.data, at));
	if (reading->ends == 0)
		reading_feed(reading, weir_span_skip(bytes, at));
	if (reading->is_fastcgi)
		fastcgi_reader_eof(&reading->fastcgi);
	else
		http_reader_eof(&reading->reader, false);
}
