/*
 * The process that obtains certificates, as the master sees it (acme_process.h). It starts when a
 * server process serves, and again when it has ended, or the configuration has other names.
 *
 * The server uses new certificates by a reload of the configuration in effect, whose files are not
 * read again, since the operator may be changing them.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/error.h>

#include "acme_share.h"
#include "config_acme.h"
#include "helper.h"
#include "master_state.h"
#include "say.h"

enum {
	ISSUER_PAUSE_MS =
	        1000,      /* before the restart of one that has ended; it doubles from there */
	ISSUER_PAUSES = 6, /* how often it doubles */
	ISSUER_RAN_LONG_MS = 60 * 1000,             /* an end after that counts as the first */
	ISSUER_STOP_MS = ACME_SHARE_STOP_MS + 2000, /* until one that does not end is killed */
};

static const char *const issuer_system_files[] = {"/etc/hosts", "/etc/resolv.conf"};

/* The kinds of entries by which a configuration is read, and its log is written. */
static bool issuer_may_have(const struct grant *grant)
{
	return grant->kind == GRANT_TEXT || grant->kind == GRANT_DIRECTORY ||
	       grant->kind == GRANT_MATCH || grant->kind == GRANT_LOG;
}

static int issuer_grant_file(struct grants *table, const char *path)
{
	return path ? grants_add(table, GRANT_FILE, path, NULL, 0, -1) : 0;
}

static int issuer_grant_store(struct grants *table, const struct config_store *store)
{
	int error = issuer_grant_file(table, store->password_path);
	return error ? error : issuer_grant_file(table, store->seal_path);
}

static int issuer_fill(struct grants *table, const struct master *master)
{
	const struct grants *from = master->server->table;
	const struct config_acme *acme = &master->config->acme;
	int error = 0;
	for (size_t i = 0; i < from->count && error == 0; i++) {
		const struct grant *grant = &from->items[i];
		if (issuer_may_have(grant))
			error = grants_add(table, (enum grant_kind)grant->kind, grant->key,
			        grant->value, grant->size, -1);
	}
	for (size_t i = 0; i < sizeof issuer_system_files / sizeof *issuer_system_files && !error;
	        i++)
		error = issuer_grant_file(table, issuer_system_files[i]);
	if (error == 0 && config_acme_is_shared(master->config))
		error = issuer_grant_store(table, &master->config->store);
	for (size_t i = 0; i < acme->authorities.count && error == 0; i++) {
		error = issuer_grant_file(table, acme->authorities.items[i].trust);
		if (error == 0)
			error = issuer_grant_file(
			        table, acme->authorities.items[i].account_key_path);
	}
	return error;
}

static void issuer_on_time(struct weir_timer *timer);

static void issuer_start_later(struct master *master)
{
	unsigned ends = min_of(master->issuer_ends, (unsigned)ISSUER_PAUSES);
	master->issuer_ends++;
	weir_timer_start(
	        master->loop, &master->issuer_timer, ISSUER_PAUSE_MS << ends, issuer_on_time);
}

static void issuer_start(struct master *master)
{
	struct grants *table = grants_create(++master->serial);
	struct process_options options = {
	        .loop = master->loop,
	        .program = master->program,
	        .verb = "@acme",
	        .arguments = master->arguments,
	        .user = master->config->user,
	        .table = table,
	        .received = master->received,
	        .context = master,
	};
	int error = table ? issuer_fill(table, master) : -ENOMEM;
	if (error == 0)
		error = process_start(&options, &master->issuer);
	if (error == 0) {
		process_send_log_level(master->issuer);
		return;
	}
	grants_destroy(table);
	say("certificates are not obtained: %s", weir_error_text(error));
	issuer_start_later(master);
}

static void issuer_on_time(struct weir_timer *timer)
{
	issuer_update(WEIR_CONTAINER(timer, struct master, issuer_timer));
}

void issuer_update(struct master *master)
{
	bool wanted = master->config && master->config->acme.managed.count &&
	              master->stop_signals == 0 && master->server;
	bool same = wanted && config_acme_same(master->issuer_config, master->config);
	if (master->issuer && same) {
		return;
	} else if (master->issuer) {
		issuer_stop(master); /* its end starts another one */
	} else if (wanted) {
		weir_timer_stop(&master->issuer_timer);
		config_release(master->issuer_config);
		master->issuer_config = config_hold(master->config);
		issuer_start(master);
	}
}

void issuer_kill(struct master *master)
{
	if (master->issuer)
		kill(master->issuer->pid, SIGKILL);
}

static void issuer_on_overdue(struct weir_timer *timer)
{
	issuer_kill(WEIR_CONTAINER(timer, struct master, issuer_timer));
}

void issuer_stop(struct master *master)
{
	weir_timer_stop(&master->issuer_timer);
	if (!master->issuer)
		return;
	kill(master->issuer->pid, SIGTERM);
	weir_timer_start(master->loop, &master->issuer_timer, ISSUER_STOP_MS, issuer_on_overdue);
}

bool issuer_ended(struct master *master, pid_t pid, int status)
{
	struct process *process = master->issuer;
	if (!process || process->pid != pid)
		return false;
	bool same = config_acme_same(master->issuer_config, master->config);
	if (weir_loop_now_ms(master->loop) - process->started_ms > ISSUER_RAN_LONG_MS)
		master->issuer_ends = 0;
	master->issuer = NULL;
	weir_timer_stop(&master->issuer_timer);
	process_destroy(process);
	if (master->stop_signals)
		return true;
	if (!same) {
		issuer_update(master);
		return true;
	}
	say("the process that obtains certificates has ended (%s %d); another one starts",
	        WIFSIGNALED(status) ? "signal" : "status",
	        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	issuer_start_later(master);
	return true;
}

static void issuer_forget(struct master *master, int signal)
{
	weir_timer_stop(&master->issuer_timer);
	if (master->issuer)
		kill(master->issuer->pid, signal);
	process_destroy(master->issuer);
	master->issuer = NULL;
	config_release(master->issuer_config);
	master->issuer_config = NULL;
}

void issuer_leave(struct master *master)
{
	issuer_forget(master, SIGTERM);
}

void issuer_finish(struct master *master)
{
	issuer_forget(master, SIGKILL);
}
