/*
 * Replies as the client reads them, in clear or in the records of FastCGI: cut into any pieces,
 * they have the same meaning. The first two bytes of the input choose the request and the pieces.
 */
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/cutter.h>
#include <weir/error.h>
#include <weir/list.h>

#include "fastcgi_reader.h"
#include "reply_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	HEAD_MAX = 512,
	BODY_MAX = 2000,
	RUNNING = 1 /* no error has this number */
};

struct reading {
	struct http_reader reader;
	struct fastcgi_reader fastcgi;
	bool is_fastcgi;
	struct weir_cutter cutter;
	struct weir_buffer text; /* everything that was reported */
	size_t work;             /* callbacks of the cutter */
	int error;
};

static struct reading *reading_of(struct http_reader *reader)
{
	return WEIR_CONTAINER(reader, struct reading, reader);
}

static void note(struct http_reader *reader, char what, struct weir_span bytes)
{
	struct weir_buffer *text = &reading_of(reader)->text;
	if (reading_of(reader)->error != RUNNING)
		abort(); /* something is reported after the end */
	if ((what && weir_buffer_append(text, &what, 1, SIZE_MAX) < 0) ||
	        weir_buffer_append(text, bytes.data, bytes.size, SIZE_MAX) < 0)
		abort();
}

static void note_head(
        struct http_reader *reader, char what, const struct weir_http_reply_head *head)
{
	if (head->status < 100 || head->status > 599)
		abort();
	note(reader, what, head->reason);
	for (unsigned i = 0; i < head->field_count; i++) {
		note(reader, '\n', head->fields[i].name);
		note(reader, ':', head->fields[i].value);
	}
}

static void on_interim(struct http_reader *reader, const struct weir_http_reply_head *head)
{
	note_head(reader, 'i', head);
}

static void on_head(struct http_reader *reader, const struct weir_http_reply_head *head)
{
	note_head(reader, 'h', head);
}

static void on_piece(struct http_reader *reader, struct weir_span bytes)
{
	if (bytes.size == 0)
		abort();
	note(reader, 0, bytes);
}

static void on_trailer(struct http_reader *reader, const struct weir_http_field *field)
{
	note(reader, 't', field->name);
	note(reader, ':', field->value);
}

static void on_end(struct http_reader *reader, int error)
{
	if (reading_of(reader)->error != RUNNING)
		abort();
	reading_of(reader)->error = error;
}

static void on_error_text(struct fastcgi_reader *fastcgi, struct weir_span bytes)
{
	if (bytes.size == 0)
		abort();
	note(fastcgi->reply, 0, bytes);
}

static void apply(struct reading *reading)
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

static void cutter_request(struct weir_cutter *cutter, struct weir_span request)
{
	struct reading *reading = WEIR_CONTAINER(cutter, struct reading, cutter);
	reading->work++;
	if (reading->is_fastcgi)
		fastcgi_reader_request(&reading->fastcgi, request);
	else
		http_reader_request(&reading->reader, request);
	apply(reading);
}

static void cutter_piece(struct weir_cutter *cutter, struct weir_span bytes)
{
	struct reading *reading = WEIR_CONTAINER(cutter, struct reading, cutter);
	reading->work++;
	if (reading->is_fastcgi)
		fastcgi_reader_piece(&reading->fastcgi, bytes);
	else
		http_reader_piece(&reading->reader, bytes);
}

static void cutter_overflow(struct weir_cutter *cutter, int error)
{
	struct reading *reading = WEIR_CONTAINER(cutter, struct reading, cutter);
	(void)error;
	http_reader_overflow(&reading->reader);
}

static void reading_begin(struct reading *reading, bool to_head, bool fastcgi)
{
	static const struct http_reader_type type = {
	        on_interim, on_head, on_piece, on_trailer, on_end};
	*reading = (struct reading){.error = RUNNING, .is_fastcgi = fastcgi};
	http_reader_init(&reading->reader, &type, HEAD_MAX);
	if (fastcgi)
		fastcgi_reader_init(&reading->fastcgi, &reading->reader, on_error_text);
	http_reader_begin(&reading->reader, to_head, BODY_MAX);
	if (fastcgi)
		fastcgi_reader_begin(&reading->fastcgi, true);
	weir_cutter_init(&reading->cutter, weir_until_line_end(), HEAD_MAX);
	apply(reading);
}

static void reading_feed(struct reading *reading, struct weir_span bytes, size_t step)
{
	static const struct weir_cutter_type type = {
	        .request = cutter_request, .piece = cutter_piece, .overflow = cutter_overflow};
	for (size_t at = 0; at < bytes.size && reading->error == RUNNING; at += step) {
		size_t left = bytes.size - at;
		struct weir_span part = weir_span(bytes.data + at, left < step ? left : step);
		if (weir_cutter_feed(&reading->cutter, &type, part) < 0)
			abort();
	}
	/* Each callback takes a byte at least, but the end of a streamed body. */
	if (reading->work > 2 * bytes.size + 2)
		abort();
	if (reading->is_fastcgi)
		fastcgi_reader_eof(&reading->fastcgi);
	else
		http_reader_eof(&reading->reader, false);
	if (reading->error == RUNNING)
		abort();
}

static void reading_finish(struct reading *reading)
{
	weir_cutter_finish(&reading->cutter);
	fastcgi_reader_finish(&reading->fastcgi);
	weir_buffer_finish(&reading->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading whole, cut;
	if (size < 2)
		return 0;
	struct weir_span bytes = weir_span(data + 2, size - 2);
	reading_begin(&whole, data[0] & 1, data[0] & 2);
	reading_begin(&cut, data[0] & 1, data[0] & 2);
	reading_feed(&whole, bytes, size);
	reading_feed(&cut, bytes, data[1] ? data[1] : 1);
	if (whole.error != cut.error || whole.reader.keep_alive != cut.reader.keep_alive ||
	        whole.reader.begun != cut.reader.begun)
		abort();
	/* A body that is too large ends in the piece in which it becomes so. */
	if (whole.error != WEIR_E_HTTP_BODY_SIZE &&
	        !weir_span_equal(weir_buffer_span(&whole.text), weir_buffer_span(&cut.text)))
		abort();
	reading_finish(&whole);
	reading_finish(&cut);
	return 0;
}
