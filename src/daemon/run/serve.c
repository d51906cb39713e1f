/*
 * The daemon's main thread: it starts the workers, and then waits for signals.
 *
 *   SIGHUP            reloads the configuration and the certificates, and reopens the logs
 *   SIGUSR1           reopens the logs, and nothing else
 *   SIGTERM, SIGINT   finish the requests in flight and end; the second time, end at once
 *   others            as SIGTERM, where the default would end the process
 *
 * Invariant: all workers serve one configuration. A change is prepared on all of them first, and is
 * committed only if none has failed (see worker.h). The servers of one worker are in serving.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/bans.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/permits.h>
#include <weir/rates.h>
#include <weir/sasl_guard.h>

#include "cli.h"
#include "config_dns.h"
#include "link.h"
#include "log_file.h"
#include "mail_relay.h"
#include "resources.h"
#include "say.h"
#include "serve.h"
#include "serve_state.h"
#include "service_dns.h"
#include "service_mail.h"
#include "worker.h"

/* -- serving a configuration ------------------------------------------------------------------- */

/* idle_ms and replies_max are 0 if they are not configured: see service_set_listener. */
static struct weir_bounds serve_bounds_of(
        const struct config *config, struct weir_permits *permits, struct budget budget)
{
	struct weir_bounds bounds;
	weir_bounds_init(&bounds);
	bounds.replies_max = (unsigned)config->limits.replies;
	bounds.idle_ms = (uint32_t)config->limits.idle_ms;
	bounds.request_ms = (uint32_t)config->limits.request_ms;
	bounds.progress_ms = (uint32_t)config->limits.progress_ms;
	bounds.drain_ms = (uint32_t)config->limits.drain_ms;
	bounds.channels_max = budget.connections;
	bounds.permits = permits;
	return bounds;
}

/* Sets the size of the pool of connections. */
static struct budget serve_set_permits(struct daemon *daemon, const struct config *config)
{
	struct budget budget = resources_budget(config, daemon->files, daemon->worker_count);
	weir_permits_set(daemon->permits, budget.connections, budget.reserved);
	return budget;
}

/* Applies a configuration to all workers, or to none. */
static int serve_apply(struct daemon *daemon, struct config *config,
        const struct endpoint_list *endpoints, unsigned replace)
{
	struct budget budget = serve_set_permits(daemon, config);
	struct server_plan plan = {
	        .endpoints = endpoints->items,
	        .count = endpoints->count,
	        .logs = config->logs,
	        .user = config->user,
	        .guard = daemon->guard,
	        .relay = mail_relay_sink(daemon->relay),
	        .dns = daemon->dns,
	        .workers = daemon->worker_count,
	        .bounds = serve_bounds_of(config, daemon->permits, budget),
	        .replace = replace,
	};
	for (unsigned i = 0; i < daemon->worker_count; i++) {
		int error = service_states_load(config, budget, &plan.states);
		if (error == 0)
			error = worker_prepare(daemon->workers[i], &plan);
		if (error == 0)
			continue;
		while (i-- > 0)
			worker_forget(daemon->workers[i]);
		if (daemon->config)
			serve_set_permits(daemon, daemon->config);
		return error;
	}
	for (unsigned i = 0; i < daemon->worker_count; i++)
		worker_commit(daemon->workers[i]);
	return 0;
}

/* Without memory the old settings stay in effect. */
static void serve_set_guard(struct daemon *daemon, const struct config_guard *config)
{
	struct weir_guard_options options;
	weir_guard_options_init(&options);
	options.enabled = config->enabled;
	options.threshold = (unsigned)config->threshold;
	options.first_ms = (uint32_t)config->first_ms;
	options.most_ms = (uint32_t)config->most_ms;
	options.decay_ms = (uint32_t)config->decay_ms;
	options.exempt = config->exempt.items;
	options.exempt_count = config->exempt.count;
	options.bans = daemon->bans;
	options.ban_after = (unsigned)config->ban_after;
	options.ban_ms = (uint32_t)config->ban_ms;
	int error = weir_guard_set(daemon->guard, &options);
	if (error < 0)
		say("the guard keeps its previous settings: %s", weir_error_text(error));
}

/* Takes ownership of the configuration in any case. */
static int serve_config(struct daemon *daemon, struct config *config, unsigned replace)
{
	struct endpoint_list endpoints = {0};
	config->rates = daemon->rates;
	config->bans = daemon->bans;
	int error = link_active() ? endpoints_take(config, &endpoints)
	                          : endpoints_reserve(config, &daemon->endpoints, &endpoints);
	config->https_port = endpoints_port(&endpoints, listener_type_find("https"));
	config->guarded = daemon->guard;
	if (error == 0)
		error = serve_apply(daemon, config, &endpoints, replace);
	if (error < 0) {
		endpoints_free(&endpoints);
		config_release(config);
		return error;
	}
	serve_set_guard(daemon, &config->guard);
	endpoints_unreserve(&endpoints);
	endpoints_free(&daemon->endpoints);
	config_release(daemon->config);
	daemon->endpoints = endpoints;
	daemon->config = config;
	return 0;
}

/* A bit for each service. */
#define SERVICES_ALL ((1u << SERVICE_COUNT) - 1)

/*
 * Returns a bit for each service whose servers must be opened again; sessions of the others stay. A
 * server keeps the log and the bounds that it was opened with. After root was given up an address
 * cannot be opened a second time, so these change at the next start only.
 */
static unsigned serve_changed_services(struct daemon *daemon, struct config *config)
{
	const struct config *old = daemon->config;
	bool same_mail = config_mail_same(&config->mail, &old->mail);
	bool same_dns = config_dns_same(&config->dns, &old->dns);
	bool same_limits = memcmp(&config->limits, &old->limits, sizeof old->limits) == 0;
	unsigned changed = same_limits ? 0 : SERVICES_ALL;
	if (config->workers && config->workers != daemon->worker_count)
		say_at(WEIR_LOG_WARNING, "the number of workers changes at the next start");
	if (!config_dns_same_cache(&config->dns, &old->dns))
		say_at(WEIR_LOG_WARNING, "the cache of DNS changes at the next start");
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		if (!config_same_log(config, old, service_infos[i].log))
			changed |= 1u << i;
	/* All servers of mail must have the same mailboxes. */
	if (!same_mail)
		changed |= 1u << SERVICE_SMTP | 1u << SERVICE_POP3;
	if (!same_dns)
		changed |= 1u << SERVICE_DNS;
	if (!changed || !daemon->dropped)
		return changed;
	say_at(WEIR_LOG_WARNING,
	        "limits, logs, and settings of mail and DNS other than zones, keys and cookies change at "
	        "the next start, for addresses that are open already");
	/* All servers of mail, and the reports of the relay, must have the same mailboxes. */
	mail_shared_use(config, old);
	return 0;
}

/* Why there is no upgrade. */
#define SERVE_NO_MASTER "an upgrade needs 'privilege-separation: yes', see weir.yaml(5)"

/* -- signals ----------------------------------------------------------------------------------- */

void serve_stop(struct daemon *daemon)
{
	daemon->stop_signals++;
	if (daemon->stop_signals > 2)
		_exit(EXIT_FAILED);
	if (daemon->stop_signals == 2) {
		say_at(WEIR_LOG_INFO, "ending at once");
		daemon->failed = true;
	} else if (!link_active()) {
		notify_stopping();
	}
	uint64_t drain_ms = daemon->config->limits.drain_ms;
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
	dns_shared_reopen_log(daemon->dns);
}

/* Whether one of the two listeners cannot change, the other may. */
static int serve_listen_admin(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	int error = admin_listen(daemon->admin, config->user, config->admin.path);
	int http_error = admin_http_listen(daemon->admin_http, &config->admin);
	return error < 0 ? error : http_error;
}

int serve_use_config(struct daemon *daemon, struct config *config)
{
	log_configure(config);
	int error = serve_config(daemon, config, serve_changed_services(daemon, config));
	if (error < 0) {
		log_configure(daemon->config);
		return error;
	}
	mail_relay_update(daemon->relay, daemon->config);
	dns_shared_update(daemon->dns, daemon->config, false);
	if (serve_listen_admin(daemon) < 0)
		say_at(WEIR_LOG_WARNING, "the admin listener stays where it was");
	return 0;
}

/*
 * Logs come first: they are reopened even if the configuration is refused. Returns whether it is
 * used.
 */
static bool serve_reload(struct daemon *daemon)
{
	notify_reloading();
	serve_reopen_logs(daemon);
	struct config *config = config_load(daemon->options, daemon->config);
	const char *path = daemon->options->config_path;
	if (config && config->privilege_separation)
		say_at(WEIR_LOG_WARNING, "'privilege-separation' changes at the next start");
	if (config && serve_use_config(daemon, config) == 0) {
		say_at(WEIR_LOG_INFO, "reloaded%s%s", path ? " " : "", path ? path : "");
		notify_ready("Serving");
		return true;
	}
	say("not reloaded: the previous configuration stays in effect");
	notify_ready("Serving by the previous configuration: the last one was refused");
	return false;
}

static void serve_on_signal(struct weir_signals *signals, int signal)
{
	struct daemon *daemon = WEIR_CONTAINER(signals, struct daemon, signals);
	if (link_active()) {
		/* The master handles the others, some of which a terminal sends to both. */
		if (signal == SIGTERM && daemon->stop_signals == 0)
			serve_stop(daemon);
	} else if (signal == SIGUSR1) {
		serve_reopen_logs(daemon);
	} else if (signal == SIGUSR2) {
		say("not upgraded: %s", SERVE_NO_MASTER);
	} else if (signal != SIGHUP) {
		serve_stop(daemon);
	} else if (daemon->stop_signals == 0) {
		serve_reload(daemon);
	}
}

static void serve_on_worker_ended(void *context)
{
	struct daemon *daemon = context;
	if (daemon->stop_signals == 0) {
		/*
		 * Without one worker some connections would fail by chance, so the daemon ends.
		 */
		daemon->failed = true;
		serve_stop(daemon);
	}
	if (--daemon->alive == 0)
		weir_loop_stop(daemon->loop);
}

/* -- the admin socket -------------------------------------------------------------------------- */

static void serve_command_reload(void *context, struct admin_request *request)
{
	struct daemon *daemon = context;
	if (link_active())
		serve_process_ask(daemon, request, HANDOVER_ASK_RELOAD);
	else if (daemon->stop_signals)
		admin_error(request, "the daemon is draining");
	else if (serve_reload(daemon))
		admin_ok(request);
	else
		admin_error(request,
		        "the previous configuration stays in effect; the standard error of the daemon "
		        "says why, and so does 'weir check'");
}

static void serve_command_drain(void *context, struct admin_request *request)
{
	struct daemon *daemon = context;
	if (link_active()) {
		serve_process_ask(daemon, request, HANDOVER_ASK_DRAIN);
		return;
	}
	if (daemon->stop_signals) {
		admin_error(request, "the daemon is draining already");
		return;
	}
	admin_ok(request);
	serve_stop(daemon);
}

static void serve_command_upgrade(void *context, struct admin_request *request)
{
	if (link_active())
		serve_process_ask(context, request, HANDOVER_ASK_UPGRADE);
	else
		admin_error(request, SERVE_NO_MASTER);
}

static void serve_command_reopen_logs(void *context, struct admin_request *request)
{
	serve_reopen_logs(context);
	admin_ok(request);
}

static void serve_command_log_level(void *context, struct admin_request *request)
{
	(void)context;
	unsigned level = 0;
	if (request->count == 0) {
		while (log_levels[level].level != weir_log_level())
			level++; /* it is one of them */
		admin_print(request, "%s", log_levels[level].name);
		admin_ok(request);
		return;
	}
	while (log_levels[level].name && strcmp(log_levels[level].name, request->arguments[0]) != 0)
		level++;
	if (!log_levels[level].name) {
		admin_error(request, "'%.64s' is not a level: info, warning or error",
		        request->arguments[0]);
		return;
	}
	weir_log_set_level(log_levels[level].level);
	admin_ok(request);
}

static int serve_create_admin_http(struct daemon *daemon)
{
	daemon->metrics = (struct daemon_metrics){
	        .loop = daemon->loop,
	        .guard = daemon->guard,
	        .permits = daemon->permits,
	        .config = &daemon->config,
	        .relay = &daemon->relay,
	        .dns = &daemon->dns,
	        .workers = &daemon->worker_count,
	};
	daemon_metrics_init(&daemon->metrics);
	return admin_http_create(
	        &(struct admin_http_options){
	                .loop = daemon->loop,
	                .guard = daemon->guard,
	                .metrics = &daemon->metrics,
	                .workers = daemon->workers,
	                .worker_count = &daemon->worker_count,
	        },
	        &daemon->admin_http);
}

static int serve_create_admin(struct daemon *daemon)
{
	static const struct admin_command list[] = {
	        {"reload", "", "reads the configuration and certificates again, as SIGHUP", 0, 0,
	                serve_command_reload},
	        {"reopen", "", "opens the logs anew, as SIGUSR1", 0, 0, serve_command_reopen_logs},
	        {"log level", "[info|warning|error]",
	                "shows or changes the level of all logs, until the next reload", 0, 1,
	                serve_command_log_level},
	        {"upgrade", "", "starts the program anew, and drains this one, as SIGUSR2", 0, 0,
	                serve_command_upgrade},
	        {"drain", "", "finishes what is in flight and ends, as SIGTERM", 0, 0,
	                serve_command_drain},
	        {0},
	};
	int error = serve_create_admin_http(daemon);
	if (error == 0)
		error = admin_create(daemon->loop, daemon->admin_http, &daemon->admin);
	if (error < 0) {
		admin_http_destroy(daemon->admin_http);
		return error;
	}
	daemon->commands = (struct admin_table){.commands = list, .context = daemon};
	admin_connections_init(
	        &daemon->connection_commands, daemon->workers, &daemon->worker_count);
	admin_guard_init(&daemon->guard_commands, daemon->guard, daemon->loop);
	admin_show_init(&daemon->show_commands, &daemon->metrics, daemon->workers);
	admin_register(daemon->admin, &daemon->show_commands.table);
	admin_register(daemon->admin, &daemon->connection_commands.table);
	admin_top_init(&daemon->top_commands, daemon->workers, &daemon->worker_count);
	admin_register(daemon->admin, &daemon->top_commands.table);
	admin_register(daemon->admin, &daemon->guard_commands.table);
	admin_bans_init(&daemon->ban_commands, daemon->bans, daemon->loop);
	admin_register(daemon->admin, &daemon->ban_commands.table);
	admin_mail_init(&daemon->mail_commands, &daemon->relay, &daemon->config, daemon->loop);
	admin_register(daemon->admin, &daemon->mail_commands.table);
	admin_dns_init(&daemon->dns_commands, &daemon->dns, daemon->loop);
	admin_register(daemon->admin, &daemon->dns_commands.table);
	admin_register(daemon->admin, &daemon->commands);
	return 0;
}

/* -- start and end ----------------------------------------------------------------------------- */

static int serve_create_workers(struct daemon *daemon, unsigned count)
{
	for (; daemon->worker_count < count; daemon->worker_count++) {
		int error = worker_create(daemon->loop, daemon->worker_count, serve_on_worker_ended,
		        daemon, &daemon->workers[daemon->worker_count]);
		if (error < 0) {
			say("cannot make a worker: %s", weir_error_text(error));
			return error;
		}
	}
	return 0;
}

static int serve_start_workers(struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->worker_count; i++) {
		int error = worker_start(daemon->workers[i]);
		if (error < 0) {
			say("cannot start a worker: %s", weir_error_text(error));
			return error;
		}
		daemon->alive++;
	}
	return 0;
}

/* Workers that end take no change. */
static void serve_renew_zones(void *context)
{
	struct daemon *daemon = context;
	for (unsigned i = 0; i < daemon->worker_count && daemon->stop_signals == 0; i++)
		worker_renew(daemon->workers[i]);
}

/* Everything that needs root comes before resources_become, and all threads start after it. */
static int serve_start(struct daemon *daemon)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGALRM,
	        SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, 0};
	struct config *config =
	        link_active() ? serve_process_load(daemon) : config_load(daemon->options, NULL);
	if (!config)
		return -EINVAL;
	log_configure(config);
	unsigned count = config->workers ? (unsigned)config->workers : resources_processors();
	uid_t uid = geteuid();
	int error = link_active() ? serve_process_confine(config, &count)
	                          : resources_choose_user(config);
	if (error < 0) {
		config_release(config);
		return error;
	}
	error = weir_signals_start(daemon->loop, &daemon->signals, signals, serve_on_signal);
	if (error < 0) {
		say("cannot listen to signals: %s", weir_error_text(error));
		config_release(config);
		return error;
	}
	error = serve_create_workers(daemon, count);
	if (error == 0)
		error = mail_relay_open(daemon->loop, config, &daemon->relay);
	if (error == 0)
		error = dns_shared_create(daemon->loop, serve_renew_zones, daemon, &daemon->dns);
	if (error == 0)
		error = dns_shared_update(daemon->dns, config, true);
	if (error < 0)
		config_release(config);
	else
		error = serve_config(daemon, config, 0);
	if (error == 0)
		error = serve_listen_admin(daemon);
	if (error == 0)
		error = link_active() ? serve_process_start(daemon)
		                      : resources_become(daemon->config);
	daemon->dropped = geteuid() != uid;
	if (error == 0)
		error = serve_start_workers(daemon);
	if (error == 0)
		error = mail_relay_start(daemon->relay);
	if (error == 0)
		dns_shared_notify(daemon->dns);
	return error;
}

static int serve_run(struct daemon *daemon)
{
	int error = serve_start(daemon);
	if (error == 0 && link_active()) {
		serve_process_report_ready(daemon);
	} else if (error == 0) {
		banner_print(daemon->config, &daemon->endpoints, daemon->worker_count);
		resources_warn_of_root(daemon->config);
		notify_ready("Serving");
		notify_start(&daemon->notify, daemon->loop);
	} else if (daemon->alive) {
		serve_stop(daemon);
	}
	if (daemon->alive)
		weir_loop_run(daemon->loop);
	notify_stop(&daemon->notify);
	return error < 0 || daemon->failed ? EXIT_FAILED : EXIT_DONE;
}

int serve(const struct options *options)
{
	struct daemon daemon = {.options = options, .files = resources_raise_files()};
	daemon.signals.watch.fd = daemon.control.fd = -1;
	weir_list_init(&daemon.look.link);
	weir_list_init(&daemon.retire.link);
	say_with_time();
	int error = weir_loop_create(&daemon.loop);
	if (error == 0)
		error = weir_guard_create(NULL, &daemon.guard);
	if (error == 0)
		error = weir_rates_create(&daemon.rates);
	if (error == 0)
		error = weir_bans_create(&daemon.bans);
	if (error == 0)
		error = weir_permits_create(1, 0, &daemon.permits);
	if (error == 0)
		error = serve_create_admin(&daemon);
	if (error < 0) {
		say("cannot make an event loop: %s", weir_error_text(error));
		weir_permits_release(daemon.permits);
		weir_guard_destroy(daemon.guard);
		weir_rates_release(daemon.rates);
		weir_bans_release(daemon.bans);
		weir_loop_destroy(daemon.loop);
		return EXIT_FAILED;
	}
	int code = serve_run(&daemon);
	if (daemon.stop_signals != 1)
		mail_relay_drain(daemon.relay, 0);
	/* A scrape reads the loops of the workers. */
	admin_stop_http(daemon.admin);
	admin_http_destroy(daemon.admin_http);
	for (unsigned i = 0; i < daemon.worker_count; i++)
		worker_destroy(daemon.workers[i]);
	/* Signals may come as long as the loop runs. */
	daemon.worker_count = 0;
	serve_process_finish(&daemon);
	admin_destroy(daemon.admin);
	mail_relay_close(daemon.relay);
	dns_shared_destroy(daemon.dns);
	endpoints_free(&daemon.endpoints);
	config_release(daemon.config);
	if (daemon.signals.watch.fd >= 0)
		weir_signals_stop(&daemon.signals);
	weir_guard_destroy(daemon.guard);
	weir_rates_release(daemon.rates);
	weir_bans_release(daemon.bans);
	weir_permits_release(daemon.permits);
	weir_loop_destroy(daemon.loop);
	return code;
}
