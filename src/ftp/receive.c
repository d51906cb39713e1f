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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/error.h>
#include <weir/upload.h>

#include "ascii.h"
#include "entry.h"
#include "transfer.h"

struct ftp_receiving {
	struct ftp_transfer transfer;
	struct weir_upload *upload; /* NULL when it has ended */
	struct weir_timer timer;    /* the rate's */
	struct ftp_ascii ascii;
	bool text;   /* TYPE A */
	bool full;   /* the disk is behind */
	bool early;  /* the rate is */
	bool ended;  /* the end of the data came, or will not be waited for */
	bool unique; /* STOU: the name may have to be another */
	uint8_t tries;
	bool disk;      /* it was the disk that … */
	int error;      /* … went wrong; 0: nothing did */
	uint64_t bytes; /* on the data connection */
	uint64_t rate;
	int64_t began_ms;
	struct weir_upload_options options;
	struct ftp_place *place; /* until the file is open */
	size_t path_size;        /* of its path, as asked for */
	size_t tree_size;
};

static struct ftp_receiving *receiving_of(struct ftp_transfer *transfer)
{
	return (struct ftp_receiving *)transfer;
}

/* -- the end ----------------------------------------------------------------------------------- */

static const char *reply_of(const struct ftp_receiving *receiving)
{
	if (receiving->disk)
		return weir_ftp_error_text(receiving->error);
	if (receiving->error == -EPROTO)
		return "426 The data was cut off: TLS did not end it.";
	return weir_ftp_transfer_reply(receiving->error);
}

/* RFC 1123 4.1.2.9: STOU's reply says the name that the file has got. */
static struct weir_span with_name(
        const struct ftp_receiving *receiving, const char *text, char *to, size_t room)
{
	size_t size = strlen(text);
	memcpy(to, text, size);
	size += weir_ftp_name_write(receiving->transfer.path, true, false, to + size, room - size);
	return weir_span(to, size);
}

/* When both the file and the data connection have come to their ends. */
static void finish_if_over(struct ftp_receiving *receiving)
{
	struct ftp_transfer *transfer = &receiving->transfer;
	if (receiving->upload || transfer->user.data)
		return;
	char named[2 * WEIR_PATH_MAX];
	struct weir_span reply = weir_span_of(reply_of(receiving));
	if (receiving->error == 0 && receiving->unique)
		reply = with_name(receiving, "226 Done: ", named, sizeof named);
	weir_ftp_transfer_finish(transfer, reply, receiving->error);
}

static void on_committed(void *context, int error, bool created)
{
	struct ftp_receiving *receiving = context;
	(void)created;
	receiving->upload = NULL;
	if (!receiving->error && error < 0) {
		receiving->error = error;
		receiving->disk = true;
	}
	receiving->transfer.busy = false;
	if (receiving->transfer.session)
		finish_if_over(receiving);
	else if (!receiving->transfer.user.data)
		weir_ftp_transfer_destroy(&receiving->transfer);
}

static bool keeps_part(const struct ftp_receiving *receiving)
{
	const struct weir_ftp_rules *rules = &receiving->transfer.session->server->rules;
	return rules->uploads == WEIR_FTP_KEEP_PART && receiving->bytes;
}

/* No more will come. What came is kept, or not. */
static void break_off(struct ftp_receiving *receiving, int error)
{
	if (receiving->ended)
		return;
	receiving->ended = true;
	receiving->error = error;
	weir_timer_stop(&receiving->timer);
	if (!receiving->upload)
		return;
	if (keeps_part(receiving)) {
		weir_upload_commit(receiving->upload, on_committed, receiving);
		return;
	}
	weir_upload_abort(receiving->upload);
	receiving->upload = NULL;
}

/* The file cannot be written: whatever is still on its way is of no use. */
static void fail(struct ftp_receiving *receiving, int error)
{
	receiving->ended = true;
	receiving->error = error;
	receiving->disk = true;
	weir_timer_stop(&receiving->timer);
	weir_upload_abort(receiving->upload);
	receiving->upload = NULL;
	if (receiving->transfer.user.data)
		weir_ftp_data_abort(receiving->transfer.user.data, -ECANCELED);
	else
		finish_if_over(receiving);
}

/* -- the data ---------------------------------------------------------------------------------- */

static void pause_or_resume(const struct ftp_receiving *receiving)
{
	struct ftp_data *data = receiving->transfer.user.data;
	struct weir_channel *channel = data ? weir_ftp_data_channel(data) : NULL;
	if (!channel)
		return;
	if (receiving->full || receiving->early)
		weir_channel_pause(channel);
	else
		weir_channel_resume(channel);
}

static void on_time(struct weir_timer *timer)
{
	struct ftp_receiving *receiving = WEIR_CONTAINER(timer, struct ftp_receiving, timer);
	receiving->early = false;
	pause_or_resume(receiving);
}

/* Bytes that came too early for the rate are paid for by a pause. */
static void hold_to_rate(struct ftp_receiving *receiving)
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
	weir_timer_start(loop, &receiving->timer, (int64_t)(due_ms - (double)passed_ms), on_time);
}

static void ready(struct ftp_transfer *transfer, struct weir_channel *channel)
{
	struct ftp_receiving *receiving = receiving_of(transfer);
	receiving->began_ms = weir_loop_now_ms(transfer->session->server->loop);
	weir_channel_stream(channel, weir_everything());
	pause_or_resume(receiving);
}

static int write_bytes(void *context, struct weir_span bytes)
{
	struct ftp_receiving *receiving = context;
	int result = weir_upload_write(receiving->upload, bytes);
	receiving->full |= result == WEIR_UPLOAD_FULL;
	return result < 0 ? result : 0;
}

static void piece(struct ftp_transfer *transfer, struct weir_span bytes)
{
	struct ftp_receiving *receiving = receiving_of(transfer);
	if (receiving->ended)
		return;
	receiving->bytes += bytes.size;
	int error = receiving->text
	                    ? weir_ftp_ascii_take(&receiving->ascii, bytes, write_bytes, receiving)
	                    : write_bytes(receiving, bytes);
	if (error < 0) {
		fail(receiving, error == WEIR_E_LIMIT ? -EFBIG : error);
		return;
	}
	hold_to_rate(receiving);
	if (receiving->full || receiving->early)
		pause_or_resume(receiving);
}

static void eof(struct ftp_transfer *transfer, bool whole)
{
	struct ftp_receiving *receiving = receiving_of(transfer);
	struct weir_channel *channel = weir_ftp_data_channel(transfer->user.data);
	if (receiving->ended)
		return;
	if (!whole) {
		break_off(receiving, -EPROTO);
		weir_channel_close(channel);
		return;
	}
	int error =
	        receiving->text ? weir_ftp_ascii_end(&receiving->ascii, write_bytes, receiving) : 0;
	if (error < 0) {
		fail(receiving, error == WEIR_E_LIMIT ? -EFBIG : error);
		return;
	}
	receiving->ended = true;
	transfer->committing = true;
	weir_timer_stop(&receiving->timer);
	weir_channel_close(channel);
	weir_upload_commit(receiving->upload, on_committed, receiving);
}

static void gone(struct ftp_transfer *transfer, int error)
{
	struct ftp_receiving *receiving = receiving_of(transfer);
	break_off(receiving, error ? error : -ECONNRESET);
	finish_if_over(receiving);
}

static void stop(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = receiving_of(transfer);
	break_off(receiving, -ECANCELED);
	if (transfer->user.data)
		weir_ftp_data_abort(transfer->user.data, -ECANCELED);
	else
		finish_if_over(receiving);
}

/* What is being committed is so all the same; before the peer was asked for data, nothing came. */
static bool orphan(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = receiving_of(transfer);
	break_off(receiving, -ECANCELED);
	return !receiving->upload;
}

static void destroy(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = receiving_of(transfer);
	weir_timer_stop(&receiving->timer);
	free(receiving->place);
	free(receiving);
}

static uint64_t bytes_of(const struct ftp_transfer *transfer)
{
	return ((const struct ftp_receiving *)transfer)->bytes;
}

/* -- the beginning ----------------------------------------------------------------------------- */

static int begin(struct ftp_receiving *receiving);

/* "name", then "name.1f3a": 0, or the names have run out. */
static int next_name(struct ftp_receiving *receiving)
{
	struct ftp_place *place = receiving->place;
	unsigned number;
	if (receiving->tries++ >= WEIR_FTP_NAMES_TRIED)
		return -EEXIST;
	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return -EIO;
	size_t room = WEIR_PATH_MAX - receiving->path_size;
	size_t tree_room = WEIR_PATH_MAX - receiving->tree_size;
	int size = snprintf(place->path + receiving->path_size, room, ".%08x", number);
	if ((size_t)size >= room || (size_t)size >= tree_room)
		return -ENAMETOOLONG;
	memcpy(place->tree + receiving->tree_size, place->path + receiving->path_size,
	        (size_t)size + 1);
	return 0;
}

static void start(struct ftp_receiving *receiving)
{
	struct ftp_transfer *transfer = &receiving->transfer;
	char named[2 * WEIR_PATH_MAX];
	struct weir_span opening = WEIR_SPAN("150 Send it.");
	free(receiving->place);
	receiving->place = NULL;
	if (receiving->unique)
		opening = with_name(receiving, "150 FILE: ", named, sizeof named);
	weir_ftp_transfer_start(transfer, opening);
}

static void on_ready(void *context, int error)
{
	struct ftp_receiving *receiving = context;
	if (receiving->transfer.started || error < 0) {
		receiving->full = false;
		if (error == 0) {
			pause_or_resume(receiving);
			return;
		}
		if (error == -EEXIST && receiving->unique && !receiving->transfer.started) {
			weir_upload_abort(receiving->upload);
			receiving->upload = NULL;
			error = next_name(receiving);
			if (error == 0)
				error = begin(receiving);
			if (error == 0)
				return;
		}
		fail(receiving, error);
		return;
	}
	start(receiving);
}

static int begin(struct ftp_receiving *receiving)
{
	char *path = weir_ftp_copy(receiving->place->path);
	if (!path)
		return -ENOMEM;
	free(receiving->transfer.path);
	receiving->transfer.path = path;
	return weir_upload_begin(weir_ftp_tree(receiving->transfer.session->server),
	        receiving->place->tree, &receiving->options, on_ready, receiving,
	        &receiving->upload);
}

static void set_options(struct ftp_receiving *receiving, const struct ftp_receipt *receipt)
{
	const struct ftp_session *session = receiving->transfer.session;
	receiving->text = session->ascii;
	receiving->unique = receipt->unique;
	receiving->rate = weir_ftp_rate(session);
	receiving->options = (struct weir_upload_options){
	        .size_max = session->server->rules.upload_max,
	        .must_not_exist = receipt->unique,
	        .in_place = receipt->append || receipt->unique || receipt->offset,
	        .append = receipt->append,
	        .offset = receipt->offset,
	};
	receiving->path_size = strlen(receiving->place->path);
	receiving->tree_size = strlen(receiving->place->tree);
}

void weir_ftp_receive(
        struct ftp_session *session, const struct ftp_receipt *receipt, const char *name)
{
	static const struct ftp_transfer_type type = {
	        .ready = ready,
	        .piece = piece,
	        .eof = eof,
	        .gone = gone,
	        .stop = stop,
	        .orphan = orphan,
	        .destroy = destroy,
	        .bytes = bytes_of,
	};
	struct ftp_place place;
	int error = weir_ftp_place_find(session, name, &place);
	if (error < 0) {
		weir_ftp_say(session, weir_ftp_error_text(error == -ENOENT ? -EACCES : error));
		return;
	}
	struct ftp_transfer *transfer = weir_ftp_transfer_create(
	        session, sizeof(struct ftp_receiving), &type, receipt->verb, place.path);
	if (!transfer)
		return;
	struct ftp_receiving *receiving = receiving_of(transfer);
	transfer->kind = WEIR_FTP_RECEIVED;
	receiving->place = malloc(sizeof place);
	if (receiving->place) {
		*receiving->place = place;
		set_options(receiving, receipt);
		error = begin(receiving);
	} else {
		error = -ENOMEM;
	}
	if (error < 0)
		fail(receiving, error);
}
