/*
 * Orders a certificate again and again from the authority that tests/tls/test_acme_faults.py runs;
 * each allocation of the share, the session and the order fails once. However it ends, it ends:
 * with a reason, or with a certificate that is installed, and without proofs that are left.
 *
 * With the word `once`, no allocation fails, and one certificate is ordered, perhaps from an
 * authority that processes the order without end: it waits then, and is looked at once more.
 *
 * Usage: acme-order-faults URL TRUST DIRECTORY [DATABASE | once]. Prints the number of orders, or
 * how each of the two orders has ended.
 */
#include "../database/migrated.h"

#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme_order.h"
#include "acme_session_state.h"
#include "allocation.h"
#include "clock.h"
#include "service.h"

#include <weir/database.h>

#define NAME "a.example.org"

enum {
	TURNS_MAX = 20000,
	PAUSE_MS = 200,  /* of a turn in which nobody is waited for */
	SHARED_STEP = 4, /* with a database, whose own test has each allocation of the share */
};

static struct weir_loop *loop;
static struct acme_store *store;
static struct acme_share *share;
static struct acme_session *session;
static struct acme_order *order;
static struct config *config;
static struct config_listener listener;
static const char *names[] = {NAME};
static bool over, good, waits, stopped;
static char why[256];

static void end_badly(const char *text)
{
	over = true;
	snprintf(why, sizeof why, "%s", text);
}

static void on_end(void *context, const struct acme_order_end *end)
{
	(void)context;
	order = NULL;
	over = true;
	good = !end->why;
	waits = end->waits;
	if (end->why)
		end_badly(end->why);
}

static void on_start(void *context, const struct acme_reply *reply)
{
	struct acme_order_options options = {.loop = loop,
	        .session = session,
	        .share = share,
	        .acme = &config->acme,
	        .name = NAME,
	        .waited = waits,
	        .end = on_end};
	(void)context;
	if (!acme_reply_is_good(reply))
		end_badly(reply->why ? reply->why : "no reason");
	else if (acme_order_start(&options, &order) < 0)
		end_badly("no memory");
}

static void on_claim(void *context, int error, const char *reason)
{
	(void)context;
	if (error < 0)
		end_badly(reason);
	else
		acme_session_start(session, on_start, NULL);
}

static void on_changed(void *context, bool installed)
{
	(void)context, (void)installed;
}

static void on_lost(void *context)
{
	(void)context;
	acme_order_cancel(order);
	order = NULL;
	end_badly("the claim is lost");
}

static int open_share(void)
{
	struct acme_share_events events = {.changed = on_changed, .lost = on_lost};
	return config->store.database
	               ? acme_share_create_database(loop, config, store, &events, &share)
	               : acme_share_create_files(loop, store, &share);
}

/* Whether the authority or the database has something to do. */
static bool others_are_awaited(void)
{
	struct weir_database *database = config->store.database;
	return (session && session->call) || (database && migrated_awaits_server(database, loop));
}

static void turn_until(const bool *ended, const char *what)
{
	for (unsigned turn = 0; turn < TURNS_MAX && !*ended; turn++) {
		weir_loop_turn(loop, 1);
		clock_advance(others_are_awaited() ? WEIR_TIMER_TICK_MS : PAUSE_MS);
	}
	if (!*ended)
		errx(1, "%s does not end", what);
}

static void on_stopped(void *context, int error, const char *reason)
{
	(void)context, (void)error, (void)reason;
	stopped = true;
}

static void run(const struct config_authority *authority)
{
	over = good = stopped = false;
	*why = 0;
	session = NULL;
	share = NULL;
	if (open_share() < 0 ||
	        acme_session_create(loop, share, &config->acme, authority, &session) < 0)
		end_badly("no memory");
	else
		acme_share_claim(share, on_claim, NULL);
	turn_until(&over, "the order");
	acme_order_cancel(order);
	order = NULL;
	acme_session_destroy(session);
	session = NULL;
	if (share) {
		acme_share_stop(share, on_stopped, NULL);
		turn_until(&stopped, "the share");
	}
	acme_share_destroy(share);
	weir_loop_turn(loop, 0);
}

/* Returns the number of proofs. */
static unsigned proofs_in(const char *directory)
{
	char path[512];
	unsigned count = 0;
	snprintf(path, sizeof path, "%s/" ACME_CHALLENGES, directory);
	DIR *folder = opendir(path);
	for (struct dirent *entry; folder && (entry = readdir(folder));)
		count += entry->d_name[0] != '.';
	if (folder)
		closedir(folder);
	return count;
}

static void check_installed(void)
{
	struct weir_buffer chain = {0}, key = {0};
	if (acme_store_read_installed(store, NAME, &chain, &key) < 0 || !chain.size || !key.size)
		errx(1, "the certificate is not installed");
	weir_buffer_finish(&chain);
	weir_buffer_finish(&key);
}

static void open_database(const char *url)
{
	static const unsigned char key[WEIR_DATABASE_SEAL_SIZE] = "key";
	char reason[WEIR_POSTGRES_WHY_MAX];
	struct weir_postgres_options options;
	weir_postgres_options_init(&options);
	options.url = url;
	if (weir_database_create(&options, reason, &config->store.database) < 0)
		errx(1, "%s", reason);
	weir_database_set_seal(config->store.database, key);
	config->store.refresh_ms = 100;
	config->acme.lease_ms = 60 * 1000;
}

static void configure(struct config_authority *authority, const char *directory)
{
	config = config_create();
	if (!config)
		errx(1, "no memory");
	config->acme = (struct config_acme){
	        .config = config, .directory = (char *)(uintptr_t)directory, .http_01 = true};
	config->acme.authorities.items = authority;
	config->acme.authorities.count = 1;
	config->acme.managed.items = names;
	config->acme.managed.count = 1;
	listener.type = listener_type_find("http");
	config->listeners.items = &listener;
	config->listeners.count = 1;
}

static void check_end(const char *directory)
{
	if (!good && !*why)
		errx(1, "no reason");
	if (proofs_in(directory))
		errx(1, "a proof is left behind: %s", good ? "good" : why);
	if (good)
		check_installed();
}

static void run_all(const struct config_authority *authority, const char *directory, unsigned step)
{
	unsigned orders = 0;
	for (bool failed = true; failed; orders++) {
		fail_allocation_after(step * orders, false);
		run(authority);
		failed = stop_failing_allocations();
		if (!failed && !good)
			errx(1, "without a failure: %s", why);
		check_end(directory);
	}
	printf("%u\n", orders);
}

static void run_once(const struct config_authority *authority, const char *directory)
{
	for (unsigned i = 0; i < 2; i++) {
		int64_t began_s = weir_loop_wall_s(loop);
		run(authority);
		check_end(directory);
		printf("%s %d\n",
		        waits  ? "waits"
		        : good ? "good"
		               : why,
		        (int)(weir_loop_wall_s(loop) - began_s));
	}
}

int main(int argc, char **argv)
{
	if (argc != 4 && argc != 5)
		errx(2, "usage: acme-order-faults URL TRUST DIRECTORY [DATABASE | once]");
	struct config_authority authority = {.url = argv[1], .trust = argv[2]};
	bool once = argc == 5 && strcmp(argv[4], "once") == 0, shared = argc == 5 && !once;
	configure(&authority, argv[3]);
	if (shared)
		open_database(argv[4]);
	if (weir_loop_create(&loop) < 0 || acme_store_open(argv[3], &store) < 0)
		errx(1, "cannot begin");
	if (once)
		run_once(&authority, argv[3]);
	else
		run_all(&authority, argv[3], shared ? SHARED_STEP : 1);
	acme_store_close(store);
	if (shared) {
		weir_database_leave(config->store.database, loop);
		weir_database_release(config->store.database);
	}
	config_release(config);
	weir_loop_destroy(loop);
	return 0;
}
