/*
 * A question's life. Servers are asked one after the other, each once in a round. It ends when one
 * has answered, all have refused, or the time is over. Earlier queries stay open meanwhile.
 *
 * If a refusal was saved, the question ends as soon as every server that is likely to answer has
 * been asked.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "upstream_state.h"

/* -- ends -------------------------------------------------------------------------------------- */

/* A probe goes on without its question, to see whether the server answers. */
void upstream_stop(struct weir_dns_ask *ask)
{
	while (!weir_list_empty(&ask->attempts)) {
		struct attempt *attempt = WEIR_CONTAINER(ask->attempts.next, struct attempt, link);
		if (attempt->how & ATTEMPT_PROBE) {
			weir_list_remove(&attempt->link);
			attempt->ask = NULL;
		} else {
			upstream_attempt_free(attempt);
		}
	}
}

void weir_dns_ask_cancel(struct weir_dns_ask *ask)
{
	if (!ask)
		return;
	upstream_stop(ask);
	weir_timer_stop(&ask->deadline);
	weir_loop_cancel(ask->all->loop, &ask->finish);
	weir_list_remove(&ask->link);
	ask->all->ask_count--;
	free(ask->saved);
	free(ask);
}

void upstream_answer(struct weir_dns_ask *ask, struct weir_span reply)
{
	weir_dns_answered_fn *answered = ask->answered;
	void *context = ask->context;
	LOOKUP_COUNT(ask->all, answered);
	weir_dns_ask_cancel(ask);
	answered(context, 0, reply);
}

static void upstream_ask_run_finish(struct weir_task *task)
{
	struct weir_dns_ask *ask = WEIR_CONTAINER(task, struct weir_dns_ask, finish);
	weir_dns_answered_fn *answered = ask->answered;
	void *context = ask->context;
	char *saved = ask->saved;
	struct weir_span reply = weir_span(saved, ask->saved_size);
	int error = saved ? 0 : ask->error;
	if (saved)
		LOOKUP_COUNT(ask->all, answered);
	else
		LOOKUP_COUNT(ask->all, failed);
	ask->saved = NULL;
	weir_dns_ask_cancel(ask);
	answered(context, error, reply);
	free(saved);
}

static void upstream_ask_finish(struct weir_dns_ask *ask, int error)
{
	upstream_stop(ask);
	weir_timer_stop(&ask->deadline);
	ask->error = error;
	ask->finish.run = upstream_ask_run_finish;
	weir_loop_defer(ask->all->loop, &ask->finish);
}

static void upstream_ask_on_deadline(struct weir_timer *timer)
{
	upstream_ask_finish(WEIR_CONTAINER(timer, struct weir_dns_ask, deadline), -ETIMEDOUT);
}

/* -- from server to server --------------------------------------------------------------------- */

/* Whether some query has not timed out yet. */
static bool upstream_ask_waits(const struct weir_dns_ask *ask)
{
	WEIR_LIST_EACH (const struct attempt, attempt, &ask->attempts, link)
		if (!attempt->timed_out && !(attempt->how & ATTEMPT_PROBE))
			return true;
	return false;
}

static struct upstream *upstream_ask_choose(struct weir_dns_ask *ask)
{
	struct upstream *server = upstream_choose(ask->all, ask->asked | ask->refused);
	if (server)
		return ask->saved && server->backoff_ms ? NULL : server;
	if (ask->saved || upstream_ask_waits(ask))
		return NULL;
	ask->round++;
	ask->asked = 0;
	return upstream_choose(ask->all, ask->refused);
}

static bool upstream_ask_hopeless(const struct weir_dns_ask *ask)
{
	uint32_t every = (1u << ask->all->count) - 1;
	return !upstream_ask_waits(ask) && (ask->saved || (ask->refused & every) == every);
}

void upstream_next(struct weir_dns_ask *ask)
{
	struct upstream *server = NULL;
	while (ask->tries < WEIR_DNS_TRIES_MAX && (server = upstream_ask_choose(ask))) {
		ask->asked |= upstream_bit(server);
		int error = upstream_attempt(ask, server, 0);
		if (error == 0)
			return;
		upstream_give_up(ask, server, error);
	}
	if (upstream_ask_hopeless(ask))
		upstream_ask_finish(ask, ask->error);
}

void upstream_give_up(struct weir_dns_ask *ask, const struct upstream *server, int error)
{
	ask->refused |= upstream_bit(server);
	ask->error = error;
}

/* Without memory the reply is not saved. */
void upstream_save(struct weir_dns_ask *ask, struct weir_span reply)
{
	char *copy = malloc(reply.size);
	if (!copy)
		return;
	memcpy(copy, reply.data, reply.size);
	free(ask->saved);
	ask->saved = copy;
	ask->saved_size = reply.size;
}

/* -- the beginning ----------------------------------------------------------------------------- */

static void upstream_ask_begin(struct weir_dns_ask *ask)
{
	struct upstream *chosen = upstream_choose(ask->all, 0);
	struct upstream *other = upstream_to_probe(ask->all, chosen);
	upstream_next(ask);
	if (other && !(ask->asked & upstream_bit(other)) && !weir_list_empty(&ask->attempts))
		upstream_attempt(ask, other, ATTEMPT_PROBE);
}

void upstream_restart(struct weir_dns_ask *ask)
{
	if (ask->finish.run)
		return;
	ask->asked = ask->refused = 0;
	ask->round = ask->tries = ask->forged = 0;
	upstream_ask_begin(ask);
}

static bool upstream_ask_may_be_asked(unsigned type)
{
	switch (type) {
	case WEIR_DNS_OPT:
	case WEIR_DNS_TKEY:
	case WEIR_DNS_TSIG:
	case WEIR_DNS_IXFR:
	case WEIR_DNS_AXFR:
		return false;
	default:
		return true;
	}
}

int weir_dns_ask(struct weir_dns_upstreams *upstreams, const struct weir_dns_question *question,
        unsigned flags, weir_dns_answered_fn *answered, void *context, struct weir_dns_ask **ret)
{
	if (!upstream_ask_may_be_asked(question->type))
		return -EINVAL;
	if (upstreams->ask_count >= upstreams->asks_max) {
		LOOKUP_COUNT(upstreams, refused);
		return WEIR_E_LIMIT;
	}
	struct weir_dns_ask *ask = calloc(1, sizeof *ask);
	if (!ask)
		return -ENOMEM;
	ask->all = upstreams;
	ask->question = *question;
	ask->flags = flags;
	ask->answered = answered;
	ask->context = context;
	ask->error = -ETIMEDOUT;
	weir_list_init(&ask->attempts);
	weir_list_append(&upstreams->asks, &ask->link);
	upstreams->ask_count++;
	LOOKUP_COUNT(upstreams, asked);
	weir_timer_start(
	        upstreams->loop, &ask->deadline, upstreams->timeout_ms, upstream_ask_on_deadline);
	upstream_ask_begin(ask);
	*ret = ask;
	return 0;
}
