/*
 * Tunnels: after a valid 101 both connections have another protocol, whose bytes are the bodies of
 * both directions, with the same back-pressure. Nothing that a client sends behind its request is
 * read before, so that it is either part of the tunnel or a request of its own.
 */
#include <errno.h>
#include <string.h>

#include <weir/base64.h>
#include <weir/error.h>

#include "exchange.h"
#include "proxy_state.h"
#include "websocket_state.h"

/*
 * A protocol that may follow a 101. Not one of HTTP's own: its requests would pass by all that a
 * site asks for.
 */
static bool proxy_tunnel_may_pass(struct weir_span protocol)
{
	static const char *const refused[] = {"h2", "HTTP", "TLS"};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		size_t size = strlen(refused[i]);
		if (protocol.size >= size && weir_span_equal_nocase(weir_span(protocol.data, size),
		                                     weir_span(refused[i], size)))
			return false;
	}
	/* One protocol, not a list. */
	return protocol.size && !memchr(protocol.data, ',', protocol.size);
}

const char *http_proxy_upgrade_of(
        const struct weir_http_exchange *exchange, char text[WEIR_HTTP_PROXY_PROTOCOL_MAX + 1])
{
	const struct weir_http_request *request = weir_http_request(exchange);
	struct weir_span protocol = weir_http_request_known(request, WEIR_HTTP_UPGRADE);
	if (!weir_http_may_upgrade(exchange) || !proxy_tunnel_may_pass(protocol) ||
	        !text_copy_span(text, WEIR_HTTP_PROXY_PROTOCOL_MAX + 1, protocol))
		return NULL;
	return text;
}

static void proxy_tunnel_end(struct proxy_job *job)
{
	weir_timer_stop(&job->timer);
	http_proxy_cancel_call(job);
	http_proxy_flow_end(&job->reply, false);
	http_proxy_free_if_unused(job);
}

static void proxy_tunnel_start_timer(struct proxy_job *job);

static void proxy_tunnel_on_time(struct weir_timer *timer)
{
	struct proxy_job *job = WEIR_CONTAINER(timer, struct proxy_job, timer);
	if (job->passed == job->passed_before)
		proxy_tunnel_end(job);
	else
		proxy_tunnel_start_timer(job);
}

static void proxy_tunnel_start_timer(struct proxy_job *job)
{
	uint32_t after_ms = job->half_closed ? WEIR_LINGER_MS : job->upstreams->options.tunnel_ms;
	job->passed_before = job->passed;
	weir_timer_start(job->upstreams->loop, &job->timer, after_ms, proxy_tunnel_on_time);
}

void http_proxy_end_tunnel_input(struct proxy_job *job, enum weir_close_reason why)
{
	bool stream = job->exchange && job->exchange->connection->frames_bodies;
	job->half_closed = stream && job->call && why == WEIR_CLOSE_DONE;
	if (job->half_closed)
		proxy_tunnel_start_timer(job);
	else
		proxy_tunnel_end(job);
}

_Static_assert((int)PROXY_KEY_SIZE == (int)WEBSOCKET_KEY_SIZE, "must be that of a key");

int http_proxy_make_key(struct proxy_job *job)
{
	char bytes[16];
	if (!job->exchange->extended_connect || !weir_websocket_asked(job->exchange))
		return 0;
	int error = random_pool_take(&job->upstreams->random, bytes, sizeof bytes);
	if (!error)
		weir_base64_encode(weir_span(bytes, sizeof bytes), job->key);
	return error;
}

/* The upstream of a client that has sent no key must have seen the proxy's. */
static bool proxy_tunnel_key_is_answered(
        const struct proxy_job *job, const struct weir_http_reply_head *head)
{
	char expected[WEBSOCKET_ACCEPT_SIZE];
	if (!*job->key)
		return true;
	return websocket_accept_value(weir_span_of(job->key), expected) &&
	       weir_span_equal(weir_http_reply_head_field(head, WEIR_SPAN("Sec-WebSocket-Accept")),
	               weir_span(expected, sizeof expected));
}

void http_proxy_on_upgraded(void *context, const struct weir_http_reply_head *head)
{
	struct proxy_job *job = context;
	if (!proxy_tunnel_key_is_answered(job, head)) {
		http_proxy_refuse(job, 502, "Sec-WebSocket-Accept is not that of the key");
		return;
	}
	struct weir_http_exchange *exchange = job->exchange;
	struct weir_span protocol = weir_http_reply_head_field(head, WEIR_SPAN("Upgrade"));
	http_upstream_succeeded(job->upstreams, job->upstream);
	int error = http_proxy_pass_fields(job, head);
	struct weir_producer *up = http_proxy_body_create(job, &job->request, -1);
	struct weir_producer *down = http_proxy_body_create(job, &job->reply, -1);
	if (error || !up || !down) {
		http_proxy_flow_finish(job, &job->request);
		http_proxy_flow_finish(job, &job->reply);
		weir_producer_close(up, WEIR_CLOSE_ABORTED);
		weir_producer_close(down, WEIR_CLOSE_ABORTED);
		http_proxy_refuse(job, 500, weir_error_text(error ? error : -ENOMEM));
		return;
	}
	http_proxy_log_upstream(job);
	job->result = PROXY_RESULT_1XX;
	job->replied = job->reply_has_body = job->received = job->receiving = job->tunnel = true;
	proxy_tunnel_start_timer(job);
	weir_http_on_gone(exchange, NULL, NULL);
	weir_http_receive_small(exchange);
	struct weir_http_call *call = job->call;
	/* Without memory the job is gone, and with it the call. */
	if (weir_http_upgrade(exchange, protocol, &http_proxy_receiver, job, down) < 0) {
		weir_producer_close(up, WEIR_CLOSE_ABORTED);
		weir_http_reply_error(exchange, 500);
		return;
	}
	weir_http_call_send(call, up);
}
