/*
 * One order: a certificate for one name (RFC 8555 7.4).
 *
 *   NEW ─▶ AUTHORIZATION ─▶ [proof in place] ─▶ CHALLENGE ─▶ waits until it is valid ─▶ (the next)
 *        ─▶ ORDER, until it is ready ─▶ [saved] ─▶ FINALIZE ─▶ ORDER, until it is valid
 *        ─▶ CERTIFICATE ─▶ end
 *
 * One that was saved, and did not end, is resumed instead (acme_saved_order.h). A new one is placed
 * if the authority has given it up, or does not know it. It fails if the authority has not ended it
 * before it expires.
 *
 * The order ends by itself after ACME_ORDER_MS. One that was saved `waits` then: it goes on at the
 * authority, and a later order resumes it. So does one that the authority processes for longer than
 * ACME_POLL_MAX_MS by its own word (RFC 8555 7.4). Whatever happens, the proofs are removed.
 */
#ifndef DAEMON_ACME_ORDER_H
#define DAEMON_ACME_ORDER_H

#include "acme_certificate.h"
#include "acme_session.h"

enum {
	ACME_ORDER_MS = 15 * 60 * 1000,
	ACME_POLL_FIRST_MS = 250, /* after which it is looked again; the pause doubles */
	ACME_POLL_MAX_MS = 30 * 1000,
	/* After these times, from when it was saved, an order is over: */
	ACME_ORDER_LIFE_S = 24 * 60 * 60, /* if the authority does not say when it expires */
	ACME_ORDER_LIFE_MAX_S = 30 * 24 * 60 * 60, /* if it names a later time */
};

struct acme_order;

/* How an order has ended. Valid during the callback. */
struct acme_order_end {
	const char *why;                /* NULL: the certificate is installed */
	int64_t retry_after_s;          /* the authority has asked for this pause; 0: it has not */
	bool account_lost;              /* the authority does not know the account */
	bool waits;                     /* the order goes on at the authority */
	const struct acme_chain *chain; /* of a success */
};

/* All texts must outlive the order. */
struct acme_order_options {
	struct weir_loop *loop;
	struct acme_session *session; /* started, and used by nothing else meanwhile */
	struct acme_share *share;     /* claimed */
	const struct config_acme *acme;
	const char *name;
	const char *profile;  /* or NULL */
	const char *replaces; /* the ID of the certificate that it replaces (RFC 9773), or NULL */
	struct acme_validity before; /* of the certificate in use */
	bool waited;                 /* an order waits: look once whether it still does */
	unsigned turn;               /* chooses among the kinds of challenges that are possible */
	void (*end)(void *context, const struct acme_order_end *end);
	void *context;
};

/* Returns 0 or -ENOMEM. `end` is not called from within. */
int acme_order_start(const struct acme_order_options *options, struct acme_order **ret);

/* Ends it without a call; NULL is allowed. After end() it is gone. */
void acme_order_cancel(struct acme_order *order);

#endif
