/*
 * Answers that come later, from a thread: a line with a number asks for the prime with that number.
 * The answers leave in the order of the questions, and nobody waits for another's. Try it:
 *
 *   printf '30000\r\n5\r\n' | nc 127.0.0.1 7004
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/sources.h>

/* One question. The producer and the thread share it; the last of them frees it. */
struct question {
	uint64_t number;
	char answer[32];
	atomic_bool answered;
	atomic_uint users;
	struct weir_waker *waker;
};

static void release(struct question *question)
{
	if (atomic_fetch_sub(&question->users, 1) == 1)
		free(question);
}

/* -- on the thread ----------------------------------------------------------------------------- */

static uint64_t find_prime(uint64_t number)
{
	uint64_t candidate = 1;
	while (number) {
		candidate++;
		uint64_t divisor = 2;
		while (divisor * divisor <= candidate && candidate % divisor)
			divisor++;
		number -= divisor * divisor > candidate;
	}
	return candidate;
}

static void *think(void *context)
{
	struct question *question = context;
	snprintf(question->answer, sizeof question->answer, "%llu\r\n",
	        (unsigned long long)find_prime(question->number));
	atomic_store(&question->answered, true);
	/* Harmless when the client, and with it the producer, has gone meanwhile. */
	weir_waker_wake(question->waker);
	weir_waker_release(question->waker);
	release(question);
	return NULL;
}

static int start_thread(struct question *question)
{
	pthread_t thread;
	weir_waker_hold(question->waker);
	atomic_fetch_add(&question->users, 1);
	int error = pthread_create(&thread, NULL, think, question);
	if (error == 0) {
		pthread_detach(thread);
		return 0;
	}
	weir_waker_release(question->waker);
	release(question);
	return -error;
}

/* -- on the loop ------------------------------------------------------------------------------- */

static enum weir_more more(void *context, struct weir_output *out)
{
	struct question *question = context;
	if (!atomic_load(&question->answered))
		return WEIR_WAIT;
	size_t size = strlen(question->answer);
	if (weir_output_room(out) < size || weir_output_copy(out, question->answer, size) < size)
		return WEIR_FAILED;
	return WEIR_DONE;
}

static void end(void *context, enum weir_close_reason why)
{
	struct question *question = context;
	(void)why;
	if (question->waker)
		weir_waker_cancel(question->waker);
	release(question);
}

static struct weir_producer *ask(struct weir_loop *loop, uint64_t number)
{
	struct question *question = calloc(1, sizeof *question);
	if (!question)
		return NULL;
	question->number = number;
	atomic_store(&question->users, 1);
	struct weir_producer *producer = weir_produce_generator(more, end, question);
	if (!producer)
		return NULL; /* it has called end */
	question->waker = weir_waker_create(loop, producer);
	if (!question->waker || start_thread(question) < 0) {
		weir_producer_close(producer, WEIR_CLOSE_FAILED);
		return NULL;
	}
	return producer;
}

static void later_request(struct weir_channel *channel, struct weir_span line)
{
	uint64_t number;
	if (weir_span_number(line, 10, &number) < 0 || number < 1 || number > 1000000)
		weir_channel_push_static(channel, "a number from 1 to 1000000, please\r\n");
	else
		weir_channel_push(channel, ask(weir_channel_loop(channel), number));
}

static const struct weir_protocol later = {.name = "later", .request = later_request};

int main(int count, char **arguments)
{
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7004";
	struct weir_loop *loop;
	struct weir_server *server;
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.protocol = &later;
	options.listener.bounds.replies_max = 8;
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&loop);
	if (error == 0)
		error = weir_server_create(loop, &options, &server);
	if (error) {
		fprintf(stderr, "later: cannot listen on %s: %s\n", address,
		        weir_error_text(error));
		return 1;
	}
	printf("later: listening on %s\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
