/*
 * How the servers of a site obtain certificates together: a table of functions, with an
 * implementation for the files of one machine and one for a database.
 *
 *   claim ─▶ (orders: what the store changes is noted) ─▶ publish, at each step ─▶ … ─▶ release
 *
 * The directory (acme_store.h) is the working copy of each server. With a database, the holder of
 * the claim brings what it changes there; the others write it into their directories, so that all
 * of them answer proofs, know the pauses, and serve the certificates, also without the database.
 * A new key, a proof, or the key of an order is published before an authority hears of it.
 *
 * With files, the lock of the directory is all that there is: everything succeeds at once.
 */
#ifndef DAEMON_ACME_SHARE_H
#define DAEMON_ACME_SHARE_H

#include <stdbool.h>

#include <weir/loop.h>

#include "acme_store.h"
#include "config.h"

enum {
	ACME_SHARE_RETRY_MS = 1000,  /* until a change is brought to the database again */
	ACME_SHARE_SETTLE_MS = 1000, /* for a front end to write a proof that it has read */
	ACME_SHARE_STOP_MS = 3000,   /* for the database to hear that the claim is given up */
};

/* The end of an operation. `why` is for people; "" for 0. */
typedef void acme_share_fn(void *context, int error, const char *why);

/* `zone` is "" if there is none. */
typedef void acme_share_zone_fn(void *context, const char *zone);

struct acme_share;

struct acme_share_events {
	/* Another server has changed states; or `installed` certificates, which are here now. */
	void (*changed)(void *context, bool installed);
	/*
	 * The claim is lost, since the database was away for too long: another server may have it.
	 * No operation is under way any more. Not called from within a function of the share.
	 */
	void (*lost)(void *context);
	void *context;
};

struct acme_share_type {
	bool reloads; /* after a claim, the states in the store may be others */
	void (*claim)(struct acme_share *share);
	void (*publish)(struct acme_share *share);
	void (*find_zone)(struct acme_share *share, const char *name);
	void (*release)(struct acme_share *share);
	void (*stop)(struct acme_share *share);
	void (*destroy)(struct acme_share *share);
};

/* Embedded first in an implementation. Invariant: at most one of `done` and `zone_done` is set. */
struct acme_share {
	const struct acme_share_type *type;
	struct weir_loop *loop;
	struct acme_store *store;
	struct acme_share_events events;
	acme_share_fn *done; /* NULL: nobody waits */
	acme_share_zone_fn *zone_done;
	void *context;
	struct weir_task ending; /* of an operation that must not end from within */
};

/* Each must be destroyed before the store is closed, and returns 0 or a negative errno. */
int acme_share_create_files(
        struct weir_loop *loop, struct acme_store *store, struct acme_share **ret);
/* Needs the database of config->store. */
int acme_share_create_database(struct weir_loop *loop, struct config *config,
        struct acme_store *store, const struct acme_share_events *events, struct acme_share **ret);

/* A claim ends by time, unless the share was stopped. NULL is allowed. */
void acme_share_destroy(struct acme_share *share);

/*
 * Each of the next three calls its function once, not from within, unless it is cancelled or the
 * claim is lost. One of them at a time.
 */

/* Asks for the right to order. -EBUSY: another server has it. */
void acme_share_claim(struct acme_share *share, acme_share_fn *done, void *context);

/* Ends when all servers have what was changed since the claim, or should have it. */
void acme_share_publish(struct acme_share *share, acme_share_fn *done, void *context);

/* Looks for a zone of the database that has the name, which is without a dot at its end. */
void acme_share_find_zone(
        struct acme_share *share, const char *name, acme_share_zone_fn *done, void *context);

/* Nobody waits for the operation any more; what it began goes on. */
void acme_share_cancel(struct acme_share *share);

/* Gives the claim up. Changes that were not published are lost to the others. */
void acme_share_release(struct acme_share *share);

/*
 * Publishes, and gives the claim up, in any state. `done` is called once, not from within, when the
 * others can have the claim; or with an error after ACME_SHARE_STOP_MS at the latest. The share may
 * only be destroyed from then on, also from `done`.
 */
void acme_share_stop(struct acme_share *share, acme_share_fn *done, void *context);

/* -- for implementations ----------------------------------------------------------------------- */

/* End the operation, from the loop. */
void acme_share_end(struct acme_share *share, int error, const char *why);
void acme_share_end_zone(struct acme_share *share, const char *zone);

/* Ends it soon, with success or without a zone. */
void acme_share_end_soon(struct acme_share *share);

#endif
