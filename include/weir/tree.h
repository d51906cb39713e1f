/*
 * The file tree: everything beneath one directory, opened by path, with a cache of open files. HTTP
 * and FTP use it.
 *
 *   weir_tree_lookup ──▶ cache ──hit──────────────────────────────────▶ done
 *                          └─miss─▶ openat2 that does not block ───────▶ done
 *                                     └─ disk needed ─▶ work pool ─····▶ done, in a later turn
 *
 * Containment: no path leads out of the root. The kernel refuses `..`, symbolic links and magic
 * links (/proc/…/fd) that do (openat2 with RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS). In a path
 * `a//b/c` the directory `a` is the root of the part after the two slashes: nothing in it leads out
 * of `a`.
 *
 * Freshness:
 * - An open file is compared with fstat once a turn of the loop. The next turn notices that it was
 *   written to, replaced, removed or renamed.
 * - A path whose directories or symbolic links have changed is noticed after revalidate_ms.
 * - A file that was changed less than WEIR_TREE_SETTLE_MS before it was read is read again each
 *   turn: another change may not show in its times.
 * - A change through mmap is not noticed until the kernel has updated the times.
 * - A root that another directory has replaced is noticed after revalidate_ms, if the process may
 *   search the root's path. `root_walked` of the options reports when it may not.
 *
 * Descriptors: a file that is not held and was not looked up for WEIR_TREE_REST_MS is closed within
 * half as long again. The next lookup opens it anew. So a removed file frees its disk space, and a
 * file system beneath the root can be unmounted.
 *
 * Threads: a tree, its lookups and files belong to the thread of one loop; each worker opens its
 * own tree. Only weir_tree_open may be called on another thread, before.
 *
 * Life cycle: weir_tree_open, weir_tree_attach if the loop was not known, lookups, weir_tree_close.
 * Files that are held outlive the tree.
 */
#ifndef WEIR_TREE_H
#define WEIR_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <weir/api.h>
#include <weir/list.h>
#include <weir/sources.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_loop;
struct weir_tree;

/* -- files ----------------------------------------------------------------------------------- */

enum weir_file_kind {
	WEIR_FILE_REGULAR,
	WEIR_FILE_DIRECTORY,
	WEIR_FILE_LINK,  /* a symbolic link; only in listings (weir/directory.h) */
	WEIR_FILE_OTHER, /* a device, fifo or socket; only in listings */
};

/*
 * An open file or directory. It does not change: after a change of the file, a lookup answers with
 * a new object. Therefore what is derived from this one never goes stale. Only `note` and
 * `free_note` are for others to write.
 */
struct weir_file {
	/*
	 * Read only and shared: use pread, or sendfile with an offset; of a directory openat(fd,
	 * ".").
	 */
	int fd;
	enum weir_file_kind kind; /* REGULAR or DIRECTORY */
	uint64_t size;
	struct timespec mtime;
	struct timespec ctime;
	ino_t inode;
	dev_t device;

	/*
	 * The file's last change lay more than WEIR_TREE_SETTLE_MS before it was looked at. Only
	 * then does every later change show in mtime, ctime or size.
	 */
	bool settled;

	/*
	 * All of a small regular file, immutable while held. `data` is NULL if the content is not
	 * in memory, and not NULL for an empty file whose content is.
	 */
	struct weir_span content;

	/*
	 * Belongs to the protocol that uses the tree, for what is made once a file, such as header
	 * fields. free_note, if set, is called with it when the file is freed. Two protocols cannot
	 * share a tree.
	 */
	void *note;
	void (*free_note)(void *note);

	struct weir_pages_seen seen; /* for weir_produce_shared_file */
	unsigned references;         /* private to the tree */
};

/* Holds the file beyond the callback that it was passed to. Returns it. */
WEIR_API struct weir_file *weir_file_hold(struct weir_file *file);

/*
 * The last release closes the descriptor. NULL is allowed. On the tree's thread, also after the
 * tree was closed.
 */
WEIR_API void weir_file_release(struct weir_file *file);

/* -- the tree -------------------------------------------------------------------------------- */

/*
 * Called once when the root's path can no longer be walked, with the errno, and once when it can be
 * again, with 0. Meanwhile the directory that was opened last is served. Runs on the loop's thread,
 * in a lookup, and must not close the tree.
 */
typedef void weir_tree_root_walked_fn(void *context, int error);

/* Begin with weir_tree_options_init. */
struct weir_tree_options {
	unsigned entries_max; /* paths in the cache; WEIR_TREE_ENTRIES_MAX; 0: nothing is cached */
	size_t content_max;   /* bytes of content in the cache; WEIR_TREE_CONTENT_MAX */
	/* size of the largest file in memory; WEIR_TREE_CONTENT_FILE_MAX */
	size_t content_file_max;
	/* How long a path is trusted; WEIR_TREE_REVALIDATE_MS; 0: not beyond a turn. */
	unsigned revalidate_ms;
	bool content;  /* small files are read into memory; default true */
	bool symlinks; /* symbolic links are followed, else -ELOOP; default true */
	weir_tree_root_walked_fn *root_walked; /* NULL, the default: nobody is notified */
	void *context;                         /* of root_walked */
};

/* Sets every member to the default in its comment. */
WEIR_API void weir_tree_options_init(struct weir_tree_options *options);

/*
 * Opens the root directory, which must be searchable. With a `loop` of NULL, weir_tree_attach is
 * called later; nothing here touches the loop. NULL options are the defaults. Returns 0, -ENOMEM,
 * or an errno of opening the root.
 */
WEIR_API int weir_tree_open(struct weir_loop *loop, const char *root,
        const struct weir_tree_options *options, struct weir_tree **ret);

/*
 * Call it once, on the loop's thread, before the first lookup, if the tree was opened without a
 * loop.
 */
WEIR_API void weir_tree_attach(struct weir_tree *tree, struct weir_loop *loop);

/*
 * Closes the tree. NULL is allowed. Lookups under way are still answered, unless they are
 * cancelled; uploads under way go on; files that are held stay valid.
 */
WEIR_API void weir_tree_close(struct weir_tree *tree);

/* -- lookups --------------------------------------------------------------------------------- */

struct weir_lookup;

/*
 * The answer to a lookup. `error` is 0 and `file` the file, valid during the call, or longer with
 * weir_file_hold; otherwise `file` is NULL. It may free the lookup, look up more, or close the
 * tree.
 */
typedef void weir_lookup_done_fn(struct weir_lookup *lookup, int error, struct weir_file *file);

/*
 * Embedded by the caller; needs no preparation. It must live until `done` is called or it is
 * cancelled.
 */
struct weir_lookup {
	struct weir_list link; /* private to the tree, as is `done` */
	weir_lookup_done_fn *done;
};

/*
 * Looks up `path`: relative to the root, decoded, without a leading `/`; "" and "." are the root
 * itself. With a trailing `/` only a directory is found. The path need not outlive the call.
 *
 * Calls `done` exactly once: before this returns if the answer is at hand, otherwise in a later
 * turn. Its error is 0 or one of
 *   -ENOENT, -ENOTDIR  There is no such file.
 *   -EACCES            It is not readable, or neither a regular file nor a directory.
 *   -EXDEV             The path leads out of the root.
 *   -ELOOP             There are too many symbolic links (or any, without `symlinks`).
 *   -ENAMETOOLONG      The path has WEIR_PATH_MAX bytes or more, or a component is too long.
 *   -EMFILE, -ENFILE   No descriptor is left, though unused ones of the cache were closed.
 *   -EAGAIN            Renames interfere all the time, or the file is leased: try again.
 *   WEIR_E_LIMIT       Too much work waits.
 *   -ENOMEM, -EIO, …   As the system reports.
 */
WEIR_API void weir_tree_lookup(struct weir_tree *tree, struct weir_lookup *lookup, const char *path,
        weir_lookup_done_fn *done);

/*
 * Is like weir_tree_lookup, for files that are mostly absent, such as `x.gz` beside `x`. The cache
 * remembers for revalidate_ms that there is none; weir_tree_lookup ignores that. Not for paths that
 * a client can choose freely: they would fill the cache.
 */
WEIR_API void weir_tree_probe(struct weir_tree *tree, struct weir_lookup *lookup, const char *path,
        weir_lookup_done_fn *done);

/*
 * `done` will not be called. Harmless after it was called, or for a lookup that is all zero.
 */
WEIR_API void weir_lookup_cancel(struct weir_lookup *lookup);

/*
 * Drops `path` and the directory it is in from the cache. For callers that write to the tree by
 * other means than weir/upload.h, which does so itself. Trees of other loops notice changes as
 * described above.
 */
WEIR_API void weir_tree_invalidate(struct weir_tree *tree, const char *path);

/*
 * Closes up to `count` files of the cache that are not held, oldest first, for example when
 * accept(2) has failed with EMFILE. Returns how many it closed.
 */
WEIR_API unsigned weir_tree_shrink(struct weir_tree *tree, unsigned count);

/* -- counters -------------------------------------------------------------------------------- */

/* For status pages. Plain numbers, written by the tree's thread. */
struct weir_tree_counters {
	uint64_t hits;    /* lookups answered from the cache */
	uint64_t misses;  /* lookups answered at once by opening the file */
	uint64_t waits;   /* lookups answered by the work pool */
	uint64_t changes; /* changed files found by fstat */
	uint64_t evicted; /* entries removed to make room */
	uint64_t entries; /* now in the cache */
	uint64_t content; /* bytes of content now in the cache */
};

WEIR_API const struct weir_tree_counters *weir_tree_counters(const struct weir_tree *tree);

WEIR_C_END

#endif
