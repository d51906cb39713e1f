/* The commands of the admin socket that concern the daemon as a whole: reload, drain, upgrade, … */
#include <string.h>

#include "acme_report.h"
#include "link.h"
#include "log_file.h"
#include "serve_state.h"

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
		        "the previous configuration stays in effect; the log of the daemon, or its "
		        "standard error, says why, and so does 'weir check'");
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
	link_send_log_level();
	admin_ok(request);
}

static void serve_command_certificates(void *context, struct admin_request *request)
{
	const struct config *config = ((struct daemon *)context)->config;
	char text[ACME_REPORT_SIZE];
	for (size_t i = 0; i < config->acme.managed.count; i++) {
		acme_report_line(config, i, text);
		admin_print(request, "%s: %s", config->acme.managed.items[i], text);
	}
	if (acme_report_lease(config, text))
		admin_print(request, "lease: %s", text);
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
	        .store = &daemon->store,
	        .workers = &daemon->worker_count,
	};
	daemon->store = (struct store_report){
	        .loop = daemon->loop,
	        .config = &daemon->config,
	        .users = &daemon->users,
	        .dns = &daemon->dns,
	        .certificates = &daemon->certificates,
	        .tickets = &daemon->tickets,
	};
	store_report_init(&daemon->store);
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

int serve_create_admin(struct daemon *daemon)
{
	static const struct admin_command list[] = {
	        {"reload", "", "reads the configuration and certificates again, as SIGHUP", 0, 0,
	                serve_command_reload},
	        {"reopen", "", "opens the logs anew, as SIGUSR1", 0, 0, serve_command_reopen_logs},
	        {"log level", "[info|warning|error]",
	                "shows or changes the level of all logs, until the next reload", 0, 1,
	                serve_command_log_level},
	        {"certificates", "",
	                "shows the names that certificates are obtained for, and what they wait for",
	                0, 0, serve_command_certificates},
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
	admin_guard_init(
	        &daemon->guard_commands, daemon->guard, daemon->loop, &daemon->shared_guard);
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
	admin_register(daemon->admin, &daemon->store.table);
	admin_register(daemon->admin, &daemon->commands);
	return 0;
}
