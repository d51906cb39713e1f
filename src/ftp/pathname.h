/* Pathnames as a user sees them: absolute, `/` is his home. */
#ifndef WEIR_FTP_PATHNAME_H
#define WEIR_FTP_PATHNAME_H

#include <stdbool.h>

#include <weir/limits.h>

/*
 * What `name` means in directory `base` ("" or "/" or "/a/b"): "/" or "/a/b", without empty, `.`
 * and `..` parts; `..` stops at "/". 0 or -ENAMETOOLONG. `ret` may not overlap with the others.
 */
int ftp_path_resolve(const char *base, const char *name, char ret[WEIR_PATH_MAX]);

/* A part of it begins with `.`, or with `.weir-`: what uploads are called meanwhile. */
bool ftp_path_is_hidden(const char *path);
bool ftp_path_is_temporary(const char *path);

/*
 * Whether a name fits a pattern of `*`, `?` and `[a-z]`, `[!a-z]`. Takes a time proportional to the
 * product of their lengths at most.
 */
bool ftp_wildcard(const char *pattern, const char *name);
bool ftp_is_wildcard(const char *text);

#endif
