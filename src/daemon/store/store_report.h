/*
 * Reports for operators on what the process has in memory of the database: metrics, the command
 * `store` of the console, a group of the status. For the main thread.
 */
#ifndef DAEMON_STORE_REPORT_H
#define DAEMON_STORE_REPORT_H

#include <weir/database_snapshot.h>
#include <weir/exposition.h>

#include "admin_command.h"
#include "config.h"

struct dns_shared;
struct shared_tickets;
struct status_writer;
struct store_users;
struct stored_certificates;
struct weir_loop;

/* Pointers to pointers: NULL there is allowed. */
struct store_report {
	struct weir_loop *loop; /* for its clock */
	struct config *const *config;
	struct store_users *const *users;
	struct dns_shared *const *dns;
	struct stored_certificates *const *certificates;
	struct shared_tickets *const *tickets;

	/* Set by store_report_init. */
	struct weir_metric_source source;
	struct admin_table table;
};

/* Completes the struct, whose first members are set. It must not move afterwards. */
void store_report_init(struct store_report *report);

/* Finds a snapshot of the process. False: there are no further ones. */
bool store_report_find(const struct store_report *report, size_t index, const char **ret_name,
        struct weir_database_snapshot_info *ret);

/* Seconds since the database has confirmed it; since the start, if it never has. */
double store_report_age(
        const struct store_report *report, const struct weir_database_snapshot_info *info);

/* Writes the group `store`; nothing if there is no database. */
void store_report_status(const struct store_report *report, struct status_writer *writer);

#endif
