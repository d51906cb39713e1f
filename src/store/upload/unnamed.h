/* Unnamed files (O_TMPFILE), which are invisible until they get a name: in temporary.c. */
#ifndef WEIR_UNNAMED_H
#define WEIR_UNNAMED_H

/*
 * Opens an unnamed file in the directory, for writing. Returns the descriptor; -EOPNOTSUPP,
 * -EISDIR or -ENOENT if that is not supported here, or the file could not get a name; or another
 * errno.
 */
int unnamed_open(int directory);

/* Gives the file a name. Returns 0, -EEXIST or another errno. */
int unnamed_link(int fd, int directory, const char *name);

#endif
