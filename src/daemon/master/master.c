/*
 * The events of the master: signals, messages and ends of server processes.
 *
 * Invariant: one change is tried at a time, be it a reload, the replacement of a server process, or
 * an upgrade. The configuration in effect stays so until the change has succeeded.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/log.h>

#include "manager.h"
#include "master.h"
#include "master_state.h"
#include "notify.h"
#include "recent_lines.h"
#include "resources.h"
#include "say.h"
#include "say_log.h"

enum {
	DRAIN_MARGIN_MS = 5 * 1000, /* beyond the server's own limit */
};

static uint32_t master_drain_ms(const struct master *master)
{
	uint64_t drain_ms = master->config ? master->config->limits.drain_ms : 0;
	return (uint32_t)(drain_ms ? drain_ms : WEIR_DRAIN_MS) + DRAIN_MARGIN_MS;
}

/* -- messages ---------------------------------------------------------------------------------- */

static void master_hand_over(struct master *master)
{
	const char *path = master->options->config_path;
	if (master->old->phase == PROCESS_DRAINING)
		return;
	say_at(WEIR_LOG_INFO,
	        "reloaded%s%s: another server process serves; the one before finishes its requests",
	        path ? " " : "", path ? path : "");
	process_drain(master->old, master_drain_ms(master), true);
}

static void master_on_ready(struct master *master, struct process *process)
{
	process->phase = PROCESS_SERVING;
	master->was_ready = true;
	weir_timer_stop(&process->limit);
	if (process == master->starting) {
		master->old = master->server;
		master->server = process;
		master->starting = NULL;
	}
	/* The console of the old process waits. */
	if (master->asked && master->old)
		process_send(master->old, HANDOVER_ANSWER, 0);
	master->asked = master->asked && !master->old;
	change_commit(master);
	if (master->old)
		master_hand_over(master);
	reload_end(master, 0);
	if (master->upgrade_when_ready)
		upgrade_begin(master);
}

static void master_stop(struct master *master);

/* A server that hangs does not reply, so that the manager restarts the daemon. */
static void master_on_watchdog(struct weir_timer *timer)
{
	struct master *master = WEIR_CONTAINER(timer, struct master, watchdog);
	if (master->server && master->server->phase == PROCESS_SERVING)
		process_send(master->server, HANDOVER_ALIVE, 0);
	else
		notify_alive(); /* this process is what there is */
	weir_timer_start(master->loop, timer, master->watchdog_ms, master_on_watchdog);
}

static void master_received(void *context, struct process *process, const struct handover *message)
{
	struct master *master = context;
	/* The process that obtains certificates may ask for nothing else. */
	if (process == master->issuer && message->kind != HANDOVER_ASK_CERTIFICATES)
		return;
	switch (message->kind) {
	case HANDOVER_READY:
		if (process->phase == PROCESS_STARTING && master->stop_signals == 0)
			master_on_ready(master, process);
		break;
	case HANDOVER_RELOADED:
		reload_on_result(master, process, message->result);
		break;
	case HANDOVER_ALIVE:
		if (process == master->server)
			notify_alive();
		break;
	case HANDOVER_ASK_RELOAD:
		master->asked = true;
		reload_begin(master);
		break;
	case HANDOVER_ASK_RENEW:
		if (process == master->server)
			reload_renew(master);
		break;
	case HANDOVER_ASK_CERTIFICATES:
		if (process == master->issuer && master->stop_signals == 0)
			reload_certificates(master);
		break;
	case HANDOVER_ASK_UPGRADE:
		master->asked = true;
		upgrade_begin(master);
		break;
	case HANDOVER_LOG_LEVEL:
		if (process == master->server)
			weir_log_set_level((enum weir_log_level)message->index);
		break;
	case HANDOVER_ASK_DRAIN:
		process_send(process, HANDOVER_ANSWER, 0);
		if (master->stop_signals == 0)
			master_stop(master);
		break;
	default:
		break;
	}
}

/* -- ends -------------------------------------------------------------------------------------- */

static void master_end_if_alone(struct master *master)
{
	if (!master->server && !master->old && !master->starting && !master->issuer)
		weir_loop_stop(master->loop);
}

static void master_on_server_ended(struct master *master, struct process *process, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
	bool unserved = master->stop_signals && process->phase == PROCESS_STARTING;
	master->server = NULL;
	if (unserved)
		code = EXIT_DONE;
	if (master->stop_signals || !master->was_ready) {
		master->code = code ? code : master->code;
		if (!master->stop_signals && WIFSIGNALED(status))
			say("the server process %d was killed by signal %d (%s) at the start",
			        (int)process->pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
		master->stop_signals += master->stop_signals == 0;
		master_end_if_alone(master);
	} else {
		change_forget(master);
		master->asked = false;
		/* The restart uses those before. */
		master->certificates_again |= master->certificates;
		master->certificates = false;
		restart_schedule(master, process, status);
	}
}

static void master_on_child_ended(struct master *master, pid_t pid, int status)
{
	struct process *process = NULL;
	struct keys *const keys[] = {master->keys, master->change.keys};
	for (size_t i = 0; i < 2; i++)
		if (keys[i] && keys[i]->pid == pid && !master->stop_signals)
			keys_restart(keys[i], status);
	if (issuer_ended(master, pid, status)) {
		if (master->stop_signals)
			master_end_if_alone(master);
		return;
	}
	if (master->server && master->server->pid == pid) {
		process = master->server;
		master_on_server_ended(master, process, status);
	} else if (master->old && master->old->pid == pid) {
		process = master->old;
		master->old = NULL;
		master_end_if_alone(master);
		if (master->reload_when_drained && !master->stop_signals)
			reload_begin(master);
	} else if (master->starting && master->starting->pid == pid) {
		process = master->starting;
		master->starting = NULL;
		if (master->stop_signals)
			master_end_if_alone(master);
		else
			reload_refuse(master);
	}
	process_destroy(process);
}

static void master_reap(struct master *master)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		master_on_child_ended(master, pid, status);
}

/* -- signals ----------------------------------------------------------------------------------- */

static void master_kill(struct master *master, int signal)
{
	struct process *const all[] = {master->server, master->starting, master->old};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i])
			kill(all[i]->pid, signal);
}

static void master_begin_stop(struct master *master)
{
	weir_timer_stop(&master->restart.timer);
	issuer_stop(master);
	notify_stopping();
	if (master->starting)
		kill(master->starting->pid, SIGKILL);
	change_forget(master);
	/* The kernel refuses new connections from here on. */
	listening_close(&master->listening, NULL);
	/* One that does not serve yet has nothing to finish. */
	if (master->server && master->server->phase == PROCESS_STARTING)
		kill(master->server->pid, SIGKILL);
	else if (master->server)
		process_drain(master->server, master_drain_ms(master), false);
	master_end_if_alone(master);
}

static void master_stop(struct master *master)
{
	master->stop_signals++;
	if (master->stop_signals == 1) {
		master_begin_stop(master);
	} else if (master->stop_signals == 2) {
		master->code = EXIT_FAILED;
		issuer_kill(master);
		if (master->server)
			process_send(master->server, HANDOVER_STOP, 0);
		if (master->old)
			process_send(master->old, HANDOVER_STOP, 0);
	} else {
		master_kill(master, SIGKILL);
		_exit(EXIT_FAILED);
	}
}

static void master_on_signal(struct weir_signals *signals, int signal)
{
	struct master *master = WEIR_CONTAINER(signals, struct master, signals);
	if (signal == SIGCHLD) {
		master_reap(master);
	} else if (signal == SIGUSR1) {
		say_log_reopen();
		if (master->server)
			process_send(master->server, HANDOVER_REOPEN, 0);
		if (master->issuer)
			process_send(master->issuer, HANDOVER_REOPEN, 0);
	} else if (signal == SIGHUP) {
		if (master->stop_signals == 0)
			reload_begin(master);
	} else if (signal == SIGUSR2) {
		if (master->stop_signals == 0)
			upgrade_begin(master);
	} else {
		master_stop(master);
	}
}

/* -- life -------------------------------------------------------------------------------------- */

static void master_start_watchdog(struct master *master)
{
	master->watchdog_ms = (uint32_t)notify_watchdog_ms();
	if (master->watchdog_ms)
		weir_timer_start(
		        master->loop, &master->watchdog, master->watchdog_ms, master_on_watchdog);
}

static int master_start(struct master *master)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGALRM,
	        SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, SIGCHLD, 0};
	master->program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int error = master->program < 0 ? -errno : 0;
	if (error == 0)
		error = weir_signals_start(
		        master->loop, &master->signals, signals, master_on_signal);
	if (error < 0) {
		say("cannot start: %s", weir_error_text(error));
		return error;
	}
	ssize_t size = readlink("/proc/self/exe", master->path, sizeof master->path - 1);
	master->path[size < 0 ? 0 : size] = 0;
	if (master_is_resuming()) {
		master_start_watchdog(master);
		error = upgrade_resume(master);
		master_reap(master);
		return error;
	}
	error = manager_adopt(&master->listening);
	master_start_watchdog(master);
	struct grants *table = error == 0 ? change_begin(master, NULL, true) : NULL;
	if (!table || say_log_use(master->loop, master->change.config) < 0) {
		grants_destroy(table);
		return -EINVAL;
	}
	resources_warn_of_root(master->change.config);
	error = change_start_process(master, master->change.config->user, table, &master->server);
	if (error < 0)
		grants_destroy(table);
	return error;
}

int master(const struct options *options, char **arguments)
{
	struct master master = {.options = options,
	        .received = master_received,
	        .arguments = (const char *const *)arguments + 1,
	        .signals.watch.fd = -1,
	        .listening.admin = -1,
	        .change.listening.admin = -1,
	        .probe.fd = -1,
	        .program = -1,
	        .lines = -1};
	say_with_time();
	if (master_is_resuming())
		say_never_wait();
	resources_raise_files();
	/* Without it, the status page has the lines of the server alone. */
	recent_lines_share(&master.lines);
	weir_list_init(&master.restart.timer.link);
	weir_list_init(&master.probe_timer.link);
	weir_list_init(&master.watchdog.link);
	weir_list_init(&master.issuer_timer.link);
	int error = weir_loop_create(&master.loop);
	if (error < 0) {
		say("cannot make an event loop: %s", weir_error_text(error));
		return EXIT_FAILED;
	}
	error = master_start(&master);
	if (error == 0)
		weir_loop_run(master.loop);
	else
		master.code = EXIT_FAILED;
	issuer_finish(&master);
	change_forget(&master);
	restart_finish(&master);
	listening_close(&master.listening, NULL);
	keys_destroy(master.keys);
	config_release(master.config);
	if (master.signals.watch.fd >= 0)
		weir_signals_stop(&master.signals);
	if (master.program >= 0)
		close(master.program);
	if (master.lines >= 0)
		close(master.lines);
	say_log_close();
	weir_loop_destroy(master.loop);
	return master.code;
}
