/* SIZE, MDTM, MLST (RFC 3659 3, 4, 7): what there is to know of a file. */
#include "entry.h"
#include "job.h"
#include "list_format.h"
#include "timeval.h"
#include "verbs.h"

static void ftp_verb_fact_on_sized(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	(void)path;
	if (file->kind != WEIR_FILE_REGULAR)
		FTP_SAY(session, "550 That is no file.");
	else
		FTP_FORMAT(session, "213 %llu", (unsigned long long)file->size);
}

/* As text it would have another size, which is not known without reading it. */
void ftp_size(struct ftp_session *session, const char *argument)
{
	if (session->ascii)
		FTP_SAY(session, "550 Not with TYPE A.");
	else
		ftp_look_up(session, argument, ftp_verb_fact_on_sized);
}

static void ftp_verb_fact_on_timed(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	char text[WEIR_FTP_TIME_TEXT_MAX];
	(void)path;
	ftp_time_format(file->mtime.tv_sec, text);
	FTP_FORMAT(session, "213 %s", text);
}

void ftp_mdtm(struct ftp_session *session, const char *argument)
{
	ftp_look_up(session, argument, ftp_verb_fact_on_timed);
}

static void ftp_verb_fact_on_found(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	char line[2 * WEIR_PATH_MAX + FTP_ENTRY_MAX];
	struct weir_directory_entry entry;
	struct ftp_entry_style style = {
	        .facts = session->facts, .rights = ftp_session_rights(session)};
	int error = ftp_entry_of(file, path, &entry);
	size_t size = error == 0 ? ftp_entry_facts(&style, &entry, line, sizeof line) : 0;
	if (!size) {
		ftp_say(session, ftp_error_text(error));
		return;
	}
	FTP_SAY(session, "250-Facts:");
	weir_channel_push_static(session->channel, " ");
	weir_channel_push_copy(session->channel, weir_span(line, size));
	FTP_SAY(session, "250 Done.");
}

void ftp_mlst(struct ftp_session *session, const char *argument)
{
	ftp_look_up(session, argument[0] ? argument : ".", ftp_verb_fact_on_found);
}
