/* The snapshots of the process. A new one is a case in `store_report_get`. */
#include "store_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <weir/loop.h>
#include <weir/users.h>

#include "dns_stored.h"
#include "service_dns.h"
#include "shared_tickets.h"
#include "status_writer.h"
#include "store.h"
#include "store_users.h"
#include "stored_certificates.h"

/* By enum weir_database_origin. */
static const char *const store_origins[] = {"none", "copy", "database"};

static bool store_report_get(const struct store_report *report, enum store_snapshot which,
        struct weir_database_snapshot_info *ret)
{
	switch (which) {
	case STORE_SNAPSHOT_USERS:
		return store_users_info(*report->users, ret);
	case STORE_SNAPSHOT_ZONES:
	case STORE_SNAPSHOT_COOKIES:
		return dns_stored_info(
		        dns_shared_stored(*report->dns), which == STORE_SNAPSHOT_COOKIES, ret);
	case STORE_SNAPSHOT_CERTIFICATES:
		return stored_certificates_info(*report->certificates, ret);
	case STORE_SNAPSHOT_TICKETS:
		return shared_tickets_info(*report->tickets, ret);
	case STORE_SNAPSHOTS:
		break;
	}
	return false;
}

bool store_report_find(const struct store_report *report, size_t index, const char **ret_name,
        struct weir_database_snapshot_info *ret)
{
	for (unsigned i = 0; i < STORE_SNAPSHOTS; i++)
		if (store_report_get(report, i, ret) && index-- == 0) {
			*ret_name = store_snapshots[i].name;
			return true;
		}
	return false;
}

double store_report_age(
        const struct store_report *report, const struct weir_database_snapshot_info *info)
{
	int64_t from_ms = info->origin == WEIR_DATABASE_NOTHING ? info->since_ms : info->seen_ms;
	return (double)(weir_loop_now_ms(report->loop) - from_ms) / 1000;
}

/* -- metrics ----------------------------------------------------------------------------------- */

enum store_metric {
	STORE_AGE,
	STORE_VERSION,
	STORE_BYTES,
	STORE_LOADS,
	STORE_FAILURES,
	STORE_ORIGIN,
};

static const struct weir_metric store_rows[] = {
        [STORE_AGE] = {"weir_snapshot_age_seconds",
                "Time since the database has confirmed what is in memory", WEIR_METRIC_GAUGE},
        [STORE_VERSION] = {"weir_snapshot_version", "Its version in the database",
                WEIR_METRIC_GAUGE},
        [STORE_BYTES] = {"weir_snapshot_bytes", "Size of the last one that was loaded",
                WEIR_METRIC_GAUGE},
        [STORE_LOADS] = {"weir_snapshot_loads_total", "Versions that were loaded while it served",
                WEIR_METRIC_COUNTER},
        [STORE_FAILURES] = {"weir_snapshot_failures_total",
                "Looks at the database, and loads, that have failed", WEIR_METRIC_COUNTER},
        [STORE_ORIGIN] = {"weir_snapshot_origin",
                "Where it is from: 0 nowhere, 1 the copy on disk, 2 the database",
                WEIR_METRIC_GAUGE},
        {0},
};

static int store_report_sample(
        void *context, unsigned metric, size_t index, struct weir_metric_sample *ret)
{
	const struct store_report *report = context;
	struct weir_database_snapshot_info info;
	if (!store_report_find(report, index, &ret->labels[0], &info))
		return -1;
	switch ((enum store_metric)metric) {
	case STORE_AGE:
		ret->value = store_report_age(report, &info);
		break;
	case STORE_VERSION:
		ret->value = (double)info.version;
		break;
	case STORE_BYTES:
		ret->value = (double)info.bytes;
		break;
	case STORE_LOADS:
		ret->value = (double)info.loads;
		break;
	case STORE_FAILURES:
		ret->value = (double)info.failures;
		break;
	case STORE_ORIGIN:
		ret->value = info.origin;
		break;
	}
	return info.version >= 0 || metric != STORE_VERSION;
}

/* -- the console ------------------------------------------------------------------------------- */

/* "users: version 7, from the copy, confirmed 120 s ago; the database: connection refused" */
static void store_report_print(struct admin_request *request, const char *name,
        const struct weir_database_snapshot_info *info, double age_s)
{
	char version[40] = "";
	const char *before = info->failing ? "; the database: " : "";
	const char *why = info->failing ? info->why : "";
	if (info->version >= 0)
		snprintf(version, sizeof version, " version %" PRId64 ",", info->version);
	if (info->origin == WEIR_DATABASE_NOTHING)
		admin_print(request, "%s: none for %.0f s%s%.200s", name, age_s, before, why);
	else
		admin_print(request, "%s:%s from the %s, confirmed %.0f s ago%s%.200s", name,
		        version, store_origins[info->origin], age_s, before, why);
}

static void store_report_list(void *context, struct admin_request *request)
{
	const struct store_report *report = context;
	struct weir_database_snapshot_info info;
	const char *name;
	size_t index = 0;
	for (; store_report_find(report, index, &name, &info); index++)
		store_report_print(request, name, &info, store_report_age(report, &info));
	if (index == 0)
		admin_print(request, "nothing in memory is from a database");
	admin_ok(request);
}

static void store_report_refresh(void *context, struct admin_request *request)
{
	const struct store_report *report = context;
	store_users_poll(*report->users);
	dns_stored_poll(dns_shared_stored(*report->dns));
	stored_certificates_poll(*report->certificates);
	admin_ok(request);
}

/* -- the status -------------------------------------------------------------------------------- */

void store_report_status(const struct store_report *report, struct status_writer *writer)
{
	struct weir_database_snapshot_info info;
	const char *name;
	if (!*report->config || !(*report->config)->store.url)
		return;
	status_list(writer, "store");
	for (size_t i = 0; store_report_find(report, i, &name, &info); i++) {
		status_item(writer);
		status_text(writer, "snapshot", name);
		status_text(writer, "origin", store_origins[info.origin]);
		/* Secrets that change with time have none, nor what has not come yet. */
		if (info.version >= 0)
			status_signed(writer, "version", info.version);
		status_signed(writer, "age_seconds", (int64_t)store_report_age(report, &info));
		status_number(writer, "loads", info.loads);
		status_number(writer, "failures", info.failures);
		status_text(writer, "failing", info.failing ? info.why : "no");
		status_item_end(writer);
	}
	status_list_end(writer, "store", 0);
}

void store_report_init(struct store_report *report)
{
	static const struct admin_command list[] = {
	        {"store", "", "shows what is in memory of the database, and how old it is", 0, 0,
	                store_report_list},
	        {"store refresh", "", "asks the database now whether it has changed", 0, 0,
	                store_report_refresh},
	        {0},
	};
	report->table = (struct admin_table){.commands = list, .context = report};
	report->source = (struct weir_metric_source){
	        .metrics = store_rows,
	        .labels = {"snapshot"},
	        .context = report,
	        .sample = store_report_sample,
	};
}
