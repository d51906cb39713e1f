/*
 * The file tree: what lies beneath one directory, opened by path and kept open for the next one who
 * asks. HTTP and FTP stand on it.
 *
 *   weir_tree_lookup ──▶ cache ──hit──────────────────────────────────▶ done
 *                          └─miss─▶ openat2, nothing that blocks ──────▶ done
 *                                     └─ disk needed ─▶ work pool ─····▶ done, in a later turn
 *
 * No path leads out of the root: `..`, symbolic links and magic links (/proc/…/fd) that do are
 * refused by the kernel itself (openat2, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS). In a path `a//b/c`
 * the directory `a` is the root for what follows the two slashes: nothing leads out of `a`, either.
 *
 * How fresh an answer is: an open file is compared with fstat once a turn of the loop, so that what
 * was written to, replaced, removed or renamed is noticed by the next turn; a path whose
 * directories or symbolic links have changed, after revalidate_ms. A file that was changed less
 * than WEIR_TREE_SETTLE_MS before it was looked at is looked up and read again each turn, since
 * another change may not show in its times. (Not noticed: changes through mmap that the kernel has
 * not stamped yet.)
 *
 * A file that was not looked up for WEIR_TREE_REST_MS and that nobody holds has its descriptor closed
 * within half as long again, and is opened again when it is wanted: a file that was removed frees its
 * room, and a file system beneath the root can be unmounted. A root that another directory has taken
 * the place of is noticed after revalidate_ms, as long as the process may walk the root's path.
 *
 * A tree, its lookups and files belong to one loop's thread; each worker opens its own. Only
 * weir_tree_open may be called on another thread, before.
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
#include <weir/span.h>

struct weir_loop;
struct weir_tree;
struct weir_lookup;

/* -- files ----------------------------------------------------------------------------------- */

enum weir_file_kind {
	WEIR_FILE_REGULAR,
	WEIR_FILE_DIRECTORY,
	WEIR_FILE_LINK,  /* symbolic; only in listings (weir/directory.h) */
	WEIR_FILE_OTHER, /* device, fifo or socket; only in listings */
};

/*
 * An open file or directory as it was when it was looked at. Only `note` and `free_note` are for
 * others to change. A file that changes is answered by a new object: what is derived from this one
 * never goes stale.
 */
struct weir_file {
	/*
	 * Read only, and shared: pread, sendfile with an offset; for a directory, openat(fd, ".").
	 */
	int fd;
	enum weir_file_kind kind; /* REGULAR or DIRECTORY */
	uint64_t size;
	struct timespec mtime;
	ino_t inode;
	dev_t device;

	/*
	 * All of a small regular file, immutable while held; data is NULL if it is not kept in
	 * memory, and is not NULL for an empty file that is.
	 */
	struct weir_span content;

	/*
	 * What the protocol above keeps with the file, such as header fields made once. free_note,
	 * if set, is called with it when the file is freed. One protocol a tree: it owns both
	 * fields.
	 */
	void *note;
	void (*free_note)(void *note);

	unsigned references; /* the tree's own */
};

/*
 * Keeps the file beyond the callback that gave it. Gives it back, for `file = weir_file_hold(f)`.
 */
WEIR_API struct weir_file *weir_file_hold(struct weir_file *file);

/*
 * The last release closes the descriptor. NULL is allowed. On the tree's thread, also after the
 * tree was closed.
 */
WEIR_API void weir_file_release(struct weir_file *file);

/* -- the tree -------------------------------------------------------------------------------- */

/* All zero: the defaults of weir/limits.h. */
struct weir_tree_options {
	unsigned
	        entries_max; /* paths remembered, each with a descriptor while it is in use; WEIR_TREE_ENTRIES_MAX */
	size_t content_max; /* bytes of content in the cache, all together; WEIR_TREE_CONTENT_MAX */
	size_t content_file_max; /* the largest file kept in memory; WEIR_TREE_CONTENT_FILE_MAX */
	unsigned revalidate_ms;  /* how long a path is believed; WEIR_TREE_REVALIDATE_MS */
	bool no_content;         /* keep no file in memory */
	bool no_symlinks;        /* follow none, not even one that stays beneath the root: -ELOOP */
};

/*
 * Opens the root directory (it need be searchable only). `loop` may be NULL, and weir_tree_attach
 * called later; nothing here touches the loop. NULL options are the defaults. Returns 0, -ENOMEM,
 * or an errno of opening the root.
 */
WEIR_API int weir_tree_open(struct weir_loop *loop, const char *root,
        const struct weir_tree_options *options, struct weir_tree **ret);

/* Once, on the loop's thread, before the first lookup; not after weir_tree_open with a loop. */
WEIR_API void weir_tree_attach(struct weir_tree *tree, struct weir_loop *loop);

/*
 * Closes the tree. NULL is allowed. Lookups under way are still answered (cancel those that must
 * not be), uploads under way go on, files held stay valid.
 */
WEIR_API void weir_tree_close(struct weir_tree *tree);

/* -- lookups --------------------------------------------------------------------------------- */

/*
 * Embedded by the caller; needs no preparation. It must live until `done` is called or it is
 * cancelled.
 */
struct weir_lookup {
	struct weir_list link; /* the tree's own, as the next */
	void (*done)(struct weir_lookup *lookup, int error, struct weir_file *file);
};

/*
 * Looks up `path`: relative to the root, decoded, without a leading `/`; "" and "." are the root
 * itself. It need not outlive the call. With a trailing `/`, only a directory answers.
 *
 * `done` is called exactly once: before this returns when the answer is at hand, later if not. It
 * may free the lookup, look up more, or close the tree. On success `error` is 0 and `file` is valid
 * during the callback; weir_file_hold keeps it. Else `file` is NULL and `error` one of
 *   -ENOENT, -ENOTDIR  there is none
 *   -EACCES            not readable, or neither a regular file nor a directory
 *   -EXDEV             the path leads out of the root
 *   -ELOOP             too many symbolic links (or any, with no_symlinks)
 *   -ENAMETOOLONG      WEIR_PATH_MAX bytes or more, or a component that is too long
 *   -EMFILE, -ENFILE   no descriptor is left, though unused ones of the cache were closed
 *   -EAGAIN            renames go on beneath it all the time, or it is leased: try again
 *   WEIR_E_LIMIT       too much work waits
 *   -ENOMEM, -EIO, …   as the system says
 */
WEIR_API void weir_tree_lookup(struct weir_tree *tree, struct weir_lookup *lookup, const char *path,
        void (*done)(struct weir_lookup *lookup, int error, struct weir_file *file));

/*
 * As weir_tree_lookup, for what is mostly not there, such as `x.gz` beside `x`: that there is none
 * is remembered too, for revalidate_ms. Not for paths a client can choose freely: they would fill
 * the cache. weir_tree_lookup does not believe what is remembered so.
 */
WEIR_API void weir_tree_probe(struct weir_tree *tree, struct weir_lookup *lookup, const char *path,
        void (*done)(struct weir_lookup *lookup, int error, struct weir_file *file));

/*
 * The answer is not wanted any more: `done` is not called. Harmless after it was, or if it never
 * was started but is all zero.
 */
WEIR_API void weir_lookup_cancel(struct weir_lookup *lookup);

/*
 * Nothing remembered of `path`, nor of the directory it is in, is believed any more. For those who
 * write to the tree by other means than weir/upload.h, which does so itself. Other loops' trees
 * notice by themselves, as above.
 */
WEIR_API void weir_tree_invalidate(struct weir_tree *tree, const char *path);

/*
 * Closes up to `count` files of the cache that nobody else holds, oldest first, as when accept has
 * met EMFILE. How many it closed.
 */
WEIR_API unsigned weir_tree_shrink(struct weir_tree *tree, unsigned count);

/* -- counters -------------------------------------------------------------------------------- */

/* For status pages. Plain numbers, written by the tree's thread. */
struct weir_tree_counters {
	uint64_t hits;    /* answered from the cache, compared in this turn already or by fstat */
	uint64_t misses;  /* answered by opening, at once */
	uint64_t waits;   /* answered by the work pool */
	uint64_t changes; /* files found changed by fstat */
	uint64_t evicted; /* entries given up for others */
	uint64_t entries; /* now in the cache */
	uint64_t content; /* bytes of content now in the cache */
};

WEIR_API const struct weir_tree_counters *weir_tree_counters(const struct weir_tree *tree);

#endif
