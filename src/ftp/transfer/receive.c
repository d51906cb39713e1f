/*
 * Files that are received: STOR, STOU, APPE. The bytes of the data connection go to an upload of
 * the store, either through the channel or, where they are stored as they come, by splicing.
 *
 *   OPENING ─▶ 150 ─▶ DATA ◀─▶ SPLICING           an error of the file, in any phase ─▶ ENDED
 *      │               │          │
 *      │   end of data │          │ broken off
 *      │ or broken off ▼          ▼
 *      │             SAVING ◀── STOPPING
 *      └────────────────┴──▶ ENDED ◀─┘       426 or an error, or 226 after SAVING
 *
 * Invariants: only ftp_receiving_enter changes the phase. 226 is sent only after an end of the data
 * that TLS or TCP confirms, when file and directory are on the disk and the data connection is
 * closed. The upload exists in all phases but ENDED.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/error.h>
#include <weir/upload.h>

#include "transfer.h"
#include "listing.h"
#include "session.h"

void ftp_receiving_enter(struct ftp_receiving *receiving, enum ftp_receiving_phase phase)
{
	receiving->phase = phase;
	if (phase >= FTP_RECEIVING_STOPPING)
		weir_timer_stop(&receiving->timer);
	if (phase == FTP_RECEIVING_ENDED)
		receiving->upload = NULL;
}

/* -- the end ----------------------------------------------------------------------------------- */

/* RFC 1123 4.1.2.9: `text` and the name that STOU's file has got, in `to`. */
static struct weir_span ftp_receiving_name_reply(
        const struct ftp_receiving *receiving, const char *text, char *to, size_t room)
{
	size_t size = strlen(text);
	memcpy(to, text, size);
	size += ftp_name_write(receiving->transfer.path, true, false, to + size, room - size);
	return weir_span(to, size);
}

static const char *ftp_receiving_reply(const struct ftp_receiving *receiving)
{
	if (receiving->file_error)
		return ftp_error_text(receiving->file_error);
	if (receiving->error == -EPROTO)
		return "426 Data connection closed without TLS close_notify.";
	return ftp_transfer_reply(receiving->error);
}

/* Finishes the transfer once both the upload and the data connection have ended. */
static void ftp_receiving_finish(struct ftp_receiving *receiving)
{
	struct ftp_transfer *transfer = &receiving->transfer;
	int error = receiving->file_error ? receiving->file_error : receiving->error;
	if (receiving->phase != FTP_RECEIVING_ENDED || transfer->user.data)
		return;
	char named[2 * WEIR_PATH_MAX];
	struct weir_span reply = weir_span_of(ftp_receiving_reply(receiving));
	if (error == 0 && receiving->unique)
		reply = ftp_receiving_name_reply(
		        receiving, "226 Transfer complete: ", named, sizeof named);
	ftp_transfer_finish(transfer, reply, error);
}

void ftp_receiving_end(struct ftp_receiving *receiving)
{
	struct ftp_transfer *transfer = &receiving->transfer;
	ftp_receiving_enter(receiving, FTP_RECEIVING_ENDED);
	transfer->busy = false;
	if (transfer->session)
		ftp_receiving_finish(receiving);
	else if (!transfer->user.data)
		ftp_transfer_destroy(transfer);
}

static void ftp_receiving_on_committed(void *context, int error, bool created)
{
	struct ftp_receiving *receiving = context;
	(void)created;
	if (!receiving->error)
		receiving->file_error = error;
	ftp_receiving_end(receiving);
}

void ftp_receiving_save(struct ftp_receiving *receiving)
{
	ftp_receiving_enter(receiving, FTP_RECEIVING_SAVING);
	weir_upload_commit(receiving->upload, ftp_receiving_on_committed, receiving);
}

bool ftp_receiving_has_part(const struct ftp_receiving *receiving)
{
	return receiving->keep_part && receiving->bytes;
}

static void ftp_receiving_discard(struct ftp_receiving *receiving)
{
	weir_upload_abort(receiving->upload);
	ftp_receiving_enter(receiving, FTP_RECEIVING_ENDED);
}

void ftp_receiving_break_off(struct ftp_receiving *receiving, int error)
{
	if (receiving->phase >= FTP_RECEIVING_STOPPING)
		return;
	receiving->error = error;
	/* Without the right to overwrite, the client could neither resume a part nor replace it. */
	bool replaceable = receiving->unique || !receiving->options.must_not_exist;
	receiving->keep_part = replaceable && receiving->transfer.session->server->rules.uploads ==
	                                              WEIR_FTP_KEEP_PART;
	if (receiving->phase == FTP_RECEIVING_SPLICING)
		ftp_receiving_enter(receiving, FTP_RECEIVING_STOPPING);
	else if (ftp_receiving_has_part(receiving))
		ftp_receiving_save(receiving);
	else
		ftp_receiving_discard(receiving);
}

void ftp_receiving_fail(struct ftp_receiving *receiving, int error)
{
	struct ftp_transfer *transfer = &receiving->transfer;
	if (!receiving->error)
		receiving->file_error = error;
	ftp_receiving_discard(receiving);
	if (transfer->session && transfer->user.data)
		ftp_data_abort(transfer->user.data, -ECANCELED);
	else
		ftp_receiving_end(receiving);
}

static void ftp_receiving_gone(struct ftp_transfer *transfer, int error)
{
	struct ftp_receiving *receiving = ftp_receiving_of(transfer);
	ftp_receiving_break_off(receiving, error ? error : -ECONNRESET);
	ftp_receiving_finish(receiving);
}

static void ftp_receiving_stop(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = ftp_receiving_of(transfer);
	ftp_receiving_break_off(receiving, -ECANCELED);
	if (transfer->user.data)
		ftp_data_abort(transfer->user.data, -ECANCELED);
	else
		ftp_receiving_finish(receiving);
}

/* A commit under way goes on without the session. */
static bool ftp_receiving_orphan(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = ftp_receiving_of(transfer);
	ftp_receiving_break_off(receiving, -ECANCELED);
	return receiving->phase == FTP_RECEIVING_ENDED;
}

static void ftp_receiving_destroy(struct ftp_transfer *transfer)
{
	struct ftp_receiving *receiving = ftp_receiving_of(transfer);
	weir_timer_stop(&receiving->timer);
	free(receiving->path);
	free(receiving);
}

static uint64_t ftp_receiving_bytes(const struct ftp_transfer *transfer)
{
	return ((const struct ftp_receiving *)transfer)->bytes;
}

/* -- the beginning ----------------------------------------------------------------------------- */

static int ftp_receiving_open(struct ftp_receiving *receiving);

/*
 * STOU: the path with another suffix, such as "name.1f3a0b2c". Returns 0, or the error to end with.
 */
static int ftp_receiving_next_name(struct ftp_receiving *receiving)
{
	struct ftp_path *path = receiving->path;
	unsigned number;
	if (receiving->names_tried++ >= WEIR_FTP_NAMES_TRIED)
		return -EEXIST;
	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return -EIO;
	size_t room = WEIR_PATH_MAX - receiving->path_size;
	size_t tree_room = WEIR_PATH_MAX - receiving->tree_size;
	int size = snprintf(path->shown + receiving->path_size, room, ".%08x", number);
	if ((size_t)size >= room || (size_t)size >= tree_room)
		return -ENAMETOOLONG;
	memcpy(path->tree + receiving->tree_size, path->shown + receiving->path_size,
	        (size_t)size + 1);
	return 0;
}

static void ftp_receiving_on_open(struct ftp_receiving *receiving)
{
	char named[2 * WEIR_PATH_MAX];
	struct weir_span opening = WEIR_SPAN("150 Ready to receive.");
	free(receiving->path);
	receiving->path = NULL;
	ftp_receiving_enter(receiving, FTP_RECEIVING_DATA);
	if (receiving->unique)
		opening = ftp_receiving_name_reply(receiving, "150 FILE: ", named, sizeof named);
	ftp_transfer_start(&receiving->transfer, opening);
}

static void ftp_receiving_on_ready(void *context, int error)
{
	struct ftp_receiving *receiving = context;
	bool opening = receiving->phase == FTP_RECEIVING_OPENING;
	if (error == 0 && opening) {
		ftp_receiving_on_open(receiving);
		return;
	}
	if (error == 0) {
		receiving->upload_full = false;
		ftp_receiving_pause_or_resume(receiving);
		return;
	}
	if (error == -EEXIST && receiving->unique && opening) {
		weir_upload_abort(receiving->upload);
		receiving->upload = NULL;
		error = ftp_receiving_next_name(receiving);
		if (error == 0)
			error = ftp_receiving_open(receiving);
		if (error == 0)
			return;
	}
	ftp_receiving_fail(receiving, error);
}

static int ftp_receiving_open(struct ftp_receiving *receiving)
{
	char *path = ftp_copy(receiving->path->shown);
	if (!path)
		return -ENOMEM;
	free(receiving->transfer.path);
	receiving->transfer.path = path;
	return weir_upload_begin(ftp_tree(receiving->transfer.session->server),
	        receiving->path->tree, &receiving->options, ftp_receiving_on_ready, receiving,
	        &receiving->upload);
}

static void ftp_receiving_set_options(
        struct ftp_receiving *receiving, const struct ftp_receipt *receipt)
{
	const struct ftp_session *session = receiving->transfer.session;
	bool overwrites = ftp_session_rights(session) & WEIR_FTP_OVERWRITE;
	receiving->text = session->ascii;
	receiving->unique = receipt->unique;
	receiving->rate = ftp_rate(session);
	struct weir_upload_options *options = &receiving->options;
	weir_upload_options_init(options);
	options->size_max = session->server->rules.upload_max;
	options->mode = session->server->rules.mode;
	options->must_not_exist = receipt->unique || !overwrites;
	options->look_first = true;
	options->in_place = receipt->append || receipt->unique || receipt->offset;
	options->append = receipt->append;
	options->offset = receipt->offset;
	receiving->path_size = strlen(receiving->path->shown);
	receiving->tree_size = strlen(receiving->path->tree);
}

void ftp_receive(struct ftp_session *session, const struct ftp_receipt *receipt, const char *name)
{
	static const struct ftp_transfer_type type = {
	        .ready = ftp_receiving_ready,
	        .piece = ftp_receiving_piece,
	        .arrived = ftp_receiving_arrived,
	        .eof = ftp_receiving_eof,
	        .gone = ftp_receiving_gone,
	        .stop = ftp_receiving_stop,
	        .orphan = ftp_receiving_orphan,
	        .destroy = ftp_receiving_destroy,
	        .bytes = ftp_receiving_bytes,
	};
	struct ftp_path path;
	int error = ftp_path_find(session, name, &path);
	if (receipt->offset && !(ftp_session_rights(session) & WEIR_FTP_OVERWRITE))
		error = -EACCES;
	if (error < 0) {
		ftp_reply_text(session, ftp_error_text(error == -ENOENT ? -EACCES : error));
		return;
	}
	struct ftp_transfer *transfer = ftp_transfer_create(
	        session, sizeof(struct ftp_receiving), &type, receipt->verb, path.shown);
	if (!transfer)
		return;
	struct ftp_receiving *receiving = ftp_receiving_of(transfer);
	transfer->kind = WEIR_FTP_RECEIVED;
	receiving->path = malloc(sizeof path);
	if (receiving->path) {
		*receiving->path = path;
		ftp_receiving_set_options(receiving, receipt);
		error = ftp_receiving_open(receiving);
	} else {
		error = -ENOMEM;
	}
	if (error < 0)
		ftp_receiving_fail(receiving, error);
}
