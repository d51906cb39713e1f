/*
 * A directory as a reply, for its files:
 *
 *   listing.c       the generator, and the batches of entries
 *   listing_page.c  rows and frame of a page, or of a template
 *   listing_json.c  the same of JSON
 *
 * Each function that writes text returns its size, or 0 if it has no room.
 */
#ifndef HTTP_LISTING_STATE_H
#define HTTP_LISTING_STATE_H

#include <weir/directory.h>

#include "files.h"

/* The longest name, with every byte escaped, twice, and the markup around it. */
enum {
	NAME_MAX_SIZE = 256,
	LISTING_ROW_MAX = NAME_MAX_SIZE * (6 + 3) + 320,
	LISTING_JSON_FRAME_MAX = 8,
};

enum listing_state {
	LISTING_HEAD,
	LISTING_ROWS,
	LISTING_FOOT,
	LISTING_END
};

struct http_listing {
	struct weir_directory *directory;
	struct weir_http_exchange *exchange; /* until it is replied to, with the first batch */
	struct weir_producer *producer;
	enum listing_state state;
	const struct weir_http_files_options *options; /* of the files, which outlive a reply */
	const char *template;                          /* of these, or NULL */
	bool hidden;
	bool json;
	bool any;     /* a row of JSON was written: a comma is before the next one */
	bool waiting; /* for a batch */
	enum weir_directory_order order;
	bool descending;
	bool failed;
	bool ended; /* there are no more batches */
	const struct weir_directory_entry *entries;
	size_t count;
	size_t next;
	size_t url_size; /* of the directory's path, escaped as by the client */
	/* A piece of text that did not fit the output at once. */
	char *text;
	size_t text_size;
	size_t text_put;
	char path[]; /* decoded, without slashes at its ends */
};

/* -- listing_page.c -- */

/* Bytes that the head or foot may have. */
size_t http_listing_page_frame_max(const struct http_listing *listing);
size_t http_listing_page_frame(
        const struct http_listing *listing, bool foot, char *text, size_t room);
size_t http_listing_page_row(const struct http_listing *listing,
        const struct weir_directory_entry *entry, char *text, size_t room);

/* -- listing_json.c -- */
size_t http_listing_json_frame(bool foot, char *text, size_t room);
size_t http_listing_json_row(struct http_listing *listing, const struct weir_directory_entry *entry,
        char *text, size_t room);

#endif
