/*
 * One loop that serves mail and files by libweir, for measuring before the daemon does:
 * services smtp|pop3|ftp PORT DIRECTORY USERS
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <weir/ftp.h>
#include <weir/loop.h>
#include <weir/mail_routes.h>
#include <weir/mail_store.h>
#include <weir/pop3.h>
#include <weir/smtp.h>
#include <weir/tree.h>
#include <weir/users.h>

static void check(int error, const char *what)
{
	if (error < 0)
		errx(1, "%s: %d", what, error);
}

static void serve_smtp(struct weir_loop *loop, struct weir_address address, const char *directory,
        struct weir_users *users)
{
	const char *domains[] = {"bench.example", NULL};
	struct weir_mail_routes_options routing = {.domains = domains, .users = users};
	struct weir_smtp_options options = {.address = address, .hostname = "bench.example", .messages_max = 1000000000};
	struct weir_mail_store *store;
	struct weir_smtp_server *server;
	check(weir_mail_routes_load(NULL, &routing, NULL, NULL, &options.routes), "routes");
	check(weir_maildir_create(directory, NULL, &store), directory);
	options.local = &store->sink;
	check(weir_smtp_create(loop, &options, &server), "smtp");
}

static void serve_pop3(struct weir_loop *loop, struct weir_address address, const char *directory,
        struct weir_users *users)
{
	struct weir_pop3_options options = {.address = address, .users = users, .login_ms = 3600000,
	        .bounds = {.idle_ms = 3600000}};
	struct weir_pop3_server *server;
	check(weir_maildir_create(directory, NULL, &options.store), directory);
	check(weir_pop3_create(loop, &options, &server), "pop3");
}

static void serve_ftp(struct weir_loop *loop, struct weir_address address, const char *directory,
        struct weir_users *users)
{
	struct weir_ftp_options options = {.address = address,
	        .rules = {.users = users, .writable = true, .anonymous_writes = true, .sessions_max = 20000}};
	struct weir_ftp_server *server;
	check(weir_tree_open(loop, directory, NULL, &options.tree), directory);
	check(weir_ftp_create(loop, &options, &server), "ftp");
}

int main(int argc, char **argv)
{
	char text[32];
	struct weir_address address;
	struct weir_users *users;
	struct weir_loop *loop;
	if (argc != 5)
		errx(2, "usage: services smtp|pop3|ftp PORT DIRECTORY USERS");
	int size = snprintf(text, sizeof text, "127.0.0.1:%s", argv[2]);
	check(weir_address_parse(weir_span(text, (size_t)size), &address), text);
	check(weir_users_load(argv[4], NULL, NULL, &users), argv[4]);
	check(weir_loop_create(&loop), "loop");
	void (*serve)(struct weir_loop *, struct weir_address, const char *, struct weir_users *) =
	        *argv[1] == 's' ? serve_smtp : *argv[1] == 'p' ? serve_pop3 : serve_ftp;
	serve(loop, address, argv[3], users);
	return weir_loop_run(loop) < 0;
}
