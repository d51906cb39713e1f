/*
 * Receiving: the data connection's bytes become a file. The disk slower than the peer, or a rate,
 * pauses the connection.
 *
 *   opening ─▶ (150) ─▶ receiving ─▶ eof ─▶ committing ─▶ on the disk ─▶ 226
 *                            └─ breaks off ─▶ the part is kept, or nothing is; then 426
 *
 * Invariant: 226 is said only after an end of the data that is one, when file and directory are on
 * the disk and the data connection is gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "receiving.h"

static struct ftp_receiving *ftp_receiving_receiving_of(struct ftp_transfer *transfer)
{
	return (struct ftp_receiving *)transfer;
}

/* -- the end ----------------------------------------------------------------------------------- */

static const char *ftp_receiving_reply_of(const struct ftp_receiving *receiving)
{
	if (receiving->disk)
		return ftp_error_text(receiving->error);
	if (receiving->error == -EPROTO)
		return "426 The data was cut off: TLS did not end it.";
	return ftp_transfer_reply(receiving->error);
}

struct weir_span ftp_receiving_named(
        const struct ftp_receiving *receiving, const char *text, char *to, size_t room)
{
	size_t size = strlen(text);
	memcpy(to, text, size);
	size += ftp_name_write(receiving->transfer.path, true, false, to + size, room - size);
	return weir_span(to, size);
}

/* When both the file and the data connection have come to their ends. */
static void ftp_receiving_finish_if_over(struct ftp_receiving *receiving)
{
	struct ftp_transfer *transfer = &receiving->transfer;
	if (receiving->upload || transfer->user.data)
		return;
	char named[2 * WEIR_PATH_MAX];
	struct weir_span reply = weir_span_of(ftp_receiving_reply_of(receiving));
	if (receiving->error == 0 && receiving->unique)
		reply = ftp_receiving_named(receiving, "226 Done: ", named, sizeof named);
	ftp_transfer_finish(transfer, reply, receiving->error);
}

/* Nothing more is done to the file: what waited for that goes on. */
static void ftp_receiving_settle(struct ftp_receiving *receiving)
{
	struct ftp_transfer *transfer = &receiving->transfer;
	transfer->busy = false;
	if (transfer->session)
		ftp_receiving_finish_if_over(receiving);
	else if (!transfer->user.data)
		ftp_transfer_destroy(transfer);
}

static void ftp_receiving_on_committed(void *context, int error, bool created)
{
	struct ftp_receiving *receiving = context;
	(void)created;
	receiving->upload = NULL;
	if (!receiving->error && error < 0) {
		receiving->error = error;
		receiving->disk = true;
	}
	ftp_receiving_settle(receiving);
}

static void ftp_receiving_end_part(struct ftp_receiving *receiving)
{
	if (receiving->keep && receiving->bytes) {
		weir_upload_commit(receiving->upload, ftp_receiving_on_committed, receiving);
		return;
	}
	weir_upload_abort(receiving->upload);
	receiving->upload = NULL;
}

/* No more will come. What came is kept, or not; what is just being taken has come. */
static void ftp_receiving_break_off(struct ftp_receiving *receiving, int error)
{
	if (receiving->ended)
		return;
	receiving->ended = true;
	receiving->error = error;
	/* Without the right to overwrite, a part could neither be gone on with nor replaced. */
	bool stuck = receiving->options.must_not_exist && !receiving->unique;
	receiving->keep =
	        !stuck && receiving->transfer.session->server->rules.uploads == WEIR_FTP_KEEP_PART;
	weir_timer_stop(&receiving->timer);
	if (receiving->upload && !receiving->taking)
		ftp_receiving_end_part(receiving);
}

void ftp_receiving_fail(struct ftp_receiving *receiving, int error)
{
	struct ftp_transfer *transfer = &receiving->transfer;
	receiving->taking = false;
	if (!receiving->error) {
		receiving->error = error;
		receiving->disk = true;
	}
	receiving->ended = true;
	weir_timer_stop(&receiving->timer);
	weir_upload_abort(receiving->upload);
	receiving->upload = NULL;
	if (transfer->session && transfer->user.data)
		ftp_data_abort(transfer->user.data, -ECANCELED);
	else
		ftp_receiving_settle(receiving);
}

/* -- the data ---------------------------------------------------------------------------------- */

static void ftp_receiving_pause_or_resume(const struct ftp_receiving *receiving)
{
	struct ftp_data *data = receiving->transfer.user.data;
	struct weir_channel *channel = data ? ftp_data_channel(data) : NULL;
	if (!channel)
		return;
	if (receiving->full || receiving->early)
		weir_channel_pause(channel);
	else
		weir_channel_resume(channel);
}

static void ftp_receiving_on_time(struct weir_timer *timer)
{
	struct ftp_receiving *receiving = WEIR_CONTAINER(timer, struct ftp_receiving, timer);
	receiving->early = false;
	ftp_receiving_pause_or_resume(receiving);
}

/* Bytes that came too early for the rate are paid for by a pause. */
static void ftp_receiving_hold_to_rate(struct ftp_receiving *receiving)
{
	struct weir_loop *loop = receiving->transfer.session->server->loop;
	if (!receiving->rate)
		return;
	int64_t passed_ms = weir_loop_now_ms(loop) - receiving->began_ms;
	/* In floating point: 2^64 bytes times a thousand are too many. */
	double due_ms = (double)receiving->bytes * 1000.0 / (double)receiving->rate;
	if (due_ms <= (double)passed_ms)
		return;
	receiving->early = true;
	weir_timer_start(loop, &receiving->timer, (int64_t)(due_ms - (double)passed_ms),
	        ftp_receiving_on_time);
}

void ftp_receiving_go_on(struct ftp_receiving *receiving)
{
	receiving->full = false;
	ftp_receiving_pause_or_resume(receiving);
}

static void ftp_receiving_on_taken(void *context, uint64_t size, int end)
{
	struct ftp_receiving *receiving = context;
	struct ftp_data *data = receiving->transfer.user.data;
	receiving->taking = false;
	receiving->bytes += size;
	if (receiving->ended) {
		ftp_receiving_end_part(receiving);
		if (!receiving->upload)
			ftp_receiving_settle(receiving);
	} else {
		weir_channel_diverted(ftp_data_channel(data), size, end);
	}
}

static void ftp_receiving_arrived(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = ftp_receiving_receiving_of(transfer);
	if (receiving->ended)
		return;
	receiving->taking = true;
	weir_upload_splice(receiving->upload, UINT64_MAX);
}

/* What is stored as it comes need not pass through our memory. */
static void ftp_receiving_tap(struct ftp_receiving *receiving, struct weir_channel *channel)
{
	int source;
	if (receiving->text || receiving->rate || weir_channel_divert(channel, &source) < 0)
		return;
	receiving->tapped = true;
	weir_upload_set_source(receiving->upload, source, ftp_receiving_on_taken);
}

static void ftp_receiving_ready(struct ftp_transfer *transfer, struct weir_channel *channel)
{
	struct ftp_receiving *receiving = ftp_receiving_receiving_of(transfer);
	receiving->began_ms = weir_loop_now_ms(transfer->session->server->loop);
	weir_channel_stream(channel, weir_everything());
	ftp_receiving_tap(receiving, channel);
	ftp_receiving_pause_or_resume(receiving);
}

static int ftp_receiving_write_bytes(void *context, struct weir_span bytes)
{
	struct ftp_receiving *receiving = context;
	int result = weir_upload_write(receiving->upload, bytes);
	receiving->full |= result == WEIR_UPLOAD_FULL;
	return result < 0 ? result : 0;
}

static void ftp_receiving_piece(struct ftp_transfer *transfer, struct weir_span bytes)
{
	struct ftp_receiving *receiving = ftp_receiving_receiving_of(transfer);
	if (receiving->ended)
		return;
	receiving->bytes += bytes.size;
	int error = receiving->text ? ftp_ascii_take(&receiving->ascii, bytes,
	                                      ftp_receiving_write_bytes, receiving)
	                            : ftp_receiving_write_bytes(receiving, bytes);
	if (error < 0) {
		ftp_receiving_fail(receiving, error == WEIR_E_LIMIT ? -EFBIG : error);
		return;
	}
	ftp_receiving_hold_to_rate(receiving);
	if (receiving->full || receiving->early)
		ftp_receiving_pause_or_resume(receiving);
}

static void ftp_receiving_eof(struct ftp_transfer *transfer, bool whole)
{
	struct ftp_receiving *receiving = ftp_receiving_receiving_of(transfer);
	struct weir_channel *channel = ftp_data_channel(transfer->user.data);
	if (receiving->ended)
		return;
	if (!whole) {
		ftp_receiving_break_off(receiving, -EPROTO);
		weir_channel_close(channel);
		return;
	}
	int error = receiving->text
	                    ? ftp_ascii_end(&receiving->ascii, ftp_receiving_write_bytes, receiving)
	                    : 0;
	if (error < 0) {
		ftp_receiving_fail(receiving, error == WEIR_E_LIMIT ? -EFBIG : error);
		return;
	}
	receiving->ended = true;
	transfer->committing = true;
	weir_timer_stop(&receiving->timer);
	weir_channel_close(channel);
	weir_upload_commit(receiving->upload, ftp_receiving_on_committed, receiving);
}

static void ftp_receiving_gone(struct ftp_transfer *transfer, int error)
{
	struct ftp_receiving *receiving = ftp_receiving_receiving_of(transfer);
	ftp_receiving_break_off(receiving, error ? error : -ECONNRESET);
	ftp_receiving_finish_if_over(receiving);
}

static void ftp_receiving_stop(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = ftp_receiving_receiving_of(transfer);
	ftp_receiving_break_off(receiving, -ECANCELED);
	if (transfer->user.data)
		ftp_data_abort(transfer->user.data, -ECANCELED);
	else
		ftp_receiving_finish_if_over(receiving);
}

/* What is being committed is so all the same; before the peer was asked for data, nothing came. */
static bool ftp_receiving_orphan(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = ftp_receiving_receiving_of(transfer);
	ftp_receiving_break_off(receiving, -ECANCELED);
	return !receiving->upload;
}

static void ftp_receiving_destroy(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = ftp_receiving_receiving_of(transfer);
	weir_timer_stop(&receiving->timer);
	free(receiving->place);
	free(receiving);
}

static uint64_t ftp_receiving_bytes_of(const struct ftp_transfer *transfer)
{
	return ((const struct ftp_receiving *)transfer)->bytes;
}

const struct ftp_transfer_type ftp_receiving_type = {
        .ready = ftp_receiving_ready,
        .piece = ftp_receiving_piece,
        .arrived = ftp_receiving_arrived,
        .eof = ftp_receiving_eof,
        .gone = ftp_receiving_gone,
        .stop = ftp_receiving_stop,
        .orphan = ftp_receiving_orphan,
        .destroy = ftp_receiving_destroy,
        .bytes = ftp_receiving_bytes_of,
};
