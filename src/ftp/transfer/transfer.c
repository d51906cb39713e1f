/*
 * The common part of all transfers: beginning, end, and replies.
 *
 * Invariant: a transfer that was started is freed once its data connection is gone, also if its
 * session has ended before. It finishes exactly once in its session.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/sources.h>

#include "ftp_metrics.h"
#include "session.h"
#include "transfer.h"

/* -- the data connection's user ---------------------------------------------------------------- */

static struct ftp_transfer *ftp_transfer_transfer_of(struct ftp_data_user *user)
{
	return WEIR_CONTAINER(user, struct ftp_transfer, user);
}

static void ftp_transfer_on_ready(struct ftp_data_user *user, struct weir_channel *channel)
{
	struct ftp_transfer *transfer = ftp_transfer_transfer_of(user);
	transfer->secure = weir_channel_secure(channel);
	transfer->resumed = ftp_data_resumed(user->data);
	if (transfer->session)
		transfer->type->ready(transfer, channel);
}

static void ftp_transfer_on_piece(struct ftp_data_user *user, struct weir_span bytes)
{
	struct ftp_transfer *transfer = ftp_transfer_transfer_of(user);
	if (transfer->session && transfer->type->piece)
		transfer->type->piece(transfer, bytes);
}

static void ftp_transfer_on_arrived(struct ftp_data_user *user)
{
	struct ftp_transfer *transfer = ftp_transfer_transfer_of(user);
	if (transfer->session)
		transfer->type->arrived(transfer);
}

static void ftp_transfer_on_eof(struct ftp_data_user *user, bool whole)
{
	struct ftp_transfer *transfer = ftp_transfer_transfer_of(user);
	if (transfer->session && transfer->type->eof)
		transfer->type->eof(transfer, whole);
}

void ftp_transfer_destroy(struct ftp_transfer *transfer)
{
	free(transfer->path);
	transfer->type->destroy(transfer);
}

static void ftp_transfer_on_gone(struct ftp_data_user *user, int error)
{
	struct ftp_transfer *transfer = ftp_transfer_transfer_of(user);
	if (transfer->session)
		transfer->type->gone(transfer, error);
	else if (!transfer->busy)
		ftp_transfer_destroy(transfer);
}

static const struct ftp_data_user_type user_type = {ftp_transfer_on_ready, ftp_transfer_on_piece,
        ftp_transfer_on_arrived, ftp_transfer_on_eof, ftp_transfer_on_gone};

/* -- beginning --------------------------------------------------------------------------------- */

/* Returns NULL, or the reply if the session's data connection must not be used. */
static const char *ftp_transfer_refusal(const struct ftp_session *session)
{
	if (!session->data)
		return "425 Use PASV, EPSV, PORT or EPRT first.";
	if (session->server->rules.tls_required && !session->protect)
		return "521 Data connections must be protected; send PROT P.";
	return NULL;
}

struct ftp_transfer *ftp_transfer_create(struct ftp_session *session, size_t size,
        const struct ftp_transfer_type *type, const char *verb, const char *path)
{
	const char *refused = ftp_transfer_refusal(session);
	if (refused) {
		ftp_reply_text(session, refused);
		return NULL;
	}
	struct ftp_transfer *transfer = calloc(1, size);
	char *copy = ftp_copy(path);
	if (!transfer || !copy) {
		free(transfer);
		free(copy);
		FTP_REPLY(session, "451 Out of memory.");
		return NULL;
	}
	transfer->user.type = &user_type;
	transfer->type = type;
	transfer->session = session;
	transfer->verb = verb;
	transfer->path = copy;
	transfer->started_ms = weir_loop_now_ms(session->server->loop);
	session->transfer = transfer;
	return transfer;
}

static void ftp_transfer_add_reply(struct ftp_transfer *transfer, struct weir_span text)
{
	if (transfer->deferred && ftp_deferred_add(transfer->deferred, text) == 0)
		ftp_deferred_add(transfer->deferred, WEIR_SPAN("\r\n"));
}

void ftp_transfer_start(struct ftp_transfer *transfer, struct weir_span opening)
{
	if (!transfer->session->data) {
		transfer->type->gone(transfer, -ENOTCONN);
		return;
	}
	if (ftp_deferred_open(transfer->session->channel, &transfer->deferred) < 0)
		return; /* The session ends. */
	ftp_transfer_add_reply(transfer, opening);
	ftp_data_start(transfer->session, &transfer->user);
}

/* -- the end ----------------------------------------------------------------------------------- */

const char *ftp_transfer_reply(int error)
{
	switch (error) {
	case 0:
		return "226 Transfer complete.";
	case -ENOTCONN:
	case -ECONNREFUSED:
		return "425 Cannot open data connection.";
	case -ETIMEDOUT:
		return "426 Data connection timed out.";
	case -EPERM:
		return "522 Data connection must resume the TLS session of the control connection.";
	case -ECANCELED:
		return "426 Transfer aborted.";
	case -EIO:
		return "451 File could not be read completely.";
	default:
		return "426 Data connection broken.";
	}
}

static void ftp_transfer_log(const struct ftp_transfer *transfer, int error, unsigned code)
{
	const struct ftp_session *session = transfer->session;
	const struct weir_ftp_server *server = session->server;
	struct weir_ftp_event event = {
	        .kind = transfer->kind,
	        .peer = weir_channel_peer(session->channel),
	        .session = weir_channel_id(session->channel),
	        .user = session->user ? session->user->text : "",
	        .verb = transfer->verb,
	        .path = transfer->path,
	        .bytes = transfer->type->bytes(transfer),
	        .time_ms = (uint64_t)(weir_loop_now_ms(server->loop) - transfer->started_ms),
	        .error = error,
	        .code = code,
	        .secure = transfer->secure,
	        .resumed = transfer->resumed,
	};
	ftp_metrics_count(server->cells, &event);
	if (server->log)
		server->log(server->context, &event);
}

void ftp_transfer_finish(struct ftp_transfer *transfer, struct weir_span reply, int error)
{
	struct ftp_session *session = transfer->session;
	ftp_transfer_log(transfer, error, ftp_code(reply.data));
	if (transfer->deferred) {
		ftp_transfer_add_reply(transfer, reply);
		if (transfer->aborted)
			ftp_transfer_add_reply(transfer, WEIR_SPAN("226 ABOR complete."));
	} else {
		ftp_reply_span(session, reply);
	}
	if (transfer->deferred)
		ftp_deferred_end(transfer->deferred);
	session->transfer = NULL;
	ftp_transfer_destroy(transfer);
	ftp_session_go_on(session);
}

void ftp_transfer_abort(struct ftp_transfer *transfer)
{
	if (transfer->committing)
		return;
	transfer->aborted = !transfer->session->ended;
	transfer->type->stop(transfer);
}

void ftp_transfer_orphan(struct ftp_transfer *transfer)
{
	ftp_transfer_log(transfer, -ECONNABORTED, 0);
	if (transfer->deferred)
		ftp_deferred_end(transfer->deferred);
	transfer->busy = transfer->type->orphan && !transfer->type->orphan(transfer);
	transfer->session->transfer = NULL;
	transfer->session = NULL;
	if (transfer->user.data)
		ftp_data_abort(transfer->user.data, -ECANCELED);
	else if (!transfer->busy)
		ftp_transfer_destroy(transfer);
}

/* -- meanwhile --------------------------------------------------------------------------------- */

bool ftp_transfer_is_abortable(const struct ftp_transfer *transfer)
{
	return transfer->deferred && !transfer->committing && !transfer->aborted;
}

void ftp_transfer_report(struct ftp_transfer *transfer)
{
	char text[128];
	snprintf(text, sizeof text, "213 %s: %llu bytes so far.", transfer->verb,
	        (unsigned long long)transfer->type->bytes(transfer));
	ftp_transfer_add_reply(transfer, weir_span_of(text));
}
