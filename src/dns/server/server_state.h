/* A server, from inside. */
#ifndef WEIR_DNS_SERVER_STATE_H
#define WEIR_DNS_SERVER_STATE_H

#include <weir/address.h>
#include <weir/datagram.h>
#include <weir/dns_message.h>
#include <weir/dns_server.h>
#include <weir/loop.h>

#include "dns_metrics.h"
#include "refcount.h"

/* -- server_udp.c: response rate limiting ------------------------------------------------------ */

/*
 * Response rate limiting: a bound on the replies of a kind to a network in a second. So the server
 * cannot be used for a reflection attack on a forged address.
 */

struct dns_rrl;

enum dns_rrl_verdict {
	DNS_RRL_SEND,
	DNS_RRL_SLIP, /* truncated: an honest client asks again by TCP */
	DNS_RRL_DROP,
};

/*
 * Beyond `rate` replies of a kind a second every slip-th is sent truncated; with 0 none is. Returns
 * NULL without memory, or without random bits.
 */
struct dns_rrl *dns_rrl_create(unsigned rate, unsigned slip);
void dns_rrl_destroy(struct dns_rrl *rrl);

enum dns_rrl_verdict dns_rrl_check(
        struct dns_rrl *rrl, const struct weir_address *peer, uint64_t kind, int64_t now_ms);

/* -- the server -------------------------------------------------------------------------------- */

struct weir_dns_server {
	struct weir_loop *loop;
	struct weir_dns_responder *responder;
	struct weir_dns_zones *zones;
	struct weir_datagrams *datagrams; /* NULL with TLS, and when stopped */
	struct weir_server *listener;
	struct dns_rrl *rrl;                /* NULL: no limit */
	struct weir_dns_notifier *notifier; /* NULL: another one does it */
	struct weir_network *unlimited;
	size_t unlimited_count;
	enum weir_dns_over over; /* of the listener */
	unsigned transfers, transfers_max;
	struct local_refcount holds; /* the owner's, and one a transfer */
	struct weir_dns_counters counters;
	struct dns_cells *cells;
	weir_dns_log_fn *log;
	void *context;
	uint8_t reply[WEIR_DNS_MESSAGE_MAX]; /* of TCP */
};

void dns_server_release(struct weir_dns_server *server);

/*
 * Writes a refusal: the query's header and question, with `refusal` among the flags (an rcode, or
 * TC). Returns its size; 0 if the message is no query, or there is no room.
 */
size_t dns_server_refuse(struct weir_span message, unsigned refusal, uint8_t *reply, size_t room);

/* Reports a message that was answered by FORMERR, or that is no query: `size` is 0. */
void dns_server_note(struct weir_dns_server *server, const struct weir_dns_request *request,
        const struct weir_dns_outcome *outcome, size_t size);

/* Counts a query and its reply. */
void dns_server_count(struct weir_dns_server *server, const struct weir_dns_request *request,
        const struct weir_dns_outcome *outcome, size_t size);

/* server_udp.c: for weir_datagrams_options. */
size_t dns_answer_datagram(
        void *context, const struct weir_datagram *datagram, void *reply, size_t room);

/* server_tcp.c */
extern const struct weir_protocol dns_protocol;

#endif
