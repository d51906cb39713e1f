/*
 * POP3 (RFC 1939): a server that lets users fetch their mail from a store.
 *
 *   AUTHORIZATION ── USER, PASS or AUTH ──▶ TRANSACTION ── QUIT ──▶ what was deleted goes
 *        └── STLS, UTF8                        └── the connection ends ──▶ nothing goes
 *
 * With CAPA, RESP-CODES, EXPIRE NEVER and PIPELINING (RFC 2449), AUTH-RESP-CODE (3206), STLS (2595),
 * AUTH with PLAIN, LOGIN and SCRAM-SHA-256 (5034), UTF8 and LANG (6856). Not APOP: it needs the
 * passwords themselves, and users files have only what they can be checked with.
 *
 * A message is sent as it is, as the store has it; also after no UTF8 command. A session has its
 * mailbox alone ([IN-USE]) and sees it as it was at the login. Messages deleted are removed at QUIT,
 * when all replies before it have left, and the answer to QUIT says that they are gone for good.
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

struct weir_guard;
struct weir_mail_store;
struct weir_pop3_server;
struct weir_tls;
struct weir_users;

/* -- what is told for the log ------------------------------------------------------------------ */

enum weir_pop3_event_kind {
	WEIR_POP3_LOGIN,  /* and the mailbox is open: messages and octets are in it */
	WEIR_POP3_DENIED, /* a login failed: error */
	WEIR_POP3_LOGOUT, /* a session that was logged in has ended: error, and all the counts */
};

/* Everything is valid during the call. */
struct weir_pop3_event {
	enum weir_pop3_event_kind kind;
	const struct weir_address *peer;
	struct weir_span user; /* of DENIED: who it is said to be; may be empty */
	const char *mechanism; /* "PASS", or "AUTH"; NULL for LOGOUT */
	bool secure;
	/*
	 * DENIED: -EACCES, wrong; -EBUSY, the mailbox is in use; another of weir/sasl.h or of
	 * weir_maildrop_open. LOGOUT: 0 after QUIT, else what ended the connection, or that of the
	 * removal.
	 */
	int error;
	size_t messages;    /* LOGOUT: that are left, as far as this session knows */
	uint64_t octets;    /* of them */
	uint64_t retrieved; /* RETR and TOP that were sent to their end */
	uint64_t sent;      /* bytes of these */
	uint64_t removed;
};

/* -- servers ----------------------------------------------------------------------------------- */

struct weir_pop3_options {
	/*
	 * STLS with `tls_upgrade`; else TLS from the first byte (port 995), if there is `tls`. Of
	 * the bounds, idle_ms is WEIR_POP3_IDLE_MS by default; request_max is POP3's own.
	 */
	struct weir_listener listener;
	struct weir_mail_store *store; /* borrowed: until the server is destroyed or has another */
	struct weir_users *users;      /* held; whoever is in it has a mailbox. NULL: nobody */
	struct weir_guard *guard;      /* against guessing (weir/sasl_guard.h); borrowed, or NULL */

	bool auth_in_clear; /* passwords without TLS not only from this host itself */

	/* Of these, 0 is the default of weir/limits.h. */
	uint32_t login_ms;     /* from the connection to the login; WEIR_POP3_LOGIN_MS */
	unsigned failures_max; /* logins that may fail on a connection; WEIR_POP3_FAILURES_MAX */

	void (*log)(void *context, const struct weir_pop3_event *event); /* may be NULL */
	void *context;                                                   /* of `log` */
};

/* Listens and serves. 0; -EINVAL: no store; -ENOMEM; an errno of
 * listening. */
WEIR_API int weir_pop3_create(struct weir_loop *loop, const struct weir_pop3_options *options,
        struct weir_pop3_server **ret);

/* For logins from here on; sessions go on with what they have. Held by the server, or borrowed, as in
 * the options. */
WEIR_API void weir_pop3_set_users(struct weir_pop3_server *server, struct weir_users *users);
WEIR_API void weir_pop3_set_store(struct weir_pop3_server *server, struct weir_mail_store *store);

/* For its address, to drain it, and to change its certificates. */
WEIR_API struct weir_server *weir_pop3_listener(struct weir_pop3_server *server);

/*
 * Ends all sessions; a removal that QUIT has begun goes on. NULL is allowed. Not from a callback of
 * a session.
 */
WEIR_API void weir_pop3_destroy(struct weir_pop3_server *server);

#endif
