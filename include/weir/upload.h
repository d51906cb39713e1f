/*
 * Writing to a tree: uploads, and changes of files and directories.
 *
 * After an upload the new file is on the disk, whole, or nothing has changed.
 *
 *   begin ─▶ write … write ─▶ commit ─▶ fsync, rename, fsync of the directory ─▶ done
 *              └─ full: pause until ready      abort, at any point before done ─▶ nothing remains
 *
 * Temporary files: the bytes go to an unnamed file (O_TMPFILE). Where that is impossible they go to
 * a hidden one in the same directory, whose name is `.weir-` and 16 hexadecimal digits. Names that
 * begin with `.weir-` should not be served. Leftovers of a killed process are removed after an
 * upload into their directory, once they have not been written to for WEIR_UPLOAD_STALE_S. A tree
 * looks for them once a day in a directory.
 *
 * Threads: everything here is called on the tree's thread. Blocking calls are made on the work
 * pool, one piece of work at a time for an upload. An upload's callbacks come from the loop, never
 * from inside one of these functions.
 *
 * Memory: WEIR_UPLOAD_QUEUE bytes and one write for each upload.
 *
 * Disk space is reserved in steps ahead of what was written: WEIR_UPLOAD_RESERVE_MIN and
 * WEIR_UPLOAD_RESERVE_MAX. A client reserves nothing by announcing a size.
 *
 * Paths are as in weir/tree.h. If the last component is a symbolic link, the link itself is
 * replaced or removed. If it is a hard link, the name is replaced; other names keep the old
 * content. Missing directories are not made.
 *
 * When a callback reports a change, the tree's cache no longer has the path or its directory.
 */
#ifndef WEIR_UPLOAD_H
#define WEIR_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_tree;
struct weir_upload;

/*
 * Decides whether a change may be made. `there` is what a lookup of the path would find, or NULL.
 * No other change of a tree in this process comes between the decision and the change. Returns 0,
 * or a negative errno that becomes the change's. Runs on a thread of the work pool and must not
 * wait. Its context must live until the change's callback is called, even if the change is aborted.
 */
typedef int weir_tree_check_fn(void *context, const struct stat *there);

/* Begin with weir_upload_options_init. Everything is 0, false or NULL by default. */
struct weir_upload_options {
	uint64_t size_max;   /* More bytes are WEIR_E_LIMIT. To be set: 0 accepts none. */
	uint64_t size;       /* with size_known: what will come. Free space is checked at once. */
	bool size_known;     /* Exactly `size` bytes must come before the commit. */
	bool must_not_exist; /* Nothing is replaced: -EEXIST at the commit. */
	bool look_first; /* With must_not_exist, the first ready() may report -EEXIST already. */
	/*
	 * Permission bits of a new file, whatever the umask. 0: 0644 less the umask that the
	 * process had when the tree was opened. A file that replaces a regular one gets its owner,
	 * group, permission bits and extended attributes instead, as far as the process may set
	 * them. Set-user-ID, set-group-ID and capabilities are dropped.
	 */
	mode_t mode;

	/*
	 * Decides at the commit whether the file may be published; NULL: it may. Not with in_place.
	 */
	weir_tree_check_fn *check;
	void *check_context;

	/*
	 * Writes into the file itself, which is made if it is missing, as FTP's APPE and REST need
	 * it. Writing begins at `offset`, where the file is cut off first, or with `append` at its
	 * end. Others see the file grow. The commit syncs it. An abort cuts off what was written,
	 * or removes a file that was made. size_known reserves no space. With must_not_exist the
	 * first ready() reports -EEXIST if there is a file. Further errors of the first ready():
	 *   -ERANGE  The file is shorter than `offset`.
	 *   -EBUSY   Another such upload is writing to it.
	 *   -EACCES  It is not a regular file.
	 *   -ELOOP   It is a symbolic link.
	 */
	bool in_place;
	bool append;
	uint64_t offset;
};

/* Sets every member to its default. size_max has none. */
WEIR_API void weir_upload_options_init(struct weir_upload_options *options);

/*
 * With error 0: the file is open and its space reserved; and again each time that there is room
 * after weir_upload_write returned WEIR_UPLOAD_FULL. One call may mean both.
 *
 * With an error it is called at most once, and no callback follows. weir_upload_abort must still be
 * called then. An error that weir_upload_write or the commit has reported is not reported again.
 * Most errors are
 *   -ENOSPC, -EDQUOT, -EFBIG   There is no space: reported early if the size is known.
 *   -ENOENT, -ENOTDIR          The directory does not exist.
 *   -EACCES, -EPERM, -EROFS    It is not allowed.
 *   -EXDEV, -ELOOP             The path leads out of the root.
 */
typedef void weir_upload_ready_fn(void *context, int error);

/*
 * Begins to write the file `path`. `ready` may be NULL. Returns 0; WEIR_E_LIMIT if options->size is
 * more than size_max, or too much work waits; -ENAMETOOLONG; -EISDIR if the path ends in `/`, `.`
 * or `..`, or is empty; or -ENOMEM.
 */
WEIR_API int weir_upload_begin(struct weir_tree *tree, const char *path,
        const struct weir_upload_options *options, weir_upload_ready_fn *ready, void *context,
        struct weir_upload **ret);

/* Not an error: the bytes were accepted. */
#define WEIR_UPLOAD_FULL 1

/*
 * Copies `bytes`, also before the first ready(). Returns 0; WEIR_UPLOAD_FULL: they were accepted,
 * but the next write before ready() returns -EAGAIN. Errors are final: WEIR_E_LIMIT for more than
 * size_max or `size`, -ENOMEM, or the error of an earlier write.
 */
WEIR_API int weir_upload_write(struct weir_upload *upload, struct weir_span bytes);

/*
 * `size` bytes were spliced. `end` is 0, 1 at the end of the data, or a negative errno of the
 * socket. The context is that of `ready`.
 */
typedef void weir_upload_spliced_fn(void *context, uint64_t size, int end);

/*
 * Sets a stream socket to splice from, instead of writing. The work pool moves the bytes, inside of
 * the kernel where it can. `source` must not block; the upload closes it.
 */
WEIR_API void weir_upload_set_source(
        struct weir_upload *upload, int source, weir_upload_spliced_fn *spliced);

/*
 * Moves what the socket has, at most `most` bytes (not 0) and WEIR_UPLOAD_SPLICE_MAX, to the end of
 * the file. Not while a splice is under way; weir_upload_write returns -EAGAIN meanwhile.
 *
 * Calls spliced() once. After an error of the file it calls ready() with that error instead
 * (-EFBIG for more bytes than size_max or `size`). It calls neither after weir_upload_commit or
 * weir_upload_abort. A commit includes the bytes of a splice under way.
 */
WEIR_API void weir_upload_splice(struct weir_upload *upload, uint64_t most);

/* The bytes accepted so far. */
WEIR_API uint64_t weir_upload_size(const struct weir_upload *upload);

/*
 * The end of a commit. With error 0 the file and its directory are on the disk, and `created` is
 * set if the name was free. Errors are those of writing, and
 *   -ENODATA  Fewer bytes than `size` have come.
 *   -EISDIR   A directory has the name.
 *   -EEXIST   With must_not_exist: the name exists.
 * After an error nothing remains and nothing was replaced. One exception: if the fsync of the
 * directory fails, the file is there but may not survive a power failure.
 */
typedef void weir_upload_done_fn(void *context, int error, bool created);

/*
 * Publishes the file under its name. `done` is called once, unless the upload is aborted before;
 * the upload is freed when it returns.
 */
WEIR_API void weir_upload_commit(
        struct weir_upload *upload, weir_upload_done_fn *done, void *context);

/*
 * Ends the upload: no callback comes any more. NULL is allowed. After weir_upload_commit the file
 * may be published all the same, whole.
 */
WEIR_API void weir_upload_abort(struct weir_upload *upload);

/* -- other changes --------------------------------------------------------------------------- */

struct weir_change;

/*
 * The end of a change; `error` is 0 or a negative errno. It is called exactly once: in a later
 * turn, or before the call returns if there is no memory (-ENOMEM) or too much work waits
 * (WEIR_E_LIMIT). All changes report -EISDIR if the path is empty or ends in `.` or `..`.
 */
typedef void weir_change_done_fn(struct weir_change *change, int error);

/*
 * Embedded by the caller; needs no preparation. It must live until `done` is called or it is
 * cancelled.
 */
struct weir_change {
	struct weir_change_job *job; /* private to the tree, as is `done` */
	weir_change_done_fn *done;
};

/*
 * Removes a name that is not a directory's (-EISDIR), and syncs the directory it was in.
 */
WEIR_API void weir_tree_remove(struct weir_tree *tree, struct weir_change *change, const char *path,
        weir_change_done_fn *done);

/* Removes a name if `check` returns 0, in one step with that. */
WEIR_API void weir_tree_remove_if(struct weir_tree *tree, struct weir_change *change,
        const char *path, weir_tree_check_fn *check, void *context, weir_change_done_fn *done);

/* Removes an empty directory (-ENOTEMPTY, -ENOTDIR), and syncs the one it was in. */
WEIR_API void weir_tree_remove_directory(struct weir_tree *tree, struct weir_change *change,
        const char *path, weir_change_done_fn *done);

/*
 * Makes a directory (-EEXIST if the name exists) with these permission bits, whatever the umask.
 * 0: 0755 less the umask that the process had when the tree was opened. Syncs its parent.
 */
WEIR_API void weir_tree_make_directory(struct weir_tree *tree, struct weir_change *change,
        const char *path, mode_t mode, weir_change_done_fn *done);

/*
 * Gives a file or directory another name, which may be in another directory of the tree. A file or
 * an empty directory of that name is replaced in the same instant. -EISDIR, -ENOTDIR, -ENOTEMPTY:
 * it cannot be replaced. -EINVAL: a directory cannot be moved into itself. Syncs both directories.
 */
WEIR_API void weir_tree_rename(struct weir_tree *tree, struct weir_change *change, const char *from,
        const char *to, weir_change_done_fn *done);

/* Is like weir_tree_rename, but replaces nothing: -EEXIST if the new name exists. */
WEIR_API void weir_tree_rename_new(struct weir_tree *tree, struct weir_change *change,
        const char *from, const char *to, weir_change_done_fn *done);

/* Sets the permission bits (0777 of them) or the time of modification of a file or directory. */
WEIR_API void weir_tree_set_mode(struct weir_tree *tree, struct weir_change *change,
        const char *path, mode_t mode, weir_change_done_fn *done);
WEIR_API void weir_tree_set_time(struct weir_tree *tree, struct weir_change *change,
        const char *path, struct timespec time, weir_change_done_fn *done);

/* The status of a name. A symbolic link is not followed, as a lookup would. */
struct weir_tree_look {
	struct stat status;
	char target[WEIR_LINK_TEXT_MAX + 1]; /* `target` of struct weir_directory_entry; "": none */
};

/* Looks at a name. Nothing is changed. `ret` is filled before `done` is called with 0. */
WEIR_API void weir_tree_look_at(struct weir_tree *tree, struct weir_change *change,
        const char *path, struct weir_tree_look *ret, weir_change_done_fn *done);

/*
 * `done` will not be called; the change itself is made or not. Harmless after `done` was called,
 * or for a struct that is all zero.
 */
WEIR_API void weir_change_cancel(struct weir_change *change);

WEIR_C_END

#endif
