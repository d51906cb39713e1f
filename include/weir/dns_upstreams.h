/*
 * Upstreams: asks one question of DNS servers that look names up for others (RFC 1034 5.3.1),
 * asynchronously.
 *
 *   weir_dns_ask ─▶ the best server, UDP ─▶ reply ──────────────────────▶ answered(0, reply)
 *                     │ silent, SERVFAIL … ─▶ the next server
 *                     └ truncated, forged ──▶ the same, by TCP
 *
 * No cache and no joining of questions that are alike: see weir/dns_lookup.h. DNS over TLS is left
 * out.
 *
 * Against forged replies (RFC 5452): each question leaves from a fresh socket, which the kernel
 * gives a random port and which hears of the server's address and port alone; its ID, and the case
 * of each letter of its name ("0x20"), are random. What does not match is ignored and counted; after
 * WEIR_DNS_FORGED_MAX such datagrams the question is asked by TCP, and so it is when only the case
 * is wrong. A server that changes the case by TCP, too, is asked without that for a while.
 *
 * Which server: the fastest of those that answer, or the first. One that does not answer is set
 * aside, for a growing time, and then gets a copy of a question that another server is asked; so do
 * now and then those that might be faster. If all are set aside, all are asked in turn.
 *
 * Life cycle: create, ask, destroy. Everything belongs to the loop's thread.
 */
#ifndef WEIR_DNS_UPSTREAMS_H
#define WEIR_DNS_UPSTREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/dns_message.h>
#include <weir/span.h>

struct weir_dns_ask;
struct weir_dns_upstreams;
struct weir_loop;

/* A 0 stands for the default of weir/limits.h. */
struct weir_dns_upstreams_options {
	const struct weir_address *addresses; /* with ports; copied */
	size_t count;                         /* 1 to WEIR_DNS_UPSTREAMS_MAX */
	bool in_order; /* the next is asked only if those before it fail; else the fastest is first */
	unsigned timeout_ms; /* WEIR_DNS_ASK_MS: of a question, all tries together */
	unsigned asks_max;   /* WEIR_DNS_ASKS_MAX: questions under way, with a descriptor a query */
};

/* 0; -EINVAL: no address, or too many; -ENOMEM. */
WEIR_API int weir_dns_upstreams_create(struct weir_loop *loop,
        const struct weir_dns_upstreams_options *options, struct weir_dns_upstreams **ret);

/*
 * Other options. What is known of a server that stays is kept; what is under way is asked anew, in
 * the time that it had, of the servers that are there now. 0 or -EINVAL: the old ones stay.
 */
WEIR_API int weir_dns_upstreams_change(
        struct weir_dns_upstreams *upstreams, const struct weir_dns_upstreams_options *options);

/* What is under way is cancelled without its callback. NULL is allowed. */
WEIR_API void weir_dns_upstreams_destroy(struct weir_dns_upstreams *upstreams);

/* -- asking ------------------------------------------------------------------------------------ */

/*
 * 0: `reply` is a whole message, never truncated, valid during the call. Its question is the one
 * asked and the only one, its records fill it up to its end (their rdata has not been looked into),
 * OPT is among them once at most. The letters' case of its names is what the server made of a
 * random one. Its rcode is NOERROR, NXDOMAIN or YXDOMAIN; another one only if no server had anything
 * better to say. Its ID means nothing.
 *
 * Else: -ETIMEDOUT, no server answered in time; -EBADMSG, what answered was no DNS; what connecting
 * failed with (-ECONNREFUSED, -ENETUNREACH, …); -ENOMEM, -EMFILE ….
 *
 * Everything is allowed in it, weir_dns_upstreams_destroy as well.
 */
typedef void weir_dns_answered(void *context, int error, struct weir_span reply);

enum weir_dns_ask_flags {
	WEIR_DNS_ASK_DNSSEC = 1,            /* DO: with signatures (RFC 3225) */
	WEIR_DNS_ASK_CHECKING_DISABLED = 2, /* CD: also what the server finds to be bogus */
};

/*
 * Asks, with RD set. `answered` is called once, from the loop, never from within this call; *ret is
 * valid until then, or until it is cancelled. 0; -EINVAL: a type that is no question for a resolver
 * (AXFR, IXFR, OPT, TSIG, TKEY); WEIR_E_LIMIT: too many are under way; -ENOMEM.
 */
WEIR_API int weir_dns_ask(struct weir_dns_upstreams *upstreams,
        const struct weir_dns_question *question, unsigned flags, weir_dns_answered *answered,
        void *context, struct weir_dns_ask **ret);

/* `answered` will not be called. NULL is allowed. */
WEIR_API void weir_dns_ask_cancel(struct weir_dns_ask *ask);

/* -- what happened ----------------------------------------------------------------------------- */

struct weir_dns_upstreams_counters {
	uint64_t asked;      /* questions */
	uint64_t answered;   /* … that got a reply */
	uint64_t failed;     /* … that got an error */
	uint64_t refused;    /* … that were too many */
	uint64_t sent;       /* queries, by UDP and TCP, copies for probing counted */
	uint64_t sent_tcp;   /* … of these by TCP */
	uint64_t unanswered; /* queries that waited in vain */
	uint64_t ignored;    /* messages that were no reply to what was asked: forged, or strayed */
	uint64_t backed_off;
};

WEIR_API const struct weir_dns_upstreams_counters *weir_dns_upstreams_counters(
        const struct weir_dns_upstreams *upstreams);

struct weir_dns_upstream_info {
	struct weir_address address;
	unsigned rtt_ms; /* smoothed; 0: not known yet */
	bool backing_off;
	bool plain;    /* asked without EDNS, since it does not know it */
	bool one_case; /* asked without random case */
};

/* Of server `index`; false: there are not so many. */
WEIR_API bool weir_dns_upstreams_info(const struct weir_dns_upstreams *upstreams, size_t index,
        struct weir_dns_upstream_info *ret);

#endif
