/* Writes the lines of the DNS log, by event. */
#include <weir/dns.h>

#include "dns_log.h"
#include "log_line.h"

static const char *const names[] = {
        [WEIR_DNS_TRANSFERRED] = "transferred",
        [WEIR_DNS_TRANSFER_FAILED] = "transfer-failed",
        [WEIR_DNS_TRANSFER_REFUSED] = "transfer-refused",
        [WEIR_DNS_NOTIFIED] = "notified",
        [WEIR_DNS_NOTIFY_FAILED] = "notify-failed",
        [WEIR_DNS_RESTORED] = "restored",
        [WEIR_DNS_FETCHED] = "fetched",
        [WEIR_DNS_FETCH_FAILED] = "fetch-failed",
        [WEIR_DNS_EXPIRED] = "expired",
        [WEIR_DNS_KEEP_FAILED] = "keep-failed",
};

static bool dns_log_is_transfer(const struct weir_dns_event *event)
{
	return event->kind == WEIR_DNS_TRANSFERRED || event->kind == WEIR_DNS_TRANSFER_FAILED ||
	       event->kind == WEIR_DNS_FETCHED;
}

void dns_log(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_dns_event *event)
{
	struct log_line line;
	char zone[WEIR_DNS_TEXT_MAX];
	if (!log)
		return;
	log_line_begin(&line, log, loop, name, names[event->kind]);
	if (event->peer)
		log_line_add_peer(&line, event->peer, false);
	weir_dns_name_format(event->zone, zone);
	log_line_add_known(&line, "zone", weir_span_of(zone));
	if (event->serial)
		log_line_add(&line, " serial=%u", event->serial);
	if (dns_log_is_transfer(event))
		log_line_add(&line, " bytes=%llu", (unsigned long long)event->bytes);
	if (event->rcode)
		log_line_add(&line, " rcode=%u", event->rcode);
	if (event->why)
		log_line_add_known(&line, "error", weir_span_of(event->why));
	log_line_end(&line);
}

static void dns_log_add(struct log_line *line, const char *key, uint64_t number)
{
	log_line_add(line, " %s=%llu", key, (unsigned long long)number);
}

void dns_log_counters(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_dns_counters *counters)
{
	struct log_line line;
	if (!log)
		return;
	log_line_begin(&line, log, loop, name, "ended");
	dns_log_add(&line, "queries", counters->queries);
	dns_log_add(&line, "replies", counters->replies);
	dns_log_add(&line, "noerror", counters->rcodes[WEIR_DNS_NOERROR]);
	dns_log_add(&line, "nxdomain", counters->rcodes[WEIR_DNS_NXDOMAIN]);
	dns_log_add(&line, "servfail", counters->rcodes[WEIR_DNS_SERVFAIL]);
	dns_log_add(&line, "refused", counters->rcodes[WEIR_DNS_REFUSED]);
	dns_log_add(&line, "formerr", counters->rcodes[WEIR_DNS_FORMERR]);
	dns_log_add(&line, "truncated", counters->truncated);
	dns_log_add(&line, "dropped", counters->dropped);
	dns_log_add(&line, "slipped", counters->slipped);
	dns_log_add(&line, "over-quota", counters->over_quota);
	dns_log_add(&line, "duplicate", counters->duplicate);
	dns_log_add(&line, "transfers", counters->transfers);
	log_line_end(&line);
}
