/*
 * Queries by TCP (RFC 7766): one connection for each server. Queries on it do not wait for each
 * other, and replies come in any order, identified by their IDs. An idle connection stays open for
 * a while.
 *
 * Invariants: the IDs of pending queries on a connection differ. The stream is freed in on_close
 * and nowhere else; the server may be gone then, but not the pending attempts. These have their own
 * time limits.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/channel.h>
#include <weir/error.h>
#include <weir/server.h>

#include "dns_codec.h"
#include "upstream_state.h"

enum {
	IDS_TRIED = 16,
};

struct upstream_stream {
	struct upstream *server; /* whose `stream` it is; NULL: no more */
	struct weir_channel *channel;
	struct weir_list attempts;
	bool open;
	unsigned replies; /* that came */
	int64_t heard_ms; /* when the last one did */
};

/* The stream takes no further queries or replies. */
static void upstream_stream_retire(struct upstream_stream *stream)
{
	if (stream->server)
		stream->server->stream = NULL;
	stream->server = NULL;
}

/* -- sending ----------------------------------------------------------------------------------- */

static void upstream_stream_push(struct upstream_stream *stream, const struct attempt *attempt)
{
	uint8_t message[WEIR_DNS_LENGTH_SIZE + UPSTREAM_QUERY_MAX];
	dns_put16(message, attempt->query.size);
	memcpy(message + WEIR_DNS_LENGTH_SIZE, attempt->query.bytes, attempt->query.size);
	weir_channel_push_copy(
	        stream->channel, weir_span(message, WEIR_DNS_LENGTH_SIZE + attempt->query.size));
}

static struct attempt *upstream_stream_find(const struct upstream_stream *stream, unsigned id)
{
	WEIR_LIST_EACH (struct attempt, attempt, &stream->attempts, stream_link)
		if (dns_get16(attempt->query.bytes) == id)
			return attempt;
	return NULL;
}

/* Changes the ID until it is unique on this connection. */
static int upstream_stream_make_unique(struct upstream_stream *stream, struct attempt *attempt)
{
	int error = 0;
	for (unsigned i = 0; i < IDS_TRIED && error == 0; i++) {
		if (!upstream_stream_find(stream, dns_get16(attempt->query.bytes)))
			return 0;
		error = random_pool_take(&stream->server->all->random, attempt->query.bytes, 2);
	}
	return error < 0 ? error : WEIR_E_LIMIT;
}

/* -- the connection ---------------------------------------------------------------------------- */

static int upstream_stream_on_open(struct weir_channel *channel)
{
	struct upstream_stream *stream = weir_channel_context(channel);
	stream->open = true;
	weir_channel_await(channel, weir_until_dns_message());
	WEIR_LIST_EACH (struct attempt, attempt, &stream->attempts, stream_link)
		upstream_stream_push(stream, attempt);
	return 0;
}

/* If the case is wrong by TCP, the server has changed it, and its case is ignored. */
static enum upstream_verdict upstream_stream_judge(
        const struct attempt *attempt, struct weir_span reply)
{
	struct upstream *server = attempt->server;
	enum upstream_verdict verdict =
	        upstream_judge(&attempt->query, reply, attempt->query.mixed);
	if (verdict == UPSTREAM_CASED) {
		server->one_case_until_ms =
		        weir_loop_now_ms(server->all->loop) + WEIR_DNS_WORKAROUND_MS;
		verdict = upstream_judge(&attempt->query, reply, false);
	}
	return verdict == UPSTREAM_TRUNCATED ? UPSTREAM_MALFORMED : verdict;
}

static void upstream_stream_on_request(struct weir_channel *channel, struct weir_span request)
{
	struct upstream_stream *stream = weir_channel_context(channel);
	struct weir_span reply = weir_span_skip(request, WEIR_DNS_LENGTH_SIZE);
	enum upstream_verdict verdict = UPSTREAM_FOREIGN;
	struct attempt *attempt = NULL;
	if (!stream->server)
		return;
	if (reply.size >= 2)
		attempt = upstream_stream_find(stream, dns_get16((const uint8_t *)reply.data));
	stream->replies++;
	stream->heard_ms = weir_loop_now_ms(weir_channel_loop(channel));
	if (attempt)
		verdict = upstream_stream_judge(attempt, reply);
	if (verdict == UPSTREAM_FOREIGN)
		LOOKUP_COUNT(stream->server->all, ignored);
	else
		upstream_attempt_reply(attempt, verdict, reply);
}

/* The connection has ended. A query on a connection that was open before is sent once more. */
static void upstream_stream_on_close(struct weir_channel *channel, int error)
{
	struct upstream_stream *stream = weir_channel_context(channel);
	upstream_stream_retire(stream);
	while (!weir_list_empty(&stream->attempts)) {
		struct attempt *attempt =
		        WEIR_CONTAINER(stream->attempts.next, struct attempt, stream_link);
		if (stream->replies && !(attempt->how & ATTEMPT_AGAIN))
			upstream_attempt_again(attempt);
		else
			upstream_attempt_fail(attempt, error < 0 ? error : -ECONNRESET);
	}
	free(stream);
}

static void upstream_stream_on_eof(struct weir_channel *channel)
{
	upstream_stream_retire(weir_channel_context(channel));
	weir_channel_close(channel);
}

static void upstream_stream_on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	struct upstream_stream *stream = weir_channel_context(channel);
	upstream_stream_retire(stream);
	if (which == WEIR_TIMEOUT_IDLE && weir_list_empty(&stream->attempts))
		weir_channel_close(channel);
}

static const struct weir_protocol protocol = {
        .name = "dns upstream",
        .open = upstream_stream_on_open,
        .request = upstream_stream_on_request,
        .eof = upstream_stream_on_eof,
        .timeout = upstream_stream_on_timeout,
        .close = upstream_stream_on_close,
};

static int upstream_stream_connect(struct upstream *server)
{
	struct weir_bounds bounds;
	weir_bounds_init(&bounds);
	bounds.request_max = WEIR_DNS_LENGTH_SIZE + WEIR_DNS_MESSAGE_MAX;
	bounds.replies_max = WEIR_DNS_ASKS_MAX;
	bounds.idle_ms = bounds.request_ms = bounds.progress_ms = WEIR_DNS_UPSTREAM_IDLE_MS;
	struct upstream_stream *stream = calloc(1, sizeof *stream);
	if (!stream)
		return -ENOMEM;
	stream->server = server;
	weir_list_init(&stream->attempts);
	int error = weir_connect(
	        server->all->loop, &server->address, &protocol, stream, &bounds, &stream->channel);
	if (error < 0) {
		free(stream);
		return error;
	}
	server->stream = stream;
	return 0;
}

/* -- for the attempts -------------------------------------------------------------------------- */

int upstream_stream_send(struct attempt *attempt)
{
	struct upstream *server = attempt->server;
	int error = server->stream ? 0 : upstream_stream_connect(server);
	if (error == 0)
		error = upstream_stream_make_unique(server->stream, attempt);
	if (error < 0)
		return error;
	attempt->stream = server->stream;
	weir_list_append(&attempt->stream->attempts, &attempt->stream_link);
	if (attempt->stream->open)
		upstream_stream_push(attempt->stream, attempt);
	return 0;
}

void upstream_stream_leave(struct attempt *attempt)
{
	weir_list_remove(&attempt->stream_link);
}

void upstream_stream_suspect(struct upstream_stream *stream, int64_t since_ms)
{
	if (stream->heard_ms >= since_ms)
		return;
	upstream_stream_retire(stream);
	weir_channel_abort(stream->channel, -ETIMEDOUT);
}

void upstream_stream_drop(struct upstream_stream *stream)
{
	if (!stream)
		return;
	upstream_stream_retire(stream);
	weir_channel_abort(stream->channel, WEIR_E_CLOSED);
}
