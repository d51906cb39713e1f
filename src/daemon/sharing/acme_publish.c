/*
 * Brings the changes of the holder of the lease from its directory to the database, and tries again
 * as long as the lease is there. Changes that were not brought stay in the directory, up to the
 * next claim.
 */
#include <errno.h>
#include <string.h>

#include <weir/error.h>

#include "acme_rows.h"
#include "acme_share_state.h"

/* -- the observer ------------------------------------------------------------------------------ */

static void acme_publish_on_changed(void *context, const char *path, struct weir_span bytes)
{
	struct share_database *share = context;
	if (!acme_path_is_shared(path))
		return;
	share->proves |=
	        bytes.data && strncmp(path, ACME_CHALLENGES "/", sizeof ACME_CHALLENGES) == 0;
	acme_journal_note(&share->journal, path, bytes, weir_span(NULL, 0));
}

static void acme_publish_on_installed(
        void *context, const char *name, struct weir_span chain, struct weir_span key)
{
	struct share_database *share = context;
	acme_journal_note(&share->journal, name, chain, key);
}

void acme_publish_init(struct share_database *share)
{
	share->observer = (struct acme_store_observer){.changed = acme_publish_on_changed,
	        .installed = acme_publish_on_installed,
	        .context = share};
}

/* -- the end ----------------------------------------------------------------------------------- */

static void acme_publish_on_settled(struct weir_timer *timer)
{
	struct share_database *share = WEIR_CONTAINER(timer, struct share_database, retry);
	acme_share_end(&share->base, 0, "");
}

/* The others look at least once in `refresh`. */
static void acme_publish_settle(struct share_database *share)
{
	bool proves = share->proves;
	share->proves = false;
	if (share->stopping) {
		acme_lease_release(&share->base);
	} else if (share->journal.failed) {
		share->journal.failed = false;
		acme_share_end(&share->base, -ENOMEM, weir_error_text(-ENOMEM));
	} else if (proves) {
		weir_timer_start(share->base.loop, &share->retry,
		        (int64_t)share->config->store.refresh_ms + ACME_SHARE_SETTLE_MS,
		        acme_publish_on_settled);
	} else {
		acme_share_end(&share->base, 0, "");
	}
}

/* -- sending ----------------------------------------------------------------------------------- */

static void acme_publish_send(struct share_database *share);

static void acme_publish_on_retry(struct weir_timer *timer)
{
	acme_publish_send(WEIR_CONTAINER(timer, struct share_database, retry));
}

static void acme_publish_send_later(struct share_database *share)
{
	acme_journal_failed(&share->journal);
	weir_timer_start(
	        share->base.loop, &share->retry, ACME_SHARE_RETRY_MS, acme_publish_on_retry);
}

static void acme_publish_on_stored(void *context, int error, const char *text)
{
	struct share_database *share = context;
	(void)text;
	share->call = NULL;
	if (error == -ESTALE) {
		acme_lease_lose(share);
		return;
	}
	if (error < 0) {
		acme_publish_send_later(share);
		return;
	}
	acme_journal_arrived(&share->journal);
	if (share->journal.count)
		acme_publish_send(share);
	else
		acme_publish_settle(share);
}

static void acme_publish_send(struct share_database *share)
{
	struct weir_database_acme_change changes[WEIR_DATABASE_ACME_CHANGES_MAX];
	unsigned count = acme_journal_send(&share->journal, changes);
	int error = weir_database_acme_store(share->database, share->base.loop, share->lease_s,
	        changes, count, acme_publish_on_stored, share, &share->call);
	if (error < 0)
		acme_publish_send_later(share);
}

void acme_publish(struct acme_share *base)
{
	struct share_database *share = share_of(base);
	if (share->phase != SHARE_HELD || share->call)
		return; /* it is being lost, which ends it */
	weir_timer_stop(&share->retry);
	if (share->journal.count || share->journal.failed)
		acme_publish_send(share);
	else if (share->stopping)
		acme_lease_release(base);
	else
		acme_share_end_soon(base);
}
