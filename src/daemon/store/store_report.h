/*
 * Reports for operators on what the process has in memory of the database: metrics, the command
 * `store` of the console, a group of the status. For the main thread.
 */
#ifndef DAEMON_STORE_REPORT_H
#define DAEMON_STORE_REPORT_H

#include <weir/exposition.h>

#include "admin_command.h"
#include "config.h"

struct status_writer;
struct store_users;
struct weir_loop;

/* Pointers to pointers: NULL there is allowed. */
struct store_report {
	struct weir_loop *loop; /* for its clock */
	struct config *const *config;
	struct store_users *const *users;

	/* Set by store_report_init. */
	struct weir_metric_source source;
	struct admin_table table;
};

/* Completes the struct, whose first members are set. It must not move afterwards. */
void store_report_init(struct store_report *report);

/* Writes the group `store`; nothing if there is no database. */
void store_report_status(const struct store_report *report, struct status_writer *writer);

#endif
