/*
 * The socket of the admin interface and its sessions. A session is a channel with a line protocol:
 * one command at a time, so that a client that sends many waits for the reply to each.
 *
 * Invariant: the socket file is removed only while it still is the one that was made here (device
 * and inode), so that another daemon's is never taken away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/channel.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/server.h>

#include "admin.h"
#include "admin_http.h"
#include "link.h"

enum {
	ADMIN_ACCEPTS_PER_TURN = 16,
};

struct admin_socket {
	struct admin *admin;
	struct weir_watch watch;
	struct weir_timer timer; /* ends a pause after a failed accept */
	dev_t device;            /* the identity of the socket file */
	ino_t inode;
	char path[]; /* of the socket file */
};

struct admin {
	struct weir_loop *loop;
	struct admin_table *tables;
	struct admin_socket *socket; /* or NULL */
	struct admin_http *http;     /* or NULL */
	struct weir_list sessions;
	struct weir_list guests;
	unsigned session_count; /* of both lists */
};

/* A client that has sent nothing yet, so that its protocol is not known. */
struct admin_guest {
	struct weir_list link;
	struct admin *admin;
	struct weir_watch watch;
	struct weir_timer timer;
};

/* The context of its channel. */
struct admin_session {
	struct weir_list link;
	struct admin *admin;
	struct weir_channel *channel;
};

/* -- sessions ---------------------------------------------------------------------------------- */

static struct admin_session *admin_session_of(const struct weir_channel *channel)
{
	return weir_channel_context(channel);
}

static int admin_session_open(struct weir_channel *channel)
{
	weir_channel_await(channel, weir_until_any_line_end());
	return 0;
}

static void admin_session_request(struct weir_channel *channel, struct weir_span line)
{
	admin_run(admin_session_of(channel)->admin->tables, channel, line);
}

static void admin_session_overflow(struct weir_channel *channel, int error)
{
	(void)error;
	weir_channel_push_static(channel, "error a command has at most 1024 bytes\n");
}

_Static_assert(ADMIN_LINE_MAX == 1024, "the text of admin_session_overflow names the bound");

static void admin_session_close(struct weir_channel *channel, int error)
{
	struct admin_session *session = admin_session_of(channel);
	(void)error;
	session->admin->session_count--;
	weir_list_remove(&session->link);
	free(session);
}

static const struct weir_protocol admin_protocol = {
        .name = "admin",
        .open = admin_session_open,
        .request = admin_session_request,
        .overflow = admin_session_overflow,
        .close = admin_session_close,
};

/* The file's mode keeps others out already, unless somebody changed it. */
static bool admin_allows(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

/* Closes the connection with a last line, which fits into the empty buffer of a new socket. */
static void admin_refuse(int fd, const char *line)
{
	ssize_t put = send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)put;
	close(fd);
}

/* The descriptor is the caller's again if this fails. */
static int admin_session_start(struct admin *admin, int fd)
{
	struct weir_bounds bounds;
	weir_bounds_init(&bounds);
	bounds.request_max = ADMIN_LINE_MAX;
	bounds.replies_max = 1;
	bounds.idle_ms = ADMIN_IDLE_MS;
	bounds.request_ms = ADMIN_COMMAND_MS;
	bounds.progress_ms = ADMIN_PROGRESS_MS;
	struct weir_address nobody = {0};
	struct admin_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->admin = admin;
	int error = weir_adopt(
	        admin->loop, fd, &nobody, &admin_protocol, session, &bounds, &session->channel);
	if (error < 0) {
		free(session);
		return error;
	}
	weir_list_append(&admin->sessions, &session->link);
	admin->session_count++;
	return 0;
}

/* -- guests ------------------------------------------------------------------------------------ */

static void admin_guest_free(struct admin_guest *guest)
{
	weir_timer_stop(&guest->timer);
	weir_list_remove(&guest->link);
	guest->admin->session_count--;
	free(guest);
}

static void admin_guest_close(struct admin_guest *guest)
{
	weir_watch_close(guest->admin->loop, &guest->watch);
	admin_guest_free(guest);
}

static void admin_guest_on_time(struct weir_timer *timer)
{
	admin_guest_close(WEIR_CONTAINER(timer, struct admin_guest, timer));
}

/* Hands the client to its protocol, or closes it. */
static void admin_guest_serve(struct admin_guest *guest, char first)
{
	struct admin *admin = guest->admin;
	int fd = weir_watch_cancel(admin->loop, &guest->watch);
	bool is_http = first >= 'A' && first <= 'Z' && admin->http;
	admin_guest_free(guest);
	int error = is_http ? admin_http_adopt(admin->http, fd) : admin_session_start(admin, fd);
	if (error < 0)
		admin_refuse(fd, is_http ? "" : "error there is no memory\n");
}

static void admin_guest_on_event(struct weir_watch *watch, unsigned events)
{
	struct admin_guest *guest = WEIR_CONTAINER(watch, struct admin_guest, watch);
	char first;
	(void)events;
	ssize_t got = recv(watch->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
	if (got == 1)
		admin_guest_serve(guest, first);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		admin_guest_close(guest);
}

static int admin_guest_start(struct admin *admin, int fd)
{
	struct admin_guest *guest = calloc(1, sizeof *guest);
	if (!guest)
		return -ENOMEM;
	int error = weir_watch_start(
	        admin->loop, &guest->watch, fd, WEIR_READABLE, admin_guest_on_event);
	if (error < 0) {
		free(guest);
		return error;
	}
	guest->admin = admin;
	weir_list_append(&admin->guests, &guest->link);
	admin->session_count++;
	weir_timer_start(admin->loop, &guest->timer, ADMIN_IDLE_MS, admin_guest_on_time);
	return 0;
}

/* -- accepting --------------------------------------------------------------------------------- */

static void admin_resume(struct weir_timer *timer)
{
	struct admin_socket *from = WEIR_CONTAINER(timer, struct admin_socket, timer);
	struct weir_loop *loop = from->admin->loop;
	if (weir_watch_change(loop, &from->watch, WEIR_READABLE) < 0)
		weir_timer_start(loop, timer, WEIR_ACCEPT_PAUSE_MS, admin_resume);
}

/* No descriptor is left, or no memory: the client waits in the kernel. */
static void admin_pause(struct admin_socket *from)
{
	struct weir_loop *loop = from->admin->loop;
	weir_watch_change(loop, &from->watch, 0);
	weir_timer_start(loop, &from->timer, WEIR_ACCEPT_PAUSE_MS, admin_resume);
}

/* Returns false if there is nobody to accept now. */
static bool admin_accept(struct admin_socket *from)
{
	struct admin *admin = from->admin;
	int fd = accept4(from->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			admin_pause(from);
		return false;
	}
	if (!admin_allows(fd))
		admin_refuse(fd, "error only root and the user of the daemon are served here\n");
	else if (admin->session_count >= ADMIN_SESSIONS_MAX)
		admin_refuse(fd, "error too many clients are connected\n");
	else if (admin_guest_start(admin, fd) < 0)
		admin_refuse(fd, "error there is no memory\n");
	return true;
}

static void admin_on_event(struct weir_watch *watch, unsigned events)
{
	struct admin_socket *from = WEIR_CONTAINER(watch, struct admin_socket, watch);
	(void)events;
	for (int i = 0; i < ADMIN_ACCEPTS_PER_TURN && admin_accept(from); i++)
		;
}

/* -- listening --------------------------------------------------------------------------------- */

/* Stops listening, and removes the socket file. NULL is allowed. */
static void admin_close(struct admin_socket *old)
{
	struct stat status;
	if (!old)
		return;
	weir_timer_stop(&old->timer);
	/* The master has the same socket: closing a descriptor would not end the events. */
	close(weir_watch_cancel(old->admin->loop, &old->watch));
	/* The master removes its own. */
	if (!link_active() && lstat(old->path, &status) == 0 && status.st_dev == old->device &&
	        status.st_ino == old->inode)
		unlink(old->path);
	free(old);
}

/* Returns 0 or a negative errno; the descriptor is closed on failure. */
static int admin_watch(struct admin *admin, int fd, const char *path, struct admin_socket **ret)
{
	size_t size = strlen(path) + 1;
	struct admin_socket *made = calloc(1, sizeof *made + size);
	struct stat status = {0};
	int error = !made ? -ENOMEM : !link_active() && lstat(path, &status) < 0 ? -errno : 0;
	if (error == 0)
		error = weir_watch_start(
		        admin->loop, &made->watch, fd, WEIR_READABLE, admin_on_event);
	if (error < 0) {
		close(fd);
		free(made);
		return error;
	}
	made->admin = admin;
	made->device = status.st_dev;
	made->inode = status.st_ino;
	memcpy(made->path, path, size);
	weir_list_init(&made->timer.link);
	*ret = made;
	return 0;
}

static int admin_open(
        struct admin *admin, const char *user, const char *path, struct admin_socket **ret)
{
	int fd = link_active() ? link_open(GRANT_ADMIN, path) : admin_bind_socket(user, path);
	return fd < 0 ? fd : admin_watch(admin, fd, path, ret);
}

int admin_listen(struct admin *admin, const char *user, const char *path)
{
	struct admin_socket *next = NULL;
	if (path && admin->socket && strcmp(admin->socket->path, path) == 0)
		return 0;
	int error = path ? admin_open(admin, user, path, &next) : 0;
	if (error < 0)
		return error;
	admin_close(admin->socket);
	admin->socket = next;
	return 0;
}

/* -- life -------------------------------------------------------------------------------------- */

int admin_create(struct weir_loop *loop, struct admin_http *http, struct admin **ret)
{
	struct admin *admin = calloc(1, sizeof *admin);
	if (!admin)
		return -ENOMEM;
	admin->loop = loop;
	admin->http = http;
	weir_list_init(&admin->sessions);
	weir_list_init(&admin->guests);
	*ret = admin;
	return 0;
}

void admin_stop_http(struct admin *admin)
{
	admin->http = NULL;
}

void admin_register(struct admin *admin, struct admin_table *table)
{
	struct admin_table **last = &admin->tables;
	while (*last)
		last = &(*last)->next;
	table->next = NULL;
	*last = table;
}

void admin_destroy(struct admin *admin)
{
	if (!admin)
		return;
	admin_close(admin->socket);
	while (!weir_list_empty(&admin->guests))
		/* NOLINTNEXTLINE: a freed guest is in no list */
		admin_guest_close(WEIR_CONTAINER(admin->guests.next, struct admin_guest, link));
	for (struct weir_list *link = admin->sessions.next; link != &admin->sessions;
	        link = link->next)
		weir_channel_abort(
		        WEIR_CONTAINER(link, struct admin_session, link)->channel, -ECONNABORTED);
	while (admin->session_count && weir_loop_turn(admin->loop, 0) >= 0)
		;
	free(admin);
}
