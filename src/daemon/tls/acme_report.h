/* Reports on the certificates that are obtained: for `weir check`, the console and metrics. */
#ifndef DAEMON_ACME_REPORT_H
#define DAEMON_ACME_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/exposition.h>

struct config;

enum {
	ACME_REPORT_SIZE = 640,
};

/* Writes a line on the name with this index in config->acme.managed; reads its file. */
void acme_report_line(const struct config *config, size_t index, char text[ACME_REPORT_SIZE]);

/*
 * Writes a line on the lease by which front ends take turns. Returns false if this one shares
 * nothing.
 */
bool acme_report_lease(const struct config *config, char text[ACME_REPORT_SIZE]);

/* Likewise in numbers. */
bool acme_report_lease_state(const struct config *config, bool *ret_held, uint64_t *ret_takeovers);

/* Prints a line for each name. */
void acme_report_print(const struct config *config);

/* The metrics of all names. `config` may point to NULL, and to another one later. */
void acme_report_source(struct config *const *config, struct weir_metric_source *ret);

/* Likewise those of the lease. */
void acme_report_lease_source(struct config *const *config, struct weir_metric_source *ret);

#endif
