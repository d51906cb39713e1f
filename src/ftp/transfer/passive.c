/*
 * Waiting on passive ports. The server that accepts a connection finds the wait of its peer, and
 * brings the connection to the loop of that wait.
 *
 * Invariant: the thread that removes a wait from its listener's list finishes it, so that a wait is
 * finished once. The ports and their listeners are in passive_port.c.
 *
 * Leaves out the use of a connection: see data_connection.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/loop.h>

#include "data_connection.h"

/* -- the end of a wait, on its loop ------------------------------------------------------------ */

static void passive_watch_leave(struct passive_watch *watch)
{
	if (--watch->waits)
		return;
	weir_list_remove(&watch->link);
	/*
	 * Other descriptors of the socket may exist, so closing this one would not end the watch.
	 */
	close(weir_watch_cancel(watch->loop, &watch->watch));
	pthread_mutex_lock(&watch->ports->lock);
	ftp_passive_listener_release(watch->listener);
	pthread_mutex_unlock(&watch->ports->lock);
	weir_ftp_ports_release(watch->ports);
	free(watch);
}

/*
 * Reports the result of a wait that was removed from its listener, and frees it. May free its
 * watch.
 */
static void passive_finish(struct ftp_wait *wait)
{
	struct ftp_wait ended = *wait;
	free(wait);
	if (ended.done) {
		passive_watch_leave(ended.watch);
		ended.done(ended.context, ended.fd, &ended.from);
	} else if (ended.fd >= 0) {
		close(ended.fd);
	}
}

static void passive_on_posted(struct weir_task *task)
{
	passive_finish(WEIR_CONTAINER(task, struct ftp_wait, task));
}

/*
 * Frees a wait without a callback. If it was posted, its task frees it, and closes the
 * connection.
 */
static void passive_abandon(
        struct weir_ftp_ports *ports, struct passive_listener *listener, struct ftp_wait *wait)
{
	pthread_mutex_lock(&ports->lock);
	bool posted = wait->posted;
	if (wait->waiting)
		ftp_passive_remove_wait(listener, wait);
	weir_list_remove(&wait->link);
	pthread_mutex_unlock(&ports->lock);
	wait->done = NULL;
	if (!posted)
		free(wait);
}

void ftp_passive_cancel(struct ftp_wait *wait)
{
	if (!wait)
		return;
	struct passive_watch *watch = wait->watch;
	passive_abandon(watch->ports, watch->listener, wait);
	passive_watch_leave(watch);
}

void ftp_passive_use(struct ftp_wait *wait)
{
	if (!wait)
		return;
	pthread_mutex_lock(&wait->watch->ports->lock);
	wait->since_ms = INT64_MAX;
	pthread_mutex_unlock(&wait->watch->ports->lock);
}

/* -- accepting --------------------------------------------------------------------------------- */

/*
 * Accepts one connection. Returns 0 to go on; -EAGAIN to stop, as the watch may have been freed;
 * or another errno if accept4 fails.
 */
static int passive_accept(struct passive_watch *watch)
{
	struct weir_address from = {0};
	socklen_t size = sizeof from;
	int fd = accept4(watch->watch.fd, &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		bool gone = errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
		return gone ? 0 : -errno;
	}
	pthread_mutex_lock(&watch->ports->lock);
	struct ftp_wait *wait = ftp_passive_find_wait(watch->listener, &from);
	bool here = wait && wait->loop == watch->loop;
	if (wait) {
		ftp_passive_remove_wait(watch->listener, wait);
		wait->from = from;
		wait->fd = fd;
	}
	if (wait && !here)
		ftp_passive_post(wait, fd);
	pthread_mutex_unlock(&watch->ports->lock);
	if (here)
		passive_finish(wait);
	else if (!wait)
		close(fd);
	return here ? -EAGAIN : 0;
}

/* accept4 has failed: ends all waits of this loop on the listener, and so the watch. */
static void passive_fail(struct passive_watch *watch, int error)
{
	struct weir_list failed, *waits = &watch->listener->waits;
	weir_list_init(&failed);
	pthread_mutex_lock(&watch->ports->lock);
	WEIR_LIST_EACH_SAFE (struct ftp_wait, wait, next, waits, link) {
		if (wait->loop != watch->loop)
			continue;
		wait->fd = error;
		ftp_passive_remove_wait(watch->listener, wait);
		weir_list_append(&failed, &wait->link);
	}
	pthread_mutex_unlock(&watch->ports->lock);
	/* The callback of one may cancel another, which removes that from the list. */
	while (!weir_list_empty(&failed)) {
		struct ftp_wait *wait = WEIR_CONTAINER(failed.next, struct ftp_wait, link);
		weir_list_remove(&wait->link);
		passive_finish(wait);
	}
}

static void passive_on_event(struct weir_watch *watched, unsigned events)
{
	struct passive_watch *watch = WEIR_CONTAINER(watched, struct passive_watch, watch);
	int error = 0;
	(void)events;
	for (unsigned i = 0; i < WEIR_ACCEPTS_PER_TURN && error == 0; i++)
		error = passive_accept(watch);
	if (error < 0 && error != -EAGAIN)
		passive_fail(watch, error);
}

/* -- waiting ----------------------------------------------------------------------------------- */

/* Watches a listener. On success takes over the caller's reference. */
static int passive_watch_start(struct weir_ftp_server *server, struct weir_ftp_ports *ports,
        struct passive_listener *listener, struct passive_watch **ret)
{
	struct passive_watch *watch = calloc(1, sizeof *watch);
	int fd = watch ? fcntl(listener->fd, F_DUPFD_CLOEXEC, 0) : -1;
	int error = !watch ? -ENOMEM : fd < 0 ? -errno : 0;
	if (error == 0)
		error = weir_watch_start(
		        server->loop, &watch->watch, fd, WEIR_READABLE, passive_on_event);
	if (error < 0) {
		if (fd >= 0)
			close(fd);
		free(watch);
		return error;
	}
	watch->loop = server->loop;
	watch->ports = weir_ftp_ports_hold(ports);
	watch->listener = listener;
	weir_list_init(&watch->link);
	weir_list_append(&server->passive, &watch->link);
	*ret = watch;
	return 0;
}

static struct passive_watch *passive_watch_find(
        const struct weir_ftp_server *server, const struct passive_listener *listener)
{
	WEIR_LIST_EACH (struct passive_watch, watch, &server->passive, link)
		if (watch->listener == listener)
			return watch;
	return NULL;
}

/* Adds the wait to the server's watch. Takes over a reference of the listener in any case. */
static int passive_watch_join(struct weir_ftp_server *server, struct weir_ftp_ports *ports,
        struct passive_listener *listener, struct ftp_wait *wait)
{
	struct passive_watch *watch = passive_watch_find(server, listener);
	int error = 0;
	bool spare = watch;
	if (!watch)
		error = passive_watch_start(server, ports, listener, &watch);
	if (error < 0)
		passive_abandon(ports, listener, wait);
	if (spare || error < 0) {
		pthread_mutex_lock(&ports->lock);
		ftp_passive_listener_release(listener);
		pthread_mutex_unlock(&ports->lock);
	}
	if (error < 0)
		return error;
	watch->waits++;
	wait->watch = watch;
	return 0;
}

int ftp_passive_wait(struct weir_ftp_server *server, const struct weir_address *peer,
        struct weir_address *local,
        void (*done)(void *context, int fd, const struct weir_address *from), void *context,
        struct ftp_wait **ret)
{
	struct weir_ftp_ports *ports = server->rules.ports;
	struct passive_listener *listener;
	struct ftp_wait *wait = calloc(1, sizeof *wait);
	if (!wait)
		return -ENOMEM;
	wait->task.run = passive_on_posted;
	weir_list_init(&wait->link);
	wait->loop = server->loop;
	wait->peer = *peer;
	wait->since_ms = weir_loop_now_ms(server->loop);
	wait->done = done;
	wait->context = context;
	pthread_mutex_lock(&ports->lock);
	int error = ftp_passive_choose(ports, local, wait, &listener);
	if (error == -EADDRINUSE && ftp_passive_revoke(ports, local, wait))
		error = ftp_passive_choose(ports, local, wait, &listener);
	if (error == 0)
		local_refcount_hold(&listener->references);
	pthread_mutex_unlock(&ports->lock);
	if (error < 0) {
		free(wait);
		return error;
	}
	error = passive_watch_join(server, ports, listener, wait);
	if (error == 0)
		*ret = wait;
	return error;
}
