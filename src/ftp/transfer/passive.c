/*
 * Passive ports. Each port on which sessions wait has one listener, which all servers with such a
 * session watch. The server that accepts a connection finds the wait of its peer, and brings the
 * connection to the loop of that wait.
 *
 * Invariants: everything that is reached from struct weir_ftp_ports is read and written with its
 * lock held. A listener listens as long as it has waits. The thread that removes a wait from its
 * listener's list finishes it, so that a wait is finished once.
 *
 * Leaves out the use of a connection: see data_connection.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include <weir/loop.h>

#include "passive.h"
#include "port.h"

enum {
	BUCKETS = 256
};

struct weir_ftp_ports {
	pthread_mutex_t lock;
	unsigned references; /* by servers and their watches */
	uint16_t first;      /* 0: the system chooses a port */
	uint16_t last;
	struct weir_list buckets[BUCKETS]; /* of listeners, by port */
};

struct passive_listener {
	struct weir_list link; /* in its bucket, while it listens */
	struct weir_address local;
	int fd;
	unsigned references;    /* one while it listens, and one of each watch */
	struct weir_list waits; /* the oldest first */
};

/* One server's watch of a listener. Belongs to the thread of its loop. */
struct passive_watch {
	struct weir_watch watch; /* of a duplicate of the listener's descriptor */
	struct weir_list link;   /* in the server's */
	struct weir_loop *loop;
	struct weir_ftp_ports *ports;      /* held */
	struct passive_listener *listener; /* held */
	unsigned waits;                    /* of this server, until done() or cancellation */
};

struct ftp_wait {
	struct weir_task task; /* finishes the wait on its loop */
	struct weir_list link; /* in the listener's, while it is waiting */
	struct passive_watch *watch;
	struct weir_loop *loop;
	struct weir_address peer;
	int64_t since_ms;         /* when it began; INT64_MAX: not to be revoked */
	bool waiting;             /* in the listener's list */
	bool posted;              /* the task will free it */
	int fd;                   /* the result: a connection or an errno */
	struct weir_address from; /* of the connection */
	void (*done)(void *context, int fd, const struct weir_address *from); /* NULL: cancelled */
	void *context;
};

/* -- the range --------------------------------------------------------------------------------- */

int weir_ftp_ports_create(uint16_t first, uint16_t last, struct weir_ftp_ports **ret)
{
	if (last < first || (!first && last))
		return -EINVAL;
	struct weir_ftp_ports *ports = malloc(sizeof *ports);
	if (!ports)
		return -ENOMEM;
	pthread_mutex_init(&ports->lock, NULL);
	ports->references = 1;
	ports->first = first;
	ports->last = last;
	for (unsigned i = 0; i < BUCKETS; i++)
		weir_list_init(&ports->buckets[i]);
	*ret = ports;
	return 0;
}

struct weir_ftp_ports *weir_ftp_ports_hold(struct weir_ftp_ports *ports)
{
	pthread_mutex_lock(&ports->lock);
	ports->references++;
	pthread_mutex_unlock(&ports->lock);
	return ports;
}

void weir_ftp_ports_release(struct weir_ftp_ports *ports)
{
	if (!ports)
		return;
	pthread_mutex_lock(&ports->lock);
	bool last = --ports->references == 0;
	pthread_mutex_unlock(&ports->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&ports->lock);
	free(ports);
}

bool ftp_passive_same_range(const struct weir_ftp_ports *a, const struct weir_ftp_ports *b)
{
	return a->first == b->first && a->last == b->last;
}

/* -- listeners, with the lock held ------------------------------------------------------------- */

static struct weir_list *passive_bucket(
        struct weir_ftp_ports *ports, const struct weir_address *local)
{
	return &ports->buckets[weir_address_port(local) % BUCKETS];
}

static void passive_listener_release(struct passive_listener *listener)
{
	if (--listener->references)
		return;
	close(listener->fd);
	free(listener);
}

/*
 * Removes a wait from its listener. The last one ends the listener, which frees the port at once.
 */
static void passive_take_out(struct passive_listener *listener, struct ftp_wait *wait)
{
	weir_list_remove(&wait->link);
	wait->waiting = false;
	if (!weir_list_empty(&listener->waits))
		return;
	weir_list_remove(&listener->link);
	shutdown(listener->fd, SHUT_RDWR);
	passive_listener_release(listener);
}

static struct ftp_wait *passive_find_wait(
        const struct passive_listener *listener, const struct weir_address *peer)
{
	struct weir_list *link = listener->waits.next;
	for (; link != &listener->waits; link = link->next) {
		struct ftp_wait *wait = WEIR_CONTAINER(link, struct ftp_wait, link);
		if (ftp_same_host(&wait->peer, peer))
			return wait;
	}
	return NULL;
}

static struct passive_listener *passive_find(
        struct weir_ftp_ports *ports, const struct weir_address *local)
{
	struct weir_list *bucket = passive_bucket(ports, local);
	for (struct weir_list *link = bucket->next; link != bucket; link = link->next) {
		struct passive_listener *listener =
		        WEIR_CONTAINER(link, struct passive_listener, link);
		if (weir_address_port(&listener->local) == weir_address_port(local) &&
		        ftp_same_host(&listener->local, local))
			return listener;
	}
	return NULL;
}

/* Makes a listener. For port 0 the system chooses one, which is put into `local`. */
static int passive_listen(
        struct weir_ftp_ports *ports, struct weir_address *local, struct passive_listener **ret)
{
	struct passive_listener *listener = calloc(1, sizeof *listener);
	if (!listener)
		return -ENOMEM;
	int error = ftp_listen(local, &listener->fd);
	if (error < 0) {
		free(listener);
		return error;
	}
	listener->local = *local;
	listener->references = 1;
	weir_list_init(&listener->waits);
	weir_list_append(passive_bucket(ports, local), &listener->link);
	*ret = listener;
	return 0;
}

/*
 * Adds the wait to the port of `local`. Returns 0, -EADDRINUSE if a wait for its peer is there,
 * or another errno.
 */
static int passive_join(struct weir_ftp_ports *ports, struct weir_address *local,
        struct ftp_wait *wait, struct passive_listener **ret)
{
	struct passive_listener *listener = passive_find(ports, local);
	int error = 0;
	if (!listener)
		error = passive_listen(ports, local, &listener);
	else if (passive_find_wait(listener, &wait->peer))
		error = -EADDRINUSE;
	if (error < 0)
		return error;
	weir_list_append(&listener->waits, &wait->link);
	wait->waiting = true;
	*ret = listener;
	return 0;
}

/*
 * Adds the wait to a port of the range. The search begins at a random one, so that ports cannot
 * be guessed.
 */
static int passive_choose(struct weir_ftp_ports *ports, struct weir_address *local,
        struct ftp_wait *wait, struct passive_listener **ret)
{
	unsigned count = ports->last - ports->first + 1U;
	uint16_t from;
	int error = -EADDRINUSE;
	if (!ports->first) {
		ftp_set_port(local, 0);
		return passive_join(ports, local, wait, ret);
	}
	if (getrandom(&from, sizeof from, 0) != sizeof from)
		return -EIO;
	for (unsigned i = 0; i < count && i < WEIR_FTP_PORTS_TRIED && error == -EADDRINUSE; i++) {
		ftp_set_port(local, (uint16_t)(ports->first + (from + i) % count));
		error = passive_join(ports, local, wait, ret);
	}
	return error;
}

static void passive_post(struct ftp_wait *wait, int fd)
{
	wait->fd = fd;
	wait->posted = true;
	weir_loop_post(wait->loop, &wait->task);
}

/*
 * Ends the oldest wait for the same peer, so that a client which asks for ports and does not use
 * them gives the first one up. Returns false if there is none that is old enough.
 */
static bool passive_revoke(
        struct weir_ftp_ports *ports, const struct weir_address *local, const struct ftp_wait *next)
{
	struct passive_listener *from = NULL;
	struct ftp_wait *oldest = NULL;
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct weir_list *bucket = &ports->buckets[i];
		for (struct weir_list *link = bucket->next; link != bucket; link = link->next) {
			struct passive_listener *listener =
			        WEIR_CONTAINER(link, struct passive_listener, link);
			struct ftp_wait *wait = ftp_same_host(&listener->local, local)
			                                ? passive_find_wait(listener, &next->peer)
			                                : NULL;
			if (!wait || (oldest && oldest->since_ms <= wait->since_ms))
				continue;
			oldest = wait;
			from = listener;
		}
	}
	if (!oldest || oldest->since_ms == INT64_MAX ||
	        next->since_ms - oldest->since_ms < WEIR_FTP_PASSIVE_YIELD_MS)
		return false;
	passive_take_out(from, oldest);
	passive_post(oldest, -ETIMEDOUT);
	return true;
}

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
	passive_listener_release(watch->listener);
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
static void passive_give_up(
        struct weir_ftp_ports *ports, struct passive_listener *listener, struct ftp_wait *wait)
{
	pthread_mutex_lock(&ports->lock);
	bool posted = wait->posted;
	if (wait->waiting)
		passive_take_out(listener, wait);
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
	passive_give_up(watch->ports, watch->listener, wait);
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
	struct ftp_wait *wait = passive_find_wait(watch->listener, &from);
	bool here = wait && wait->loop == watch->loop;
	if (wait) {
		passive_take_out(watch->listener, wait);
		wait->from = from;
		wait->fd = fd;
	}
	if (wait && !here)
		passive_post(wait, fd);
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
	for (struct weir_list *link = waits->next, *next; link != waits; link = next) {
		struct ftp_wait *wait = WEIR_CONTAINER(link, struct ftp_wait, link);
		next = link->next;
		if (wait->loop != watch->loop)
			continue;
		wait->fd = error;
		passive_take_out(watch->listener, wait);
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
	const struct weir_list *link = server->passive.next;
	for (; link != &server->passive; link = link->next) {
		struct passive_watch *watch = WEIR_CONTAINER(link, struct passive_watch, link);
		if (watch->listener == listener)
			return watch;
	}
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
		passive_give_up(ports, listener, wait);
	if (spare || error < 0) {
		pthread_mutex_lock(&ports->lock);
		passive_listener_release(listener);
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
	int error = passive_choose(ports, local, wait, &listener);
	if (error == -EADDRINUSE && passive_revoke(ports, local, wait))
		error = passive_choose(ports, local, wait, &listener);
	if (error == 0)
		listener->references++;
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
