/*
 * One request at a time is under way, and its lock is held while the master opens. The master does
 * nothing that waits for the server meanwhile, so that this comes to an end.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <weir/log.h>
#include <weir/open_file.h>

#include "link.h"

static struct {
	int requests;
	int control;
	pthread_mutex_t lock; /* of a request, and of `table` */
	struct grants *table;
	struct grants *previous; /* while a reload is tried */
} server_link = {.requests = -1, .control = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

int link_start(int requests, int control, int table)
{
	int error = grants_read(table, &server_link.table);
	close(table);
	if (error < 0)
		return error;
	fcntl(requests, F_SETFD, FD_CLOEXEC);
	fcntl(control, F_SETFD, FD_CLOEXEC);
	server_link.requests = requests;
	server_link.control = control;
	weir_set_file_opener(link_open_file);
	return 0;
}

bool link_active(void)
{
	return server_link.table;
}

int link_control(void)
{
	return server_link.control;
}

void link_lose_control(void)
{
	server_link.control = -1;
}

static void link_send_message(struct handover message)
{
	if (server_link.control >= 0)
		handover_send(server_link.control, message, -1);
}

void link_send(enum handover_kind kind, int result)
{
	link_send_message((struct handover){.kind = kind, .result = result});
}

void link_send_log_level(void)
{
	link_send_message((struct handover){.kind = HANDOVER_LOG_LEVEL, .index = weir_log_level()});
}

/* -- requests ---------------------------------------------------------------------------------- */

/* With the lock held. */
static int link_request(enum grant_kind kind, const char *key)
{
	const struct grants *table = server_link.table;
	const struct grant *grant = table ? grants_find(table, kind, key, 0) : NULL;
	if (!grant)
		return -ENOENT;
	struct handover message = {.kind = HANDOVER_OPEN,
	        .serial = table->serial,
	        .index = (uint32_t)(grant - table->items)};
	int fd = -1;
	int error = handover_send(server_link.requests, message, -1);
	if (error == 0)
		error = handover_receive(server_link.requests, &message, &fd);
	if (error == 0 && message.kind == HANDOVER_OPENED && message.result == 0 && fd >= 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return error < 0 ? error : message.result < 0 ? message.result : -EPROTO;
}

int link_open(enum grant_kind kind, const char *key)
{
	pthread_mutex_lock(&server_link.lock);
	int fd = link_request(kind, key);
	pthread_mutex_unlock(&server_link.lock);
	return fd;
}

int link_open_file(const char *path)
{
	int fd = link_open(GRANT_FILE, path);
	if (fd != -ENOENT)
		return fd;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* -- tables ------------------------------------------------------------------------------------ */

const struct grants *link_table(void)
{
	return server_link.table;
}

const char *link_value(enum grant_kind kind, const char *key)
{
	const struct grant *grant = grants_find(server_link.table, kind, key, 0);
	return grant ? grant->value : NULL;
}

static void link_swap(struct grants *table, struct grants *previous)
{
	pthread_mutex_lock(&server_link.lock);
	server_link.table = table;
	server_link.previous = previous;
	pthread_mutex_unlock(&server_link.lock);
}

int link_offer(int table)
{
	struct grants *next;
	int error = grants_read(table, &next);
	close(table);
	if (error == 0)
		link_swap(next, server_link.table);
	return error;
}

void link_settle(bool commit)
{
	struct grants *unused = commit ? server_link.previous : server_link.table;
	if (!server_link.previous)
		return;
	link_swap(commit ? server_link.table : server_link.previous, NULL);
	grants_destroy(unused);
}

void link_end(void)
{
	if (!server_link.table)
		return;
	weir_set_file_opener(NULL);
	grants_destroy(server_link.previous);
	grants_destroy(server_link.table);
	server_link.table = server_link.previous = NULL;
	close(server_link.requests);
}
