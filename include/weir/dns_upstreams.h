/*
 * Upstreams: recursive DNS servers (RFC 1034 5.3.1) that questions are forwarded to,
 * asynchronously.
 *
 *   weir_dns_ask ─▶ the best server, UDP ─▶ reply ──────────────────────▶ answered(0, reply)
 *                     │ silent, SERVFAIL … ─▶ the next server
 *                     └ truncated, forged ──▶ the same, by TCP
 *
 * There is no cache, and equal questions are not joined: see weir/dns_lookup.h for both. DNS over
 * TLS is not supported.
 *
 * Measures against forged replies (RFC 5452): each query leaves from a new socket, which has a
 * random port and receives from the server's address and port only. The ID and the case of each
 * letter of the name ("0x20") are random. Datagrams that do not match are ignored and counted.
 * After WEIR_DNS_FORGED_MAX of them, or if only the case is wrong, the question is asked by TCP. A
 * server that changes the case by TCP, too, is asked without random case for a while.
 *
 * The fastest server that answers is asked, or the first in order. A server that does not answer
 * backs off for a growing time. Then it is probed with a copy of a question that another server is
 * asked. Servers that might be faster are probed now and then. If all servers back off, all are
 * asked in turn.
 *
 * Life cycle: create, ask, destroy. All functions belong to the loop's thread.
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

WEIR_C_BEGIN

struct weir_dns_ask;
struct weir_dns_upstreams;
struct weir_loop;

/* Begin with weir_dns_upstreams_options_init. */
struct weir_dns_upstreams_options {
	const struct weir_address *addresses; /* with ports; copied */
	size_t count;                         /* 1 to WEIR_DNS_UPSTREAMS_MAX */
	/* The others are asked if the first fails. False by default: the fastest is the first. */
	bool in_order;
	unsigned timeout_ms; /* for a question, with all retries; WEIR_DNS_ASK_MS */
	unsigned asks_max;   /* questions under way; WEIR_DNS_ASKS_MAX */
};

/* Sets every member to its default. The addresses have none. */
WEIR_API void weir_dns_upstreams_options_init(struct weir_dns_upstreams_options *options);

/*
 * Returns 0; -EINVAL if there is no address, if there are too many, or if an option cannot work,
 * for example because the struct was not initialised; or -ENOMEM.
 */
WEIR_API int weir_dns_upstreams_create(struct weir_loop *loop,
        const struct weir_dns_upstreams_options *options, struct weir_dns_upstreams **ret);

/*
 * Replaces the options. The measurements of a server that stays are retained. Questions under way
 * are asked again of the new servers, within their original time. Returns 0, or -EINVAL: nothing
 * has changed.
 */
WEIR_API int weir_dns_upstreams_change(
        struct weir_dns_upstreams *upstreams, const struct weir_dns_upstreams_options *options);

/* Cancels all questions without their callbacks. NULL is allowed. */
WEIR_API void weir_dns_upstreams_destroy(struct weir_dns_upstreams *upstreams);

/* -- asking ------------------------------------------------------------------------------------ */

/*
 * Called once for each question. The callback may call every function, weir_dns_upstreams_destroy
 * too.
 *
 * If `error` is 0, `reply` is a complete message, never truncated, valid during the call:
 *
 * - It has one question, which is the one asked. Its ID means nothing.
 * - The records fill it up to its end; their rdata has not been checked. There is at most one OPT.
 * - The case of the names is what the server has made of the random case in the query.
 * - The rcode is NOERROR, NXDOMAIN or YXDOMAIN. It is another one only if all servers have failed.
 *
 * Otherwise `error` is -ETIMEDOUT if no server has answered in time. It is -EBADMSG if a reply was
 * not DNS, an errno of connecting (-ECONNREFUSED, -ENETUNREACH), or an errno of this host (-ENOMEM,
 * -EMFILE).
 */
typedef void weir_dns_answered_fn(void *context, int error, struct weir_span reply);

enum weir_dns_ask_flags {
	WEIR_DNS_ASK_DNSSEC = 1,            /* DO: with signatures (RFC 3225) */
	WEIR_DNS_ASK_CHECKING_DISABLED = 2, /* CD: data may be bogus */
};

/*
 * Asks a question, with RD set. `answered` is called from the loop, never from within this call.
 * *ret is valid until then, or until it is cancelled. Returns 0, -EINVAL for a type that resolvers
 * are not asked for (AXFR, IXFR, OPT, TSIG, TKEY), WEIR_E_LIMIT if too many are under way, or
 * -ENOMEM.
 */
WEIR_API int weir_dns_ask(struct weir_dns_upstreams *upstreams,
        const struct weir_dns_question *question, unsigned flags, weir_dns_answered_fn *answered,
        void *context, struct weir_dns_ask **ret);

/* `answered` will not be called. NULL is allowed. */
WEIR_API void weir_dns_ask_cancel(struct weir_dns_ask *ask);

/* -- counters ---------------------------------------------------------------------------------- */

struct weir_dns_upstreams_counters {
	uint64_t asked;      /* questions */
	uint64_t answered;   /* questions that got a reply */
	uint64_t failed;     /* questions that got an error */
	uint64_t refused;    /* questions that were refused with WEIR_E_LIMIT */
	uint64_t sent;       /* queries, by UDP and TCP, including probes */
	uint64_t sent_tcp;   /* of `sent`, by TCP */
	uint64_t unanswered; /* queries that timed out */
	uint64_t ignored;    /* messages that did not match a query: forged or stray */
	uint64_t backed_off; /* how often a server began to back off */
};

WEIR_API const struct weir_dns_upstreams_counters *weir_dns_upstreams_counters(
        const struct weir_dns_upstreams *upstreams);

struct weir_dns_upstream_info {
	struct weir_address address;
	unsigned rtt_ms; /* smoothed; 0: not known yet */
	bool backing_off;
	bool plain;    /* asked without EDNS, which it does not support */
	bool one_case; /* asked without random case */
};

/* Facts about the server with this index. Returns false if there is none. */
WEIR_API bool weir_dns_upstreams_info(const struct weir_dns_upstreams *upstreams, size_t index,
        struct weir_dns_upstream_info *ret);

WEIR_C_END

#endif
