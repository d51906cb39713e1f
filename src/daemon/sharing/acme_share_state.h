/*
 * The state of a share in a database, for acme_share_database.c, acme_lease.c, acme_publish.c and
 * acme_share_read.c.
 *
 *   FREE ── claim ─▶ CLAIMING ─▶ LOADING ─▶ HELD ── release, or the lease is lost ─▶ FREE
 *
 * FREE: the snapshot of the rows is written into the directory. HELD: the observer of the store
 * fills the journal, and publish empties it.
 */
#ifndef DAEMON_ACME_SHARE_STATE_H
#define DAEMON_ACME_SHARE_STATE_H

#include <weir/database_acme.h>
#include <weir/database_snapshot.h>

#include "acme_journal.h"
#include "acme_message.h"
#include "acme_share.h"

enum share_phase {
	SHARE_FREE,
	SHARE_CLAIMING,
	SHARE_LOADING, /* the lease is there */
	SHARE_HELD,
};

struct share_database {
	struct acme_share base;
	struct config *config; /* held */
	struct weir_database *database;
	enum share_phase phase;
	bool stopping; /* the claim is given up for good */
	uint32_t lease_s;
	uint64_t takeovers; /* leases that were those of front ends that died */
	int64_t renewed_ms; /* when the last renewal that has succeeded was sent */
	int64_t sent_ms;    /* of the renewal under way */
	struct weir_timer renew;
	struct weir_timer retry;  /* of a publish; or its pause for the others */
	struct weir_timer stop;   /* of a stop, which has a bound */
	struct weir_timer follow; /* until it is followed again, for want of memory */
	struct weir_task losing;
	struct weir_database_call *call;    /* of the operation; or NULL */
	struct weir_database_call *renewal; /* or the release; or NULL */
	struct weir_database_snapshot *snapshot;
	bool untaken; /* it is reported that the rows are not taken; also by an earlier snapshot */
	struct acme_store_observer observer;
	struct acme_journal journal;
	bool proves; /* the journal had a proof, which the others must have */
	/* Of a load. */
	void (*loaded)(struct share_database *share, int error, const char *why);
	struct weir_buffer text;
	int format_error;
	char why[WEIR_POSTGRES_WHY_MAX];
	char zone[ACME_NAME_SIZE + 2];
};

static inline struct share_database *share_of(struct acme_share *share)
{
	return WEIR_CONTAINER(share, struct share_database, base);
}

/* -- acme_share_read.c ------------------------------------------------------------------------- */

/* Writes what a call has failed for, with what to do. */
void share_explain(char *to, size_t size, const char *why);

/* Loads all rows into the directory. The lease must be there. */
void share_load(struct share_database *share,
        void (*loaded)(struct share_database *share, int error, const char *why));

/* Has the directory follow the rows. Not while this front end has the lease. */
void share_follow(struct share_database *share);

/* -- acme_lease.c ------------------------------------------------------------------------------ */

void acme_lease_claim(struct acme_share *share);

/* Gives the lease up. Nothing that was under way calls back any more. */
void acme_lease_release(struct acme_share *share);

/* Another front end has the lease, or may have it: notifies the owner of the share, soon. */
void acme_lease_lose(struct share_database *share);

/* Forgets everything that is under way, and the lease. */
void acme_lease_drop(struct share_database *share);

/* Writes where servers look (acme_lease_state.h) whether the lease is here. */
void acme_lease_show(const struct share_database *share);

/* -- acme_publish.c ---------------------------------------------------------------------------- */

/* Prepares the observer, which fills the journal. */
void acme_publish_init(struct share_database *share);

/* Empties the journal. One that nobody waited for any more goes on, and ends this one. */
void acme_publish(struct acme_share *share);

#endif
