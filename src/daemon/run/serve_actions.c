/* What signals, commands and the master ask of the main thread: the end, new logs, a reload. */
#include <unistd.h>

#include <weir/limits.h>
#include <weir/log.h>

#include "cli.h"
#include "link.h"
#include "mail_relay.h"
#include "say.h"
#include "say_log.h"
#include "serve.h"
#include "serve_state.h"
#include "service_dns.h"
#include "worker.h"

/* Workers that end take no change. */
void serve_renew(void *context)
{
	struct daemon *daemon = context;
	for (unsigned i = 0; i < daemon->worker_count && daemon->stop_signals == 0; i++)
		worker_renew(daemon->workers[i]);
}

void serve_stop(struct daemon *daemon)
{
	daemon->stop_signals++;
	if (daemon->stop_signals > 2)
		_exit(EXIT_FAILED);
	if (daemon->stop_signals == 2) {
		say_at(WEIR_LOG_INFO, "ending at once");
		daemon->failed = true;
		if (daemon->acme_stopping)
			serve_end_if_done(daemon);
	} else if (!link_active()) {
		notify_stopping();
	}
	serve_certificates_stop(daemon);
	/* A start waits for the database before a configuration is in effect. */
	uint64_t drain_ms = daemon->config ? daemon->config->limits.drain_ms : 0;
	mail_relay_drain(daemon->relay, daemon->stop_signals > 1 ? 0
	                                : drain_ms               ? (uint32_t)drain_ms
	                                                         : WEIR_DRAIN_MS);
	for (unsigned i = 0; i < daemon->worker_count; i++) {
		if (daemon->stop_signals == 1)
			worker_stop(daemon->workers[i]);
		else
			worker_kill(daemon->workers[i]);
	}
}

void serve_reopen_logs(struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->worker_count; i++)
		worker_reopen_logs(daemon->workers[i]);
	mail_relay_reopen_log(daemon->relay);
	say_log_reopen();
	dns_shared_reopen_log(daemon->dns);
}

/* Logs come first: they are reopened even if the configuration is refused. */
bool serve_reload(struct daemon *daemon)
{
	notify_reloading();
	serve_reopen_logs(daemon);
	struct config *config = serve_certificates_load(daemon, false);
	const char *path = daemon->options->config_path;
	if (config && config_is_separated(config))
		say_at(WEIR_LOG_WARNING, "'privilege-separation' changes at the next start");
	if (config && serve_use_config(daemon, config) == 0) {
		serve_certificates_use(daemon);
		say_at(WEIR_LOG_INFO, "reloaded%s%s", path ? " " : "", path ? path : "");
		notify_ready("Serving");
		return true;
	}
	say("not reloaded: the previous configuration stays in effect");
	notify_ready("Serving by the previous configuration: the last one was refused");
	return false;
}
