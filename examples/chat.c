/*
 * A chat: each line goes to all other clients, whether they have asked for anything or not. Try it
 * with any number of: nc 127.0.0.1 7003, and of browsers on http://127.0.0.1:7013/
 *
 * Both are clients of one room. A line is composed once for all browsers: they share a message.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/sources.h>
#include <weir/websocket.h>

enum {
	LINE_MAX_SIZE = 1000,
	WAITING_MAX = 100,             /* lines that may wait for a client that does not read */
	QUEUE_MAX = 64 * 1024,         /* the same for a browser, in bytes */
	IDLE_MS = 24 * 60 * 60 * 1000, /* clients may be silent */
};

struct room {
	struct weir_list clients;
	unsigned number;
	struct weir_websocket_options options;
};

struct client {
	struct weir_list link;
	struct room *room;
	struct weir_channel *channel;     /* NULL for a browser */
	struct weir_websocket *websocket; /* of a browser */
	unsigned number;
};

static const char page[] =
        "<!doctype html>\n"
        "<meta charset=utf-8><meta name=viewport content='width=device-width'><title>chat</title>\n"
        "<style>body { font: 1rem sans-serif; max-width: 40rem; margin: 1rem auto }</style>\n"
        "<form><input name=line autofocus autocomplete=off maxlength=250> <button>Send</button></form>\n"
        "<ul id=lines></ul>\n"
        "<script>\n"
        "const socket = new WebSocket(location.href.replace(/^http/, 'ws') + 'socket');\n"
        "function show(text) {\n"
        "  const item = document.createElement('li');\n"
        "  item.textContent = text;\n"
        "  document.getElementById('lines').prepend(item);\n"
        "}\n"
        "socket.onmessage = (event) => show(event.data);\n"
        "socket.onclose = (event) => show('closed: ' + event.code);\n"
        "document.forms[0].onsubmit = (event) => {\n"
        "  event.preventDefault();\n"
        "  socket.send(event.target.line.value);\n"
        "  event.target.reset();\n"
        "};\n"
        "</script>\n";

/* -- the room ---------------------------------------------------------------------------------- */

/* Sends a line to all clients but the speaker. Browsers get only what is UTF-8. */
static void chat_send(
        struct room *room, const struct client *speaker, const char *what, struct weir_span line)
{
	char text[LINE_MAX_SIZE + 64];
	struct weir_websocket_message *message = NULL;
	int size = snprintf(text, sizeof text, "%u%s%.*s", speaker->number, what, (int)line.size,
	        line.data ? line.data : "");
	if (size >= (int)sizeof text)
		size = sizeof text - 1;
	weir_websocket_message_create(WEIR_WEBSOCKET_TEXT, weir_span(text, (size_t)size), &message);
	WEIR_LIST_EACH (struct client, client, &room->clients, link) {
		if (client == speaker)
			continue;
		if (client->websocket && message)
			weir_websocket_send_message(client->websocket, message);
		else if (client->channel && weir_channel_replies(client->channel) >= WAITING_MAX)
			weir_channel_abort(client->channel, -ETIMEDOUT);
		else if (client->channel)
			weir_channel_push(client->channel, weir_produce_format("%s\r\n", text));
	}
	weir_websocket_message_release(message);
}

static struct client *chat_enter(struct room *room)
{
	struct client *client = calloc(1, sizeof *client);
	if (!client)
		return NULL;
	client->room = room;
	client->number = ++room->number;
	return client;
}

static void chat_welcome(struct client *client)
{
	weir_list_append(&client->room->clients, &client->link);
	chat_send(client->room, client, " comes in", WEIR_SPAN(""));
}

static void chat_leave(struct client *client)
{
	weir_list_remove(&client->link);
	chat_send(client->room, client, " leaves", WEIR_SPAN(""));
	free(client);
}

/* -- clients with lines ------------------------------------------------------------------------ */

static int chat_open(struct weir_channel *channel)
{
	struct client *client = chat_enter(weir_channel_context(channel));
	if (!client)
		return -ENOMEM;
	client->channel = channel;
	weir_channel_set_session(channel, client);
	weir_channel_set_request_max(channel, LINE_MAX_SIZE);
	weir_channel_await(channel, weir_until_any_line_end());
	chat_welcome(client);
	return weir_channel_push(channel, weir_produce_format("you are %u\r\n", client->number));
}

static void chat_request(struct weir_channel *channel, struct weir_span line)
{
	chat_send(weir_channel_context(channel), weir_channel_session(channel), ": ", line);
}

static void chat_close(struct weir_channel *channel, int error)
{
	struct client *client = weir_channel_session(channel);
	(void)error;
	if (client)
		chat_leave(client);
}

static const struct weir_protocol chat = {
        .name = "chat",
        .open = chat_open,
        .request = chat_request,
        .close = chat_close,
};

/* -- browsers ---------------------------------------------------------------------------------- */

static void web_message(void *context, enum weir_websocket_kind kind, struct weir_span message)
{
	struct client *client = context;
	struct weir_span line;
	(void)kind;
	weir_span_cut(&message, '\n', &line); /* one message is one line */
	chat_send(client->room, client, ": ", line);
}

static void web_closed(void *context, unsigned code, struct weir_span reason)
{
	(void)code, (void)reason;
	chat_leave(context);
}

static void web_accept(void *context, struct weir_http_exchange *exchange)
{
	struct room *room = context;
	char text[40];
	struct client *client = chat_enter(room);
	if (!client) {
		weir_http_reply_error(exchange, 503);
		return;
	}
	if (weir_websocket_accept(exchange, &room->options, client, &client->websocket) < 0) {
		free(client); /* the exchange has a reply */
		return;
	}
	int size = snprintf(text, sizeof text, "you are %u", client->number);
	weir_websocket_send(client->websocket, WEIR_WEBSOCKET_TEXT, weir_span(text, (size_t)size));
	chat_welcome(client);
}

static void web_page(void *context, struct weir_http_exchange *exchange)
{
	(void)context;
	weir_http_reply_text(
	        exchange, 200, "text/html; charset=utf-8", weir_span(page, sizeof page - 1));
}

static int web_start(struct weir_loop *loop, struct room *room, const char *address)
{
	struct weir_http_options options;
	struct weir_http_server *server;
	weir_websocket_options_init(&room->options);
	room->options.message = web_message;
	room->options.closed = web_closed;
	room->options.message_max = LINE_MAX_SIZE;
	room->options.queue_max = QUEUE_MAX;
	room->options.slow = WEIR_WEBSOCKET_SLOW_DROP;
	weir_http_options_init(&options);
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error)
		return error;
	options.http2_prior_knowledge = options.http2_extended_connect = true;
	options.sites = weir_http_sites_create(
	        weir_http_chain(weir_http_function_create("socket", web_accept, room),
	                weir_http_function_create("", web_page, room)));
	return weir_http_create(loop, &options, &server);
}

/* With one address, it serves lines alone. */
int main(int count, char **arguments)
{
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7003";
	const char *web = count > 2 ? arguments[2] : count > 1 ? NULL : "127.0.0.1:7013";
	struct weir_loop *loop;
	struct weir_server *server;
	struct room room = {.number = 0};
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.protocol = &chat;
	options.context = &room;
	options.listener.bounds.idle_ms = IDLE_MS;
	weir_list_init(&room.clients);
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&loop);
	if (error == 0)
		error = weir_server_create(loop, &options, &server);
	if (error == 0 && web)
		error = web_start(loop, &room, web);
	if (error) {
		fprintf(stderr, "chat: cannot listen on %s or %s: %s\n", address, web ? web : "-",
		        weir_error_text(error));
		return 1;
	}
	printf("chat: listening on %s\n", address);
	if (web)
		printf("chat: http://%s/\n", web);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
