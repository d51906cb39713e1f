/*
 * HTTP servers: a listener, its sites, and the choice among them by the name in Host. A set of
 * sites is replaced as a whole; an exchange holds the set that it began with.
 */
#include <errno.h>
#include <stdlib.h>

#include "exchange.h"

struct weir_http_sites *weir_http_sites_hold(struct weir_http_sites *sites)
{
	sites->holds++;
	return sites;
}

struct weir_http_server *http_server_hold(struct weir_http_server *server)
{
	local_refcount_hold(&server->references);
	return server;
}

void http_server_release(struct weir_http_server *server)
{
	if (local_refcount_release(&server->references))
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

/* "*.example.org" matches every name that ends in ".example.org". */
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

const struct weir_http_site *http_sites_find(
        const struct weir_http_sites *sites, struct weir_span host)
{
	const struct weir_http_site *first = sites->first;
	if (!first->next)
		return first;
	host = http_server_without_port(host);
	for (const struct weir_http_site *site = first; site; site = site->next)
		if (http_server_site_matches(site, host))
			return site;
	return first;
}

/* Sent to a client that speaks HTTP in clear on a port for TLS. */
static const char tls_refusal[] = "HTTP/1.1 400 Bad Request\r\n"
                                  "Content-Type: text/plain\r\n"
                                  "Connection: close\r\n"
                                  "\r\n"
                                  "This port speaks HTTPS: use https:// in the address.\n";

void weir_http_options_init(struct weir_http_options *options)
{
	*options = (struct weir_http_options){.sites = NULL};
	weir_listener_init(&options->listener);
}

int weir_http_create(struct weir_loop *loop, const struct weir_http_options *options,
        struct weir_http_server **ret)
{
	int error = -ENOMEM;
	struct weir_http_server *server = options->sites ? calloc(1, sizeof *server) : NULL;
	if (!server || !(server->loop_state = http_loop_state(loop)))
		goto error_server;
	server->cells = http_metrics_of_site(loop, NULL);
	if (!server->cells)
		goto error_server;
	http_metrics_join(loop, options->sites, server->cells);
	local_refcount_init(&server->references);
	server->sites = options->sites;
	server->log = options->log;
	server->loop = loop;
	server->progress_ms = options->listener.bounds.progress_ms;
	server->prior_knowledge = options->http2_prior_knowledge;
	server->extended_connect = options->http2_extended_connect;
	struct weir_server_options listener;
	weir_server_options_init(&listener);
	listener.listener = options->listener;
	listener.protocol = &http_protocol;
	listener.context = server;
	listener.tls_refusal = tls_refusal;
	error = weir_server_create(loop, &listener, &server->listener);
	if (error < 0)
		goto error_server;
	*ret = server;
	return 0;

error_server:
	weir_http_sites_release(options->sites);
	free(server);
	return error;
}

void weir_http_set_sites(struct weir_http_server *server, struct weir_http_sites *sites)
{
	struct weir_http_sites *old = server->sites;
	http_metrics_join(server->loop, sites, server->cells);
	server->sites = sites;
	weir_http_sites_release(old);
}

void weir_http_set_prior_knowledge(struct weir_http_server *server, bool allowed)
{
	server->prior_knowledge = allowed;
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
	weir_http_sites_release(server->sites);
	/* Exchanges without a reply outlive the server, but not the logs. */
	server->destroyed = true;
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
