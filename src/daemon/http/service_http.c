/*
 * The service of HTTP. Its state is the sites (sites.c), which are reference counted, so that
 * requests in flight finish with the sites that they began with.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/http_files.h>
#include <weir/limits.h>
#include <weir/peers.h>

#include "say.h"
#include "service_http.h"

/* Peers that are counted at a time: at least as many as there are connections. */
enum {
	HTTP_PEERS_MAX = 1 << 20
};

static int service_http_load(struct config *config, struct budget budget, void **ret_state)
{
	uint64_t each = config->limits.address_connections;
	int error = 0;
	if (!config->http_peers)
		error = weir_peers_create(each ? (unsigned)each : WEIR_HTTP_PEER_CONNECTIONS_MAX,
		        HTTP_PEERS_MAX, &config->http_peers);
	if (error == 0 && !config->compressed_cache && config->limits.compressed_cache)
		error = weir_http_compressed_cache_create(
		        (size_t)config->limits.compressed_cache, 0, &config->compressed_cache);
	if (error < 0)
		return error;
	*ret_state = sites_create(config, budget.tree_entries);
	return *ret_state ? 0 : -ENOMEM;
}

static void service_http_unload(void *state)
{
	weir_http_sites_release(state);
}

static int service_http_open_logs(
        void *state, struct weir_list *logs, struct weir_loop *loop, const char *user)
{
	return sites_open_logs(state, logs, loop, user);
}

struct http_service {
	struct weir_http_server *http;
	struct weir_http_sites *sites;  /* the server holds them */
	struct service_options options; /* the arguments of sites_join */
};

static bool service_http_speaks_h2_in_clear(const struct weir_http_sites *sites)
{
	return sites_config(sites)->http2 == CONFIG_HTTP2_CLEAR;
}

static int service_http_open_server(const struct service_options *options, void **ret_server)
{
	struct http_service *server = calloc(1, sizeof *server);
	struct weir_http_options http;
	weir_http_options_init(&http);
	service_set_listener(options, &http.listener);
	http.listener.peers = sites_config(options->state)->http_peers;
	http.log = options->log;
	http.http2_prior_knowledge = service_http_speaks_h2_in_clear(options->state);
	http.http2_extended_connect = true;
	int error = server ? sites_join(options->state, options) : -ENOMEM;
	if (error == 0) {
		http.sites = weir_http_sites_hold(options->state);
		error = weir_http_create(options->loop, &http, &server->http);
	}
	if (error < 0) {
		free(server);
		return error;
	}
	server->sites = options->state;
	server->options = *options;
	*ret_server = server;
	return 0;
}

static void service_http_update(void *context, void *state, struct weir_tls *tls)
{
	struct http_service *server = context;
	sites_inherit(state, server->sites);
	int error = sites_join(state, &server->options);
	if (error < 0)
		say("cannot answer DNS over HTTPS, or check upstreams: %s", weir_error_text(error));
	if (tls)
		weir_server_set_tls(weir_http_listener(server->http), tls);
	weir_http_set_sites(server->http, weir_http_sites_hold(state));
	weir_http_set_prior_knowledge(server->http, service_http_speaks_h2_in_clear(state));
	server->sites = state;
}

static void service_http_renew(void *context)
{
	sites_renew(((struct http_service *)context)->sites);
}

static struct weir_server *service_http_listener(void *context)
{
	return weir_http_listener(((struct http_service *)context)->http);
}

static void service_http_close_server(void *context)
{
	struct http_service *server = context;
	weir_http_destroy(server->http);
	free(server);
}

/* -- the banner -------------------------------------------------------------------------------- */

static void service_http_print_proxies(const struct config_site *site)
{
	for (size_t i = 0; i < site->proxies.count; i++)
		printf("%s/%s is passed on to %s", i || site->root ? ", " : "",
		        site->proxies.items[i].path, site->proxies.items[i].to);
	for (size_t i = 0; i < site->fastcgi.count; i++)
		printf("%s/%s is answered by %s",
		        i || site->root || site->proxies.count ? ", " : "",
		        site->fastcgi.items[i].path, site->fastcgi.items[i].to);
}

static void service_http_print_served(const struct config *config)
{
	for (size_t i = 0; i < config->sites.count; i++) {
		const struct config_site *site = &config->sites.items[i];
		printf("  ");
		for (size_t j = 0; j < site->names.count; j++)
			printf("%s%s", j ? ", " : "", site->names.items[j]);
		printf("%s%s%s", site->names.count ? ": " : "", site->root ? site->root : "",
		        site->doh ? ", and DNS at /dns-query" : "");
		service_http_print_proxies(site);
		printf("\n");
	}
}

static void service_http_print_commands(const struct config *config, const char *url)
{
	const struct config_site *site = &config->sites.items[0];
	const struct config_uploads *uploads = &site->uploads;
	char name[SERVICE_USER_SIZE], user[SERVICE_USER_SIZE + 4] = "";
	if (site->auth.count)
		snprintf(user, sizeof user, "-u %s ",
		        service_example_user(site->auth.items[0].users, name));
	/* A name that this machine is known by is not in the URL, so that it is not looked at. */
	const char *insecure = strncmp(url, "https:", 6) == 0 ? "-k " : "";
	printf("  curl -i %s%s%s\n", insecure, user, url);
	if (uploads->present && uploads->put)
		printf("  curl %s%s-T " SERVICE_EXAMPLE_FILE " %s%s%s\n", insecure, user, url,
		        uploads->prefix ? uploads->prefix : "",
		        uploads->prefix && *uploads->prefix ? "/" : "");
	for (size_t i = 1; i < config->sites.count && i < 3; i++)
		if (config->sites.items[i].names.count &&
		        config->sites.items[i].names.items[0][0] != '*')
			printf("  curl -i %s-H 'Host: %s' %s\n", insecure,
			        config->sites.items[i].names.items[0], url);
}

const struct service_type service_http = {
        .load = service_http_load,
        .unload = service_http_unload,
        .open_logs = service_http_open_logs,
        .open = service_http_open_server,
        .update = service_http_update,
        .renew = service_http_renew,
        .listener = service_http_listener,
        .close = service_http_close_server,
        .print_served = service_http_print_served,
        .print_commands = service_http_print_commands,
};
