/*
 * Samples of the process that have no label of the configuration: workers, the guard, the mail
 * queue, mailboxes together, the DNS cache.
 */
#include <weir/dns_lookup.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>
#include <weir/mail_store.h>
#include <weir/permits.h>
#include <weir/sasl_guard.h>
#include <weir/version.h>

#include "config.h"
#include "daemon_metrics.h"
#include "mail_relay.h"
#include "say.h"
#include "service_dns.h"
#include "service_mail.h"

enum process_metric {
	PROCESS_INFO,
	PROCESS_STARTED,
	PROCESS_WORKERS,
	PROCESS_PERMITS,
	PROCESS_GUARD_PASSED,
	PROCESS_GUARD_FAILED,
	PROCESS_GUARD_DELAYED,
	PROCESS_QUEUE,
	PROCESS_QUEUE_AGE,
	PROCESS_QUEUE_CLAIMED,
	PROCESS_QUEUE_TAKEN_OVER,
	PROCESS_MAILBOX_DELIVERIES,
	PROCESS_MAILBOX_SYNCS,
	PROCESS_MAILBOX_OVER_QUOTA,
	PROCESS_MAILBOX_QUOTA,
	PROCESS_CACHE_ENTRIES,
	PROCESS_CACHE_BYTES,
	PROCESS_CACHE_EVICTED,
	PROCESS_STDERR_LOST,
	PROCESS_METRICS,
};

static const struct weir_metric process_rows[PROCESS_METRICS + 1] = {
        [PROCESS_INFO] = {"weir_build_info", "The version, as a label", WEIR_METRIC_GAUGE},
        [PROCESS_STARTED] = {"weir_process_start_time_seconds",
                "When the process started, since 1970", WEIR_METRIC_GAUGE},
        [PROCESS_WORKERS] = {"weir_process_workers", "Loops that serve", WEIR_METRIC_GAUGE},
        [PROCESS_PERMITS] = {"weir_connections_reserved",
                "Connections of all listeners, with those that are reserved", WEIR_METRIC_GAUGE},
        [PROCESS_GUARD_PASSED] = {"weir_guard_passed_total", "Right passwords",
                WEIR_METRIC_COUNTER},
        [PROCESS_GUARD_FAILED] = {"weir_guard_failed_total", "Wrong passwords",
                WEIR_METRIC_COUNTER},
        [PROCESS_GUARD_DELAYED] = {"weir_guard_delayed_total",
                "Answers to passwords that were delayed", WEIR_METRIC_COUNTER},
        [PROCESS_QUEUE] = {"weir_queue_messages", "Messages that wait to be forwarded",
                WEIR_METRIC_GAUGE},
        [PROCESS_QUEUE_AGE] = {"weir_queue_oldest_age_seconds",
                "Age of the oldest of these messages; 0 if there is none", WEIR_METRIC_GAUGE},
        [PROCESS_QUEUE_CLAIMED] = {"weir_queue_claimed_messages", "Messages that are being sent",
                WEIR_METRIC_GAUGE},
        [PROCESS_QUEUE_TAKEN_OVER] = {"weir_queue_taken_over_total",
                "Messages that were claimed after another server had lost them",
                WEIR_METRIC_COUNTER},
        [PROCESS_MAILBOX_DELIVERIES] = {"weir_mailbox_deliveries_total",
                "Messages put into mailboxes", WEIR_METRIC_COUNTER},
        [PROCESS_MAILBOX_SYNCS] = {"weir_mailbox_syncs_total",
                "Times that mailboxes waited for the disk", WEIR_METRIC_COUNTER},
        [PROCESS_MAILBOX_OVER_QUOTA] = {"weir_mailbox_over_quota_total",
                "Times that a mailbox had no room for a message", WEIR_METRIC_COUNTER},
        [PROCESS_MAILBOX_QUOTA] = {"weir_mailbox_quota_bytes",
                "The size at which mail for a mailbox is refused", WEIR_METRIC_GAUGE},
        [PROCESS_CACHE_ENTRIES] = {"weir_dns_cache_entries", "Answers in the cache",
                WEIR_METRIC_GAUGE},
        [PROCESS_CACHE_BYTES] = {"weir_dns_cache_bytes", "Memory of these answers",
                WEIR_METRIC_GAUGE},
        [PROCESS_CACHE_EVICTED] = {"weir_dns_cache_evicted_total",
                "Answers removed to make room for others", WEIR_METRIC_COUNTER},
        [PROCESS_STDERR_LOST] = {"weir_stderr_lost_lines_total",
                "The daemon's own lines that stderr did not take", WEIR_METRIC_COUNTER},
        [PROCESS_METRICS] = {0},
};

static bool process_sample_guard(
        const struct daemon_metrics *metrics, unsigned metric, double *ret_value)
{
	struct weir_guard_counters counters;
	weir_guard_counters(metrics->guard, &counters);
	*ret_value = (double)(metric == PROCESS_GUARD_PASSED   ? counters.passed
	                      : metric == PROCESS_GUARD_FAILED ? counters.failed
	                                                       : counters.delayed);
	return true;
}

static bool process_sample_queue(
        const struct daemon_metrics *metrics, unsigned metric, double *ret_value)
{
	struct weir_mail_queue *queue = mail_relay_queue(*metrics->relay);
	if (!queue)
		return false;
	if (metric == PROCESS_QUEUE) {
		*ret_value = (double)weir_mail_queue_count(queue);
		return true;
	}
	if (metric == PROCESS_QUEUE_CLAIMED || metric == PROCESS_QUEUE_TAKEN_OVER) {
		struct weir_mail_queue_claims claims;
		weir_mail_queue_claims(queue, &claims);
		*ret_value = metric == PROCESS_QUEUE_CLAIMED ? (double)claims.claimed
		                                             : (double)claims.taken_over;
		return true;
	}
	int64_t oldest_s = weir_mail_queue_oldest_s(queue), now_s = weir_loop_wall_s(metrics->loop);
	*ret_value = oldest_s < now_s ? (double)(now_s - oldest_s) : 0;
	return true;
}

static bool process_sample_mailboxes(
        const struct daemon_metrics *metrics, unsigned metric, double *ret_value)
{
	const struct config *config = *metrics->config;
	struct weir_mail_store_counters counters;
	if (!config || !config->mail.shared)
		return false;
	uint64_t quota = config->mail.limits.mailbox_size;
	weir_mail_store_count(config->mail.shared->store, &counters);
	*ret_value = (double)(metric == PROCESS_MAILBOX_DELIVERIES   ? counters.messages
	                      : metric == PROCESS_MAILBOX_OVER_QUOTA ? counters.over_quota
	                      : metric == PROCESS_MAILBOX_QUOTA
	                              ? quota
	                              : counters.file_syncs + counters.directory_syncs);
	return metric != PROCESS_MAILBOX_QUOTA || quota;
}

static bool process_sample_cache(
        const struct daemon_metrics *metrics, unsigned metric, double *ret_value)
{
	struct weir_dns_cache_counters counters;
	if (!*metrics->dns || !dns_shared_cache_counters(*metrics->dns, &counters))
		return false;
	*ret_value = (double)(metric == PROCESS_CACHE_ENTRIES ? counters.entries
	                      : metric == PROCESS_CACHE_BYTES ? counters.bytes
	                                                      : counters.evicted);
	return true;
}

static int process_sample(
        void *snapshot, unsigned metric, size_t index, struct weir_metric_sample *ret)
{
	const struct daemon_metrics *metrics = snapshot;
	bool there = true;
	if (index)
		return -1;
	switch ((enum process_metric)metric) {
	case PROCESS_INFO:
		ret->labels[0] = WEIR_VERSION;
		ret->value = 1;
		break;
	case PROCESS_STARTED:
		ret->value = (double)metrics->started_s;
		break;
	case PROCESS_WORKERS:
		ret->value = *metrics->workers;
		break;
	case PROCESS_PERMITS:
		ret->value = weir_permits_used(metrics->permits);
		break;
	case PROCESS_GUARD_PASSED:
	case PROCESS_GUARD_FAILED:
	case PROCESS_GUARD_DELAYED:
		there = process_sample_guard(metrics, metric, &ret->value);
		break;
	case PROCESS_QUEUE:
	case PROCESS_QUEUE_AGE:
	case PROCESS_QUEUE_CLAIMED:
	case PROCESS_QUEUE_TAKEN_OVER:
		there = process_sample_queue(metrics, metric, &ret->value);
		break;
	case PROCESS_MAILBOX_DELIVERIES:
	case PROCESS_MAILBOX_SYNCS:
	case PROCESS_MAILBOX_OVER_QUOTA:
	case PROCESS_MAILBOX_QUOTA:
		there = process_sample_mailboxes(metrics, metric, &ret->value);
		break;
	case PROCESS_STDERR_LOST:
		ret->value = (double)say_lost_lines();
		break;
	default:
		there = process_sample_cache(metrics, metric, &ret->value);
	}
	return there;
}

void process_metrics_source(struct daemon_metrics *metrics, struct weir_metric_source *ret)
{
	*ret = (struct weir_metric_source){
	        .metrics = process_rows,
	        .labels = {"version"},
	        .context = metrics,
	        .sample = process_sample,
	};
}
