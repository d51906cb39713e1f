/*
 * The main thread of a server process: it starts the workers, and then waits for the master (see
 * master.h), which binds the addresses and handles the signals.
 *
 * Invariant: all workers serve one configuration. A change is prepared on all of them first, and is
 * committed only if none has failed (see worker.h). The servers of one worker are in serving.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/permits.h>
#include <weir/sasl_guard.h>

#include "admin.h"
#include "admin_connections.h"
#include "admin_guard.h"
#include "cli.h"
#include "config_dns.h"
#include "confine.h"
#include "endpoint.h"
#include "link.h"
#include "mail_relay.h"
#include "resources.h"
#include "say.h"
#include "sources.h"
#include "serve.h"
#include "service_dns.h"
#include "service_mail.h"
#include "worker.h"

enum {
	LOOK_MS = 1000,
	RETIRE_MS = 1000,
};

struct daemon {
	const struct options *options;
	struct weir_loop *loop;
	struct weir_signals signals;
	struct config *config;
	struct endpoint_list endpoints;
	struct worker *workers[CONFIG_WORKERS_MAX];
	unsigned worker_count;
	unsigned alive; /* worker threads that have not ended */
	size_t files;   /* the limit of descriptors */
	struct weir_guard *guard;
	struct weir_permits *permits; /* for the connections of all workers */
	struct mail_relay *relay;     /* or NULL */
	struct dns_shared *dns;
	struct admin *admin;
	struct admin_table commands; /* of this file, for the admin socket */
	struct admin_guard guard_commands;
	struct admin_connections connection_commands;
	struct weir_watch control;   /* of the master */
	struct admin_request *asked; /* of the master; or NULL */
	struct weir_timer look;      /* for directories that were replaced */
	int stop_signals;            /* how many have come */
	bool failed;
};

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
	int error = weir_guard_set(daemon->guard, &options);
	if (error < 0)
		say("the guard keeps its previous settings: %s", weir_error_text(error));
}

/* Takes ownership of the configuration in any case. */
static int serve_config(struct daemon *daemon, struct config *config, unsigned replace)
{
	struct endpoint_list endpoints = {0};
	int error = endpoints_take(config, &endpoints);
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
 * server keeps the log and the bounds that it was opened with.
 */
static unsigned serve_changed_services(struct daemon *daemon, struct config *config)
{
	const struct config *old = daemon->config;
	bool same_mail = config_mail_same(&config->mail, &old->mail);
	bool same_dns = config_dns_same(&config->dns, &old->dns);
	bool same_limits = memcmp(&config->limits, &old->limits, sizeof old->limits) == 0;
	unsigned changed = same_limits ? 0 : SERVICES_ALL;
	if (config->workers && config->workers != daemon->worker_count)
		say("the number of workers changes at the next start");
	if (!config_dns_same_cache(&config->dns, &old->dns))
		say("the cache of DNS changes at the next start");
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		if (!config_same_log(config, old, service_infos[i].log))
			changed |= 1u << i;
	/* All servers of mail must have the same mailboxes. */
	if (!same_mail)
		changed |= 1u << SERVICE_SMTP | 1u << SERVICE_POP3;
	if (!same_dns)
		changed |= 1u << SERVICE_DNS;
	return changed;
}

/* -- signals ----------------------------------------------------------------------------------- */

static void serve_stop(struct daemon *daemon)
{
	daemon->stop_signals++;
	if (daemon->stop_signals > 2)
		_exit(EXIT_FAILED);
	if (daemon->stop_signals == 2) {
		say("ending at once");
		daemon->failed = true;
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

static void serve_reopen_logs(struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->worker_count; i++)
		worker_reopen_logs(daemon->workers[i]);
	mail_relay_reopen_log(daemon->relay);
	dns_shared_reopen_log(daemon->dns);
}

/* Returns 0 or a negative errno, which was reported. */
static int serve_use_config(struct daemon *daemon, struct config *config)
{
	int error = serve_config(daemon, config, serve_changed_services(daemon, config));
	if (error < 0)
		return error;
	mail_relay_update(daemon->relay, daemon->config);
	dns_shared_update(daemon->dns, daemon->config, false);
	if (admin_listen(daemon->admin, daemon->config->user, daemon->config->admin) < 0)
		say("the admin socket stays where it was");
	return 0;
}

/* Reads the configuration out of the table in effect. Returns NULL; what is wrong was reported. */
static struct config *serve_load(struct daemon *daemon)
{
	sources_replay(link_table());
	struct config *config = config_load(daemon->options, daemon->config);
	sources_end();
	/* This process has become the user already. */
	if (config)
		config->user = NULL;
	return config;
}

static int serve_reload(struct daemon *daemon, int table)
{
	const char *path = daemon->options->config_path;
	int error = daemon->stop_signals ? -ESHUTDOWN : link_offer(table);
	struct config *config = error == 0 ? serve_load(daemon) : NULL;
	if (error == 0 && config && !confine_covers(config)) {
		config_release(config);
		link_settle(false);
		return -EXDEV;
	}
	if (error == 0)
		error = config ? serve_use_config(daemon, config) : -EINVAL;
	link_settle(error == 0);
	if (error == 0)
		say("reloaded%s%s", path ? " " : "", path ? path : "");
	else
		say("not reloaded: the previous configuration stays in effect");
	return error;
}

/* -- the master -------------------------------------------------------------------------------- */

static void serve_answer(struct daemon *daemon, int result)
{
	struct admin_request *request = daemon->asked;
	daemon->asked = NULL;
	if (request && result == 0)
		admin_ok(request);
	else if (request)
		admin_error(request,
		        "the previous state stays in effect; the standard error of the daemon says "
		        "why, and so does 'weir check'");
}

static void serve_on_control_lost(struct daemon *daemon)
{
	link_lose_control();
	weir_watch_close(daemon->loop, &daemon->control);
	daemon->failed = true;
	if (daemon->stop_signals == 0)
		serve_stop(daemon);
}

static void serve_on_retired(struct weir_timer *timer)
{
	struct daemon *daemon = WEIR_CONTAINER(timer, struct daemon, look);
	if (daemon->stop_signals == 0)
		serve_stop(daemon);
}

/*
 * Another process has the listeners. Connections that were accepted a moment ago would count as
 * idle, so they get some time to begin.
 */
static void serve_retire(struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->worker_count; i++)
		worker_retire(daemon->workers[i]);
	weir_timer_start(daemon->loop, &daemon->look, RETIRE_MS, serve_on_retired);
}

static void serve_on_control(struct weir_watch *watch, unsigned events)
{
	struct daemon *daemon = WEIR_CONTAINER(watch, struct daemon, control);
	struct handover message;
	int fd;
	(void)events;
	if (handover_receive(watch->fd, &message, &fd) < 0) {
		serve_on_control_lost(daemon);
		return;
	}
	switch (message.kind) {
	case HANDOVER_RELOAD:
		link_send(HANDOVER_RELOADED, fd < 0 ? -EPROTO : serve_reload(daemon, fd));
		return;
	case HANDOVER_REOPEN:
		serve_reopen_logs(daemon);
		break;
	case HANDOVER_DRAIN:
		if (daemon->stop_signals == 0 && message.index)
			serve_retire(daemon);
		else if (daemon->stop_signals == 0)
			serve_stop(daemon);
		break;
	case HANDOVER_STOP:
		while (daemon->stop_signals < 2)
			serve_stop(daemon);
		break;
	case HANDOVER_ALIVE:
		link_send(HANDOVER_ALIVE, 0);
		break;
	case HANDOVER_ANSWER:
		serve_answer(daemon, message.result);
		break;
	default:
		break;
	}
	if (fd >= 0)
		close(fd);
}

/* The master handles the other signals, some of which a terminal sends to both processes. */
static void serve_on_signal(struct weir_signals *signals, int signal)
{
	struct daemon *daemon = WEIR_CONTAINER(signals, struct daemon, signals);
	if (signal == SIGTERM)
		serve_stop(daemon);
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

/* Has the master do something, whose answer ends the request. */
static void serve_ask(struct daemon *daemon, struct admin_request *request, enum handover_kind kind)
{
	if (daemon->stop_signals) {
		admin_error(request, "the daemon is draining already");
	} else if (daemon->asked) {
		admin_error(request, "another reload, drain or upgrade is under way");
	} else {
		daemon->asked = request;
		link_send(kind, 0);
	}
}

static void serve_command_reload(void *context, struct admin_request *request)
{
	serve_ask(context, request, HANDOVER_ASK_RELOAD);
}

static void serve_command_drain(void *context, struct admin_request *request)
{
	serve_ask(context, request, HANDOVER_ASK_DRAIN);
}

static void serve_command_upgrade(void *context, struct admin_request *request)
{
	serve_ask(context, request, HANDOVER_ASK_UPGRADE);
}

static void serve_command_reopen_logs(void *context, struct admin_request *request)
{
	serve_reopen_logs(context);
	admin_ok(request);
}

static int serve_create_admin(struct daemon *daemon)
{
	static const struct admin_command list[] = {
	        {"reload", "", "reads the configuration and certificates again, as SIGHUP", 0, 0,
	                serve_command_reload},
	        {"reopen", "", "opens the logs anew, as SIGUSR1", 0, 0, serve_command_reopen_logs},
	        {"upgrade", "", "starts the program anew and drains this one, as SIGUSR2", 0, 0,
	                serve_command_upgrade},
	        {"drain", "", "finishes what is in flight and ends, as SIGTERM", 0, 0,
	                serve_command_drain},
	        {0},
	};
	int error = admin_create(daemon->loop, &daemon->admin);
	if (error < 0)
		return error;
	daemon->commands = (struct admin_table){.commands = list, .context = daemon};
	admin_connections_init(
	        &daemon->connection_commands, daemon->workers, &daemon->worker_count);
	admin_guard_init(&daemon->guard_commands, daemon->guard, daemon->loop);
	admin_register(daemon->admin, &daemon->connection_commands.table);
	admin_register(daemon->admin, &daemon->guard_commands.table);
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

/* The master has opened a socket for each of as many. */
static unsigned serve_count_workers(void)
{
	const char *text = link_value(GRANT_WORKERS, "");
	unsigned count = text ? (unsigned)atoi(text) : 0;
	return count < 1 || count > CONFIG_WORKERS_MAX ? 1 : count;
}

/* All threads start after the process is confined. */
static int serve_start(struct daemon *daemon)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGALRM,
	        SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, 0};
	struct config *config = serve_load(daemon);
	if (!config)
		return -EINVAL;
	unsigned count = serve_count_workers();
	int error = confine_apply(config);
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
		error = admin_listen(daemon->admin, daemon->config->user, daemon->config->admin);
	if (error == 0)
		error = weir_watch_start(daemon->loop, &daemon->control, link_control(),
		        WEIR_READABLE, serve_on_control);
	if (error == 0)
		error = serve_start_workers(daemon);
	if (error == 0)
		error = mail_relay_start(daemon->relay);
	if (error == 0)
		dns_shared_notify(daemon->dns);
	return error;
}

static void serve_look(struct weir_timer *timer)
{
	struct daemon *daemon = WEIR_CONTAINER(timer, struct daemon, look);
	if (daemon->stop_signals)
		return;
	if (confine_is_stale())
		link_send(HANDOVER_ASK_RENEW, 0);
	weir_timer_start(daemon->loop, timer, LOOK_MS, serve_look);
}

/* The banner is for those who start the daemon, not for its later server processes. */
static void serve_report_ready(struct daemon *daemon)
{
	if (link_value(GRANT_BANNER, ""))
		banner_print(daemon->config, &daemon->endpoints, daemon->worker_count);
	link_send(HANDOVER_READY, 0);
	weir_timer_start(daemon->loop, &daemon->look, LOOK_MS, serve_look);
}

static int serve_run(struct daemon *daemon)
{
	int error = serve_start(daemon);
	if (error == 0)
		serve_report_ready(daemon);
	else if (daemon->alive)
		serve_stop(daemon);
	if (daemon->alive)
		weir_loop_run(daemon->loop);
	return error < 0 || daemon->failed ? EXIT_FAILED : EXIT_DONE;
}

int serve(const struct options *options)
{
	struct daemon daemon = {.options = options, .files = resources_raise_files()};
	daemon.signals.watch.fd = daemon.control.fd = -1;
	weir_list_init(&daemon.look.link);
	say_with_time();
	int error = weir_loop_create(&daemon.loop);
	if (error == 0)
		error = weir_guard_create(NULL, &daemon.guard);
	if (error == 0)
		error = weir_permits_create(1, 0, &daemon.permits);
	if (error == 0)
		error = serve_create_admin(&daemon);
	if (error < 0) {
		say("cannot make an event loop: %s", weir_error_text(error));
		weir_permits_release(daemon.permits);
		weir_guard_destroy(daemon.guard);
		weir_loop_destroy(daemon.loop);
		return EXIT_FAILED;
	}
	int code = serve_run(&daemon);
	if (daemon.stop_signals != 1)
		mail_relay_drain(daemon.relay, 0);
	for (unsigned i = 0; i < daemon.worker_count; i++)
		worker_destroy(daemon.workers[i]);
	/* Signals may come as long as the loop runs. */
	daemon.worker_count = 0;
	serve_answer(&daemon, 0);
	weir_timer_stop(&daemon.look);
	confine_end();
	admin_destroy(daemon.admin);
	mail_relay_close(daemon.relay);
	dns_shared_destroy(daemon.dns);
	endpoints_free(&daemon.endpoints);
	config_release(daemon.config);
	if (daemon.control.fd >= 0)
		weir_watch_close(daemon.loop, &daemon.control);
	if (daemon.signals.watch.fd >= 0)
		weir_signals_stop(&daemon.signals);
	weir_guard_destroy(daemon.guard);
	weir_permits_release(daemon.permits);
	weir_loop_destroy(daemon.loop);
	return code;
}
