/*
 * Sending: a producer is all there is to it. A file goes by sendfile; as text it is read and its
 * lines end in CRLF; a rate is one producer more around it.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/transformers.h>

#include "transfer.h"

struct ftp_sending {
	struct ftp_transfer transfer;
	struct weir_producer *producer;     /* ours until it is pushed */
	const struct weir_producer *pushed; /* until it is closed */
	struct weir_file *file;
	uint64_t bytes; /* taken, when it is closed */
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
	if (ftp_send_sending_of(transfer)->failed)
		error = -EIO;
	ftp_transfer_finish(transfer, weir_span_of(ftp_transfer_reply(error)), error);
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
		FTP_SAY(session, "451 Out of memory.");
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
