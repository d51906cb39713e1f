/*
 * Starts server processes, and opens for them what their tables have. A server may be in the hands
 * of an attacker: its messages are checked, and nothing here waits for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/log.h>

#include "child.h"
#include "process.h"
#include "resources.h"
#include "say.h"

enum {
	REQUESTS_PER_TURN = 64,
};

/* -- opening ----------------------------------------------------------------------------------- */

/* Returns a descriptor that the caller closes, or a negative errno. */
static int process_open_grant(const struct process *process, const struct grant *grant)
{
	int fd;
	switch ((enum grant_kind)grant->kind) {
	case GRANT_FILE:
		return child_open_file(process->user, grant->key);
	case GRANT_LOG:
		return resources_open_log(process->user, grant->key);
	case GRANT_LINES:
		fd = grant->fd < 0 ? -1 : fcntl(grant->fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? -ENOENT : fd;
	case GRANT_STREAM:
	case GRANT_DATAGRAM:
	case GRANT_ADMIN:
	case GRANT_KEYS:
		if (process->phase == PROCESS_DRAINING || grant->fd < 0)
			return -ESHUTDOWN;
		fd = fcntl(grant->fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? -errno : fd;
	default:
		return -EPERM;
	}
}

static const struct grant *process_find(
        const struct process *process, const struct handover *message)
{
	const struct grants *tables[] = {process->next, process->table};
	for (size_t i = 0; i < 2; i++)
		if (tables[i] && tables[i]->serial == message->serial &&
		        message->index < tables[i]->count)
			return &tables[i]->items[message->index];
	return NULL;
}

/*
 * At once, and not by its close alone: a child that was forked a moment ago has the descriptor,
 * too, until it executes.
 */
static void process_unwatch(struct process *process, struct weir_watch *watch)
{
	if (watch->fd >= 0)
		close(weir_watch_cancel(process->loop, watch));
}

/* Ends a watch whose peer has gone, or has sent what no server sends and is ended, too. */
static void process_lose(
        struct process *process, struct weir_watch *watch, int error, const char *what)
{
	if (error == -EPROTO) {
		say("the server process %d has sent a malformed %s, and is ended",
		        (int)process->pid, what);
		kill(process->pid, SIGKILL);
	}
	process_unwatch(process, watch);
}

/* Whether another message may be there. */
static bool process_answer(struct process *process)
{
	struct handover message;
	int error = handover_receive(process->requests.fd, &message, NULL);
	if (error == -EAGAIN)
		return false;
	if (error == 0 && message.kind != HANDOVER_OPEN)
		error = -EPROTO;
	if (error < 0) {
		process_lose(process, &process->requests, error, "request");
		return false;
	}
	const struct grant *grant = process_find(process, &message);
	int fd = grant ? process_open_grant(process, grant) : -EPERM;
	handover_send(process->requests.fd,
	        (struct handover){.kind = HANDOVER_OPENED, .result = fd < 0 ? fd : 0},
	        fd < 0 ? -1 : fd);
	if (fd >= 0)
		close(fd);
	return true;
}

static void process_on_request(struct weir_watch *watch, unsigned events)
{
	struct process *process = WEIR_CONTAINER(watch, struct process, requests);
	(void)events;
	for (unsigned i = 0; i < REQUESTS_PER_TURN && process_answer(process); i++)
		;
}

/* -- control ----------------------------------------------------------------------------------- */

static void process_on_control(struct weir_watch *watch, unsigned events)
{
	struct process *process = WEIR_CONTAINER(watch, struct process, control);
	struct handover message;
	(void)events;
	int error = handover_receive(watch->fd, &message, NULL);
	if (error == 0)
		process->received(process->context, process, &message);
	else if (error != -EAGAIN)
		process_lose(process, &process->control, error, "message");
}

void process_send(struct process *process, enum handover_kind kind, int result)
{
	if (process->control.fd >= 0)
		handover_send(
		        process->control.fd, (struct handover){.kind = kind, .result = result}, -1);
}

void process_send_log_level(struct process *process)
{
	if (process->control.fd >= 0)
		handover_send(process->control.fd,
		        (struct handover){.kind = HANDOVER_LOG_LEVEL, .index = weir_log_level()},
		        -1);
}

int process_reload(struct process *process, struct grants *next)
{
	int fd = process->control.fd < 0 ? -EPIPE : grants_seal(next);
	int error = fd < 0 ? fd
	                   : handover_send(process->control.fd,
	                             (struct handover){.kind = HANDOVER_RELOAD}, fd);
	if (fd >= 0)
		close(fd);
	if (error == 0)
		process->next = next;
	return error;
}

void process_settle(struct process *process, bool commit)
{
	struct grants *unused = commit && process->next ? process->table : process->next;
	if (commit && process->next)
		process->table = process->next;
	process->next = NULL;
	grants_destroy(unused);
}

static void process_kill(struct weir_timer *timer)
{
	struct process *process = WEIR_CONTAINER(timer, struct process, limit);
	say_at(WEIR_LOG_WARNING, "the server process %d did not end in time, and is killed",
	        (int)process->pid);
	kill(process->pid, SIGKILL);
}

void process_drain(struct process *process, uint32_t limit_ms, bool succeeded)
{
	process->phase = PROCESS_DRAINING;
	if (process->control.fd >= 0)
		handover_send(process->control.fd,
		        (struct handover){.kind = HANDOVER_DRAIN, .index = succeeded}, -1);
	weir_timer_start(process->loop, &process->limit, limit_ms, process_kill);
}

/* -- start ------------------------------------------------------------------------------------- */

/* The ends of the server, and its table. */
struct process_ends {
	int requests;
	int control;
	int table;
};

static void process_close_ends(const struct process_ends *ends)
{
	const int fds[] = {ends->requests, ends->control, ends->table};
	for (size_t i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* In the child. */
static void process_exec(const struct process_options *options, const struct process_ends *ends)
{
	char numbers[64];
	fcntl(ends->requests, F_SETFD, 0);
	fcntl(ends->control, F_SETFD, 0);
	fcntl(ends->table, F_SETFD, 0);
	snprintf(numbers, sizeof numbers, "%d,%d,%d,%d", ends->requests, ends->control, ends->table,
	        (int)getppid());
	child_execute(options->program, child_arguments(options->verb, numbers, options->arguments),
	        options->user);
}

/* Stores the master's ends in the watches, which are not started. */
static int process_make_ends(struct process *process, struct process_ends *ends)
{
	int requests[2] = {-1, -1}, control[2] = {-1, -1};
	*ends = (struct process_ends){-1, -1, -1};
	int error = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, requests) < 0 ||
	        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, control) <
	                0 ||
	        fcntl(requests[0], F_SETFL, O_NONBLOCK) < 0)
		error = -errno;
	process->requests.fd = requests[0];
	process->control.fd = control[0];
	ends->requests = requests[1];
	ends->control = control[1];
	ends->table = error == 0 ? grants_seal(process->table) : -1;
	return error == 0 && ends->table < 0 ? ends->table : error;
}

static int process_watch(struct process *process)
{
	int requests = process->requests.fd, control = process->control.fd;
	process->requests.fd = process->control.fd = -1;
	int error = weir_watch_start(
	        process->loop, &process->requests, requests, WEIR_READABLE, process_on_request);
	if (error < 0)
		close(requests);
	else
		error = weir_watch_start(process->loop, &process->control, control, WEIR_READABLE,
		        process_on_control);
	if (error < 0)
		close(control);
	return error;
}

static int process_fork(struct process *process, const struct process_options *options)
{
	struct process_ends ends;
	int error = process_make_ends(process, &ends);
	if (error == 0) {
		process->pid = fork();
		if (process->pid == 0)
			process_exec(options, &ends);
		error = process->pid < 0 ? -errno : 0;
	}
	process_close_ends(&ends);
	if (error == 0)
		return process_watch(process);
	if (process->requests.fd >= 0)
		close(process->requests.fd);
	if (process->control.fd >= 0)
		close(process->control.fd);
	process->requests.fd = process->control.fd = -1;
	return error;
}

int process_start(const struct process_options *options, struct process **ret)
{
	struct process *process = calloc(1, sizeof *process);
	int error = process ? 0 : -ENOMEM;
	if (error == 0) {
		process->loop = options->loop;
		process->table = options->table;
		if (options->user && !(process->user = strdup(options->user)))
			error = -ENOMEM;
		process->received = options->received;
		process->context = options->context;
		process->requests.fd = process->control.fd = -1;
		process->started_ms = weir_loop_now_ms(options->loop);
		weir_list_init(&process->limit.link);
		if (error == 0)
			error = process_fork(process, options);
	}
	if (error == 0) {
		*ret = process;
		return 0;
	}
	say("cannot start a server process: %s", weir_error_text(error));
	if (process && process->pid > 0)
		kill(process->pid, SIGKILL);
	if (process) {
		process->table = NULL;
		process_destroy(process);
	}
	return error;
}

int process_adopt(struct process *process, struct weir_loop *loop,
        void (*received)(void *context, struct process *process, const struct handover *message),
        void *context)
{
	process->loop = loop;
	process->phase = PROCESS_SERVING;
	process->received = received;
	process->context = context;
	process->started_ms = weir_loop_now_ms(loop);
	weir_list_init(&process->limit.link);
	return process_watch(process);
}

void process_destroy(struct process *process)
{
	if (!process)
		return;
	weir_timer_stop(&process->limit);
	process_unwatch(process, &process->requests);
	process_unwatch(process, &process->control);
	grants_destroy(process->table);
	grants_destroy(process->next);
	free(process->user);
	free(process);
}
