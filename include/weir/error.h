/*
 * Errors: a function that can fail returns 0 or a count on success. On failure it returns a
 * negative number: an errno of the system (-ENOMEM) or one of the codes below. The library prints
 * nothing.
 */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <weir/api.h>

WEIR_C_BEGIN

enum weir_error {
	WEIR_E_LIMIT = -4097,  /* a bound of weir/limits.h or of the caller is reached */
	WEIR_E_SYNTAX = -4098, /* the input does not follow the grammar */
	WEIR_E_CLOSED = -4099, /* the channel, loop or producer is closed */
	WEIR_E_TLS = -4100,    /* a TLS handshake or record failed */

	/* Why the reply of an HTTP server is refused (weir/http_client.h). */
	WEIR_E_HTTP_STATUS = -4101,    /* the status line is malformed, or not HTTP/1 */
	WEIR_E_HTTP_LINE_END = -4102,  /* LF without CR, CR without LF, or NUL in the head */
	WEIR_E_HTTP_FOLD = -4103,      /* a field continues on a second line (obs-fold) */
	WEIR_E_HTTP_FIELD = -4104,     /* a field is malformed */
	WEIR_E_HTTP_HEAD_SIZE = -4105, /* the head is too large, or has too many fields */
	WEIR_E_HTTP_LENGTH = -4106,    /* Content-Length is no number, or is misplaced */
	WEIR_E_HTTP_LENGTHS = -4107,   /* there is more than one Content-Length */
	WEIR_E_HTTP_LENGTH_AND_CODING = -4108, /* Content-Length with Transfer-Encoding */
	WEIR_E_HTTP_CODING = -4109,      /* Transfer-Encoding is not chunked alone, or misplaced */
	WEIR_E_HTTP_CHUNK = -4110,       /* the framing of a chunk is malformed */
	WEIR_E_HTTP_TRAILER = -4111,     /* a trailer field is malformed or too large */
	WEIR_E_HTTP_INTERIM = -4112,     /* too many interim replies, or an unexpected 101 */
	WEIR_E_HTTP_SHORT = -4113,       /* the connection ended before the reply did */
	WEIR_E_HTTP_EXTRA = -4114,       /* bytes came that belong to no reply */
	WEIR_E_HTTP_BODY_SIZE = -4115,   /* the body is larger than the caller allows */
	WEIR_E_FASTCGI_RECORD = -4116,   /* a record of FastCGI is malformed or misplaced */
	WEIR_E_FASTCGI_REFUSED = -4117,  /* the application cannot handle such a request */
	WEIR_E_FASTCGI_OVERLOAD = -4118, /* the application is overloaded */

	WEIR_E_DATABASE = -4119, /* the database has refused a statement (weir/postgres.h) */
};

/* A short text for a code above or a negative errno. It is static, and never NULL. */
WEIR_API const char *weir_error_text(int error);

WEIR_C_END

#endif
