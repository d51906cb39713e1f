/*
 * What of a file is sent (RFC 9110 13 and 14): all of it, some ranges, or only the word that the
 * client has it already (304), must not have it (412), or asks for what is not there (416).
 *
 * A file kept in memory is lent to the output; another is sent by sendfile. The exchange holds the
 * file until its last byte has gone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/loop.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "conditional.h"
#include "files.h"
#include "range.h"

static void http_file_reply_release(void *context)
{
	weir_file_release(context);
}

static struct weir_producer *http_file_reply_extent(
        struct weir_file *file, uint64_t offset, uint64_t size)
{
	if (file->content.data)
		return weir_produce_borrowed(file->content.data + offset, (size_t)size);
	return weir_produce_file(file->fd, false, (off_t)offset, size);
}

/* -- ranges ------------------------------------------------------------------------------------ */

static void http_file_reply_add_content_range(
        struct weir_http_exchange *exchange, const struct http_range *range, uint64_t size)
{
	char text[80];
	int length = snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
	        range->offset, range->offset + range->size - 1, size);
	weir_http_add_field(exchange, "Content-Range", weir_span(text, (size_t)length));
}

static void http_file_reply_unsatisfiable(struct weir_http_exchange *exchange, uint64_t size)
{
	char text[40];
	int length = snprintf(text, sizeof text, "bytes */%" PRIu64, size);
	weir_http_add_field(exchange, "Content-Range", weir_span(text, (size_t)length));
	weir_http_reply_empty(exchange, 416);
}

/* Several ranges go as parts (RFC 9110 14.6); the boundary need only not be in a part's head. */
static struct weir_producer *http_file_reply_parts(struct weir_file *file,
        const struct http_mime *mime, const struct http_ranges *ranges, const char *boundary)
{
	struct weir_producer *children[2 * WEIR_HTTP_RANGES_MAX + 1];
	unsigned count = 0;
	for (unsigned i = 0; i < ranges->count; i++) {
		const struct http_range *range = &ranges->ranges[i];
		children[count++] = weir_produce_format(
		        "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64
		        "/%" PRIu64 "\r\n\r\n",
		        boundary, mime->type, range->offset, range->offset + range->size - 1,
		        file->size);
		children[count++] = http_file_reply_extent(file, range->offset, range->size);
	}
	children[count++] = weir_produce_format("\r\n--%s--\r\n", boundary);
	return weir_produce_composite(children, count);
}

static void http_file_reply_ranges(struct weir_http_exchange *exchange, struct weir_file *file,
        const struct file_note *note, const struct http_ranges *ranges)
{
	const struct http_range *first = &ranges->ranges[0];
	char type[80];
	char boundary[40];
	if (ranges->count == 1) {
		http_file_reply_add_content_range(exchange, first, file->size);
		weir_http_reply(
		        exchange, 206, http_file_reply_extent(file, first->offset, first->size));
		return;
	}
	snprintf(boundary, sizeof boundary, "weir-%016" PRIx64,
	        (uint64_t)weir_loop_now_ms(weir_http_loop(exchange)) *
	                        UINT64_C(0x9e3779b97f4a7c15) +
	                file->size);
	int length = snprintf(type, sizeof type, "multipart/byteranges; boundary=%s", boundary);
	/* The lent lines start with the file's own type, which now is that of the parts. */
	weir_http_lend_fields(exchange,
	        weir_span(note->lines + note->type_size, note->plain_size - note->type_size),
	        http_file_reply_release, file);
	weir_http_add_field(exchange, "Content-Type", weir_span(type, (size_t)length));
	weir_http_reply(exchange, 206, http_file_reply_parts(file, note->mime, ranges, boundary));
}

/* True when the request asks for ranges and they were replied to. */
static bool http_file_reply_replied_ranges(struct weir_http_exchange *exchange,
        struct weir_file *file, const struct file_note *note,
        const struct http_validators *validators, bool sibling)
{
	const struct weir_http_request *request = weir_http_request(exchange);
	struct http_ranges ranges;
	if (!request->first[WEIR_HTTP_RANGE] || !http_range_applies(request, validators,
	                                                weir_loop_wall_s(weir_http_loop(exchange))))
		return false;
	switch (http_range_parse(
	        weir_http_request_known(request, WEIR_HTTP_RANGE), file->size, &ranges)) {
	case WEIR_HTTP_RANGE_IGNORED:
		return false;
	case WEIR_HTTP_RANGE_UNSATISFIABLE:
		http_file_reply_unsatisfiable(exchange, file->size);
		return true;
	case WEIR_HTTP_RANGE_SATISFIABLE:
		break;
	}
	/* Parts have a type each, but nothing tells that they are parts of something coded. */
	if (sibling && ranges.count > 1)
		return false;
	http_file_reply_ranges(exchange, file, note, &ranges);
	return true;
}

/* -- the whole --------------------------------------------------------------------------------- */

static bool http_file_reply_is_conditional(const struct weir_http_request *request)
{
	return request->first[WEIR_HTTP_IF_MATCH] | request->first[WEIR_HTTP_IF_NONE_MATCH] |
	       request->first[WEIR_HTTP_IF_MODIFIED_SINCE] |
	       request->first[WEIR_HTTP_IF_UNMODIFIED_SINCE];
}

/* For a body that is compressed now: its tag is a weak one, since its bytes are not the file's. */
static void http_file_reply_add_coded_fields(
        struct weir_http_exchange *exchange, const struct file_note *note)
{
	weir_http_add_field(exchange, "Content-Type", weir_span_of(note->mime->type));
	weir_http_add_field(exchange, "ETag", weir_span(note->weak_etag, 2 + note->etag_size));
}

static bool http_file_reply_compresses(struct weir_http_exchange *exchange)
{
	/* A range is one of the file itself. */
	if (!weir_http_request(exchange)->first[WEIR_HTTP_RANGE])
		return weir_http_compress(exchange);
	weir_http_add_field(exchange, "Vary", WEIR_SPAN("Accept-Encoding"));
	return false;
}

/* Decides how it is coded, adds the fields, and tells the validators of the result. */
static struct http_validators http_file_reply_prepare(struct weir_http_exchange *exchange,
        struct weir_file *file, struct file_note *note, bool may_compress,
        const struct http_mime *sibling_of)
{
	int64_t now = weir_loop_wall_s(weir_http_loop(exchange));
	struct http_validators validators = {
	        .exists = true,
	        .has_modified = note->modified_s < now,
	        .modified = note->modified_s,
	        .etag = weir_span(note->weak_etag + 2, note->etag_size),
	};
	struct weir_span lines = weir_span(note->lines, note->plain_size);
	if (sibling_of) {
		lines = weir_span_skip(lines, note->type_size);
		weir_http_add_field(exchange, "Content-Type", weir_span_of(sibling_of->type));
		weir_http_add_field(exchange, "Content-Encoding", WEIR_SPAN("gzip"));
		weir_http_add_field(exchange, "Vary", WEIR_SPAN("Accept-Encoding"));
	} else if (may_compress && note->mime->compressible && file->size >= FILE_COMPRESS_MIN &&
	           http_file_reply_compresses(exchange)) {
		lines = weir_span_skip(lines, note->coded_at);
		validators.etag = weir_span(note->weak_etag, 2 + note->etag_size);
		http_file_reply_add_coded_fields(exchange, note);
	}
	weir_http_lend_fields(exchange, lines, http_file_reply_release, weir_file_hold(file));
	return validators;
}

void http_file_reply(struct weir_http_exchange *exchange, struct weir_file *file,
        struct file_note *note, bool may_compress, const struct http_mime *sibling_of)
{
	const struct weir_http_request *request = weir_http_request(exchange);
	bool ranged = request->first[WEIR_HTTP_RANGE];
	struct http_validators validators =
	        http_file_reply_prepare(exchange, file, note, may_compress, sibling_of);
	if (http_file_reply_is_conditional(request)) {
		int status = http_conditional_check(
		        request, &validators, weir_loop_wall_s(weir_http_loop(exchange)));
		if (status) {
			weir_http_reply_empty(exchange, (unsigned)status);
			return;
		}
	}
	if (!ranged ||
	        !http_file_reply_replied_ranges(exchange, file, note, &validators, sibling_of))
		weir_http_reply(exchange, 200, http_file_reply_extent(file, 0, file->size));
}
