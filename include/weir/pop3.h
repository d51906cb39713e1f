/*
 * POP3 (RFC 1939): a server that lets users fetch their mail from a store.
 *
 *   AUTHORIZATION ── USER, PASS or AUTH ──▶ TRANSACTION ── QUIT ──▶ UPDATE: messages are removed
 *        └── STLS, UTF8                        └── the connection ends ──▶ no message is removed
 *
 * Extensions: CAPA, RESP-CODES, EXPIRE NEVER and PIPELINING (RFC 2449); AUTH-RESP-CODE (RFC 3206);
 * STLS (RFC 2595); AUTH with PLAIN, LOGIN and SCRAM-SHA-256 (RFC 5034); UTF8 and LANG (RFC 6856).
 * There is no APOP, since it needs passwords in clear text, and users files have only their hashes.
 *
 * A message is sent as the store has it, even if the client has not sent UTF8. A session locks its
 * mailbox (others get [IN-USE]) and sees it as it was at the login. Deleted messages are removed at
 * QUIT, when all replies before it have been sent. A reply of +OK to QUIT means that the removal is
 * on the disk.
 *
 * Commands end in LF, with or without a CR before it.
 */
#ifndef WEIR_POP3_H
#define WEIR_POP3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/server.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_guard;
struct weir_mail_store;
struct weir_pop3_server;
struct weir_tls;
struct weir_users;

/* -- events for the log ------------------------------------------------------------------------ */

enum weir_pop3_event_kind {
	WEIR_POP3_LOGIN,  /* the mailbox is open, and has `messages` and `octets` */
	WEIR_POP3_DENIED, /* a login failed, with `error` */
	WEIR_POP3_LOGOUT, /* a session with a login has ended, with `error` and all counts */
};

/* Everything is valid during the call. */
struct weir_pop3_event {
	enum weir_pop3_event_kind kind;
	const struct weir_address *peer;
	uint64_t session;      /* weir_channel_id */
	struct weir_span user; /* DENIED: the name that the client gave; may be empty */
	const char *mechanism; /* "PASS", or "AUTH"; NULL for LOGOUT */
	bool secure;
	/*
	 * DENIED: -EACCES if the name or password is wrong, -EBUSY if the mailbox is in use, or
	 * another error of weir/sasl.h or of weir_maildrop_open. LOGOUT: 0 after QUIT, otherwise
	 * the error of the connection or of the removal.
	 */
	int error;
	size_t messages;    /* LOGOUT: those that are left, as far as this session knows */
	uint64_t octets;    /* bytes of these messages */
	uint64_t retrieved; /* RETR and TOP whose replies were sent whole */
	uint64_t sent;      /* bytes of these replies */
	uint64_t removed;   /* messages */
};

/* -- servers ----------------------------------------------------------------------------------- */

/* Logs an event, which is valid during the call. */
typedef void weir_pop3_log_fn(void *context, const struct weir_pop3_event *event);

/* Begin with weir_pop3_options_init. */
struct weir_pop3_options {
	/*
	 * STLS with `tls_upgrade`; else TLS from the first byte (port 995), if there is `tls`. Of
	 * the bounds, idle_ms is WEIR_POP3_IDLE_MS by default; request_max is POP3's own.
	 */
	struct weir_listener listener;
	struct weir_mail_store *store; /* borrowed until the server is destroyed or has another */
	struct weir_users *users;      /* referenced; each has a mailbox. NULL: nobody */
	struct weir_guard *guard; /* against brute force (weir/sasl_guard.h); borrowed, or NULL */

	bool auth_in_clear; /* allow passwords without TLS from all hosts, not only from this one */

	uint32_t login_ms;     /* from the connection to the login; WEIR_POP3_LOGIN_MS */
	unsigned failures_max; /* failed logins of a connection; WEIR_POP3_FAILURES_MAX */

	weir_pop3_log_fn *log; /* may be NULL */
	void *context;         /* of `log` */
};

/*
 * Sets every member to its default, or else to 0, false or NULL. The address and
 * the store have none.
 */
WEIR_API void weir_pop3_options_init(struct weir_pop3_options *options);

/*
 * Listens and serves. Returns 0; -EINVAL if there is no store, or if an option has a value that
 * cannot work, for example because the struct was not initialised; -ENOMEM; or an errno of
 * listening.
 */
WEIR_API int weir_pop3_create(struct weir_loop *loop, const struct weir_pop3_options *options,
        struct weir_pop3_server **ret);

/*
 * Sets other users or another store, for logins from here on. Sessions with a login stay with what
 * they have. Ownership is as in the options.
 */
WEIR_API void weir_pop3_set_users(struct weir_pop3_server *server, struct weir_users *users);
WEIR_API void weir_pop3_set_store(struct weir_pop3_server *server, struct weir_mail_store *store);

/* Returns the listener: to drain it, for its address, and to change its certificates. */
WEIR_API struct weir_server *weir_pop3_listener(struct weir_pop3_server *server);

/*
 * Ends all sessions; a removal that QUIT has begun goes on. NULL is allowed. Must not be called
 * from a callback of a session.
 */
WEIR_API void weir_pop3_destroy(struct weir_pop3_server *server);

WEIR_C_END

#endif
