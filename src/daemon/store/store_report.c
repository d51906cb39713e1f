/* The snapshots of the process. A new one is a row in `store_report_find`. */
#include "store_report.h"

#include <inttypes.h>
#include <string.h>

#include <weir/loop.h>
#include <weir/users.h>

#include "status_writer.h"
#include "store_users.h"

/* Finds the snapshot of this index. False: there is none. */
static bool store_report_find(const struct store_report *report, size_t index,
        const char **ret_name, struct weir_database_snapshot_info *ret)
{
	*ret_name = "users";
	return index == 0 && store_users_info(*report->users, ret);
}

/* Seconds since the database has confirmed it; since the start, if it never has. */
static double store_report_age(
        const struct store_report *report, const struct weir_database_snapshot_info *info)
{
	int64_t now_ms = weir_loop_now_ms(report->loop);
	int64_t from_ms = info->seen_ms ? info->seen_ms : info->since_ms;
	return (double)(now_ms - from_ms) / 1000;
}

/* -- metrics ----------------------------------------------------------------------------------- */

enum store_metric {
	STORE_AGE,
	STORE_VERSION,
	STORE_BYTES,
	STORE_LOADS,
	STORE_FAILURES,
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
	}
	return info.version >= 0 || metric != STORE_VERSION;
}

/* -- the console ------------------------------------------------------------------------------- */

static void store_report_list(void *context, struct admin_request *request)
{
	const struct store_report *report = context;
	struct weir_database_snapshot_info info;
	const char *name;
	size_t index = 0;
	for (; store_report_find(report, index, &name, &info); index++)
		admin_print(request, "%s: version %" PRId64 ", confirmed %.0f s ago%s%.200s", name,
		        info.version, store_report_age(report, &info),
		        info.failing ? "; the database: " : "", info.failing ? info.why : "");
	if (index == 0)
		admin_print(request, "nothing in memory is from a database");
	admin_ok(request);
}

static void store_report_refresh(void *context, struct admin_request *request)
{
	const struct store_report *report = context;
	store_users_poll(*report->users);
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
