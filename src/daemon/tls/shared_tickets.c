/*
 * Each service derives keys of its own from the secrets, so that a session of one protocol is not
 * resumed by another.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_secrets.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/tls.h>

#include "say.h"
#include "service.h"
#include "shared_tickets.h"
#include "store.h"

struct shared_tickets {
	struct weir_loop *loop;
	struct config *config; /* in use; NULL at first */
	struct weir_database_secrets *secrets;
	size_t count;
	struct weir_database_secret known[WEIR_DATABASE_SECRETS_MAX];
	int64_t known_ms; /* of the loop's clock: when their ages were right */
};

static const char *const shared_tickets_labels[SERVICE_COUNT] = {
        [SERVICE_HTTP] = "http",
        [SERVICE_SMTP] = "smtp",
        [SERVICE_POP3] = "pop3",
        [SERVICE_FTP] = "ftp",
        [SERVICE_DNS] = "dns",
};

static void shared_tickets_set(const struct shared_tickets *tickets)
{
	struct weir_tls_ticket_secret secrets[WEIR_DATABASE_SECRETS_MAX];
	int64_t passed_s = (weir_loop_now_ms(tickets->loop) - tickets->known_ms) / 1000;
	int error = 0;
	if (!tickets->config || tickets->count == 0)
		return;
	for (size_t i = 0; i < tickets->count; i++) {
		memcpy(secrets[i].bytes, tickets->known[i].bytes, sizeof secrets[i].bytes);
		secrets[i].age_s = tickets->known[i].age_s + passed_s;
	}
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		struct weir_tls *tls = tickets->config->tls.of[i];
		int failed = tls ? weir_tls_set_ticket_secrets(
		                           tls, shared_tickets_labels[i], secrets, tickets->count)
		                 : 0;
		error = error ? error : failed;
	}
	explicit_bzero(secrets, sizeof secrets);
	if (error < 0)
		say("sessions of TLS are not resumed on other front ends: %s",
		        weir_error_text(error));
}

static void shared_tickets_on_changed(
        void *context, const struct weir_database_secret *secrets, size_t count)
{
	struct shared_tickets *tickets = context;
	memcpy(tickets->known, secrets, count * sizeof *secrets);
	tickets->count = count;
	tickets->known_ms = weir_loop_now_ms(tickets->loop);
	shared_tickets_set(tickets);
}

static void shared_tickets_on_failed(void *context, const char *why)
{
	(void)context;
	say_at(WEIR_LOG_WARNING,
	        "the keys of session tickets are not renewed from the database: %s", why);
}

int shared_tickets_create(
        struct weir_loop *loop, const struct config *config, struct shared_tickets **ret)
{
	struct weir_database *database = store_database(config, STORE_KEYS);
	struct weir_database_secrets_options options;
	*ret = NULL;
	if (!database)
		return 0;
	struct shared_tickets *tickets = calloc(1, sizeof *tickets);
	if (!tickets) {
		say("out of memory");
		return -ENOMEM;
	}
	tickets->loop = loop;
	weir_database_secrets_options_init(&options);
	options.purpose = store_snapshots[STORE_SNAPSHOT_TICKETS].source;
	options.period_s = WEIR_TLS_TICKET_ROTATE_S;
	options.changed = shared_tickets_on_changed;
	options.failed = shared_tickets_on_failed;
	options.warn = store_on_copy_warning;
	options.context = tickets;
	char *copy;
	int error = store_copy_path(config, STORE_SNAPSHOT_TICKETS, &copy);
	options.copy = copy;
	if (error == 0)
		error = weir_database_secrets_create(database, loop, &options, &tickets->secrets);
	free(copy);
	if (error < 0) {
		say("cannot share the keys of session tickets: %s", weir_error_text(error));
		free(tickets);
	} else {
		*ret = tickets;
	}
	return error;
}

void shared_tickets_use(struct shared_tickets *tickets, struct config *config)
{
	if (!tickets)
		return;
	config_release(tickets->config);
	tickets->config = config_hold(config);
	shared_tickets_set(tickets);
}

bool shared_tickets_info(
        const struct shared_tickets *tickets, struct weir_database_snapshot_info *ret)
{
	if (tickets)
		weir_database_secrets_info(tickets->secrets, ret);
	return tickets;
}

void shared_tickets_destroy(struct shared_tickets *tickets)
{
	if (!tickets)
		return;
	weir_database_secrets_destroy(tickets->secrets);
	config_release(tickets->config);
	explicit_bzero(tickets->known, sizeof tickets->known);
	free(tickets);
}
