/*
 * Samples by names of the configuration, and words of this file: mailboxes, lanes of the work pool,
 * certificates, zones. Those without such a label are in process_metrics.c.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/buffer.h>
#include <weir/dns_zone.h>
#include <weir/loop.h>
#include <weir/mail_store.h>
#include <weir/tls.h>

#include "acme_report.h"
#include "config.h"
#include "config_acme.h"
#include "config_tls.h"
#include "daemon_metrics.h"
#include "service_dns.h"
#include "service_mail.h"
#include "store_report.h"
#include "stored_certificates.h"

/* -- mailboxes --------------------------------------------------------------------------------- */

enum mailbox_metric {
	MAILBOX_BYTES,
	MAILBOX_MESSAGES,
};

static const struct weir_metric mailbox_rows[] = {
        [MAILBOX_BYTES] = {"weir_mailbox_bytes",
                "Size of the mailbox after its last message, if there is a quota",
                WEIR_METRIC_GAUGE},
        [MAILBOX_MESSAGES] = {"weir_mailbox_messages", "Messages of the mailbox then",
                WEIR_METRIC_GAUGE},
        {0},
};

struct mailbox_size {
	size_t name; /* where the user's name begins in `names` */
	uint64_t values[MAILBOX_MESSAGES + 1];
};

/* The sizes that were known when the text began. */
struct mailbox_snapshot {
	struct weir_buffer sizes; /* an array of struct mailbox_size */
	struct weir_buffer names; /* each ends with NUL */
	int error;
};

static void mailbox_add(void *context, const struct weir_mailbox_usage *usage)
{
	struct mailbox_snapshot *snapshot = context;
	const struct mailbox_size size = {snapshot->names.size, {usage->octets, usage->messages}};
	if (snapshot->error == 0)
		snapshot->error =
		        weir_buffer_append(&snapshot->sizes, &size, sizeof size, SIZE_MAX);
	if (snapshot->error == 0)
		snapshot->error = weir_buffer_append(
		        &snapshot->names, usage->user, strlen(usage->user) + 1, SIZE_MAX);
}

static void mailbox_close(void *context)
{
	struct mailbox_snapshot *snapshot = context;
	weir_buffer_finish(&snapshot->sizes);
	weir_buffer_finish(&snapshot->names);
	free(snapshot);
}

static void *mailbox_open(void *context)
{
	const struct daemon_metrics *metrics = context;
	const struct config *config = *metrics->config;
	struct mailbox_snapshot *snapshot =
	        config && config->mail.shared ? calloc(1, sizeof *snapshot) : NULL;
	if (!snapshot)
		return NULL;
	weir_mail_store_each_usage(config->mail.shared->store, mailbox_add, snapshot);
	if (snapshot->error == 0)
		return snapshot;
	mailbox_close(snapshot);
	return NULL;
}

static int mailbox_sample(
        void *context, unsigned metric, size_t index, struct weir_metric_sample *ret)
{
	const struct mailbox_snapshot *snapshot = context;
	const struct mailbox_size *sizes = (const struct mailbox_size *)snapshot->sizes.data;
	if (index >= snapshot->sizes.size / sizeof *sizes)
		return -1;
	ret->labels[0] = snapshot->names.data + sizes[index].name;
	ret->value = (double)sizes[index].values[metric];
	return 1;
}

/* -- the work pool ----------------------------------------------------------------------------- */

const char *const daemon_metrics_lanes[WEIR_LANES] = {
        [WEIR_LANE_GENERAL] = "general",
        [WEIR_LANE_WRITE] = "write",
        [WEIR_LANE_MAIL] = "mail",
        [WEIR_LANE_MAILBOX] = "mailbox",
        [WEIR_LANE_PASSWORD] = "password",
        [WEIR_LANE_NAMES] = "names",
        [WEIR_LANE_LOG] = "log",
        [WEIR_LANE_SIGN] = "sign",
        [WEIR_LANE_DATABASE] = "database",
};

static const struct weir_metric lane_rows[] = {
        {"weir_work_queued", "Blocking tasks that wait for a thread", WEIR_METRIC_GAUGE},
        {"weir_work_threads", "Threads of the work pool", WEIR_METRIC_GAUGE},
        {"weir_work_busy_threads", "Threads that have a task", WEIR_METRIC_GAUGE},
        {"weir_work_tasks_total", "Tasks accepted", WEIR_METRIC_COUNTER},
        {"weir_work_refused_total", "Tasks refused: too many were waiting", WEIR_METRIC_COUNTER},
        {0},
};

static int lane_sample(
        void *snapshot, unsigned metric, size_t index, struct weir_metric_sample *ret)
{
	struct weir_lane_info info;
	(void)snapshot;
	if (index >= WEIR_LANES)
		return -1;
	weir_work_info((enum weir_lane)index, &info);
	const double values[] = {info.queued, info.threads, info.threads - info.idle,
	        (double)info.submitted, (double)info.refused};
	ret->labels[0] = daemon_metrics_lanes[index];
	ret->value = values[metric];
	return 1;
}

/* -- certificates ------------------------------------------------------------------------------ */

static const struct weir_metric certificate_rows[] = {
        {"weir_tls_certificate_not_after_seconds", "When the certificate expires, since 1970",
                WEIR_METRIC_GAUGE},
        {"weir_tls_certificate_days_left",
                "Days until the certificate expires; negative afterwards", WEIR_METRIC_GAUGE},
        {0},
};

/* Those of the configuration, and behind them those of the database. */
struct certificate_snapshot {
	struct config *config;          /* held */
	struct stored_expiries *stored; /* or NULL */
	int64_t now_s;
};

static void *certificate_open(void *context)
{
	const struct daemon_metrics *metrics = context;
	struct config *config = *metrics->config;
	struct certificate_snapshot *snapshot =
	        config && config_tls_any(config) ? calloc(1, sizeof *snapshot) : NULL;
	if (!snapshot)
		return NULL;
	snapshot->config = config_hold(config);
	snapshot->stored = stored_certificates_expiries(*metrics->store->certificates);
	snapshot->now_s = weir_loop_wall_s(metrics->loop);
	return snapshot;
}

static void certificate_close(void *context)
{
	struct certificate_snapshot *snapshot = context;
	config_release(snapshot->config);
	stored_expiries_release(snapshot->stored);
	free(snapshot);
}

/* One that was obtained for a name is in the database, too. */
bool daemon_metrics_has_certificate(const struct config *config, const char *label)
{
	for (size_t i = 0; i < config->tls.all.count; i++)
		if (strcmp(config_acme_label(config, i), label) == 0)
			return true;
	return false;
}

/* Returns INT64_MAX if it is not known, or for one that is there already. */
static int64_t certificate_stored_expires_s(
        const struct certificate_snapshot *snapshot, size_t index, const char **ret_label)
{
	const struct stored_expiry *item = &snapshot->stored->items[index];
	*ret_label = item->name;
	return daemon_metrics_has_certificate(snapshot->config, item->name) ? INT64_MAX
	                                                                    : item->expires_s;
}

static int certificate_sample(
        void *context, unsigned metric, size_t index, struct weir_metric_sample *ret)
{
	const struct certificate_snapshot *snapshot = context;
	const struct config *config = snapshot->config;
	size_t count = config->tls.all.count;
	int64_t expires_s;
	if (index < count) {
		expires_s = weir_tls_certificate_expires_s(config_tls_any(config), index);
		ret->labels[0] = config_acme_label(config, index);
	} else if (snapshot->stored && index - count < snapshot->stored->count) {
		expires_s = certificate_stored_expires_s(snapshot, index - count, &ret->labels[0]);
	} else {
		return -1;
	}
	if (expires_s == INT64_MAX)
		return 0;
	ret->value =
	        metric == 0 ? (double)expires_s : (double)(expires_s - snapshot->now_s) / 86400;
	return 1;
}

/* -- zones ------------------------------------------------------------------------------------- */

enum zone_metric {
	ZONE_SERIAL,
	ZONE_AGE,
	ZONE_RECORDS,
	ZONE_AVAILABLE,
};

static const struct weir_metric zone_rows[] = {
        [ZONE_SERIAL] = {"weir_zone_serial", "The serial of the zone's SOA record",
                WEIR_METRIC_GAUGE},
        [ZONE_AGE] = {"weir_zone_age_seconds", "Time since this version was read or transferred",
                WEIR_METRIC_GAUGE},
        [ZONE_RECORDS] = {"weir_zone_records", "Records of the zone", WEIR_METRIC_GAUGE},
        [ZONE_AVAILABLE] = {"weir_zone_available", "0: queries for it are answered SERVFAIL",
                WEIR_METRIC_GAUGE},
        {0},
};

/* A set of zones, which is not changed while the text is read. */
struct zone_snapshot {
	struct weir_dns_zones *zones;
	int64_t now_s;
	char name[WEIR_DNS_TEXT_MAX]; /* of the last sample */
};

static void *zone_open(void *context)
{
	const struct daemon_metrics *metrics = context;
	struct zone_snapshot *snapshot = *metrics->dns ? calloc(1, sizeof *snapshot) : NULL;
	if (!snapshot)
		return NULL;
	snapshot->zones = dns_shared_zones(*metrics->dns);
	snapshot->now_s = weir_loop_wall_s(metrics->loop);
	return snapshot;
}

static void zone_close(void *context)
{
	struct zone_snapshot *snapshot = context;
	weir_dns_zones_release(snapshot->zones);
	free(snapshot);
}

static int zone_sample(void *context, unsigned metric, size_t index, struct weir_metric_sample *ret)
{
	struct zone_snapshot *snapshot = context;
	struct weir_dns_zone_info info;
	if (index >= weir_dns_zones_count(snapshot->zones))
		return -1;
	weir_dns_zone_info(weir_dns_zones_entry(snapshot->zones, index)->zone, &info);
	weir_dns_name_format(&info.name, snapshot->name);
	ret->labels[0] = snapshot->name;
	switch ((enum zone_metric)metric) {
	case ZONE_SERIAL:
		ret->value = info.serial;
		break;
	case ZONE_AGE:
		ret->value = (double)(snapshot->now_s - info.made_s);
		break;
	case ZONE_RECORDS:
		ret->value = info.records;
		break;
	case ZONE_AVAILABLE:
		ret->value = !info.unavailable;
		break;
	}
	return metric == ZONE_AVAILABLE || !info.unavailable;
}

/* -- all --------------------------------------------------------------------------------------- */

void daemon_metrics_init(struct daemon_metrics *metrics)
{
	metrics->started_s = time(NULL);
	process_metrics_source(metrics, &metrics->process);
	metrics->process.next = &metrics->mailboxes;
	metrics->mailboxes = (struct weir_metric_source){
	        .next = &metrics->lanes,
	        .metrics = mailbox_rows,
	        .labels = {"mailbox"},
	        .context = metrics,
	        .open = mailbox_open,
	        .sample = mailbox_sample,
	        .close = mailbox_close,
	};
	metrics->lanes = (struct weir_metric_source){
	        .next = &metrics->certificates,
	        .metrics = lane_rows,
	        .labels = {"lane"},
	        .sample = lane_sample,
	};
	metrics->certificates = (struct weir_metric_source){
	        .next = &metrics->acme,
	        .metrics = certificate_rows,
	        .labels = {"certificate"},
	        .context = metrics,
	        .open = certificate_open,
	        .sample = certificate_sample,
	        .close = certificate_close,
	};
	acme_report_source(metrics->config, &metrics->acme);
	metrics->acme.next = &metrics->acme_lease;
	acme_report_lease_source(metrics->config, &metrics->acme_lease);
	metrics->acme_lease.next = &metrics->zones;
	metrics->zones = (struct weir_metric_source){
	        .next = &metrics->store->source,
	        .metrics = zone_rows,
	        .labels = {"zone"},
	        .context = metrics,
	        .open = zone_open,
	        .sample = zone_sample,
	        .close = zone_close,
	};
}

const struct weir_metric_source *daemon_metrics_sources(const struct daemon_metrics *metrics)
{
	return &metrics->process;
}
