/* A server whose upstream is the test, in the test's loop, and its clients by UDP and TCP. */
#ifndef WEIR_TEST_FORWARDING_H
#define WEIR_TEST_FORWARDING_H

#include <weir/dns_server.h>
#include <weir/loop.h>

#include "dns_asker.h"
#include "peer.h"

extern struct forwarding {
	struct weir_loop *loop;
	struct weir_dns_lookups *lookups;
	struct weir_dns_server *server;
	struct asker asker;
	int udp;
} forwarding;

/*
 * Takes over the hold of the zones (NULL: none); `asks_max` is that of the lookups. 0 or an error.
 */
int forwarding_open(struct weir_dns_options options, unsigned asks_max);

/* Default options, to which a test adds its own. */
struct weir_dns_options default_options(void);
void forwarding_close(void);

/* -- clients ----------------------------------------------------------------------------------- */

/* Flags of the header, and: */
enum {
	RD = WEIR_DNS_RD,
	CD = WEIR_DNS_CD,
	AD = WEIR_DNS_AD,
	EDNS = 0x10000, /* with OPT, which takes 1232 bytes */
	DO = 0x20000,
};

#define ANSWER "an a.x. 100 A 192.0.2.1"
#define ANSWERED (WEIR_DNS_QR | WEIR_DNS_RD | WEIR_DNS_RA)

/* The question as text; its size, at most 512. */
size_t put_query(uint8_t *query, const char *text, unsigned flags, uint16_t id);

/* By UDP. */
void ask(const char *text, unsigned flags, uint16_t id);

/* The next reply by UDP, or an empty span. */
struct weir_span received(void);
void expect(uint16_t id, unsigned flags, const char *lines);

/* 16 bits of a reply; its extended error, or -1. */
unsigned word(struct weir_span reply, size_t at);
int error_of(struct weir_span reply);

struct peer connect_peer(void);
void tcp_ask(struct peer *peer, const char *text, uint16_t id);

/* The ID of the next reply. */
unsigned tcp_next(struct peer *peer);

/* -- upstream ---------------------------------------------------------------------------------- */

/* Answers the question for this name alone. */
void answer_one(const char *question);

/* Addresses of a.x., so many that they do not fit into a datagram. */
struct weir_span large_reply(void);

#endif
