/*
 * Configurations in the master. Invariant: either the old configuration and its sockets are in
 * effect or the new ones, and what the other one alone needs is closed.
 */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "child.h"
#include "config_acme.h"
#include "log_file.h"
#include "log_socket.h"
#include "manager.h"
#include "master_state.h"
#include "resources.h"
#include "say.h"
#include "say_log.h"
#include "serve.h"
#include "service.h"
#include "sources.h"

/* Returns 0 or -EPERM, which was reported. */
static int change_choose_user(struct config *config)
{
	const struct passwd *entry = config->user ? getpwnam(config->user) : NULL;
	if (geteuid() == 0)
		return resources_choose_user(config);
	if (config->user && (!entry || entry->pw_uid != geteuid()))
		say_at(WEIR_LOG_WARNING,
		        "not root: the server cannot become the user %s, and stays as it is",
		        config->user);
	return 0;
}

static int change_make_directory(const struct config *config, const char *path, const char *what)
{
	int error = path ? resources_make_directory(config, path) : 0;
	if (error < 0)
		say("cannot %s %s: %s", what, path, weir_error_text(error));
	return error;
}

/* Whether the files that the configuration names can be opened, as the server will ask for. */
static bool change_has_files(const struct config *config, const struct grants *table)
{
	bool good = true;
	for (size_t i = 0; i < table->count && good; i++) {
		const struct grant *grant = &table->items[i];
		int fd = grant->kind == GRANT_FILE ? child_open_file(config->user, grant->key) : -1;
		good = grant->kind != GRANT_FILE || fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	return good;
}

/* Where a file is missing, nothing is made: the server reports the file, and ends. */
static int change_make_directories(const struct config *config, const struct grants *table)
{
	bool smtp = listeners_include(config, SERVICE_SMTP);
	int error = 0;
	if (!change_has_files(config, table))
		return 0;
	if (smtp || listeners_include(config, SERVICE_POP3))
		error = change_make_directory(config, config->mail.directory, "keep mail in");
	if (error == 0 && smtp && config->mail.relay.host)
		error = change_make_directory(config, config->mail.relay.queue, "open the queue");
	if (error == 0 && listeners_include(config, SERVICE_DNS))
		error = change_make_directory(config, config->dns.directory, "keep zones in");
	if (error == 0)
		error = change_make_directory(config, config->store.directory, "keep copies in");
	return error ? error : config_acme_make_directories(config);
}

/* Files that are read at any time, and by their path. */
static const char *const change_system_files[] = {"/etc/hosts", "/etc/resolv.conf"};

static int change_grant_log(struct grants *table, const char *path)
{
	bool is_file = path && *path && !log_socket_is(path);
	return is_file ? grants_add(table, GRANT_LOG, path, NULL, 0, -1) : 0;
}

static int change_fill(struct master *master, struct grants *table, const struct config *config,
        const struct listening *listening, bool banner)
{
	char workers[16];
	size_t count = sizeof change_system_files / sizeof *change_system_files;
	snprintf(workers, sizeof workers, "%u", master->workers);
	int error = listening_grant(listening, table);
	if (error == 0)
		error = grants_add(table, GRANT_WORKERS, "", workers, strlen(workers), -1);
	if (error == 0 && master->lines >= 0)
		error = grants_add(table, GRANT_LINES, "", NULL, 0, master->lines);
	if (error == 0 && master->certificates)
		error = grants_add(table, GRANT_CERTIFICATES, "", NULL, 0, -1);
	if (error == 0 && banner)
		error = grants_add(table, GRANT_BANNER, "", NULL, 0, -1);
	for (size_t i = 0; i < count && error == 0; i++)
		error = grants_add(table, GRANT_FILE, change_system_files[i], NULL, 0, -1);
	for (unsigned i = 0; i < LOG_COUNT && error == 0; i++)
		error = change_grant_log(table, config->logs[i]);
	for (size_t i = 0; i < config->sites.count && error == 0; i++)
		error = change_grant_log(table, config->sites.items[i].access_log);
	return error;
}

/*
 * Reads the configuration, and its sources into the table; out of the table `from`, if it is not
 * NULL.
 */
static struct config *change_read(struct master *master, const struct grants *from,
        const struct config *previous, struct grants *table)
{
	if (from)
		sources_repeat(from, table, true);
	else
		sources_record(table);
	struct config *config = config_load(master->options, previous);
	int error = sources_end();
	if (config && error == 0)
		return config;
	if (config)
		say("the configuration cannot be handed over: %s", weir_error_text(error));
	config_release(config);
	return NULL;
}

static int change_open(
        struct master *master, struct config *config, struct grants *table, bool banner)
{
	struct master_change *change = &master->change;
	int error = change_choose_user(config);
	if (!config_is_separated(config))
		say_at(WEIR_LOG_WARNING, "'privilege-separation' changes at the next start");
	if (error < 0)
		return error;
	if (master->workers == 0)
		master->workers =
		        config->workers ? (unsigned)config->workers : resources_processors();
	error = listening_open(config, &master->listening, master->workers, &change->listening);
	if (error < 0)
		return error;
	error = change_make_directories(config, table);
	if (error < 0) {
		listening_close(&change->listening, &master->listening);
		return error;
	}
	error = change_fill(master, table, config, &change->listening, banner);
	if (error < 0)
		say("the configuration cannot be handed over: %s", weir_error_text(error));
	else
		error = keys_start(master->loop, master->program, config, table, &change->keys);
	if (error == 0)
		return 0;
	listening_close(&change->listening, &master->listening);
	return error;
}

static struct grants *change_make(struct master *master, const struct grants *from,
        const struct config *previous, bool banner)
{
	struct grants *table = grants_create(++master->serial);
	struct config *config = table ? change_read(master, from, previous, table) : NULL;
	if (!config || change_open(master, config, table, banner) < 0) {
		config_release(config);
		grants_destroy(table);
		return NULL;
	}
	master->change.config = config;
	master->change.active = true;
	return table;
}

struct grants *change_begin(struct master *master, const struct config *previous, bool banner)
{
	return change_make(master, NULL, previous, banner);
}

struct grants *change_repeat(struct master *master)
{
	/* A table that was made is in no order; one that was read is. */
	struct grants *from = NULL, *table = NULL;
	int error = grants_copy(master->server->table, &from);
	if (error == 0)
		table = change_make(master, from, master->config, false);
	else
		say("the configuration cannot be read again: %s", weir_error_text(error));
	grants_destroy(from);
	return table;
}

void change_commit(struct master *master)
{
	struct master_change *change = &master->change;
	if (!change->active)
		return;
	manager_forget(&master->listening);
	listening_close(&master->listening, &change->listening);
	keys_destroy(master->keys);
	config_release(master->config);
	master->keys = change->keys;
	master->listening = change->listening;
	master->config = change->config;
	log_configure(master->config);
	say_log_use(master->loop, master->config);
	say_log_started();
	manager_store(&master->listening);
	*change = (struct master_change){.listening.admin = -1};
}

void change_forget(struct master *master)
{
	struct master_change *change = &master->change;
	if (!change->active)
		return;
	listening_close(&change->listening, &master->listening);
	keys_destroy(change->keys);
	config_release(change->config);
	*change = (struct master_change){.listening.admin = -1};
}

/* -- processes --------------------------------------------------------------------------------- */

int change_start_process(
        struct master *master, const char *user, struct grants *table, struct process **ret)
{
	struct process_options options = {
	        .loop = master->loop,
	        .program = master->program,
	        .verb = "@server",
	        .arguments = master->arguments,
	        .user = user,
	        .table = table,
	        .received = master->received,
	        .context = master,
	};
	return process_start(&options, ret);
}

int change_start_successor(struct master *master, struct grants *table)
{
	int error = grants_add(table, GRANT_SUCCESSOR, "", NULL, 0, -1);
	if (error == 0)
		error = change_start_process(
		        master, master->change.config->user, table, &master->starting);
	return error;
}
