/*
 * What all transfers have in common: their beginning, their end, and the replies that tell of them.
 *
 * Invariant: a transfer that was started is freed once its data connection is gone, whoever ends
 * first; its session, if it has one still, hears of it exactly once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/sources.h>

#include "transfer.h"

/* -- the data connection's user ---------------------------------------------------------------- */

static struct ftp_transfer *transfer_of(struct ftp_data_user *user)
{
	return WEIR_CONTAINER(user, struct ftp_transfer, user);
}

static void on_ready(struct ftp_data_user *user, struct weir_channel *channel)
{
	struct ftp_transfer *transfer = transfer_of(user);
	transfer->secure = weir_channel_secure(channel);
	transfer->resumed = weir_ftp_data_resumed(user->data);
	if (transfer->session)
		transfer->type->ready(transfer, channel);
}

static void on_piece(struct ftp_data_user *user, struct weir_span bytes)
{
	struct ftp_transfer *transfer = transfer_of(user);
	if (transfer->session && transfer->type->piece)
		transfer->type->piece(transfer, bytes);
}

static void on_arrived(struct ftp_data_user *user)
{
	struct ftp_transfer *transfer = transfer_of(user);
	if (transfer->session)
		transfer->type->arrived(transfer);
}

static void on_eof(struct ftp_data_user *user, bool whole)
{
	struct ftp_transfer *transfer = transfer_of(user);
	if (transfer->session && transfer->type->eof)
		transfer->type->eof(transfer, whole);
}

void weir_ftp_transfer_destroy(struct ftp_transfer *transfer)
{
	free(transfer->path);
	transfer->type->destroy(transfer);
}

static void on_gone(struct ftp_data_user *user, int error)
{
	struct ftp_transfer *transfer = transfer_of(user);
	if (transfer->session)
		transfer->type->gone(transfer, error);
	else if (!transfer->busy)
		weir_ftp_transfer_destroy(transfer);
}

static const struct ftp_data_user_type user_type = {
        on_ready, on_piece, on_arrived, on_eof, on_gone};

/* -- beginning --------------------------------------------------------------------------------- */

/* NULL, or why the session's data connection may not be used. */
static const char *refusal(const struct ftp_session *session)
{
	if (!session->data)
		return "425 Use PASV, EPSV, PORT or EPRT first.";
	if (session->server->rules.tls_required && !session->protect)
		return "521 Data connections have to be protected: PROT P.";
	return NULL;
}

struct ftp_transfer *weir_ftp_transfer_create(struct ftp_session *session, size_t size,
        const struct ftp_transfer_type *type, const char *verb, const char *path)
{
	const char *refused = refusal(session);
	if (refused) {
		weir_ftp_say(session, refused);
		return NULL;
	}
	struct ftp_transfer *transfer = calloc(1, size);
	char *copy = weir_ftp_copy(path);
	if (!transfer || !copy) {
		free(transfer);
		free(copy);
		FTP_SAY(session, "451 Out of memory.");
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

static void say(struct ftp_transfer *transfer, struct weir_span text)
{
	if (transfer->late && weir_ftp_late_say(transfer->late, text) == 0)
		weir_ftp_late_say(transfer->late, WEIR_SPAN("\r\n"));
}

void weir_ftp_transfer_start(struct ftp_transfer *transfer, struct weir_span opening)
{
	transfer->started = true;
	if (!transfer->session->data) {
		transfer->type->gone(transfer, -ENOTCONN);
		return;
	}
	if (weir_ftp_late_open(transfer->session->channel, &transfer->late) < 0)
		return; /* the session ends */
	say(transfer, opening);
	weir_ftp_data_start(transfer->session, &transfer->user);
}

/* -- the end ----------------------------------------------------------------------------------- */

const char *weir_ftp_transfer_reply(int error)
{
	switch (error) {
	case 0:
		return "226 Done.";
	case -ENOTCONN:
	case -ECONNREFUSED:
		return "425 There is no data connection to be had.";
	case -ETIMEDOUT:
		return "426 Nothing happened on the data connection for too long.";
	case -EPERM:
		return "522 The data connection has to resume the control connection's TLS session.";
	case -ECANCELED:
		return "426 Aborted.";
	case -EIO:
		return "451 The file could not be read to its end.";
	default:
		return "426 The data connection broke off.";
	}
}

static void tell_log(const struct ftp_transfer *transfer, int error, unsigned code)
{
	const struct ftp_session *session = transfer->session;
	const struct weir_ftp_server *server = session->server;
	if (!server->log)
		return;
	struct weir_ftp_event event = {
	        .kind = transfer->kind,
	        .peer = weir_channel_peer(session->channel),
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
	server->log(server->context, &event);
}

void weir_ftp_transfer_finish(struct ftp_transfer *transfer, struct weir_span reply, int error)
{
	struct ftp_session *session = transfer->session;
	tell_log(transfer, error, weir_ftp_code(reply.data));
	if (transfer->late) {
		say(transfer, reply);
		if (transfer->aborted)
			say(transfer, WEIR_SPAN("226 ABOR is done."));
	} else {
		weir_ftp_say_span(session, reply);
	}
	if (transfer->late)
		weir_ftp_late_end(transfer->late);
	session->transfer = NULL;
	weir_ftp_transfer_destroy(transfer);
	weir_ftp_session_go_on(session);
}

void weir_ftp_transfer_abort(struct ftp_transfer *transfer)
{
	if (transfer->committing)
		return;
	transfer->aborted = !transfer->session->ended;
	transfer->type->stop(transfer);
}

void weir_ftp_transfer_orphan(struct ftp_transfer *transfer)
{
	tell_log(transfer, -ECONNABORTED, 0);
	if (transfer->late)
		weir_ftp_late_end(transfer->late);
	transfer->busy = transfer->type->orphan && !transfer->type->orphan(transfer);
	transfer->session->transfer = NULL;
	transfer->session = NULL;
	if (transfer->user.data)
		weir_ftp_data_abort(transfer->user.data, -ECANCELED);
	else if (!transfer->busy)
		weir_ftp_transfer_destroy(transfer);
}

/* -- meanwhile --------------------------------------------------------------------------------- */

bool weir_ftp_transfer_open(const struct ftp_transfer *transfer)
{
	return transfer->late && !transfer->committing && !transfer->aborted;
}

void weir_ftp_transfer_tell(struct ftp_transfer *transfer)
{
	char text[128];
	snprintf(text, sizeof text, "213 %s: %llu bytes so far.", transfer->verb,
	        (unsigned long long)transfer->type->bytes(transfer));
	say(transfer, weir_span_of(text));
}
