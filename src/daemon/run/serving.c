/*
 * The servers of one worker, and their logs. Invariant: a log outlives the servers that write to
 * it, and both are freed between two turns of the loop, never in a callback.
 *
 * A server that the plan does not have stops listening, finishes its connections and is freed. Its
 * address may be open twice meanwhile, since every server has SO_REUSEPORT.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/policy.h>
#include <weir/server.h>

#include "link.h"
#include "listening.h"
#include "say.h"
#include "store.h"
#include "worker_state.h"

/* The time between two reports of one worker that connections cannot be accepted. */
enum {
	COMPLAIN_AFTER_MS = 5000
};

static const struct service_type *serving_service_of(const struct serving_server *server)
{
	return services[server->endpoint.type->service];
}

void serving_init(struct worker *worker)
{
	struct serving *serving = &worker->serving;
	forwarding_init(&serving->forwarding, worker->loop);
	complaints_init(&serving->handshakes, worker->loop, "TLS handshakes failed");
	complaints_init(&serving->proxies, worker->loop, "connections without a PROXY header");
	complaints_init(&serving->malformed, worker->loop, "lines or messages were malformed");
	weir_list_init(&serving->servers);
	weir_list_init(&serving->logs);
}

void serving_reopen_logs(struct worker *worker)
{
	log_files_reopen(&worker->serving.logs);
}

/* -- servers ----------------------------------------------------------------------------------- */

static void serving_accept_failed(void *context, int error)
{
	struct serving_server *server = context;
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

/* " (session 5ec0ffee00000001)"; nothing without an ID. */
struct session_text {
	char text[40];
};

static struct session_text serving_session(uint64_t id)
{
	struct session_text ret = {""};
	if (id)
		snprintf(ret.text, sizeof ret.text, " (session %016llx)", (unsigned long long)id);
	return ret;
}

static void serving_tls_failed(
        void *context, const struct weir_address *peer, uint64_t id, const char *why)
{
	struct serving_server *server = context;
	char from[WEIR_ADDRESS_TEXT_MAX], to[WEIR_ADDRESS_TEXT_MAX];
	if (!complaints_allow(&server->worker->serving.handshakes))
		return;
	weir_address_format(peer, from);
	weir_address_format(&server->endpoint.actual, to);
	say_at(WEIR_LOG_WARNING, "the TLS handshake of %s with %s failed: %s%s", from, to, why,
	        serving_session(id).text);
}

static void serving_proxy_failed(void *context, const struct weir_address *peer, int error)
{
	struct serving_server *server = context;
	char from[WEIR_ADDRESS_TEXT_MAX], to[WEIR_ADDRESS_TEXT_MAX];
	if (!complaints_allow(&server->worker->serving.proxies))
		return;
	weir_address_format(peer, from);
	weir_address_format(&server->endpoint.actual, to);
	say_at(WEIR_LOG_WARNING, "the proxy %s sent no PROXY header to %s: %s", from, to,
	        weir_error_text(error));
}

static void serving_print_malformed(const struct serving_server *server,
        const struct weir_address *peer, uint64_t id, const char *why, struct weir_span input)
{
	char from[WEIR_ADDRESS_TEXT_MAX], to[WEIR_ADDRESS_TEXT_MAX];
	struct weir_buffer text = {0};
	weir_address_format(peer, from);
	weir_address_format(&server->endpoint.actual, to);
	weir_log_escape(&text, input, 4 * WEIR_MALFORMED_SHOWN);
	say_at(WEIR_LOG_WARNING, "malformed input of %s to %s: %s: \"%.*s\"%s", from, to, why,
	        (int)text.size, text.size ? text.data : "", serving_session(id).text);
	weir_buffer_finish(&text);
}

/* In the log of the protocol; without one it is a line of the daemon. */
static void serving_malformed(void *context, const struct weir_address *peer, uint64_t id,
        const char *why, struct weir_span input)
{
	struct serving_server *server = context;
	struct log_line line;
	if (!complaints_allow(&server->worker->serving.malformed))
		return;
	if (!server->log) {
		serving_print_malformed(server, peer, id, why, input);
		return;
	}
	log_line_begin(&line, server->log->log, server->worker->loop, WEIR_LOG_WARNING,
	        server->endpoint.type->name, "malformed");
	log_line_add_peer(&line, peer, false);
	log_line_add_known(&line, "error", weir_span_of(why));
	log_line_add_known(&line, "input", input);
	log_line_add_session(&line, id);
	log_line_end(&line);
}

/* Returns the certificates for a listener of this type; NULL if there are none, or it uses none. */
static struct weir_tls *serving_tls_of(
        const struct service_states *states, const struct listener_type *type)
{
	return type->secure || type->upgrades ? states->tls[type->service] : NULL;
}

/* Stores NULL if listeners of this type have no log. */
static int serving_open_log(struct worker *worker, const struct server_plan *plan,
        const struct listener_type *type, struct log_file **ret)
{
	const char *path = plan->logs[service_infos[type->service].log];
	if (!path)
		return 0;
	return log_file_open(&worker->serving.logs, worker->loop, plan->user, path, ret);
}

static int serving_open_socket(void *context, int type)
{
	const struct serving_server *server = context;
	char key[ENDPOINT_KEY_SIZE];
	endpoint_key(&server->endpoint, server->worker->index, key);
	return link_open(type == SOCK_DGRAM ? GRANT_DATAGRAM : GRANT_STREAM, key);
}

static int serving_open_server(struct worker *worker, const struct server_plan *plan,
        const struct endpoint *endpoint, struct log_file *log)
{
	struct serving_server *server = calloc(1, sizeof *server);
	if (!server)
		return -ENOMEM;
	server->worker = worker;
	server->endpoint = *endpoint;
	server->endpoint.policy = NULL; /* the plan's */
	server->has_tls = serving_tls_of(&plan->states, endpoint->type);
	struct service_options options = {
	        .loop = worker->loop,
	        .type = endpoint->type,
	        .listener =
	                {
	                        .address = endpoint->actual,
	                        .shared = true,
	                        .name = endpoint->type->name,
	                        .open_socket = link_active() ? serving_open_socket : NULL,
	                        .bounds = plan->bounds,
	                        .tls = serving_tls_of(&plan->states, endpoint->type),
	                        .tls_upgrade = !endpoint->type->secure,
	                        .accept_failed = serving_accept_failed,
	                        .tls_failed = serving_tls_failed,
	                        .policy = endpoint->policy,
	                        .proxy_failed = serving_proxy_failed,
	                        .malformed = serving_malformed,
	                        .context = server,
	                },
	        .state = plan->states.of[endpoint->type->service],
	        .log = log ? log->log : NULL,
	        .guard = plan->guard,
	        .relay = plan->relay,
	        .dns = plan->dns,
	        .forwarding = &worker->serving.forwarding,
	        .workers = plan->workers,
	};
	int error = serving_service_of(server)->open(&options, &server->server);
	if (error < 0) {
		free(server);
		return error;
	}
	server->fresh = server->wanted = true;
	server->log = log_file_hold(log);
	weir_list_append(&worker->serving.servers, &server->link);
	return 0;
}

static void serving_close_server(struct serving_server *server)
{
	weir_list_remove(&server->link);
	serving_service_of(server)->close(server->server);
	weir_policy_release(server->policy);
	log_file_release(server->log);
	free(server);
}

static void serving_on_drained(void *context)
{
	((struct serving_server *)context)->ended = true;
}

static void serving_drain_server(struct serving_server *server)
{
	if (server->draining)
		return;
	server->draining = true;
	if (serving_service_of(server)->retire)
		serving_service_of(server)->retire(server->server);
	weir_server_drain(
	        serving_service_of(server)->listener(server->server), serving_on_drained, server);
}

/* -- the two steps ----------------------------------------------------------------------------- */

/* Finds the server that can go on with the plan: one cannot begin or cease to have TLS. */
static struct serving_server *serving_find_server(
        struct serving *serving, const struct server_plan *plan, const struct endpoint *endpoint)
{
	bool has_tls = serving_tls_of(&plan->states, endpoint->type);
	WEIR_LIST_EACH (struct serving_server, server, &serving->servers, link)
		if (!server->draining && server->has_tls == has_tls &&
		        endpoint_same(&server->endpoint, endpoint))
			return server;
	return NULL;
}

static int serving_prepare_servers(struct worker *worker, const struct server_plan *plan)
{
	struct serving *serving = &worker->serving;
	for (size_t i = 0; i < plan->count; i++) {
		char address[WEIR_ADDRESS_TEXT_MAX];
		const struct endpoint *endpoint = &plan->endpoints[i];
		struct serving_server *server =
		        plan->replace >> endpoint->type->service & 1
		                ? NULL
		                : serving_find_server(serving, plan, endpoint);
		struct log_file *log = NULL;
		if (server) {
			server->wanted = true;
			server->policy = weir_policy_hold(endpoint->policy);
			continue;
		}
		int error = serving_open_log(worker, plan, endpoint->type, &log);
		if (error < 0)
			return error;
		error = serving_open_server(worker, plan, endpoint, log);
		if (error == 0)
			continue;
		weir_address_format(&endpoint->actual, address);
		say("cannot listen on %s: %s", address, weir_error_text(error));
		return error;
	}
	return 0;
}

static int serving_open_state_logs(struct worker *worker, const struct server_plan *plan)
{
	int error = 0;
	for (unsigned i = 0; i < SERVICE_COUNT && error == 0; i++)
		if (plan->states.of[i] && services[i]->open_logs)
			error = services[i]->open_logs(plan->states.of[i], &worker->serving.logs,
			        worker->loop, plan->user);
	return error;
}

int serving_prepare(struct worker *worker, const struct server_plan *plan)
{
	struct serving *serving = &worker->serving;
	WEIR_LIST_EACH (struct serving_server, server, &serving->servers, link)
		server->wanted = server->fresh = false;
	serving->next = plan->states;
	serving->prepared = true;
	int error = serving_open_state_logs(worker, plan);
	if (error == 0)
		error = serving_prepare_servers(worker, plan);
	if (error < 0)
		serving_forget(worker);
	return error;
}

/* Ends the preparation: its parts are in use now, or dropped. */
static void serving_end_preparation(struct serving *serving)
{
	service_states_unload(&serving->next);
	WEIR_LIST_EACH (struct serving_server, server, &serving->servers, link) {
		weir_policy_release(server->policy);
		server->policy = NULL;
	}
	serving->prepared = false;
}

static void serving_update_server(struct serving_server *server, const struct service_states *next)
{
	const struct listener_type *type = server->endpoint.type;
	serving_service_of(server)->update(
	        server->server, next->of[type->service], serving_tls_of(next, type));
	weir_server_set_policy(
	        serving_service_of(server)->listener(server->server), server->policy);
}

void serving_commit(struct worker *worker)
{
	struct serving *serving = &worker->serving;
	WEIR_LIST_EACH (struct serving_server, server, &serving->servers, link) {
		if (!server->wanted)
			serving_drain_server(server);
		else if (!server->fresh)
			serving_update_server(server, &serving->next);
	}
	serving_end_preparation(serving);
}

void serving_forget(struct worker *worker)
{
	struct serving *serving = &worker->serving;
	WEIR_LIST_EACH (struct serving_server, server, &serving->servers, link)
		if (server->fresh)
			serving_drain_server(server);
	serving_end_preparation(serving);
}

void serving_renew(struct worker *worker)
{
	struct serving *serving = &worker->serving;
	WEIR_LIST_EACH (struct serving_server, server, &serving->servers, link)
		if (serving_service_of(server)->renew)
			serving_service_of(server)->renew(server->server);
}

struct channel_visit {
	bool (*visit)(void *context, const struct endpoint *endpoint, struct weir_channel *channel);
	void *context;
	const struct endpoint *endpoint;
	bool stopped;
};

static bool serving_visit_channel(void *context, struct weir_channel *channel)
{
	struct channel_visit *visit = context;
	visit->stopped = !visit->visit(visit->context, visit->endpoint, channel);
	return !visit->stopped;
}

void serving_each_channel(struct worker *worker,
        bool (*visit)(void *context, const struct endpoint *endpoint, struct weir_channel *channel),
        void *context)
{
	struct serving *serving = &worker->serving;
	struct channel_visit each = {.visit = visit, .context = context};
	WEIR_LIST_EACH (struct serving_server, server, &serving->servers, link) {
		if (each.stopped)
			break;
		each.endpoint = &server->endpoint;
		weir_server_each(serving_service_of(server)->listener(server->server),
		        serving_visit_channel, &each);
	}
}

/* -- ends -------------------------------------------------------------------------------------- */

void serving_retire(struct worker *worker)
{
	struct serving *serving = &worker->serving;
	WEIR_LIST_EACH (struct serving_server, server, &serving->servers, link)
		if (!server->draining)
			weir_server_retire(serving_service_of(server)->listener(server->server));
}

void serving_drain(struct worker *worker)
{
	struct serving *serving = &worker->serving;
	WEIR_LIST_EACH (struct serving_server, server, &serving->servers, link)
		serving_drain_server(server);
}

void serving_reap(struct worker *worker)
{
	struct serving *serving = &worker->serving;
	WEIR_LIST_EACH_SAFE (struct serving_server, server, next, &serving->servers, link)
		if (server->ended)
			serving_close_server(server);
	if (!serving->prepared)
		log_files_close(&serving->logs, false);
}

bool serving_busy(const struct worker *worker)
{
	return !weir_list_empty(&worker->serving.servers);
}

void serving_destroy(struct worker *worker)
{
	struct serving *serving = &worker->serving;
	serving_end_preparation(serving);
	WEIR_LIST_EACH_SAFE (struct serving_server, server, next, &serving->servers, link)
		serving_close_server(server);
	forwarding_destroy(&serving->forwarding);
	complaints_end(&serving->handshakes);
	complaints_end(&serving->proxies);
	complaints_end(&serving->malformed);
	log_files_close(&serving->logs, true);
	store_leave(worker->database, worker->loop);
}
