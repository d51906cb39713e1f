/*
 * Data connections. Only the peer of the control connection gets one (RFC 2577 4): passive.c
 * compares the addresses of incoming connections, and PORT to another address is refused here.
 *
 * Invariants: the channel is paused from its opening until it is started, so that nothing of a
 * TLS handshake is read in clear. The timer runs until it is ready. The struct is freed when its
 * channel has closed, or without a channel when its user's gone() has been called.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/tls.h>

#include "data_connection.h"

enum {
	PORT_MIN = 1024,
	TLS_SESSION_SIZE = 16
};

struct ftp_data {
	struct ftp_session *session; /* the owner; NULL once it is started */
	struct weir_loop *loop;
	struct ftp_wait *wait; /* on a passive port, until the peer has connected; or NULL */
	struct weir_timer timer;
	struct weir_address local;
	struct weir_address peer; /* port 0: any port of that host */
	struct weir_bounds bounds;
	struct weir_channel *channel;
	int socket;                 /* the channel's, while there is one */
	struct ftp_data_user *user; /* NULL before ftp_data_start */
	struct weir_tls *tls;       /* held; NULL: in clear */
	bool active;                /* PORT: the server connects */
	bool open;                  /* The channel has been opened. */
	bool ready;
	bool looked_at;        /* The TLS sessions are compared. */
	bool resumed;          /* It has resumed the control connection's TLS session. */
	bool same_tls_session; /* It must have resumed that session. */
	unsigned char tls_session[TLS_SESSION_SIZE];
};

static void ftp_data_free(struct ftp_data *data)
{
	weir_timer_stop(&data->timer);
	ftp_passive_cancel(data->wait);
	weir_tls_release(data->tls);
	free(data);
}

/* Frees a data connection without a channel, and reports its end. */
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

/* Begins to use the open connection. */
static void ftp_data_proceed(struct ftp_data *data)
{
	if (!data->tls) {
		ftp_data_become_ready(data);
		return;
	}
	int error = weir_channel_start_tls(data->channel, data->tls, NULL);
	if (error < 0)
		weir_channel_abort(data->channel, error);
	/*
	 * A client that uploads would not read a ticket. The control connection sends one for the
	 * next data connection.
	 */
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
 * Acknowledges the peer's Finished at once. Nothing is sent back, so the kernel would acknowledge
 * it after 40 ms only. A peer with Nagle's algorithm sends no small piece before.
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

static void on_divert_ready(struct weir_channel *channel)
{
	struct ftp_data *data = ftp_data_data_of(channel);
	data->user->type->arrived(data->user);
}

/* The end of the input does not end a connection that data is sent on. */
static void ftp_data_on_eof(struct weir_channel *channel)
{
	struct ftp_data *data = ftp_data_data_of(channel);
	if (data->ready)
		data->user->type->eof(data->user, !weir_channel_truncated(channel));
	else
		weir_channel_abort(channel, -ECONNRESET);
}

/* Data that the peer sends during a download is ignored. */
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
        .divert_ready = on_divert_ready,
        .overflow = ftp_data_on_overflow,
        .eof = ftp_data_on_eof,
        .secured = ftp_data_on_secured,
        .close = ftp_data_on_close,
};

/* Makes a channel, which takes over the socket on success. */
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
	weir_timer_start(data->loop, &data->timer, WEIR_FTP_DATA_WAIT_MS, ftp_data_on_time);
	*ret = data;
	return 0;
}

static void ftp_data_replace(struct ftp_session *session, struct ftp_data *data)
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
	/* Uses the control connection's address of the peer, since a link-local one has a scope. */
	ftp_set_port(&data->peer, weir_address_port(target));
	data->active = true;
	ftp_data_replace(session, data);
	return 0;
}

/* Connects from the server's address that the peer knows, so that its firewall accepts it. */
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

static void ftp_data_on_connected(void *context, int fd, const struct weir_address *from)
{
	struct ftp_data *data = context;
	data->wait = NULL;
	int error = fd < 0 ? fd : ftp_data_adopt(data, fd, from);
	if (error == 0)
		return;
	if (fd >= 0)
		close(fd);
	ftp_data_gone(data, error);
}

int ftp_data_listen(struct ftp_session *session, struct weir_address *ret)
{
	struct ftp_data *data;
	int error = ftp_data_create(session, &data);
	if (error < 0)
		return error;
	/* The data connection before may have the only port of the range. */
	ftp_data_drop(session);
	error = ftp_passive_wait(session->server, &data->peer, &data->local, ftp_data_on_connected,
	        data, &data->wait);
	if (error < 0) {
		ftp_data_free(data);
		return error;
	}
	ftp_set_port(&data->peer, 0);
	weir_timer_start(data->loop, &data->timer, WEIR_FTP_PASSIVE_WAIT_MS, ftp_data_on_time);
	*ret = data->local;
	ftp_data_replace(session, data);
	return 0;
}

/* -- using it ---------------------------------------------------------------------------------- */

static void ftp_data_note_tls(struct ftp_data *data, struct ftp_session *session)
{
	const struct weir_ftp_rules *rules = &session->server->rules;
	struct weir_tls_info info;
	struct weir_tls *tls = weir_server_tls(session->server->listener);
	if (!session->protect || !tls)
		return;
	data->tls = weir_tls_hold(tls);
	data->same_tls_session = rules->reuse == WEIR_FTP_REUSE_REQUIRE;
	data->looked_at = rules->reuse != WEIR_FTP_REUSE_OFF &&
	                  weir_channel_tls(session->channel, &info) &&
	                  info.session.size == TLS_SESSION_SIZE;
	if (data->looked_at)
		memcpy(data->tls_session, info.session.data, TLS_SESSION_SIZE);
	/*
	 * Sends a ticket for the next data connection along with the reply, since clients use a
	 * ticket once.
	 */
	weir_channel_send_ticket(session->channel);
}

void ftp_data_start(struct ftp_session *session, struct ftp_data_user *user)
{
	struct ftp_data *data = session->data;
	session->data = NULL;
	data->session = NULL;
	data->user = user;
	user->data = data;
	ftp_passive_use(data->wait);
	ftp_data_note_tls(data, session);
	weir_timer_start(data->loop, &data->timer, WEIR_FTP_DATA_WAIT_MS, ftp_data_on_time);
	int error = data->active ? ftp_data_connect_to_peer(data) : 0;
	if (error < 0)
		ftp_data_gone(data, -ENOTCONN);
	else if (data->open)
		ftp_data_proceed(data);
}
