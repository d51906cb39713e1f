/*
 * The HTTP servers of the admin listener, and the check of a token. A token is compared in constant
 * time, and is long, so that it cannot be guessed.
 *
 * Invariant: every path of the address is behind the check. The Unix socket needs none, since
 * admin.c asks the kernel for the peer's user. But a port that leads to it, by ssh, is open to each
 * page in that user's browser, by DNS rebinding: a name of the attacker's gets the address of the
 * port, and counts as the origin of both. So the socket serves no host whose name others could
 * have. The address needs no such check: a browser sends the name and password of another origin
 * to none.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/exposition.h>
#include <weir/http.h>
#include <weir/http_auth.h>
#include <weir/http_routes.h>
#include <weir/list.h>
#include <weir/sources.h>

#include "admin_http.h"
#include "config.h"
#include "daemon_metrics.h"
#include "daemon_status.h"
#include "helper.h"
#include "link.h"
#include "metrics_read.h"
#include "say.h"
#include "status_page.h"
#include "worker.h"

struct admin_http {
	struct admin_http_options options;
	struct weir_http_server *local;  /* of the Unix socket */
	struct weir_http_server *remote; /* of the address, or NULL */
	struct weir_address address;     /* of the latter */
	struct status_page *page;
};

/* -- pages ------------------------------------------------------------------------------------- */

/* The loops whose sets are read: those of the workers, and the main one. */
static size_t admin_http_loops(
        const struct admin_http *http, struct weir_loop *ret[CONFIG_WORKERS_MAX + 1])
{
	const struct admin_http_options *options = &http->options;
	return worker_loops(options->workers, *options->worker_count, options->loop, ret);
}

static void admin_http_show_metrics(void *context, struct weir_http_exchange *exchange)
{
	const struct admin_http *http = context;
	struct weir_loop *loops[CONFIG_WORKERS_MAX + 1];
	struct weir_span accept =
	        weir_http_request_known(weir_http_request(exchange), WEIR_HTTP_ACCEPT);
	enum weir_exposition_format format = weir_exposition_choose(accept);
	weir_http_add_field(exchange, "Content-Type", weir_span_of(weir_exposition_type(format)));
	weir_http_add_field(exchange, "Cache-Control", WEIR_SPAN("no-store"));
	weir_http_add_field(exchange, "Vary", WEIR_SPAN("Accept"));
	weir_http_compress(exchange);
	weir_http_reply(exchange, 200,
	        weir_produce_exposition(loops, admin_http_loops(http, loops),
	                daemon_metrics_sources(http->options.metrics), format));
}

static void admin_http_show_status(
        const struct admin_http *http, struct weir_http_exchange *exchange, bool json)
{
	struct weir_loop *loops[CONFIG_WORKERS_MAX + 1];
	struct metrics_reader reader = {loops, admin_http_loops(http, loops)};
	struct weir_buffer text = {0};
	int error = status_write(
	        http->options.metrics, &reader, json ? STATUS_JSON : STATUS_TEXT, &text);
	if (error < 0) {
		weir_buffer_finish(&text);
		weir_http_reply_error(exchange, 500);
		return;
	}
	weir_http_add_field(exchange, "Content-Type",
	        json ? WEIR_SPAN("application/json") : WEIR_SPAN("text/plain; charset=utf-8"));
	weir_http_add_field(exchange, "Cache-Control", WEIR_SPAN("no-store"));
	weir_http_add_field(exchange, "X-Content-Type-Options", WEIR_SPAN("nosniff"));
	weir_http_reply(exchange, 200, weir_produce_owned(text.data, text.size));
}

static void admin_http_show_text(void *context, struct weir_http_exchange *exchange)
{
	admin_http_show_status(context, exchange, false);
}

static void admin_http_show_json(void *context, struct weir_http_exchange *exchange)
{
	admin_http_show_status(context, exchange, true);
}

static const struct weir_http_route admin_http_routes[] = {
        {"GET", "metrics", admin_http_show_metrics},
        {"GET", "status", admin_http_show_text},
        {"GET", "status.json", admin_http_show_json},
};

static struct weir_http_handler *admin_http_pages(struct admin_http *http)
{
	return weir_http_chain(weir_http_routes_create(admin_http_routes,
	                               sizeof admin_http_routes / sizeof *admin_http_routes, http),
	        status_page_handler(http->page));
}

/* -- the host ---------------------------------------------------------------------------------- */

/* Whether nobody else has this name in DNS: an IP address, localhost, or a name without dots. */
static bool admin_host_is_own(struct weir_span host)
{
	bool address = true, dots = false;
	if (host.size && host.data[0] == '[')
		return true;
	for (size_t i = 0; i < host.size && host.data[i] != ':'; i++) {
		dots = dots || host.data[i] == '.';
		address = address && (host.data[i] == '.' || isdigit((unsigned char)host.data[i]));
	}
	return address || !dots;
}

static void admin_host_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	if (admin_host_is_own(weir_http_request(exchange)->host))
		weir_http_next(handler, exchange);
	else
		weir_http_reply_error(exchange, 421);
}

static void admin_host_destroy(struct weir_http_handler *handler)
{
	free(handler);
}

static struct weir_http_handler *admin_host_create(void)
{
	static const struct weir_http_handler_type type = {
	        .name = "admin-host",
	        .handle = admin_host_handle,
	        .destroy = admin_host_destroy,
	};
	struct weir_http_handler *handler = calloc(1, sizeof *handler);
	if (handler)
		handler->type = &type;
	return handler;
}

/* -- the check --------------------------------------------------------------------------------- */

/* The first handler of the address. Behind it is Basic authentication, if there are users. */
struct admin_check {
	struct weir_http_handler handler;
	bool has_users;
	size_t size; /* of the token; 0: none */
	char token[];
};

/* "Bearer TOKEN", RFC 6750 2.1. */
static bool admin_check_token(
        const struct admin_check *check, const struct weir_http_exchange *exchange)
{
	struct weir_span value =
	        weir_http_request_known(weir_http_request(exchange), WEIR_HTTP_AUTHORIZATION);
	struct weir_span scheme;
	if (!check->size || !value.size || !weir_span_cut(&value, ' ', &scheme) ||
	        !weir_span_equal_nocase(scheme, WEIR_SPAN("Bearer")))
		return false;
	value = weir_span_trim(value);
	return value.size == check->size && secret_equal(value.data, check->token, value.size);
}

static void admin_check_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	struct admin_check *check = WEIR_CONTAINER(handler, struct admin_check, handler);
	bool known = admin_check_token(check, exchange);
	if (known && check->has_users) {
		weir_http_next(handler->next, exchange);
	} else if (known || check->has_users) {
		weir_http_next(handler, exchange);
	} else {
		weir_http_add_field(
		        exchange, "WWW-Authenticate", WEIR_SPAN("Bearer realm=\"weir\""));
		weir_http_reply_error(exchange, 401);
	}
}

static void admin_check_destroy(struct weir_http_handler *handler)
{
	struct admin_check *check = WEIR_CONTAINER(handler, struct admin_check, handler);
	explicit_bzero(check->token, check->size);
	free(check);
}

static struct weir_http_handler *admin_check_create(const struct config_admin *config)
{
	static const struct weir_http_handler_type type = {
	        .name = "admin-check",
	        .handle = admin_check_handle,
	        .destroy = admin_check_destroy,
	};
	size_t size = config->token ? strlen(config->token) : 0;
	struct admin_check *check = calloc(1, sizeof *check + size);
	if (!check)
		return NULL;
	check->handler.type = &type;
	check->has_users = config->users;
	check->size = size;
	if (size)
		memcpy(check->token, config->token, size);
	return &check->handler;
}

static struct weir_http_handler *admin_http_checked(
        struct admin_http *http, const struct config_admin *config)
{
	struct weir_http_handler *chain = admin_http_pages(http);
	if (config->users)
		chain = weir_http_chain(
		        weir_http_basic_auth_create(config->users, http->options.guard, "weir", ""),
		        chain);
	return weir_http_chain(admin_check_create(config), chain);
}

/* -- servers ----------------------------------------------------------------------------------- */

/* All hosts are served; the name is for the metrics, where scrapes have a series of their own. */
static struct weir_http_sites *admin_http_sites(struct weir_http_handler *handlers)
{
	static const char *const names[] = {"admin", NULL};
	struct weir_http_sites *sites = weir_http_sites_create(handlers);
	if (sites)
		sites->first->names = names;
	return sites;
}

static int admin_http_open(struct admin_http *http, const struct weir_address *address,
        struct weir_http_handler *handlers, struct weir_http_server **ret)
{
	struct weir_http_sites *sites = admin_http_sites(handlers);
	if (!sites)
		return -ENOMEM;
	struct weir_http_options options;
	weir_http_options_init(&options);
	struct weir_bounds *bounds = &options.listener.bounds;
	options.listener.passive = address == NULL;
	options.listener.name = "admin";
	bounds->channels_max = ADMIN_HTTP_CONNECTIONS_MAX;
	bounds->idle_ms = ADMIN_HTTP_IDLE_MS;
	bounds->progress_ms = ADMIN_HTTP_PROGRESS_MS;
	options.sites = sites;
	if (address)
		options.listener.address = *address;
	/* With the process that takes over from this one. */
	options.listener.shared = link_active();
	return weir_http_create(http->options.loop, &options, ret);
}

int admin_http_adopt(struct admin_http *http, int fd)
{
	struct weir_address nobody = {0};
	return weir_server_adopt(weir_http_listener(http->local), fd, &nobody);
}

/* The address has not changed: its server goes on with the new token and users. */
static int admin_http_replace(struct admin_http *http, const struct config_admin *config)
{
	struct weir_http_sites *sites = admin_http_sites(admin_http_checked(http, config));
	if (!sites)
		return -ENOMEM;
	weir_http_set_sites(http->remote, sites);
	return 0;
}

int admin_http_listen(struct admin_http *http, const struct config_admin *config)
{
	struct weir_http_server *next = NULL;
	int error = 0;
	if (config->listens && http->remote && weir_address_equal(&config->address, &http->address))
		error = admin_http_replace(http, config);
	else if (config->listens)
		error = admin_http_open(
		        http, &config->address, admin_http_checked(http, config), &next);
	if (error < 0) {
		char text[WEIR_ADDRESS_TEXT_MAX];
		weir_address_format(&config->address, text);
		say("cannot listen on the admin address %s: %s", text, weir_error_text(error));
		return error;
	}
	status_page_end_streams(http->page);
	if (next || !config->listens) {
		weir_http_destroy(http->remote);
		http->remote = next;
		http->address = config->address;
	}
	return 0;
}

int admin_http_create(const struct admin_http_options *options, struct admin_http **ret)
{
	struct admin_http *http = calloc(1, sizeof *http);
	if (!http)
		return -ENOMEM;
	http->options = *options;
	int error = status_page_create(options, &http->page);
	if (error == 0)
		error = admin_http_open(http, NULL,
		        weir_http_chain(admin_host_create(), admin_http_pages(http)), &http->local);
	if (error < 0) {
		status_page_destroy(http->page);
		free(http);
		return error;
	}
	*ret = http;
	return 0;
}

void admin_http_destroy(struct admin_http *http)
{
	if (!http)
		return;
	weir_http_destroy(http->remote);
	weir_http_destroy(http->local);
	status_page_destroy(http->page);
	free(http);
}
