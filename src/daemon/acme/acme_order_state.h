/* The state of an order, for acme_order.c, acme_authorization.c and acme_order_step.c. */
#ifndef DAEMON_ACME_ORDER_STATE_H
#define DAEMON_ACME_ORDER_STATE_H

#include "acme_dns.h"
#include "acme_order.h"
#include "acme_proofs.h"

/*
 * Invariant: one thing is under way: a request, a pause (`timer`), a change that is published, or a
 * question to servers of DNS (`check`). Each ends in one function, which starts the next thing or
 * ends the order.
 */
struct acme_order {
	struct acme_order_options options;
	struct weir_timer timer;    /* of a pause */
	struct weir_timer deadline; /* of the order */
	struct weir_task begin;
	uint32_t pause_ms;
	void (*next)(struct acme_order *order); /* behind the pause */
	bool replaces; /* the order names the certificate that this one replaces */
	const char *waits_for;

	char url[ACME_URL_SIZE]; /* of the order */
	struct acme_order_state state;
	size_t at;                                    /* the authorisation that is under way */
	void (*authorized)(struct acme_order *order); /* behind the last one */

	/* The proof that is in place. */
	bool proving;
	enum acme_challenge_kind kind;
	struct acme_authorization authorization;
	struct acme_dns_check *check;
	char digest[ACME_THUMBPRINT_SIZE]; /* of the key authorisation, for DNS-01 */
	unsigned confirmed;            /* how many checks in turn have found it on all servers */
	char zone[ACME_NAME_SIZE + 2]; /* of the database, that has the name; "" */

	/* The certificate. */
	EVP_PKEY *key;   /* or NULL */
	bool resumed;    /* the order was placed by an order before this one */
	bool waited;     /* and is looked at once */
	bool saved;      /* it can be resumed (acme_saved_order.h) */
	int64_t saved_s; /* when that was, of one that is resumed */
	bool finalized;  /* the request was sent here; a second one after `processing` is refused */
};

/* -- acme_order_step.c ------------------------------------------------------------------------- */

/* End the order: without a certificate, or for the reason of a reply. `doing` completes "cannot". */
void acme_order_end(struct acme_order *order, const struct acme_order_end *end);
void acme_order_fail(struct acme_order *order, const char *why);
void acme_order_refuse(struct acme_order *order, const struct acme_reply *reply, const char *doing);
/* Ends an order that was saved; it goes on at the authority, which asks for this pause. */
void acme_order_set_aside(struct acme_order *order, int64_t after_s);

void acme_order_on_deadline(struct weir_timer *timer);

/* Whether another request may succeed after this reply. */
bool acme_order_may_go_on(const struct acme_reply *reply);

/* Forgets what was saved: the order is over, or cannot end well. */
void acme_order_forget(struct acme_order *order);

/* Removes the proof that is in place, if there is one. */
void acme_order_withdraw(struct acme_order *order);

/* Goes on with `next` behind a pause: that of the server, or one that doubles. */
void acme_order_pause(
        struct acme_order *order, int64_t after_s, void (*next)(struct acme_order *order));

/* Sends a request; an empty payload is POST-as-GET. */
void acme_order_ask(struct acme_order *order, const char *url, struct weir_span payload,
        acme_reply_fn *done, const char *waits_for);

/* -- acme_authorization.c ---------------------------------------------------------------------- */

/* Goes through the authorisations, and on to `authorized`, unless one fails. */
void acme_authorization_begin(
        struct acme_order *order, void (*authorized)(struct acme_order *order));

#endif
