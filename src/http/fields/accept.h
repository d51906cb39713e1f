/*
 * Accept-Encoding (RFC 9110 12.5.3): the coding that the client accepts and prefers. The codings
 * are gzip, by either of its names, and identity.
 */
#ifndef WEIR_HTTP_ACCEPT_H
#define WEIR_HTTP_ACCEPT_H

#include <weir/http_request.h>

/* Weights in thousandths; -1 where the coding is not listed. All -1 is the empty list. */
struct http_accept {
	int16_t gzip;
	int16_t identity;
	int16_t any; /* "*" */
};

enum http_coding {
	WEIR_HTTP_IDENTITY,
	WEIR_HTTP_GZIP,
	WEIR_HTTP_NO_CODING, /* the client accepts neither; the server may send identity or 406 */
};

#define WEIR_HTTP_ACCEPT_NONE ((struct http_accept){-1, -1, -1})

/* Adds the list of one field. Malformed elements and repeated codings are ignored. */
void http_accept_add(struct http_accept *accept, struct weir_span value);

/* Chooses gzip if it (or "*") is listed with a weight above 0 and not below that of identity. */
enum http_coding http_accept_choose(const struct http_accept *accept);

/* Does both for all Accept-Encoding fields of a request. Without any, the result is identity. */
enum http_coding http_accept_coding(const struct weir_http_request *request);

/*
 * Parses a weight, as "0.5" (RFC 9110 12.4.2): at most three decimals, at most 1.000. Returns
 * thousandths, or -1 if it is malformed.
 */
int16_t http_weight_parse(struct weir_span text);

#endif
