/* Reports on the certificates that are obtained: for `weir check`, the console and metrics. */
#ifndef DAEMON_ACME_REPORT_H
#define DAEMON_ACME_REPORT_H

#include <stddef.h>

#include <weir/exposition.h>

struct config;

enum {
	ACME_REPORT_SIZE = 640,
};

/* Writes a line on the name with this index in config->acme.managed; reads its file. */
void acme_report_line(const struct config *config, size_t index, char text[ACME_REPORT_SIZE]);

/* Prints a line for each name. */
void acme_report_print(const struct config *config);

/* The metrics of all names. `config` may point to NULL, and to another one later. */
void acme_report_source(struct config *const *config, struct weir_metric_source *ret);

#endif
