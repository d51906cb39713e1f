/*
 * A chat: each line goes to all other clients, whether they have asked for anything or not. Try it
 * with two of: nc 127.0.0.1 7003
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/sources.h>

enum {
	WAITING_MAX = 100,             /* lines that may wait for a client that does not read */
	IDLE_MS = 24 * 60 * 60 * 1000, /* clients may be silent */
};

struct room {
	struct weir_list clients;
	unsigned number;
};

struct client {
	struct weir_list link;
	struct weir_channel *channel;
	unsigned number;
};

/* Sends a line to all clients but the speaker. */
static void chat_send(
        struct room *room, const struct client *speaker, const char *what, struct weir_span line)
{
	WEIR_LIST_EACH (struct client, client, &room->clients, link) {
		if (client == speaker)
			continue;
		if (weir_channel_replies(client->channel) >= WAITING_MAX)
			weir_channel_abort(client->channel, -ETIMEDOUT);
		else
			weir_channel_push(client->channel,
			        weir_produce_format("%u%s%.*s\r\n", speaker->number, what,
			                (int)line.size, line.data ? line.data : ""));
	}
}

static int chat_open(struct weir_channel *channel)
{
	struct room *room = weir_channel_context(channel);
	struct client *client = calloc(1, sizeof *client);
	if (!client)
		return -ENOMEM;
	client->channel = channel;
	client->number = ++room->number;
	weir_channel_set_session(channel, client);
	weir_channel_await(channel, weir_until_any_line_end());
	weir_list_append(&room->clients, &client->link);
	chat_send(room, client, " comes in", WEIR_SPAN(""));
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
	if (!client)
		return;
	weir_list_remove(&client->link);
	chat_send(weir_channel_context(channel), client, " leaves", WEIR_SPAN(""));
	free(client);
}

static const struct weir_protocol chat = {
        .name = "chat",
        .open = chat_open,
        .request = chat_request,
        .close = chat_close,
};

int main(int count, char **arguments)
{
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7003";
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
	if (error) {
		fprintf(stderr, "chat: cannot listen on %s: %s\n", address, weir_error_text(error));
		return 1;
	}
	printf("chat: listening on %s\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
