/*
 * Certificates that are obtained, in a daemon without a master: on the main loop, which serves no
 * client. With a master there is a process of its own (acme_process.h).
 *
 * New certificates are used by a reload of the configuration in effect, out of the table of its
 * sources: its files are not read again, since the operator may be changing them.
 */
#include <errno.h>

#include <weir/error.h>

#include "acme.h"
#include "config_acme.h"
#include "grants.h"
#include "link.h"
#include "say.h"
#include "serve.h"
#include "serve_state.h"
#include "sources.h"

static void serve_certificates_set_next(struct daemon *daemon, struct grants *table)
{
	grants_destroy(daemon->next_sources);
	daemon->next_sources = table;
}

struct config *serve_certificates_load(struct daemon *daemon, bool repeat)
{
	struct grants *table = grants_create(0), *from = NULL;
	int error = !table ? -ENOMEM : repeat ? grants_copy(daemon->sources, &from) : 0;
	if (error < 0) {
		say("the configuration cannot be read: %s", weir_error_text(error));
		grants_destroy(table);
		return NULL;
	}
	if (repeat)
		sources_repeat(from, table, false);
	else
		sources_keep(table);
	struct config *config = config_load(daemon->options, daemon->config);
	error = sources_end();
	grants_destroy(from);
	if (config && error == 0) {
		serve_certificates_set_next(daemon, table);
		return config;
	}
	if (config)
		say("the configuration cannot be recorded: %s", weir_error_text(error));
	grants_destroy(table);
	config_release(config);
	return NULL;
}

static void serve_certificates_on_changed(void *context)
{
	struct daemon *daemon = context;
	struct config *config = daemon->stop_signals ? NULL : serve_certificates_load(daemon, true);
	int error = config ? serve_use_config(daemon, config) : -EINVAL;
	if (error == 0) {
		grants_destroy(daemon->sources);
		daemon->sources = daemon->next_sources;
		daemon->next_sources = NULL;
		say_at(WEIR_LOG_INFO, "the new certificates are in use");
	} else if (daemon->stop_signals == 0) {
		say("the new certificates are not used yet");
	}
	acme_use_ended(daemon->acme, error);
}

/* Without it, what is there is served. */
static void serve_certificates_start(struct daemon *daemon)
{
	struct config *config = daemon->config;
	config_release(daemon->acme_config);
	daemon->acme_config = config_hold(config);
	if (config->acme.managed.count && config_acme_make_directories(config) == 0)
		acme_create(
		        daemon->loop, config, serve_certificates_on_changed, daemon, &daemon->acme);
}

static void serve_certificates_on_stopped(void *context)
{
	struct daemon *daemon = context;
	daemon->acme_stopping = false;
	acme_destroy(daemon->acme);
	daemon->acme = NULL;
	if (daemon->stop_signals)
		serve_end_if_done(daemon);
	else
		serve_certificates_start(daemon);
}

void serve_certificates_stop(struct daemon *daemon)
{
	if (daemon->acme && !daemon->acme_stopping)
		daemon->acme_stopping =
		        acme_stop(daemon->acme, serve_certificates_on_stopped, daemon);
}

void serve_certificates_use(struct daemon *daemon)
{
	if (link_active())
		return;
	grants_destroy(daemon->sources);
	daemon->sources = daemon->next_sources;
	daemon->next_sources = NULL;
	if (daemon->acme_stopping || config_acme_same(daemon->acme_config, daemon->config))
		return;
	serve_certificates_stop(daemon);
	if (daemon->acme_stopping)
		return; /* its end goes on with the configuration in effect then */
	acme_destroy(daemon->acme);
	daemon->acme = NULL;
	serve_certificates_start(daemon);
}

void serve_certificates_finish(struct daemon *daemon)
{
	acme_destroy(daemon->acme);
	config_release(daemon->acme_config);
	grants_destroy(daemon->sources);
	grants_destroy(daemon->next_sources);
}
