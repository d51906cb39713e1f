/*
 * The beginning of a file that is received: under which name, into what, and the 150. STOU tries
 * further names while somebody has the one before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/error.h>

#include "receiving.h"

static int ftp_receive_begin(struct ftp_receiving *receiving);

/* "name", then "name.1f3a": 0, or the names have run out. */
static int ftp_receive_next_name(struct ftp_receiving *receiving)
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

static void ftp_receive_start(struct ftp_receiving *receiving)
{
	struct ftp_transfer *transfer = &receiving->transfer;
	char named[2 * WEIR_PATH_MAX];
	struct weir_span opening = WEIR_SPAN("150 Send it.");
	free(receiving->place);
	receiving->place = NULL;
	if (receiving->unique)
		opening = ftp_receiving_named(receiving, "150 FILE: ", named, sizeof named);
	ftp_transfer_start(transfer, opening);
}

static void ftp_receive_on_ready(void *context, int error)
{
	struct ftp_receiving *receiving = context;
	if (receiving->transfer.started || error < 0) {
		if (error == 0) {
			ftp_receiving_go_on(receiving);
			return;
		}
		if (error == -EEXIST && receiving->unique && !receiving->transfer.started) {
			weir_upload_abort(receiving->upload);
			receiving->upload = NULL;
			error = ftp_receive_next_name(receiving);
			if (error == 0)
				error = ftp_receive_begin(receiving);
			if (error == 0)
				return;
		}
		ftp_receiving_fail(receiving, error);
		return;
	}
	ftp_receive_start(receiving);
}

static int ftp_receive_begin(struct ftp_receiving *receiving)
{
	char *path = ftp_copy(receiving->place->path);
	if (!path)
		return -ENOMEM;
	free(receiving->transfer.path);
	receiving->transfer.path = path;
	return weir_upload_begin(ftp_tree(receiving->transfer.session->server),
	        receiving->place->tree, &receiving->options, ftp_receive_on_ready, receiving,
	        &receiving->upload);
}

static void ftp_receive_set_options(
        struct ftp_receiving *receiving, const struct ftp_receipt *receipt)
{
	const struct ftp_session *session = receiving->transfer.session;
	bool overwrites = ftp_session_rights(session) & WEIR_FTP_OVERWRITE;
	receiving->text = session->ascii;
	receiving->unique = receipt->unique;
	receiving->rate = ftp_rate(session);
	receiving->options = (struct weir_upload_options){
	        .size_max = session->server->rules.upload_max,
	        .mode = session->server->rules.mode,
	        .must_not_exist = receipt->unique || !overwrites,
	        .look_first = true,
	        .in_place = receipt->append || receipt->unique || receipt->offset,
	        .append = receipt->append,
	        .offset = receipt->offset,
	};
	receiving->path_size = strlen(receiving->place->path);
	receiving->tree_size = strlen(receiving->place->tree);
}

void ftp_receive(struct ftp_session *session, const struct ftp_receipt *receipt, const char *name)
{
	struct ftp_place place;
	int error = ftp_place_find(session, name, &place);
	if (receipt->offset && !(ftp_session_rights(session) & WEIR_FTP_OVERWRITE))
		error = -EACCES;
	if (error < 0) {
		ftp_say(session, ftp_error_text(error == -ENOENT ? -EACCES : error));
		return;
	}
	struct ftp_transfer *transfer = ftp_transfer_create(session, sizeof(struct ftp_receiving),
	        &ftp_receiving_type, receipt->verb, place.path);
	if (!transfer)
		return;
	struct ftp_receiving *receiving = (struct ftp_receiving *)transfer;
	transfer->kind = WEIR_FTP_RECEIVED;
	receiving->place = malloc(sizeof place);
	if (receiving->place) {
		*receiving->place = place;
		ftp_receive_set_options(receiving, receipt);
		error = ftp_receive_begin(receiving);
	} else {
		error = -ENOMEM;
	}
	if (error < 0)
		ftp_receiving_fail(receiving, error);
}
