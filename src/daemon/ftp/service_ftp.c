/*
 * The service of FTP, and the FTP log. A server has a file tree of its own, since a tree belongs to
 * one loop. So a service's state has a tree for each listener of FTP, opened in advance on the main
 * thread, and each server that is opened or updated claims one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/ftp.h>
#include <weir/peers.h>
#include <weir/tree.h>

#include "log_file.h"
#include "say.h"
#include "service.h"
#include "service_ftp.h"

/* -- log --------------------------------------------------------------------------------------- */

/*
 * A line for each event (see log_file.h).
 *
 *   2026-11-22T10:00:00Z ftp sent peer=192.0.2.7 user="alice" verb=RETR path="/a" bytes=3 ms=0
 *       session=…
 */
static const char *const ftp_log_names[] = {
        [WEIR_FTP_LOGIN] = "login",
        [WEIR_FTP_LOGOUT] = "logout",
        [WEIR_FTP_SENT] = "sent",
        [WEIR_FTP_RECEIVED] = "received",
        [WEIR_FTP_LISTED] = "listed",
        [WEIR_FTP_CHANGED] = "changed",
        [WEIR_FTP_HOME] = "home",
};

static bool ftp_log_is_transfer(const struct weir_ftp_event *event)
{
	return event->kind == WEIR_FTP_SENT || event->kind == WEIR_FTP_RECEIVED ||
	       event->kind == WEIR_FTP_LISTED;
}

/* `name` is the type of the listener; `log` may be NULL. */
static void ftp_log(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_ftp_event *event)
{
	struct log_line line;
	if (!log)
		return;
	bool denied = event->kind == WEIR_FTP_LOGIN && event->error;
	log_line_begin(&line, log, loop, event->error ? WEIR_LOG_WARNING : WEIR_LOG_INFO, name,
	        denied ? "denied" : ftp_log_names[event->kind]);
	log_line_add_peer(&line, event->peer, event->secure);
	log_line_add_known(&line, "user", weir_span_of(event->user));
	if (event->verb)
		log_line_add(&line, " verb=%s", event->verb);
	if (event->path)
		log_line_add_known(&line, "path", weir_span_of(event->path));
	if (ftp_log_is_transfer(event))
		log_line_add(&line, " bytes=%llu ms=%llu", (unsigned long long)event->bytes,
		        (unsigned long long)event->time_ms);
	if (event->code)
		log_line_add(&line, " code=%u", event->code);
	if (event->error)
		log_line_add_known(&line, "error", weir_span_of(weir_error_text(event->error)));
	log_line_add_session(&line, event->session);
	log_line_end(&line);
}

struct ftp_state {
	struct config *config; /* held */
	size_t left;           /* trees that no server has taken */
	struct weir_tree *trees[];
};

struct ftp_service {
	struct weir_ftp_server *ftp;
	struct config *config;    /* held: the users may come from the database */
	struct weir_peers *peers; /* of the server: a reload does not reset the counts of peers */
	struct service_options options; /* for the callbacks */
};

/* -- service state ----------------------------------------------------------------------------- */

static void service_ftp_unload(void *context)
{
	struct ftp_state *state = context;
	while (state->left)
		weir_tree_close(state->trees[--state->left]);
	config_release(state->config);
	free(state);
}

static size_t service_ftp_count_listeners(const struct config *config)
{
	size_t count = 0;
	for (size_t i = 0; i < config->listeners.count; i++)
		count += config->listeners.items[i].type->service == SERVICE_FTP;
	return count;
}

static void service_ftp_on_root_walked(void *context, int error)
{
	struct config *config = context;
	say_root(config_ftp_root(config), &config->ftp.root_lost, error);
}

static int service_ftp_open_trees(struct ftp_state *state, size_t count, unsigned entries)
{
	const char *root = config_ftp_root(state->config);
	struct weir_tree_options options;
	weir_tree_options_init(&options);
	options.entries_max = entries;
	options.root_walked = service_ftp_on_root_walked;
	options.context = state->config;
	while (state->left < count) {
		int error = weir_tree_open(NULL, root, &options, &state->trees[state->left]);
		if (error < 0) {
			say("cannot serve %s: %s", root, weir_error_text(error));
			return error;
		}
		state->left++;
	}
	return 0;
}

static int service_ftp_load(struct config *config, struct budget budget, void **ret_state)
{
	size_t count = service_ftp_count_listeners(config);
	struct ftp_state *state = calloc(1, sizeof *state + count * sizeof *state->trees);
	unsigned each = (unsigned)config->ftp.sessions_per_address;
	int error = state ? 0 : -ENOMEM;
	if (error == 0 && !config->ftp.peers)
		error = weir_peers_create(each, 0, &config->ftp.peers);
	if (error == 0 && !config->ftp.ports && config->ftp.passive.first)
		error = weir_ftp_ports_create(
		        config->ftp.passive.first, config->ftp.passive.last, &config->ftp.ports);
	if (error < 0) {
		say("out of memory");
		free(state);
		return error;
	}
	state->config = config_hold(config);
	error = service_ftp_open_trees(state, count, budget.tree_entries);
	if (error < 0)
		service_ftp_unload(state);
	else
		*ret_state = state;
	return error;
}

static struct weir_tree *service_ftp_claim_tree(struct ftp_state *state)
{
	return state->left ? state->trees[--state->left] : NULL;
}

/* -- servers ----------------------------------------------------------------------------------- */

static void service_ftp_set_rules(
        const struct config *config, struct weir_tls *tls, struct weir_ftp_rules *rules)
{
	const struct config_ftp *ftp = &config->ftp;
	weir_ftp_rules_init(rules);
	rules->users = ftp->users;
	rules->anonymous = ftp->anonymous;
	rules->anonymous_writes = ftp->anonymous_writes;
	rules->anonymous_overwrites = ftp->anonymous_overwrites;
	rules->anonymous_home = ftp->anonymous_home;
	rules->writable = ftp->writable;
	rules->hidden = ftp->hidden;
	rules->mode = ftp->mode;
	rules->uploads = ftp->uploads;
	rules->upload_max = ftp->max_size;
	rules->rate = ftp->rate;
	rules->ports = ftp->ports;
	rules->announced = ftp->announce;
	rules->tls_required = tls && ftp->tls == CONFIG_FTP_TLS_REQUIRED;
	rules->reuse = ftp->reuse;
	rules->sessions_max = (unsigned)ftp->sessions;
	rules->failures_max = (unsigned)ftp->failures;
	if (ftp->welcome)
		rules->welcome = ftp->welcome;
	rules->hosts = ftp->hosts.items;
}

static void service_ftp_log_event(void *context, const struct weir_ftp_event *event)
{
	const struct service_options *options = context;
	ftp_log(options->log, options->loop, options->type->name, event);
}

static int service_ftp_open_server(const struct service_options *options, void **ret_server)
{
	struct ftp_state *state = options->state;
	const struct config *config = state->config;
	struct ftp_service *server = calloc(1, sizeof *server);
	if (!server)
		return -ENOMEM;
	server->options = *options;
	struct weir_ftp_options ftp;
	weir_ftp_options_init(&ftp);
	service_set_listener(options, &ftp.listener);
	ftp.tree = service_ftp_claim_tree(state);
	service_ftp_set_rules(config, options->listener.tls, &ftp.rules);
	ftp.guard = options->guard;
	ftp.log = service_ftp_log_event;
	ftp.context = &server->options;
	ftp.listener.peers = config->ftp.peers;
	int error = weir_ftp_create(options->loop, &ftp, &server->ftp);
	if (error < 0) {
		free(server);
		return error;
	}
	server->config = config_hold(state->config);
	server->peers = config->ftp.peers ? weir_peers_hold(config->ftp.peers) : NULL;
	*ret_server = server;
	return 0;
}

static void service_ftp_update(void *context, void *next, struct weir_tls *tls)
{
	struct ftp_service *server = context;
	struct ftp_state *state = next;
	struct weir_ftp_rules rules;
	service_ftp_set_rules(state->config, tls, &rules);
	config_hold(state->config);
	config_release(server->config);
	server->config = state->config;
	if (tls)
		weir_server_set_tls(weir_ftp_listener(server->ftp), tls);
	int error = weir_ftp_set(server->ftp, &rules, service_ftp_claim_tree(state));
	if (error < 0)
		say("FTP keeps its previous settings: %s", weir_error_text(error));
	else if (server->peers)
		weir_peers_set(server->peers, (unsigned)state->config->ftp.sessions_per_address);
}

static void service_ftp_renew(void *context)
{
	struct ftp_service *server = context;
	struct weir_ftp_rules rules;
	service_ftp_set_rules(server->config, server->options.listener.tls, &rules);
	int error = weir_ftp_set(server->ftp, &rules, NULL);
	if (error < 0)
		say("FTP keeps its previous users: %s", weir_error_text(error));
}

static struct weir_server *service_ftp_listener(void *context)
{
	return weir_ftp_listener(((struct ftp_service *)context)->ftp);
}

static void service_ftp_close_server(void *context)
{
	struct ftp_service *server = context;
	weir_ftp_destroy(server->ftp);
	weir_peers_release(server->peers);
	config_release(server->config);
	free(server);
}

/* -- the banner -------------------------------------------------------------------------------- */

static void service_ftp_print_served(const struct config *config)
{
	printf("  %s by FTP%s\n", config_ftp_root(config),
	        config->ftp.writable ? ", writable for its users" : "");
}

static void service_ftp_print_commands(const struct config *config, const char *url)
{
	char user[SERVICE_USER_SIZE];
	service_example_user(config->ftp.users, user);
	if (config->ftp.anonymous)
		printf("  curl %s\n", url);
	else
		printf("  curl -u %s %s\n", user, url);
	if (config->ftp.writable && config->ftp.users)
		printf("  curl -u %s -T " SERVICE_EXAMPLE_FILE " %s\n", user, url);
}

const struct service_type service_ftp = {
        .load = service_ftp_load,
        .unload = service_ftp_unload,
        .open = service_ftp_open_server,
        .update = service_ftp_update,
        .renew = service_ftp_renew,
        .listener = service_ftp_listener,
        .close = service_ftp_close_server,
        .print_served = service_ftp_print_served,
        .print_commands = service_ftp_print_commands,
};
