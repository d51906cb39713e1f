/*
 * The service of DNS, and the DNS log. A reload swaps zones, keys, secrets of cookies and
 * certificates of a server; its other settings stay as they were when it was opened. The zones are
 * those of dns_shared.c, which also notifies secondaries of changes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/dns.h>
#include <weir/dns_server.h>
#include <weir/error.h>
#include <weir/peers.h>

#include "config_dns.h"
#include "dns_stored.h"
#include "log_file.h"
#include "say.h"
#include "service.h"
#include "service_dns.h"
#include "store.h"

static void dns_log_add(struct log_line *line, const char *key, uint64_t number)
{
	log_line_add(line, " %s=%llu", key, (unsigned long long)number);
}

static void dns_log_counters(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_dns_counters *counters)
{
	struct log_line line;
	if (!log)
		return;
	log_line_begin(&line, log, loop, WEIR_LOG_INFO, name, "ended");
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

/* -- service state ----------------------------------------------------------------------------- */

struct dns_service {
	struct weir_dns_server *dns;
	struct config *config; /* held */
	bool looks_up;
	struct service_options options; /* for the callbacks */
};

/* The service state is the configuration itself. */
static void service_dns_unload(void *state)
{
	config_release(state);
}

static int service_dns_load(struct config *config, struct budget budget, void **ret_state)
{
	struct config_dns *dns = &config->dns;
	int error = 0;
	(void)budget;
	if (!dns->peers)
		error = weir_peers_create((unsigned)dns->limits.connections, 0, &dns->peers);
	if (error < 0)
		say("cannot serve DNS: %s", weir_error_text(error));
	else
		*ret_state = config_hold(config);
	return error;
}

/* -- servers ----------------------------------------------------------------------------------- */

static void service_dns_log_event(void *context, const struct weir_dns_event *event)
{
	const struct service_options *options = context;
	dns_shared_log(options->log, options->loop, options->type->name, event);
}

/*
 * The kernel spreads a client's queries over the workers, so each worker has a part of the limit.
 */
static unsigned service_dns_share_of(uint64_t replies, unsigned workers)
{
	return (unsigned)((replies + workers - 1) / workers);
}

/* The keys of TSIG and the secrets of cookies: of the configuration, and of the database. */
static void service_dns_set_secrets(struct dns_service *server, const struct config_dns *dns)
{
	struct weir_dns_responder *responder = weir_dns_responder(server->dns);
	struct dns_stored *stored = dns_shared_stored(server->options.dns);
	uint8_t secrets[2][WEIR_DNS_COOKIE_SECRET_SIZE];
	struct weir_dns_keys *keys;
	int error = dns_stored_keys(stored, dns, &keys);
	if (error < 0) {
		say("the keys of TSIG stay as they were: %s", weir_error_text(error));
	} else {
		weir_dns_responder_set_keys(responder, keys);
		weir_dns_keys_release(keys);
	}
	unsigned count = dns_stored_secrets(stored, dns, secrets);
	weir_dns_responder_set_secrets(responder, secrets, count);
	explicit_bzero(secrets, sizeof secrets);
}

static void service_dns_update(void *context, void *next, struct weir_tls *tls)
{
	struct dns_service *server = context;
	struct config *config = next;
	const struct config_dns *dns = &config->dns;
	struct weir_dns_responder *responder = weir_dns_responder(server->dns);
	struct weir_dns_recursion recursion;
	service_dns_set_secrets(server, dns);
	int error =
	        forwarding_use(server->options.forwarding, server->options.dns, dns, &recursion);
	/* Those who begin or cease to look up are other servers. */
	if (error == 0 && server->looks_up && recursion.lookups)
		error = weir_dns_responder_set_recursion(responder, &recursion);
	if (error < 0)
		say("cannot change how DNS is looked up: %s; the previous settings stay in effect",
		        weir_error_text(error));
	if (tls)
		weir_server_set_tls(weir_dns_listener(server->dns), tls);
	config_release(server->config);
	server->config = config_hold(config);
}

static void service_dns_renew(void *context)
{
	struct dns_service *server = context;
	struct weir_dns_zones *zones = dns_shared_zones(server->options.dns);
	weir_dns_set_zones(server->dns, zones);
	weir_dns_zones_release(zones);
	service_dns_set_secrets(server, &server->config->dns);
	forwarding_change(server->options.forwarding, &server->config->dns);
}

static int service_dns_open_server(const struct service_options *options, void **ret_server)
{
	const struct config_dns *dns = &((struct config *)options->state)->dns;
	struct dns_service *server = calloc(1, sizeof *server);
	if (!server)
		return -ENOMEM;
	server->options = *options;
	struct weir_dns_options made;
	weir_dns_options_init(&made);
	service_set_listener(options, &made.listener);
	made.listener.bounds.idle_ms = (uint32_t)dns->limits.idle_ms;
	made.listener.peers = dns->peers;
	made.zones = dns_shared_zones(options->dns);
	made.responder = config_dns_responder(dns);
	made.rrl_rate = service_dns_share_of(dns->rate_limit.replies, options->workers);
	made.rrl_slip = (unsigned)dns->rate_limit.slip;
	made.unlimited = dns->rate_limit.exempt.items;
	made.unlimited_count = dns->rate_limit.exempt.count;
	made.transfers_max = (unsigned)dns->limits.transfers;
	made.log = service_dns_log_event;
	made.context = &server->options;
	made.responder.notified = dns_shared_notified;
	made.responder.context = options->dns;
	int error =
	        forwarding_use(options->forwarding, options->dns, dns, &made.responder.recursion);
	if (error == 0)
		error = weir_dns_create(options->loop, &made, &server->dns);
	weir_dns_zones_release(made.zones);
	if (error < 0) {
		free(server);
		return error;
	}
	service_dns_set_secrets(server, dns);
	server->config = config_hold(options->state);
	server->looks_up = made.responder.recursion.lookups;
	*ret_server = server;
	return 0;
}

static struct weir_server *service_dns_listener(void *context)
{
	return weir_dns_listener(((struct dns_service *)context)->dns);
}

static void service_dns_retire(void *context)
{
	weir_dns_stop_datagrams(((struct dns_service *)context)->dns);
}

static void service_dns_close_server(void *context)
{
	struct dns_service *server = context;
	dns_log_counters(server->options.log, server->options.loop, server->options.type->name,
	        weir_dns_counters(server->dns));
	weir_dns_destroy(server->dns);
	config_release(server->config);
	free(server);
}

/* -- the banner -------------------------------------------------------------------------------- */

enum {
	ZONES_PRINTED = 5
};

static void service_dns_print_zone(const struct config_zone *zone)
{
	char name[WEIR_DNS_TEXT_MAX], from[WEIR_ADDRESS_TEXT_MAX];
	struct weir_dns_zone_info info;
	weir_dns_name_format(&zone->name, name);
	if (zone->primaries.count) {
		weir_address_format(&zone->primaries.items[0], from);
		printf("  the zone %s, from %s\n", name, from);
		return;
	}
	weir_dns_zone_info(zone->zone, &info);
	printf("  the zone %s (serial %u, %u records%s): %s\n", name, info.serial, info.records,
	        info.is_signed ? ", signed" : "", zone->path);
}

static void service_dns_print_served(const struct config *config)
{
	const struct config_dns *dns = &config->dns;
	for (size_t i = 0; i < dns->zones.count && i < ZONES_PRINTED; i++)
		service_dns_print_zone(&dns->zones.items[i]);
	if (store_has(config, STORE_ZONES))
		printf("  the zones of the database\n");
	if (dns->forward.count) {
		char from[WEIR_ADDRESS_TEXT_MAX];
		weir_address_format(&dns->forward.items[0], from);
		printf("  other names, as %s%s answers\n", from,
		        dns->forward.count > 1 ? " or another" : "");
	}
	if (dns->zones.count > ZONES_PRINTED)
		printf("  and %zu more zone%s\n", dns->zones.count - ZONES_PRINTED,
		        dns->zones.count - ZONES_PRINTED == 1 ? "" : "s");
}

/* Converts "dns://127.0.0.1:5353/", or one with [::1], into arguments of dig and kdig. */
static void service_dns_print_commands(const struct config *config, const char *url)
{
	char name[WEIR_DNS_TEXT_MAX], host[WEIR_ADDRESS_TEXT_MAX + 32];
	const char *begin = strstr(url, "://") + 3, *colon = strrchr(begin, ':');
	bool bracketed = *begin == '[', secure = strncmp(url, "dot:", 4) == 0;
	size_t size = (size_t)(colon - begin) - (bracketed ? 2 : 0);
	if (size >= sizeof host)
		return;
	memcpy(host, begin + bracketed, size);
	host[size] = 0;
	if (config->dns.zones.count)
		weir_dns_name_format(&config->dns.zones.items[0].name, name);
	else
		strcpy(name, "example.org");
	printf("  %s @%s -p %d %s SOA\n", secure ? "kdig +tls" : "dig", host, atoi(colon + 1),
	        name);
}

const struct service_type service_dns = {
        .load = service_dns_load,
        .unload = service_dns_unload,
        .open = service_dns_open_server,
        .update = service_dns_update,
        .renew = service_dns_renew,
        .listener = service_dns_listener,
        .retire = service_dns_retire,
        .close = service_dns_close_server,
        .print_served = service_dns_print_served,
        .print_commands = service_dns_print_commands,
};
