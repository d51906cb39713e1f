/*
 * A session: the control connection's lines, carried out one after the other.
 *
 * Invariants: while a job is under way or a line is held, the connection is not read; a line is held
 * only while a transfer runs; all that a session has under way ends with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <weir/error.h>
#include <weir/peers.h>

#include "control_line.h"
#include "data_connection.h"
#include "entry.h"
#include "job.h"
#include "transfer.h"
#include "verbs.h"

static struct ftp_session *ftp_session_session_of(const struct weir_channel *channel)
{
	return weir_channel_session(channel);
}

/* -- going on ---------------------------------------------------------------------------------- */

static void ftp_session_run_held(struct ftp_session *session)
{
	struct ftp_line *line = session->held;
	session->held = NULL;
	ftp_verb_run(session, line->bytes);
	free(line);
}

void ftp_session_go_on(struct ftp_session *session)
{
	if (session->held && !session->job && !session->transfer)
		ftp_session_run_held(session); /* it may come back here, with nothing held */
	if (session->job || session->held)
		weir_channel_pause(session->channel);
	else
		weir_channel_resume(session->channel);
	if (session->ended && !session->job && !session->held && !session->transfer)
		weir_channel_close(session->channel);
}

static void ftp_session_hold(struct ftp_session *session, const char *line)
{
	size_t size = strlen(line);
	struct ftp_line *held = malloc(sizeof *held + size + 1);
	if (!held) {
		weir_channel_abort(session->channel, -ENOMEM);
		return;
	}
	held->size = size;
	memcpy(held->bytes, line, size + 1);
	session->held = held;
	ftp_session_go_on(session);
}

static void ftp_session_on_request(struct weir_channel *channel, struct weir_span request)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	struct ftp_telnet_answer answer;
	char line[WEIR_FTP_LINE_MAX + 2];
	ssize_t size = ftp_telnet_strip(request, line, &answer);
	if (answer.size)
		weir_channel_push_copy(channel, weir_span(answer.bytes, answer.size));
	if (size < 0)
		FTP_SAY(session, "501 There is a NUL in it.");
	else if (session->transfer && !ftp_verb_during(session, line))
		ftp_session_hold(session, line);
	else
		ftp_verb_run(session, line);
}

static void ftp_session_on_overflow(struct weir_channel *channel, int error)
{
	(void)error;
	FTP_SAY(ftp_session_session_of(channel), "500 The line is too long.");
}

/* -- beginning and end ------------------------------------------------------------------------- */

static void ftp_session_restart(struct ftp_session *session)
{
	ftp_data_drop(session);
	free(session->user);
	free(session->name);
	free(session->directory);
	free(session->rename_from);
	session->user = NULL;
	session->name = session->directory = session->rename_from = NULL;
	session->restart = 0;
}

void ftp_session_reset(struct ftp_session *session)
{
	ftp_session_restart(session);
	session->facts = FTP_FACTS_ALL;
	session->ascii = true;
	session->buffer_said = false;
	session->protect = session->server->implicit;
	session->extended_only = false;
}

/* 0, or the session is one too many. */
static int ftp_session_count(struct ftp_session *session)
{
	struct weir_ftp_server *server = session->server;
	if (server->sessions >= server->rules.sessions_max)
		return WEIR_E_LIMIT;
	if (server->peers) {
		int error = weir_peers_enter(server->peers, weir_channel_peer(session->channel));
		if (error < 0)
			return error;
	}
	server->sessions++;
	session->counted = true;
	return 0;
}

static int ftp_session_on_open(struct weir_channel *channel)
{
	int on = 1;
	struct ftp_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->channel = channel;
	session->server = weir_channel_context(channel);
	weir_channel_set_session(channel, session);
	ftp_session_reset(session);
	/* The mark of telnet's synch, which precedes ABOR, has to stay in its place. */
	setsockopt(weir_channel_ref(channel).fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
	weir_channel_await(channel, weir_until(WEIR_SPAN("\n")));
	if (ftp_session_count(session) < 0) {
		weir_loop_counters(session->server->loop)->limits_hit++;
		FTP_SAY(session, "421 Too many sessions, try again later.");
		weir_channel_close(channel);
		return 0;
	}
	weir_channel_push_copy(channel, weir_span_of(session->server->banner));
	return 0;
}

/* RFC 959 4.1.1, QUIT: an unexpected close is an abort and a logout. */
static void ftp_session_on_eof(struct weir_channel *channel)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	session->ended = true;
	if (session->transfer)
		ftp_transfer_abort(session->transfer);
	else
		ftp_session_go_on(session);
}

static void ftp_session_on_secured(struct weir_channel *channel, size_t dropped)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	(void)dropped;
	ftp_session_reset(session);
}

static void ftp_session_on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	if (which == WEIR_TIMEOUT_PROGRESS)
		return;
	FTP_SAY(ftp_session_session_of(channel), "421 Nothing was asked for too long.");
	weir_channel_close(channel);
}

static void ftp_session_on_draining(struct weir_channel *channel)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	/* Its answer is still owed; a transfer has its reply in the queue. */
	if (session->job || session->held)
		return;
	FTP_SAY(session, "421 The server is going down.");
	weir_channel_close(channel);
}

static void ftp_session_on_close(struct weir_channel *channel, int error)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	if (!session)
		return;
	struct weir_ftp_server *server = session->server;
	if (session->transfer)
		ftp_transfer_orphan(session->transfer);
	ftp_job_drop(session->job);
	if (session->counted) {
		ftp_log_logout(session, error);
		if (server->peers)
			weir_peers_leave(server->peers, weir_channel_peer(channel));
		server->sessions--;
	}
	ftp_session_restart(session);
	free(session->held);
	free(session);
}

unsigned ftp_session_rights(const struct ftp_session *session)
{
	unsigned rights = session->user ? session->user->rights : 0;
	if (!session->server->rules.writable)
		rights &= WEIR_FTP_READ | WEIR_FTP_LIST;
	return rights;
}

const struct weir_protocol ftp_protocol = {
        .name = "ftp",
        .open = ftp_session_on_open,
        .request = ftp_session_on_request,
        .overflow = ftp_session_on_overflow,
        .eof = ftp_session_on_eof,
        .secured = ftp_session_on_secured,
        .timeout = ftp_session_on_timeout,
        .draining = ftp_session_on_draining,
        .close = ftp_session_on_close,
};
