/*
 * Field sections of HTTP/2 (RFC 9113 8): those of requests are decoded by libnghttp2's HPACK and
 * become the text of an HTTP/1.1 head, which http_head_parse then checks like any other head.
 *
 *   :method: GET                      GET /a HTTP/1.1
 *   :path: /a            ──▶          host: example.org
 *   :authority: example.org           accept: text/html
 *   accept: text/html
 *
 * Extended CONNECT (RFC 8441) becomes the GET with Upgrade that HTTP/1.1 has for it. The fields of
 * replies are encoded here, without a dynamic table and without state.
 */
#ifndef WEIR_HTTP_H2_HEAD_H
#define WEIR_HTTP_H2_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>
#include <weir/limits.h>
#include <weir/span.h>

/* -- requests ---------------------------------------------------------------------------------- */

/* RFC 9218: how urgent a reply is to the client. */
struct h2_priority {
	uint8_t urgency : 3;  /* 0 to 7; 3 if no urgency was given */
	bool incremental : 1; /* parts of the reply are of use by themselves */
	bool given : 1;       /* the client has sent a priority */
};

enum {
	H2_URGENCY_INITIAL = 3,
	H2_URGENCY_LAST = 7,
};

/* Applies the value of a Priority field; members that are malformed are ignored. */
void h2_priority_parse(struct h2_priority *priority, struct weir_span value);

/* The head that is being decoded: one a loop, since a head is decoded at once. */
struct h2_head {
	struct h2_priority priority;
	size_t list_size; /* bytes of the fields as RFC 9113 6.5.2 counts them: 32 more for each */
	unsigned fields;
	bool malformed;
	bool has_scheme, has_host;
	struct weir_span method, path, authority, host; /* in `pseudo`; NULL: not given */
	struct weir_span protocol;                      /* of extended CONNECT; likewise */
	size_t pseudo_size, lines_size, cookie_size;
	char pseudo[WEIR_HTTP_HEAD_MAX];
	char lines[WEIR_HTTP_HEAD_MAX];
	char cookie[WEIR_HTTP_HEAD_MAX];
	char text[3 * WEIR_HTTP_HEAD_MAX];
};

enum h2_decoded {
	H2_DECODED,
	H2_DECODED_MALFORMED, /* RFC 9113 8.1.1: an error of the stream */
	H2_DECODED_TOO_LARGE, /* to be replied to with 431 */
	H2_DECODED_BROKEN,    /* RFC 7541: COMPRESSION_ERROR of the connection */
	H2_DECODED_NO_MEMORY,
};

/*
 * Decodes a whole field block of a request. The block is decoded to its end in any case, so that
 * the decoder's state stays right. *ret_text is the text of the head, in `head`, for H2_DECODED.
 */
enum h2_decoded h2_head_decode(struct h2_head *head, nghttp2_hd_inflater *inflater,
        struct weir_span block, struct weir_span *ret_text);

/* Decodes the trailer section of a request. *ret_lines are its fields, a line each, in `head`. */
enum h2_decoded h2_head_decode_trailers(struct h2_head *head, nghttp2_hd_inflater *inflater,
        struct weir_span block, struct weir_span *ret_lines);

/* -- replies ----------------------------------------------------------------------------------- */

/* More than any of the functions below writes for one field line without its text. */
enum {
	H2_FIELD_EXTRA = 16
};

/* Gives up the dynamic table (RFC 7541 6.3); belongs at the front of the first block. */
char *h2_head_put_no_table(char *to);
char *h2_head_put_status(char *to, unsigned status);
char *h2_head_put_date(char *to, const char *date);
char *h2_head_put_length(char *to, uint64_t length);

/* Returns how many bytes h2_head_put_lines writes at most for lines of this size. */
size_t h2_head_lines_max(size_t size);

/*
 * Writes whole field lines ("Name: value\r\n"), with names in lower case. Fields of the connection
 * (RFC 9113 8.2.2) are left out.
 */
char *h2_head_put_lines(char *to, struct weir_span lines);

enum {
	H2_LINES_CACHED = 32,
	H2_LINES_CACHED_MAX = 384, /* bytes of the lines; of fields a few more */
};

/* Lines and the fields that they become, for lines that many replies have, as those of a file. */
struct h2_lines_cache {
	struct h2_lines {
		uint16_t lines_size;
		uint16_t fields_size;
		char lines[H2_LINES_CACHED_MAX];
		char fields[H2_LINES_CACHED_MAX + H2_LINES_CACHED_MAX / 16 + 2 * H2_FIELD_EXTRA];
	} entries[H2_LINES_CACHED];
};

/* Does what h2_head_put_lines does. */
char *h2_head_put_cached_lines(struct h2_lines_cache *cache, char *to, struct weir_span lines);

#endif
