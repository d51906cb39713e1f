/*
 * SASL (RFC 4422): authentication for AUTH of SMTP (RFC 4954) and POP3 (RFC 5034), for both servers
 * and for the client of the SMTP relay. Mechanisms: SCRAM-SHA-256 (RFC 5802, RFC 7677), PLAIN
 * (RFC 4616) and LOGIN.
 *
 *   AUTH PLAIN AGFsaWNlAHB3 ──▶ weir_sasl_start ──▶ step(DONE, "alice")
 *
 *   AUTH SCRAM-SHA-256 ──▶ weir_sasl_start ──▶ step(CHALLENGE, "")      ──▶ 334
 *   biwsbj1hbGlj…      ──▶ weir_sasl_next  ──▶ step(CHALLENGE, "cj1m…") ──▶ 334 cj1m…
 *   Yz1iaXdz…          ──▶ weir_sasl_next  ──▶ step(CHALLENGE, "dj02…") ──▶ 334 dj02…
 *   (an empty line)    ──▶ weir_sasl_next  ──▶ step(DONE, "alice")      ──▶ 235
 *
 * The protocol passes on the text of its lines, which is base64 (RFC 4648 4, strict). It adds
 * nothing but its own `334 ` or `+ `.
 *
 * After wrong passwords the guard delays step() for all connections of the peer's address
 * (weir/sasl_guard.h). The answers to an unknown user and to a wrong password are alike: for an
 * unknown user, SCRAM shows a salt that is the same at each attempt.
 *
 * Names and passwords are compared byte by byte. Of SASLprep (RFC 4013) only the rule for ASCII is
 * implemented: control characters are refused. Other UTF-8 is not normalised.
 */
#ifndef WEIR_SASL_H
#define WEIR_SASL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/sasl_guard.h>
#include <weir/span.h>
#include <weir/users.h>

WEIR_C_BEGIN

struct weir_sasl;
struct weir_sasl_client;

/* -- both sides -------------------------------------------------------------------------------- */

enum weir_sasl_outcome {
	WEIR_SASL_CHALLENGE, /* send `text`, and give the peer's answer to next() */
	WEIR_SASL_DONE,
	WEIR_SASL_FAILED,
};

/* The spans are valid until step() returns; `user` until the exchange is destroyed. */
struct weir_sasl_step {
	enum weir_sasl_outcome outcome;
	struct weir_span text; /* CHALLENGE: base64, perhaps empty */
	struct weir_span user; /* DONE: the name of the user */
	/*
	 * FAILED, and SMTP's code for it:
	 *   -EACCES        wrong name or password                         535 5.7.8
	 *   -ECANCELED     the client cancelled (`*`)                     501 5.7.0
	 *   WEIR_E_SYNTAX  not base64, or not what the mechanism sends    501 5.5.2
	 *   -EMSGSIZE      a line longer than WEIR_SASL_LINE_MAX          500 5.5.6
	 *   -EOPNOTSUPP    there is no such mechanism                     504 5.5.4
	 *   -EPERM         the mechanism needs TLS (see `secure`)         538 5.7.11
	 *   WEIR_E_LIMIT   too many passwords are being checked           454 4.7.0
	 *   -EAGAIN        the hash cannot be computed now                454 4.7.0
	 *   -ENOMEM                                                       454 4.7.0
	 */
	int error;
};

/*
 * Gets the answer to a start or a next: during the call if the answer is known, otherwise from the
 * loop. May destroy the exchange or the client.
 */
typedef void weir_sasl_step_fn(void *context, const struct weir_sasl_step *step);

/* -- the server -------------------------------------------------------------------------------- */

/* Begin with weir_sasl_options_init. */
struct weir_sasl_options {
	struct weir_users *users; /* the exchange takes a reference */
	struct weir_guard *guard; /* against brute force; must outlive the exchange. NULL: none */
	struct weir_address peer; /* the address that the guard counts */
	bool secure; /* passwords in clear text (PLAIN, LOGIN) may be sent; false by default */
};

/* Sets every member to 0, false or NULL. The users have no default. */
WEIR_API void weir_sasl_options_init(struct weir_sasl_options *options);

/*
 * Returns the mechanisms to offer, the best first: "SCRAM-SHA-256 PLAIN LOGIN"; static. Without
 * `secure` mechanisms that send the password are left out. SCRAM-SHA-256 is offered only if all
 * users who can log in have a `scram=` in the users file, since clients do not fall back to another
 * mechanism. If the result is "", AUTH should not be offered.
 */
WEIR_API const char *weir_sasl_mechanisms(struct weir_users *users, bool secure);

/*
 * Creates an exchange. `step` is called exactly once for each start and next. Returns 0; -EINVAL if
 * there are no users; or -ENOMEM.
 */
WEIR_API int weir_sasl_create(struct weir_loop *loop, const struct weir_sasl_options *options,
        weir_sasl_step_fn *step, void *context, struct weir_sasl **ret);

/*
 * Begins the exchange, once. Upper and lower case of `mechanism` are alike. `initial` is the
 * initial response from the client's line: base64, or "=" for an empty one. Its data is NULL if the
 * line had none: then `AUTH PLAIN` leads to a challenge with an empty text.
 */
WEIR_API void weir_sasl_start(
        struct weir_sasl *sasl, struct weir_span mechanism, struct weir_span initial);

/* Takes the client's next line, without its CRLF. Only after a CHALLENGE. */
WEIR_API void weir_sasl_next(struct weir_sasl *sasl, struct weir_span line);

/* Ends the exchange; step() is not called any more. Erases all secrets. NULL is allowed. */
WEIR_API void weir_sasl_destroy(struct weir_sasl *sasl);

/* Derives the keys of a new password, with a new salt. Blocks. Returns 0, -ENOMEM or -EIO. */
WEIR_API int weir_scram_make(struct weir_span password, struct weir_scram *ret);

/* -- one password, for USER and PASS ----------------------------------------------------------- */

/*
 * Checks a password as weir_users_check does; the guard counts a wrong one and delays the answer.
 * To free the login before `done`, cancel it. Cancelling has no effect after `done`, or if the
 * struct is all zero.
 */
struct weir_login;

/* The error is 0, or -EACCES, WEIR_E_LIMIT, -EAGAIN or -ENOMEM as above. May free the login. */
typedef void weir_login_done_fn(struct weir_login *login, int error);

struct weir_login {
	struct weir_check check; /* these fields are private */
	struct weir_timer timer;
	struct weir_loop *loop;
	struct weir_guard *guard;
	struct weir_address peer;
	size_t name_size;
	char name[WEIR_USER_NAME_MAX];
	int error;
	weir_login_done_fn *done;
};

WEIR_API void weir_login_check(struct weir_login *login, struct weir_loop *loop,
        const struct weir_sasl_options *options, struct weir_span name, struct weir_span password,
        weir_login_done_fn *done);

WEIR_API void weir_login_cancel(struct weir_login *login);

/* -- the client -------------------------------------------------------------------------------- */

/* Begin with weir_sasl_client_options_init. */
struct weir_sasl_client_options {
	struct weir_span mechanisms; /* that the server offers, separated by spaces */
	struct weir_span user;       /* copied, like the password */
	struct weir_span password;
	bool secure; /* passwords in clear text (PLAIN, LOGIN) may be sent; false by default */
};

/* Sets every member to 0, false or NULL. The spans have no default. */
WEIR_API void weir_sasl_client_options_init(struct weir_sasl_client_options *options);

/*
 * Chooses the best mechanism that both sides have. Returns 0; -EOPNOTSUPP if there is none; -EPERM
 * if there is none without TLS; WEIR_E_SYNTAX if the name or password cannot be sent; or -ENOMEM.
 * step() is called as above: the text of a CHALLENGE is to be sent. After start that is the initial
 * response, "=" if it is empty.
 */
WEIR_API int weir_sasl_client_create(struct weir_loop *loop,
        const struct weir_sasl_client_options *options, weir_sasl_step_fn *step, void *context,
        struct weir_sasl_client **ret);

/* Returns the mechanism, for the line of AUTH: "SCRAM-SHA-256". */
WEIR_API const char *weir_sasl_client_mechanism(const struct weir_sasl_client *client);

WEIR_API void weir_sasl_client_start(struct weir_sasl_client *client);

/*
 * Takes the text behind the server's `334 `. The step is FAILED with -EACCES if the server has not
 * shown that it knows the password, or has not followed the mechanism; then send `*`.
 */
WEIR_API void weir_sasl_client_next(struct weir_sasl_client *client, struct weir_span challenge);

/*
 * Checks a success that the server reports (235). Returns 0, or -EACCES if the mechanism is SCRAM
 * and the server has not shown that it knows the password.
 */
WEIR_API int weir_sasl_client_verify(const struct weir_sasl_client *client);

WEIR_API void weir_sasl_client_destroy(struct weir_sasl_client *client);

WEIR_C_END

#endif
