/*
 * LIST, NLST, MLSD, STAT (RFC 959 4.1.3, RFC 3659 7): what is in a directory. The last part of the
 * pathname may be a pattern, if there is nothing of that name: LIST *.txt.
 */
#include <string.h>
#include <sys/stat.h>

#include <weir/error.h>
#include <weir/sources.h>

#include "job.h"
#include "list_format.h"
#include "pathname.h"
#include "transfer.h"
#include "verbs.h"

enum listing_kind {
	LISTING_LIST,
	LISTING_NLST,
	LISTING_MLSD,
	LISTING_STAT
};

struct ftp_listing {
	struct ftp_job job;
	struct weir_lookup lookup;
	struct weir_change change; /* a look at a link */
	struct stat status;
	int error; /* why there is nothing behind it */
	enum listing_kind kind;
	const char *pattern; /* in name, once the directory above is looked up; or NULL */
	char name[];         /* as asked for */
};

static void ftp_verb_list_cancel(struct ftp_job *job)
{
	weir_lookup_cancel(&((struct ftp_listing *)job)->lookup);
	weir_change_cancel(&((struct ftp_listing *)job)->change);
}

/* -- what is sent ------------------------------------------------------------------------------ */

/* What stands before the names of NLST, so that they can be said back: "dir/". */
static void ftp_verb_list_prefix_of(const struct ftp_listing *listing, char *to)
{
	size_t size = listing->pattern ? (size_t)(listing->pattern - listing->name)
	                               : strlen(listing->name);
	memcpy(to, listing->name, size);
	if (size && to[size - 1] != '/')
		to[size++] = '/';
	to[size] = 0;
}

static struct weir_producer *ftp_verb_list_directory_lines(const struct ftp_listing *listing,
        const struct weir_file *directory, struct ftp_entry_style *style)
{
	char prefix[WEIR_FTP_LINE_MAX + 2];
	const struct ftp_session *session = listing->job.session;
	struct ftp_list_filter filter = {
	        .pattern = listing->pattern, .hidden = session->server->rules.hidden};
	ftp_verb_list_prefix_of(listing, prefix);
	style->prefix = prefix;
	return ftp_list(session->server->loop, directory, style, &filter);
}

/* A file is its own listing, under the name it was asked for; so is a link that leads nowhere. */
static struct weir_producer *ftp_verb_list_file_line(const struct ftp_listing *listing,
        const struct weir_file *file, const struct ftp_entry_style *style)
{
	char line[2 * WEIR_FTP_LINE_MAX + FTP_ENTRY_MAX];
	struct weir_directory_entry entry;
	if (!file)
		ftp_entry_of_status(&listing->status, WEIR_FILE_LINK, listing->name, &entry);
	else if (ftp_entry_of(file, listing->name, &entry) < 0)
		return NULL;
	size_t size = style->write(style, &entry, line, sizeof line);
	return weir_produce_copied(line, size);
}

static struct weir_producer *ftp_verb_list_lines_of(
        const struct ftp_listing *listing, const struct weir_file *file)
{
	const struct ftp_session *session = listing->job.session;
	struct ftp_entry_style style = {
	        .write = ftp_entry_list,
	        .facts = session->facts,
	        .rights = ftp_session_rights(session),
	        .now = weir_loop_wall_s(session->server->loop),
	};
	if (listing->kind == LISTING_NLST)
		style.write = ftp_entry_name;
	if (listing->kind == LISTING_MLSD)
		style.write = ftp_entry_facts;
	if (file && file->kind == WEIR_FILE_DIRECTORY)
		return ftp_verb_list_directory_lines(listing, file, &style);
	return ftp_verb_list_file_line(listing, file, &style);
}

/* On the control connection; the queue of replies keeps its order. */
static void ftp_verb_list_say_lines(struct ftp_session *session, struct weir_producer *lines)
{
	if (!lines) {
		FTP_SAY(session, "451 Out of memory.");
		return;
	}
	FTP_SAY(session, "213-Status:");
	weir_channel_push(session->channel, lines);
	FTP_SAY(session, "213 Done.");
}

/* `file` is NULL: a link. */
static void ftp_verb_list_send_lines(const struct ftp_listing *listing, struct weir_file *file)
{
	static const char *const verbs[] = {"LIST", "NLST", "MLSD", "STAT"};
	struct ftp_session *session = listing->job.session;
	if (listing->kind == LISTING_MLSD && file && file->kind != WEIR_FILE_DIRECTORY) {
		FTP_SAY(session, "501 That is no directory.");
		return;
	}
	struct weir_producer *lines = ftp_verb_list_lines_of(listing, file);
	if (listing->kind == LISTING_STAT)
		ftp_verb_list_say_lines(session, lines);
	else
		ftp_send(session, verbs[listing->kind], listing->name, lines, NULL,
		        "150 Here it comes.");
}

/* -- what is looked up ------------------------------------------------------------------------- */

static void ftp_verb_list_look(struct ftp_listing *listing, const char *name);

/* Splits off a pattern, and looks for the directory it is in. False: there is none. */
static bool ftp_verb_list_try_pattern(struct ftp_listing *listing)
{
	char directory[WEIR_FTP_LINE_MAX + 2];
	char *slash = strrchr(listing->name, '/');
	char *last = slash ? slash + 1 : listing->name;
	if (listing->pattern || !ftp_is_wildcard(last))
		return false;
	size_t size = (size_t)(last - listing->name);
	memcpy(directory, listing->name, size);
	directory[size] = 0;
	listing->pattern = last;
	ftp_verb_list_look(listing, size ? directory : ".");
	return true;
}

static void ftp_verb_list_on_looked_at(struct weir_change *change, int error)
{
	struct ftp_listing *listing = WEIR_CONTAINER(change, struct ftp_listing, change);
	if (error == 0 && S_ISLNK(listing->status.st_mode))
		ftp_verb_list_send_lines(listing, NULL);
	else
		ftp_say(listing->job.session, ftp_error_text(listing->error));
	ftp_job_end(&listing->job);
}

/* As ls: a link with nothing behind it, or nothing that may be seen, is shown itself. */
static bool ftp_verb_list_try_link(struct ftp_listing *listing, int error)
{
	struct ftp_session *session = listing->job.session;
	struct ftp_place place;
	if (listing->kind == LISTING_MLSD || listing->pattern ||
	        ftp_place_find(session, listing->name, &place) < 0)
		return false;
	listing->error = error;
	weir_tree_look_at(ftp_tree(session->server), &listing->change, place.tree, &listing->status,
	        ftp_verb_list_on_looked_at);
	return true;
}

static void ftp_verb_list_on_found(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct ftp_listing *listing = WEIR_CONTAINER(lookup, struct ftp_listing, lookup);
	if (error < 0 &&
	        (ftp_verb_list_try_pattern(listing) || ftp_verb_list_try_link(listing, error)))
		return;
	if (error < 0)
		ftp_say(listing->job.session, ftp_error_text(error));
	else
		ftp_verb_list_send_lines(listing, file);
	ftp_job_end(&listing->job);
}

static void ftp_verb_list_look(struct ftp_listing *listing, const char *name)
{
	struct ftp_session *session = listing->job.session;
	struct ftp_place place;
	int error = ftp_place_find(session, name, &place);
	if (error < 0)
		ftp_verb_list_on_found(&listing->lookup, error, NULL);
	else
		weir_tree_lookup(ftp_tree(session->server), &listing->lookup, place.tree,
		        ftp_verb_list_on_found);
}

/* Options as of ls are not for us: everything is shown that may be seen. */
static const char *ftp_verb_list_without_options(const char *argument)
{
	while (argument[0] == '-') {
		argument += strcspn(argument, " ");
		argument += strspn(argument, " ");
	}
	return argument;
}

static void ftp_verb_list_list(
        struct ftp_session *session, enum listing_kind kind, const char *argument)
{
	const char *name =
	        kind == LISTING_MLSD ? argument : ftp_verb_list_without_options(argument);
	size_t size = strlen(name) + 1;
	session->restart = 0;
	struct ftp_listing *listing =
	        ftp_job_begin(session, sizeof *listing + size, ftp_verb_list_cancel);
	if (!listing)
		return;
	listing->kind = kind;
	memcpy(listing->name, name, size);
	ftp_verb_list_look(listing, name[0] ? name : ".");
}

void ftp_list_all(struct ftp_session *session, const char *argument)
{
	ftp_verb_list_list(session, LISTING_LIST, argument);
}

void ftp_nlst(struct ftp_session *session, const char *argument)
{
	ftp_verb_list_list(session, LISTING_NLST, argument);
}

void ftp_mlsd(struct ftp_session *session, const char *argument)
{
	ftp_verb_list_list(session, LISTING_MLSD, argument);
}

/* -- STAT -------------------------------------------------------------------------------------- */

static void ftp_verb_list_say_status(struct ftp_session *session)
{
	char peer[WEIR_ADDRESS_TEXT_MAX];
	weir_address_format(weir_channel_peer(session->channel), peer);
	FTP_FORMAT(session,
	        "211-Weir FTP\r\n From %s%s\r\n %s%s\r\n TYPE %s, STRU F, MODE S\r\n"
	        " Data connections: %s%s\r\n211 Done.",
	        peer, weir_channel_secure(session->channel) ? ", by TLS" : "",
	        session->user ? "Logged in as " : "Not logged in",
	        session->user ? session->user->text : "", session->ascii ? "A" : "I",
	        session->protect ? "by TLS" : "in clear", session->data ? ", one is set up" : "");
}

void ftp_stat(struct ftp_session *session, const char *argument)
{
	if (session->transfer)
		ftp_transfer_tell(session->transfer);
	else if (!argument[0])
		ftp_verb_list_say_status(session);
	else if (!session->user)
		FTP_SAY(session, "530 Log in with USER and PASS.");
	else if (!(ftp_session_rights(session) & WEIR_FTP_LIST))
		FTP_SAY(session, "550 Permission denied.");
	else
		ftp_verb_list_list(session, LISTING_STAT, argument);
}
