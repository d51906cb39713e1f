/*
 * Signed tokens (JWT, RFC 7519, as JWS compact, RFC 7515), verified by public keys.
 *
 *   header.payload.signature        each base64url, without padding
 *
 * The algorithm is that of the key. A token that names another one is refused, so that a client
 * cannot choose "none", or have a public key used as a secret.
 */
#ifndef HTTP_JWT_H
#define HTTP_JWT_H

#include <stddef.h>
#include <stdint.h>

#include <weir/http_auth.h>
#include <weir/span.h>

/* The claims that a token must have, beside `exp`; NULL: any. */
struct http_jwt_rules {
	const char *issuer;   /* `iss` */
	const char *audience; /* `aud`, or one of them */
	const char *user;     /* the claim whose text is the user: "sub" */
	int64_t leeway_s;     /* clocks may differ by so much */
};

/*
 * Verifies a token. `now_s` is in seconds since 1970. Returns NULL, and the user in `user`, which
 * is empty without that claim; or the reason for the refusal, a word for the log.
 */
const char *http_jwt_verify(const struct weir_http_token_keys *keys, struct weir_span token,
        const struct http_jwt_rules *rules, int64_t now_s, char user[WEIR_HTTP_TOKEN_USER_MAX + 1]);

#endif
