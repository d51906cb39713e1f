/*
 * Data connections. Only the control connection's peer gets one (RFC 2577 4): others who connect to
 * a passive port are turned away, and the peer is awaited further.
 *
 * Invariants: the channel is paused from its opening until it is started, so that nothing of a TLS
 * handshake is read in clear; the timer runs until it is ready. Data is freed when its channel has
 * closed, or when there is none and its user has been told.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/tls.h>

#include "data_connection.h"
#include "port.h"
#include "socket.h"

enum {
	PORT_MIN = 1024,
	TLS_SESSION_SIZE = 16
};

struct ftp_data {
	struct ftp_session *session; /* whose it is; NULL once it is started */
	struct weir_loop *loop;
	struct weir_list link;   /* in the server's passive ones */
	int64_t since_ms;        /* of PASV */
	struct weir_watch watch; /* the listener; fd is -1 when it listens no more */
	struct weir_timer timer;
	struct weir_address local;
	struct weir_address peer; /* a port of 0: whoever connects from there */
	struct weir_bounds bounds;
	struct weir_channel *channel;
	int socket;                 /* the channel's, while there is one */
	struct ftp_data_user *user; /* NULL before it is started */
	struct weir_tls *tls;       /* held; NULL: in clear */
	bool active;                /* we connect */
	bool open;                  /* the channel's open() came */
	bool ready;
	bool looked_at;        /* which TLS session it is … */
	bool resumed;          /* … and it is the control connection's */
	bool same_tls_session; /* as `tls_session` it has to be */
	unsigned char tls_session[TLS_SESSION_SIZE];
};

/* The descriptor lives to the end of the turn; the port is free for others now. */
static void ftp_data_stop_listening(struct ftp_data *data)
{
	weir_list_remove(&data->link);
	if (data->watch.fd < 0)
		return;
	shutdown(data->watch.fd, SHUT_RDWR);
	weir_watch_close(data->loop, &data->watch);
	data->watch.fd = -1;
}

static void ftp_data_free(struct ftp_data *data)
{
	weir_timer_stop(&data->timer);
	ftp_data_stop_listening(data);
	weir_tls_release(data->tls);
	free(data);
}

/* There is no channel (any more). */
static void ftp_data_gone(struct ftp_data *data, int error)
{
	struct ftp_data_user *user = data->user;
	if (data->session)
		data->session->data = NULL;
	ftp_data_free(data);
	if (!user)
		return;
	user->data = NULL;
	user->type->gone(user, error);
}

bool ftp_data_resumed(const struct ftp_data *data)
{
	return data->resumed;
}

struct weir_channel *ftp_data_channel(const struct ftp_data *data)
{
	return data->channel;
}

void ftp_data_abort(struct ftp_data *data, int error)
{
	if (data->channel)
		weir_channel_abort(data->channel, error);
	else
		ftp_data_gone(data, error);
}

static void ftp_data_on_time(struct weir_timer *timer)
{
	ftp_data_abort(WEIR_CONTAINER(timer, struct ftp_data, timer), -ETIMEDOUT);
}

/* -- the channel ------------------------------------------------------------------------------- */

static struct ftp_data *ftp_data_data_of(const struct weir_channel *channel)
{
	return weir_channel_session(channel);
}

static void ftp_data_become_ready(struct ftp_data *data)
{
	weir_timer_stop(&data->timer);
	data->ready = true;
	weir_channel_resume(data->channel);
	data->user->type->ready(data->user, data->channel);
}

/* It stands and is to be used. */
static void ftp_data_proceed(struct ftp_data *data)
{
	if (!data->tls) {
		ftp_data_become_ready(data);
		return;
	}
	int error = weir_channel_start_tls(data->channel, data->tls, NULL);
	if (error < 0)
		weir_channel_abort(data->channel, error);
	/* Who uploads would not read one; the control connection gives out those that it takes. */
	weir_channel_withhold_tickets(data->channel);
	weir_channel_resume(data->channel);
}

static int ftp_data_on_open(struct weir_channel *channel)
{
	struct ftp_data *data = ftp_data_data_of(channel);
	data->open = true;
	weir_channel_pause(channel);
	if (data->user)
		ftp_data_proceed(data);
	return 0;
}

/*
 * The peer's Finished is the last thing that it had to say for now, and nothing goes back to it: the
 * kernel would acknowledge it after 40 ms only, and a peer with Nagle's algorithm send no small piece
 * before that.
 */
static void ftp_data_acknowledge(const struct ftp_data *data)
{
	int on = 1;
	setsockopt(data->socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static void ftp_data_on_secured(struct weir_channel *channel, size_t dropped)
{
	struct ftp_data *data = ftp_data_data_of(channel);
	struct weir_tls_info info;
	(void)dropped;
	ftp_data_acknowledge(data);
	data->resumed =
	        data->looked_at && weir_channel_tls(channel, &info) &&
	        weir_span_equal(info.session, weir_span(data->tls_session, TLS_SESSION_SIZE));
	if (data->same_tls_session && !data->resumed)
		weir_channel_abort(channel, -EPERM);
	else
		ftp_data_become_ready(data);
}

static void ftp_data_on_request(struct weir_channel *channel, struct weir_span request)
{
	(void)channel;
	(void)request;
}

static void ftp_data_on_piece(struct weir_channel *channel, struct weir_span bytes)
{
	struct ftp_data *data = ftp_data_data_of(channel);
	if (data->ready)
		data->user->type->piece(data->user, bytes);
}

static void ftp_data_on_arrived(struct weir_channel *channel)
{
	struct ftp_data *data = ftp_data_data_of(channel);
	data->user->type->arrived(data->user);
}

/* Of one that is sent to, the end of the input means nothing. */
static void ftp_data_on_eof(struct weir_channel *channel)
{
	struct ftp_data *data = ftp_data_data_of(channel);
	if (data->ready)
		data->user->type->eof(data->user, !weir_channel_truncated(channel));
	else
		weir_channel_abort(channel, -ECONNRESET);
}

/* What a peer sends that is to receive is nobody's. */
static void ftp_data_on_overflow(struct weir_channel *channel, int error)
{
	(void)channel;
	(void)error;
}

static void ftp_data_on_close(struct weir_channel *channel, int error)
{
	struct ftp_data *data = ftp_data_data_of(channel);
	data->channel = NULL;
	ftp_data_gone(data, error ? error : data->ready ? 0 : -ENOTCONN);
}

static const struct weir_protocol protocol = {
        .name = "ftp-data",
        .open = ftp_data_on_open,
        .request = ftp_data_on_request,
        .piece = ftp_data_on_piece,
        .arrived = ftp_data_on_arrived,
        .overflow = ftp_data_on_overflow,
        .eof = ftp_data_on_eof,
        .secured = ftp_data_on_secured,
        .close = ftp_data_on_close,
};

/* Makes a channel of a socket, which is the channel's on success. */
static int ftp_data_adopt(struct ftp_data *data, int fd, const struct weir_address *peer)
{
	int error =
	        weir_adopt(data->loop, fd, peer, &protocol, NULL, &data->bounds, &data->channel);
	data->socket = fd;
	if (error == 0)
		weir_channel_set_session(data->channel, data);
	return error;
}

/* -- setting up -------------------------------------------------------------------------------- */

static int ftp_data_create(struct ftp_session *session, struct ftp_data **ret)
{
	struct weir_address local;
	int error = weir_channel_local(session->channel, &local);
	struct ftp_data *data = error == 0 ? calloc(1, sizeof *data) : NULL;
	if (!data)
		return error < 0 ? error : -ENOMEM;
	data->session = session;
	data->loop = session->server->loop;
	data->bounds = session->server->data_bounds;
	data->local = ftp_unmapped(&local);
	data->peer = ftp_unmapped(weir_channel_peer(session->channel));
	data->watch.fd = -1;
	weir_list_init(&data->link);
	data->since_ms = weir_loop_now_ms(data->loop);
	weir_timer_start(data->loop, &data->timer, WEIR_FTP_DATA_WAIT_MS, ftp_data_on_time);
	*ret = data;
	return 0;
}

static void ftp_data_put_in_place(struct ftp_session *session, struct ftp_data *data)
{
	ftp_data_drop(session);
	session->data = data;
}

void ftp_data_drop(struct ftp_session *session)
{
	struct ftp_data *data = session->data;
	if (!data)
		return;
	session->data = NULL;
	data->session = NULL;
	ftp_data_abort(data, -ECANCELED);
}

/* -- active ------------------------------------------------------------------------------------ */

int ftp_data_target(struct ftp_session *session, const struct weir_address *target)
{
	struct ftp_data *data;
	if (weir_address_port(target) < PORT_MIN ||
	        !ftp_same_host(target, weir_channel_peer(session->channel)))
		return -EACCES;
	int error = ftp_data_create(session, &data);
	if (error < 0)
		return error;
	/* The peer's own form of its address: one of IPv6's link has a scope. */
	ftp_set_port(&data->peer, weir_address_port(target));
	data->active = true;
	ftp_data_put_in_place(session, data);
	return 0;
}

/* From the address that the peer knows us by, so that its firewall does too. */
static int ftp_data_connect_to_peer(struct ftp_data *data)
{
	int fd;
	ftp_set_port(&data->local, 0);
	int error = ftp_socket(&data->local, &fd);
	if (error < 0)
		return error;
	if (connect(fd, &data->peer.any, weir_address_size(&data->peer)) < 0 &&
	        errno != EINPROGRESS)
		error = -errno;
	if (error == 0)
		error = ftp_data_adopt(data, fd, &data->peer);
	if (error < 0)
		close(fd);
	return error;
}

/* -- passive ----------------------------------------------------------------------------------- */

/* One connection. 0: go on accepting; else it is over, for now or for good. */
static int ftp_data_accept_one(struct ftp_data *data)
{
	struct weir_address peer = {0};
	socklen_t size = sizeof peer;
	int fd = accept4(data->watch.fd, &peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR ? 0 : -errno;
	if (!ftp_same_host(&peer, &data->peer)) {
		close(fd);
		return 0;
	}
	int error = ftp_data_adopt(data, fd, &peer);
	if (error < 0) {
		close(fd);
		return error;
	}
	ftp_data_stop_listening(data);
	return -EAGAIN;
}

static void ftp_data_on_event(struct weir_watch *watch, unsigned events)
{
	struct ftp_data *data = WEIR_CONTAINER(watch, struct ftp_data, watch);
	int error = 0;
	(void)events;
	for (unsigned i = 0; i < WEIR_ACCEPTS_PER_TURN && error == 0; i++)
		error = ftp_data_accept_one(data);
	if (error < 0 && error != -EAGAIN)
		ftp_data_gone(data, error);
}

/* Whoever has asked for a port and lets it be gives it up when none is free. True: one was. */
static bool ftp_data_yield(struct weir_ftp_server *server)
{
	if (weir_list_empty(&server->passive))
		return false;
	struct ftp_data *oldest = WEIR_CONTAINER(server->passive.next, struct ftp_data, link);
	if (weir_loop_now_ms(server->loop) - oldest->since_ms < WEIR_FTP_PASSIVE_YIELD_MS)
		return false;
	ftp_data_abort(oldest, -ETIMEDOUT);
	return true;
}

int ftp_data_listen(struct ftp_session *session, struct weir_address *ret)
{
	struct ftp_data *data;
	int fd;
	int error = ftp_data_create(session, &data);
	if (error < 0)
		return error;
	/* The one before may have the only port of the range. */
	ftp_data_drop(session);
	error = ftp_listen(&session->server->rules, &data->local, &fd);
	if (error == -EADDRINUSE && ftp_data_yield(session->server))
		error = ftp_listen(&session->server->rules, &data->local, &fd);
	if (error == 0) {
		error = weir_watch_start(
		        data->loop, &data->watch, fd, WEIR_READABLE, ftp_data_on_event);
		if (error < 0)
			close(fd);
	}
	if (error < 0) {
		data->watch.fd = -1;
		ftp_data_free(data);
		return error;
	}
	ftp_set_port(&data->peer, 0);
	weir_list_append(&session->server->passive, &data->link);
	weir_timer_start(data->loop, &data->timer, WEIR_FTP_PASSIVE_WAIT_MS, ftp_data_on_time);
	*ret = data->local;
	ftp_data_put_in_place(session, data);
	return 0;
}

/* -- using it ---------------------------------------------------------------------------------- */

static void ftp_data_note_tls(struct ftp_data *data, struct ftp_session *session)
{
	const struct weir_ftp_rules *rules = &session->server->rules;
	struct weir_tls_info info;
	if (!session->protect || !rules->tls)
		return;
	data->tls = weir_tls_hold(rules->tls);
	data->same_tls_session = rules->reuse == WEIR_FTP_REUSE_REQUIRE;
	data->looked_at = rules->reuse != WEIR_FTP_REUSE_OFF &&
	                  weir_channel_tls(session->channel, &info) &&
	                  info.session.size == TLS_SESSION_SIZE;
	if (data->looked_at)
		memcpy(data->tls_session, info.session.data, TLS_SESSION_SIZE);
	/* For the next data connection: clients use a ticket once. It goes with the reply. */
	weir_channel_send_ticket(session->channel);
}

void ftp_data_start(struct ftp_session *session, struct ftp_data_user *user)
{
	struct ftp_data *data = session->data;
	session->data = NULL;
	data->session = NULL;
	data->user = user;
	user->data = data;
	weir_list_remove(&data->link);
	ftp_data_note_tls(data, session);
	weir_timer_start(data->loop, &data->timer, WEIR_FTP_DATA_WAIT_MS, ftp_data_on_time);
	int error = data->active ? ftp_data_connect_to_peer(data) : 0;
	if (error < 0)
		ftp_data_gone(data, -ENOTCONN);
	else if (data->open)
		ftp_data_proceed(data);
}
