/*
 * Errors: a function that can fail returns 0 (or a count) or a negative number, which is either an
 * errno of the system (-ENOMEM) or one of the codes below. The library prints nothing.
 */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <weir/api.h>

enum weir_error {
	WEIR_E_LIMIT = -4097,  /* a bound of weir/limits.h (or of the caller) was reached */
	WEIR_E_SYNTAX = -4098, /* the input is not of the form the grammar asks for */
	WEIR_E_CLOSED = -4099, /* the channel, loop or producer is closed already */
	WEIR_E_TLS = -4100,    /* a TLS handshake or record failed */
};

/* A short text for any code above or negative errno; never NULL, never freed. */
WEIR_API const char *weir_error_text(int error);

#endif
