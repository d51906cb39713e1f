/*
 * Reads records, strictly. Invariant: behind END_REQUEST every byte is refused until the next reply
 * is expected, by the reader of replies.
 *
 * STDERR has no end that matters: applications leave out the records that end it.
 */
#include <errno.h>

#include <weir/error.h>
#include <weir/list.h>

#include "fastcgi_reader.h"
#include "helper.h"

static void fastcgi_reader_enter(struct fastcgi_reader *reader, enum fastcgi_reader_state state)
{
	reader->state = state;
	reader->changed = true;
}

static void fastcgi_reader_fail(struct fastcgi_reader *reader, int error)
{
	fastcgi_reader_enter(reader, FASTCGI_READER_ENDED);
	http_reader_fail(reader->reply, error);
}

/* -- STDOUT ------------------------------------------------------------------------------------ */

static struct fastcgi_reader *fastcgi_reader_of(const struct weir_cutter *cutter)
{
	return WEIR_CONTAINER(cutter, struct fastcgi_reader, cutter);
}

static void fastcgi_reader_apply(struct fastcgi_reader *reader)
{
	struct http_reader_next next;
	if (!http_reader_next(reader->reply, &next))
		return;
	reader->cutter.request_max = next.request_max;
	if (next.streamed)
		weir_cutter_stream(&reader->cutter, next.terminator);
	else
		weir_cutter_await(&reader->cutter, next.terminator);
}

static void fastcgi_reader_on_request(struct weir_cutter *cutter, struct weir_span request)
{
	struct fastcgi_reader *reader = fastcgi_reader_of(cutter);
	http_reader_request(reader->reply, request);
	fastcgi_reader_apply(reader);
}

static void fastcgi_reader_on_piece(struct weir_cutter *cutter, struct weir_span bytes)
{
	struct fastcgi_reader *reader = fastcgi_reader_of(cutter);
	http_reader_piece(reader->reply, bytes);
	fastcgi_reader_apply(reader);
}

static void fastcgi_reader_on_overflow(struct weir_cutter *cutter, int error)
{
	(void)error;
	http_reader_overflow(fastcgi_reader_of(cutter)->reply);
}

static void fastcgi_reader_feed(struct fastcgi_reader *reader, struct weir_span bytes)
{
	static const struct weir_cutter_type type = {.request = fastcgi_reader_on_request,
	        .piece = fastcgi_reader_on_piece,
	        .overflow = fastcgi_reader_on_overflow};
	if (weir_cutter_feed(&reader->cutter, &type, bytes) < 0)
		fastcgi_reader_fail(reader, -ENOMEM);
	else if (reader->reply->state == HTTP_READER_FAILED)
		fastcgi_reader_enter(reader, FASTCGI_READER_ENDED);
}

/* -- records ----------------------------------------------------------------------------------- */

static struct fastcgi_reader *fastcgi_reader_of_terminator(const struct weir_terminator *terminator)
{
	return (struct fastcgi_reader *)terminator->context;
}

/* The first byte counts: from there on, the request is not sent again. */
static enum weir_scan fastcgi_reader_scan_header(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	struct http_reader *reply = fastcgi_reader_of_terminator(terminator)->reply;
	(void)seen;
	(void)before;
	reply->begun |= data.size > 0;
	if (data.size < FASTCGI_HEADER_SIZE)
		return WEIR_SCAN_MORE;
	ret->end = FASTCGI_HEADER_SIZE;
	return WEIR_SCAN_FOUND;
}

bool fastcgi_reader_next(struct fastcgi_reader *reader, struct http_reader_next *ret)
{
	static const struct weir_terminator_type header = {
	        "fastcgi-header", fastcgi_reader_scan_header};
	size_t size = (size_t)reader->header.size + reader->header.padding;
	if (!reader->changed)
		return false;
	reader->changed = false;
	*ret = (struct http_reader_next){.request_max = FASTCGI_END_SIZE + FASTCGI_PADDING_MAX};
	switch (reader->state) {
	case FASTCGI_READER_HEADER:
		ret->terminator = (struct weir_terminator){.type = &header, .context = reader};
		break;
	case FASTCGI_READER_CONTENT:
		ret->terminator = weir_length(size);
		ret->streamed = true;
		break;
	case FASTCGI_READER_END:
		ret->terminator = weir_length(size);
		break;
	case FASTCGI_READER_ENDED:
		/* Whatever the cutter of STDOUT has set before. */
		reader->reply->changed = true;
		return http_reader_next(reader->reply, ret);
	}
	return true;
}

static void fastcgi_reader_handle_header(struct fastcgi_reader *reader, struct weir_span bytes)
{
	struct fastcgi_header *header = &reader->header;
	int error = fastcgi_header_parse((const uint8_t *)bytes.data, header);
	bool is_end = !error && header->type == FASTCGI_END_REQUEST;
	bool is_stdout = !error && header->type == FASTCGI_STDOUT;
	bool misplaced = (is_end && header->size != FASTCGI_END_SIZE) ||
	                 (is_stdout && header->size && reader->stdout_over);
	if (error || misplaced) {
		fastcgi_reader_fail(reader, WEIR_E_FASTCGI_RECORD);
		return;
	}
	reader->stdout_over |= is_stdout && !header->size;
	reader->content_left = header->size;
	if (is_end)
		fastcgi_reader_enter(reader, FASTCGI_READER_END);
	else if (header->size + header->padding)
		fastcgi_reader_enter(reader, FASTCGI_READER_CONTENT);
}

static void fastcgi_reader_handle_end(struct fastcgi_reader *reader, const uint8_t *content)
{
	struct http_reader *reply = reader->reply;
	reader->app_status = (uint32_t)content[0] << 24 | (uint32_t)content[1] << 16 |
	                     (uint32_t)content[2] << 8 | content[3];
	if (content[4] != FASTCGI_COMPLETE) {
		fastcgi_reader_fail(reader, content[4] == FASTCGI_OVERLOADED
		                                    ? WEIR_E_FASTCGI_OVERLOAD
		                                    : WEIR_E_FASTCGI_REFUSED);
		return;
	}
	fastcgi_reader_enter(reader, FASTCGI_READER_ENDED);
	weir_cutter_finish(&reader->cutter);
	reply->keep_alive = reader->keep && !reply->extra;
	http_reader_eof(reply, false);
}

/* -- the callbacks of the owner ---------------------------------------------------------------- */

void fastcgi_reader_request(struct fastcgi_reader *reader, struct weir_span request)
{
	switch (reader->state) {
	case FASTCGI_READER_HEADER:
		fastcgi_reader_handle_header(reader, request);
		break;
	case FASTCGI_READER_CONTENT:
		fastcgi_reader_enter(reader, FASTCGI_READER_HEADER);
		break;
	case FASTCGI_READER_END:
		fastcgi_reader_handle_end(reader, (const uint8_t *)request.data);
		break;
	case FASTCGI_READER_ENDED:
		break;
	}
}

void fastcgi_reader_piece(struct fastcgi_reader *reader, struct weir_span bytes)
{
	bytes.size = min_of(bytes.size, (size_t)reader->content_left);
	reader->content_left -= (uint32_t)bytes.size;
	if (reader->state != FASTCGI_READER_CONTENT || !bytes.size)
		return;
	if (reader->header.type == FASTCGI_STDOUT)
		fastcgi_reader_feed(reader, bytes);
	else
		reader->text(reader, bytes);
}

void fastcgi_reader_eof(struct fastcgi_reader *reader)
{
	fastcgi_reader_fail(reader, WEIR_E_HTTP_SHORT);
}

/* -- life -------------------------------------------------------------------------------------- */

void fastcgi_reader_init(
        struct fastcgi_reader *reader, struct http_reader *reply, fastcgi_text_fn *text)
{
	reply->cgi = true;
	*reader = (struct fastcgi_reader){
	        .reply = reply, .text = text, .state = FASTCGI_READER_ENDED, .changed = true};
}

void fastcgi_reader_begin(struct fastcgi_reader *reader, bool keep)
{
	fastcgi_reader_finish(reader);
	fastcgi_reader_init(reader, reader->reply, reader->text);
	reader->keep = keep;
	reader->state = FASTCGI_READER_HEADER;
	weir_cutter_init(&reader->cutter, weir_everything(), 0);
	fastcgi_reader_apply(reader);
}

void fastcgi_reader_finish(struct fastcgi_reader *reader)
{
	weir_cutter_finish(&reader->cutter);
}
