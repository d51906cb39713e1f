/*
 * The passive ports: which listener a port has, and which waits a listener. Each port on which
 * sessions wait has one listener, which all servers with such a session watch.
 *
 * Invariants: everything that is reached from struct weir_ftp_ports is read and written with its
 * lock held. A listener listens as long as it has waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "data_connection.h"

/* -- the range --------------------------------------------------------------------------------- */

int weir_ftp_ports_create(uint16_t first, uint16_t last, struct weir_ftp_ports **ret)
{
	if (last < first || (!first && last))
		return -EINVAL;
	struct weir_ftp_ports *ports = malloc(sizeof *ports);
	if (!ports)
		return -ENOMEM;
	pthread_mutex_init(&ports->lock, NULL);
	refcount_init(&ports->references);
	ports->first = first;
	ports->last = last;
	for (unsigned i = 0; i < FTP_PASSIVE_BUCKETS; i++)
		weir_list_init(&ports->buckets[i]);
	*ret = ports;
	return 0;
}

struct weir_ftp_ports *weir_ftp_ports_hold(struct weir_ftp_ports *ports)
{
	refcount_hold(&ports->references);
	return ports;
}

void weir_ftp_ports_release(struct weir_ftp_ports *ports)
{
	if (!ports || !refcount_release(&ports->references))
		return;
	pthread_mutex_destroy(&ports->lock);
	free(ports);
}

bool ftp_passive_same_range(const struct weir_ftp_ports *a, const struct weir_ftp_ports *b)
{
	return a->first == b->first && a->last == b->last;
}

/* -- listeners, with the lock held ------------------------------------------------------------- */

static struct weir_list *passive_port_bucket(
        struct weir_ftp_ports *ports, const struct weir_address *local)
{
	return &ports->buckets[weir_address_port(local) % FTP_PASSIVE_BUCKETS];
}

void ftp_passive_listener_release(struct passive_listener *listener)
{
	if (!local_refcount_release(&listener->references))
		return;
	close(listener->fd);
	free(listener);
}

void ftp_passive_remove_wait(struct passive_listener *listener, struct ftp_wait *wait)
{
	weir_list_remove(&wait->link);
	wait->waiting = false;
	if (!weir_list_empty(&listener->waits))
		return;
	weir_list_remove(&listener->link);
	shutdown(listener->fd, SHUT_RDWR);
	ftp_passive_listener_release(listener);
}

struct ftp_wait *ftp_passive_find_wait(
        const struct passive_listener *listener, const struct weir_address *peer)
{
	WEIR_LIST_EACH (struct ftp_wait, wait, &listener->waits, link)
		if (ftp_same_host(&wait->peer, peer))
			return wait;
	return NULL;
}

static struct passive_listener *passive_port_find(
        struct weir_ftp_ports *ports, const struct weir_address *local)
{
	struct weir_list *bucket = passive_port_bucket(ports, local);
	WEIR_LIST_EACH (struct passive_listener, listener, bucket, link)
		if (weir_address_port(&listener->local) == weir_address_port(local) &&
		        ftp_same_host(&listener->local, local))
			return listener;
	return NULL;
}

/* Makes a listener. For port 0 the system chooses one, which is put into `local`. */
static int passive_port_listen(
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
	local_refcount_init(&listener->references);
	weir_list_init(&listener->waits);
	weir_list_append(passive_port_bucket(ports, local), &listener->link);
	*ret = listener;
	return 0;
}

/*
 * Adds the wait to the port of `local`. Returns 0, -EADDRINUSE if a wait for its peer is there,
 * or another errno.
 */
static int passive_port_join(struct weir_ftp_ports *ports, struct weir_address *local,
        struct ftp_wait *wait, struct passive_listener **ret)
{
	struct passive_listener *listener = passive_port_find(ports, local);
	int error = 0;
	if (!listener)
		error = passive_port_listen(ports, local, &listener);
	else if (ftp_passive_find_wait(listener, &wait->peer))
		error = -EADDRINUSE;
	if (error < 0)
		return error;
	weir_list_append(&listener->waits, &wait->link);
	wait->waiting = true;
	*ret = listener;
	return 0;
}

int ftp_passive_choose(struct weir_ftp_ports *ports, struct weir_address *local,
        struct ftp_wait *wait, struct passive_listener **ret)
{
	unsigned count = ports->last - ports->first + 1U;
	uint16_t from;
	int error = -EADDRINUSE;
	if (!ports->first) {
		ftp_set_port(local, 0);
		return passive_port_join(ports, local, wait, ret);
	}
	if (getrandom(&from, sizeof from, 0) != sizeof from)
		return -EIO;
	for (unsigned i = 0; i < count && i < WEIR_FTP_PORTS_TRIED && error == -EADDRINUSE; i++) {
		ftp_set_port(local, (uint16_t)(ports->first + (from + i) % count));
		error = passive_port_join(ports, local, wait, ret);
	}
	return error;
}

void ftp_passive_post(struct ftp_wait *wait, int fd)
{
	wait->fd = fd;
	wait->posted = true;
	weir_loop_post(wait->loop, &wait->task);
}

bool ftp_passive_revoke(
        struct weir_ftp_ports *ports, const struct weir_address *local, const struct ftp_wait *next)
{
	struct passive_listener *from = NULL;
	struct ftp_wait *oldest = NULL;
	for (unsigned i = 0; i < FTP_PASSIVE_BUCKETS; i++) {
		WEIR_LIST_EACH (struct passive_listener, listener, &ports->buckets[i], link) {
			struct ftp_wait *wait =
			        ftp_same_host(&listener->local, local)
			                ? ftp_passive_find_wait(listener, &next->peer)
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
	ftp_passive_remove_wait(from, oldest);
	ftp_passive_post(oldest, -ETIMEDOUT);
	return true;
}
