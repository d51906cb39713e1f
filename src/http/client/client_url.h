/* URLs of the client (RFC 3986, RFC 9110 4.2), and references that redirects contain. */
#ifndef HTTP_CLIENT_URL_H
#define HTTP_CLIENT_URL_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/span.h>

/* All spans point into the text. */
struct http_url {
	bool tls;
	bool fastcgi;               /* fastcgi://, which is no URL of HTTP */
	struct weir_span authority; /* host[:port] as given */
	struct weir_span host;      /* with the brackets of an IPv6 address */
	uint16_t port;              /* the scheme's, or WEIR_FASTCGI_PORT, if none is given */
	struct weir_span path;      /* with its '/'; may be empty */
	struct weir_span query;     /* with its '?'; may be empty */
};

/* Parses an absolute URL; the fragment is left out. Returns 0 or WEIR_E_SYNTAX. */
int http_url_parse(struct weir_span text, struct http_url *ret);

/*
 * Appends the URL that `reference`, from a Location field, means below `base` (RFC 3986 5.2).
 * Returns 0, WEIR_E_SYNTAX if the result is no URL of HTTP, WEIR_E_LIMIT if it is too long, or
 * -ENOMEM. The buffer is undefined after an error.
 */
int http_url_resolve(
        const struct http_url *base, struct weir_span reference, struct weir_buffer *ret);

#endif
