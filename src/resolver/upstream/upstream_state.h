/*
 * The state of upstreams, for upstream*.c only.
 *
 *   upstreams.c         the set: create, change, destroy
 *   upstream_ask.c      a question: which server is asked next, and the question's end
 *   upstream_attempt.c  one query to one server, by UDP, and the handling of its reply
 *   upstream_stream.c   queries by TCP: a connection for each server
 *   upstream_health.c   how fast servers are, and which one is asked
 *   upstream_query.c    the messages
 *
 * Invariant: a question's callback is called last, when nothing in here is needed any more; errors
 * come from a task of their own.
 */
#ifndef WEIR_UPSTREAM_STATE_H
#define WEIR_UPSTREAM_STATE_H

#include <weir/dns_message.h>
#include <weir/dns_upstreams.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>

#include "helper.h"
#include "lookup_metrics.h"

/* -- upstream_query.c: a query as it is sent, and the verdict on its reply --------------------- */

enum {
	UPSTREAM_QUERY_MAX = WEIR_DNS_HEADER_SIZE + WEIR_DNS_NAME_MAX + 4 + 11 /* OPT */
};

struct upstream_query {
	bool edns;
	bool mixed; /* the case of its letters is random */
	uint16_t size;
	uint8_t bytes[UPSTREAM_QUERY_MAX];
};

/* Makes a query. `flags`: enum weir_dns_ask_flags. Returns 0 or an error of getrandom. */
int upstream_query_make(struct upstream_query *query, const struct weir_dns_question *question,
        unsigned flags, bool edns, bool mixed, struct random_pool *random);

enum upstream_verdict {
	UPSTREAM_FOREIGN,   /* no reply to this query: it may be forged */
	UPSTREAM_CASED,     /* a reply to this query, but the case of its question is wrong */
	UPSTREAM_TRUNCATED, /* the complete reply must be asked for by TCP */
	UPSTREAM_PLAIN,     /* the server does not know EDNS */
	UPSTREAM_MALFORMED, /* the server does not know DNS */
	UPSTREAM_REFUSES,   /* complete; another server may have an answer */
	UPSTREAM_ANSWERS,   /* complete, and an answer */
};

enum upstream_verdict upstream_judge(
        const struct upstream_query *query, struct weir_span reply, bool case_counts);

/* -- servers and questions --------------------------------------------------------------------- */

struct upstream {
	struct weir_dns_upstreams *all;
	struct weir_address address;
	uint32_t rtt_ms;       /* smoothed, and how much it varies (RFC 6298) */
	uint32_t variation_ms; /* 0 and 0: not known yet */
	bool measured;
	unsigned failures;            /* in a row */
	struct upstream_cells *cells; /* NULL: there was no memory */
	uint32_t backoff_ms;          /* the current back-off; 0: none */
	int64_t backoff_until_ms;     /* it is not probed before this */
	int64_t answered_ms;          /* when the last query was sent that it has answered */
	int64_t probe_at_ms;          /* when it should be probed for its speed */
	int64_t plain_until_ms;       /* asked without EDNS */
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
	struct weir_dns_upstreams_counters *cells; /* of the loop */
	unsigned count;
	struct upstream servers[WEIR_DNS_UPSTREAMS_MAX];
};

struct weir_dns_ask {
	struct weir_list link;
	struct weir_dns_upstreams *all;
	struct weir_dns_question question;
	unsigned flags;
	weir_dns_answered_fn *answered;
	void *context;
	struct weir_list attempts;
	struct weir_timer deadline;
	struct weir_task finish; /* ends with `error` */
	int error;
	uint32_t asked;   /* servers that were asked in this round, a bit each */
	uint32_t refused; /* servers that need not be asked again, a bit each */
	unsigned round;
	unsigned tries;
	unsigned forged;
	char *saved; /* a reply that is better than none, or NULL */
	size_t saved_size;
};

/* How a query is sent. */
enum {
	ATTEMPT_TCP = 1,
	ATTEMPT_PLAIN = 2, /* without EDNS, in case the server does not support it */
	ATTEMPT_PROBE = 4, /* a probe: a copy that no lookup waits for */
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
	bool timed_out;                 /* an answer is still welcome */
	struct upstream_stream *stream; /* by TCP; NULL by UDP */
	struct weir_list stream_link;
	struct upstream_query query;
};

/* -- upstream_ask.c ---------------------------------------------------------------------------- */

/* Asks the next server, or ends the question, or goes on waiting. */
void upstream_next(struct weir_dns_ask *ask);

/* Gives the server up for this question; `error` is the result if all servers are given up. */
void upstream_give_up(struct weir_dns_ask *ask, const struct upstream *server, int error);

/* Saves a copy of a reply in case that no better one comes. */
void upstream_save(struct weir_dns_ask *ask, struct weir_span reply);

/* Calls back with the reply; the question and its attempts are gone then. */
void upstream_answer(struct weir_dns_ask *ask, struct weir_span reply);

/* Stop: cancels all attempts. Restart: asks again from the beginning. */
void upstream_stop(struct weir_dns_ask *ask);
void upstream_restart(struct weir_dns_ask *ask);

/* -- upstream_attempt.c ------------------------------------------------------------------------ */

/* Sends a query. Returns 0, or a negative errno: nothing has happened. */
int upstream_attempt(struct weir_dns_ask *ask, struct upstream *server, unsigned how);

/* Cancels the attempt. */
void upstream_attempt_free(struct attempt *attempt);

/* Handles a message that may be the reply. The attempt and the upstreams may be gone then. */
void upstream_attempt_reply(
        struct attempt *attempt, enum upstream_verdict verdict, struct weir_span reply);

/* Ends an attempt that cannot be answered any more. It is gone then. */
void upstream_attempt_fail(struct attempt *attempt, int error);

/*
 * Like upstream_attempt_fail, but the query may be sent again by another connection (RFC 7766
 * 6.2.4).
 */
void upstream_attempt_again(struct attempt *attempt);

/* -- upstream_stream.c ------------------------------------------------------------------------- */

/*
 * Sends the query by the server's connection, which is made if there is none. 0 or a negative
 * errno.
 */
int upstream_stream_send(struct attempt *attempt);

/* Removes an attempt that does not wait for its reply any more. */
void upstream_stream_leave(struct attempt *attempt);

/* After a timeout: closes a connection that has received nothing since then. */
void upstream_stream_suspect(struct upstream_stream *stream, int64_t since_ms);

/* Closes a connection on which nothing is pending. NULL is allowed. */
void upstream_stream_drop(struct upstream_stream *stream);

/* -- upstream_health.c ------------------------------------------------------------------------- */

/* The best server that is not in `excluded`, or NULL. */
struct upstream *upstream_choose(struct weir_dns_upstreams *all, uint32_t excluded);

/* A server other than `chosen` that should be probed, or NULL. */
struct upstream *upstream_to_probe(struct weir_dns_upstreams *all, const struct upstream *chosen);

/* The timeout of a query to the server, in this round. */
uint32_t upstream_wait_ms(const struct upstream *server, unsigned round);

/* Note that the server answered a query, that it did not, or that its port is unreachable. */
void upstream_answered(struct upstream *server, int64_t sent_ms);
void upstream_silent(struct upstream *server, int64_t sent_ms);
void upstream_unreachable(struct upstream *server);

static inline uint32_t upstream_bit(const struct upstream *server)
{
	return 1u << (server - server->all->servers);
}

#endif
