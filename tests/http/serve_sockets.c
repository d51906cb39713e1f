/*
 * A server of WebSockets for tests and for the bench, on 127.0.0.1. It prints its port. Without
 * PORT it listens on any, and the end of its input ends it.
 *
 *   http-sockets [MODE [PORT]]     MODE of permessage-deflate: off, alone (the default) or takeover
 *
 * On /echo each message comes back. On /room it goes to all clients there, composed once. On /ticks
 * the server sends a message of three fragments by a producer for each that comes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/websocket.h>

enum {
	MESSAGE_MAX = 20 * 1024 * 1024,
	TICKS = 3,
};

static struct {
	struct weir_loop *loop;
	struct weir_watch input;
	struct weir_websocket_options options, echo;
	struct weir_list room;
} test;

struct client {
	struct weir_list link; /* in the room, or alone */
	struct weir_websocket *websocket;
	char path[8];
};

struct ticks {
	unsigned left;
};

static enum weir_more put_tick(void *context, struct weir_output *out)
{
	struct ticks *ticks = context;
	if (weir_output_copy(out, "tick", 4) != 4)
		return WEIR_FAILED;
	return --ticks->left ? WEIR_MORE : WEIR_DONE;
}

static void free_ticks(void *context, enum weir_close_reason why)
{
	(void)why;
	free(context);
}

static void send_ticks(struct client *client)
{
	struct ticks *ticks = malloc(sizeof *ticks);
	if (!ticks)
		return;
	ticks->left = TICKS;
	weir_websocket_send_producer(client->websocket, WEIR_WEBSOCKET_TEXT,
	        weir_produce_generator(put_tick, free_ticks, ticks));
}

static void on_message(void *context, enum weir_websocket_kind kind, struct weir_span bytes)
{
	struct client *client = context;
	struct weir_websocket_message *message;
	if (strcmp(client->path, "ticks") == 0) {
		send_ticks(client);
	} else if (weir_websocket_message_create(kind, bytes, &message) == 0) {
		WEIR_LIST_EACH (struct client, each, &test.room, link)
			weir_websocket_send_message(each->websocket, message);
		weir_websocket_message_release(message);
	}
}

static void on_closed(void *context, unsigned code, struct weir_span reason)
{
	struct client *client = context;
	(void)code, (void)reason;
	weir_list_remove(&client->link);
	free(client);
}

/* The WebSocket is all that an echo needs. */
static void on_echo(void *context, enum weir_websocket_kind kind, struct weir_span bytes)
{
	weir_websocket_send(context, kind, bytes);
}

static void echo(void *context, struct weir_http_exchange *exchange)
{
	struct weir_websocket *websocket;
	(void)context;
	weir_websocket_accept(exchange, &test.echo, NULL, &websocket);
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	struct client *client = calloc(1, sizeof *client);
	(void)context;
	if (!client) {
		weir_http_reply_error(exchange, 503);
		return;
	}
	snprintf(client->path, sizeof client->path, "%s", weir_http_path(exchange).data);
	weir_list_init(&client->link);
	if (weir_websocket_accept(exchange, &test.options, client, &client->websocket) < 0)
		free(client);
	else if (strcmp(client->path, "room") == 0)
		weir_list_append(&test.room, &client->link);
}

static void on_input(struct weir_watch *watch, unsigned events)
{
	char bytes[100];
	(void)events;
	if (read(watch->fd, bytes, sizeof bytes) <= 0)
		weir_loop_stop(test.loop);
}

static int start(const char *port, struct weir_http_server **ret)
{
	struct weir_http_options options;
	char address[32];
	weir_http_options_init(&options);
	snprintf(address, sizeof address, "127.0.0.1:%s", port);
	options.listener.bounds.channels_max = 20000;
	options.http2_prior_knowledge = options.http2_extended_connect = true;
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error)
		return error;
	options.sites = weir_http_sites_create(
	        weir_http_chain(weir_http_function_create("echo", echo, NULL),
	                weir_http_function_create("", handle, NULL)));
	return weir_http_create(test.loop, &options, ret);
}

int main(int count, char **arguments)
{
	static const char *const subprotocols[] = {"v2.test", "v1.test", NULL};
	const char *mode = count > 1 ? arguments[1] : "alone";
	struct weir_http_server *server = NULL;
	weir_list_init(&test.room);
	weir_websocket_options_init(&test.options);
	test.options.message = on_message;
	test.options.closed = on_closed;
	test.options.protocols = subprotocols;
	test.options.frame_max = test.options.message_max = test.options.queue_max = MESSAGE_MAX;
	test.options.deflate = strcmp(mode, "off") == 0        ? WEIR_WEBSOCKET_DEFLATE_OFF
	                       : strcmp(mode, "takeover") == 0 ? WEIR_WEBSOCKET_DEFLATE_TAKEOVER
	                                                       : WEIR_WEBSOCKET_DEFLATE;
	test.echo = test.options;
	test.echo.message = on_echo;
	test.echo.closed = NULL;
	int error = weir_loop_create(&test.loop);
	if (error == 0)
		error = start(count > 2 ? arguments[2] : "0", &server);
	if (error == 0 && count <= 2)
		error = weir_watch_start(test.loop, &test.input, 0, WEIR_READABLE, on_input);
	if (error) {
		fprintf(stderr, "http-sockets: %s\n", weir_error_text(error));
		return 1;
	}
	printf("%u\n", weir_address_port(weir_server_address(weir_http_listener(server))));
	fflush(stdout);
	error = weir_loop_run(test.loop);
	if (count <= 2)
		weir_watch_cancel(test.loop, &test.input);
	weir_http_destroy(server);
	weir_loop_destroy(test.loop);
	return error < 0;
}
