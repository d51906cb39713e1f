/*
 * CWD, CDUP, PWD, MKD, RMD, DELE, RNFR, RNTO, MFMT, SITE (RFC 959 4.1.1, 4.1.3): the current
 * directory, and changes of directories and files.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listing.h"
#include "session.h"
#include "verbs.h"

/* -- directories ------------------------------------------------------------------------------- */

enum {
	QUOTED_MAX = 2 * WEIR_PATH_MAX
};

/* Makes `257 "path" text`. Quotes in the path are doubled (RFC 959 appendix II). */
static struct weir_span ftp_verb_change_format_path(
        char *to, size_t room, const char *path, const char *text)
{
	static const char begin[] = "257 \"";
	size_t size = sizeof begin - 1;
	memcpy(to, begin, size);
	size += ftp_name_write(path, true, true, to + size, room - size - strlen(text) - 2);
	to[size++] = '"';
	memcpy(to + size, text, strlen(text));
	return weir_span(to, size + strlen(text));
}

static void ftp_verb_change_on_directory(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	if (file->kind != WEIR_FILE_DIRECTORY) {
		ftp_reply_text(session, ftp_error_text(-ENOTDIR));
		return;
	}
	char *copy = path[1] ? ftp_copy(path) : NULL;
	if (path[1] && !copy) {
		FTP_REPLY(session, "451 Out of memory.");
		return;
	}
	free(session->directory);
	session->directory = copy;
	FTP_REPLY(session, "250 Directory changed.");
}

void ftp_cwd(struct ftp_session *session, const char *argument)
{
	ftp_look_up(session, argument[0] ? argument : "/", ftp_verb_change_on_directory);
}

void ftp_cdup(struct ftp_session *session, const char *argument)
{
	(void)argument;
	ftp_look_up(session, "..", ftp_verb_change_on_directory);
}

void ftp_pwd(struct ftp_session *session, const char *argument)
{
	char text[QUOTED_MAX + 64];
	(void)argument;
	ftp_reply_span(session, ftp_verb_change_format_path(text, sizeof text,
	                                session->directory ? session->directory : "/",
	                                " is the current directory."));
}

void ftp_mkd(struct ftp_session *session, const char *argument)
{
	char text[QUOTED_MAX + 64];
	struct ftp_path path;
	int error = ftp_path_find(session, argument, &path);
	if (error < 0) {
		ftp_reply_text(session, ftp_error_text(error));
		return;
	}
	struct weir_span reply =
	        ftp_verb_change_format_path(text, sizeof text, path.shown, " created.");
	struct ftp_change *change = ftp_change_begin(session, "MKD", path.shown, reply);
	if (change)
		weir_tree_make_directory(
		        ftp_tree(session->server), &change->change, path.tree, 0, ftp_change_done);
}

void ftp_rmd(struct ftp_session *session, const char *argument)
{
	struct ftp_path path;
	int error = ftp_path_find(session, argument, &path);
	if (error == 0 && !path.shown[1])
		error = -EACCES; /* the user's home */
	if (error < 0) {
		ftp_reply_text(session, ftp_error_text(error));
		return;
	}
	struct ftp_change *change =
	        ftp_change_begin(session, "RMD", path.shown, WEIR_SPAN("250 Removed."));
	if (change)
		weir_tree_remove_directory(
		        ftp_tree(session->server), &change->change, path.tree, ftp_change_done);
}

/* -- files ------------------------------------------------------------------------------------- */

/*
 * Finds the path to be changed, which must not be the user's home. Returns false after a reply
 * with the error.
 */
static bool ftp_verb_change_find(
        struct ftp_session *session, const char *name, struct ftp_path *ret)
{
	int error = ftp_path_find(session, name, ret);
	if (error == 0 && !ret->shown[1])
		error = -EACCES;
	if (error < 0)
		ftp_reply_text(session, ftp_error_text(error));
	return error == 0;
}

void ftp_dele(struct ftp_session *session, const char *argument)
{
	struct ftp_path path;
	if (!ftp_verb_change_find(session, argument, &path))
		return;
	struct ftp_change *change =
	        ftp_change_begin(session, "DELE", path.shown, WEIR_SPAN("250 Deleted."));
	if (change)
		weir_tree_remove(
		        ftp_tree(session->server), &change->change, path.tree, ftp_change_done);
}

/* -- renaming ---------------------------------------------------------------------------------- */

static void ftp_verb_change_on_found(
        struct ftp_session *session, const char *name, struct weir_file *file)
{
	struct ftp_path path;
	(void)file;
	if (!ftp_verb_change_find(session, name, &path))
		return;
	session->rename_from = ftp_copy(path.tree);
	if (session->rename_from)
		FTP_REPLY(session, "350 Ready for RNTO.");
	else
		FTP_REPLY(session, "451 Out of memory.");
}

void ftp_rnfr(struct ftp_session *session, const char *argument)
{
	ftp_look_up(session, argument, ftp_verb_change_on_found);
}

void ftp_rnto(struct ftp_session *session, const char *argument)
{
	struct ftp_path path;
	char *from = session->rename_from;
	session->rename_from = NULL;
	if (ftp_verb_change_find(session, argument, &path)) {
		struct ftp_change *change =
		        ftp_change_begin(session, "RNTO", path.shown, WEIR_SPAN("250 Renamed."));
		bool replace = ftp_session_rights(session) & WEIR_FTP_OVERWRITE;
		if (change)
			(replace ? weir_tree_rename : weir_tree_rename_new)(
			        ftp_tree(session->server), &change->change, from, path.tree,
			        ftp_change_done);
	}
	free(from);
}

/* -- attributes -------------------------------------------------------------------------------- */

/* The reply is "Modify=…; path" (draft-somers-ftp-mfxx 3). */
void ftp_mfmt(struct ftp_session *session, const char *argument)
{
	struct ftp_path path;
	struct timespec time;
	char reply[2 * WEIR_FTP_LINE_MAX + 64];
	struct weir_span rest = weir_span_of(argument), text;
	bool both = weir_span_cut(&rest, ' ', &text);
	if (!both || !rest.size || ftp_time_parse(text, &time) < 0) {
		FTP_REPLY(session, "501 MFMT takes YYYYMMDDHHMMSS and a pathname.");
		return;
	}
	if (!ftp_verb_change_find(session, rest.data, &path))
		return;
	int size = snprintf(reply, sizeof reply, "213 Modify=%.*s; ", (int)text.size, text.data);
	size += (int)ftp_name_write(
	        rest.data, true, false, reply + size, sizeof reply - (size_t)size);
	struct ftp_change *change =
	        ftp_change_begin(session, "MFMT", path.shown, weir_span(reply, (size_t)size));
	if (change)
		weir_tree_set_time(ftp_tree(session->server), &change->change, path.tree, time,
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
	struct ftp_path path;
	struct weir_span text;
	mode_t mode;
	if (!(ftp_session_rights(session) & WEIR_FTP_OVERWRITE)) {
		FTP_REPLY(session, "550 Permission denied.");
		return;
	}
	if (!weir_span_cut(&argument, ' ', &text) || !argument.size ||
	        !ftp_verb_change_parse_mode(text, &mode)) {
		FTP_REPLY(session, "501 SITE CHMOD takes a mode such as 644 and a pathname.");
		return;
	}
	if (!ftp_verb_change_find(session, argument.data, &path))
		return;
	struct ftp_change *change =
	        ftp_change_begin(session, "SITE CHMOD", path.shown, WEIR_SPAN("200 Mode changed."));
	if (change)
		weir_tree_set_mode(ftp_tree(session->server), &change->change, path.tree, mode,
		        ftp_change_done);
}

void ftp_site(struct ftp_session *session, const char *argument)
{
	struct weir_span rest = weir_span_of(argument), name;
	weir_span_cut(&rest, ' ', &name);
	if (weir_span_equal_nocase(name, WEIR_SPAN("CHMOD")))
		ftp_verb_change_mode(session, rest);
	else if (weir_span_equal_nocase(name, WEIR_SPAN("HELP")))
		FTP_REPLY(session, "214 CHMOD mode pathname, HELP");
	else
		FTP_REPLY(session, "504 SITE takes CHMOD or HELP.");
}
