/*
 * The values of fields, parsed and written without I/O: parameters, Accept-Encoding, Authorization,
 * dates, media types, entity-tags, conditions, ranges and Forwarded. The public ones, of queries,
 * forms and cookies, are in weir/http_form.h.
 */
#ifndef WEIR_HTTP_FIELD_VALUES_H
#define WEIR_HTTP_FIELD_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/address.h>
#include <weir/http_request.h>
#include <weir/limits.h>
#include <weir/span.h>

struct weir_file;

/* -- pair.c: parameters ------------------------------------------------------------------------ */

/*
 * A value with parameters (RFC 9110 5.6.6), as of Content-Type and Content-Disposition:
 *
 *   multipart/form-data; boundary="a b"        head "multipart/form-data", one parameter
 *   form-data; name=f; filename="a\"b.txt"     head "form-data", two of them
 */
struct http_parameter {
	struct weir_span name;  /* in any case */
	struct weir_span value; /* without the quotes, but with the backslashes, if quoted */
	bool quoted;
};

/*
 * Cuts the head, a token or type/subtype, off `*value`; the rest is for http_parameter_next.
 * Returns 0, or WEIR_E_SYNTAX with *value untouched.
 */
int http_parameter_head(struct weir_span *value, struct weir_span *ret_head);

/* Cuts the next parameter off *rest. Returns 1, 0 at the end, or WEIR_E_SYNTAX. */
int http_parameter_next(struct weir_span *rest, struct http_parameter *ret_parameter);

/*
 * Decodes quoted-pairs of the value into `buffer`. Returns 0, or WEIR_E_LIMIT if it does not fit.
 */
int http_parameter_decode(const struct http_parameter *parameter, char *buffer, size_t capacity,
        struct weir_span *ret_value);

/* -- accept.c: Accept-Encoding ----------------------------------------------------------------- */

/*
 * The codings that the client accepts (RFC 9110 12.5.3): gzip, by either of its names, br, zstd and
 * identity. Weights are in thousandths, and -1 where the coding is not listed. All -1 is the empty
 * list.
 */
struct http_accept {
	int16_t gzip;
	int16_t br;
	int16_t zstd;
	int16_t identity;
	int16_t any; /* "*" */
};

enum http_coding {
	WEIR_HTTP_IDENTITY,
	WEIR_HTTP_GZIP,
	WEIR_HTTP_ZSTD,
	WEIR_HTTP_NO_CODING, /* the client accepts none; the server may send identity or 406 */
	WEIR_HTTP_CODING_LAST = WEIR_HTTP_NO_CODING,
};

/* The name for Content-Encoding; NULL for the last one and identity. */
const char *http_coding_name(enum http_coding coding);

#define WEIR_HTTP_ACCEPT_NONE ((struct http_accept){-1, -1, -1, -1, -1})

/* Adds the list of one field. Malformed elements and repeated codings are ignored. */
void http_accept_add(struct http_accept *accept, struct weir_span value);

/*
 * Chooses gzip if it (or "*") is listed with a weight above 0 and not below that of identity. With
 * `may_zstd`, zstd if it is listed by its name so, and not below gzip.
 */
enum http_coding http_accept_choose(const struct http_accept *accept, bool may_zstd);

/* Adds all Accept-Encoding fields of a request to an empty list. */
struct http_accept http_accept_of(const struct weir_http_request *request);

/*
 * Returns the weight of a coding whose own is `listed`: that of "*" if it is not listed, and 0 if it
 * is not accepted or below identity.
 */
int http_accept_weight(const struct http_accept *accept, int16_t listed);

/* Does both for all Accept-Encoding fields of a request. Without any, the result is identity. */
enum http_coding http_accept_coding(const struct weir_http_request *request, bool may_zstd);

/*
 * Parses a weight, as "0.5" (RFC 9110 12.4.2): at most three decimals, at most 1.000. Returns
 * thousandths, or -1 if it is malformed.
 */
int16_t http_weight_parse(struct weir_span text);

/*
 * Whether the Accept fields of a request prefer application/json to text/html (RFC 9110 12.5.1): it
 * must be listed by its name.
 */
bool http_accepts_json(const struct weir_http_request *request);

/* -- handlers/basic_auth.c: Authorization ------------------------------------------------------ */

/* The Basic scheme (RFC 7617): base64 of "user:password". */
struct http_basic {
	struct weir_span user;     /* has no ':' and may be empty */
	struct weir_span password; /* may contain ':' */
};

/*
 * Decodes into `buffer`, in which both spans lie. The caller clears it (explicit_bzero) after the
 * check of the password, and after an error too. Base64 must be canonical: padded, without white
 * space, unused bits 0. Returns 0; WEIR_E_SYNTAX for another scheme, a malformed value or control
 * characters; or WEIR_E_LIMIT if it does not fit.
 */
int http_basic_parse(struct weir_span authorization, char buffer[WEIR_HTTP_BASIC_MAX],
        struct http_basic *ret_basic);

/* -- date.c ------------------------------------------------------------------------------------ */

/*
 * Dates of HTTP (RFC 9110 5.6.7), as seconds since 1970, UTC, without locale or time zone.
 *
 *   Sun, 06 Nov 1994 08:49:37 GMT      IMF-fixdate: written
 *   Sunday, 06-Nov-94 08:49:37 GMT     obsolete, read only
 *   Sun Nov  6 08:49:37 1994           obsolete, read only
 */
#define WEIR_HTTP_DATE_SIZE 29

/*
 * Writes an IMF-fixdate and a NUL. Dates outside of the years 1 to 9999 become the nearest one in
 * them.
 */
void http_date_format(int64_t seconds, char text[WEIR_HTTP_DATE_SIZE + 1]);

/*
 * Parses all of `text`; the day of the week must be right. `now` is for years with two digits: a
 * year more than 50 years ahead is of the century before. Returns 0 or WEIR_E_SYNTAX.
 */
int http_date_parse(struct weir_span text, int64_t now, int64_t *ret_seconds);

/* -- mime.c: media types ----------------------------------------------------------------------- */

/* A media type, found by the extension of a file's name. */
struct http_mime {
	const char *extension; /* lower case, without its dot */
	const char *type;      /* for Content-Type; text has charset=utf-8 */
	bool compressible;     /* worth gzip: not compressed by its own format */
};

/*
 * Returns the entry for the extension of a name or path, in any case. It is static and never NULL:
 * application/octet-stream for an unknown extension.
 */
const struct http_mime *http_mime_find(struct weir_span name);

/* Whether a name or path has this extension, in any case. */
bool http_mime_has_extension(struct weir_span name, const char *extension);

/* Whether the value of Content-Type is of a media type, or of a family, which ends in a star. */
bool http_mime_matches(struct weir_span value, const char *type);

/* Whether a media type is one of text, which is worth compressing. */
bool http_mime_is_text(const char *type);

/* -- conditional.c: entity-tags ---------------------------------------------------------------- */

#define WEIR_HTTP_ETAG_MAX 64

/*
 * Writes the entity-tag of a file, for replies with it and for conditions of its replacement. It is
 * strong, with its quotes: "size-mtime", in hexadecimal, the time in nanoseconds. Returns its size
 * without the NUL behind it.
 */
size_t http_etag_format(const struct weir_file *file, char text[WEIR_HTTP_ETAG_MAX]);

/* -- conditional.c: conditions ----------------------------------------------------------------- */

/*
 * The validators of the selected representation, for conditional requests (RFC 9110 13): whether
 * the client's copy is still valid, and whether the client changes the version that it expects.
 */
struct http_validators {
	bool exists;
	bool has_modified;
	int64_t modified;      /* Last-Modified, in seconds since 1970 */
	struct weir_span etag; /* with quotes and W/; empty if there is none */
};

/*
 * Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of RFC
 * 9110 13.2.2. Returns 0 if the conditions hold, else 304 or 412. `now`, in seconds since 1970, is
 * for dates with two digits of the year.
 *
 * A malformed date is ignored. A malformed list of tags never allows a change: it matches nothing
 * in If-Match, and everything in If-None-Match of a method other than GET and HEAD.
 */
int http_conditional_check(const struct weir_http_request *request,
        const struct http_validators *validators, int64_t now);

/*
 * Returns whether the Range of the request applies: the method is GET, and there is a Range.
 * If-Range, if given, must name exactly this representation, by a strong tag or an equal date (RFC
 * 9110 13.1.5).
 */
bool http_range_applies(const struct weir_http_request *request,
        const struct http_validators *validators, int64_t now);

/* -- range.c ----------------------------------------------------------------------------------- */

/* A byte range (RFC 9110 14): a part of a representation that a Range field requests. */
struct http_range {
	uint64_t offset;
	uint64_t size; /* not 0; offset + size is within the representation */
};

struct http_ranges {
	unsigned count; /* at least 1; the ranges neither overlap nor touch each other */
	struct http_range ranges[WEIR_HTTP_RANGES_MAX]; /* in the order of the request */
};

enum http_range_result {
	WEIR_HTTP_RANGE_IGNORED,     /* malformed, abusive, or the size is 0: reply with all, 200 */
	WEIR_HTTP_RANGE_SATISFIABLE, /* 206 */
	WEIR_HTTP_RANGE_UNSATISFIABLE, /* 416 */
};

/*
 * Parses the field's value, and clips the ranges to a representation of `size` bytes. Ranges that
 * overlap or touch become one, at the position of the first. *ret_ranges is set for SATISFIABLE
 * only.
 */
enum http_range_result http_range_parse(
        struct weir_span value, uint64_t size, struct http_ranges *ret_ranges);

/* -- forwarded.c ------------------------------------------------------------------------------- */

/*
 * The lists in which proxies of HTTP name their clients: X-Forwarded-For, and Forwarded (RFC 7239).
 * Each one appends the address that it was connected from, so the end of a list is the part that
 * the nearest one has made.
 *
 *   X-Forwarded-For: 203.0.113.7, 2001:db8::1
 *   Forwarded: for=203.0.113.7, for="[2001:db8::1]:4711";proto=https
 */
enum http_scheme {
	HTTP_SCHEME_UNKNOWN,
	HTTP_SCHEME_HTTP,
	HTTP_SCHEME_HTTPS,
};

/* Returns the scheme of this name, in any case; UNKNOWN for all others. */
enum http_scheme http_scheme_find(struct weir_span text);

/* The values of an element of Forwarded. */
struct http_forwarded {
	struct weir_address client; /* port 0: none was named, or an obfuscated one */
	enum http_scheme scheme;    /* by which the client has reached the proxy */
};

/*
 * Cuts the last element off *list, without the space around it; empty ones are skipped. With
 * `quotes`, a comma within a quoted-string does not end an element. Returns false at the end.
 */
bool http_forwarded_cut_last(struct weir_span *list, bool quotes, struct weir_span *ret);

/*
 * Parse an element of X-Forwarded-For, an address that may have a port, and one of Forwarded.
 * Return 0; or WEIR_E_SYNTAX, also for `unknown` and obfuscated identifiers, with *ret untouched.
 */
int http_forwarded_parse_for(struct weir_span element, struct weir_address *ret);
int http_forwarded_parse_element(struct weir_span element, struct http_forwarded *ret);

#endif
