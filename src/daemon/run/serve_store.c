/*
 * The wait of a start for the database. All parts begin at one moment, with their copies on disk,
 * and ask the database side by side; the listeners open when all have its answer, or the wait is
 * over:
 *
 *   it does not reply       STORE_START_MS, or STORE_LOAD_MS if there is no copy of the users (or
 *                           `wait`, if that is less)
 *   it cannot be reached    STORE_START_MS or `wait`; not at all, if all parts have a copy
 *   it replies              until all rows are there; STORE_LOAD_MS
 *
 * Invariant: nothing here is in effect yet: the loop turns before there are workers.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include <weir/database.h>
#include <weir/database_copy.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "dns_stored.h"
#include "helper.h"
#include "resources.h"
#include "say.h"
#include "serve_state.h"
#include "service_dns.h"
#include "store.h"
#include "store_schema.h"
#include "store_users.h"
#include "worker.h"

enum {
	SERVE_STORE_TURN_MS = 100,
};

/* The state of all snapshots at this moment. */
struct serve_store_state {
	bool answered; /* the database has replied to all, be it by an error */
	bool present;  /* all have something to serve */
	bool users;    /* the users have, or are not in the database */
	bool reading;  /* from the disk */
};

static bool serve_store_is_users(const char *snapshot)
{
	return strcmp(snapshot, store_snapshots[STORE_SNAPSHOT_USERS].name) == 0;
}

static struct serve_store_state serve_store_look(const struct daemon *daemon)
{
	const struct dns_stored *stored = dns_shared_stored(daemon->dns);
	struct serve_store_state state = {.answered = !dns_stored_is_reading(stored, false),
	        .present = true,
	        .users = true,
	        .reading = dns_stored_is_reading(stored, true)};
	struct weir_database_snapshot_info info;
	const char *name;
	for (size_t i = 0; store_report_find(&daemon->store, i, &name, &info); i++) {
		state.answered &= info.origin == WEIR_DATABASE_ROWS || info.failures > 0;
		state.present &= info.origin != WEIR_DATABASE_NOTHING;
		state.users &= info.origin != WEIR_DATABASE_NOTHING || !serve_store_is_users(name);
		state.reading |= info.reading;
	}
	return state;
}

static bool serve_store_is_refused(const struct daemon *daemon)
{
	struct weir_postgres *pool;
	return weir_database_pool(daemon->database, daemon->loop, &pool) == 0 &&
	       weir_postgres_failure(pool);
}

/* Returns for how long it is to be waited yet, in ms; 0: no longer. */
static int64_t serve_store_left(
        const struct daemon *daemon, const struct config *config, int64_t passed_ms)
{
	struct serve_store_state state = serve_store_look(daemon);
	bool replied = store_schema_replied(daemon->schema);
	if (daemon->stop_signals || (state.answered && replied) ||
	        store_schema_lacks(daemon->schema))
		return 0;
	if (state.reading || replied)
		return STORE_LOAD_MS - passed_ms;
	bool refused = serve_store_is_refused(daemon);
	if (state.present && refused)
		return 0;
	/* Without users a start fails, while a database under load may reply late. */
	if (!state.users && !refused)
		return min_of((int64_t)config->store.wait_ms, (int64_t)STORE_LOAD_MS) - passed_ms;
	return (int64_t)store_start_ms(config) - passed_ms;
}

static int serve_store_await(struct daemon *daemon, const struct config *config)
{
	int64_t begin_ms = weir_loop_now_ms(daemon->loop), left_ms;
	int error = 0;
	while (error >= 0 && (left_ms = serve_store_left(daemon, config,
	                              weir_loop_now_ms(daemon->loop) - begin_ms)) > 0)
		error = weir_loop_turn(daemon->loop,
		        left_ms < SERVE_STORE_TURN_MS ? (int)left_ms : SERVE_STORE_TURN_MS);
	if (error < 0)
		say("cannot wait for the database: %s", weir_error_text(error));
	return error;
}

/* Why the database was of no use, for a line of the log. */
static const char *serve_store_why(
        const struct daemon *daemon, const struct weir_database_snapshot_info *info)
{
	struct weir_postgres *pool;
	const char *why = NULL;
	if (info && info->failing)
		return info->why;
	if (weir_database_pool(daemon->database, daemon->loop, &pool) == 0)
		why = weir_postgres_failure(pool);
	return why ? why : "it does not reply";
}

static int serve_store_report(const struct daemon *daemon, const struct config *config)
{
	struct weir_database_snapshot_info info, users;
	bool has_users = store_users_info(daemon->users, &users);
	const char *name;
	if (store_schema_lacks(daemon->schema))
		return -EPROTO; /* it was reported */
	for (size_t i = 0; store_report_find(&daemon->store, i, &name, &info); i++)
		if (info.origin == WEIR_DATABASE_COPY)
			say_at(WEIR_LOG_WARNING,
			        "the %s of the database are those of the copy %s/%s, confirmed "
			        "%.0f s ago: %s",
			        name, config->store.directory, name,
			        store_report_age(&daemon->store, &info),
			        serve_store_why(daemon, &info));
		else if (info.origin == WEIR_DATABASE_NOTHING && !serve_store_is_users(name))
			say_at(WEIR_LOG_WARNING,
			        "there are no %s of the database, and no copy of them: %s", name,
			        serve_store_why(daemon, &info));
	return store_users_check(daemon->users, serve_store_why(daemon, has_users ? &users : NULL));
}

static int serve_store_create(struct daemon *daemon, struct config *config)
{
	int error = store_schema_follow(daemon->loop, config, &daemon->schema);
	if (error == 0)
		error = store_users_create(
		        daemon->loop, config, serve_renew, daemon, &daemon->users);
	if (error == 0)
		stored_certificates_use(daemon->certificates, config);
	return error;
}

/* Without it there are no copies; each that is written reports that. */
static void serve_store_make_directory(const struct config *config)
{
	const char *directory = config->store.directory;
	int error = directory ? resources_make_directory(config, directory) : 0;
	if (error < 0)
		say("cannot keep copies in %s: %s", directory, weir_error_text(error));
}

/* Files of the server's user alone are there, so this runs as that user. */
static void serve_store_clean_directory(const struct config *config)
{
	const char *directory = config->store.directory;
	int error = directory ? weir_database_copies_clean(directory) : 0;
	if (error < 0 && error != -ENOENT)
		say("cannot remove unfinished copies in %s: %s", directory, weir_error_text(error));
}

int serve_store_start(struct daemon *daemon, struct config *config)
{
	if (!daemon->database)
		return 0;
	serve_store_make_directory(config);
	/* Threads of the pool begin here; resources_become sets it for others. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* The server of the database knows the user by its socket, and copies belong to it. */
	int error = resources_lend(config->user);
	if (error < 0)
		return error;
	serve_store_clean_directory(config);
	error = serve_store_create(daemon, config);
	if (error == 0)
		error = serve_store_await(daemon, config);
	resources_return();
	return error < 0 ? error : serve_store_report(daemon, config);
}
