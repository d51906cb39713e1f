/*
 * Orders a certificate again and again from the authority that tests/tls/test_acme_faults.py runs;
 * each allocation of the session and the order fails once. However it ends, it ends: with a reason,
 * or with a certificate that is installed, and without proofs that are left.
 *
 * Usage: acme-order-faults URL TRUST DIRECTORY. Prints the number of orders.
 */
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme_order.h"
#include "allocation.h"
#include "clock.h"
#include "service.h"

#define NAME "a.example.org"

enum {
	TURNS_MAX = 20000,
};

static struct weir_loop *loop;
static struct acme_store *store;
static struct acme_share *share;
static struct acme_session *session;
static struct acme_order *order;
static struct config config;
static struct config_listener listener;
static bool over, good;
static char why[256];

static void fail(const char *text)
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
	if (end->why)
		fail(end->why);
}

static void on_start(void *context, const struct acme_reply *reply)
{
	struct acme_order_options options = {.loop = loop,
	        .session = session,
	        .share = share,
	        .acme = &config.acme,
	        .name = NAME,
	        .end = on_end};
	(void)context;
	if (!acme_reply_is_good(reply))
		fail(reply->why ? reply->why : "no reason");
	else if (acme_order_start(&options, &order) < 0)
		fail("no memory");
}

static void run(const struct config_authority *authority)
{
	over = good = false;
	*why = 0;
	session = NULL;
	if (acme_session_create(loop, share, &config.acme, authority, &session) < 0)
		fail("no memory");
	else
		acme_session_start(session, on_start, NULL);
	for (unsigned turn = 0; turn < TURNS_MAX && !over; turn++) {
		weir_loop_turn(loop, 1);
		clock_advance(WEIR_TIMER_TICK_MS);
	}
	if (!over)
		errx(1, "the order does not end");
	acme_order_cancel(order);
	acme_session_destroy(session);
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

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: acme-order-faults URL TRUST DIRECTORY");
	struct config_authority authority = {.url = argv[1], .trust = argv[2]};
	config.acme =
	        (struct config_acme){.config = &config, .directory = argv[3], .http_01 = true};
	config.acme.authorities.items = &authority;
	config.acme.authorities.count = 1;
	listener.type = listener_type_find("http");
	config.listeners.items = &listener;
	config.listeners.count = 1;
	if (weir_loop_create(&loop) < 0 || acme_store_open(argv[3], &store) < 0 ||
	        acme_share_create_files(loop, store, &share) < 0)
		errx(1, "cannot begin");
	unsigned orders = 0;
	for (bool failed = true; failed; orders++) {
		fail_allocation_after(orders, false);
		run(&authority);
		failed = stop_failing_allocations();
		if (!failed && !good)
			errx(1, "without a failure: %s", why);
		if (!good && !*why)
			errx(1, "no reason");
		if (proofs_in(argv[3]))
			errx(1, "a proof is left behind: %s", good ? "good" : why);
		if (good)
			check_installed();
	}
	printf("%u\n", orders);
	acme_share_destroy(share);
	acme_store_close(store);
	weir_loop_destroy(loop);
	return 0;
}
