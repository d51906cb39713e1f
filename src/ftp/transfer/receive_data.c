/*
 * The data of a received file: the lines of TYPE A, the rate, splicing, and back-pressure when the
 * disk is slower than the peer.
 */
#include <errno.h>

#include <weir/error.h>
#include <weir/upload.h>

#include "session.h"
#include "transfer.h"

/* -- TYPE A ------------------------------------------------------------------------------------ */

/*
 * Converts the lines of received text. Lines without a CR inside are passed on as one piece.
 * Between pieces only a CR is remembered, until the next byte comes. A CR that does not end a
 * line is kept in the file.
 */
/* Handles the byte after a CR. Returns how many bytes were consumed. */
static int ftp_ascii_after_cr(struct ftp_ascii *ascii, struct weir_span *bytes,
        int (*write)(void *context, struct weir_span bytes), void *context)
{
	char next = bytes->data[0];
	ascii->after_cr = false;
	if (next == '\n')
		return 0;
	if (next == 0)
		*bytes = weir_span_skip(*bytes, 1);
	return write(context, WEIR_SPAN("\r"));
}

int ftp_ascii_convert(struct ftp_ascii *ascii, struct weir_span bytes,
        int (*write)(void *context, struct weir_span bytes), void *context)
{
	int error = 0;
	while (bytes.size && error == 0) {
		if (ascii->after_cr) {
			error = ftp_ascii_after_cr(ascii, &bytes, write, context);
			continue;
		}
		const char *cr = memchr(bytes.data, '\r', bytes.size);
		size_t size = cr ? (size_t)(cr - bytes.data) : bytes.size;
		if (size)
			error = write(context, weir_span(bytes.data, size));
		bytes = weir_span_skip(bytes, cr ? size + 1 : size);
		ascii->after_cr = cr;
	}
	return error;
}

int ftp_ascii_end(
        struct ftp_ascii *ascii, int (*write)(void *context, struct weir_span bytes), void *context)
{
	if (!ascii->after_cr)
		return 0;
	ascii->after_cr = false;
	return write(context, WEIR_SPAN("\r"));
}

/* -- the data ---------------------------------------------------------------------------------- */

void ftp_receiving_pause_or_resume(const struct ftp_receiving *receiving)
{
	struct ftp_data *data = receiving->transfer.user.data;
	struct weir_channel *channel = data ? ftp_data_channel(data) : NULL;
	if (!channel)
		return;
	if (receiving->upload_full || receiving->above_rate)
		weir_channel_pause(channel);
	else
		weir_channel_resume(channel);
}

static void ftp_receiving_on_time(struct weir_timer *timer)
{
	struct ftp_receiving *receiving = WEIR_CONTAINER(timer, struct ftp_receiving, timer);
	receiving->above_rate = false;
	ftp_receiving_pause_or_resume(receiving);
}

/* Pauses the connection for as long as its bytes came too early for the rate. */
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
	receiving->above_rate = true;
	weir_timer_start(loop, &receiving->timer, (int64_t)(due_ms - (double)passed_ms),
	        ftp_receiving_on_time);
}

static void ftp_receiving_on_spliced(void *context, uint64_t size, int end)
{
	struct ftp_receiving *receiving = context;
	receiving->bytes += size;
	if (receiving->phase == FTP_RECEIVING_SPLICING) {
		ftp_receiving_enter(receiving, FTP_RECEIVING_DATA);
		weir_channel_diverted(ftp_data_channel(receiving->transfer.user.data), size, end);
	} else if (ftp_receiving_has_part(receiving)) {
		ftp_receiving_save(receiving);
	} else {
		weir_upload_abort(receiving->upload);
		ftp_receiving_end(receiving);
	}
}

void ftp_receiving_arrived(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = ftp_receiving_of(transfer);
	if (receiving->phase != FTP_RECEIVING_DATA)
		return;
	ftp_receiving_enter(receiving, FTP_RECEIVING_SPLICING);
	weir_upload_splice(receiving->upload, UINT64_MAX);
}

/* Diverts data that is stored as it comes, so that it does not pass through our memory. */
static void ftp_receiving_divert(struct ftp_receiving *receiving, struct weir_channel *channel)
{
	int source;
	if (!receiving->text && !receiving->rate && weir_channel_divert(channel, &source) == 0)
		weir_upload_set_source(receiving->upload, source, ftp_receiving_on_spliced);
}

void ftp_receiving_ready(struct ftp_transfer *transfer, struct weir_channel *channel)
{
	struct ftp_receiving *receiving = ftp_receiving_of(transfer);
	receiving->began_ms = weir_loop_now_ms(transfer->session->server->loop);
	weir_channel_stream(channel, weir_everything());
	ftp_receiving_divert(receiving, channel);
	ftp_receiving_pause_or_resume(receiving);
}

static int ftp_receiving_write(void *context, struct weir_span bytes)
{
	struct ftp_receiving *receiving = context;
	int result = weir_upload_write(receiving->upload, bytes);
	receiving->upload_full |= result == WEIR_UPLOAD_FULL;
	return result < 0 ? result : 0;
}

void ftp_receiving_piece(struct ftp_transfer *transfer, struct weir_span bytes)
{
	struct ftp_receiving *receiving = ftp_receiving_of(transfer);
	if (receiving->phase != FTP_RECEIVING_DATA)
		return;
	receiving->bytes += bytes.size;
	int error = receiving->text ? ftp_ascii_convert(&receiving->ascii, bytes,
	                                      ftp_receiving_write, receiving)
	                            : ftp_receiving_write(receiving, bytes);
	if (error < 0) {
		ftp_receiving_fail(receiving, error == WEIR_E_LIMIT ? -EFBIG : error);
		return;
	}
	ftp_receiving_hold_to_rate(receiving);
	if (receiving->upload_full || receiving->above_rate)
		ftp_receiving_pause_or_resume(receiving);
}

void ftp_receiving_eof(struct ftp_transfer *transfer, bool whole)
{
	struct ftp_receiving *receiving = ftp_receiving_of(transfer);
	struct weir_channel *channel = ftp_data_channel(transfer->user.data);
	if (receiving->phase != FTP_RECEIVING_DATA)
		return;
	if (!whole) {
		ftp_receiving_break_off(receiving, -EPROTO);
		weir_channel_close(channel);
		return;
	}
	int error = receiving->text
	                    ? ftp_ascii_end(&receiving->ascii, ftp_receiving_write, receiving)
	                    : 0;
	if (error < 0) {
		ftp_receiving_fail(receiving, error == WEIR_E_LIMIT ? -EFBIG : error);
		return;
	}
	transfer->committing = true;
	weir_channel_close(channel);
	ftp_receiving_save(receiving);
}
