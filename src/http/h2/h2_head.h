/*
 * Field sections of HTTP/2 (RFC 9113 8): those of requests become the request that an HTTP/1.1 head
 * with the same meaning becomes.
 *
 *   :method: GET                      method, method_name
 *   :path: /a?b          ──▶          target, path, query
 *   :authority: example.org           host, and the field "host"
 *   accept: text/html                 the field "accept"
 *
 * Extended CONNECT (RFC 8441) becomes the GET with Upgrade that HTTP/1.1 has for it.
 */
#ifndef WEIR_HTTP_H2_HEAD_H
#define WEIR_HTTP_H2_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/http_request.h>
#include <weir/limits.h>
#include <weir/span.h>

#include "h2_hpack.h"

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

/*
 * Single fields (h2_field.c). Finds the meaning of a name: H2_NAME_BAD where RFC 9113 8.2.1 or
 * 8.2.2 forbids it.
 */
enum h2_name h2_field_find_name(struct weir_span name);

/* RFC 9113 8.2.1: without white space at its ends. The value has slack behind it. */
bool h2_field_value_is_valid(struct weir_span value);
bool h2_field_authority_is_valid(struct weir_span authority);
bool h2_field_is_token(struct weir_span value);
/* Returns how many bytes at the front are of WEIR_HTTP_PCHAR. The text has slack behind it. */
size_t h2_field_run_pchar(struct weir_span text);

/* The head that is being decoded: one a loop, since a head is decoded at once. */
struct h2_head {
	const struct h2_huffman *huffman; /* the loop's */
	struct h2_priority priority;
	unsigned status;   /* of the reply to H2_DECODED_REFUSED */
	const char *fault; /* for the log, then; and the text at fault */
	struct weir_span fault_text;

	bool upgrades; /* extended CONNECT */

	/* From here on for h2_head.c. */
	uint64_t repeated; /* bit 1 << known: the field came before */
	size_t list_size;  /* of the fields as RFC 9113 6.5.2 counts them: 32 more for each */
	unsigned fields;
	bool malformed;
	bool has_others;       /* fields that are no pseudo-header fields */
	bool bad_authority;    /* to be replied to with 400 */
	struct weir_span host; /* in `text`, as all of `pseudo`; NULL: not given */
	struct weir_span pseudo[H2_NAME_PSEUDO_LAST + 1]; /* by enum h2_name */
	size_t text_size, joined_size;
	char text[H2_HPACK_ROOM(WEIR_HTTP_HEAD_MAX) + WEIR_HTTP_HEAD_MAX];
	char joined[WEIR_HTTP_HEAD_MAX]; /* cookies, or the lines of trailers */
};

enum h2_decoded {
	H2_DECODED,
	H2_DECODED_MALFORMED, /* RFC 9113 8.1.1: an error of the stream */
	H2_DECODED_REFUSED,   /* to be replied to with head->status */
	H2_DECODED_BROKEN,    /* RFC 7541: COMPRESSION_ERROR of the connection */
	H2_DECODED_BOMB,      /* more than WEIR_HTTP2_DECODED_MAX: the connection ends, too */
	H2_DECODED_NO_MEMORY,
};

/*
 * Decodes a whole field block of a request, of at most WEIR_HTTP_HEAD_MAX bytes. The block is
 * decoded to its end unless the connection ends, so that the table stays right. The spans of
 * *request point into head->text, of which head->text_size bytes are in use.
 */
enum h2_decoded h2_head_decode(struct h2_head *head, struct h2_hpack *hpack, struct weir_span block,
        struct weir_http_request *request);

/* Decodes the trailer section of a request. *ret_lines are its fields, a line each, in `head`. */
enum h2_decoded h2_head_decode_trailers(struct h2_head *head, struct h2_hpack *hpack,
        struct weir_span block, struct weir_span *ret_lines);

#endif
