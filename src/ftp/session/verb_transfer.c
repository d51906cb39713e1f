/*
 * RETR, STOR, STOU, APPE, ABOR (RFC 959 4.1.3), and all transfers that send: a file by sendfile, a
 * file as text whose lines end in CRLF, or a listing. A rate adds a producer around it.
 *
 * Leaves out how files are received: see receive.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "session.h"
#include "transfer.h"
#include "verbs.h"

/* -- sending ----------------------------------------------------------------------------------- */

struct ftp_sending {
	struct ftp_transfer transfer;
	struct weir_producer *producer;     /* owned until it is pushed */
	const struct weir_producer *pushed; /* until it is closed */
	struct weir_file *file;
	uint64_t bytes; /* that the producer has sent, when it is closed */
	bool failed;
};

static struct ftp_sending *ftp_send_sending_of(struct ftp_transfer *transfer)
{
	return (struct ftp_sending *)transfer;
}

static void ftp_send_on_sent(void *context, enum weir_close_reason why, uint64_t bytes)
{
	struct ftp_sending *sending = context;
	sending->bytes = bytes;
	sending->failed = why == WEIR_CLOSE_FAILED;
	sending->pushed = NULL;
}

static void ftp_send_ready(struct ftp_transfer *transfer, struct weir_channel *channel)
{
	struct ftp_sending *sending = ftp_send_sending_of(transfer);
	struct weir_producer *producer =
	        weir_produce_hook(sending->producer, ftp_send_on_sent, sending);
	sending->producer = NULL;
	sending->pushed = producer;
	weir_channel_reset_on_failure(channel, true);
	weir_channel_push(channel, producer);
	weir_channel_close(channel);
}

static void ftp_send_gone(struct ftp_transfer *transfer, int error)
{
	bool failed = ftp_send_sending_of(transfer)->failed;
	const char *reply = ftp_transfer_reply(failed ? -EIO : error);
	if (failed && transfer->kind == WEIR_FTP_LISTED)
		reply = "451 The listing could not be completed.";
	ftp_transfer_finish(transfer, weir_span_of(reply), failed ? -EIO : error);
}

static void ftp_send_stop(struct ftp_transfer *transfer)
{
	if (transfer->user.data)
		ftp_data_abort(transfer->user.data, -ECANCELED);
}

static void ftp_send_destroy(struct ftp_transfer *transfer)
{
	struct ftp_sending *sending = ftp_send_sending_of(transfer);
	weir_producer_close(sending->producer, WEIR_CLOSE_ABORTED);
	weir_file_release(sending->file);
	free(sending);
}

static uint64_t ftp_send_bytes_of(const struct ftp_transfer *transfer)
{
	const struct ftp_sending *sending = (const struct ftp_sending *)transfer;
	return sending->pushed ? sending->pushed->put : sending->bytes;
}

uint64_t ftp_rate(const struct ftp_session *session)
{
	uint64_t rate = session->server->rules.rate;
	uint64_t own = session->user ? session->user->rate : 0;
	return own && (!rate || own < rate) ? own : rate;
}

void ftp_send(struct ftp_session *session, const char *verb, const char *path,
        struct weir_producer *producer, struct weir_file *file, const char *opening)
{
	static const struct ftp_transfer_type type = {
	        .ready = ftp_send_ready,
	        .gone = ftp_send_gone,
	        .stop = ftp_send_stop,
	        .destroy = ftp_send_destroy,
	        .bytes = ftp_send_bytes_of,
	};
	uint64_t rate = ftp_rate(session);
	if (rate)
		producer = weir_produce_throttle(producer, rate, 0);
	if (!producer) {
		FTP_REPLY(session, "451 Out of memory.");
		return;
	}
	struct ftp_transfer *transfer =
	        ftp_transfer_create(session, sizeof(struct ftp_sending), &type, verb, path);
	if (!transfer) {
		weir_producer_close(producer, WEIR_CLOSE_ABORTED);
		return;
	}
	transfer->kind = file ? WEIR_FTP_SENT : WEIR_FTP_LISTED;
	ftp_send_sending_of(transfer)->producer = producer;
	ftp_send_sending_of(transfer)->file = file ? weir_file_hold(file) : NULL;
	ftp_transfer_start(transfer, weir_span_of(opening));
}

/* REST applies to the next transfer only, also if that fails. */
static uint64_t ftp_verb_transfer_consume_restart(struct ftp_session *session)
{
	uint64_t offset = session->restart;
	session->restart = 0;
	return offset;
}

/* -- RETR -------------------------------------------------------------------------------------- */

/*
 * Begins at `offset` of the bytes that are sent. In text these are not the bytes of the file (RFC
 * 3659 5.3).
 */
static struct weir_producer *ftp_verb_transfer_content_of(
        struct weir_file *file, bool text, uint64_t offset)
{
	if (text) {
		struct weir_producer *lines =
		        weir_produce_crlf(weir_produce_file(file->fd, false, 0, file->size));
		return offset ? weir_produce_limit(lines, offset, UINT64_MAX) : lines;
	}
	if (file->content.data && file->content.size)
		return weir_produce_borrowed(
		        file->content.data + offset, file->content.size - (size_t)offset);
	return weir_produce_shared_file(file->fd, (off_t)offset, file->size - offset, &file->seen);
}

static void ftp_verb_transfer_on_found(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	char opening[96];
	uint64_t offset = ftp_verb_transfer_consume_restart(session);
	if (file->kind != WEIR_FILE_REGULAR) {
		FTP_REPLY(session, "550 Not a regular file.");
		return;
	}
	if (!session->ascii && offset > file->size) {
		FTP_REPLY(session, "554 REST offset is beyond the end of the file.");
		return;
	}
	if (session->ascii)
		snprintf(opening, sizeof opening, "150 Sending data.");
	else
		snprintf(opening, sizeof opening, "150 Sending data (%llu bytes).",
		        (unsigned long long)(file->size - offset));
	ftp_send(session, "RETR", path, ftp_verb_transfer_content_of(file, session->ascii, offset),
	        file, opening);
}

void ftp_retr(struct ftp_session *session, const char *argument)
{
	ftp_look_up(session, argument, ftp_verb_transfer_on_found);
}

/* -- STOR and its kin -------------------------------------------------------------------------- */

void ftp_stor(struct ftp_session *session, const char *argument)
{
	struct ftp_receipt receipt = {
	        .verb = "STOR", .offset = ftp_verb_transfer_consume_restart(session)};
	/* The offset in the file cannot be derived from one in the text. */
	if (session->ascii && receipt.offset)
		FTP_REPLY(session, "554 REST is not possible with TYPE A.");
	else
		ftp_receive(session, &receipt, argument);
}

void ftp_appe(struct ftp_session *session, const char *argument)
{
	static const struct ftp_receipt receipt = {.verb = "APPE", .append = true};
	ftp_verb_transfer_consume_restart(session);
	ftp_receive(session, &receipt, argument);
}

void ftp_stou(struct ftp_session *session, const char *argument)
{
	static const struct ftp_receipt receipt = {.verb = "STOU", .unique = true};
	ftp_verb_transfer_consume_restart(session);
	ftp_receive(session, &receipt, argument[0] ? argument : "file");
}

/* -- ABOR -------------------------------------------------------------------------------------- */

void ftp_abor(struct ftp_session *session, const char *argument)
{
	(void)argument;
	if (session->transfer) {
		ftp_transfer_abort(session->transfer);
		return;
	}
	ftp_data_drop(session);
	FTP_REPLY(session, "226 Nothing to abort.");
}
