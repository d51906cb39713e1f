/*
 * The states, and that of the lease, are files that another process writes (acme_state.h,
 * acme_lease_state.h). Each line and each scrape reads them anew.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "acme_lease_state.h"
#include "acme_report.h"
#include "acme_state.h"
#include "config_acme.h"

/* -- lines ------------------------------------------------------------------------------------- */

/* "; it is renewed at 2026-12-24 10:00 UTC" */
static void acme_report_add_time(char *text, size_t size, const char *what, int64_t at_s)
{
	time_t at = (time_t)at_s;
	struct tm tm;
	char date[32];
	gmtime_r(&at, &tm);
	strftime(date, sizeof date, "%Y-%m-%d %H:%M", &tm);
	snprintf(text, size, "; %s at %s UTC", what, date);
}

void acme_report_line(const struct config *config, size_t index, char text[ACME_REPORT_SIZE])
{
	struct acme_state state;
	char left[64] = "none yet", next[80] = "";
	const char *name = config->acme.managed.items[index];
	if (acme_state_read(config->acme.directory, name, &state) < 0) {
		snprintf(text, ACME_REPORT_SIZE, "none yet; it is obtained while the server runs");
		return;
	}
	if (state.renew_s)
		snprintf(left, sizeof left, "%" PRId64 " days left",
		        (state.validity.expires_s - (int64_t)time(NULL)) / 86400);
	if (state.waits) {
		acme_report_add_time(next, sizeof next, "it is looked at again", state.next_s);
		snprintf(text, ACME_REPORT_SIZE, "%s; the authority processes the order%s", left,
		        next);
		return;
	}
	if (state.failures) {
		acme_report_add_time(next, sizeof next, "the next attempt is", state.next_s);
		snprintf(text, ACME_REPORT_SIZE, "%s%s; %" PRIu64 " failed, the last because: %s",
		        left, next, state.failures, state.why);
		return;
	}
	acme_report_add_time(next, sizeof next, state.renew_s ? "it is renewed" : "it is obtained",
	        state.renew_s ? state.renew_s : state.next_s);
	snprintf(text, ACME_REPORT_SIZE, "%s%s", left, next);
}

/* The file may be of a process that was killed: then the time in it passes. */
bool acme_report_lease_state(const struct config *config, bool *ret_held, uint64_t *ret_takeovers)
{
	struct acme_lease_state state = {0};
	if (!config_acme_is_shared(config))
		return false;
	acme_lease_state_read(config->acme.directory, &state);
	*ret_held = state.until_s > (int64_t)time(NULL);
	*ret_takeovers = state.takeovers;
	return true;
}

bool acme_report_lease(const struct config *config, char text[ACME_REPORT_SIZE])
{
	bool held;
	uint64_t takeovers;
	if (!acme_report_lease_state(config, &held, &takeovers))
		return false;
	snprintf(text, ACME_REPORT_SIZE,
	        "%s front end has it; %" PRIu64 " taken over from front ends that died",
	        held ? "this" : "another, or no", takeovers);
	return true;
}

void acme_report_print(const struct config *config)
{
	char text[ACME_REPORT_SIZE];
	for (size_t i = 0; i < config->acme.managed.count; i++) {
		acme_report_line(config, i, text);
		printf("certificate for %s: %s\n", config->acme.managed.items[i], text);
	}
}

/* -- metrics ----------------------------------------------------------------------------------- */

enum acme_metric {
	ACME_FAILURES,
	ACME_NEXT,
	ACME_RENEWAL,
};

static const struct weir_metric acme_rows[] = {
        [ACME_FAILURES] = {"weir_acme_failures",
                "Attempts to obtain the certificate that have failed since the last success",
                WEIR_METRIC_GAUGE},
        [ACME_NEXT] = {"weir_acme_next_seconds",
                "When the next attempt, or question to the authority, is due, since 1970",
                WEIR_METRIC_GAUGE},
        [ACME_RENEWAL] = {"weir_acme_renewal_seconds",
                "When the certificate will be renewed, since 1970", WEIR_METRIC_GAUGE},
        {0},
};

struct acme_snapshot {
	struct config *config; /* held */
	struct acme_state states[];
};

static void *acme_report_open(void *context)
{
	struct config *config = *(struct config *const *)context;
	size_t count = config ? config->acme.managed.count : 0;
	struct acme_snapshot *snapshot =
	        calloc(1, sizeof *snapshot + count * sizeof *snapshot->states);
	if (!snapshot || count == 0)
		return snapshot;
	snapshot->config = config_hold(config);
	for (size_t i = 0; i < count; i++)
		acme_state_read(config->acme.directory, config->acme.managed.items[i],
		        &snapshot->states[i]);
	return snapshot;
}

static int acme_report_sample(
        void *context, unsigned metric, size_t index, struct weir_metric_sample *ret)
{
	const struct acme_snapshot *snapshot = context;
	if (!snapshot || !snapshot->config || index >= snapshot->config->acme.managed.count)
		return -1;
	const struct acme_state *state = &snapshot->states[index];
	ret->labels[0] = snapshot->config->acme.managed.items[index];
	ret->value = metric == ACME_FAILURES ? (double)state->failures
	             : metric == ACME_NEXT   ? (double)state->next_s
	                                     : (double)state->renew_s;
	return metric == ACME_FAILURES || ret->value > 0;
}

static void acme_report_close(void *context)
{
	struct acme_snapshot *snapshot = context;
	if (snapshot)
		config_release(snapshot->config);
	free(snapshot);
}

void acme_report_source(struct config *const *config, struct weir_metric_source *ret)
{
	*ret = (struct weir_metric_source){
	        .metrics = acme_rows,
	        .labels = {"name"},
	        .context = (void *)(uintptr_t)config,
	        .open = acme_report_open,
	        .sample = acme_report_sample,
	        .close = acme_report_close,
	};
}

enum acme_lease_metric {
	ACME_LEASE_HELD,
	ACME_LEASE_TAKEOVERS,
};

static const struct weir_metric acme_lease_rows[] = {
        [ACME_LEASE_HELD] = {"weir_acme_lease_held",
                "1 if this front end has the lease to obtain certificates, 0 if not",
                WEIR_METRIC_GAUGE},
        [ACME_LEASE_TAKEOVERS] = {"weir_acme_lease_takeovers_total",
                "Leases that this front end has taken over from one that died",
                WEIR_METRIC_COUNTER},
        {0},
};

struct acme_lease_snapshot {
	bool is_shared, held;
	uint64_t takeovers;
};

static void *acme_report_open_lease(void *context)
{
	const struct config *config = *(struct config *const *)context;
	struct acme_lease_snapshot *snapshot = calloc(1, sizeof *snapshot);
	if (snapshot && config)
		snapshot->is_shared =
		        acme_report_lease_state(config, &snapshot->held, &snapshot->takeovers);
	return snapshot;
}

static int acme_report_sample_lease(
        void *context, unsigned metric, size_t index, struct weir_metric_sample *ret)
{
	const struct acme_lease_snapshot *snapshot = context;
	if (!snapshot || !snapshot->is_shared || index > 0)
		return -1;
	ret->value = metric == ACME_LEASE_HELD ? snapshot->held : (double)snapshot->takeovers;
	return 1;
}

static void acme_report_close_lease(void *context)
{
	free(context);
}

void acme_report_lease_source(struct config *const *config, struct weir_metric_source *ret)
{
	*ret = (struct weir_metric_source){
	        .metrics = acme_lease_rows,
	        .context = (void *)(uintptr_t)config,
	        .open = acme_report_open_lease,
	        .sample = acme_report_sample_lease,
	        .close = acme_report_close_lease,
	};
}
