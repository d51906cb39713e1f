/*
 * The parsed head of a request: of HTTP/1.x (RFC 9112), and of HTTP/2 as the HTTP/1.1 head with
 * the same meaning.
 *
 *   POST /a%20b?c=d HTTP/1.1          method, path "/a%20b", query "c=d", minor 1
 *   Host: example.org:8080            host "example.org:8080"
 *   Transfer-Encoding: chunked        chunked
 *
 * Nothing is copied: every span points into the bytes of the head, and lives as long as they do. To
 * use it longer, copy the struct and the bytes, and call weir_http_request_rebase.
 */
#ifndef WEIR_HTTP_REQUEST_H
#define WEIR_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/span.h>

WEIR_C_BEGIN

/* RFC 9110 9.3 and RFC 5789; OTHER is any other token, see method_name. */
enum weir_http_method {
	WEIR_HTTP_OTHER,
	WEIR_HTTP_GET,
	WEIR_HTTP_HEAD,
	WEIR_HTTP_POST,
	WEIR_HTTP_PUT,
	WEIR_HTTP_DELETE,
	WEIR_HTTP_OPTIONS,
	WEIR_HTTP_PATCH,
	WEIR_HTTP_CONNECT,
	WEIR_HTTP_TRACE,
};

/* Fields that are found without a search. */
enum weir_http_known {
	WEIR_HTTP_UNKNOWN,
	WEIR_HTTP_ACCEPT,
	WEIR_HTTP_ACCEPT_ENCODING,
	WEIR_HTTP_ACCEPT_LANGUAGE,
	WEIR_HTTP_AUTHORIZATION,
	WEIR_HTTP_CACHE_CONTROL,
	WEIR_HTTP_CONNECTION,
	WEIR_HTTP_CONTENT_ENCODING,
	WEIR_HTTP_CONTENT_LENGTH,
	WEIR_HTTP_CONTENT_TYPE,
	WEIR_HTTP_COOKIE,
	WEIR_HTTP_DATE,
	WEIR_HTTP_EXPECT,
	WEIR_HTTP_FORWARDED,
	WEIR_HTTP_HOST,
	WEIR_HTTP_IF_MATCH,
	WEIR_HTTP_IF_MODIFIED_SINCE,
	WEIR_HTTP_IF_NONE_MATCH,
	WEIR_HTTP_IF_RANGE,
	WEIR_HTTP_IF_UNMODIFIED_SINCE,
	WEIR_HTTP_ORIGIN,
	WEIR_HTTP_RANGE,
	WEIR_HTTP_REFERER,
	WEIR_HTTP_SEC_WEBSOCKET_KEY,
	WEIR_HTTP_SEC_WEBSOCKET_PROTOCOL,
	WEIR_HTTP_SEC_WEBSOCKET_VERSION,
	WEIR_HTTP_TE,
	WEIR_HTTP_TRAILER,
	WEIR_HTTP_TRANSFER_ENCODING,
	WEIR_HTTP_UPGRADE,
	WEIR_HTTP_USER_AGENT,
	WEIR_HTTP_X_FORWARDED_FOR,
	WEIR_HTTP_X_FORWARDED_PROTO,
	WEIR_HTTP_KNOWN_COUNT,
};

struct weir_http_field {
	struct weir_span name;  /* as sent, in any case */
	struct weir_span value; /* without white space at its ends; data is never NULL */
};

struct weir_http_request {
	enum weir_http_method method;
	uint8_t minor; /* of HTTP/1.minor; 1 with HTTP/2 */
	bool has_query;
	bool has_length; /* Content-Length was given; never together with chunked */
	/* Neither of the two: there is no body. With HTTP/2: there is a body, without a length. */
	bool chunked;
	bool keep_alive;      /* the client will take another reply on this connection */
	bool expect_continue; /* the client waits for 100 before it sends the body */
	uint64_t length;      /* 0 without has_length; at most 2^63-1 */
	struct weir_span method_name;
	struct weir_span target; /* the whole request-target, raw */
	struct weir_span path;   /* raw: starts with '/'; "*" of OPTIONS *; empty for CONNECT */
	struct weir_span query;  /* raw, without the '?' */
	struct weir_span
	        host; /* well-formed host[:port] of the target or else of Host; maybe empty */
	unsigned field_count;
	uint8_t first[WEIR_HTTP_KNOWN_COUNT]; /* 1 + index of the first such field; 0 is none */
	uint8_t known[WEIR_HTTP_FIELDS_MAX];  /* enum weir_http_known of each field */
	struct weir_http_field fields[WEIR_HTTP_FIELDS_MAX]; /* field_count are valid, as sent */
};

/* Returns the value of the first such field. Data is NULL if there is none, not if it is empty. */
static inline struct weir_span weir_http_request_known(
        const struct weir_http_request *request, enum weir_http_known known)
{
	unsigned first = request->first[known];
	return first ? request->fields[first - 1].value : weir_span(NULL, 0);
}

/* Returns the value of the first field of that name, in any case. It searches all fields. */
WEIR_API struct weir_span weir_http_request_field(
        const struct weir_http_request *request, struct weir_span name);

/*
 * Returns the first field of that kind if `after` is NULL, otherwise the next one behind `after`;
 * NULL at the end. The values of a repeated field are one list, in this order (RFC 9110 5.3).
 */
WEIR_API const struct weir_http_field *weir_http_request_next(
        const struct weir_http_request *request, enum weir_http_known known,
        const struct weir_http_field *after);

/*
 * Makes all spans point into the bytes at `to`, which are a copy of the head that was parsed at
 * `from`. `from` is not read, and may be freed memory.
 */
WEIR_API void weir_http_request_rebase(
        struct weir_http_request *request, const char *from, const char *to);

WEIR_C_END

#endif
