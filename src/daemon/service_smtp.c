/*
 * SMTP in the daemon. A reload swaps users, routes and certificates of a server; all else it keeps
 * from its opening on, with the host that it delivers to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/mail_store.h>

#include "config_mail.h"
#include "kinds.h"
#include "mail_host.h"
#include "mail_log.h"
#include "service_mail.h"

struct smtp {
	struct weir_smtp_server *server;
	struct mail_host *host; /* outlives the server */
	struct service_options options;
};

static void accept_failed(void *context, int error)
{
	struct smtp *smtp = context;
	smtp->options.accept_failed(smtp->options.context, error);
}

static void tls_failed(void *context, const struct weir_address *peer, const char *why)
{
	struct smtp *smtp = context;
	smtp->options.tls_failed(smtp->options.context, peer, why);
}

static void log_event(void *context, const struct weir_smtp_event *event)
{
	struct smtp *smtp = context;
	const struct service_options *options = &smtp->options;
	mail_log_smtp(options->log, options->loop, options->kind->name, event);
}

/* Whoever may speak LMTP to us is a mail server: there is no AUTH. */
static struct weir_users *users_of(const struct smtp *smtp, const struct config *config)
{
	return smtp->options.kind->variant == WEIR_SMTP_LMTP ? NULL : config->mail.users;
}

static int create(struct smtp *smtp, const struct config *config)
{
	const struct service_options *options = &smtp->options;
	const struct config_mail *mail = &config->mail;
	char name[256];
	/* SMTP's times are longer than those of the daemon; the library has them. */
	struct weir_bounds bounds = options->bounds;
	bounds.idle_ms = bounds.request_ms = bounds.progress_ms = 0;
	return weir_smtp_create(options->loop,
	        &(struct weir_smtp_options){
	                .address = options->address,
	                .hostname = config_mail_hostname(mail, name, sizeof name),
	                .personality = (enum weir_smtp_personality)options->kind->variant,
	                .routes = mail->routes,
	                .users = users_of(smtp, config),
	                .guard = options->guard,
	                .local = &smtp->host->store->sink,
	                .relay = options->relay,
	                .tls = options->tls,
	                .implicit_tls = options->kind->secure,
	                .auth_in_clear = config_mail_is_inside(&options->address),
	                .networks = mail->networks.items,
	                .network_count = mail->networks.count,
	                .peers = smtp->host->peers,
	                .bounds = bounds,
	                .size_max = mail->limits.message_size,
	                .recipients_max = (unsigned)mail->limits.recipients,
	                .messages_max = (unsigned)mail->limits.messages,
	                .greeting_delay_ms = (uint32_t)mail->greeting_delay_ms,
	                .normalise = mail->normalise,
	                .shared = true,
	                .accept_failed = accept_failed,
	                .tls_failed = tls_failed,
	                .log = log_event,
	                .context = smtp,
	        },
	        &smtp->server);
}

static int open_server(const struct service_options *options, void **ret_server)
{
	const struct config *config = options->content;
	struct smtp *smtp = calloc(1, sizeof *smtp);
	if (!smtp)
		return -ENOMEM;
	smtp->options = *options;
	smtp->host = mail_host_hold(config->mail.host);
	int error = create(smtp, config);
	if (error < 0) {
		mail_host_release(smtp->host);
		free(smtp);
		return error;
	}
	*ret_server = smtp;
	return 0;
}

static void update(void *server, void *content, struct weir_tls *tls)
{
	struct smtp *smtp = server;
	const struct config *config = content;
	weir_smtp_set_users(smtp->server, users_of(smtp, config));
	weir_smtp_set_routes(smtp->server, config->mail.routes);
	if (tls)
		weir_smtp_set_tls(smtp->server, tls);
}

static struct weir_server *listener(void *server)
{
	return weir_smtp_listener(((struct smtp *)server)->server);
}

static void close_server(void *server)
{
	struct smtp *smtp = server;
	weir_smtp_destroy(smtp->server);
	mail_host_release(smtp->host);
	free(smtp);
}

/* -- the banner -------------------------------------------------------------------------------- */

static void print_content(const struct config *config)
{
	const struct config_mail *mail = &config->mail;
	printf("  mail for ");
	for (size_t i = 0; i < mail->domains.count; i++)
		printf("%s%s", i ? ", " : "", mail->domains.items[i]);
	printf(": %s\n", mail->directory);
}

static void print_commands(const struct config *config, const char *url)
{
	const char *insecure = strncmp(url, "smtps:", 6) == 0 ? "-k " : "";
	if (strncmp(url, "lmtp:", 5) == 0)
		return;
	printf("  printf 'Subject: hello\\n\\nhello\\n' | curl %s--crlf --mail-from USER@%s "
	       "--mail-rcpt USER@%s -T - -u USER %s\n",
	        insecure, config->mail.domains.items[0], config->mail.domains.items[0], url);
}

const struct service_type service_smtp = {
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
