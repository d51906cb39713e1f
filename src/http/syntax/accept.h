/*
 * Accept-Encoding (RFC 9110 12.5.3): which coding the client takes, and likes best. Of codings
 * there are gzip, by either of its names, and identity.
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
	WEIR_HTTP_NO_CODING, /* the client takes neither; identity or 406 are the server's choice */
};

#define WEIR_HTTP_ACCEPT_NONE ((struct http_accept){-1, -1, -1})

/* Adds one field's list. Malformed elements are ignored; of two for one coding the first counts. */
void http_accept_add(struct http_accept *accept, struct weir_span value);

/* gzip where it is listed (or "*" is) with a weight above 0 that is not below that of identity. */
enum http_coding http_accept_choose(const struct http_accept *accept);

/* Both steps for all Accept-Encoding fields of a request. Without any, identity. */
enum http_coding http_accept_coding(const struct weir_http_request *request);

/* A weight, "0.5" say, in thousandths (RFC 9110 12.4.2): at most three decimals, at most 1.000. -1
 * if malformed. */
int16_t http_weight_parse(struct weir_span text);

#endif
