/*
 * Obtains certificates for the names of a configuration, and renews them.
 *
 *   (lock) ─▶ the name that is due first ─▶ session ─▶ order ─▶ state ─▶ (the next)
 *
 * One order is under way at a time. A name whose order fails is tried again behind a pause that
 * doubles, at the next authority where there are several. The pause has jitter, and survives
 * restarts in the state of the name. An authority's Retry-After counts, too. An order that an
 * authority processes for long is set aside, so that other names go on. It is looked at again
 * later.
 *
 * A certificate is renewed at a random time in the window that its authority suggests (RFC 9773),
 * or else at two thirds of its time.
 */
#ifndef DAEMON_ACME_H
#define DAEMON_ACME_H

#include <stdbool.h>

#include <weir/loop.h>

#include "config.h"

enum {
	ACME_RETRY_MAX_S = 6 * 60 * 60,
	ACME_PROCESSING_S = 5 * 60, /* between two looks at an order that is set aside, or longer if
	                               the authority asks for it, up to ACME_RETRY_MAX_S */
	ACME_ORDER_KEPT_S = 24 * 60 * 60, /* a saved order of a name that is not configured; other
	                                     front ends may know the name for some time */
	ACME_ORDERS_SWEPT = 64,           /* such orders that one claim removes */
	ACME_LOCK_MS = 2000,              /* between two attempts to take the lock */
	ACME_ASK_MS = 10 * 60 * 1000,     /* until it is asked again to use what was installed */
	ACME_WINDOW_MIN_S = 60,           /* between two questions about the window */
	ACME_WINDOW_S = 6 * 60 * 60,      /* likewise, if the authority does not say */
	ACME_YOUNG_S = 60 * 60, /* a certificate is not renewed in this time by a window */
};

struct acme;

/*
 * `changed` asks to use what was installed; the answer is acme_use_ended. Returns 0 or a negative
 * errno, which was reported.
 */
int acme_create(struct weir_loop *loop, struct config *config, void (*changed)(void *context),
        void *context, struct acme **ret);

/* The result of what `changed` has asked for: 0 or a negative errno. */
void acme_use_ended(struct acme *acme, int result);

/*
 * Ends what is under way, and has other front ends go on at once: the lease is given up. `stopped`
 * is called once, not from within, after ACME_SHARE_STOP_MS at the latest; acme_destroy is all that
 * may follow, also from `stopped`. Returns false if there is nothing to wait for: it is not called
 * then.
 */
bool acme_stop(struct acme *acme, void (*stopped)(void *context), void *context);

/* NULL is allowed. Not from the other callback of it. */
void acme_destroy(struct acme *acme);

#endif
