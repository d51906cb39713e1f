/*
 * An orderly stop: on SIGINT or SIGTERM nothing new is accepted, replies that are under way leave
 * whole, and the program ends when the last has gone. A line is the number of milliseconds after
 * which it is answered. Try it:
 *
 *   ./stop & pid=$!
 *   (printf '3000\n'; sleep 1; kill $pid) | nc 127.0.0.1 7007
 *   wait
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/sources.h>

struct program {
	struct weir_signals signals;
	struct weir_loop *loop;
	struct weir_server *server;
	bool stopping;
};

/* A deferred answer. Its reply slot is in the queue already, so the drain waits for it. */
struct answer {
	struct weir_timer timer;
	struct weir_reply *reply;
};

static void answer_ready(struct weir_timer *timer)
{
	struct answer *answer = WEIR_CONTAINER(timer, struct answer, timer);
	weir_reply_fill(answer->reply, weir_produce_format("done\r\n"));
	free(answer);
}

static int stop_open(struct weir_channel *channel)
{
	weir_channel_await(channel, weir_until_any_line_end());
	return 0;
}

static void stop_request(struct weir_channel *channel, struct weir_span line)
{
	uint64_t ms;
	if (weir_span_number(line, 10, &ms) < 0 || ms > 10000) {
		weir_channel_push_static(channel, "a number up to 10000, please\r\n");
		return;
	}
	struct answer *answer = calloc(1, sizeof *answer);
	if (answer)
		answer->reply = weir_reply_open(channel);
	if (!answer || !answer->reply) {
		free(answer);
		weir_channel_abort(channel, -ENOMEM);
		return;
	}
	weir_timer_start(weir_channel_loop(channel), &answer->timer, (int64_t)ms, answer_ready);
}

static const struct weir_protocol stop = {
        .name = "stop", .open = stop_open, .request = stop_request};

static void program_drained(void *context)
{
	struct program *program = context;
	weir_loop_stop(program->loop);
}

static void program_signal(struct weir_signals *signals, int signal)
{
	struct program *program = WEIR_CONTAINER(signals, struct program, signals);
	(void)signal;
	if (program->stopping) { /* the second signal: do not wait any longer */
		weir_loop_stop(program->loop);
		return;
	}
	program->stopping = true;
	weir_server_drain(program->server, program_drained, program);
}

int main(int count, char **arguments)
{
	static const int signals[] = {SIGINT, SIGTERM, 0};
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7007";
	struct program program = {0};
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.protocol = &stop;
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&program.loop);
	if (error == 0)
		error = weir_signals_start(program.loop, &program.signals, signals, program_signal);
	if (error == 0)
		error = weir_server_create(program.loop, &options, &program.server);
	if (error) {
		fprintf(stderr, "stop: cannot listen on %s: %s\n", address, weir_error_text(error));
		return 1;
	}
	printf("stop: listening on %s\n", address);
	fflush(stdout);
	error = weir_loop_run(program.loop);
	weir_server_destroy(program.server);
	weir_signals_stop(&program.signals);
	weir_loop_destroy(program.loop);
	puts("stop: ended in an orderly way");
	return error < 0;
}
