/* POP3 in the daemon. As with SMTP, a reload swaps users and certificates, and the rest stays. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kinds.h"
#include "mail_host.h"
#include "mail_log.h"
#include "service_mail.h"

struct pop3 {
	struct weir_pop3_server *server;
	struct mail_host *host; /* outlives the server */
	struct service_options options;
};

static void accept_failed(void *context, int error)
{
	struct pop3 *pop3 = context;
	pop3->options.accept_failed(pop3->options.context, error);
}

static void tls_failed(void *context, const struct weir_address *peer, const char *why)
{
	struct pop3 *pop3 = context;
	pop3->options.tls_failed(pop3->options.context, peer, why);
}

static void log_event(void *context, const struct weir_pop3_event *event)
{
	struct pop3 *pop3 = context;
	const struct service_options *options = &pop3->options;
	mail_log_pop3(options->log, options->loop, options->kind->name, event);
}

static int create(struct pop3 *pop3, const struct config *config)
{
	const struct service_options *options = &pop3->options;
	/* POP3's times are longer than those of the daemon; the library has them. */
	struct weir_bounds bounds = options->bounds;
	bounds.idle_ms = bounds.request_ms = bounds.progress_ms = 0;
	return weir_pop3_create(options->loop,
	        &(struct weir_pop3_options){
	                .address = options->address,
	                .store = pop3->host->store,
	                .users = config->mail.users,
	                .guard = options->guard,
	                .peers = pop3->host->peers,
	                .tls = options->tls,
	                .implicit_tls = options->kind->secure,
	                .bounds = bounds,
	                .shared = true,
	                .accept_failed = accept_failed,
	                .tls_failed = tls_failed,
	                .log = log_event,
	                .context = pop3,
	        },
	        &pop3->server);
}

static int open_server(const struct service_options *options, void **ret_server)
{
	const struct config *config = options->content;
	struct pop3 *pop3 = calloc(1, sizeof *pop3);
	if (!pop3)
		return -ENOMEM;
	pop3->options = *options;
	pop3->host = mail_host_hold(config->mail.host);
	int error = create(pop3, config);
	if (error < 0) {
		mail_host_release(pop3->host);
		free(pop3);
		return error;
	}
	*ret_server = pop3;
	return 0;
}

static void update(void *server, void *content, struct weir_tls *tls)
{
	struct pop3 *pop3 = server;
	const struct config *config = content;
	weir_pop3_set_users(pop3->server, config->mail.users);
	if (tls)
		weir_pop3_set_tls(pop3->server, tls);
}

static struct weir_server *listener(void *server)
{
	return weir_pop3_listener(((struct pop3 *)server)->server);
}

static void close_server(void *server)
{
	struct pop3 *pop3 = server;
	weir_pop3_destroy(pop3->server);
	mail_host_release(pop3->host);
	free(pop3);
}

/* -- the banner -------------------------------------------------------------------------------- */

static void print_content(const struct config *config)
{
	printf("  mailboxes of %zu user%s\n", weir_users_count(config->mail.users),
	        weir_users_count(config->mail.users) == 1 ? "" : "s");
}

static void print_commands(const struct config *config, const char *url)
{
	(void)config;
	printf("  curl %s-u USER %s1\n", strncmp(url, "pop3s:", 6) == 0 ? "-k " : "", url);
}

/* Who asks for another protocol was led here by somebody else (ALPACA). */
static const char *const alpn[] = {"pop3", NULL};

const struct service_type service_pop3 = {
        .alpn = alpn,
        .section = "mail",
        .log = LOG_MAIL,
        .load = mail_host_load,
        .unload = mail_host_unload,
        .open = open_server,
        .update = update,
        .listener = listener,
        .close = close_server,
        .print_content = print_content,
        .print_commands = print_commands,
};
