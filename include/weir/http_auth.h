/*
 * Basic authentication (RFC 7617) by the users of weir/users.h. It is put in the chain in front of
 * the handlers that it protects. A request with a right password goes to the next handler, with its
 * user set; any other request gets a 401. The guard against brute force delays answers
 * (weir/sasl_guard.h); without a guard, the answer to a wrong password waits for 600 ms. The reply
 * is 503 when too many passwords are being checked, when too many answers wait, or when a hash
 * cannot be computed.
 *
 * Clients send the password readable: use TLS, or the loopback interface.
 */
#ifndef WEIR_HTTP_AUTH_H
#define WEIR_HTTP_AUTH_H

#include <stdint.h>

#include <weir/api.h>
#include <weir/http.h>

WEIR_C_BEGIN

struct weir_guard;
struct weir_users;

/*
 * Protects the path `prefix` and those below it, in any case of letters; "" is all. Prefix and
 * realm are copied, and the handler holds the users. The guard must outlive the handler; NULL:
 * there is none. Returns NULL without memory.
 */
WEIR_API struct weir_http_handler *weir_http_basic_auth_create(
        struct weir_users *users, struct weir_guard *guard, const char *realm, const char *prefix);

/*
 * Replaces the users of such a handler, from the next request on; checks under way end on those
 * before. The handler holds them. On the thread of its loop.
 */
WEIR_API void weir_http_basic_auth_set_users(
        struct weir_http_handler *handler, struct weir_users *users);

/* -- bearer tokens ----------------------------------------------------------------------------- */

/*
 * Bearer authentication (RFC 6750): JWTs (RFC 7519) that are signed by one of the keys. A request
 * with a valid token goes to the next handler, with its user set; any other request gets a 401. A
 * token must have `exp`. Its algorithm is one for its key: RS256, RS384, RS512, PS256, PS384 or
 * PS512; ES256, ES384 or ES512, by the curve; or EdDSA.
 */
struct weir_http_token_keys;

/*
 * Reads the public keys of a PEM file; blocks. They have one reference then. Returns 0;
 * WEIR_E_SYNTAX if there is no key, or one of another type, or of RSA with less than 2048 bits;
 * WEIR_E_LIMIT beyond WEIR_HTTP_TOKEN_KEYS_MAX; -ENOMEM; or an errno of reading.
 */
WEIR_API int weir_http_token_keys_load(const char *path, struct weir_http_token_keys **ret);

/* Any thread. The last release frees. NULL may be released. */
WEIR_API struct weir_http_token_keys *weir_http_token_keys_hold(struct weir_http_token_keys *keys);
WEIR_API void weir_http_token_keys_release(struct weir_http_token_keys *keys);

/* Begin with weir_http_bearer_options_init. All is copied, and the keys are held. */
struct weir_http_bearer_options {
	struct weir_http_token_keys *keys;
	const char *realm;    /* "weir" */
	const char *issuer;   /* the claim `iss`; NULL, the default: any */
	const char *audience; /* `aud`, or one of them; NULL, the default: any */
	const char *user;     /* the claim that names the user; "sub" */
	int64_t leeway_s;     /* clocks may differ by so much; 0 */
};

/* Sets every member to its default. The keys have none. */
WEIR_API void weir_http_bearer_options_init(struct weir_http_bearer_options *options);

/* Returns NULL without memory, or for keys of NULL. */
WEIR_API struct weir_http_handler *weir_http_bearer_create(
        const struct weir_http_bearer_options *options);

WEIR_C_END

#endif
