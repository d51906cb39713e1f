/* A server, from inside. */
#ifndef WEIR_DNS_SERVER_STATE_H
#define WEIR_DNS_SERVER_STATE_H

#include <weir/datagram.h>
#include <weir/dns_message.h>
#include <weir/dns_server.h>
#include <weir/loop.h>

#include "rrl.h"

struct dns_notifier;

struct weir_dns_server {
	struct weir_loop *loop;
	struct weir_dns_responder *responder;
	struct weir_dns_zones *zones;
	struct weir_datagrams *datagrams; /* NULL with TLS, and when stopped */
	struct weir_server *listener;
	struct dns_rrl *rrl;           /* NULL: no limit */
	struct dns_notifier *notifier; /* NULL: another server does it */
	struct weir_peers *peers;      /* NULL: not counted */
	struct weir_network *unlimited;
	size_t unlimited_count;
	enum weir_dns_over over; /* of the listener */
	unsigned transfers, transfers_max;
	unsigned holds; /* the owner's, and one a transfer */
	struct weir_dns_counters counters;
	void (*accept_failed)(void *context, int error);
	void (*tls_failed)(void *context, const struct weir_address *peer, const char *why);
	void (*log)(void *context, const struct weir_dns_event *event);
	void *context;
	uint8_t reply[WEIR_DNS_MESSAGE_MAX]; /* of TCP */
};

void weir_dns_server_release(struct weir_dns_server *server);

/* Counts a query and its reply. */
void weir_dns_server_count(
        struct weir_dns_server *server, const struct weir_dns_outcome *outcome, size_t size);

/* server_udp.c: for weir_datagrams_options. */
size_t weir_dns_answer_datagram(
        void *context, const struct weir_datagram *datagram, void *reply, size_t room);

/* server_tcp.c */
extern const struct weir_protocol weir_dns_protocol;

/* -- notify.c ---------------------------------------------------------------------------------- */

/* 0 or a negative errno. */
int weir_dns_notifier_create(struct weir_dns_server *server, struct dns_notifier **ret);
void weir_dns_notifier_destroy(struct dns_notifier *notifier);

/* Tells of every zone in `now` that was not in `before` with the same serial. */
void weir_dns_notify(struct dns_notifier *notifier, const struct weir_dns_zones *before,
        const struct weir_dns_zones *now);

#endif
