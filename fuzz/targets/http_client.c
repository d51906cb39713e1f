/*
 * The client and whatever a server or an application sends, in whatever pieces: each call ends
 * once, within a number of turns, and no connection is left. The first four bytes of the input
 * choose the requests, the pieces, and when a call is paused or cancelled.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/http_client.h>
#include <weir/loop.h>
#include <weir/sources.h>

#include "http_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	CALLS = 3,
	CONNECTIONS_MAX = 32, /* each call has one, those of its redirects, and one for a retry */
	TURNS_MAX = 20000
};

static struct weir_loop *loop;
static const char *socket_path;

static struct {
	struct weir_http_call *call; /* NULL: none is under way */
	unsigned starts, ends, events, cancel_at, pause_every;
	bool paused;
} now;

/* -- the calls --------------------------------------------------------------------------------- */

static void on_event(void)
{
	if (!now.call)
		abort();
	if (++now.events == now.cancel_at) {
		weir_http_call_cancel(now.call);
		now.call = NULL;
		now.ends++;
	} else if (now.pause_every && now.events % now.pause_every == 0) {
		weir_http_call_pause(now.call);
		now.paused = true;
	}
}

static void on_head(void *context, const struct weir_http_reply_head *head)
{
	(void)context;
	if (head->status < 100 || head->status > 599 || !*head->url)
		abort();
	on_event();
}

static void on_piece(void *context, struct weir_span bytes)
{
	(void)context;
	if (bytes.size == 0)
		abort();
	on_event();
}

static void on_trailer(void *context, const struct weir_http_field *field)
{
	(void)context;
	if (field->name.size == 0)
		abort();
	on_event();
}

static void on_end(void *context, const struct weir_http_call_end *end)
{
	(void)context;
	if (!now.call || end->error > 0 || !end->text)
		abort();
	now.call = NULL;
	now.ends++;
}

static struct weir_producer *make_body(void *context)
{
	return context ? weir_produce_glob(weir_produce_copied("hello", 5), 2)
	               : weir_produce_copied("hello", 5);
}

static void start_call(struct weir_http_client *client, const uint8_t *choice)
{
	static const char *const methods[] = {"GET", "HEAD", "POST", "PUT"};
	static const struct weir_http_call_events events = {
	        on_head, on_head, on_piece, on_trailer, on_end};
	struct weir_http_call_options options;
	weir_http_call_options_init(&options);
	bool fastcgi = choice[3] & 128;
	options.url = fastcgi ? "fastcgi://a/b?c" : "http://a/b?c";
	options.unix_path = socket_path;
	options.method = methods[choice[0] % 4];
	options.redirects_max = fastcgi ? 0 : choice[0] / 4 % 4;
	options.body_max = choice[0] & 16 ? 100 : UINT64_MAX;
	options.expect_continue = choice[0] & 32 && !fastcgi;
	if (choice[0] & 64)
		options.make_body = make_body;
	options.make_body_context = choice[0] & 128 ? &now : NULL;
	now.events = 0;
	now.starts++;
	if (weir_http_call_start(client, &options, &events, NULL, &now.call) < 0)
		abort();
}

static void stop(void)
{
	weir_loop_destroy(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_http_client_options options;
	struct weir_http_client *client;
	const uint8_t *choice = data;
	if (size < 4)
		return 0;
	if (!loop) {
		if (weir_loop_create(&loop) < 0)
			abort();
		socket_path = fuzz_upstream_start();
		atexit(stop);
	}
	memset(&now, 0, sizeof now);
	now.cancel_at = choice[2];
	now.pause_every = choice[3] % 8;
	weir_http_client_options_init(&options);
	options.continue_ms = 1;
	options.head_max = 1024;
	options.fastcgi_keep = choice[3] & 64;
	if (weir_http_client_create(loop, &options, &client) < 0)
		abort();
	for (int turns = 0; now.ends < CALLS; turns++) {
		if (turns == TURNS_MAX)
			abort();
		if (!now.call && now.starts < CALLS)
			start_call(client, choice);
		fuzz_upstream_serve(
		        data + 4, size - 4, (size_t)choice[1] * 16 + 1, CONNECTIONS_MAX);
		weir_loop_turn(loop, turns % 64 == 63);
		if (now.paused && now.call)
			weir_http_call_resume(now.call);
		now.paused = false;
	}
	weir_http_client_destroy(client);
	fuzz_upstream_reset();
	for (int i = 0; i < 4; i++)
		weir_loop_turn(loop, 0);
	return now.starts == now.ends ? 0 : (abort(), 0);
}
