/*
 * Reads replies, strictly. Invariant: behind a complete reply every byte is refused until the next
 * reply is expected, so that no byte of one reply is taken for another's.
 *
 * A fault of a terminator is stored in the reader, since a scan can only say that it refuses.
 */
#include <string.h>

#include <weir/error.h>

#include "cgi_head.h"
#include "head.h"
#include "reply_reader.h"

/* -- terminators ------------------------------------------------------------------------------- */

static struct http_reader *http_reader_of(const struct weir_terminator *terminator)
{
	return (struct http_reader *)terminator->context;
}

static enum weir_scan http_reader_refuse(const struct weir_terminator *terminator, int fault)
{
	http_reader_of(terminator)->fault = fault;
	return WEIR_SCAN_BAD;
}

static enum weir_scan http_reader_scan_head(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	struct http_reader *reader = http_reader_of(terminator);
	struct http_head_scan scan;
	size_t used;
	(void)before;
	if (data.size == seen)
		return WEIR_SCAN_MORE;
	reader->begun = true;
	/* A server has no reason to send empty lines before a reply. */
	if (data.data[0] != 'H')
		return http_reader_refuse(terminator, WEIR_E_HTTP_STATUS);
	/* Bytes behind the bound are not looked at, so that the fault does not depend on cuts. */
	bool too_large = data.size > reader->head_max;
	if (too_large)
		data.size = reader->head_max;
	memcpy(&scan, &terminator->state, sizeof scan);
	enum http_scan result = http_head_scan(&scan, weir_span_skip(data, seen), &used);
	memcpy(&terminator->state, &scan, sizeof scan);
	if (result == WEIR_HTTP_SCAN_MALFORMED)
		return http_reader_refuse(terminator, WEIR_E_HTTP_LINE_END);
	if (result == WEIR_HTTP_SCAN_MORE && too_large)
		return http_reader_refuse(terminator, WEIR_E_HTTP_HEAD_SIZE);
	if (result == WEIR_HTTP_SCAN_MORE)
		return WEIR_SCAN_MORE;
	ret->end = seen + used;
	return WEIR_SCAN_FOUND;
}

static enum weir_scan http_reader_scan_cgi_head(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	size_t head_max = http_reader_of(terminator)->head_max;
	bool too_large = data.size > head_max;
	(void)before;
	if (too_large)
		data.size = head_max;
	enum weir_scan result = http_cgi_head_scan(&terminator->state, data, seen, ret);
	if (result == WEIR_SCAN_BAD)
		return http_reader_refuse(terminator, WEIR_E_HTTP_LINE_END);
	if (result == WEIR_SCAN_MORE && too_large)
		return http_reader_refuse(terminator, WEIR_E_HTTP_HEAD_SIZE);
	return result;
}

static enum weir_scan http_reader_scan_line(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	bool trailer = http_reader_of(terminator)->state == HTTP_READER_TRAILERS;
	(void)before;
	enum weir_scan result = http_line_scan(data, seen, ret);
	if (result != WEIR_SCAN_BAD)
		return result;
	return http_reader_refuse(terminator, trailer ? WEIR_E_HTTP_TRAILER : WEIR_E_HTTP_CHUNK);
}

static enum weir_scan http_reader_scan_chunk_end(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)seen;
	(void)before;
	enum weir_scan result = http_chunk_end_scan(data, ret);
	return result == WEIR_SCAN_BAD ? http_reader_refuse(terminator, WEIR_E_HTTP_CHUNK) : result;
}

/* Between replies. */
static enum weir_scan http_reader_scan_nothing(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)seen;
	(void)before;
	(void)ret;
	return data.size ? http_reader_refuse(terminator, WEIR_E_HTTP_EXTRA) : WEIR_SCAN_MORE;
}

static const struct weir_terminator_type head_type = {"http-reply-head", http_reader_scan_head};
static const struct weir_terminator_type cgi_head_type = {"cgi-head", http_reader_scan_cgi_head};
static const struct weir_terminator_type line_type = {"http-reply-line", http_reader_scan_line};
static const struct weir_terminator_type chunk_end_type = {
        "http-reply-chunk-end", http_reader_scan_chunk_end};
static const struct weir_terminator_type nothing_type = {"http-no-reply", http_reader_scan_nothing};

bool http_reader_next(struct http_reader *reader, struct http_reader_next *ret)
{
	if (!reader->changed)
		return false;
	*ret = (struct http_reader_next){.request_max = (uint32_t)reader->head_max};
	ret->terminator.context = reader;
	reader->changed = false;
	switch (reader->state) {
	case HTTP_READER_HEAD:
		ret->terminator.type = reader->cgi ? &cgi_head_type : &head_type;
		break;
	case HTTP_READER_LENGTH:
	case HTTP_READER_CHUNK_DATA:
		ret->terminator = weir_length(reader->length);
		ret->streamed = true;
		break;
	case HTTP_READER_CLOSE:
	case HTTP_READER_REST:
		ret->terminator = weir_everything();
		ret->streamed = true;
		break;
	case HTTP_READER_CHUNK_LINE:
		ret->terminator.type = &line_type;
		ret->request_max = WEIR_HTTP_CHUNK_LINE_MAX;
		break;
	case HTTP_READER_TRAILERS:
		ret->terminator.type = &line_type;
		ret->request_max = WEIR_HTTP_TRAILER_MAX;
		break;
	case HTTP_READER_CHUNK_END:
		ret->terminator.type = &chunk_end_type;
		break;
	case HTTP_READER_DONE:
	case HTTP_READER_FAILED:
		ret->terminator.type = &nothing_type;
		break;
	}
	return true;
}

/* -- the reply --------------------------------------------------------------------------------- */

static void http_reader_enter(struct http_reader *reader, enum http_reader_state state)
{
	reader->state = state;
	reader->changed = true;
}

static void http_reader_complete(struct http_reader *reader)
{
	if (reader->cgi && reader->state != HTTP_READER_CLOSE &&
	        reader->state != HTTP_READER_REST) {
		http_reader_enter(reader, HTTP_READER_REST);
		return;
	}
	http_reader_enter(reader, HTTP_READER_DONE);
	reader->type->end(reader, 0);
}

void http_reader_fail(struct http_reader *reader, int error)
{
	if (reader->state == HTTP_READER_DONE || reader->state == HTTP_READER_FAILED)
		return;
	http_reader_enter(reader, HTTP_READER_FAILED);
	reader->keep_alive = false;
	reader->type->end(reader, error);
}

/* RFC 9112 6.3. */
static enum http_reader_state http_reader_body_state(
        const struct http_reader *reader, const struct http_reply_head *reply)
{
	const struct weir_http_request *message = &reply->message;
	if (reader->to_head || reply->status < 200 || reply->status == 204 || reply->status == 304)
		return HTTP_READER_DONE;
	if (message->chunked)
		return HTTP_READER_CHUNK_LINE;
	if (message->has_length)
		return message->length ? HTTP_READER_LENGTH : HTTP_READER_DONE;
	return HTTP_READER_CLOSE;
}

static void http_reader_handle_interim(
        struct http_reader *reader, const struct weir_http_reply_head *head)
{
	const struct http_reader_type *type = reader->type;
	bool upgrade =
	        head->status == 101 && type->accepts_upgrade && type->accepts_upgrade(reader, head);
	if (upgrade) {
		reader->keep_alive = false;
		reader->body_max = UINT64_MAX;
		http_reader_enter(reader, HTTP_READER_CLOSE);
		type->upgraded(reader, head);
		return;
	}
	if (head->status == 101 || ++reader->interims > WEIR_HTTP_CLIENT_INTERIM_MAX) {
		http_reader_fail(reader, WEIR_E_HTTP_INTERIM);
		return;
	}
	http_reader_enter(reader, HTTP_READER_HEAD);
	reader->type->interim(reader, head);
}

static void http_reader_handle_final(struct http_reader *reader,
        const struct http_reply_head *reply, const struct weir_http_reply_head *head)
{
	enum http_reader_state state = http_reader_body_state(reader, reply);
	reader->keep_alive = reply->message.keep_alive && state != HTTP_READER_CLOSE;
	reader->length = reply->message.length;
	http_reader_enter(reader, state == HTTP_READER_DONE ? HTTP_READER_HEAD : state);
	reader->type->head(reader, head); /* it may change body_max */
	if (reader->state == HTTP_READER_HEAD)
		http_reader_complete(reader);
	else if (reader->state == HTTP_READER_LENGTH && reader->length > reader->body_max)
		http_reader_fail(reader, WEIR_E_HTTP_BODY_SIZE);
}

static void http_reader_handle_reply(
        struct http_reader *reader, const struct http_reply_head *reply)
{
	enum http_reader_state state = http_reader_body_state(reader, reply);
	struct weir_http_reply_head head = {
	        .status = reply->status,
	        .reason = reply->reason,
	        .minor = reply->message.minor,
	        .has_body = state != HTTP_READER_DONE,
	        .length = reply->message.has_length ? (int64_t)reply->message.length : -1,
	        .fields = reply->message.fields,
	        .field_count = reply->message.field_count,
	};
	if (reply->status < 200)
		http_reader_handle_interim(reader, &head);
	else
		http_reader_handle_final(reader, reply, &head);
}

static void http_reader_handle_head(struct http_reader *reader, struct weir_span bytes)
{
	struct http_reply_head reply;
	struct weir_buffer text = {0};
	int error = reader->cgi ? http_cgi_head_parse(bytes, &text, &reply)
	                        : http_reply_head_parse(bytes, &reply);
	if (error)
		http_reader_fail(reader, error);
	else
		http_reader_handle_reply(reader, &reply);
	weir_buffer_finish(&text);
}

static void http_reader_handle_chunk_line(struct http_reader *reader, struct weir_span line)
{
	uint64_t size;
	if (http_chunk_parse(line, &size) < 0) {
		http_reader_fail(reader, WEIR_E_HTTP_CHUNK);
	} else if (size == 0) {
		http_reader_enter(reader, HTTP_READER_TRAILERS);
	} else {
		reader->length = size;
		http_reader_enter(reader, HTTP_READER_CHUNK_DATA);
	}
}

static void http_reader_handle_trailer(struct http_reader *reader, struct weir_span line)
{
	struct weir_http_field field;
	if (line.size == 0)
		http_reader_complete(reader);
	else if (++reader->trailers > WEIR_HTTP_TRAILERS_IN_MAX ||
	         http_trailer_parse(line, &field) < 0)
		http_reader_fail(reader, WEIR_E_HTTP_TRAILER);
	else
		reader->type->trailer(reader, &field);
}

/* -- the callbacks of the owner ---------------------------------------------------------------- */

void http_reader_request(struct http_reader *reader, struct weir_span request)
{
	switch (reader->state) {
	case HTTP_READER_HEAD:
		http_reader_handle_head(reader, request);
		break;
	case HTTP_READER_LENGTH:
		http_reader_complete(reader);
		break;
	case HTTP_READER_CHUNK_LINE:
		http_reader_handle_chunk_line(reader, request);
		break;
	case HTTP_READER_CHUNK_DATA:
		http_reader_enter(reader, HTTP_READER_CHUNK_END);
		break;
	case HTTP_READER_CHUNK_END:
		http_reader_enter(reader, HTTP_READER_CHUNK_LINE);
		break;
	case HTTP_READER_TRAILERS:
		http_reader_handle_trailer(reader, request);
		break;
	case HTTP_READER_CLOSE:
	case HTTP_READER_REST:
	case HTTP_READER_DONE:
	case HTTP_READER_FAILED:
		break;
	}
}

void http_reader_piece(struct http_reader *reader, struct weir_span bytes)
{
	if (reader->state == HTTP_READER_FAILED)
		return;
	if (reader->state == HTTP_READER_REST) {
		/* A body that is not wanted is dropped (RFC 3875 4.3.2). */
		reader->extra |= reader->body_bytes > 0;
		return;
	}
	reader->body_bytes += bytes.size;
	if (reader->body_bytes > reader->body_max)
		http_reader_fail(reader, WEIR_E_HTTP_BODY_SIZE);
	else
		reader->type->piece(reader, bytes);
}

/* The terminator has refused the input, or a line is longer than its bound. */
void http_reader_overflow(struct http_reader *reader)
{
	int fault = reader->fault;
	if (fault == 0)
		fault = reader->state == HTTP_READER_TRAILERS ? WEIR_E_HTTP_TRAILER
		                                              : WEIR_E_HTTP_CHUNK;
	http_reader_fail(reader, fault);
}

void http_reader_eof(struct http_reader *reader, bool truncated)
{
	bool ends = reader->state == HTTP_READER_CLOSE || reader->state == HTTP_READER_REST;
	if (ends && !truncated)
		http_reader_complete(reader);
	else
		http_reader_fail(reader, WEIR_E_HTTP_SHORT);
}

void http_reader_init(
        struct http_reader *reader, const struct http_reader_type *type, size_t head_max)
{
	*reader = (struct http_reader){
	        .type = type, .state = HTTP_READER_DONE, .changed = true, .head_max = head_max};
}

void http_reader_begin(struct http_reader *reader, bool to_head, uint64_t body_max)
{
	bool cgi = reader->cgi;
	http_reader_init(reader, reader->type, reader->head_max);
	reader->cgi = cgi;
	reader->state = HTTP_READER_HEAD;
	reader->to_head = to_head;
	reader->body_max = body_max;
}
