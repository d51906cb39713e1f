/* Echo: every line comes back. Try it: nc 127.0.0.1 7000 */
#include <stdio.h>

#include <weir/error.h>
#include <weir/loop.h>
#include <weir/server.h>

static int echo_open(struct weir_channel *channel)
{
	weir_channel_await(channel, weir_until_any_line_end());
	return 0;
}

static void echo_request(struct weir_channel *channel, struct weir_span line)
{
	weir_channel_push_copy(channel, line);
	weir_channel_push_static(channel, "\r\n");
}

static const struct weir_protocol echo = {
        .name = "echo", .open = echo_open, .request = echo_request};

int main(void)
{
	struct weir_loop *loop;
	struct weir_server *server;
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.protocol = &echo;
	weir_address_parse(WEIR_SPAN("127.0.0.1:7000"), &options.listener.address);
	int error = weir_loop_create(&loop);
	if (error == 0)
		error = weir_server_create(loop, &options, &server);
	if (error) {
		fprintf(stderr, "echo: cannot listen: %s\n", weir_error_text(error));
		return 1;
	}
	puts("echo: listening on 127.0.0.1:7000");
	return weir_loop_run(loop) < 0;
}
