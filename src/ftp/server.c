/*
 * FTP servers: a listener, the tree, and the rules. The rules are copied as a whole and swapped as a
 * whole; what has begun under the old ones goes on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/peers.h>
#include <weir/tls.h>
#include <weir/users.h>

#include "session.h"

static const char refusal[] = "421 TLS is spoken here.\r\n";

/* -- rules ------------------------------------------------------------------------------------- */

static void ftp_server_free_hosts(const char *const *hosts)
{
	for (const char *const *host = hosts; host && *host; host++)
		free((char *)*host);
	free((void *)hosts);
}

static void ftp_server_free_rules(struct weir_ftp_rules *rules)
{
	weir_users_release(rules->users);
	weir_tls_release(rules->tls);
	free((char *)rules->anonymous_home);
	free((char *)rules->welcome);
	ftp_server_free_hosts(rules->hosts);
}

/* NULL without memory. */
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

static void ftp_server_fill(struct weir_ftp_rules *rules)
{
	if (!rules->upload_max)
		rules->upload_max = WEIR_FTP_UPLOAD_MAX;
	if (!rules->sessions_max)
		rules->sessions_max = WEIR_FTP_SESSIONS_MAX;
	if (!rules->failures_max)
		rules->failures_max = WEIR_FTP_FAILURES_MAX;
}

/* 0, -ENOMEM (nothing is left then) or -EINVAL. */
static int ftp_server_copy_rules(const struct weir_ftp_rules *rules, struct weir_ftp_rules *ret)
{
	if (rules->passive_last < rules->passive_first ||
	        (!rules->passive_first && rules->passive_last))
		return -EINVAL;
	*ret = *rules;
	ret->users = rules->users ? weir_users_hold(rules->users) : NULL;
	ret->tls = rules->tls ? weir_tls_hold(rules->tls) : NULL;
	ret->anonymous_home = rules->anonymous_home ? ftp_copy(rules->anonymous_home) : NULL;
	ret->welcome = ftp_copy(rules->welcome ? rules->welcome : "Weir FTP");
	ret->hosts = rules->hosts ? ftp_server_copy_hosts(rules->hosts) : NULL;
	ftp_server_fill(ret);
	if (ret->welcome && !ret->anonymous_home == !rules->anonymous_home &&
	        !ret->hosts == !rules->hosts)
		return 0;
	ftp_server_free_rules(ret);
	return -ENOMEM;
}

/* "220-line", … "220 last line"; NULL without memory. */
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

/* 0, -ENOMEM or -EINVAL: all is as it was. */
static int ftp_server_set_rules(struct weir_ftp_server *server, const struct weir_ftp_rules *rules)
{
	struct weir_ftp_rules copy;
	int error = ftp_server_copy_rules(rules, &copy);
	if (error < 0)
		return error;
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
	int error = server->implicit && !rules->tls ? -EINVAL : ftp_server_set_rules(server, rules);
	if (error < 0) {
		weir_tree_close(tree);
		return error;
	}
	if (server->implicit)
		weir_server_set_tls(server->listener, server->rules.tls);
	if (!tree)
		return 0;
	weir_tree_close(server->tree);
	server->tree = tree;
	server->attached = false;
	return 0;
}

/* -- the server -------------------------------------------------------------------------------- */

static void ftp_server_accept_failed(void *context, int error)
{
	struct weir_ftp_server *server = context;
	if (server->accept_failed)
		server->accept_failed(server->context, error);
}

static void ftp_server_tls_failed(void *context, const struct weir_address *peer, const char *why)
{
	struct weir_ftp_server *server = context;
	if (server->tls_failed)
		server->tls_failed(server->context, peer, why);
}

static void ftp_server_free(struct weir_ftp_server *server)
{
	ftp_server_free_rules(&server->rules);
	free(server->banner);
	weir_peers_release(server->peers);
	weir_tree_close(server->tree);
	free(server);
}

static int ftp_server_start(struct weir_ftp_server *server, const struct weir_ftp_options *options)
{
	struct weir_bounds bounds = options->bounds;
	if (!bounds.idle_ms)
		bounds.idle_ms = WEIR_FTP_IDLE_MS;
	bounds.request_max = WEIR_FTP_LINE_MAX;
	/* A slow transfer lives as long as it moves. */
	server->data_bounds =
	        (struct weir_bounds){.progress_ms = bounds.progress_ms, .request_ms = INT32_MAX};
	return weir_server_create(server->loop,
	        &(struct weir_server_options){
	                .address = options->address,
	                .protocol = &ftp_protocol,
	                .context = server,
	                .bounds = bounds,
	                .tls = options->implicit ? server->rules.tls : NULL,
	                .tls_refusal = refusal,
	                .shared = options->shared,
	                .accept_failed = ftp_server_accept_failed,
	                .tls_failed = ftp_server_tls_failed,
	        },
	        &server->listener);
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
	server->implicit = options->implicit;
	server->guard = options->guard;
	server->log = options->log;
	server->accept_failed = options->accept_failed;
	server->tls_failed = options->tls_failed;
	server->context = options->context;
	server->peers = options->peers ? weir_peers_hold(options->peers) : NULL;
	int error = options->implicit && !options->rules.tls
	                    ? -EINVAL
	                    : ftp_server_set_rules(server, &options->rules);
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
