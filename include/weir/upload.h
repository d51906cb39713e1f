/*
 * Writing to a tree: a file is there whole, on the disk, or not at all.
 *
 *   begin ─▶ write … write ─▶ commit ─▶ fsync, rename, fsync of the directory ─▶ done
 *              └─ full: pause until ready      abort, at any point before done ─▶ nothing remains
 *
 * The bytes go to a file without a name (O_TMPFILE), or where that cannot be had to a hidden one
 * named `.weir-` and 16 hexadecimal digits in the same directory. Names beginning with `.weir-`
 * should not be served. What a killed process leaves of these is removed after the next upload into
 * the directory by a tree that has not yet looked there (or not for a day), once it has not been
 * written to for WEIR_UPLOAD_STALE_S.
 *
 * What blocks is done on the work pool, one piece of work an upload at a time. Memory is bounded:
 * WEIR_UPLOAD_QUEUE bytes and one write an upload. Everything here is called on the tree's thread,
 * and an upload's callbacks come from the loop, never from inside a call of it.
 *
 * The disk's room is reserved in steps ahead of what was written, as WEIR_UPLOAD_RESERVE_MIN and
 * WEIR_UPLOAD_RESERVE_MAX say: a client holds no room by what it only announces.
 *
 * Paths are as in weir/tree.h. The last component is never followed if it is a symbolic link: it is
 * itself replaced or removed. A hard link is replaced as a name: other names keep the old content. Directories are not made on the way.
 *
 * After any change the tree has forgotten path and directory when the callback comes.
 */
#ifndef WEIR_UPLOAD_H
#define WEIR_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <weir/api.h>
#include <weir/list.h>
#include <weir/span.h>

struct stat;
struct weir_tree;
struct weir_upload;

/* All zero is not allowed: size_max must be named. */
struct weir_upload_options {
	uint64_t size_max; /* more bytes than these are WEIR_E_LIMIT */
	uint64_t size;   /* what will come, if size_known; whether there is room is asked at once */
	bool size_known; /* then exactly `size` bytes must come before commit */
	bool must_not_exist; /* never replace: -EEXIST at the commit */
	/* With must_not_exist: the first `ready` may already report -EEXIST. */
	bool look_first;
	/*
	 * Permission bits of a new file, whatever the umask; 0: 0644 less the umask that the process
	 * had when the tree was opened. A file that replaces a regular one gets the owner, group,
	 * permission bits and extended attributes of that one instead, as far as the process may set
	 * them, without set-user-ID, set-group-ID and capabilities.
	 */
	mode_t mode;

	/*
	 * Decides at the commit whether the file may be put in its place; NULL: it may. Called on a
	 * thread of the work pool with what a lookup of the path would find (NULL: nothing), and no
	 * other change of a tree in this process comes between its answer and the new file. Returns
	 * 0, or a negative errno that becomes the commit's. It must not wait, and its context must
	 * live until `done` is called, even if the upload is aborted. Not with in_place.
	 */
	int (*check)(void *context, const struct stat *there);
	void *check_context;

	/*
	 * Into the file itself, which is made if it is not there, as FTP's APPE and REST need it:
	 * from `offset` on, where the file is cut off first, or from its end (append). Others see
	 * the file grow. The commit syncs it; an abort cuts off what was written, or removes a file
	 * that was not there. -ERANGE: the file is shorter than offset. -EBUSY: another such upload
	 * is writing to it. -EACCES: it is no regular file, -ELOOP: a symbolic link. size_known
	 * reserves no room. must_not_exist is as above but told by the first `ready`, and the name
	 * is taken from then on.
	 */
	bool in_place;
	bool append;
	uint64_t offset;
};

/*
 * Begins to write the file `path`. 0; WEIR_E_LIMIT: options->size is more than size_max, or too
 * much work waits; -ENAMETOOLONG; -EISDIR: the path names no file (it ends in `/`, `.` or `..`, or
 * is empty); -ENOMEM.
 *
 * `ready(context, error)` is called with 0 when the file is open and its room reserved, and again
 * each time that there is room after weir_upload_write answered WEIR_UPLOAD_FULL (one call says
 * both, if so). With an error, it is called at most once and nothing follows it; weir_upload_abort
 * is still the caller's to call then. Errors are those of opening a file to write, of which mostly
 *   -ENOSPC, -EDQUOT, -EFBIG   no room: told early when the size is known
 *   -ENOENT, -ENOTDIR          the directory is not there
 *   -EACCES, -EPERM, -EROFS    not allowed
 *   -EXDEV, -ELOOP             the path leads out of the root
 * It is not called for an error that weir_upload_write or the commit has told. It may be NULL.
 */
WEIR_API int weir_upload_begin(struct weir_tree *tree, const char *path,
        const struct weir_upload_options *options, void (*ready)(void *context, int error),
        void *context, struct weir_upload **ret);

/* Not an error: the bytes were taken. */
#define WEIR_UPLOAD_FULL 1

/*
 * Takes all of `bytes` (a copy), also before the first `ready`. 0: go on. WEIR_UPLOAD_FULL: taken,
 * but write no more until `ready` (-EAGAIN if it is tried). An error is final: WEIR_E_LIMIT (larger
 * than size_max, or than `size`), -ENOMEM, or what a write before has met.
 */
WEIR_API int weir_upload_write(struct weir_upload *upload, struct weir_span bytes);

/*
 * Instead of writing: bytes are taken from a stream socket by the work pool, and pass from the
 * kernel to the kernel where that can be (splice). `source` does not block; it is the upload's now,
 * and closed at the commit, with an error, at the end of the data or when the upload ends.
 */
WEIR_API void weir_upload_set_source(struct weir_upload *upload, int source,
        void (*taken)(void *context, uint64_t size, int end));

/*
 * Takes what is there, `most` bytes (not 0) and WEIR_UPLOAD_SPLICE_MAX at most, after what was written.
 * Then comes `taken(context, size, end)`, with the context of `ready`: `end` is 0; 1 at the end of the
 * data; or a negative errno of the socket. Or, of the file, `ready` with an error (-EFBIG: more came
 * than size_max or `size`). Neither after weir_upload_commit or an abort; the commit puts in place what
 * a take under way brings, too. One take at a time, and no writing meanwhile (-EAGAIN).
 */
WEIR_API void weir_upload_splice(struct weir_upload *upload, uint64_t most);

/* The bytes taken so far. */
WEIR_API uint64_t weir_upload_size(const struct weir_upload *upload);

/*
 * Puts the file in its place. `done(context, error, created)` is called once, unless aborted
 * before; the upload is freed when it returns. Error 0: the file and its directory are on the disk;
 * `created` says that nothing was there before. -ENODATA: fewer bytes than `size`. -EISDIR: a
 * directory has the name. -EEXIST with must_not_exist. Or what writing has met. With an error
 * nothing remains and nothing was replaced, except that after an error of the directory's own fsync
 * the file is there but may not survive a power failure.
 */
WEIR_API void weir_upload_commit(struct weir_upload *upload,
        void (*done)(void *context, int error, bool created), void *context);

/*
 * Ends the upload: no callback comes any more. NULL is allowed. After weir_upload_commit the file
 * may be put in place all the same, whole.
 */
WEIR_API void weir_upload_abort(struct weir_upload *upload);

/* -- other changes --------------------------------------------------------------------------- */

/*
 * Embedded by the caller; needs no preparation. It must live until `done` is called or it is
 * cancelled. `done` is called exactly once: later, or before the call returns if there is no memory
 * (-ENOMEM) or too much work waits (WEIR_E_LIMIT). -EISDIR: the path has no last component that is
 * a name.
 */
struct weir_change {
	struct change_job *job; /* the tree's own */
	void (*done)(struct weir_change *change, int error);
};

/*
 * Removes a file (or a symbolic link, device or other oddity) that is no directory (-EISDIR), and
 * syncs its directory.
 */
WEIR_API void weir_tree_remove(struct weir_tree *tree, struct weir_change *change, const char *path,
        void (*done)(struct weir_change *change, int error));

/*
 * Removes it only if `check` returns 0, in one step with that: see `check` of weir_upload_options.
 * An error of `check` is told to `done`. The context must live until `done` is called.
 */
WEIR_API void weir_tree_remove_if(struct weir_tree *tree, struct weir_change *change,
        const char *path, int (*check)(void *context, const struct stat *there), void *context,
        void (*done)(struct weir_change *change, int error));

/* Removes an empty directory (-ENOTEMPTY, -ENOTDIR), and syncs the one it was in. */
WEIR_API void weir_tree_remove_directory(struct weir_tree *tree, struct weir_change *change,
        const char *path, void (*done)(struct weir_change *change, int error));

/*
 * Makes a directory (-EEXIST if the name is taken) with these permission bits, whatever the umask;
 * 0: 0755 less the umask that the process had when the tree was opened. Syncs its parent.
 */
WEIR_API void weir_tree_make_directory(struct weir_tree *tree, struct weir_change *change,
        const char *path, mode_t mode, void (*done)(struct weir_change *change, int error));

/*
 * Gives a file or directory another name, which may be in another directory of the tree. A file (or
 * an empty directory) that had the name is replaced in the same instant. -EISDIR, -ENOTDIR,
 * -ENOTEMPTY: it cannot be; -EINVAL: a directory into itself. Syncs both directories.
 */
WEIR_API void weir_tree_rename(struct weir_tree *tree, struct weir_change *change, const char *from,
        const char *to, void (*done)(struct weir_change *change, int error));

/* The same, but nothing is replaced: -EEXIST if the name is taken. */
WEIR_API void weir_tree_rename_new(struct weir_tree *tree, struct weir_change *change,
        const char *from, const char *to, void (*done)(struct weir_change *change, int error));

/* Sets the permission bits (0777 of them) of a file or directory, or its time of modification. */
WEIR_API void weir_tree_set_mode(struct weir_tree *tree, struct weir_change *change,
        const char *path, mode_t mode, void (*done)(struct weir_change *change, int error));
WEIR_API void weir_tree_set_time(struct weir_tree *tree, struct weir_change *change,
        const char *path, struct timespec time,
        void (*done)(struct weir_change *change, int error));

/*
 * What has the name itself, so that of a symbolic link it is the link, which a lookup would follow.
 * Nothing is changed. `ret` is filled before `done` is called with 0.
 */
WEIR_API void weir_tree_look_at(struct weir_tree *tree, struct weir_change *change,
        const char *path, struct stat *ret, void (*done)(struct weir_change *change, int error));

/*
 * `done` is not called any more; the change itself is made or not. Harmless when `done` was called,
 * or the struct is all zero.
 */
WEIR_API void weir_change_cancel(struct weir_change *change);

#endif
