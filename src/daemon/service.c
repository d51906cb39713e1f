/*
 * What one worker serves: its servers, and the logs they write. Invariant: a log outlives the
 * servers that write it, and both are freed between two turns, never in a callback.
 *
 * A server that is wanted no more stops listening, finishes its connections and is freed. The same
 * address may be open twice meanwhile: SO_REUSEPORT, which every server here has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "endpoint.h"
#include "say.h"
#include "sites.h"
#include "worker_state.h"

/* Between two complaints that connections cannot be accepted, of one worker. */
enum {
	COMPLAIN_AFTER_MS = 5000
};

static struct service_server *server_of(struct weir_list *link)
{
	return WEIR_CONTAINER(link, struct service_server, link);
}

/* The server behind a link of the list, or behind its head; NULL at the end. */
static struct service_server *after(struct service *service, struct weir_list *link)
{
	return link->next == &service->servers ? NULL : server_of(link->next);
}

void service_init(struct service *service)
{
	weir_list_init(&service->servers);
	weir_list_init(&service->logs);
}

/* -- logs -------------------------------------------------------------------------------------- */

static struct log_file *find_log(struct service *service, const char *path)
{
	for (struct weir_list *link = service->logs.next; link != &service->logs;
	        link = link->next) {
		struct log_file *file = WEIR_CONTAINER(link, struct log_file, link);
		if (strcmp(file->path, path) == 0)
			return file;
	}
	return NULL;
}

static int open_log(struct worker *worker, const char *path, struct log_file **ret)
{
	struct log_file *file = find_log(&worker->service, path);
	*ret = file;
	if (file)
		return 0;
	file = calloc(1, sizeof *file);
	if (!file || !(file->path = strdup(path))) {
		free(file);
		return -ENOMEM;
	}
	int error = weir_http_log_create(worker->loop, path, &file->log);
	if (error < 0) {
		free(file->path);
		free(file);
		return error;
	}
	weir_list_append(&worker->service.logs, &file->link);
	*ret = file;
	return 0;
}

static void close_log(struct log_file *file)
{
	weir_list_remove(&file->link);
	weir_http_log_destroy(file->log);
	free(file->path);
	free(file);
}

void service_reopen_logs(struct worker *worker)
{
	struct service *service = &worker->service;
	for (struct weir_list *link = service->logs.next; link != &service->logs;
	        link = link->next) {
		struct log_file *file = WEIR_CONTAINER(link, struct log_file, link);
		int error = weir_http_log_reopen(file->log);
		if (error < 0)
			say("cannot open the log %s anew: %s; the old file is written further",
			        file->path, weir_error_text(error));
	}
}

/* -- servers ----------------------------------------------------------------------------------- */

static void accept_failed(void *context, int error)
{
	struct service_server *server = context;
	int64_t now_ms = weir_loop_now_ms(server->worker->loop);
	char address[WEIR_ADDRESS_TEXT_MAX];
	if (now_ms < server->worker->quiet_until_ms)
		return;
	server->worker->quiet_until_ms = now_ms + COMPLAIN_AFTER_MS;
	weir_address_format(&server->endpoint.actual, address);
	say("cannot accept connections on %s: %s%s", address, weir_error_text(error),
	        error == -EMFILE ? "; raise the limit of open files (ulimit -n, LimitNOFILE=)"
	                         : "");
}

static int open_server(struct worker *worker, const struct plan *plan,
        const struct endpoint *endpoint, struct log_file *log)
{
	struct service_server *server = calloc(1, sizeof *server);
	if (!server)
		return -ENOMEM;
	server->worker = worker;
	server->endpoint = *endpoint;
	server->log = log;
	int error = weir_http_create(worker->loop,
	        &(struct weir_http_options){
	                .address = endpoint->actual,
	                .sites = weir_http_sites_hold(plan->sites),
	                .log = log ? log->log : NULL,
	                .bounds = plan->bounds,
	                .shared = true,
	                .accept_failed = accept_failed,
	                .context = server,
	        },
	        &server->http);
	if (error < 0) {
		free(server);
		return error;
	}
	server->fresh = server->wanted = true;
	if (log)
		log->users++;
	weir_list_append(&worker->service.servers, &server->link);
	return 0;
}

static void close_server(struct service_server *server)
{
	weir_list_remove(&server->link);
	weir_http_destroy(server->http);
	if (server->log)
		server->log->users--;
	free(server);
}

static void on_drained(void *context)
{
	((struct service_server *)context)->ended = true;
}

static void drain_server(struct service_server *server)
{
	if (server->draining)
		return;
	server->draining = true;
	weir_server_drain(weir_http_listener(server->http), on_drained, server);
}

/* -- the two steps ----------------------------------------------------------------------------- */

static struct service_server *find_server(struct service *service, const struct endpoint *endpoint)
{
	for (struct service_server *server = after(service, &service->servers); server;
	        server = after(service, &server->link))
		if (!server->draining && server->endpoint.ordinal == endpoint->ordinal &&
		        endpoint_same_address(&server->endpoint.wanted, &endpoint->wanted))
			return server;
	return NULL;
}

static int prepare_servers(struct worker *worker, const struct plan *plan)
{
	struct log_file *log = NULL;
	int error = plan->log_path ? open_log(worker, plan->log_path, &log) : 0;
	if (error < 0) {
		say("cannot write the log %s: %s", plan->log_path, weir_error_text(error));
		return error;
	}
	for (size_t i = 0; i < plan->count; i++) {
		char address[WEIR_ADDRESS_TEXT_MAX];
		const struct endpoint *endpoint = &plan->endpoints[i];
		struct service_server *server =
		        plan->replace ? NULL : find_server(&worker->service, endpoint);
		if (server) {
			server->wanted = true;
			continue;
		}
		error = open_server(worker, plan, endpoint, log);
		if (error == 0)
			continue;
		weir_address_format(&endpoint->actual, address);
		say("cannot listen on %s: %s", address, weir_error_text(error));
		return error;
	}
	return 0;
}

int service_prepare(struct worker *worker, const struct plan *plan)
{
	struct service *service = &worker->service;
	for (struct service_server *server = after(service, &service->servers); server;
	        server = after(service, &server->link))
		server->wanted = server->fresh = false;
	service->next_sites = plan->sites;
	int error = prepare_servers(worker, plan);
	if (error < 0)
		service_forget(worker);
	return error;
}

void service_commit(struct worker *worker)
{
	struct service *service = &worker->service;
	for (struct service_server *server = after(service, &service->servers); server;
	        server = after(service, &server->link)) {
		if (!server->wanted)
			drain_server(server);
		else if (!server->fresh)
			weir_http_set_sites(
			        server->http, weir_http_sites_hold(service->next_sites));
	}
	weir_http_sites_release(service->next_sites);
	service->next_sites = NULL;
}

void service_forget(struct worker *worker)
{
	struct service *service = &worker->service;
	for (struct service_server *server = after(service, &service->servers); server;
	        server = after(service, &server->link))
		if (server->fresh)
			drain_server(server);
	weir_http_sites_release(service->next_sites);
	service->next_sites = NULL;
}

/* -- ends -------------------------------------------------------------------------------------- */

void service_drain(struct worker *worker)
{
	for (struct service_server *server = after(&worker->service, &worker->service.servers);
	        server; server = after(&worker->service, &server->link))
		drain_server(server);
}

void service_reap(struct worker *worker)
{
	struct service *service = &worker->service;
	for (struct service_server *server = after(service, &service->servers), *next; server;
	        server = next) {
		next = after(service, &server->link);
		if (server->ended)
			close_server(server);
	}
	for (struct weir_list *link = service->logs.next, *next; link != &service->logs;
	        link = next) {
		next = link->next;
		struct log_file *file = WEIR_CONTAINER(link, struct log_file, link);
		if (file->users == 0 && !service->next_sites)
			close_log(file);
	}
}

bool service_busy(const struct worker *worker)
{
	return !weir_list_empty(&worker->service.servers);
}

void service_destroy(struct worker *worker)
{
	struct service *service = &worker->service;
	weir_http_sites_release(service->next_sites);
	service->next_sites = NULL;
	for (struct service_server *server = after(service, &service->servers), *next; server;
	        server = next) {
		next = after(service, &server->link);
		close_server(server);
	}
	for (struct weir_list *link = service->logs.next, *next; link != &service->logs;
	        link = next) {
		next = link->next;
		close_log(WEIR_CONTAINER(link, struct log_file, link));
	}
}
