/*
 * What upstreams are made of, for upstream*.c only.
 *
 *   upstreams.c         the set: create, change, destroy
 *   upstream_ask.c      a question: which server next, and its end
 *   upstream_attempt.c  one query to one server, by UDP; what its reply leads to
 *   upstream_stream.c   the same by TCP: a connection a server
 *   upstream_health.c   how fast servers are, and which is asked
 *   upstream_query.c    the messages
 *
 * Invariant: a question's callback is called last, when nothing in here is needed any more; errors
 * come from a task of their own.
 */
#ifndef WEIR_UPSTREAM_STATE_H
#define WEIR_UPSTREAM_STATE_H

#include <weir/dns_upstreams.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>

#include "upstream_query.h"

struct upstream {
	struct weir_dns_upstreams *all;
	struct weir_address address;
	uint32_t rtt_ms;       /* smoothed, and how much it varies (RFC 6298) */
	uint32_t variation_ms; /* 0 and 0: not known yet */
	bool measured;
	unsigned failures;      /* in a row */
	uint32_t aside_ms;      /* set aside for so long; 0: it is not */
	int64_t aside_until_ms; /* it is not probed before */
	int64_t answered_ms;    /* when a query was last sent that it answered */
	int64_t probe_at_ms;    /* then it is to be asked, if only to see */
	int64_t plain_until_ms; /* asked without EDNS */
	int64_t one_case_until_ms;
	struct attempt *probe;          /* under way, or NULL */
	struct upstream_stream *stream; /* that takes further queries, or NULL */
};

struct weir_dns_upstreams {
	struct weir_loop *loop;
	struct weir_list asks;
	unsigned ask_count;
	unsigned asks_max;
	unsigned timeout_ms;
	bool in_order;
	struct random_pool random;
	struct weir_dns_upstreams_counters counters;
	unsigned count;
	struct upstream servers[WEIR_DNS_UPSTREAMS_MAX];
};

struct weir_dns_ask {
	struct weir_list link;
	struct weir_dns_upstreams *all;
	struct weir_dns_question question;
	unsigned flags;
	weir_dns_answered *answered;
	void *context;
	struct weir_list attempts;
	struct weir_timer deadline;
	struct weir_task finish; /* ends with `error` */
	int error;
	uint32_t asked;   /* servers, a bit each: that were asked in this round, … */
	uint32_t refused; /* … and those that need not be asked again */
	unsigned round;
	unsigned tries;
	unsigned forged;
	char *kept; /* a reply that is better than none, or NULL */
	size_t kept_size;
};

/* How a query is sent. */
enum {
	ATTEMPT_TCP = 1,
	ATTEMPT_PLAIN = 2, /* without EDNS, to see whether the server likes that better */
	ATTEMPT_PROBE = 4, /* a copy, that nobody waits for */
	ATTEMPT_AGAIN = 8, /* the connection that it was sent on before was closed */
};

struct attempt {
	struct weir_list link;    /* of the question's */
	struct weir_dns_ask *ask; /* NULL: of a probe whose question has its answer */
	struct upstream *server;
	unsigned how;
	struct weir_watch watch; /* by UDP */
	struct weir_timer timer;
	int64_t sent_ms;
	bool late;                      /* waited for in vain; an answer is still welcome */
	struct upstream_stream *stream; /* by TCP; NULL by UDP */
	struct weir_list stream_link;
	struct upstream_query query;
};

/* -- upstream_ask.c ---------------------------------------------------------------------------- */

/* Asks the next server, or ends, or goes on waiting. */
void upstream_next(struct weir_dns_ask *ask);

/* This server has nothing to say to this question; `error` is the reason if nobody has. */
void upstream_give_up(struct weir_dns_ask *ask, const struct upstream *server, int error);

/* Keeps a copy of a reply in case that no better one comes. */
void upstream_keep(struct weir_dns_ask *ask, struct weir_span reply);

/* Answers, last thing; the question and its attempts are gone. */
void upstream_answer(struct weir_dns_ask *ask, struct weir_span reply);

/* Takes back all that was sent; asks anew, as if nothing had been. */
void upstream_stop(struct weir_dns_ask *ask);
void upstream_restart(struct weir_dns_ask *ask);

/* -- upstream_attempt.c ------------------------------------------------------------------------ */

/* Sends a query. 0 or a negative errno: nothing has happened then. */
int upstream_attempt(struct weir_dns_ask *ask, struct upstream *server, unsigned how);

/* Takes it back. */
void upstream_attempt_free(struct attempt *attempt);

/* A message came that may be for it. The attempt, and all else, may be gone then. */
void upstream_attempt_reply(
        struct attempt *attempt, enum upstream_verdict verdict, struct weir_span reply);

/* It cannot be answered any more. The attempt is gone then. */
void upstream_attempt_fail(struct attempt *attempt, int error);

/* The same, but by another connection it may be (RFC 7766 6.2.4). */
void upstream_attempt_again(struct attempt *attempt);

/* -- upstream_stream.c ------------------------------------------------------------------------- */

/* Sends the query by the server's connection, which is made if there is none. 0 or a negative errno. */
int upstream_stream_send(struct attempt *attempt);

/* The attempt does not wait for its reply any more. */
void upstream_stream_leave(struct attempt *attempt);

/* It waited in vain: a connection that has brought nothing since is cut off. */
void upstream_stream_suspect(struct upstream_stream *stream, int64_t since_ms);

/* Cuts the connection off; nobody waits on it. NULL is allowed. */
void upstream_stream_drop(struct upstream_stream *stream);

/* -- upstream_health.c ------------------------------------------------------------------------- */

/* The best of those that are not in `excluded`, or NULL. */
struct upstream *upstream_choose(struct weir_dns_upstreams *all, uint32_t excluded);

/* One beside `chosen` that it is time to look at, or NULL. */
struct upstream *upstream_to_probe(struct weir_dns_upstreams *all, const struct upstream *chosen);

/* How long it is waited for, in this round. */
uint32_t upstream_wait_ms(const struct upstream *server, unsigned round);

/* It answered what was sent then; it did not; there is no such server. */
void upstream_answered(struct upstream *server, int64_t sent_ms);
void upstream_silent(struct upstream *server, int64_t sent_ms);
void upstream_unreachable(struct upstream *server);

static inline uint32_t upstream_bit(const struct upstream *server)
{
	return 1u << (server - server->all->servers);
}

#endif
