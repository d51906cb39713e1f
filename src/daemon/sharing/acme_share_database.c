/*
 * Obtaining certificates together, in a database. The lease is in acme_lease.c, what the holder
 * writes in acme_publish.c, and what is read in acme_share_read.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "acme_rows.h"
#include "acme_share_state.h"
#include "config_acme.h"
#include "helper.h"
#include "say.h"

/* -- zones ------------------------------------------------------------------------------------- */

static void share_on_zone(void *context, struct weir_span zone)
{
	struct share_database *share = context;
	if (!text_copy_span(share->zone, sizeof share->zone, zone))
		*share->zone = 0;
}

static void share_on_zone_found(void *context, int error, const char *text)
{
	struct share_database *share = context;
	(void)text;
	share->call = NULL;
	acme_share_end_zone(&share->base, error ? "" : share->zone);
	/* Nobody waited for it any more, and a publish came meanwhile. */
	if (share->base.done)
		acme_publish(&share->base);
}

/* Without an answer, the name is proven in another way, or by a zone of the configuration. */
static void share_find_zone(struct acme_share *base, const char *name)
{
	struct share_database *share = share_of(base);
	char absolute[ACME_NAME_SIZE + 2];
	*share->zone = 0;
	snprintf(absolute, sizeof absolute, "%s.", name);
	if (share->call || !config_acme_may_prove_by_stored_zone(share->config) ||
	        weir_database_acme_zone(share->database, base->loop, absolute, share_on_zone,
	                share_on_zone_found, share, &share->call) < 0)
		acme_share_end_soon(base);
}

/* -- life -------------------------------------------------------------------------------------- */

static void share_on_stop_late(struct weir_timer *timer)
{
	struct share_database *share = WEIR_CONTAINER(timer, struct share_database, stop);
	acme_share_end(&share->base, -ETIMEDOUT, weir_error_text(-ETIMEDOUT));
}

/* Publishes, and gives the lease up, within ACME_SHARE_STOP_MS. */
static void share_stop(struct acme_share *base)
{
	struct share_database *share = share_of(base);
	share->stopping = true;
	switch (share->phase) {
	case SHARE_FREE:
		if (!share->renewal)
			acme_share_end_soon(base);
		break;
	case SHARE_CLAIMING:
		break; /* its end goes on */
	case SHARE_LOADING:
		acme_lease_release(base);
		break;
	case SHARE_HELD:
		acme_publish(base);
		break;
	}
	weir_timer_start(base->loop, &share->stop, ACME_SHARE_STOP_MS, share_on_stop_late);
}

static void share_destroy(struct acme_share *base)
{
	struct share_database *share = share_of(base);
	acme_lease_drop(share);
	weir_timer_stop(&share->stop);
	weir_buffer_finish(&share->text);
	config_release(share->config);
	free(share);
}

static const struct acme_share_type acme_share_database = {
        .reloads = true,
        .claim = acme_lease_claim,
        .publish = acme_publish,
        .find_zone = share_find_zone,
        .release = acme_lease_release,
        .stop = share_stop,
        .destroy = share_destroy,
};

int acme_share_create_database(struct weir_loop *loop, struct config *config,
        struct acme_store *store, const struct acme_share_events *events, struct acme_share **ret)
{
	struct share_database *share = calloc(1, sizeof *share);
	if (!share)
		return -ENOMEM;
	share->base.type = &acme_share_database;
	share->base.loop = loop;
	share->base.store = store;
	share->base.events = *events;
	share->config = config_hold(config);
	share->database = config->store.database;
	share->lease_s = (uint32_t)(config->acme.lease_ms / 1000);
	acme_publish_init(share);
	weir_list_init(&share->renew.link);
	weir_list_init(&share->retry.link);
	weir_list_init(&share->stop.link);
	weir_list_init(&share->follow.link);
	acme_lease_show(share);
	share_follow(share);
	*ret = &share->base;
	return 0;
}
