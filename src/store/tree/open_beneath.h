/* Opens paths that must not lead out of a directory. Any thread. */
#ifndef WEIR_OPEN_BENEATH_H
#define WEIR_OPEN_BENEATH_H

#include <stddef.h>
#include <stdint.h>

/*
 * Opens `path`, which is relative to the directory `root` and must not leave it, by `..` or by a
 * link. `flags` are those of open, without O_CREAT; O_CLOEXEC is added. `resolve` are those of
 * openat2; without RESOLVE_BENEATH the path may lead anywhere. The part after a `//` in the
 * middle of the path must not leave the directory before it.
 *
 * Returns the descriptor, or a negative errno: -EXDEV if the path leads out of the root; -ELOOP
 * for a link that RESOLVE_NO_SYMLINKS forbids; -EAGAIN if RESOLVE_CACHED is set and the call
 * might wait for the disk; -EINVAL if the kernel does not know a flag.
 */
int tree_open_beneath(int root, const char *path, uint64_t flags, uint64_t resolve);

/*
 * Copies the text of a symbolic link and a NUL to `to`, which has room for `room` bytes. The link
 * is `name` in `directory`, and its path is `path`.
 *
 * Returns the size of the text. Returns 0 if it does not fit, if `name` is not a link, or if the
 * text could name something outside of the root: it is absolute, leads out, or dangles and
 * contains `..`.
 */
size_t open_beneath_link_text(int root, const char *path, uint64_t resolve, int directory,
        const char *name, char *to, size_t room);

/* Does the same without openat2. Always returns -EAGAIN for RESOLVE_CACHED. */
int open_beneath_walk(int root, const char *path, uint64_t flags, uint64_t resolve);

#endif
