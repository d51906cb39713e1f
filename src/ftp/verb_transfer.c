/* RETR, STOR, STOU, APPE, ABOR (RFC 959 4.1.3): files come and go. */
#include <stdio.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "job.h"
#include "transfer.h"
#include "verbs.h"

/* REST is for the next transfer only, whatever becomes of it. */
static uint64_t ftp_verb_transfer_take_restart(struct ftp_session *session)
{
	uint64_t offset = session->restart;
	session->restart = 0;
	return offset;
}

/* -- RETR -------------------------------------------------------------------------------------- */

/* From `offset` of what is sent, which for text is not the file's (RFC 3659 5.3). */
static struct weir_producer *ftp_verb_transfer_content_of(
        const struct weir_file *file, bool text, uint64_t offset)
{
	if (text) {
		struct weir_producer *lines =
		        weir_produce_crlf(weir_produce_file(file->fd, false, 0, file->size));
		return offset ? weir_produce_limit(lines, offset, UINT64_MAX) : lines;
	}
	if (file->content.data && file->content.size)
		return weir_produce_borrowed(
		        file->content.data + offset, file->content.size - (size_t)offset);
	return weir_produce_file(file->fd, false, (off_t)offset, file->size - offset);
}

static void ftp_verb_transfer_on_found(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	char opening[96];
	uint64_t offset = ftp_verb_transfer_take_restart(session);
	if (file->kind != WEIR_FILE_REGULAR) {
		FTP_SAY(session, "550 That is no file.");
		return;
	}
	if (!session->ascii && offset > file->size) {
		FTP_SAY(session, "554 The file is shorter than that.");
		return;
	}
	if (session->ascii)
		snprintf(opening, sizeof opening, "150 Here it comes.");
	else
		snprintf(opening, sizeof opening, "150 Here it comes (%llu bytes).",
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
	        .verb = "STOR", .offset = ftp_verb_transfer_take_restart(session)};
	/* Where in the file an offset of its text is, nobody knows. */
	if (session->ascii && receipt.offset)
		FTP_SAY(session, "554 REST is not for TYPE A.");
	else
		ftp_receive(session, &receipt, argument);
}

void ftp_appe(struct ftp_session *session, const char *argument)
{
	static const struct ftp_receipt receipt = {.verb = "APPE", .append = true};
	ftp_verb_transfer_take_restart(session);
	ftp_receive(session, &receipt, argument);
}

void ftp_stou(struct ftp_session *session, const char *argument)
{
	static const struct ftp_receipt receipt = {.verb = "STOU", .unique = true};
	ftp_verb_transfer_take_restart(session);
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
	FTP_SAY(session, "226 There was nothing to abort.");
}
