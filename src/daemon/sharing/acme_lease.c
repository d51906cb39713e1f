/*
 * The lease: the right of one front end to order. It is renewed at a third of its time. One that
 * could not be renewed for two thirds of its time counts as lost, before another front end can have
 * it. That time is measured by the monotonic clock of this machine.
 *
 * A lease that is given up has no row any more, so that a renewal that is late brings none back.
 */
#include <errno.h>

#include <weir/error.h>

#include "acme_lease_state.h"
#include "acme_share_state.h"
#include "say.h"

/* -- the state --------------------------------------------------------------------------------- */

static bool acme_lease_is_here(const struct share_database *share)
{
	return share->phase == SHARE_LOADING || share->phase == SHARE_HELD;
}

/* It is for people: an order does not fail for want of it. */
void acme_lease_show(const struct share_database *share)
{
	struct acme_lease_state state = {
	        .until_s = acme_lease_is_here(share)
	                           ? weir_loop_wall_s(share->base.loop) + share->lease_s
	                           : 0,
	        .takeovers = share->takeovers,
	};
	int error = acme_lease_state_write(&state, share->base.store);
	if (error < 0)
		say_at(WEIR_LOG_WARNING, "the state of the lease cannot be written to %s: %s",
		        share->config->acme.directory, weir_error_text(error));
}

void acme_lease_drop(struct share_database *share)
{
	share->phase = SHARE_FREE;
	share->proves = false;
	acme_store_observe(share->base.store, NULL);
	acme_journal_finish(&share->journal);
	weir_timer_stop(&share->renew);
	weir_timer_stop(&share->retry);
	weir_timer_stop(&share->follow);
	weir_loop_cancel(share->base.loop, &share->losing);
	if (share->call)
		weir_database_call_cancel(share->call);
	if (share->renewal)
		weir_database_call_cancel(share->renewal);
	share->call = share->renewal = NULL;
	/* It has not used the rows that came meanwhile. */
	weir_database_snapshot_destroy(share->snapshot);
	share->snapshot = NULL;
}

/* -- the loss ---------------------------------------------------------------------------------- */

static void acme_lease_on_losing(struct weir_task *task)
{
	struct share_database *share = WEIR_CONTAINER(task, struct share_database, losing);
	acme_lease_drop(share);
	acme_lease_show(share);
	if (share->stopping) {
		acme_share_end(&share->base, 0, "");
		return;
	}
	say_at(WEIR_LOG_WARNING,
	        "the lease to obtain certificates is lost: the database was away, or another front "
	        "end has it");
	acme_share_cancel(&share->base);
	share_follow(share);
	share->base.events.lost(share->base.events.context);
}

void acme_lease_lose(struct share_database *share)
{
	share->losing.run = acme_lease_on_losing;
	weir_loop_defer(share->base.loop, &share->losing);
}

/* -- renewals ---------------------------------------------------------------------------------- */

static void acme_lease_on_renew(struct weir_timer *timer);

static bool acme_lease_is_late(const struct share_database *share)
{
	return weir_loop_now_ms(share->base.loop) - share->renewed_ms >=
	       (int64_t)share->lease_s * 1000 * 2 / 3;
}

static void acme_lease_wait(struct share_database *share)
{
	weir_timer_start(share->base.loop, &share->renew, (int64_t)share->lease_s * 1000 / 3,
	        acme_lease_on_renew);
}

static void acme_lease_on_renewed(void *context, int error, const char *text)
{
	struct share_database *share = context;
	(void)text;
	share->renewal = NULL;
	if (error == 0) {
		share->renewed_ms = share->sent_ms;
		acme_lease_show(share);
	}
	if (error == -ESTALE || acme_lease_is_late(share)) {
		acme_lease_lose(share);
		return;
	}
	acme_lease_wait(share);
}

static void acme_lease_on_renew(struct weir_timer *timer)
{
	struct share_database *share = WEIR_CONTAINER(timer, struct share_database, renew);
	if (acme_lease_is_late(share)) {
		acme_lease_lose(share);
		return;
	}
	/* One that takes long is no reason not to look at the time. */
	acme_lease_wait(share);
	if (share->renewal)
		return;
	share->sent_ms = weir_loop_now_ms(share->base.loop);
	weir_database_acme_store(share->database, share->base.loop, share->lease_s, NULL, 0,
	        acme_lease_on_renewed, share, &share->renewal);
}

/* -- claims ------------------------------------------------------------------------------------ */

static void acme_lease_on_loaded(struct share_database *share, int error, const char *why)
{
	char text[WEIR_POSTGRES_WHY_MAX];
	if (error < 0) {
		share_explain(text, sizeof text, why);
		acme_lease_release(&share->base);
		acme_share_end(&share->base, error, text);
		return;
	}
	share->phase = SHARE_HELD;
	acme_store_observe(share->base.store, &share->observer);
	acme_share_end(&share->base, 0, "");
}

static void acme_lease_on_claimed(void *context, int error, const char *text, bool taken_over)
{
	struct share_database *share = context;
	char why[WEIR_POSTGRES_WHY_MAX];
	share->call = NULL;
	if (error < 0) {
		share->phase = SHARE_FREE;
		share_explain(why, sizeof why, text);
		acme_share_end(&share->base, error, why);
		return;
	}
	share->phase = SHARE_LOADING;
	share->renewed_ms = share->sent_ms;
	share->takeovers += taken_over;
	if (share->stopping) {
		acme_lease_release(&share->base);
		return;
	}
	acme_lease_show(share);
	acme_lease_wait(share);
	share_load(share, acme_lease_on_loaded);
}

static void acme_lease_on_claim_retry(struct weir_timer *timer)
{
	struct share_database *share = WEIR_CONTAINER(timer, struct share_database, retry);
	acme_lease_on_claimed(share, -ENOMEM, weir_error_text(-ENOMEM), false);
}

void acme_lease_claim(struct acme_share *base)
{
	struct share_database *share = share_of(base);
	share->phase = SHARE_CLAIMING;
	share->sent_ms = weir_loop_now_ms(base->loop);
	int error = weir_database_acme_claim(share->database, base->loop, share->lease_s,
	        acme_lease_on_claimed, share, &share->call);
	if (error < 0)
		weir_timer_start(
		        base->loop, &share->retry, ACME_SHARE_RETRY_MS, acme_lease_on_claim_retry);
}

/* -- the end ----------------------------------------------------------------------------------- */

static void acme_lease_on_released(void *context, int error, const char *text)
{
	struct share_database *share = context;
	share->renewal = NULL; /* without an answer, the lease ends by itself */
	if (share->stopping)
		acme_share_end(&share->base, error, text);
}

void acme_lease_release(struct acme_share *base)
{
	struct share_database *share = share_of(base);
	bool had = acme_lease_is_here(share);
	acme_lease_drop(share);
	if (had)
		acme_lease_show(share);
	int error = had ? weir_database_acme_release(share->database, base->loop,
	                          acme_lease_on_released, share, &share->renewal)
	                : 0;
	if (!share->stopping)
		share_follow(share);
	else if (!had || error < 0)
		acme_share_end_soon(base);
}
