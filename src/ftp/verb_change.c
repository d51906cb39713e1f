/* DELE, RNFR, RNTO, MFMT, SITE (RFC 959 4.1.3): files are changed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "job.h"
#include "timeval.h"
#include "verbs.h"

/* What a pathname means; false, and it was said: nothing. Nobody changes his own home. */
static bool ftp_verb_change_find(
        struct ftp_session *session, const char *name, struct ftp_place *ret)
{
	int error = ftp_place_find(session, name, ret);
	if (error == 0 && !ret->path[1])
		error = -EACCES;
	if (error < 0)
		ftp_say(session, ftp_error_text(error));
	return error == 0;
}

void ftp_dele(struct ftp_session *session, const char *argument)
{
	struct ftp_place place;
	if (!ftp_verb_change_find(session, argument, &place))
		return;
	struct ftp_change *change =
	        ftp_change_begin(session, "DELE", place.path, WEIR_SPAN("250 Deleted."));
	if (change)
		weir_tree_remove(
		        ftp_tree(session->server), &change->change, place.tree, ftp_change_done);
}

/* -- renaming ---------------------------------------------------------------------------------- */

static void ftp_verb_change_on_found(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	struct ftp_place place;
	(void)file;
	if (!ftp_verb_change_find(session, path, &place))
		return;
	session->rename_from = ftp_copy(place.tree);
	if (session->rename_from)
		FTP_SAY(session, "350 And to what?");
	else
		FTP_SAY(session, "451 Out of memory.");
}

void ftp_rnfr(struct ftp_session *session, const char *argument)
{
	ftp_look_up(session, argument, ftp_verb_change_on_found);
}

void ftp_rnto(struct ftp_session *session, const char *argument)
{
	struct ftp_place place;
	char *from = session->rename_from;
	session->rename_from = NULL;
	if (ftp_verb_change_find(session, argument, &place)) {
		struct ftp_change *change =
		        ftp_change_begin(session, "RNTO", place.path, WEIR_SPAN("250 Renamed."));
		bool replace = ftp_session_rights(session) & WEIR_FTP_OVERWRITE;
		if (change)
			(replace ? weir_tree_rename : weir_tree_rename_new)(
			        ftp_tree(session->server), &change->change, from, place.tree,
			        ftp_change_done);
	}
	free(from);
}

/* -- attributes -------------------------------------------------------------------------------- */

/* "Modify=…; path" (draft-somers-ftp-mfxx 3). */
void ftp_mfmt(struct ftp_session *session, const char *argument)
{
	struct ftp_place place;
	struct timespec time;
	char reply[2 * WEIR_FTP_LINE_MAX + 64];
	struct weir_span rest = weir_span_of(argument), text;
	bool both = weir_span_cut(&rest, ' ', &text);
	if (!both || !rest.size || ftp_time_parse(text, &time) < 0) {
		FTP_SAY(session, "501 It is YYYYMMDDHHMMSS and a pathname.");
		return;
	}
	if (!ftp_verb_change_find(session, rest.data, &place))
		return;
	int size = snprintf(reply, sizeof reply, "213 Modify=%.*s; ", (int)text.size, text.data);
	size += (int)ftp_name_write(
	        rest.data, true, false, reply + size, sizeof reply - (size_t)size);
	struct ftp_change *change =
	        ftp_change_begin(session, "MFMT", place.path, weir_span(reply, (size_t)size));
	if (change)
		weir_tree_set_time(ftp_tree(session->server), &change->change, place.tree, time,
		        ftp_change_done);
}

static bool ftp_verb_change_parse_mode(struct weir_span text, mode_t *ret)
{
	mode_t mode = 0;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '7')
			return false;
		mode = mode << 3 | (mode_t)(text.data[i] - '0');
	}
	*ret = mode;
	return text.size >= 1 && text.size <= 4 && mode <= 0777;
}

static void ftp_verb_change_mode(struct ftp_session *session, struct weir_span argument)
{
	struct ftp_place place;
	struct weir_span text;
	mode_t mode;
	if (!(ftp_session_rights(session) & WEIR_FTP_OVERWRITE)) {
		FTP_SAY(session, "550 Permission denied.");
		return;
	}
	if (!weir_span_cut(&argument, ' ', &text) || !argument.size ||
	        !ftp_verb_change_parse_mode(text, &mode)) {
		FTP_SAY(session, "501 It is a mode, as 644, and a pathname.");
		return;
	}
	if (!ftp_verb_change_find(session, argument.data, &place))
		return;
	struct ftp_change *change =
	        ftp_change_begin(session, "SITE CHMOD", place.path, WEIR_SPAN("200 Changed."));
	if (change)
		weir_tree_set_mode(ftp_tree(session->server), &change->change, place.tree, mode,
		        ftp_change_done);
}

void ftp_site(struct ftp_session *session, const char *argument)
{
	struct weir_span rest = weir_span_of(argument), name;
	weir_span_cut(&rest, ' ', &name);
	if (weir_span_equal_nocase(name, WEIR_SPAN("CHMOD")))
		ftp_verb_change_mode(session, rest);
	else if (weir_span_equal_nocase(name, WEIR_SPAN("HELP")))
		FTP_SAY(session, "214 CHMOD mode pathname, HELP");
	else
		FTP_SAY(session, "504 It is CHMOD or HELP.");
}
