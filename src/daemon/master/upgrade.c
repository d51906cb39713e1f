/*
 * Upgrades: another version of the program takes over, without closing a listener.
 *
 *   1. The new program is tried in a child process: it starts, and reads the configuration.
 *   2. This process executes it: the process id, the sockets and the server process stay.
 *   3. The new master starts a server process. When that is ready, the old one drains.
 *
 * Whatever fails, the server process goes on: in 1 with the old master, in 3 with the new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/error.h>

#include "child.h"
#include "helper.h"
#include "master.h"
#include "master_state.h"
#include "recent_lines.h"
#include "say.h"
#include "say_log.h"
#include "serve.h"
#include "sources.h"

enum {
	PROBE_MS = 60 * 1000,
	STATE_LINE_MAX = 8192,
};

/* The name of the variable with the descriptor of the state, and the first line of the state. */
#define UPGRADE_VARIABLE "WEIR_MASTER_STATE"
#define UPGRADE_STATE "weir master 2"
#define UPGRADE_STATE_BEFORE "weir master 1" /* without the lines "key-seal" */
/*
 * The text that a new program sends when it can take over from a master with such a state. The one
 * before it comes first: a master with that state reads no further.
 */
#define UPGRADE_CONSENT_BEFORE "weir probe 1\n"
#define UPGRADE_CONSENT UPGRADE_CONSENT_BEFORE "weir probe 2\n"

/* -- the trial --------------------------------------------------------------------------------- */

static void upgrade_refuse(struct master *master, const char *why)
{
	say("not upgraded: %s", why);
	if (master->asked && master->server)
		process_send(master->server, HANDOVER_ANSWER, -EINVAL);
	master->asked = false;
}

static void upgrade_end_probe(struct master *master)
{
	weir_timer_stop(&master->probe_timer);
	if (master->probe.fd >= 0)
		weir_watch_close(master->loop, &master->probe);
	master->probe_pid = 0;
}

static void upgrade_on_probe_late(struct weir_timer *timer)
{
	struct master *master = WEIR_CONTAINER(timer, struct master, probe_timer);
	kill(master->probe_pid, SIGKILL);
	upgrade_end_probe(master);
	upgrade_refuse(master, "the new program does not start");
}

static void upgrade_execute(struct master *master);

static void upgrade_on_probe(struct weir_watch *watch, unsigned events)
{
	struct master *master = WEIR_CONTAINER(watch, struct master, probe);
	char text[sizeof UPGRADE_CONSENT] = "";
	(void)events;
	ssize_t got = read(watch->fd, text, sizeof text - 1);
	if (got < 0 && errno == EAGAIN)
		return;
	upgrade_end_probe(master);
	if (strcmp(text, UPGRADE_CONSENT) == 0)
		upgrade_execute(master);
	else
		upgrade_refuse(master, "the new program does not accept the configuration, is of "
		                       "an earlier version, or is none");
}

/* In the child. */
static void upgrade_exec_probe(const struct master *master, int to)
{
	sigset_t none;
	char number[16];
	snprintf(number, sizeof number, "%d", to);
	say_log_forget();
	char **arguments = child_arguments("@probe", number, master->arguments);
	if (!arguments)
		_exit(EXIT_FAILURE);
	fcntl(to, F_SETFD, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(master->path, arguments);
	say("cannot execute %s: %s", master->path, weir_error_text(-errno));
	_exit(EXIT_FAILURE);
}

static int upgrade_start_probe(struct master *master)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	master->probe_pid = fork();
	if (master->probe_pid == 0)
		upgrade_exec_probe(master, ends[1]);
	int error = master->probe_pid < 0 ? -errno : 0;
	close(ends[1]);
	if (error == 0)
		error = weir_watch_start(
		        master->loop, &master->probe, ends[0], WEIR_READABLE, upgrade_on_probe);
	if (error < 0) {
		close(ends[0]);
		master->probe_pid = 0;
		return error;
	}
	weir_timer_start(master->loop, &master->probe_timer, PROBE_MS, upgrade_on_probe_late);
	return 0;
}

void upgrade_begin(struct master *master)
{
	master->upgrade_when_ready = false;
	if (master->probe_pid || master->starting || master->change.active) {
		upgrade_refuse(master, "another upgrade or reload is under way");
	} else if (master->old) {
		upgrade_refuse(
		        master, "the server process of the one before still finishes its requests");
	} else if (!master->server || master->server->phase != PROCESS_SERVING) {
		/* It may have begun to serve, and its report be under way. */
		master->upgrade_when_ready = true;
	} else {
		int error = upgrade_start_probe(master);
		if (error < 0)
			upgrade_refuse(master, weir_error_text(error));
	}
}

int master_probe(int count, char **arguments)
{
	struct options options;
	static char verb[] = "serve";
	int to = count > 1 ? atoi(arguments[1]) : -1;
	if (to <= STDERR_FILENO)
		return EXIT_USAGE;
	say_with_time();
	arguments[1] = verb;
	if (options_parse_serve(count - 1, arguments + 1, &options) != EXIT_DONE)
		return EXIT_FAILED;
	/* The files that it names are left to the server process. */
	struct grants *table = grants_create(0);
	sources_record(table);
	struct config *config = table ? config_load(&options, NULL) : NULL;
	int error = sources_end();
	bool good = config && error == 0;
	config_release(config);
	grants_destroy(table);
	if (!good)
		return EXIT_FAILED;
	size_t size = sizeof UPGRADE_CONSENT - 1;
	return write(to, UPGRADE_CONSENT, size) == (ssize_t)size ? EXIT_DONE : EXIT_FAILED;
}

/* -- the state --------------------------------------------------------------------------------- */

/* Descriptors stay open over exec, or do not. */
static void upgrade_keep_open(const struct master *master, int state, int table, bool keep)
{
	int flags = keep ? 0 : FD_CLOEXEC;
	const int fds[] = {state, table, master->server->control.fd, master->server->requests.fd,
	        master->lines};
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			fcntl(fds[i], F_SETFD, flags);
	keys_keep_open(master->keys, keep);
	listening_keep_open(&master->listening, keep);
}

static int upgrade_write_state(const struct master *master, int table)
{
	FILE *to;
	int fd = memory_file_create("weir-master", 0, &to);
	if (fd < 0)
		return fd;
	fprintf(to, "%s\n", UPGRADE_STATE);
	fprintf(to, "server %d %d %d %d %u %d\n", (int)master->server->pid,
	        master->server->control.fd, master->server->requests.fd, table, master->serial,
	        master->asked);
	fprintf(to, "lines %d\n", master->lines);
	fprintf(to, "user %s\n", master->server->user ? master->server->user : "");
	listening_write(&master->listening, to);
	keys_write(master->keys, to);
	return memory_file_finish(fd, to);
}

static void upgrade_execute(struct master *master)
{
	char number[16];
	if (master->change.active) {
		upgrade_refuse(master, "the server process is being changed");
		return;
	}
	if (!master->server || master->server->phase != PROCESS_SERVING) {
		master->upgrade_when_ready = true; /* it has crashed meanwhile */
		return;
	}
	int table = grants_seal(master->server->table);
	int state = table < 0 ? table : upgrade_write_state(master, table), error = state;
	if (state >= 0) {
		snprintf(number, sizeof number, "%d", state);
		setenv(UPGRADE_VARIABLE, number, 1);
		issuer_leave(master); /* the next master starts another one */
		upgrade_keep_open(master, state, table, true);
		say_log_close();
		execv(master->path, (char *const *)(uintptr_t)(master->arguments - 2));
		error = -errno;
		say_log_use(master->loop, master->config);
		issuer_update(master);
		upgrade_keep_open(master, -1, table, false);
		unsetenv(UPGRADE_VARIABLE);
		close(state);
	}
	if (table >= 0)
		close(table);
	upgrade_refuse(master, weir_error_text(error));
}

/* -- the new master ---------------------------------------------------------------------------- */

static bool upgrade_read_server(struct master *master, const char *line)
{
	struct process *process = calloc(1, sizeof *process);
	int pid, control, requests, table, asked;
	if (!process || sscanf(line, "server %d %d %d %d %u %d", &pid, &control, &requests, &table,
	                        &master->serial, &asked) != 6) {
		free(process);
		return false;
	}
	master->asked = asked;
	process->pid = pid;
	process->control.fd = control;
	process->requests.fd = requests;
	master->server = process;
	int error = grants_read(table, &process->table);
	close(table);
	return error == 0;
}

static bool upgrade_read_line(
        struct master *master, struct listening_reading *listening, const char *line)
{
	int lines;
	if (strncmp(line, "server ", 7) == 0)
		return upgrade_read_server(master, line);
	if (strncmp(line, "user ", 5) == 0 && master->server)
		return line[5] == 0 || (master->server->user = strdup(line + 5));
	if (sscanf(line, "lines %d", &lines) == 1) {
		if (lines >= 0)
			recent_lines_inherit(lines);
		return true;
	}
	if (strncmp(line, "key", 3) == 0)
		return keys_read(&master->keys, line, master->loop, master->program);
	return listening_read(listening, line);
}

static bool upgrade_read_state(struct master *master, FILE *from)
{
	struct listening_reading listening = {.listening = &master->listening};
	char line[STATE_LINE_MAX];
	if (!fgets(line, sizeof line, from) ||
	        (strcmp(line, UPGRADE_STATE "\n") != 0 &&
	                strcmp(line, UPGRADE_STATE_BEFORE "\n") != 0))
		return false;
	while (fgets(line, sizeof line, from)) {
		line[strcspn(line, "\n")] = 0;
		if (!upgrade_read_line(master, &listening, line))
			return false;
	}
	master->workers = master->listening.workers;
	return master->server && master->workers;
}

bool master_is_resuming(void)
{
	return getenv(UPGRADE_VARIABLE);
}

int upgrade_resume(struct master *master)
{
	const char *number = getenv(UPGRADE_VARIABLE);
	int fd = number ? atoi(number) : -1;
	unsetenv(UPGRADE_VARIABLE);
	lseek(fd, 0, SEEK_SET);
	FILE *from = fdopen(fd, "r");
	bool good = from && upgrade_read_state(master, from);
	if (from)
		fclose(from);
	int error = good ? process_adopt(master->server, master->loop, master->received, master)
	                 : -EPROTO;
	if (error < 0) {
		say("cannot take over from the old master: %s", weir_error_text(error));
		return error;
	}
	upgrade_keep_open(master, -1, -1, false);
	listening_adopt_grants(&master->listening, master->server->table);
	keys_adopt_grants(master->keys, master->server->table);
	master->was_ready = true;
	say_log_started();
	struct grants *table = change_begin(master, NULL, false);
	if (table)
		say_log_use(master->loop, master->change.config);
	if (table)
		error = change_start_successor(master, table);
	if (!table || error < 0) {
		grants_destroy(table);
		change_forget(master);
		upgrade_refuse(master, "the server process goes on");
	}
	return 0;
}
