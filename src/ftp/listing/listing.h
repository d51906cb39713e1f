/*
 * Directories as text.
 *
 *   entry.c        the line of one entry, for LIST, NLST, MLSD and MLST; times
 *   list_format.c  a producer of the lines of a directory
 *   pathname.c     pathnames as a user sees them, and patterns of names
 */
#ifndef WEIR_LISTING_H
#define WEIR_LISTING_H

#include <stdbool.h>
#include <time.h>

#include <weir/directory.h>
#include <weir/limits.h>
#include <weir/producer.h>
#include <weir/span.h>
#include <weir/tree.h>

/* -- the line of an entry ---------------------------------------------------------------------- */

/* Facts of MLST and MLSD (RFC 3659 7.5), as bits. */
enum ftp_fact {
	FTP_FACT_TYPE = 1,
	FTP_FACT_SIZE = 2,
	FTP_FACT_MODIFY = 4,
	FTP_FACT_PERM = 8,
	FTP_FACT_UNIQUE = 16,
	FTP_FACT_MODE = 32,
	FTP_FACTS_ALL = 63
};

/* The format of all lines of a directory. */
struct ftp_entry_style {
	/*
	 * Writes a line with CRLF. Returns its size, or 0 if it does not fit or must not be
	 * shown.
	 */
	size_t (*write)(const struct ftp_entry_style *style,
	        const struct weir_directory_entry *entry, char *to, size_t room);
	unsigned facts;                  /* of MLST, MLSD */
	unsigned rights;                 /* enum weir_ftp_rights that the user has */
	time_t now;                      /* LIST shows the year for old files */
	enum weir_directory_links links; /* how symbolic links are described */
	const char *prefix;              /* NLST: the text before each name, such as "dir/" */
};

/* The room that `write` needs, without prefix and for a name of one component. */
#define FTP_ENTRY_MAX 1024

size_t ftp_entry_list(const struct ftp_entry_style *style, const struct weir_directory_entry *entry,
        char *to, size_t room);
size_t ftp_entry_name(const struct ftp_entry_style *style, const struct weir_directory_entry *entry,
        char *to, size_t room);
size_t ftp_entry_facts(const struct ftp_entry_style *style,
        const struct weir_directory_entry *entry, char *to, size_t room);

/* Parses "size;TYPE;…" and returns the bits of the known facts. */
unsigned ftp_facts_parse(struct weir_span text);

/*
 * Writes "type*;size;…" with `*` for the selected facts, for FEAT; or with `all` false only
 * those, for OPTS.
 */
#define FTP_FACTS_TEXT_MAX 64
void ftp_facts_format(unsigned facts, bool all, char text[FTP_FACTS_TEXT_MAX]);

/*
 * Writes a pathname for a line: CR becomes CR NUL, LF becomes `?`. 255 is doubled with `telnet`,
 * a quote with `quoted`. Returns the size, at most twice that of `name`, or 0 if it does not fit.
 */
size_t ftp_name_write(const char *name, bool telnet, bool quoted, char *to, size_t room);

/* -- the lines of a directory ------------------------------------------------------------------ */

struct stat;

/* The directory, and the entries that are shown. */
struct ftp_list_filter {
	struct weir_tree *tree;
	const char *path;    /* of the directory, in the tree */
	const char *pattern; /* of weir/directory.h; NULL: every name */
	bool hidden;         /* names that begin with `.` are shown */
};

/*
 * Makes the lines of a directory in constant memory. Up to WEIR_DIRECTORY_SORT_MAX are sorted.
 * The style and its prefix are copied. Returns NULL without memory or descriptors, or if the
 * pattern has too many components.
 */
struct weir_producer *ftp_list(struct weir_loop *loop, const struct weir_file *directory,
        const struct ftp_entry_style *style, const struct ftp_list_filter *filter);

/* Makes an entry of an open file, or of a status. Returns 0 or an errno. */
int ftp_entry_of(const struct weir_file *file, const char *name, struct weir_directory_entry *ret);
void ftp_entry_of_status(const struct stat *status, enum weir_file_kind kind, const char *name,
        struct weir_directory_entry *ret);

/* -- pathnames --------------------------------------------------------------------------------- */

struct ftp_session;

/* One path in two forms. A user sees pathnames as absolute, with `/` as the home. */
struct ftp_path {
	char shown[WEIR_PATH_MAX]; /* as the user sees it: "/a/b" */
	char tree[WEIR_PATH_MAX];  /* in the tree: "home//a/b", or without a home "a/b" */
};

/*
 * Finds the path of a pathname in a session. Returns 0, -ENAMETOOLONG, or -ENOENT for a hidden
 * name.
 */
int ftp_path_find(const struct ftp_session *session, const char *name, struct ftp_path *ret);

/*
 * The meaning of `name` in directory `base` ("" or "/" or "/a/b"): "/" or "/a/b", without empty,
 * `.` and `..` components; `..` stops at "/". Returns 0 or -ENAMETOOLONG. `ret` must not overlap
 * the others.
 */
int ftp_path_resolve(const char *base, const char *name, char ret[WEIR_PATH_MAX]);

/* Whether a component begins with `.`, or with `.weir-`, as the names of unfinished uploads do. */
bool ftp_path_is_hidden(const char *path);
bool ftp_path_is_temporary(const char *path);

/* Whether the text of a symbolic link may be shown: it has no temporary and no hidden component. */
bool ftp_path_shows_target(const char *target, bool hidden);

/*
 * Whether a listing shows a name (`shown` of struct weir_directory_options): it fits the pattern,
 * is not temporary and, of the second function, is not hidden.
 */
bool ftp_path_shows_all(const char *pattern, const char *name);
bool ftp_path_shows_plain(const char *pattern, const char *name);

/*
 * Whether a name fits a pattern of `*`, `?` and `[a-z]`, `[!a-z]`. Takes a time proportional to the
 * product of their lengths at most.
 */
bool ftp_wildcard(const char *pattern, const char *name);

/* The first character of a text that makes it a pattern, or NULL. */
const char *ftp_is_wildcard(const char *text);

/* -- times ------------------------------------------------------------------------------------- */

/* Times of RFC 3659 2.3: YYYYMMDDHHMMSS with an optional fraction, in UTC. */
#define WEIR_FTP_TIME_TEXT_MAX 24

/* Returns 0 or WEIR_E_SYNTAX. Digits beyond nanoseconds are cut off. */
int ftp_time_parse(struct weir_span text, struct timespec *ret);

/*
 * Writes a time without a fraction. A year of other than four digits becomes the nearest one that
 * has four.
 */
void ftp_time_format(time_t time, char text[WEIR_FTP_TIME_TEXT_MAX]);

#endif
