/*
 * Reloads, from the signal or message that asks for one to its result. The server process reads the
 * new configuration, or another one takes over from it. A reload that comes while a change is tried
 * is repeated afterwards.
 */
#include <errno.h>

#include "master_state.h"
#include "notify.h"
#include "say.h"
#include "say_log.h"

void reload_end(struct master *master, int result)
{
	if (result < 0)
		change_forget(master);
	if (master->was_ready && master->stop_signals == 0)
		notify_ready(
		        result < 0
		                ? "Serving by the previous configuration: the last one was refused"
		                : "Serving");
	if (master->asked && master->server)
		process_send(master->server, HANDOVER_ANSWER, result);
	master->asked = false;
	if (master->certificates && master->issuer)
		process_send(master->issuer, HANDOVER_ANSWER, result);
	master->certificates = false;
	if (result == 0)
		issuer_update(master);
	if (master->certificates_again && !master->reload_again && master->stop_signals == 0) {
		master->certificates_again = false;
		reload_certificates(master);
		return;
	}
	if (master->reload_again && master->stop_signals == 0) {
		master->reload_again = false;
		reload_begin(master);
	}
}

void reload_refuse(struct master *master)
{
	say("not reloaded: the previous configuration stays in effect");
	reload_end(master, -EINVAL);
}

void reload_begin(struct master *master)
{
	master->reload_when_drained = false;
	if (master->change.active || master->starting || !master->server ||
	        master->server->phase == PROCESS_STARTING) {
		master->reload_again = true;
		return;
	}
	notify_reloading();
	/* Logs come first: they are reopened even if the configuration is refused. */
	say_log_reopen();
	process_send(master->server, HANDOVER_REOPEN, 0);
	if (master->issuer)
		process_send(master->issuer, HANDOVER_REOPEN, 0);
	struct grants *table = change_begin(master, master->config, false);
	int error = table ? process_reload(master->server, table) : -EINVAL;
	if (error == 0)
		return;
	grants_destroy(table);
	reload_refuse(master);
}

void reload_certificates(struct master *master)
{
	if (master->change.active || master->starting || !master->server ||
	        master->server->phase == PROCESS_STARTING) {
		master->certificates_again = true;
		return;
	}
	master->certificates = true;
	struct grants *table = change_repeat(master);
	int error = table ? process_reload(master->server, table) : -EINVAL;
	if (error == 0)
		return;
	grants_destroy(table);
	say("the new certificates are not used yet");
	reload_end(master, -EINVAL);
}

/* The reload needs more than the server is confined to: another process takes over. */
static void reload_replace(struct master *master, struct process *process)
{
	struct grants *table = process->next;
	process->next = NULL;
	if (master->old)
		say("the configuration needs another server process, and the one before still finishes "
		    "its requests: the reload is repeated then");
	else if (change_start_successor(master, table) == 0)
		return;
	master->reload_when_drained = master->old;
	grants_destroy(table);
	reload_refuse(master);
}

void reload_renew(struct master *master)
{
	if (master->change.active || master->starting || master->old || master->stop_signals ||
	        master->server->phase != PROCESS_SERVING)
		return;
	struct grants *table = change_begin(master, NULL, false);
	if (table && change_start_successor(master, table) == 0)
		return;
	grants_destroy(table);
	reload_refuse(master);
}

void reload_on_result(struct master *master, struct process *process, int result)
{
	if (process != master->server || !master->change.active)
		return;
	if (result == -EXDEV) {
		reload_replace(master, process);
		return;
	}
	process_settle(process, result == 0);
	if (result == 0)
		change_commit(master);
	reload_end(master, result);
}
