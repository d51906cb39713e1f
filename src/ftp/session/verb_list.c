/*
 * LIST, NLST, MLSD, STAT (RFC 959 4.1.3, RFC 3659 7): directories; and SIZE, MDTM, MLST (RFC 3659
 * 3, 4, 7): facts of one file.
 *
 * If a pathname does not exist, its components from the first one with a wildcard on are a
 * pattern, as in `LIST *.txt`.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/error.h>
#include <weir/sources.h>

#include "listing.h"
#include "session.h"
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
	struct weir_change change;  /* looks at a link */
	struct weir_tree_look look; /* the status of the link */
	int error;                  /* the error of looking the name up */
	enum listing_kind kind;
	bool of_root; /* the user's root is looked up */
	const char *
	        pattern; /* a part of `name`, while the directory before it is looked up; or NULL */
	char name[];     /* as the client sent it */
};

static void ftp_verb_list_cancel(struct ftp_job *job)
{
	weir_lookup_cancel(&((struct ftp_listing *)job)->lookup);
	weir_change_cancel(&((struct ftp_listing *)job)->change);
}

/* -- what is sent ------------------------------------------------------------------------------ */

/*
 * Copies the name without the pattern. `to` has room for a line and two bytes more. Returns the
 * size.
 */
static size_t ftp_verb_list_base(const struct ftp_listing *listing, char *to)
{
	size_t size = listing->pattern ? (size_t)(listing->pattern - listing->name)
	                               : strlen(listing->name);
	memcpy(to, listing->name, size);
	to[size] = 0;
	return size;
}

/*
 * The names of NLST begin with the base, such as "dir/", so that clients can use them in
 * commands.
 */
static struct weir_producer *ftp_verb_list_directory_lines(const struct ftp_listing *listing,
        const struct weir_file *directory, struct ftp_entry_style *style)
{
	char base[WEIR_FTP_LINE_MAX + 2];
	struct ftp_path path;
	const struct ftp_session *session = listing->job.session;
	size_t size = ftp_verb_list_base(listing, base);
	if (ftp_path_find(session, size ? base : ".", &path) < 0)
		return NULL;
	struct ftp_list_filter filter = {
	        .tree = ftp_tree(session->server),
	        .path = path.tree,
	        .pattern = listing->pattern,
	        .hidden = session->server->rules.hidden,
	};
	if (size && base[size - 1] != '/')
		memcpy(base + size, "/", 2);
	style->prefix = base;
	return ftp_list(session->server->loop, directory, style, &filter);
}

/*
 * A file has one line, with the name that the client sent. So has a link that cannot be followed.
 */
static struct weir_producer *ftp_verb_list_file_line(const struct ftp_listing *listing,
        const struct weir_file *file, const struct ftp_entry_style *style)
{
	char line[2 * WEIR_FTP_LINE_MAX + FTP_ENTRY_MAX];
	struct weir_directory_entry entry;
	const struct weir_tree_look *look = &listing->look;
	bool hidden = listing->job.session->server->rules.hidden;
	if (file && ftp_entry_of(file, listing->name, &entry) < 0)
		return NULL;
	if (!file)
		ftp_entry_of_status(&look->status, WEIR_FILE_LINK, listing->name, &entry);
	if (!file && look->target[0] && ftp_path_shows_target(look->target, hidden))
		entry.target = look->target;
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
	        .links = WEIR_LINKS_TEXT,
	};
	if (listing->kind == LISTING_NLST) {
		style.write = ftp_entry_name;
		style.links = WEIR_LINKS_PLAIN;
	}
	if (listing->kind == LISTING_MLSD) {
		style.write = ftp_entry_facts;
		style.links = WEIR_LINKS_FOLLOW;
	}
	if (file && file->kind == WEIR_FILE_DIRECTORY)
		return ftp_verb_list_directory_lines(listing, file, &style);
	return ftp_verb_list_file_line(listing, file, &style);
}

/* Sends the lines on the control connection, in the queue of replies. */
static void ftp_verb_list_reply_lines(struct ftp_session *session, struct weir_producer *lines)
{
	if (!lines) {
		FTP_REPLY(session, "451 Out of memory.");
		return;
	}
	FTP_REPLY(session, "213-Status:");
	weir_channel_push(session->channel, lines);
	FTP_REPLY(session, "213 End of status.");
}

/* Whether the name can only be a directory: it ends in a slash, or a pattern follows. */
static bool ftp_verb_list_needs_directory(const struct ftp_listing *listing)
{
	size_t size = strlen(listing->name);
	return listing->pattern || (size && listing->name[size - 1] == '/');
}

/* Sends the listing. `file` is NULL for a link that cannot be followed. */
static void ftp_verb_list_send_lines(const struct ftp_listing *listing, struct weir_file *file)
{
	static const char *const verbs[] = {"LIST", "NLST", "MLSD", "STAT"};
	struct ftp_session *session = listing->job.session;
	bool directory = file && file->kind == WEIR_FILE_DIRECTORY;
	if (!directory && listing->kind == LISTING_MLSD) {
		FTP_REPLY(session, "501 Not a directory.");
		return;
	}
	if (!directory && ftp_verb_list_needs_directory(listing)) {
		ftp_reply_text(session, ftp_error_text(-ENOTDIR));
		return;
	}
	struct weir_producer *lines = ftp_verb_list_lines_of(listing, file);
	if (listing->kind == LISTING_STAT)
		ftp_verb_list_reply_lines(session, lines);
	else
		ftp_send(session, verbs[listing->kind], listing->name, lines, NULL,
		        "150 Sending data.");
}

/* -- what is looked up ------------------------------------------------------------------------- */

static void ftp_verb_list_look(struct ftp_listing *listing, const char *name);

/* Returns the first component of a name that has a wildcard, or NULL. */
static const char *ftp_verb_list_find_pattern(const char *name)
{
	const char *wildcard = ftp_is_wildcard(name);
	while (wildcard && wildcard > name && wildcard[-1] != '/')
		wildcard--;
	return wildcard;
}

static unsigned ftp_verb_list_count_components(const char *path)
{
	unsigned count = 0;
	for (; *(path += strspn(path, "/")); path += strcspn(path, "/"))
		count++;
	return count;
}

/*
 * Splits off a pattern and looks up the directory before it. Returns false if there is no
 * pattern.
 */
static bool ftp_verb_list_try_pattern(struct ftp_listing *listing)
{
	char directory[WEIR_FTP_LINE_MAX + 2];
	const char *pattern = listing->pattern ? NULL : ftp_verb_list_find_pattern(listing->name);
	if (!pattern)
		return false;
	if (ftp_verb_list_count_components(pattern) > WEIR_DIRECTORY_LEVELS_MAX) {
		FTP_REPLY(listing->job.session, "553 Pattern has too many components.");
		ftp_job_end(&listing->job);
		return true;
	}
	listing->pattern = pattern;
	size_t size = ftp_verb_list_base(listing, directory);
	ftp_verb_list_look(listing, size ? directory : ".");
	return true;
}

static void ftp_verb_list_on_looked_at(struct weir_change *change, int error)
{
	struct ftp_listing *listing = WEIR_CONTAINER(change, struct ftp_listing, change);
	if (error == 0 && S_ISLNK(listing->look.status.st_mode))
		ftp_verb_list_send_lines(listing, NULL);
	else
		ftp_reply_text(listing->job.session, ftp_error_text(listing->error));
	ftp_job_end(&listing->job);
}

/*
 * Like ls, shows the link itself if it dangles or leads out of the root. Returns false if it
 * cannot be one.
 */
static bool ftp_verb_list_try_link(struct ftp_listing *listing, int error)
{
	struct ftp_session *session = listing->job.session;
	struct ftp_path path;
	if (listing->kind == LISTING_MLSD || ftp_verb_list_needs_directory(listing) ||
	        ftp_path_find(session, listing->name, &path) < 0)
		return false;
	listing->error = error;
	weir_tree_look_at(ftp_tree(session->server), &listing->change, path.tree, &listing->look,
	        ftp_verb_list_on_looked_at);
	return true;
}

static void ftp_verb_list_on_found(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct ftp_listing *listing = WEIR_CONTAINER(lookup, struct ftp_listing, lookup);
	if (listing->of_root)
		ftp_log_home(listing->job.session, error);
	if (error < 0 &&
	        (ftp_verb_list_try_pattern(listing) || ftp_verb_list_try_link(listing, error)))
		return;
	if (error < 0)
		ftp_reply_text(listing->job.session, ftp_error_text(error));
	else
		ftp_verb_list_send_lines(listing, file);
	ftp_job_end(&listing->job);
}

static void ftp_verb_list_look(struct ftp_listing *listing, const char *name)
{
	struct ftp_session *session = listing->job.session;
	struct ftp_path path;
	int error = ftp_path_find(session, name, &path);
	listing->of_root = error == 0 && !strcmp(path.shown, "/");
	/* Both may free the listing. */
	if (error < 0)
		ftp_verb_list_on_found(&listing->lookup, error, NULL);
	else
		weir_tree_lookup(ftp_tree(session->server), &listing->lookup, path.tree,
		        ftp_verb_list_on_found);
}

/* Skips options of ls such as -la. They change nothing. */
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

static void ftp_verb_list_reply_status(struct ftp_session *session)
{
	char peer[WEIR_ADDRESS_TEXT_MAX];
	weir_address_format(weir_channel_peer(session->channel), peer);
	FTP_REPLY_FORMAT(session,
	        "211-Weir FTP\r\n From %s%s\r\n %s%s\r\n TYPE %s, STRU F, MODE S\r\n"
	        " Data connections: %s%s\r\n211 End.",
	        peer, weir_channel_secure(session->channel) ? ", by TLS" : "",
	        session->user ? "Logged in as " : "Not logged in",
	        session->user ? session->user->text : "", session->ascii ? "A" : "I",
	        session->protect ? "by TLS" : "in clear", session->data ? ", one is set up" : "");
}

void ftp_stat(struct ftp_session *session, const char *argument)
{
	if (session->transfer)
		ftp_transfer_report(session->transfer);
	else if (!argument[0])
		ftp_verb_list_reply_status(session);
	else if (!session->user)
		FTP_REPLY(session, "530 Log in with USER and PASS.");
	else if (!(ftp_session_rights(session) & WEIR_FTP_LIST))
		FTP_REPLY(session, "550 Permission denied.");
	else
		ftp_verb_list_list(session, LISTING_STAT, argument);
}

/* -- facts of one file ------------------------------------------------------------------------ */

static void ftp_verb_list_fact_on_sized(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	(void)path;
	if (file->kind != WEIR_FILE_REGULAR)
		FTP_REPLY(session, "550 Not a regular file.");
	else
		FTP_REPLY_FORMAT(session, "213 %llu", (unsigned long long)file->size);
}

/* Converted to text the file would have another size, which is not known without reading it. */
void ftp_size(struct ftp_session *session, const char *argument)
{
	if (session->ascii)
		FTP_REPLY(session, "550 SIZE needs TYPE I.");
	else
		ftp_look_up(session, argument, ftp_verb_list_fact_on_sized);
}

static void ftp_verb_list_fact_on_timed(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	char text[WEIR_FTP_TIME_TEXT_MAX];
	(void)path;
	ftp_time_format(file->mtime.tv_sec, text);
	FTP_REPLY_FORMAT(session, "213 %s", text);
}

void ftp_mdtm(struct ftp_session *session, const char *argument)
{
	ftp_look_up(session, argument, ftp_verb_list_fact_on_timed);
}

static void ftp_verb_list_fact_on_found(
        struct ftp_session *session, const char *path, struct weir_file *file)
{
	char line[2 * WEIR_PATH_MAX + FTP_ENTRY_MAX];
	struct weir_directory_entry entry;
	struct ftp_entry_style style = {
	        .facts = session->facts, .rights = ftp_session_rights(session)};
	int error = ftp_entry_of(file, path, &entry);
	size_t size = error == 0 ? ftp_entry_facts(&style, &entry, line, sizeof line) : 0;
	if (!size) {
		ftp_reply_text(session, ftp_error_text(error));
		return;
	}
	FTP_REPLY(session, "250-Facts:");
	weir_channel_push_static(session->channel, " ");
	weir_channel_push_copy(session->channel, weir_span(line, size));
	FTP_REPLY(session, "250 End of facts.");
}

void ftp_mlst(struct ftp_session *session, const char *argument)
{
	ftp_look_up(session, argument[0] ? argument : ".", ftp_verb_list_fact_on_found);
}
