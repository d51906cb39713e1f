/* Opening a path that may not lead out of a directory. Any thread. */
#ifndef WEIR_OPEN_BENEATH_H
#define WEIR_OPEN_BENEATH_H

#include <stdint.h>

/*
 * Opens `path`, which is relative to the directory `root` and may not leave it, by `..` or by a
 * link. `flags` are those of open, without O_CREAT; O_CLOEXEC is added. `resolve` are those of
 * openat2; without RESOLVE_BENEATH the path may lead anywhere. A `//` in the path, which is not at its beginning,
 * ends a root within the root: what follows may not leave the directory before it.
 *
 * Returns the descriptor, or a negative errno: -EXDEV if the path leads out of the root, -ELOOP for
 * a link where RESOLVE_NO_SYMLINKS forbids it, -EAGAIN if RESOLVE_CACHED was asked for and the disk
 * might be waited for, -EINVAL if the kernel does not know a flag.
 */
int tree_open_beneath(int root, const char *path, uint64_t flags, uint64_t resolve);

/* What tree_open_beneath does where there is no openat2. RESOLVE_CACHED always is -EAGAIN. */
int open_beneath_walk(int root, const char *path, uint64_t flags, uint64_t resolve);

#endif
