/* Files without a name (O_TMPFILE), which are seen by nobody until they are given one. */
#ifndef WEIR_NAMELESS_H
#define WEIR_NAMELESS_H

/*
 * For writing, in the directory; a descriptor. -EOPNOTSUPP, -EISDIR, -ENOENT: it cannot be done
 * here, or the file could not be given a name; or another errno.
 */
int unnamed_open(int directory);

/* 0, -EEXIST or another errno. */
int unnamed_link(int fd, int directory, const char *name);

#endif
