/*
 * The daemon's main thread: it starts the workers, and then waits for signals and commands.
 *
 *   SIGHUP            reloads the configuration and the certificates, and reopens the logs
 *   SIGUSR1           reopens the logs, and nothing else
 *   SIGTERM, SIGINT   finish the requests in flight and end; the second time, end at once
 *   others            as SIGTERM, where the default would end the process
 *
 * serve_config.c puts a configuration into effect. The servers of one worker are in serving.c.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <weir/bans.h>
#include <weir/database.h>
#include <weir/database_guard.h>
#include <weir/error.h>
#include <weir/loop.h>
#include <weir/permits.h>
#include <weir/rates.h>
#include <weir/sasl_guard.h>

#include "cli.h"
#include "config_acme.h"
#include "confine.h"
#include "link.h"
#include "log_file.h"
#include "mail_relay.h"
#include "resources.h"
#include "say.h"
#include "say_log.h"
#include "serve.h"
#include "serve_state.h"
#include "service_dns.h"
#include "store.h"
#include "store_schema.h"
#include "store_users.h"
#include "worker.h"

/* -- signals ----------------------------------------------------------------------------------- */

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
	} else if (daemon->stop_signals == 0 && daemon->config) {
		/* Before, the configuration was read a moment ago. */
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
	daemon->alive--;
	serve_end_if_done(daemon);
}

/* -- start and end ----------------------------------------------------------------------------- */

static int serve_create_workers(struct daemon *daemon, unsigned count)
{
	for (; daemon->worker_count < count; daemon->worker_count++) {
		int error = worker_create(daemon->loop, daemon->worker_count, daemon->database,
		        serve_on_worker_ended, daemon, &daemon->workers[daemon->worker_count]);
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

/* Everything that needs root comes before resources_become, and all threads start after it. */
static int serve_start(struct daemon *daemon)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGALRM,
	        SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, 0};
	struct config *config =
	        link_active() ? serve_process_load(daemon) : serve_certificates_load(daemon, false);
	if (!config)
		return -EINVAL;
	log_configure(config);
	unsigned count = config->workers ? (unsigned)config->workers : resources_processors();
	uid_t uid = geteuid();
	int error = link_active() ? 0 : resources_choose_user(config);
	if (error == 0)
		error = store_open(config, &daemon->database);
	if (error == 0 && link_active())
		error = serve_process_confine(config, &count);
	if (error == 0 && !link_active())
		error = config_acme_make_directories(config);
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
	config->store.database = daemon->database;
	error = serve_create_workers(daemon, count);
	if (error == 0)
		error = say_log_use(daemon->loop, config);
	if (error == 0)
		error = mail_relay_open(daemon->loop, config, &daemon->relay);
	if (error == 0)
		error = shared_tickets_create(daemon->loop, config, &daemon->tickets);
	if (error == 0)
		error = stored_certificates_create(daemon->loop, config, &daemon->certificates);
	if (error == 0)
		error = dns_shared_create(daemon->loop, serve_renew, daemon, &daemon->dns);
	if (error == 0)
		error = dns_shared_update(daemon->dns, config, true);
	if (error == 0)
		error = serve_store_start(daemon, config);
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
		error = store_share_guard(daemon->loop, daemon->config, &daemon->shared_guard);
	if (error == 0)
		error = serve_start_workers(daemon);
	if (error == 0)
		error = mail_relay_start(daemon->relay);
	if (error == 0)
		dns_shared_notify(daemon->dns);
	if (error == 0)
		serve_certificates_use(daemon);
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
		say_log_started();
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
	serve_certificates_finish(&daemon);
	admin_destroy(daemon.admin);
	mail_relay_close(daemon.relay);
	dns_shared_destroy(daemon.dns);
	shared_tickets_destroy(daemon.tickets);
	stored_certificates_destroy(daemon.certificates);
	endpoints_free(&daemon.endpoints);
	config_release(daemon.config);
	if (daemon.signals.watch.fd >= 0)
		weir_signals_stop(&daemon.signals);
	weir_guard_destroy(daemon.guard);
	weir_rates_release(daemon.rates);
	weir_bans_release(daemon.bans);
	weir_permits_release(daemon.permits);
	say_log_close();
	weir_database_guard_destroy(daemon.shared_guard);
	store_schema_destroy(daemon.schema);
	store_users_destroy(daemon.users);
	store_leave(daemon.database, daemon.loop);
	weir_database_release(daemon.database);
	weir_loop_destroy(daemon.loop);
	store_use_keys(NULL);
	return code;
}

int serve_process(int count, char **arguments)
{
	struct options options;
	int requests, control, table, parent;
	if (count < 2 ||
	        sscanf(arguments[1], "%d,%d,%d,%d", &requests, &control, &table, &parent) != 4)
		return EXIT_USAGE;
	confine_begin(parent);
	say_with_time();
	int error = link_start(requests, control, table);
	if (error < 0) {
		say("cannot read the table of the master: %s", weir_error_text(error));
		return EXIT_FAILED;
	}
	/* Only the first server process has somebody who started it. */
	if (!link_value(GRANT_BANNER, ""))
		say_never_wait();
	static char verb[] = "serve";
	arguments[1] = verb;
	int code = options_parse_serve(count - 1, arguments + 1, &options);
	if (code == EXIT_DONE)
		code = serve(&options);
	link_end();
	return code;
}
