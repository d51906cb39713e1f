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
};

/* A short text for a code above or a negative errno. It is static, and never NULL. */
WEIR_API const char *weir_error_text(int error);

WEIR_C_END

#endif
