/*
 * The pool. Invariants: an origin exists as long as a call or a connection refers to it; a call is
 * either in the list of those that wait, or has a connection.
 *
 * Origins are found by a walk over all of them, of which there are no more than connections and
 * waiting calls together.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/tls.h>

#include "client_state.h"
#include "helper.h"

/* -- origins ----------------------------------------------------------------------------------- */

static bool http_origin_matches(const struct http_origin *origin, const struct http_url *target,
        struct weir_span host, const char *unix_path)
{
	if (origin->tls != target->tls || origin->fastcgi != target->fastcgi ||
	        origin->port != target->port ||
	        !weir_span_equal_nocase(weir_span_of(origin->host), host))
		return false;
	if (!origin->unix_path || !unix_path)
		return origin->unix_path == unix_path;
	return strcmp(origin->unix_path, unix_path) == 0;
}

/* The host of "[::1]" is ::1, for certificates and the resolver. */
static struct weir_span http_origin_host(const struct http_url *target)
{
	struct weir_span host = target->host;
	return *host.data == '[' ? weir_span(host.data + 1, host.size - 2) : host;
}

static struct http_origin *http_origin_make(
        const struct http_url *target, struct weir_span host, const char *unix_path)
{
	size_t path_size = unix_path ? strlen(unix_path) + 1 : 0;
	size_t name_size = target->host.size + 32; /* the scheme, the port */
	struct http_origin *origin =
	        calloc(1, sizeof *origin + name_size + host.size + 1 + path_size);
	if (!origin)
		return NULL;
	char *copy = origin->text + name_size;
	snprintf(origin->text, name_size, "%s://%.*s:%u",
	        target->tls       ? "https"
	        : target->fastcgi ? "fastcgi"
	                          : "http",
	        (int)target->host.size, target->host.data, target->port);
	memcpy(copy, host.data, host.size);
	origin->host = copy;
	if (unix_path)
		origin->unix_path = memcpy(copy + host.size + 1, unix_path, path_size);
	origin->tls = target->tls;
	origin->fastcgi = target->fastcgi;
	origin->port = target->port;
	weir_list_init(&origin->idle);
	return origin;
}

int http_client_find_origin(struct weir_http_call *call)
{
	struct weir_http_client *client = call->client;
	struct weir_span host = http_origin_host(&call->target);
	const char *unix_path = call->unix_path.size ? call->unix_path.data : NULL;
	struct http_origin *origin = NULL;
	WEIR_LIST_EACH (struct http_origin, known, &client->origins, link)
		if (http_origin_matches(known, &call->target, host, unix_path))
			origin = known;
	if (!origin) {
		origin = http_origin_make(&call->target, host, unix_path);
		if (!origin)
			return -ENOMEM;
		weir_list_append(&client->origins, &origin->link);
	}
	origin->references++;
	call->origin = origin;
	return 0;
}

void http_origin_release(struct http_origin *origin)
{
	if (!origin || --origin->references)
		return;
	weir_list_remove(&origin->link);
	free(origin);
}

/* -- calls that wait --------------------------------------------------------------------------- */

static void http_client_on_wait(struct weir_timer *timer)
{
	struct weir_http_call *call = WEIR_CONTAINER(timer, struct weir_http_call, timer);
	http_client_dequeue(call);
	http_call_on_failure(call, WEIR_E_LIMIT, "all connections are in use", false);
}

void http_client_enqueue(struct weir_http_call *call, bool first)
{
	struct weir_http_client *client = call->client;
	/* Appended before the first link of a ring is in front. */
	weir_list_append(first ? client->waiting.next : &client->waiting, &call->waiting_link);
	client->waiting_count++;
	weir_timer_start(client->loop, &call->timer, client->options.wait_ms, http_client_on_wait);
	http_client_schedule(client);
}

void http_client_dequeue(struct weir_http_call *call)
{
	if (weir_list_empty(&call->waiting_link))
		return;
	weir_list_remove(&call->waiting_link);
	weir_timer_stop(&call->timer);
	call->client->waiting_count--;
}

/* The kept connection of the origin that was used last, and is quiet. */
static struct http_client_connection *http_client_take_idle(const struct http_origin *origin)
{
	for (struct weir_list *link = origin->idle.prev; link != &origin->idle; link = link->prev) {
		struct http_client_connection *connection =
		        WEIR_CONTAINER(link, struct http_client_connection, idle_link);
		if (http_client_connection_quiet(connection))
			return connection;
	}
	return NULL;
}

/* Closes the connection that has been idle longest; of all origins, if `origin` is NULL. */
static void http_client_evict(struct weir_http_client *client, const struct http_origin *origin)
{
	WEIR_LIST_EACH (struct http_client_connection, connection, &client->connections, link) {
		if (connection->state != HTTP_CONNECTION_IDLE ||
		        (origin && connection->origin != origin))
			continue;
		http_client_connection_retire(connection);
		return;
	}
}

/* Returns whether a connection may be opened; if not, makes room where that is possible. */
static bool http_client_has_room(struct weir_http_client *client, const struct http_origin *origin)
{
	if (origin->connections >= client->options.origin_max) {
		http_client_evict(client, origin);
		return false;
	}
	if (client->connection_count >= client->options.connections_max) {
		http_client_evict(client, NULL);
		return false;
	}
	return true;
}

/* Starts the first call that can be; false: none can. */
static bool http_client_start_one(struct weir_http_client *client)
{
	WEIR_LIST_EACH (struct weir_http_call, call, &client->waiting, waiting_link) {
		struct http_client_connection *kept =
		        call->fresh ? NULL : http_client_take_idle(call->origin);
		if (!kept && !http_client_has_room(client, call->origin))
			continue;
		http_client_dequeue(call);
		if (kept) {
			http_client_connection_use(kept, call);
			return true;
		}
		int error = http_client_connection_open(call);
		if (error < 0)
			http_call_on_failure(call, error, NULL, false);
		return true;
	}
	return false;
}

/* Calls that are started meanwhile wait for the next turn. */
static void http_client_dispatch(struct weir_task *task)
{
	struct weir_http_client *client = WEIR_CONTAINER(task, struct weir_http_client, task);
	for (unsigned left = client->waiting_count; left > 0; left--)
		if (!http_client_start_one(client))
			return;
	if (client->waiting_count)
		http_client_schedule(client);
}

void http_client_schedule(struct weir_http_client *client)
{
	client->task.run = http_client_dispatch;
	weir_loop_defer(client->loop, &client->task);
}

/* -- the memory of calls ----------------------------------------------------------------------- */

/* A row for each buffer of a call; NULL behind the last. */
static struct weir_buffer *http_client_call_buffer(struct weir_http_call *call, size_t index)
{
	static const size_t offsets[] = {
	        offsetof(struct weir_http_call, url),
	        offsetof(struct weir_http_call, method),
	        offsetof(struct weir_http_call, host),
	        offsetof(struct weir_http_call, unix_path),
	        offsetof(struct weir_http_call, fields),
	        offsetof(struct weir_http_call, credentials),
	        offsetof(struct weir_http_call, content),
	        offsetof(struct weir_http_call, upgrade),
	        offsetof(struct weir_http_call, next_url),
	};
	if (index >= sizeof offsets / sizeof *offsets)
		return NULL;
	return (struct weir_buffer *)((char *)call + offsets[index]);
}

/* The part of a spare call that has no meaning. */
enum {
	HTTP_CALL_DEAD = offsetof(struct weir_http_call, body)
};

static void http_client_free_call(struct weir_http_call *call)
{
	struct weir_buffer *buffer;
	for (size_t i = 0; (buffer = http_client_call_buffer(call, i)); i++)
		weir_buffer_finish(buffer);
	free(call);
}

struct weir_http_call *http_client_take_call(struct weir_http_client *client)
{
	if (weir_list_empty(&client->spare))
		return calloc(1, sizeof(struct weir_http_call));
	struct weir_http_call *call =
	        WEIR_CONTAINER(client->spare.prev, struct weir_http_call, link);
	struct weir_http_call clean = {0};
	struct weir_buffer *buffer;
	weir_list_remove(&call->link);
	client->spare_count--;
	memory_unpoison((char *)call + HTTP_CALL_DEAD, sizeof *call - HTTP_CALL_DEAD);
	for (size_t i = 0; (buffer = http_client_call_buffer(call, i)); i++) {
		buffer->size = 0;
		*http_client_call_buffer(&clean, i) = *buffer;
	}
	*call = clean;
	return call;
}

void http_client_put_call(struct weir_http_call *call)
{
	struct weir_http_client *client = call->client;
	struct weir_buffer *buffer;
	size_t size = 0;
	for (size_t i = 0; (buffer = http_client_call_buffer(call, i)); i++)
		size += buffer->capacity;
	if (client->spare_count >= HTTP_CLIENT_SPARE_MAX || size > HTTP_CLIENT_SPARE_SIZE_MAX) {
		http_client_free_call(call);
		return;
	}
	client->spare_count++;
	weir_list_append(&client->spare, &call->link);
	memory_poison((char *)call + HTTP_CALL_DEAD, sizeof *call - HTTP_CALL_DEAD);
}

static void http_client_free_spare(struct weir_http_client *client)
{
	while (!weir_list_empty(&client->spare)) {
		struct weir_http_call *call =
		        WEIR_CONTAINER(client->spare.prev, struct weir_http_call, link);
		weir_list_remove(&call->link);
		memory_unpoison((char *)call + HTTP_CALL_DEAD, sizeof *call - HTTP_CALL_DEAD);
		http_client_free_call(call);
	}
}

/* -- life -------------------------------------------------------------------------------------- */

int http_client_get_resolver(struct weir_http_client *client)
{
	struct weir_resolver_options options;
	if (client->resolver)
		return 0;
	weir_resolver_options_init(&options);
	return weir_resolver_create(client->loop, &options, &client->resolver);
}

void weir_http_client_options_init(struct weir_http_client_options *options)
{
	*options = (struct weir_http_client_options){
	        .connections_max = WEIR_HTTP_CLIENT_CONNECTIONS_MAX,
	        .origin_max = WEIR_HTTP_CLIENT_ORIGIN_MAX,
	        .waiting_max = WEIR_HTTP_CLIENT_WAITING_MAX,
	        .head_max = WEIR_HTTP_HEAD_MAX,
	        .idle_ms = WEIR_HTTP_CLIENT_IDLE_MS,
	        .connect_ms = WEIR_HTTP_CLIENT_CONNECT_MS,
	        .head_ms = WEIR_HTTP_CLIENT_HEAD_MS,
	        .wait_ms = WEIR_HTTP_CLIENT_WAIT_MS,
	        .body_ms = WEIR_HTTP_CLIENT_BODY_MS,
	        .continue_ms = WEIR_HTTP_CLIENT_CONTINUE_MS,
	};
}

int weir_http_client_create(struct weir_loop *loop, const struct weir_http_client_options *options,
        struct weir_http_client **ret)
{
	if (!options->connections_max || !options->origin_max || !options->waiting_max ||
	        !options->head_max || options->head_max > UINT32_MAX || !options->idle_ms ||
	        !options->connect_ms || !options->head_ms || !options->wait_ms || !options->body_ms)
		return -EINVAL;
	struct weir_http_client *client = calloc(1, sizeof *client);
	if (!client)
		return -ENOMEM;
	client->loop = loop;
	client->options = *options;
	client->resolver = options->resolver;
	if (options->tls)
		weir_tls_hold(options->tls);
	weir_list_init(&client->origins);
	weir_list_init(&client->connections);
	weir_list_init(&client->calls);
	weir_list_init(&client->waiting);
	weir_list_init(&client->spare);
	*ret = client;
	return 0;
}

void weir_http_client_destroy(struct weir_http_client *client)
{
	if (!client)
		return;
	while (!weir_list_empty(&client->calls))
		http_call_free(WEIR_CONTAINER(client->calls.next, struct weir_http_call, link));
	while (!weir_list_empty(&client->connections)) {
		struct http_client_connection *connection = WEIR_CONTAINER(
		        client->connections.next, struct http_client_connection, link);
		http_client_connection_orphan(connection);
	}
	http_client_free_spare(client);
	weir_loop_cancel(client->loop, &client->task);
	if (!client->options.resolver)
		weir_resolver_destroy(client->resolver);
	weir_tls_release(client->options.tls);
	free(client);
}

unsigned weir_http_client_connections(const struct weir_http_client *client)
{
	return client->connection_count;
}

unsigned weir_http_client_idle(const struct weir_http_client *client)
{
	return client->idle_count;
}
