/*
 * An FTP server for real clients: `ftp-serve ROOT PORT [users=FILE] [cert=PEM] [key=PEM]
 * [option]…`, with the options writable, whole, hidden, implicit, tls, reuse, ports=A-B. It prints
 * its address and a line for each event, and ends on SIGTERM or SIGINT.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/ftp.h>
#include <weir/loop.h>
#include <weir/tls.h>
#include <weir/tree.h>
#include <weir/users.h>

struct serve {
	struct weir_loop *loop;
	struct weir_signals signals;
	struct weir_ftp_options options;
	struct weir_tls_certificate certificate;
	const char *users;
};

static void on_signal(struct weir_signals *signals, int signal)
{
	(void)signal;
	weir_loop_stop(signals->loop);
}

static void on_event(void *context, const struct weir_ftp_event *event)
{
	char peer[WEIR_ADDRESS_TEXT_MAX];
	(void)context;
	weir_address_format(event->peer, peer);
	printf("%s %s %s %s %llu bytes %llu ms %u %s%s\n", peer, event->user,
	        event->verb                     ? event->verb
	        : event->kind == WEIR_FTP_LOGIN ? "login"
	                                        : "logout",
	        event->path ? event->path : "-", (unsigned long long)event->bytes,
	        (unsigned long long)event->time_ms, event->code,
	        event->error ? weir_error_text(event->error) : "ok", event->secure ? " tls" : "");
	fflush(stdout);
}

static void report(void *context, const char *path, const char *text)
{
	(void)context;
	fprintf(stderr, "%s: %s\n", path, text);
}

static void must(int error, const char *what)
{
	if (error >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, weir_error_text(error));
	exit(1);
}

static void set_option(struct serve *serve, const char *word)
{
	struct weir_ftp_rules *rules = &serve->options.rules;
	unsigned first, last;
	if (!strncmp(word, "users=", 6))
		serve->users = word + 6;
	else if (!strncmp(word, "cert=", 5))
		serve->certificate.chain = word + 5;
	else if (!strncmp(word, "key=", 4))
		serve->certificate.key = word + 4;
	else if (!strcmp(word, "writable"))
		rules->writable = true;
	else if (!strcmp(word, "anonymous-writes"))
		rules->anonymous_writes = true;
	else if (!strcmp(word, "whole"))
		rules->uploads = WEIR_FTP_WHOLE;
	else if (!strcmp(word, "hidden"))
		rules->hidden = true;
	else if (!strcmp(word, "implicit"))
		serve->options.listener.tls_upgrade = false;
	else if (!strcmp(word, "tls"))
		rules->tls_required = true;
	else if (!strcmp(word, "reuse"))
		rules->reuse = WEIR_FTP_REUSE_REQUIRE;
	else if (!strcmp(word, "quiet"))
		serve->options.log = NULL;
	else if (sscanf(word, "ports=%u-%u", &first, &last) == 2) {
		must(weir_ftp_ports_create((uint16_t)first, (uint16_t)last, &rules->ports), word);
	} else
		must(WEIR_E_SYNTAX, word);
}

int main(int argc, char **argv)
{
	static const int signals[] = {SIGTERM, SIGINT, 0};
	struct serve serve = {0};
	struct weir_ftp_server *server;
	char text[WEIR_ADDRESS_TEXT_MAX];
	if (argc < 3)
		return 2;
	weir_ftp_options_init(&serve.options);
	serve.options.log = on_event;
	serve.options.listener.tls_upgrade = true;
	snprintf(text, sizeof text, "127.0.0.1:%s", argv[2]);
	must(weir_address_parse(weir_span_of(text), &serve.options.listener.address), argv[2]);
	for (int i = 3; i < argc; i++)
		set_option(&serve, argv[i]);
	must(weir_loop_create(&serve.loop), "loop");
	must(weir_signals_start(serve.loop, &serve.signals, signals, on_signal), "signals");
	must(weir_tree_open(NULL, argv[1], NULL, &serve.options.tree), argv[1]);
	if (serve.users)
		must(weir_users_load(serve.users, NULL, NULL, &serve.options.rules.users),
		        serve.users);
	if (serve.certificate.chain)
		must(weir_tls_server_create(
		             &(struct weir_tls_options){
		                     .certificates = &serve.certificate, .count = 1},
		             report, NULL, &serve.options.listener.tls),
		        serve.certificate.chain);
	must(weir_ftp_create(serve.loop, &serve.options, &server), "server");
	weir_users_release(serve.options.rules.users);
	weir_tls_release(serve.options.listener.tls);
	weir_ftp_ports_release(serve.options.rules.ports);
	weir_address_format(weir_server_address(weir_ftp_listener(server)), text);
	printf("%s\n", text);
	fflush(stdout);
	weir_loop_run(serve.loop);
	weir_ftp_destroy(server);
	for (int i = 0; i < 100; i++)
		weir_loop_turn(serve.loop, 1);
	weir_signals_stop(&serve.signals);
	weir_loop_destroy(serve.loop);
	return 0;
}
