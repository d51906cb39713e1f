/*
 * One query to one server. By UDP it has a connected socket of its own. So the kernel chooses a
 * random port, drops datagrams from other addresses, and reports a closed port. The socket stays
 * open after the timeout: an answer is still welcome until the question has one.
 *
 * Invariant: calls into upstream_ask.c are the last action of a function here.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "upstream_state.h"

enum {
	DATAGRAMS_AT_ONCE = 8 /* so that a flood of forged ones does not stop the loop */
};

static struct attempt *upstream_attempt_attempt_of(struct weir_watch *watch)
{
	return WEIR_CONTAINER(watch, struct attempt, watch);
}

void upstream_attempt_free(struct attempt *attempt)
{
	weir_list_remove(&attempt->link);
	weir_timer_stop(&attempt->timer);
	if (attempt->how & ATTEMPT_TCP)
		upstream_stream_leave(attempt);
	else
		weir_watch_close(attempt->server->all->loop, &attempt->watch);
	if (attempt->how & ATTEMPT_PROBE)
		attempt->server->probe = NULL;
	free(attempt);
}

/* Sends the same question to the same server with other options. */
static void upstream_attempt_replace(struct attempt *attempt, unsigned how)
{
	struct weir_dns_ask *ask = attempt->ask;
	struct upstream *server = attempt->server;
	upstream_attempt_free(attempt);
	int error = upstream_attempt(ask, server, how);
	if (error == 0)
		return;
	upstream_give_up(ask, server, error);
	upstream_next(ask);
}

/* -- what comes back --------------------------------------------------------------------------- */

/* Returns true if the question is asked by TCP from here on. */
static bool upstream_attempt_too_many_foreign(struct attempt *attempt)
{
	struct weir_dns_ask *ask = attempt->ask;
	LOOKUP_COUNT(attempt->server->all, ignored);
	if (!ask || attempt->how & (ATTEMPT_TCP | ATTEMPT_PROBE) ||
	        ++ask->forged <= WEIR_DNS_FORGED_MAX)
		return false;
	upstream_attempt_replace(attempt, attempt->how | ATTEMPT_TCP);
	return true;
}

/* A server lacks a feature if a query without it has helped. */
static void upstream_attempt_note_plain(const struct attempt *attempt)
{
	struct upstream *server = attempt->server;
	if (attempt->how & ATTEMPT_PLAIN)
		server->plain_until_ms =
		        weir_loop_now_ms(server->all->loop) + WEIR_DNS_WORKAROUND_MS;
}

void upstream_attempt_reply(
        struct attempt *attempt, enum upstream_verdict verdict, struct weir_span reply)
{
	struct weir_dns_ask *ask = attempt->ask;
	struct upstream *server = attempt->server;
	if (!(attempt->how & ATTEMPT_TCP))
		upstream_answered(server, attempt->sent_ms);
	if (verdict == UPSTREAM_ANSWERS)
		upstream_attempt_note_plain(attempt);
	if (attempt->how & ATTEMPT_PROBE && (!ask || verdict != UPSTREAM_ANSWERS)) {
		upstream_attempt_free(attempt);
		return;
	}
	switch (verdict) {
	case UPSTREAM_CASED:
	case UPSTREAM_TRUNCATED:
		upstream_attempt_replace(attempt, attempt->how | ATTEMPT_TCP);
		return;
	case UPSTREAM_PLAIN:
		upstream_attempt_replace(attempt, attempt->how | ATTEMPT_PLAIN);
		return;
	case UPSTREAM_ANSWERS:
		upstream_attempt_free(attempt);
		upstream_answer(ask, reply);
		return;
	case UPSTREAM_REFUSES:
		upstream_save(ask, reply);
		break;
	case UPSTREAM_MALFORMED:
	case UPSTREAM_FOREIGN:
		break;
	}
	upstream_attempt_free(attempt);
	upstream_give_up(ask, server, -EBADMSG);
	upstream_next(ask);
}

/* A fault by TCP does not count against the server by UDP. */
void upstream_attempt_fail(struct attempt *attempt, int error)
{
	struct weir_dns_ask *ask = attempt->ask;
	struct upstream *server = attempt->server;
	unsigned how = attempt->how;
	if (!(how & ATTEMPT_TCP))
		upstream_unreachable(server);
	upstream_attempt_free(attempt);
	if (how & ATTEMPT_PROBE)
		return;
	upstream_give_up(ask, server, error);
	upstream_next(ask);
}

void upstream_attempt_again(struct attempt *attempt)
{
	upstream_attempt_replace(attempt, attempt->how | ATTEMPT_AGAIN);
}

/* -- UDP --------------------------------------------------------------------------------------- */

/* Datagrams beyond the announced size are cut, and count as truncated. */
static enum upstream_verdict upstream_attempt_judge_datagram(
        const struct attempt *attempt, struct weir_span datagram, bool cut)
{
	enum upstream_verdict verdict =
	        upstream_judge(&attempt->query, datagram, attempt->query.mixed);
	return cut && verdict != UPSTREAM_FOREIGN ? UPSTREAM_TRUNCATED : verdict;
}

static void upstream_attempt_on_event(struct weir_watch *watch, unsigned events)
{
	struct attempt *attempt = upstream_attempt_attempt_of(watch);
	char buffer[WEIR_DNS_UPSTREAM_REPLY_MAX];
	(void)events;
	for (unsigned i = 0; i < DATAGRAMS_AT_ONCE; i++) {
		ssize_t got = recv(watch->fd, buffer, sizeof buffer, MSG_TRUNC);
		if (got < 0) {
			if (errno != EAGAIN && errno != EINTR)
				upstream_attempt_fail(attempt, -errno);
			return;
		}
		bool cut = (size_t)got > sizeof buffer;
		struct weir_span reply = weir_span(buffer, cut ? sizeof buffer : (size_t)got);
		enum upstream_verdict verdict =
		        upstream_attempt_judge_datagram(attempt, reply, cut);
		if (verdict != UPSTREAM_FOREIGN) {
			upstream_attempt_reply(attempt, verdict, reply);
			return;
		}
		if (upstream_attempt_too_many_foreign(attempt))
			return;
	}
}

/* A full send buffer counts as a lost datagram. */
static int upstream_attempt_send_datagram(struct attempt *attempt)
{
	const struct weir_address *to = &attempt->server->address;
	int fd = attempt->watch.fd;
	if (connect(fd, &to->any, weir_address_size(to)) == 0 &&
	        (send(fd, attempt->query.bytes, attempt->query.size, 0) >= 0 || errno == EAGAIN))
		return 0;
	int error = -errno;
	upstream_unreachable(attempt->server);
	return error;
}

static int upstream_attempt_open_socket(struct attempt *attempt)
{
	struct weir_loop *loop = attempt->server->all->loop;
	int family = attempt->server->address.any.sa_family;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = weir_watch_start(
	        loop, &attempt->watch, fd, WEIR_READABLE, upstream_attempt_on_event);
	if (error < 0) {
		close(fd);
		return error;
	}
	error = upstream_attempt_send_datagram(attempt);
	if (error < 0)
		weir_watch_close(loop, &attempt->watch);
	return error;
}

/* -- sending ----------------------------------------------------------------------------------- */

static void upstream_attempt_on_time(struct weir_timer *timer)
{
	struct attempt *attempt = WEIR_CONTAINER(timer, struct attempt, timer);
	struct weir_dns_ask *ask = attempt->ask;
	attempt->timed_out = true;
	if (attempt->how & ATTEMPT_TCP) {
		struct upstream_stream *stream = attempt->stream;
		int64_t sent_ms = attempt->sent_ms;
		LOOKUP_COUNT(attempt->server->all, unanswered);
		upstream_attempt_free(attempt);
		upstream_stream_suspect(stream, sent_ms);
	} else {
		upstream_silent(attempt->server, attempt->sent_ms);
		if (attempt->how & ATTEMPT_PROBE) {
			upstream_attempt_free(attempt);
			return;
		}
	}
	ask->tries++;
	upstream_next(ask);
}

static int upstream_attempt_make_query(struct attempt *attempt)
{
	const struct upstream *server = attempt->server;
	int64_t now_ms = weir_loop_now_ms(server->all->loop);
	bool edns = !(attempt->how & ATTEMPT_PLAIN) && now_ms >= server->plain_until_ms;
	return upstream_query_make(&attempt->query, &attempt->ask->question, attempt->ask->flags,
	        edns, now_ms >= server->one_case_until_ms, &server->all->random);
}

int upstream_attempt(struct weir_dns_ask *ask, struct upstream *server, unsigned how)
{
	struct weir_dns_upstreams *all = ask->all;
	struct attempt *attempt = calloc(1, sizeof *attempt);
	if (!attempt)
		return -ENOMEM;
	attempt->ask = ask;
	attempt->server = server;
	attempt->how = how;
	attempt->sent_ms = weir_loop_now_ms(all->loop);
	weir_list_init(&attempt->stream_link);
	int error = upstream_attempt_make_query(attempt);
	if (error == 0)
		error = how & ATTEMPT_TCP ? upstream_stream_send(attempt)
		                          : upstream_attempt_open_socket(attempt);
	if (error < 0) {
		free(attempt);
		return error;
	}
	LOOKUP_COUNT(all, sent);
	if (how & ATTEMPT_TCP)
		LOOKUP_COUNT(all, sent_tcp);
	if (how & ATTEMPT_PROBE)
		server->probe = attempt;
	weir_list_append(&ask->attempts, &attempt->link);
	weir_timer_start(all->loop, &attempt->timer,
	        how & ATTEMPT_TCP ? WEIR_DNS_TCP_WAIT_MS : upstream_wait_ms(server, ask->round),
	        upstream_attempt_on_time);
	return 0;
}
