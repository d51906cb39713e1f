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
	WAITING_MAX = 100,             /* who has so many lines waiting does not read them */
	IDLE_MS = 24 * 60 * 60 * 1000, /* who only listens is welcome */
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

/* To all but one. */
static void tell(
        struct room *room, const struct client *speaker, const char *what, struct weir_span line)
{
	for (struct weir_list *link = room->clients.next; link != &room->clients;
	        link = link->next) {
		struct client *client = WEIR_CONTAINER(link, struct client, link);
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
	tell(room, client, " comes in", WEIR_SPAN(""));
	return weir_channel_push(channel, weir_produce_format("you are %u\r\n", client->number));
}

static void chat_request(struct weir_channel *channel, struct weir_span line)
{
	tell(weir_channel_context(channel), weir_channel_session(channel), ": ", line);
}

static void chat_close(struct weir_channel *channel, int error)
{
	struct client *client = weir_channel_session(channel);
	(void)error;
	if (!client)
		return;
	weir_list_remove(&client->link);
	tell(weir_channel_context(channel), client, " leaves", WEIR_SPAN(""));
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
	struct weir_server_options options = {
	        .protocol = &chat, .context = &room, .listener.bounds.idle_ms = IDLE_MS};
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
