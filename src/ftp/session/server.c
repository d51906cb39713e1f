/*
 * FTP servers: a listener, the tree, and the rules. The rules are copied and replaced as a whole.
 * Transfers and waits that have begun go on under the old ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/tls.h>
#include <weir/users.h>

#include "data_connection.h"
#include "ftp_metrics.h"
#include "session.h"

static const char refusal[] = "421 This port requires TLS from the first byte.\r\n";

/* -- rules ------------------------------------------------------------------------------------- */

void weir_ftp_rules_init(struct weir_ftp_rules *rules)
{
	*rules = (struct weir_ftp_rules){
	        .anonymous = true,
	        .upload_max = WEIR_FTP_UPLOAD_MAX,
	        .sessions_max = WEIR_FTP_SESSIONS_MAX,
	        .failures_max = WEIR_FTP_FAILURES_MAX,
	        .welcome = "Weir FTP",
	};
}

static void ftp_server_free_hosts(const char *const *hosts)
{
	for (const char *const *host = hosts; host && *host; host++)
		free((char *)*host);
	free((void *)hosts);
}

static void ftp_server_free_rules(struct weir_ftp_rules *rules)
{
	weir_users_release(rules->users);
	weir_ftp_ports_release(rules->ports);
	free((char *)rules->anonymous_home);
	free((char *)rules->welcome);
	ftp_server_free_hosts(rules->hosts);
}

/* Returns NULL without memory. */
static const char *const *ftp_server_copy_hosts(const char *const *hosts)
{
	size_t count = 0;
	while (hosts[count])
		count++;
	char **copy = calloc(count + 1, sizeof *copy);
	for (size_t i = 0; copy && i < count; i++) {
		copy[i] = ftp_copy(hosts[i]);
		if (!copy[i]) {
			ftp_server_free_hosts((const char *const *)copy);
			return NULL;
		}
	}
	return (const char *const *)copy;
}

/* Returns 0, or -EINVAL or -ENOMEM with nothing left to free. */
static int ftp_server_copy_rules(const struct weir_ftp_rules *rules, struct weir_ftp_rules *ret)
{
	if (!rules->upload_max || !rules->sessions_max || !rules->failures_max || !rules->welcome)
		return -EINVAL;
	*ret = *rules;
	if (rules->ports)
		weir_ftp_ports_hold(rules->ports);
	else if (weir_ftp_ports_create(0, 0, &ret->ports) < 0)
		return -ENOMEM;
	ret->users = rules->users ? weir_users_hold(rules->users) : NULL;
	ret->anonymous_home = rules->anonymous_home ? ftp_copy(rules->anonymous_home) : NULL;
	ret->welcome = ftp_copy(rules->welcome);
	ret->hosts = rules->hosts ? ftp_server_copy_hosts(rules->hosts) : NULL;
	if (ret->welcome && !ret->anonymous_home == !rules->anonymous_home &&
	        !ret->hosts == !rules->hosts)
		return 0;
	ftp_server_free_rules(ret);
	return -ENOMEM;
}

/* Makes the reply "220-line", … "220 last line". Returns NULL without memory. */
static char *ftp_server_make_banner(const char *text)
{
	struct weir_buffer banner = {0};
	struct weir_span rest = weir_span_of(text), line;
	int error = 0;
	while (rest.size && rest.data[rest.size - 1] == '\n')
		rest.size--;
	for (bool more = true; more && error == 0;) {
		more = weir_span_cut(&rest, '\n', &line);
		error = weir_buffer_format(&banner, SIZE_MAX, "220%c%.*s\r\n", more ? '-' : ' ',
		        (int)line.size, line.data ? line.data : "");
	}
	if (error == 0)
		error = weir_buffer_append(&banner, "", 1, SIZE_MAX);
	if (error < 0)
		weir_buffer_finish(&banner);
	return banner.data;
}

/* Returns 0, or -EINVAL or -ENOMEM with nothing changed. */
static int ftp_server_set_rules(struct weir_ftp_server *server, const struct weir_ftp_rules *rules)
{
	struct weir_ftp_rules copy;
	int error = ftp_server_copy_rules(rules, &copy);
	if (error < 0)
		return error;
	/* Sessions that wait on ports of the same range go on sharing them. */
	if (server->rules.ports && ftp_passive_same_range(server->rules.ports, copy.ports)) {
		weir_ftp_ports_release(copy.ports);
		copy.ports = weir_ftp_ports_hold(server->rules.ports);
	}
	char *banner = ftp_server_make_banner(copy.welcome);
	if (!banner) {
		ftp_server_free_rules(&copy);
		return -ENOMEM;
	}
	ftp_server_free_rules(&server->rules);
	free(server->banner);
	server->rules = copy;
	server->banner = banner;
	return 0;
}

int weir_ftp_set(
        struct weir_ftp_server *server, const struct weir_ftp_rules *rules, struct weir_tree *tree)
{
	int error = ftp_server_set_rules(server, rules);
	if (error < 0) {
		weir_tree_close(tree);
		return error;
	}
	if (!tree)
		return 0;
	weir_tree_close(server->tree);
	server->tree = tree;
	server->attached = false;
	return 0;
}

/* -- the server -------------------------------------------------------------------------------- */

static void ftp_server_free(struct weir_ftp_server *server)
{
	ftp_server_free_rules(&server->rules);
	free(server->banner);
	weir_tree_close(server->tree);
	free(server);
}

static int ftp_server_start(struct weir_ftp_server *server, const struct weir_ftp_options *options)
{
	struct weir_listener listener = options->listener;
	struct weir_server_options listening;
	listener.bounds.request_max = WEIR_FTP_LINE_MAX;
	/* A slow transfer lives as long as it moves. */
	weir_bounds_init(&server->data_bounds);
	server->data_bounds.progress_ms = listener.bounds.progress_ms;
	server->data_bounds.request_ms = INT32_MAX;
	weir_server_options_init(&listening);
	listening.listener = listener;
	listening.protocol = &ftp_protocol;
	listening.context = server;
	listening.tls_refusal = refusal;
	return weir_server_create(server->loop, &listening, &server->listener);
}

void weir_ftp_options_init(struct weir_ftp_options *options)
{
	*options = (struct weir_ftp_options){0};
	weir_listener_init(&options->listener);
	options->listener.bounds.idle_ms = WEIR_FTP_IDLE_MS;
	weir_ftp_rules_init(&options->rules);
}

int weir_ftp_create(struct weir_loop *loop, const struct weir_ftp_options *options,
        struct weir_ftp_server **ret)
{
	struct weir_ftp_server *server = calloc(1, sizeof *server);
	if (!server) {
		weir_tree_close(options->tree);
		return -ENOMEM;
	}
	server->loop = loop;
	weir_list_init(&server->passive);
	server->tree = options->tree;
	server->implicit = options->listener.tls && !options->listener.tls_upgrade;
	server->guard = options->guard;
	server->log = options->log;
	server->context = options->context;
	server->cells = ftp_metrics(loop, options);
	int error = server->cells ? ftp_server_set_rules(server, &options->rules) : -ENOMEM;
	if (error == 0)
		error = ftp_server_start(server, options);
	if (error < 0) {
		ftp_server_free(server);
		return error;
	}
	*ret = server;
	return 0;
}

struct weir_server *weir_ftp_listener(struct weir_ftp_server *server)
{
	return server->listener;
}

void weir_ftp_destroy(struct weir_ftp_server *server)
{
	if (!server)
		return;
	weir_server_destroy(server->listener);
	ftp_server_free(server);
}
