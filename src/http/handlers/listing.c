/*
 * A directory as a page, or as JSON: a generator that writes a row for each entry, as entries are
 * read from the disk in batches. It holds one batch, so that a directory of 100,000 entries needs
 * as much memory as one of ten, and its page begins at once. The reply is made with the first
 * batch, so that a directory that cannot be read is replied to with an error.
 *
 * Up to WEIR_DIRECTORY_SORT_MAX entries are sorted, by the query `?sort=size&order=desc`; a larger
 * directory is listed in its own order.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/directory.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/sources.h>

#include "listing_state.h"

static void http_listing_free(struct http_listing *listing)
{
	weir_directory_close(listing->directory);
	free(listing->text);
	free(listing);
}

static void http_listing_close(void *context, enum weir_close_reason why)
{
	(void)why;
	http_listing_free(context);
}

/* -- the generator ----------------------------------------------------------------------------- */

/* Puts the rest of `text`. Returns whether all of it was put. */
static bool http_listing_put_text(struct http_listing *listing, struct weir_output *out)
{
	size_t left = listing->text_size - listing->text_put;
	listing->text_put += weir_output_copy(out, listing->text + listing->text_put, left);
	return listing->text_put == listing->text_size;
}

static bool http_listing_visible(
        const struct http_listing *listing, const struct weir_directory_entry *entry)
{
	return listing->hidden || entry->name[0] != '.';
}

static size_t http_listing_format_entry(struct http_listing *listing, char *text, size_t room)
{
	const struct weir_directory_entry *entry = &listing->entries[listing->next++];
	if (!http_listing_visible(listing, entry))
		return 0;
	return listing->json ? http_listing_json_row(listing, entry, text, room)
	                     : http_listing_page_row(listing, entry, text, room);
}

/* Puts text into `text`, for put_text. False without memory. */
static bool http_listing_next_text(struct http_listing *listing)
{
	bool row = listing->state == LISTING_ROWS;
	size_t room = row             ? LISTING_ROW_MAX
	              : listing->json ? LISTING_JSON_FRAME_MAX
	                              : http_listing_page_frame_max(listing);
	char *text = realloc(listing->text, room);
	if (!text)
		return false;
	listing->text = text;
	listing->text_put = 0;
	if (row) {
		listing->text_size = http_listing_format_entry(listing, text, room);
		return true;
	}
	bool foot = listing->state == LISTING_FOOT;
	listing->text_size = listing->json ? http_listing_json_frame(foot, text, room)
	                                   : http_listing_page_frame(listing, foot, text, room);
	listing->state = foot ? LISTING_END : LISTING_ROWS;
	return true;
}

static enum weir_more http_listing_more(void *context, struct weir_output *out);

/* Adds the fields, and has the body compressed. */
static void http_listing_prepare(
        const struct http_listing *listing, struct weir_http_exchange *exchange)
{
	static const struct http_mime page = {
	        .type = "text/html; charset=utf-8", .compressible = true};
	static const struct http_mime json = {.type = "application/json", .compressible = true};
	const struct weir_http_files_options *options = listing->options;
	const struct http_mime *mime = listing->json ? &json : &page;
	const struct weir_http_compression how = {options->zstd, options->compress_level};
	weir_http_add_field(exchange, "Content-Type", weir_span_of(mime->type));
	weir_http_add_field(exchange, "Vary", WEIR_SPAN("Accept"));
	if (options->compress && http_files_compresses(options, mime))
		weir_http_compress_with(exchange, &how);
}

/* Replies, with the first batch or with the error. */
static void http_listing_send(struct http_listing *listing, int error)
{
	struct weir_http_exchange *exchange = listing->exchange;
	listing->exchange = NULL;
	if (error < 0) {
		http_listing_free(listing);
		http_file_error(exchange, error);
		return;
	}
	struct weir_producer *producer =
	        weir_produce_generator(http_listing_more, http_listing_close, listing);
	if (producer)
		listing->producer = producer;
	http_listing_prepare(listing, exchange);
	weir_http_reply(exchange, 200, producer);
}

static void http_listing_on_batch(
        void *context, int error, const struct weir_directory_entry *entries, size_t count)
{
	struct http_listing *listing = context;
	listing->waiting = false;
	listing->entries = entries;
	listing->count = count;
	listing->next = 0;
	listing->failed = error < 0;
	listing->ended = count == 0;
	if (listing->exchange)
		http_listing_send(listing, error);
	else
		weir_wake(listing->producer);
}

static void http_listing_read_batch(struct http_listing *listing)
{
	listing->waiting = true;
	weir_directory_next(listing->directory, http_listing_on_batch, listing);
}

static enum weir_more http_listing_more(void *context, struct weir_output *out)
{
	struct http_listing *listing = context;
	while (weir_output_room(out)) {
		if (!http_listing_put_text(listing, out))
			return WEIR_MORE;
		if (listing->state == LISTING_END)
			return WEIR_DONE;
		if (listing->failed)
			return WEIR_FAILED;
		if (listing->waiting)
			return WEIR_WAIT;
		if (listing->state == LISTING_ROWS && listing->next == listing->count) {
			if (listing->ended)
				listing->state = LISTING_FOOT;
			else
				http_listing_read_batch(listing);
			continue;
		}
		if (!http_listing_next_text(listing))
			return WEIR_FAILED;
	}
	return WEIR_MORE;
}

/* The order that the query asks for; the first `sort` and `order` count. */
static void http_listing_read_query(struct http_listing *listing, struct weir_span query)
{
	static const struct {
		const char *text;
		enum weir_directory_order order;
	} orders[] = {{"sort=size", WEIR_ORDER_SIZE}, {"sort=time", WEIR_ORDER_TIME}};
	struct weir_span pair;
	while (query.size) {
		weir_span_cut(&query, '&', &pair);
		for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
			if (weir_span_equal(pair, weir_span_of(orders[i].text)))
				listing->order = orders[i].order;
		listing->descending |= weir_span_equal(pair, WEIR_SPAN("order=desc"));
	}
}

static struct http_listing *http_listing_create(
        struct weir_http_exchange *exchange, const struct files *files, struct weir_file *file)
{
	struct weir_directory_options options;
	weir_directory_options_init(&options);
	options.details = true;
	options.sort_max = WEIR_DIRECTORY_SORT_MAX;
	options.tree = files->tree;
	options.check_lookups = true;
	struct weir_span path = weir_http_path(exchange);
	struct http_listing *listing = calloc(1, sizeof *listing + path.size + 1);
	if (!listing)
		return NULL;
	memcpy(listing->path, path.data, path.size);
	http_listing_read_query(listing, weir_http_request(exchange)->query);
	options.order = listing->order;
	options.descending = listing->descending;
	options.path = http_files_path(exchange).data;
	if (weir_directory_open(weir_http_loop(exchange), file->fd, &options, &listing->directory) <
	        0) {
		free(listing);
		return NULL;
	}
	listing->url_size = weir_http_request(exchange)->path.size;
	listing->exchange = exchange;
	listing->hidden = files->options.hidden;
	listing->json = http_accepts_json(weir_http_request(exchange));
	listing->options = &files->options;
	listing->template = files->options.listing_template;
	return listing;
}

void http_listing_reply(
        struct weir_http_exchange *exchange, const struct files *files, struct weir_file *directory)
{
	struct http_listing *listing = http_listing_create(exchange, files, directory);
	if (!listing) {
		weir_http_reply_error(exchange, 503);
		return;
	}
	http_listing_read_batch(listing);
}
