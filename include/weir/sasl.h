/*
 * SASL (RFC 4422): who is it? The same for SMTP's AUTH (RFC 4954), POP3's (RFC 5034), IMAP's
 * AUTHENTICATE, and for the client in SMTP's relay. Mechanisms: SCRAM-SHA-256 (RFC 5802, RFC 7677),
 * PLAIN (RFC 4616) and LOGIN.
 *
 *   AUTH PLAIN AGFsaWNlAHB3 ──▶ weir_sasl_start ──▶ step(DONE, "alice")
 *
 *   AUTH SCRAM-SHA-256 ──▶ weir_sasl_start ──▶ step(CHALLENGE, "")      ──▶ 334
 *   biwsbj1hbGlj…      ──▶ weir_sasl_next  ──▶ step(CHALLENGE, "cj1m…") ──▶ 334 cj1m…
 *   Yz1iaXdz…          ──▶ weir_sasl_next  ──▶ step(CHALLENGE, "dj02…") ──▶ 334 dj02…
 *   (an empty line)    ──▶ weir_sasl_next  ──▶ step(DONE, "alice")      ──▶ 235
 *
 * Everything a protocol gives and gets is the text of its lines, base64 (RFC 4648 4, strict)
 * coded; the protocol adds no more than its own `334 ` or `+ `.
 *
 * A wrong password costs the peer's address time, by the guard, on all of its connections: step()
 * comes that much later (weir/sasl_guard.h). Nothing tells an unknown user from a wrong password: SCRAM shows somebody
 * unknown a salt that is the same at each try.
 *
 * Names and passwords are compared byte by byte. Of SASLprep (RFC 4013) there is what it does to
 * ASCII, which is to refuse control characters; other UTF-8 is taken as it comes, not normalised.
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
	struct weir_span user; /* DONE: who it is */
	/*
	 * FAILED, and SMTP's code for it:
	 *   -EACCES        wrong, whatever of it                          535 5.7.8
	 *   -ECANCELED     the client gave up (`*`)                       501 5.7.0
	 *   WEIR_E_SYNTAX  not base64, or not what the mechanism sends    501 5.5.2
	 *   -EMSGSIZE      a line longer than WEIR_SASL_LINE_MAX          500 5.5.6
	 *   -EOPNOTSUPP    there is no such mechanism                     504 5.5.4
	 *   -EPERM         … not without TLS (see `secure`)               538 5.7.11
	 *   WEIR_E_LIMIT   too many are being checked, try again          454 4.7.0
	 *   -EAGAIN        the hash cannot be computed now                454 4.7.0
	 *   -ENOMEM                                                       454 4.7.0
	 */
	int error;
};

/* -- the server -------------------------------------------------------------------------------- */

struct weir_sasl_options {
	struct weir_users *users; /* held by the exchange */
	struct weir_guard *guard; /* against guessing; must outlive the exchange. NULL: none */
	struct weir_address peer; /* whom the guard counts for */
	bool secure;              /* passwords in clear text (PLAIN, LOGIN) may be sent */
};

/*
 * The mechanisms to offer, the best first, a space between: "SCRAM-SHA-256 PLAIN LOGIN". Without
 * `secure` only those that do not send the password; SCRAM-SHA-256 only if all users who can log in
 * have what it needs (`scram=` in the users file), since clients do not fall back to another. It
 * may be "", and then nothing should be offered. Static.
 */
WEIR_API const char *weir_sasl_mechanisms(struct weir_users *users, bool secure);

/*
 * An exchange. `step(context, step)` is called exactly once for each start and next: from inside of
 * the call where the answer is at hand, from the loop where not. The exchange may be destroyed in
 * it. 0 or -ENOMEM.
 */
WEIR_API int weir_sasl_create(struct weir_loop *loop, const struct weir_sasl_options *options,
        void (*step)(void *context, const struct weir_sasl_step *step), void *context,
        struct weir_sasl **ret);

/*
 * Begins, once. `mechanism` in any case. `initial` is the initial response as it stood on the
 * line: base64, "=" for an empty one; its data is NULL when there was none. So with
 * `AUTH PLAIN` alone the step is a challenge with an empty text.
 */
WEIR_API void weir_sasl_start(
        struct weir_sasl *sasl, struct weir_span mechanism, struct weir_span initial);

/* The client's next line, without its CRLF. Only after a CHALLENGE. */
WEIR_API void weir_sasl_next(struct weir_sasl *sasl, struct weir_span line);

/* step() is not called any more. Erases all secrets. NULL is allowed. */
WEIR_API void weir_sasl_destroy(struct weir_sasl *sasl);

/* What to keep of a new password, with a new salt. Blocks for a while. 0, -ENOMEM, -EIO. */
WEIR_API int weir_scram_make(struct weir_span password, struct weir_scram *ret);

/* -- one password, for USER and PASS ----------------------------------------------------------- */

/*
 * Like weir_users_check, and the guard counts: the answer comes as late as the address has deserved
 * by wrong ones. 0, or -EACCES, WEIR_E_LIMIT, -EAGAIN, -ENOMEM as above. `done` may free the login. A login
 * that goes away before must be cancelled; harmless when it was done, or the struct is all zero.
 */
struct weir_login {
	struct weir_check check; /* the library's own, as are those below */
	struct weir_timer timer;
	struct weir_loop *loop;
	struct weir_guard *guard;
	struct weir_address peer;
	size_t name_size;
	char name[WEIR_USER_NAME_MAX];
	int error;
	void (*done)(struct weir_login *login, int error);
};

WEIR_API void weir_login_check(struct weir_login *login, struct weir_loop *loop,
        const struct weir_sasl_options *options, struct weir_span name, struct weir_span password,
        void (*done)(struct weir_login *login, int error));

WEIR_API void weir_login_cancel(struct weir_login *login);

/* -- the client -------------------------------------------------------------------------------- */

struct weir_sasl_client_options {
	struct weir_span mechanisms; /* as the server offers them, spaces between */
	struct weir_span user;       /* copied, as is the password */
	struct weir_span password;
	bool secure; /* passwords in clear text (PLAIN, LOGIN) may be sent */
};

/*
 * Chooses the best of the mechanisms that both have. 0; -EOPNOTSUPP: none; -EPERM: none without
 * TLS; WEIR_E_SYNTAX: a name or password that cannot be sent; -ENOMEM. step() as above: the
 * CHALLENGE is what to send (for start: the initial response, "=" when it is empty).
 */
WEIR_API int weir_sasl_client_create(struct weir_loop *loop,
        const struct weir_sasl_client_options *options,
        void (*step)(void *context, const struct weir_sasl_step *step), void *context,
        struct weir_sasl_client **ret);

/* "SCRAM-SHA-256": what to put behind AUTH. */
WEIR_API const char *weir_sasl_client_mechanism(const struct weir_sasl_client *client);

WEIR_API void weir_sasl_client_start(struct weir_sasl_client *client);

/*
 * What followed the server's `334 `. FAILED with -EACCES: it is not the server that knows the
 * password, or it is not the mechanism's answer; send `*`.
 */
WEIR_API void weir_sasl_client_next(struct weir_sasl_client *client, struct weir_span challenge);

/*
 * The server says that all is well (235): is it? 0; -EACCES: it has not shown that it knows the
 * password, as SCRAM asks of it.
 */
WEIR_API int weir_sasl_client_verify(const struct weir_sasl_client *client);

WEIR_API void weir_sasl_client_destroy(struct weir_sasl_client *client);

#endif
