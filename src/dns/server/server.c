/*
 * Servers: a UDP socket and a TCP listener at the same address, or a TLS listener, and what they
 * share. A server outlives its destruction as long as a transfer's last notice is due.
 */
#include <errno.h>
#include <stdlib.h>

#include "server_state.h"

enum {
	PORT_TRIES = 16 /* for a port that is free for both */
};

void dns_server_count(struct weir_dns_server *server, const struct weir_dns_request *request,
        const struct weir_dns_outcome *outcome, size_t size)
{
	struct weir_dns_counters *counters = &server->counters;
	unsigned most = sizeof counters->rcodes / sizeof *counters->rcodes;
	counters->queries++;
	dns_metrics_count(
	        server->cells, outcome, size, weir_loop_now_ms(server->loop) - request->begun_ms);
	counters->over_quota += outcome->over_quota;
	counters->duplicate += outcome->duplicate;
	if (!size)
		return;
	counters->replies++;
	counters->truncated += outcome->truncated;
	if (outcome->rcode < most)
		counters->rcodes[outcome->rcode]++;
}

void dns_server_note(struct weir_dns_server *server, const struct weir_dns_request *request,
        const struct weir_dns_outcome *outcome, size_t size)
{
	bool transfers = !size && outcome->transfer;
	if (server->listener && !transfers && (!size || outcome->rcode == WEIR_DNS_FORMERR))
		weir_server_report_malformed(server->listener, request->peer, 0,
		        size ? "malformed query (FORMERR)" : "no query", request->message);
}

/* -- sockets ----------------------------------------------------------------------------------- */

static int dns_server_open_datagrams(
        struct weir_dns_server *server, const struct weir_dns_options *options)
{
	struct weir_datagrams_options datagrams;
	weir_datagrams_options_init(&datagrams);
	datagrams.address = options->listener.address;
	datagrams.shared = options->listener.shared;
	datagrams.open_socket = options->listener.open_socket;
	datagrams.socket_context = options->listener.context;
	datagrams.receive_max = WEIR_DNS_UDP_QUERY_MAX;
	datagrams.reply_max = options->responder.udp_size;
	datagrams.answer = dns_answer_datagram;
	datagrams.context = server;
	return weir_datagrams_create(server->loop, &datagrams, &server->datagrams);
}

static int dns_server_open_listener(
        struct weir_dns_server *server, const struct weir_dns_options *options)
{
	struct weir_server_options listening;
	weir_server_options_init(&listening);
	listening.listener = options->listener;
	listening.listener.bounds.request_max = WEIR_DNS_LENGTH_SIZE + WEIR_DNS_MESSAGE_MAX;
	if (server->datagrams)
		listening.listener.address = *weir_datagrams_address(server->datagrams);
	listening.protocol = &dns_protocol;
	listening.context = server;
	return weir_server_create(server->loop, &listening, &server->listener);
}

/* The port that UDP got may be in use by TCP; then another port is tried. */
static int dns_server_open_sockets(
        struct weir_dns_server *server, const struct weir_dns_options *options)
{
	int error = 0;
	bool any = weir_address_port(&options->listener.address) == 0;
	for (unsigned i = 0; i < PORT_TRIES; i++) {
		if (!options->listener.tls)
			error = dns_server_open_datagrams(server, options);
		if (error == 0)
			error = dns_server_open_listener(server, options);
		if (error == 0)
			return 0;
		weir_datagrams_destroy(server->datagrams);
		server->datagrams = NULL;
		if (!any || error != -EADDRINUSE)
			break;
	}
	return error;
}

/* -- life -------------------------------------------------------------------------------------- */

static int dns_server_copy_networks(
        struct weir_dns_server *server, const struct weir_dns_options *options)
{
	size_t size = options->unlimited_count * sizeof *options->unlimited;
	if (!size)
		return 0;
	server->unlimited = malloc(size);
	if (!server->unlimited)
		return -ENOMEM;
	memcpy(server->unlimited, options->unlimited, size);
	server->unlimited_count = options->unlimited_count;
	return 0;
}

static int dns_server_equip(struct weir_dns_server *server, const struct weir_dns_options *options)
{
	int error = weir_dns_responder_create(&options->responder, &server->responder);
	if (error == 0)
		error = dns_server_copy_networks(server, options);
	if (error == 0 && options->rrl_rate) {
		server->rrl = dns_rrl_create(options->rrl_rate, options->rrl_slip);
		error = server->rrl ? 0 : -ENOMEM;
	}
	if (error == 0 && options->notifies)
		error = weir_dns_notifier_create(
		        server->loop, server->log, server->context, &server->notifier);
	return error;
}

void weir_dns_options_init(struct weir_dns_options *options)
{
	*options = (struct weir_dns_options){
	        .rrl_slip = WEIR_DNS_RRL_SLIP,
	        .transfers_max = WEIR_DNS_TRANSFERS_MAX,
	};
	weir_listener_init(&options->listener);
	options->listener.bounds.idle_ms = WEIR_DNS_IDLE_MS;
	options->listener.bounds.replies_max = WEIR_DNS_REPLIES_MAX;
	weir_dns_responder_options_init(&options->responder);
}

int weir_dns_create(struct weir_loop *loop, const struct weir_dns_options *options,
        struct weir_dns_server **ret)
{
	if (!options->zones)
		return -EINVAL;
	struct weir_dns_server *server = calloc(1, sizeof *server);
	if (!server)
		return -ENOMEM;
	server->loop = loop;
	local_refcount_init(&server->holds);
	server->zones = weir_dns_zones_hold(options->zones);
	server->over = options->listener.tls ? WEIR_DNS_OVER_TLS : WEIR_DNS_OVER_TCP;
	server->transfers_max = options->transfers_max;
	server->log = options->log;
	server->context = options->context;
	server->cells = dns_metrics(loop, options);
	int error = server->cells ? dns_server_equip(server, options) : -ENOMEM;
	if (error == 0)
		error = dns_server_open_sockets(server, options);
	if (error == 0)
		*ret = server;
	else
		weir_dns_destroy(server);
	return error;
}

void dns_server_release(struct weir_dns_server *server)
{
	if (local_refcount_release(&server->holds))
		free(server);
}

void weir_dns_destroy(struct weir_dns_server *server)
{
	if (!server)
		return;
	weir_server_destroy(server->listener);
	weir_datagrams_destroy(server->datagrams);
	weir_dns_notifier_destroy(server->notifier);
	dns_rrl_destroy(server->rrl);
	weir_dns_responder_destroy(server->responder);
	weir_dns_zones_release(server->zones);
	free(server->unlimited);
	server->log = NULL;
	dns_server_release(server);
}

void weir_dns_set_zones(struct weir_dns_server *server, struct weir_dns_zones *zones)
{
	struct weir_dns_zones *old = server->zones;
	server->zones = weir_dns_zones_hold(zones);
	if (server->notifier)
		weir_dns_notifier_notify(server->notifier, old, zones);
	weir_dns_zones_release(old);
}

struct weir_dns_responder *weir_dns_responder(struct weir_dns_server *server)
{
	return server->responder;
}

struct weir_server *weir_dns_listener(struct weir_dns_server *server)
{
	return server->listener;
}

void weir_dns_stop_datagrams(struct weir_dns_server *server)
{
	if (server->datagrams)
		weir_datagrams_receive(server->datagrams);
	weir_datagrams_destroy(server->datagrams);
	server->datagrams = NULL;
}

const struct weir_dns_counters *weir_dns_counters(const struct weir_dns_server *server)
{
	return &server->counters;
}
