/*
 * The objects that an ACME server sends (RFC 8555 7.1, RFC 9773), read from JSON. The server may be
 * in error, or hostile: every text is bounded, a URL is https and needs no escapes, a token can be
 * a file's name.
 *
 * Each function returns 0; WEIR_E_SYNTAX if the object is malformed or lacks what it must have; or
 * -ENOMEM. `ret` is untouched then.
 */
#ifndef DAEMON_ACME_MESSAGE_H
#define DAEMON_ACME_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/span.h>

enum {
	ACME_REPLY_MAX = 128 * 1024, /* bytes of a reply's body */
	ACME_URL_SIZE = 1024,        /* with a NUL, as all sizes here */
	ACME_NAME_SIZE = 256,
	ACME_TOKEN_SIZE = 129,
	ACME_ID_SIZE = 160, /* of a certificate, in RFC 9773 4.1 */
	ACME_TEXT_SIZE = 256,
	ACME_TYPE_SIZE = 64,
	ACME_AUTHORIZATIONS_MAX = 4, /* of an order for one name */
	ACME_CHALLENGES_MAX = 32,    /* that are looked at, of one authorization */
};

/* Whether it is a URL that requests may be sent to: https, and printable ASCII. */
bool acme_url_is_good(struct weir_span url);

/* Whether a nonce, or a token, is base64url of a size that fits. */
bool acme_nonce_is_good(struct weir_span nonce);
bool acme_token_is_good(struct weir_span token);

/* Whether it can be the ID of a certificate (RFC 9773 4.1), which needs no escapes anywhere. */
bool acme_id_is_good(struct weir_span id);

/* A URL that the directory does not have is empty. */
struct acme_directory {
	char new_nonce[ACME_URL_SIZE];
	char new_account[ACME_URL_SIZE];
	char new_order[ACME_URL_SIZE];
	char key_change[ACME_URL_SIZE];
	char renewal_info[ACME_URL_SIZE];
	char terms[ACME_URL_SIZE];
	bool binding_required;
	bool has_profile; /* the one that was asked for */
};

/* `profile` may be NULL. */
int acme_directory_parse(struct weir_span json, const char *profile, struct acme_directory *ret);

enum acme_status {
	ACME_PENDING,
	ACME_READY,
	ACME_PROCESSING,
	ACME_VALID,
	ACME_INVALID, /* and expired, revoked, deactivated */
};

/* A problem document (RFC 7807), with an empty type if it is none. */
struct acme_problem {
	char type[ACME_TYPE_SIZE]; /* without urn:ietf:params:acme:error: */
	char detail[ACME_TEXT_SIZE];
};

/* Never fails: what is no problem document has no type. */
void acme_problem_parse(struct weir_span json, struct acme_problem *ret);

struct acme_order_state {
	enum acme_status status;
	char finalize[ACME_URL_SIZE];
	char certificate[ACME_URL_SIZE]; /* empty until it is valid */
	char authorizations[ACME_AUTHORIZATIONS_MAX][ACME_URL_SIZE];
	size_t authorization_count;
	int64_t expires_s; /* of the order; 0: the server does not say, or not in RFC 3339 */
	struct acme_problem problem;
};

int acme_order_parse(struct weir_span json, struct acme_order_state *ret);

enum acme_challenge_kind {
	ACME_HTTP_01,
	ACME_TLS_ALPN_01,
	ACME_DNS_01,
	ACME_CHALLENGE_KINDS,
};

extern const char *const acme_challenge_names[ACME_CHALLENGE_KINDS];

struct acme_challenge {
	char url[ACME_URL_SIZE]; /* empty: the server does not offer this kind */
	char token[ACME_TOKEN_SIZE];
};

struct acme_authorization {
	enum acme_status status;
	char name[ACME_NAME_SIZE]; /* in lower case, without "*." */
	bool wildcard;
	struct acme_challenge challenges[ACME_CHALLENGE_KINDS];
	struct acme_problem problem; /* of the first challenge that has failed */
};

int acme_authorization_parse(struct weir_span json, struct acme_authorization *ret);

/* When a certificate should be renewed (RFC 9773 4.2), in seconds since 1970: start_s < end_s. */
struct acme_renewal {
	int64_t start_s;
	int64_t end_s;
};

int acme_renewal_parse(struct weir_span json, struct acme_renewal *ret);

/* Reads a date of RFC 3339. Returns 0 or WEIR_E_SYNTAX. */
int acme_date_parse(struct weir_span text, int64_t *ret_s);

#endif
