/*
 * The opening of a connection: the hosts in turn, from the one that worked last; the addresses of
 * each; each attempt with a time limit of its own. libpq never sees a name that it would look up.
 *
 * target_session_attrs is checked by libpq at each attempt. Only prefer-standby needs two passes
 * over the hosts, which are made here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "postgres_state.h"

static void connect_next(struct postgres_connection *connection);

/* libpq would print them. */
static void connect_on_notice(void *context, const PGresult *result)
{
	(void)context, (void)result;
}

static const struct postgres_host *connect_host(const struct postgres_connection *connection)
{
	return &connection->pool->target.hosts[connection->host];
}

/* -- failures ---------------------------------------------------------------------------------- */

/*
 * Failures that time does not change, and what to do about them: by the beginning of the SQLSTATE,
 * or by words of libpq.
 */
static const struct connect_refusal {
	const char *state;
	const char *words;
	const char *advice;
} connect_refusals[] = {
        {"28P01", NULL, "correct the password, or the user in the URL"},
        {"28", NULL, "correct the user in the URL, or let it in by the server's pg_hba.conf"},
        {"3D000", NULL, "make this database, or correct its name in the URL"},
        {"42501", NULL, "the user needs the right to connect to this database"},
        {NULL, "no password supplied", "the server asks for a password: give one"},
        {NULL, "does not support SSL", "the server needs a certificate, or sslmode another value"},
        {NULL, "certificate verify failed", "sslrootcert must name the authority of the server"},
        {NULL, "does not match host name", "the URL must have a name of the certificate"},
        {NULL, "root certificate file", "sslrootcert must name a file that can be read"},
        {NULL, "certificate file", "sslcert must name a file that can be read"},
        {NULL, "private key file", "sslkey must name a private file that can be read"},
        {NULL, ": no such name", "correct the host in the URL"}, /* weir_resolved_text */
        {NULL, ": not a name", "correct the host in the URL"},
};

static const struct connect_refusal *connect_find_refusal(const char *state, const char *text)
{
	for (size_t i = 0; i < sizeof connect_refusals / sizeof *connect_refusals; i++) {
		const struct connect_refusal *refusal = &connect_refusals[i];
		if (refusal->state ? strncmp(state, refusal->state, strlen(refusal->state)) == 0
		                   : strstr(text, refusal->words) != NULL)
			return refusal;
	}
	return NULL;
}

/* Moves the SQLSTATE, which PQERRORS_VERBOSE puts behind the severity, out of the text. */
static void connect_cut_state(char *text, char ret_state[POSTGRES_STATE_SIZE])
{
	size_t size = POSTGRES_STATE_SIZE - 1;
	const char *end = text + strlen(text) + 1;
	for (char *at = text; (at = strstr(at, ":  ")); at++) {
		char *code = at + 3;
		if (strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != size ||
		        strncmp(code + size, ": ", 2) != 0)
			continue;
		memcpy(ret_state, code, size);
		ret_state[size] = 0;
		const char *after = code + size + 2;
		memmove(code, after, (size_t)(end - after));
		return;
	}
}

/* The first line of the reason: the others are advice of libpq. */
static void connect_note_failure(struct postgres_connection *connection, const char *text)
{
	struct weir_postgres *postgres = connection->pool;
	struct weir_span line, rest = weir_span_of(text);
	char state[POSTGRES_STATE_SIZE] = "";
	weir_span_cut(&rest, '\n', &line);
	text_copy_span(postgres->why, sizeof postgres->why, line);
	connect_cut_state(postgres->why, state);
	const struct connect_refusal *refusal = connect_find_refusal(state, postgres->why);
	size_t size = strlen(postgres->why);
	if (refusal)
		snprintf(
		        postgres->why + size, sizeof postgres->why - size, "; %s", refusal->advice);
	else
		connection->may_succeed = true;
	weir_metric_add(&postgres->cells->connects[1], 1);
}

static void connect_finish_attempt(struct postgres_connection *connection)
{
	postgres_connection_unwatch(connection);
	weir_timer_stop(&connection->timer);
	PQfinish(connection->pg);
	connection->pg = NULL;
	weir_resolving_cancel(connection->resolving);
	connection->resolving = NULL;
}

static void connect_on_failure(struct postgres_connection *connection, const char *text)
{
	connect_note_failure(connection, text);
	connect_finish_attempt(connection);
	connect_next(connection);
}

static void connect_on_time(struct weir_timer *timer)
{
	struct postgres_connection *connection =
	        WEIR_CONTAINER(timer, struct postgres_connection, timer);
	char text[WEIR_POSTGRES_WHY_MAX];
	snprintf(text, sizeof text, "no answer of %s in time", connect_host(connection)->name);
	connect_on_failure(connection, text);
}

/* -- an attempt -------------------------------------------------------------------------------- */

static void connect_on_open(struct postgres_connection *connection)
{
	struct weir_postgres *postgres = connection->pool;
	if (PQsetnonblocking(connection->pg, 1) != 0 || !PQenterPipelineMode(connection->pg)) {
		connect_on_failure(connection, PQerrorMessage(connection->pg));
		return;
	}
	weir_metric_add(&postgres->cells->connects[0], 1);
	if (postgres->has_host && postgres->host != connection->host)
		weir_metric_add(&postgres->cells->failovers, 1);
	postgres->host = connection->host;
	postgres->has_host = true;
	postgres->opening_count--;
	postgres_connection_set_idle(connection);
}

static void connect_on_event(struct weir_watch *watch, unsigned events);

/* libpq may have another socket than before, perhaps of the same number. */
static void connect_await(struct postgres_connection *connection, unsigned events)
{
	int error = weir_watch_start(connection->pool->loop, &connection->watch,
	        PQsocket(connection->pg), events, connect_on_event);
	if (error < 0) {
		connect_on_failure(connection, weir_error_text(error));
		return;
	}
	connection->watched = events;
}

static void connect_on_event(struct weir_watch *watch, unsigned events)
{
	struct postgres_connection *connection =
	        WEIR_CONTAINER(watch, struct postgres_connection, watch);
	(void)events;
	postgres_connection_unwatch(connection);
	switch (PQconnectPoll(connection->pg)) {
	case PGRES_POLLING_READING:
		connect_await(connection, WEIR_READABLE);
		break;
	case PGRES_POLLING_OK:
		connect_on_open(connection);
		break;
	case PGRES_POLLING_FAILED:
		connect_on_failure(connection, PQerrorMessage(connection->pg));
		break;
	default:
		connect_await(connection, WEIR_WRITABLE);
		break;
	}
}

static const char *connect_session(const struct postgres_connection *connection)
{
	const char *session = connection->pool->target.session;
	if (strcmp(session, "prefer-standby") != 0)
		return session;
	return connection->second ? "any" : "standby";
}

/* Returns false if the attempt has failed at once. */
static bool connect_start_attempt(struct postgres_connection *connection)
{
	struct weir_postgres *postgres = connection->pool;
	const struct postgres_host *host = connect_host(connection);
	char text[WEIR_ADDRESS_TEXT_MAX];
	if (!host->local)
		weir_address_host(&connection->addresses[connection->address_next], text);
	connection->address_next++;
	connection->state = POSTGRES_CONNECTING;
	connection->pg = postgres_target_start(
	        &postgres->target, host, host->local ? NULL : text, connect_session(connection));
	if (!connection->pg || PQstatus(connection->pg) == CONNECTION_BAD) {
		connect_note_failure(connection,
		        connection->pg ? PQerrorMessage(connection->pg) : weir_error_text(-ENOMEM));
		connect_finish_attempt(connection);
		return false;
	}
	PQsetNoticeReceiver(connection->pg, connect_on_notice, NULL);
	/* The text of a refusal has its SQLSTATE then; libpq returns it in no other way. */
	PQsetErrorVerbosity(connection->pg, PQERRORS_VERBOSE);
	weir_timer_start(
	        postgres->loop, &connection->timer, postgres->options.connect_ms, connect_on_time);
	connect_await(connection, WEIR_WRITABLE);
	return true;
}

/* -- addresses of a host ----------------------------------------------------------------------- */

static void connect_on_resolved(void *context, const struct weir_resolved *resolved)
{
	struct postgres_connection *connection = context;
	connection->resolving = NULL;
	weir_timer_stop(&connection->timer);
	if (resolved->error) {
		char text[WEIR_POSTGRES_WHY_MAX];
		snprintf(text, sizeof text, "%s: %s", connect_host(connection)->name,
		        weir_resolved_text(resolved->error));
		connect_note_failure(connection, text);
	} else {
		connection->address_count =
		        (unsigned)min_of(resolved->count, (size_t)WEIR_POSTGRES_ADDRESSES_MAX);
		memcpy(connection->addresses, resolved->addresses,
		        connection->address_count * sizeof *resolved->addresses);
	}
	connect_next(connection);
}

static int connect_resolve(struct postgres_connection *connection, const char *name)
{
	struct weir_postgres *postgres = connection->pool;
	int error = 0;
	if (!postgres->resolver) {
		struct weir_resolver_options options;
		weir_resolver_options_init(&options);
		error = weir_resolver_create(postgres->loop, &options, &postgres->resolver);
	}
	if (!error)
		error = weir_resolve_addresses(postgres->resolver, name, 0, 0, connect_on_resolved,
		        connection, &connection->resolving);
	if (error)
		return error;
	connection->state = POSTGRES_RESOLVING;
	weir_timer_start(
	        postgres->loop, &connection->timer, postgres->options.connect_ms, connect_on_time);
	return 0;
}

static bool connect_parse_address(const char *host, struct weir_address *ret)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	int size = snprintf(text, sizeof text, strchr(host, ':') ? "[%s]:1" : "%s:1", host);
	return size < (int)sizeof text && weir_address_parse(weir_span_of(text), ret) == 0;
}

/* Returns true if the resolver was asked, which continues. */
static bool connect_find_addresses(struct postgres_connection *connection)
{
	const struct postgres_host *host = connect_host(connection);
	const char *name = or_default(host->address, host->name);
	connection->address_next = 0;
	connection->address_count = 1;
	if (host->local || connect_parse_address(name, &connection->addresses[0]))
		return false;
	connection->address_count = 0;
	int error = connect_resolve(connection, name);
	if (error)
		connect_note_failure(connection, weir_error_text(error));
	return error == 0;
}

/* -- hosts ------------------------------------------------------------------------------------- */

static void connect_give_up(struct postgres_connection *connection)
{
	struct weir_postgres *postgres = connection->pool;
	bool hopeless = postgres->options.hasty && !connection->may_succeed;
	postgres_connection_free(connection);
	postgres_back_off(postgres);
	if (hopeless)
		postgres_calls_end_waiting(postgres);
}

/* Returns false if all have been tried. */
static bool connect_next_host(struct postgres_connection *connection)
{
	const struct postgres_target *target = &connection->pool->target;
	bool twice = strcmp(target->session, "prefer-standby") == 0;
	if (connection->tried == target->host_count) {
		if (!twice || connection->second)
			return false;
		connection->second = true;
		connection->tried = 0;
	}
	/* The second pass begins where the first one did. */
	if (connection->tried++ > 0 || connection->second)
		connection->host = (connection->host + 1) % target->host_count;
	return true;
}

static void connect_next(struct postgres_connection *connection)
{
	for (;;) {
		while (connection->address_next < connection->address_count)
			if (connect_start_attempt(connection))
				return;
		if (!connect_next_host(connection)) {
			connect_give_up(connection);
			return;
		}
		if (connect_find_addresses(connection))
			return;
	}
}

/* The first attempt is made by the loop, so that a failure is no error of the caller's. */
static void connect_on_start(struct weir_task *task)
{
	connect_next(WEIR_CONTAINER(task, struct postgres_connection, task));
}

int postgres_connection_open(struct weir_postgres *postgres)
{
	struct postgres_connection *connection = calloc(1, sizeof *connection);
	if (!connection)
		return -ENOMEM;
	connection->pool = postgres;
	connection->state = POSTGRES_RESOLVING;
	connection->host = postgres->host;
	weir_list_init(&connection->batch);
	weir_list_init(&connection->timer.link);
	weir_list_append(&postgres->connections, &connection->link);
	postgres->connection_count++;
	postgres->opening_count++;
	weir_metric_add(&postgres->cells->connections, 1);
	connection->task.run = connect_on_start;
	weir_loop_defer(postgres->loop, &connection->task);
	return 0;
}
