/*
 * The pool of connections to PostgreSQL and whatever a server sends after its greeting, in whatever
 * pieces: each call ends once, within a number of turns. The first four bytes of the input choose
 * the calls, the pieces, and when a stream is paused or a call is cancelled.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/loop.h>
#include <weir/postgres.h>

#include "http_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	CALLS = 3,
	CONNECTIONS_MAX = 32,
	INPUT_MAX = 64 * 1024,
	TURNS_MAX = 40000
};

/* AuthenticationOk, BackendKeyData, ReadyForQuery. */
static const char greeting[] = "R\0\0\0\10\0\0\0\0"
                               "K\0\0\0\14\0\0\0\7\0\0\0\11"
                               "Z\0\0\0\5I";

static struct weir_loop *loop;
static char folder[PATH_MAX];
static char link_path[PATH_MAX + 32];

static struct subject {
	struct weir_postgres_call *call; /* NULL: none is under way */
	unsigned events, cancel_at, pause_every, ends;
	bool paused;
} subjects[CALLS];

/* -- the calls --------------------------------------------------------------------------------- */

static void on_row(void *context, const struct weir_postgres_row *row)
{
	struct subject *subject = context;
	if (!subject->call)
		abort();
	for (unsigned i = 0; i <= row->count; i++) {
		struct weir_span value = weir_postgres_row_value(row, i);
		if (i < row->count && !weir_postgres_row_name(row, i))
			abort();
		for (size_t k = 0; k < value.size; k++)
			(void)*(const volatile char *)&value.data[k];
	}
	if (++subject->events == subject->cancel_at) {
		weir_postgres_call_cancel(subject->call);
		subject->call = NULL;
		subject->ends++;
	} else if (subject->pause_every && subject->events % subject->pause_every == 0) {
		weir_postgres_call_pause(subject->call);
		subject->paused = true;
	}
}

static void on_again(void *context)
{
	if (!((struct subject *)context)->call)
		abort();
}

static void on_end(void *context, const struct weir_postgres_end *end)
{
	struct subject *subject = context;
	if (!subject->call || end->error > 0 || !end->text || !end->state || subject->ends)
		abort();
	if ((end->error == 0) != (end->outcome == WEIR_POSTGRES_COMMITTED))
		abort();
	subject->call = NULL;
	subject->ends++;
}

static void start_call(struct weir_postgres *pool, struct subject *subject, const uint8_t *choice)
{
	static const struct weir_postgres_events events = {on_row, on_again, on_end};
	static const struct weir_postgres_statement statements[] = {
	        {.text = "SELECT a"}, {.text = "SELECT b"}};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = statements;
	options.count = 1 + (choice[0] & 1);
	options.stream = choice[0] >> (subject - subjects + 1) & 1;
	options.idempotent = choice[0] >> (subject - subjects + 4) & 1;
	subject->cancel_at = choice[2];
	subject->pause_every = choice[3] % 8;
	if (weir_postgres_call_start(pool, &options, &events, subject, &subject->call) < 0)
		abort();
}

/* -- the pool ---------------------------------------------------------------------------------- */

static void stop(void)
{
	weir_loop_destroy(loop);
	unlink(link_path);
}

/* libpq has a name of its own for the socket. */
static void start(void)
{
	const char *path = fuzz_upstream_start();
	const char *slash = strrchr(path, '/');
	if (!slash)
		abort();
	snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
	snprintf(link_path, sizeof link_path, "%s/.s.PGSQL.5432", folder);
	if (weir_loop_create(&loop) < 0 || symlink(path, link_path) < 0)
		abort();
	atexit(stop);
}

static struct weir_postgres *make_pool(bool prepares)
{
	char url[PATH_MAX + 64], why[WEIR_POSTGRES_WHY_MAX];
	struct weir_postgres_options options;
	struct weir_postgres *pool;
	snprintf(url, sizeof url, "user=weir host=%s", folder);
	weir_postgres_options_init(&options);
	options.url = url;
	options.wait_ms = 200;
	options.answer_ms = 100;
	options.statements_max = prepares;
	if (weir_postgres_create(loop, &options, why, &pool) < 0)
		abort();
	return pool;
}

static bool all_have_ended(void)
{
	for (int i = 0; i < CALLS; i++)
		if (!subjects[i].ends)
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t input[sizeof greeting + INPUT_MAX];
	const uint8_t *choice = data;
	size_t welcome = sizeof greeting - 1;
	if (size < 4 || size - 4 > INPUT_MAX)
		return 0;
	if (!loop)
		start();
	memcpy(input, greeting, welcome);
	memcpy(input + welcome, data + 4, size - 4);
	memset(subjects, 0, sizeof subjects);
	struct weir_postgres *pool = make_pool(choice[0] & 128);
	for (int i = 0; i < CALLS; i++)
		start_call(pool, &subjects[i], choice);
	for (int turns = 0; !all_have_ended(); turns++) {
		if (turns == TURNS_MAX)
			abort();
		fuzz_upstream_serve(
		        input, welcome + size - 4, (size_t)choice[1] * 16 + 32, CONNECTIONS_MAX);
		weir_loop_turn(loop, turns % 64 == 63);
		for (int i = 0; i < CALLS; i++) {
			if (subjects[i].paused && subjects[i].call)
				weir_postgres_call_resume(subjects[i].call);
			subjects[i].paused = false;
		}
	}
	weir_postgres_destroy(pool);
	fuzz_upstream_reset();
	for (int i = 0; i < 4; i++)
		weir_loop_turn(loop, 0);
	return 0;
}
