/*
 * FTP in the daemon. A server has a tree of its own, since a tree belongs to one loop: so a content
 * opens as many beforehand, on the main thread, as the configuration has listeners of FTP, and each
 * server that is opened or updated takes one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/ftp.h>
#include <weir/peers.h>
#include <weir/tree.h>

#include "config_ftp.h"
#include "ftp_log.h"
#include "kinds.h"
#include "say.h"
#include "service_ftp.h"

struct content {
	struct config *config; /* held */
	size_t left;           /* trees that nobody has taken */
	struct weir_tree *trees[];
};

struct server {
	struct weir_ftp_server *ftp;
	struct weir_peers *peers; /* the server's: who is counted stays so whatever is configured */
	struct service_options options; /* for the callbacks */
};

/* -- the content ------------------------------------------------------------------------------- */

static void unload(void *context)
{
	struct content *content = context;
	while (content->left)
		weir_tree_close(content->trees[--content->left]);
	config_release(content->config);
	free(content);
}

static size_t count_listeners(const struct config *config)
{
	size_t count = 0;
	for (size_t i = 0; i < config->listeners.count; i++)
		count += config->listeners.items[i].kind->service == SERVICE_FTP;
	return count;
}

static int open_trees(struct content *content, size_t count, unsigned entries)
{
	const char *root = config_ftp_root(content->config);
	struct weir_tree_options options = {.entries_max = entries};
	while (content->left < count) {
		int error = weir_tree_open(NULL, root, &options, &content->trees[content->left]);
		if (error < 0) {
			say("cannot serve %s: %s", root, weir_error_text(error));
			return error;
		}
		content->left++;
	}
	return 0;
}

static int load(struct config *config, struct shares shares, void **ret_content)
{
	size_t count = count_listeners(config);
	struct content *content = calloc(1, sizeof *content + count * sizeof *content->trees);
	unsigned each = (unsigned)config->ftp.sessions_per_address;
	int error = content ? 0 : -ENOMEM;
	if (error == 0 && !config->ftp.peers)
		error = weir_peers_create(each, 0, &config->ftp.peers);
	if (error == 0 && !config->ftp.ports && config->ftp.passive.first)
		error = weir_ftp_ports_create(
		        config->ftp.passive.first, config->ftp.passive.last, &config->ftp.ports);
	if (error < 0) {
		say("out of memory");
		free(content);
		return error;
	}
	content->config = config_hold(config);
	error = open_trees(content, count, shares.tree_entries);
	if (error < 0)
		unload(content);
	else
		*ret_content = content;
	return error;
}

static struct weir_tree *take_tree(struct content *content)
{
	return content->left ? content->trees[--content->left] : NULL;
}

/* -- servers ----------------------------------------------------------------------------------- */

static struct weir_ftp_rules rules_of(const struct config *config, struct weir_tls *tls)
{
	const struct config_ftp *ftp = &config->ftp;
	return (struct weir_ftp_rules){
	        .users = ftp->users,
	        .no_anonymous = !ftp->anonymous,
	        .anonymous_writes = ftp->anonymous_writes,
	        .anonymous_overwrites = ftp->anonymous_overwrites,
	        .anonymous_home = ftp->anonymous_home,
	        .writable = ftp->writable,
	        .hidden = ftp->hidden,
	        .mode = ftp->mode,
	        .uploads = ftp->uploads,
	        .upload_max = ftp->max_size,
	        .rate = ftp->rate,
	        .ports = ftp->ports,
	        .announced = ftp->announce,
	        .tls = tls,
	        .tls_required = tls && ftp->tls == CONFIG_FTP_TLS_REQUIRED,
	        .reuse = ftp->reuse,
	        .sessions_max = (unsigned)ftp->sessions,
	        .failures_max = (unsigned)ftp->failures,
	        .welcome = ftp->welcome,
	        .hosts = ftp->hosts.items,
	};
}

static void note(void *context, const struct weir_ftp_event *event)
{
	const struct service_options *options = context;
	ftp_log(options->log, options->loop, options->kind->name, event);
}

static int open_server(const struct service_options *options, void **ret_server)
{
	struct content *content = options->content;
	const struct config *config = content->config;
	struct server *server = calloc(1, sizeof *server);
	if (!server)
		return -ENOMEM;
	server->options = *options;
	struct weir_ftp_options ftp = {
	        .address = options->address,
	        .tree = take_tree(content),
	        .rules = rules_of(config, options->tls),
	        .implicit = options->kind->secure,
	        .bounds = options->bounds,
	        .shared = true,
	        .peers = config->ftp.peers,
	        .guard = options->guard,
	        .log = note,
	        .accept_failed = service_accept_failed,
	        .tls_failed = service_tls_failed,
	        .context = &server->options,
	};
	int error = weir_ftp_create(options->loop, &ftp, &server->ftp);
	if (error < 0) {
		free(server);
		return error;
	}
	server->peers = config->ftp.peers ? weir_peers_hold(config->ftp.peers) : NULL;
	*ret_server = server;
	return 0;
}

static void update(void *context, void *next, struct weir_tls *tls)
{
	struct server *server = context;
	struct content *content = next;
	struct weir_ftp_rules rules = rules_of(content->config, tls);
	int error = weir_ftp_set(server->ftp, &rules, take_tree(content));
	if (error < 0)
		say("FTP goes on as it was configured before: %s", weir_error_text(error));
	else if (server->peers)
		weir_peers_set(server->peers, (unsigned)content->config->ftp.sessions_per_address);
}

static struct weir_server *listener(void *context)
{
	return weir_ftp_listener(((struct server *)context)->ftp);
}

static void close_server(void *context)
{
	struct server *server = context;
	weir_ftp_destroy(server->ftp);
	weir_peers_release(server->peers);
	free(server);
}

/* -- the banner -------------------------------------------------------------------------------- */

static void print_content(const struct config *config)
{
	printf("  %s by FTP%s\n", config_ftp_root(config),
	        config->ftp.writable ? ", to be written by its users" : "");
}

static void print_commands(const struct config *config, const char *url)
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

/* Who asks for another protocol was led here by somebody else (ALPACA). */
static const char *const alpn[] = {"ftp", "ftp-data", NULL};

const struct service_type service_ftp = {
        .alpn = alpn,
        .section = "ftp",
        .log = LOG_FTP,
        .load = load,
        .unload = unload,
        .open = open_server,
        .update = update,
        .listener = listener,
        .close = close_server,
        .print_content = print_content,
        .print_commands = print_commands,
};
