/* POP3 servers: their listener, what a reload changes, and events for the log. */
#include <errno.h>
#include <stdlib.h>

#include <weir/tls.h>
#include <weir/users.h>

#include "pop3_metrics.h"
#include "pop3_state.h"

static void pop3_server_count(struct pop3_cells *cells, const struct weir_pop3_event *event)
{
	weir_metric_add(&cells->events[event->kind], 1);
	if (event->kind != WEIR_POP3_LOGOUT)
		return;
	weir_metric_add(&cells->retrieved, event->retrieved);
	weir_metric_add(&cells->retrieved_bytes, event->sent);
	weir_metric_add(&cells->removed, event->removed);
}

void pop3_log(const struct pop3_session *session, enum weir_pop3_event_kind kind, int error)
{
	const struct weir_pop3_server *server = session->server;
	struct weir_pop3_event event = {
	        .kind = kind,
	        .peer = weir_channel_peer(session->channel),
	        .session = weir_channel_id(session->channel),
	        .user = session->user ? weir_span_of(session->user) : WEIR_SPAN(""),
	        .mechanism = kind == WEIR_POP3_LOGOUT ? NULL : session->mechanism,
	        .secure = weir_channel_secure(session->channel),
	        .error = error,
	        .retrieved = session->retrieved,
	        .sent = session->sent,
	        .removed = session->removed,
	};
	pop3_server_count(server->cells, &event);
	if (kind == WEIR_POP3_LOGOUT)
		weir_metric_observe_ms(server->cells->session_ms,
		        (uint32_t)weir_loop_now_ms(server->loop) - session->login_ms);
	if (!server->log)
		return;
	if (session->drop) {
		bool gone = kind == WEIR_POP3_LOGOUT && session->removed;
		event.messages = session->drop->count - (gone ? session->marked : 0);
		event.octets = session->drop->octets - (gone ? session->marked_octets : 0);
	}
	server->log(server->context, &event);
}

void weir_pop3_options_init(struct weir_pop3_options *options)
{
	*options = (struct weir_pop3_options){
	        .login_ms = WEIR_POP3_LOGIN_MS, .failures_max = WEIR_POP3_FAILURES_MAX};
	weir_listener_init(&options->listener);
	options->listener.bounds.idle_ms = WEIR_POP3_IDLE_MS;
}

static void pop3_server_release(struct weir_pop3_server *server)
{
	weir_users_release(server->users);
	free(server);
}

static struct weir_pop3_server *pop3_server_create(
        struct weir_loop *loop, const struct weir_pop3_options *options)
{
	struct weir_pop3_server *server = calloc(1, sizeof *server);
	if (!server)
		return NULL;
	server->loop = loop;
	server->store = options->store;
	server->users = options->users ? weir_users_hold(options->users) : NULL;
	server->guard = options->guard;
	server->auth_in_clear = options->auth_in_clear;
	server->cells = pop3_metrics(loop, options);
	if (!server->cells) {
		pop3_server_release(server);
		return NULL;
	}
	server->login_ms = options->login_ms;
	server->failures_max = options->failures_max;
	server->log = options->log;
	server->context = options->context;
	return server;
}

int weir_pop3_create(struct weir_loop *loop, const struct weir_pop3_options *options,
        struct weir_pop3_server **ret)
{
	if (!options->store || !options->login_ms || !options->failures_max)
		return -EINVAL;
	struct weir_pop3_server *server = pop3_server_create(loop, options);
	if (!server)
		return -ENOMEM;
	struct weir_server_options listening;
	weir_server_options_init(&listening);
	listening.listener = options->listener;
	listening.protocol = &pop3_protocol;
	listening.context = server;
	int error = weir_server_create(loop, &listening, &server->listener);
	if (error < 0) {
		pop3_server_release(server);
		return error;
	}
	*ret = server;
	return 0;
}

void weir_pop3_set_users(struct weir_pop3_server *server, struct weir_users *users)
{
	struct weir_users *old = server->users;
	server->users = users ? weir_users_hold(users) : NULL;
	weir_users_release(old);
}

void weir_pop3_set_store(struct weir_pop3_server *server, struct weir_mail_store *store)
{
	server->store = store;
}

struct weir_server *weir_pop3_listener(struct weir_pop3_server *server)
{
	return server->listener;
}

void weir_pop3_destroy(struct weir_pop3_server *server)
{
	if (!server)
		return;
	weir_server_destroy(server->listener);
	pop3_server_release(server);
}
