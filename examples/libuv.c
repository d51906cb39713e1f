/*
 * A program that has a loop already, here that of libuv, hosts the loop of Weir: one thread runs
 * both. Each line is answered with the number of times that a timer of libuv has fired. SIGTERM is
 * an event of libuv, too, and ends the server in an orderly way. Needs libuv1-dev. Try it:
 *
 *   ./libuv & pid=$!
 *   printf 'hello\n' | nc -N 127.0.0.1 7015
 *   kill $pid; wait
 */
#include <signal.h>
#include <stdio.h>

#include <uv.h>

#include <weir/error.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/sources.h>

/* -- the host ---------------------------------------------------------------------------------- */

struct host {
	struct weir_loop *loop;
	uv_prepare_t before_wait;
	uv_poll_t readable;
	uv_timer_t time_out;
};

static void host_turn(struct host *host)
{
	int error = weir_loop_turn(host->loop, 0);
	if (error < 0)
		fprintf(stderr, "libuv: %s\n", weir_error_text(error));
}

static void host_on_readable(uv_poll_t *readable, int status, int events)
{
	(void)status, (void)events;
	host_turn(readable->data);
}

static void host_on_time_out(uv_timer_t *time_out)
{
	host_turn(time_out->data);
}

/* How long libuv may wait at most. */
static void host_before_wait(uv_prepare_t *before_wait)
{
	struct host *host = before_wait->data;
	int wait_ms = weir_loop_wait_ms(host->loop);
	if (wait_ms < 0)
		uv_timer_stop(&host->time_out);
	else
		uv_timer_start(&host->time_out, host_on_time_out, (uint64_t)wait_ms, 0);
}

static void host_start(struct host *host, uv_loop_t *uv)
{
	host->before_wait.data = host->readable.data = host->time_out.data = host;
	uv_prepare_init(uv, &host->before_wait);
	uv_prepare_start(&host->before_wait, host_before_wait);
	uv_timer_init(uv, &host->time_out);
	uv_poll_init(uv, &host->readable, weir_loop_fd(host->loop));
	uv_poll_start(&host->readable, UV_READABLE, host_on_readable);
}

static void host_stop(struct host *host)
{
	uv_close((uv_handle_t *)&host->before_wait, NULL);
	uv_close((uv_handle_t *)&host->readable, NULL);
	uv_close((uv_handle_t *)&host->time_out, NULL);
}

/* -- the program ------------------------------------------------------------------------------- */

struct program {
	struct host host;
	struct weir_server *server;
	uv_timer_t ticks;
	uv_signal_t stop;
	unsigned tick_count;
};

static int program_open(struct weir_channel *channel)
{
	weir_channel_await(channel, weir_until_any_line_end());
	return 0;
}

static void program_request(struct weir_channel *channel, struct weir_span line)
{
	const struct program *program = weir_channel_context(channel);
	weir_channel_push(channel, weir_produce_format("%u ticks: %.*s\r\n", program->tick_count,
	                                   (int)line.size, line.data));
}

static const struct weir_protocol protocol = {
        .name = "libuv", .open = program_open, .request = program_request};

static void program_on_tick(uv_timer_t *ticks)
{
	struct program *program = ticks->data;
	program->tick_count++;
}

/* libuv's loop ends when the last handle has been closed. */
static void program_on_drained(void *context)
{
	struct program *program = context;
	host_stop(&program->host);
	uv_close((uv_handle_t *)&program->ticks, NULL);
	uv_close((uv_handle_t *)&program->stop, NULL);
}

static void program_on_signal(uv_signal_t *stop, int signal)
{
	struct program *program = stop->data;
	(void)signal;
	uv_signal_stop(stop);
	host_turn(&program->host); /* the clock of Weir is that of its last turn */
	weir_server_drain(program->server, program_on_drained, program);
}

int main(int argc, char **argv)
{
	struct program program = {0};
	uv_loop_t uv;
	const char *address = argc > 1 ? argv[1] : "127.0.0.1:7015";
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.protocol = &protocol;
	options.context = &program;
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&program.host.loop);
	if (error == 0)
		error = weir_server_create(program.host.loop, &options, &program.server);
	if (error < 0 || uv_loop_init(&uv) < 0) {
		fprintf(stderr, "libuv: cannot listen on %s: %s\n", address,
		        weir_error_text(error));
		return 1;
	}
	host_start(&program.host, &uv);
	uv_timer_init(&uv, &program.ticks);
	program.ticks.data = program.stop.data = &program;
	uv_timer_start(&program.ticks, program_on_tick, 10, 10);
	uv_signal_init(&uv, &program.stop);
	uv_signal_start(&program.stop, program_on_signal, SIGTERM);
	printf("libuv: listening on %s\n", address);
	fflush(stdout);
	uv_run(&uv, UV_RUN_DEFAULT);
	uv_loop_close(&uv);
	weir_server_destroy(program.server);
	weir_loop_destroy(program.host.loop);
	puts("libuv: ended");
	return 0;
}
