/* CWD, CDUP, PWD, MKD, RMD (RFC 959 4.1.1, 4.1.3): where one is, and directories. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "job.h"
#include "verbs.h"

enum {
	QUOTED_MAX = 2 * WEIR_PATH_MAX
};

/* `257 "path" text`: the path's quotes are doubled (RFC 959 appendix II). */
static struct weir_span ftp_verb_directory_format_path(
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

static void ftp_verb_directory_on_directory(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	if (file->kind != WEIR_FILE_DIRECTORY) {
		FTP_SAY(session, "550 That is no directory.");
		return;
	}
	char *copy = path[1] ? ftp_copy(path) : NULL;
	if (path[1] && !copy) {
		FTP_SAY(session, "451 Out of memory.");
		return;
	}
	free(session->directory);
	session->directory = copy;
	FTP_SAY(session, "250 There you are.");
}

void ftp_cwd(struct ftp_session *session, const char *argument)
{
	ftp_look_up(session, argument[0] ? argument : "/", ftp_verb_directory_on_directory);
}

void ftp_cdup(struct ftp_session *session, const char *argument)
{
	(void)argument;
	ftp_look_up(session, "..", ftp_verb_directory_on_directory);
}

void ftp_pwd(struct ftp_session *session, const char *argument)
{
	char text[QUOTED_MAX + 64];
	(void)argument;
	ftp_say_span(session,
	        ftp_verb_directory_format_path(text, sizeof text,
	                session->directory ? session->directory : "/", " is where you are."));
}

void ftp_mkd(struct ftp_session *session, const char *argument)
{
	char text[QUOTED_MAX + 64];
	struct ftp_place place;
	int error = ftp_place_find(session, argument, &place);
	if (error < 0) {
		ftp_say(session, ftp_error_text(error));
		return;
	}
	struct weir_span reply =
	        ftp_verb_directory_format_path(text, sizeof text, place.path, " is made.");
	struct ftp_change *change = ftp_change_begin(session, "MKD", place.path, reply);
	if (change)
		weir_tree_make_directory(
		        ftp_tree(session->server), &change->change, place.tree, 0, ftp_change_done);
}

void ftp_rmd(struct ftp_session *session, const char *argument)
{
	struct ftp_place place;
	int error = ftp_place_find(session, argument, &place);
	if (error == 0 && !place.path[1])
		error = -EACCES; /* one's own home */
	if (error < 0) {
		ftp_say(session, ftp_error_text(error));
		return;
	}
	struct ftp_change *change =
	        ftp_change_begin(session, "RMD", place.path, WEIR_SPAN("250 Removed."));
	if (change)
		weir_tree_remove_directory(
		        ftp_tree(session->server), &change->change, place.tree, ftp_change_done);
}
