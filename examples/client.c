/*
 * A client by weir_connect: sends each argument as a line, prints the lines that come back, and
 * ends when there is one for each. Try it, while ./echo runs:
 *
 *   ./client 127.0.0.1:7000 one two
 */
#include <stdio.h>

#include <weir/error.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/sources.h>

struct client {
	char **lines; /* up to NULL */
	unsigned expected;
	int error;
};

static int client_open(struct weir_channel *channel)
{
	struct client *client = weir_channel_context(channel);
	int error = 0;
	weir_channel_await(channel, weir_until_any_line_end());
	for (char **line = client->lines; *line && error == 0; line++)
		error = weir_channel_push(channel, weir_produce_format("%s\r\n", *line));
	return error;
}

static void client_request(struct weir_channel *channel, struct weir_span line)
{
	struct client *client = weir_channel_context(channel);
	printf("%.*s\n", (int)line.size, line.data);
	if (--client->expected == 0)
		weir_channel_close(channel);
}

/* Called also when there is no connection: then `error` says why. */
static void client_close(struct weir_channel *channel, int error)
{
	struct client *client = weir_channel_context(channel);
	client->error = error;
	if (error == 0 && client->expected)
		client->error = WEIR_E_CLOSED; /* the server closed before it had answered all */
	weir_loop_stop(weir_channel_loop(channel));
}

static const struct weir_protocol protocol = {
        .name = "client",
        .open = client_open,
        .request = client_request,
        .close = client_close,
};

int main(int count, char **arguments)
{
	struct weir_loop *loop;
	struct weir_address address;
	struct weir_channel *channel;
	if (count < 3) {
		fputs("usage: client ADDRESS LINE...\n", stderr);
		return 2;
	}
	struct client client = {.lines = arguments + 2, .expected = (unsigned)count - 2};
	int error = weir_address_parse(weir_span_of(arguments[1]), &address);
	if (error == 0)
		error = weir_loop_create(&loop);
	if (error == 0)
		error = weir_connect(loop, &address, &protocol, &client, NULL, &channel);
	if (error == 0)
		error = weir_loop_run(loop);
	if (error == 0)
		error = client.error;
	if (error)
		fprintf(stderr, "client: %s: %s\n", arguments[1], weir_error_text(error));
	return error != 0;
}
