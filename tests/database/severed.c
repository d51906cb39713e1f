/* See the header. A break resets both sides, so that what is on its way is lost. */
#include "severed.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "postgres_state.h"

struct severed severed;

enum {
	PAIRS = 24,
	TICK_MS = 5,
};

struct severed_pair {
	int fds[2]; /* the client's and the server's; -1: free */
};

static void severed_reset(struct severed_pair *pair)
{
	severed.pairs--;
	for (int i = 0; i < 2; i++) {
		setsockopt(pair->fds[i], SOL_SOCKET, SO_LINGER,
		        &(struct linger){.l_onoff = 1, .l_linger = 0}, sizeof(struct linger));
		close(pair->fds[i]);
		pair->fds[i] = -1;
	}
}

static void severed_accept(struct severed_pair *pairs)
{
	struct weir_address address = local_address();
	int client = accept4(severed.listener, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0)
		return;
	address.v4.sin_port = htons((uint16_t)severed.server_port);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct severed_pair pair = {{client, server}};
	severed.pairs++;
	if (severed.refusing || connect(server, &address.any, weir_address_size(&address)) < 0) {
		severed_reset(&pair);
		return;
	}
	for (int i = 0; i < PAIRS; i++)
		if (pairs[i].fds[0] < 0) {
			pairs[i] = pair;
			return;
		}
	abort();
}

/* Passes what has come from a side. False: the pair has ended. */
static bool severed_pass(struct severed_pair *pair, int from)
{
	char bytes[65536];
	atomic_long *left = &severed.left[from == 0 ? SEVERED_UP : SEVERED_DOWN];
	ssize_t got = recv(pair->fds[from], bytes, sizeof bytes, 0);
	if (got <= 0)
		return false;
	long allowed = *left;
	bool broken = allowed >= 0 && got >= allowed;
	size_t size = broken ? (size_t)allowed : (size_t)got;
	for (size_t sent = 0; sent < size;) {
		ssize_t put = send(pair->fds[!from], bytes + sent, size - sent, MSG_NOSIGNAL);
		if (put <= 0)
			return false;
		sent += (size_t)put;
	}
	if (broken) {
		*left = -1;
		severed.breaks++;
		return false;
	}
	if (allowed >= 0)
		*left = allowed - (long)got;
	return true;
}

static void *severed_run(void *context)
{
	(void)context;
	struct severed_pair pairs[PAIRS];
	memset(pairs, -1, sizeof pairs);
	while (!severed.ending) {
		struct pollfd polled[1 + 2 * PAIRS] = {{severed.listener, POLLIN, 0}};
		for (int i = 0; i < 2 * PAIRS; i++)
			polled[1 + i] = (struct pollfd){pairs[i / 2].fds[i % 2], POLLIN, 0};
		poll(polled, 1 + 2 * PAIRS, TICK_MS);
		/* A step ends before the test goes on that has seen a part of it. */
		pthread_mutex_lock(&severed.lock);
		for (int i = 0; i < 2 * PAIRS; i++) {
			struct severed_pair *pair = &pairs[i / 2];
			bool ready = polled[1 + i].revents && pair->fds[0] >= 0;
			if ((ready && !severed_pass(pair, i % 2)) ||
			        (severed.refusing && pair->fds[0] >= 0))
				severed_reset(pair);
		}
		if (polled[0].revents)
			severed_accept(pairs);
		pthread_mutex_unlock(&severed.lock);
	}
	for (int i = 0; i < PAIRS; i++)
		if (pairs[i].fds[0] >= 0)
			severed_reset(&pairs[i]);
	return NULL;
}

static void severed_start(int server_port)
{
	struct weir_address address = local_address();
	socklen_t size = sizeof address;
	severed.server_port = server_port;
	severed.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(severed.listener >= 0);
	assert_int_equal(bind(severed.listener, &address.any, weir_address_size(&address)), 0);
	assert_int_equal(listen(severed.listener, 32), 0);
	assert_int_equal(getsockname(severed.listener, &address.any, &size), 0);
	severed.port = ntohs(address.v4.sin_port);
	snprintf(severed.url, sizeof severed.url,
	        "postgres://weir@/postgres?host=127.0.0.1&port=%d&sslmode=disable", severed.port);
	severed.ending = severed.refusing = false;
	severed.pairs = 0;
	assert_int_equal(pthread_mutex_init(&severed.lock, NULL), 0);
	severed.left[0] = severed.left[1] = -1;
	assert_int_equal(pthread_create(&severed.thread, NULL, severed_run, NULL), 0);
}

static void severed_stop(void)
{
	severed.ending = true;
	pthread_join(severed.thread, NULL);
	close(severed.listener);
	pthread_mutex_destroy(&severed.lock);
}

int severed_setup(void **state)
{
	migrated_setup(state);
	severed_start(migrated.server.port);
	return 0;
}

int severed_teardown(void **state)
{
	severed_stop();
	return migrated_teardown(state);
}

void severed_break_after(enum severed_direction direction, long bytes)
{
	pthread_mutex_lock(&severed.lock);
	severed.breaks = 0;
	severed.left[direction] = bytes;
	pthread_mutex_unlock(&severed.lock);
}

/* Those of the pool, with those of commits that were not confirmed in time: they stay open. */
static unsigned severed_connections(const struct weir_postgres *pool)
{
	unsigned count = weir_postgres_connections(pool);
	for (const struct weir_list *link = pool->late.next; link != &pool->late; link = link->next)
		count++;
	return count;
}

bool severed_calm(struct weir_database *database, struct weir_loop *loop)
{
	struct weir_postgres *pool;
	pthread_mutex_lock(&severed.lock);
	severed.left[0] = severed.left[1] = -1;
	bool broken = severed.breaks > 0;
	pthread_mutex_unlock(&severed.lock);
	assert_int_equal(weir_database_pool(database, loop, &pool), 0);
	assert_true(TURN_UNTIL(loop, severed_connections(pool) == severed.pairs));
	return broken;
}
