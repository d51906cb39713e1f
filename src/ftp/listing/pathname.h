/* Pathnames as a user sees them: absolute, with `/` as the user's home; and patterns of names. */
#ifndef WEIR_FTP_PATHNAME_H
#define WEIR_FTP_PATHNAME_H

#include <stdbool.h>

#include <weir/limits.h>

struct ftp_session;

/* One path in two forms. */
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

#endif
