/*
 * The reply with a file (RFC 9110 13 and 14): all of it, some ranges, or none because the client
 * has it (304), a precondition fails (412) or the range is outside of the file (416).
 *
 * A file in memory is lent to the output; any other is sent by sendfile. The exchange holds the
 * file until the last byte has left.
 *
 * The fields of a file's replies are composed once, stored with the open file and lent to each
 * reply, so that a reply with a known file formats nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/loop.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "exchange.h"
#include "fields.h"
#include "files.h"

static void http_file_reply_release(void *context)
{
	weir_file_release(context);
}

static struct weir_producer *http_file_reply_extent(
        struct weir_file *file, uint64_t offset, uint64_t size)
{
	if (file->content.data)
		return weir_produce_borrowed(file->content.data + offset, (size_t)size);
	return weir_produce_shared_file(file->fd, (off_t)offset, size, &file->seen);
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

/*
 * Several ranges are sent as parts (RFC 9110 14.6). The boundary must not occur in a part's head.
 */
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
	/* The lent lines begin with the file's own type, which is in each part instead. */
	weir_http_lend_fields(exchange,
	        weir_span(note->lines + note->type_size, note->plain_size - note->type_size),
	        http_file_reply_release, file);
	weir_http_add_field(exchange, "Content-Type", weir_span(type, (size_t)length));
	weir_http_reply(exchange, 206, http_file_reply_parts(file, note->mime, ranges, boundary));
}

/* Replies if the request asks for ranges. Returns whether it did. */
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
	/* A part has a type, but no field for its coding. */
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

/* The tag of a compressed body is weak, since the bytes may differ from reply to reply. */
static void http_file_reply_add_coded_fields(
        struct weir_http_exchange *exchange, const struct file_note *note)
{
	weir_http_add_field(exchange, "Content-Type", weir_span_of(note->mime->type));
	weir_http_add_field(exchange, "ETag", weir_span(note->weak_etag, 2 + note->etag_size));
}

/* The coding of a reply that is compressed on the fly. */
struct file_coding {
	const char *name; /* for Content-Encoding; NULL: the file itself */
	enum compressed_coding coding;
};

/* A range is always one of the file itself. */
static struct file_coding http_file_reply_code(struct weir_http_exchange *exchange, bool may_zstd)
{
	const struct weir_http_request *request = weir_http_request(exchange);
	struct file_coding none = {0};
	weir_http_add_field(exchange, "Vary", WEIR_SPAN("Accept-Encoding"));
	if (request->first[WEIR_HTTP_RANGE] || !request->first[WEIR_HTTP_ACCEPT_ENCODING])
		return none;
	enum http_coding coding = http_accept_coding(
	        request, may_zstd && weir_zstd_has_room(weir_http_loop(exchange)));
	struct file_coding chosen = {http_coding_name(coding),
	        coding == WEIR_HTTP_ZSTD ? COMPRESSED_ZSTD : COMPRESSED_GZIP};
	if (chosen.name &&
	        weir_http_add_field(exchange, "Content-Encoding", weir_span_of(chosen.name)) < 0)
		return none;
	return chosen;
}

static void http_file_reply_release_form(void *context)
{
	compressed_form_release(context);
}

/*
 * The first reply with a file only compresses it, since many files are asked for once. The second
 * one also fills the cache, if every later change of the file will show in its times.
 */
static struct weir_producer *http_file_reply_compress(struct weir_http_exchange *exchange,
        struct weir_file *file, struct file_note *note, enum compressed_coding coding)
{
	struct weir_producer *body = http_file_reply_extent(file, 0, file->size);
	body = coding == COMPRESSED_ZSTD ? weir_produce_zstd_level(body, note->level)
	                                 : weir_produce_gzip_level(body, note->level);
	bool first = !note->compressed;
	if (weir_http_request(exchange)->method != WEIR_HTTP_GET)
		return body;
	note->compressed = true;
	if (first || !note->cache || note->filling || !file->settled)
		return body;
	note->cached = true;
	struct compressed_key key = compressed_key_of(file, coding, note->level);
	return compressed_fill_create(
	        body, note->cache, weir_http_loop(exchange), file, &key, &note->filling);
}

/* Returns the compressed file, from the cache or made on the fly. */
static struct weir_producer *http_file_reply_compressed(struct weir_http_exchange *exchange,
        struct weir_file *file, struct file_note *note, enum compressed_coding coding)
{
	struct compressed_form *form = NULL;
	if (note->cache && file->settled) {
		struct compressed_key key = compressed_key_of(file, coding, note->level);
		form = compressed_cache_find(
		        note->cache, &key, weir_loop_now_ms(weir_http_loop(exchange)));
	}
	if (!form)
		return http_file_reply_compress(exchange, file, note, coding);
	note->cached = true;
	struct weir_span data = weir_span(form->data, form->size);
	return weir_produce_buffers(&data, 1, http_file_reply_release_form, form);
}

/*
 * Chooses the coding and adds the fields. *ret_coding is the coding by which the body must be
 * compressed.
 */
static void http_file_reply_prepare(struct weir_http_exchange *exchange, struct weir_file *file,
        struct file_note *note, bool may_compress, const struct http_mime *sibling_of,
        const char *coding, struct file_coding *ret_coding)
{
	struct weir_span lines = weir_span(note->lines, note->plain_size);
	*ret_coding = (struct file_coding){0};
	if (sibling_of) {
		lines = weir_span_skip(lines, note->type_size);
		weir_http_add_field(exchange, "Content-Type", weir_span_of(sibling_of->type));
		weir_http_add_field(exchange, "Content-Encoding", weir_span_of(coding));
		weir_http_add_field(exchange, "Vary", WEIR_SPAN("Accept-Encoding"));
	} else if (may_compress && note->compressible && file->size >= FILE_COMPRESS_MIN &&
	           (*ret_coding = http_file_reply_code(exchange, note->zstd)).name) {
		lines = weir_span_skip(lines, note->coded_at);
		http_file_reply_add_coded_fields(exchange, note);
	}
	weir_http_lend_fields(exchange, lines, http_file_reply_release, weir_file_hold(file));
	if (lines.size == note->plain_size)
		exchange->handling->lent_encoded = &note->encoded;
}

/* Replies if the request asks for a part of the file, or for none of it. Returns whether it did. */
static bool http_file_reply_replied(struct weir_http_exchange *exchange, struct weir_file *file,
        const struct file_note *note, bool coded, bool sibling)
{
	int64_t now = weir_loop_wall_s(weir_http_loop(exchange));
	struct weir_span etag = weir_span(note->weak_etag, 2 + note->etag_size);
	struct http_validators validators = {
	        .exists = true,
	        .has_modified = note->modified_s < now,
	        .modified = note->modified_s,
	        .etag = coded ? etag : weir_span_skip(etag, 2),
	};
	int status = http_conditional_check(weir_http_request(exchange), &validators, now);
	if (status) {
		weir_http_reply_empty(exchange, (unsigned)status);
		return true;
	}
	return http_file_reply_replied_ranges(exchange, file, note, &validators, sibling);
}

static void http_file_reply_whole(struct weir_http_exchange *exchange, struct weir_file *file)
{
	if (file->content.data)
		http_reply_lent(exchange, 200, weir_span(file->content.data, (size_t)file->size));
	else
		weir_http_reply(exchange, 200, http_file_reply_extent(file, 0, file->size));
}

void http_file_reply(struct weir_http_exchange *exchange, struct weir_file *file,
        struct file_note *note, bool may_compress, const struct http_mime *sibling_of,
        const char *coding)
{
	const struct weir_http_request *request = exchange->handling->request;
	struct file_coding on_the_fly;
	http_file_reply_prepare(
	        exchange, file, note, may_compress, sibling_of, coding, &on_the_fly);
	if ((request->first[WEIR_HTTP_RANGE] || http_file_reply_is_conditional(request)) &&
	        http_file_reply_replied(exchange, file, note, on_the_fly.name, sibling_of))
		return;
	if (on_the_fly.name)
		weir_http_reply(exchange, 200,
		        http_file_reply_compressed(exchange, file, note, on_the_fly.coding));
	else
		http_file_reply_whole(exchange, file);
}

/* -- the fields -------------------------------------------------------------------------------- */

/* The file has changed, or was evicted: its compressed form would not be found any more. */
static void http_file_note_destroy(void *object)
{
	struct file_note *note = object;
	if (note->cached) {
		for (unsigned i = 0; i < COMPRESSED_CODINGS; i++) {
			struct compressed_key key = compressed_key_of(note->file, i, note->level);
			compressed_cache_drop(note->cache, &key);
		}
	}
	weir_http_compressed_cache_release(note->cache);
	free(note->encoded);
	free(note);
}

struct file_note *http_file_note(struct weir_file *file, const struct http_mime *mime,
        const struct weir_http_files_options *options)
{
	if (file->note)
		return file->note;
	char etag[WEIR_HTTP_ETAG_MAX];
	char date[WEIR_HTTP_DATE_SIZE + 1];
	size_t etag_size = http_etag_format(file, etag);
	http_date_format(file->mtime.tv_sec, date);
	size_t capacity =
	        160 + strlen(mime->type) + etag_size + sizeof date + strlen(options->fields);
	/* There may be a sibling. A reply that may be compressed on the fly adds Vary by itself. */
	bool on_the_fly = options->compress && file->size >= FILE_COMPRESS_MIN;
	bool compressible = http_files_compresses(options, mime);
	bool varies = compressible && options->siblings && !on_the_fly;
	struct file_note *note = malloc(sizeof *note + capacity);
	if (!note)
		return NULL;
	note->mime = mime;
	note->compressible = compressible;
	note->zstd = options->zstd;
	note->level = options->compress_level;
	note->cache = options->compressed_cache;
	if (note->cache)
		weir_http_compressed_cache_hold(note->cache);
	note->file = file;
	note->compressed = note->filling = note->cached = false;
	note->encoded = NULL;
	note->modified_s = file->mtime.tv_sec;
	memcpy(note->weak_etag, "W/", 2);
	memcpy(note->weak_etag + 2, etag, etag_size);
	note->etag_size = etag_size;
	note->type_size =
	        (size_t)snprintf(note->lines, capacity, "Content-Type: %s\r\n", mime->type);
	note->coded_at = note->type_size +
	                 (size_t)snprintf(note->lines + note->type_size, capacity - note->type_size,
	                         "ETag: %.*s\r\nAccept-Ranges: bytes\r\n%s", (int)etag_size, etag,
	                         varies ? "Vary: Accept-Encoding\r\n" : "");
	note->plain_size = note->coded_at +
	                   (size_t)snprintf(note->lines + note->coded_at, capacity - note->coded_at,
	                           "Last-Modified: %s\r\n%s", date, options->fields);
	file->note = note;
	file->free_note = http_file_note_destroy;
	return note;
}
