/*
 * HTTP servers: a listener, the sites it serves, and the choice among them by the name in Host. A
 * set of sites is swapped whole; an exchange holds the set it began with.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/peers.h>

#include "exchange.h"

struct weir_http_sites *weir_http_sites_hold(struct weir_http_sites *sites)
{
	sites->holds++;
	return sites;
}

struct weir_http_server *http_server_hold(struct weir_http_server *server)
{
	server->holds++;
	return server;
}

void http_server_release(struct weir_http_server *server)
{
	if (--server->holds == 0)
		free(server);
}

void weir_http_sites_release(struct weir_http_sites *sites)
{
	if (sites && --sites->holds == 0)
		sites->destroy(sites);
}

static struct weir_span http_server_without_port(struct weir_span host)
{
	const char *end = host.size ? memchr(host.data, ']', host.size) : NULL;
	size_t from = end ? (size_t)(end - host.data) : 0;
	const char *colon = host.size ? memchr(host.data + from, ':', host.size - from) : NULL;
	if (colon)
		host.size = (size_t)(colon - host.data);
	if (host.size && host.data[host.size - 1] == '.')
		host.size--;
	return host;
}

/* "*.example.org" is for every name that ends in ".example.org". */
static bool http_server_name_matches(struct weir_span pattern, struct weir_span host)
{
	if (pattern.size > 1 && pattern.data[0] == '*') {
		pattern = weir_span_skip(pattern, 1);
		if (host.size <= pattern.size)
			return false;
		host = weir_span_skip(host, host.size - pattern.size);
	}
	return weir_span_equal_nocase(pattern, host);
}

static bool http_server_site_matches(const struct weir_http_site *site, struct weir_span host)
{
	for (const char *const *name = site->names; name && *name; name++)
		if (http_server_name_matches(weir_span_of(*name), host))
			return true;
	return false;
}

struct weir_http_handler *http_sites_find(
        const struct weir_http_sites *sites, struct weir_span host)
{
	const struct weir_http_site *first = sites->first;
	if (!first->next)
		return first->handlers;
	host = http_server_without_port(host);
	for (const struct weir_http_site *site = first; site; site = site->next)
		if (http_server_site_matches(site, host))
			return site->handlers;
	return first->handlers;
}

/* For who forgot the "s": some clients show it. */
static const char tls_refusal[] = "HTTP/1.1 400 Bad Request\r\n"
                                  "Content-Type: text/plain\r\n"
                                  "Connection: close\r\n"
                                  "\r\n"
                                  "This port speaks HTTPS: use https:// in the address.\n";

static void http_server_tls_failed(void *context, const struct weir_address *peer, const char *why)
{
	struct weir_http_server *server = context;
	if (server->tls_failed)
		server->tls_failed(server->context, peer, why);
}

static void http_server_accept_failed(void *context, int error)
{
	struct weir_http_server *server = context;
	if (server->accept_failed)
		server->accept_failed(server->context, error);
}

int weir_http_create(struct weir_loop *loop, const struct weir_http_options *options,
        struct weir_http_server **ret)
{
	int error = -ENOMEM;
	struct weir_http_server *server = options->sites ? calloc(1, sizeof *server) : NULL;
	if (!server || !(server->shared = http_loop_state(loop)))
		goto error_server;
	server->holds = 1;
	server->sites = options->sites;
	server->log = options->log;
	server->peers = options->peers ? weir_peers_hold(options->peers) : NULL;
	server->accept_failed = options->accept_failed;
	server->tls_failed = options->tls_failed;
	server->context = options->context;
	error = weir_server_create(loop,
	        &(struct weir_server_options){
	                .address = options->address,
	                .protocol = &http_protocol,
	                .context = server,
	                .bounds = options->bounds,
	                .tls = options->tls,
	                .tls_refusal = tls_refusal,
	                .shared = options->shared,
	                .accept_failed = http_server_accept_failed,
	                .tls_failed = http_server_tls_failed,
	        },
	        &server->listener);
	if (error < 0)
		goto error_server;
	*ret = server;
	return 0;

error_server:
	weir_http_sites_release(options->sites);
	if (server)
		weir_peers_release(server->peers);
	free(server);
	return error;
}

void weir_http_set_sites(struct weir_http_server *server, struct weir_http_sites *sites)
{
	struct weir_http_sites *old = server->sites;
	server->sites = sites;
	weir_http_sites_release(old);
}

struct weir_server *weir_http_listener(struct weir_http_server *server)
{
	return server->listener;
}

void weir_http_destroy(struct weir_http_server *server)
{
	if (!server)
		return;
	weir_server_destroy(server->listener);
	weir_peers_release(server->peers);
	weir_http_sites_release(server->sites);
	/* Exchanges whose handlers have not replied yet outlive it, but not the log. */
	server->log = NULL;
	http_server_release(server);
}

/* -- sites for programs ------------------------------------------------------------------------ */

struct single_site {
	struct weir_http_sites sites;
	struct weir_http_site site;
};

void weir_http_handlers_destroy(struct weir_http_handler *first)
{
	for (struct weir_http_handler *next; first; first = next) {
		next = first->next;
		if (first->type->destroy)
			first->type->destroy(first);
	}
}

struct weir_http_handler *weir_http_chain(
        struct weir_http_handler *first, struct weir_http_handler *second)
{
	if (!first || !second) {
		weir_http_handlers_destroy(first);
		weir_http_handlers_destroy(second);
		return NULL;
	}
	struct weir_http_handler *last = first;
	while (last->next)
		last = last->next;
	last->next = second;
	return first;
}

static void http_server_destroy_single(struct weir_http_sites *sites)
{
	struct single_site *single = WEIR_CONTAINER(sites, struct single_site, sites);
	weir_http_handlers_destroy(single->site.handlers);
	free(single);
}

struct weir_http_sites *weir_http_sites_create(struct weir_http_handler *handlers)
{
	struct single_site *single = handlers ? calloc(1, sizeof *single) : NULL;
	if (!single) {
		weir_http_handlers_destroy(handlers);
		return NULL;
	}
	single->site.handlers = handlers;
	single->sites = (struct weir_http_sites){&single->site, 1, http_server_destroy_single};
	return &single->sites;
}
