/* See the header. */
#include "cutter.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	CUTTER_PAIRS = 16,
	CUTTER_BYTES = 65536
};

struct cutter {
	pthread_t thread;
	struct sockaddr_un server;
	int listener;
	int stop[2];
	_Atomic int64_t left[2]; /* bytes of requests, and of answers; negative: no bound */
	atomic_bool cut;
	int pairs[CUTTER_PAIRS][2]; /* client, server; -1: free */
};

static void cutter_close(int pair[2])
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] >= 0)
			close(pair[i]);
		pair[i] = -1;
	}
}

static void cutter_accept(struct cutter *cutter)
{
	int client = accept(cutter->listener, NULL, NULL);
	int at = 0;
	while (at < CUTTER_PAIRS && cutter->pairs[at][0] >= 0)
		at++;
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (at == CUTTER_PAIRS || connect(server, (const struct sockaddr *)&cutter->server,
	                                  sizeof cutter->server) < 0) {
		close(client);
		close(server);
		return;
	}
	cutter->pairs[at][0] = client;
	cutter->pairs[at][1] = server;
}

/* False: the pair has ended. `from` 0 is the client. */
static bool cutter_pass(struct cutter *cutter, int pair[2], int from)
{
	char bytes[CUTTER_BYTES];
	int64_t left = atomic_load(&cutter->left[from]);
	ssize_t got = read(pair[from], bytes, sizeof bytes);
	if (got <= 0)
		return false;
	bool cuts = left >= 0 && got >= left;
	ssize_t size = cuts ? (ssize_t)left : got;
	for (ssize_t put = 0; put < size;) {
		ssize_t wrote =
		        send(pair[1 - from], bytes + put, (size_t)(size - put), MSG_NOSIGNAL);
		if (wrote <= 0)
			return false;
		put += wrote;
	}
	if (left >= 0)
		atomic_store(&cutter->left[from], cuts ? -1 : left - got);
	if (!cuts)
		return true;
	atomic_store(&cutter->cut, true);
	for (int i = 0; i < CUTTER_PAIRS; i++)
		cutter_close(cutter->pairs[i]);
	return false;
}

static void *cutter_run(void *context)
{
	struct cutter *cutter = context;
	for (;;) {
		struct pollfd fds[2 + 2 * CUTTER_PAIRS] = {
		        {cutter->stop[0], POLLIN, 0}, {cutter->listener, POLLIN, 0}};
		for (int i = 0; i < 2 * CUTTER_PAIRS; i++)
			fds[2 + i] = (struct pollfd){cutter->pairs[i / 2][i % 2], POLLIN, 0};
		poll(fds, 2 + 2 * CUTTER_PAIRS, -1);
		if (fds[0].revents)
			return NULL;
		if (fds[1].revents)
			cutter_accept(cutter);
		for (int i = 0; i < 2 * CUTTER_PAIRS; i++) {
			int *pair = cutter->pairs[i / 2];
			if (fds[2 + i].revents && pair[i % 2] == fds[2 + i].fd &&
			        !cutter_pass(cutter, pair, i % 2))
				cutter_close(pair);
		}
	}
}

struct cutter *cutter_start(const char *directory, int port)
{
	struct cutter *cutter = calloc(1, sizeof *cutter);
	struct sockaddr_in local = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert(cutter);
	cutter->server.sun_family = AF_UNIX;
	snprintf(cutter->server.sun_path, sizeof cutter->server.sun_path, "%s/.s.PGSQL.%d",
	        directory, port);
	memset(cutter->pairs, -1, sizeof cutter->pairs);
	atomic_init(&cutter->left[0], -1);
	atomic_init(&cutter->left[1], -1);
	cutter->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pipe(cutter->stop) < 0 ||
	        bind(cutter->listener, (const struct sockaddr *)&local, sizeof local) < 0 ||
	        listen(cutter->listener, CUTTER_PAIRS) < 0 ||
	        pthread_create(&cutter->thread, NULL, cutter_run, cutter) != 0)
		abort();
	return cutter;
}

void cutter_stop(struct cutter *cutter)
{
	close(cutter->stop[1]);
	pthread_join(cutter->thread, NULL);
	for (int i = 0; i < CUTTER_PAIRS; i++)
		cutter_close(cutter->pairs[i]);
	close(cutter->stop[0]);
	close(cutter->listener);
	free(cutter);
}

int cutter_port(const struct cutter *cutter)
{
	struct sockaddr_in own;
	socklen_t size = sizeof own;
	getsockname(cutter->listener, (struct sockaddr *)&own, &size);
	return ntohs(own.sin_port);
}

void cutter_cut_after(struct cutter *cutter, int64_t bytes, bool answers)
{
	atomic_store(&cutter->cut, false);
	atomic_store(&cutter->left[answers], bytes);
}

bool cutter_rest(struct cutter *cutter)
{
	atomic_store(&cutter->left[0], -1);
	atomic_store(&cutter->left[1], -1);
	return atomic_load(&cutter->cut);
}
