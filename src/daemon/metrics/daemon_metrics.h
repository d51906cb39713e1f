/*
 * The metrics that no loop counts: samples of what the process has when it is asked. Together with
 * the sets of the loops they are what /metrics shows.
 *
 * Everything here is for the main thread.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <stdbool.h>

#include <weir/exposition.h>
#include <weir/loop.h>

struct config;
struct dns_shared;
struct mail_relay;
struct store_report;
struct weir_guard;
struct weir_permits;

/* Pointers to pointers: a reload replaces what they point to; NULL there is allowed. */
struct daemon_metrics {
	struct weir_loop *loop;
	struct weir_guard *guard;
	struct weir_permits *permits;
	struct config *const *config;
	struct mail_relay *const *relay;
	struct dns_shared *const *dns;
	struct store_report *store;
	const unsigned *workers;
	int64_t started_s; /* since 1970 */

	/* Set by daemon_metrics_init. */
	struct weir_metric_source process;
	struct weir_metric_source mailboxes;
	struct weir_metric_source lanes;
	struct weir_metric_source certificates;
	struct weir_metric_source acme;
	struct weir_metric_source acme_lease;
	struct weir_metric_source zones;
};

/* The samples of process_metrics.c; the next source is the caller's to set. */
void process_metrics_source(struct daemon_metrics *metrics, struct weir_metric_source *ret);

/* The lanes of the work pool by name. */
extern const char *const daemon_metrics_lanes[WEIR_LANES];

/* Whether the configuration has the certificate of this label: the path of a file, or a name. */
bool daemon_metrics_has_certificate(const struct config *config, const char *label);

/* Completes the struct, whose first members are set. It must not move afterwards. */
void daemon_metrics_init(struct daemon_metrics *metrics);

/* The first source, which leads to the others. */
const struct weir_metric_source *daemon_metrics_sources(const struct daemon_metrics *metrics);

#endif
