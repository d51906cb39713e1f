/* POP3 servers: their listener, what a reload changes, and what they tell the log. */
#include <errno.h>
#include <stdlib.h>

#include <weir/peers.h>
#include <weir/tls.h>
#include <weir/users.h>

#include "pop3_state.h"

static void pop3_server_accept_failed(void *context, int error)
{
	struct weir_pop3_server *server = context;
	if (server->accept_failed)
		server->accept_failed(server->context, error);
}

static void pop3_server_tls_failed(void *context, const struct weir_address *peer, const char *why)
{
	struct weir_pop3_server *server = context;
	if (server->tls_failed)
		server->tls_failed(server->context, peer, why);
}

void pop3_log(const struct pop3_session *session, enum weir_pop3_event_kind kind, int error)
{
	const struct weir_pop3_server *server = session->server;
	struct weir_pop3_event event = {
	        .kind = kind,
	        .peer = weir_channel_peer(session->channel),
	        .user = session->user ? weir_span_of(session->user) : WEIR_SPAN(""),
	        .mechanism = kind == WEIR_POP3_LOGOUT ? NULL : session->mechanism,
	        .secure = weir_channel_secure(session->channel),
	        .error = error,
	        .retrieved = session->retrieved,
	        .sent = session->sent,
	        .removed = session->removed,
	};
	if (!server->log)
		return;
	if (session->drop) {
		bool gone = kind == WEIR_POP3_LOGOUT && session->removed;
		event.messages = session->drop->count - (gone ? session->marked : 0);
		event.octets = session->drop->octets - (gone ? session->marked_octets : 0);
	}
	server->log(server->context, &event);
}

static void pop3_server_release(struct weir_pop3_server *server)
{
	weir_users_release(server->users);
	weir_tls_release(server->tls);
	weir_peers_release(server->peers);
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
	server->tls = options->tls ? weir_tls_hold(options->tls) : NULL;
	server->peers = options->peers ? weir_peers_hold(options->peers) : NULL;
	server->implicit_tls = options->implicit_tls;
	server->auth_in_clear = options->auth_in_clear;
	server->login_ms = options->login_ms ? options->login_ms : WEIR_POP3_LOGIN_MS;
	server->failures_max =
	        options->failures_max ? options->failures_max : WEIR_POP3_FAILURES_MAX;
	server->accept_failed = options->accept_failed;
	server->tls_failed = options->tls_failed;
	server->log = options->log;
	server->context = options->context;
	return server;
}

int weir_pop3_create(struct weir_loop *loop, const struct weir_pop3_options *options,
        struct weir_pop3_server **ret)
{
	if (!options->store || (options->implicit_tls && !options->tls))
		return -EINVAL;
	struct weir_pop3_server *server = pop3_server_create(loop, options);
	if (!server)
		return -ENOMEM;
	struct weir_bounds bounds = options->bounds;
	if (!bounds.idle_ms)
		bounds.idle_ms = WEIR_POP3_IDLE_MS;
	int error = weir_server_create(loop,
	        &(struct weir_server_options){
	                .address = options->address,
	                .protocol = &pop3_protocol,
	                .context = server,
	                .bounds = bounds,
	                .tls = options->implicit_tls ? options->tls : NULL,
	                .shared = options->shared,
	                .accept_failed = pop3_server_accept_failed,
	                .tls_failed = pop3_server_tls_failed,
	        },
	        &server->listener);
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

void weir_pop3_set_tls(struct weir_pop3_server *server, struct weir_tls *tls)
{
	struct weir_tls *old = server->tls;
	server->tls = weir_tls_hold(tls);
	if (server->implicit_tls)
		weir_server_set_tls(server->listener, tls);
	weir_tls_release(old);
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
