/*
 * A store of Maildirs: its creation, its end, and the common part of its calls.
 *
 * Invariant: everything under way has a reference to the store, so that it may be destroyed at any
 * time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maildir_state.h"
#include "open_beneath.h"

static struct maildir *maildir_of(struct weir_mail_store *store)
{
	return WEIR_CONTAINER(store, struct maildir, base);
}

struct maildir *maildir_hold(struct maildir *maildir)
{
	refcount_hold(&maildir->references);
	return maildir;
}

void maildir_release(struct maildir *maildir)
{
	if (!refcount_release(&maildir->references))
		return;
	mailboxes_free(maildir);
	pthread_mutex_destroy(&maildir->lock);
	close(maildir->root);
	free(maildir);
}

/* -- calls ------------------------------------------------------------------------------------- */

int maildir_submit(struct weir_loop *loop, enum weir_lane lane, struct maildir_job *job,
        struct weir_mail_call *call, void (*run)(struct weir_work *work),
        void (*done)(struct weir_work *work))
{
	int error = weir_work_submit_to(loop, lane, &job->work, run, done);
	if (error < 0)
		return error;
	job->call = call;
	call->job = job;
	return 0;
}

struct weir_mail_call *maildir_job_end(struct maildir_job *job)
{
	struct weir_mail_call *call = job->call;
	if (call)
		call->job = NULL;
	return call;
}

static void maildir_cancel(struct weir_mail_call *call)
{
	struct maildir_job *job = call->job;
	job->call = NULL;
}

/* -- the store --------------------------------------------------------------------------------- */

static void maildir_destroy(struct weir_mail_store *store)
{
	maildir_release(maildir_of(store));
}

static void maildir_count(struct weir_mail_store *store, struct weir_mail_store_counters *ret)
{
	const struct maildir_counters *counters = &maildir_of(store)->counters;
	*ret = (struct weir_mail_store_counters){
	        .messages = counters->messages,
	        .files = counters->files,
	        .file_syncs = counters->file_syncs,
	        .directory_syncs = counters->directory_syncs,
	        .counts = counters->counts,
	        .over_quota = counters->over_quota,
	};
}

static const struct weir_mail_store_type maildir_type = {
        .name = "maildir",
        .open = maildir_open,
        .info = maildir_info,
        .fetch = maildir_fetch,
        .remove = maildir_remove,
        .cancel = maildir_cancel,
        .close = maildir_close,
        .destroy = maildir_destroy,
        .count = maildir_count,
        .each_usage = maildir_each_usage,
};

int weir_maildir_create(const char *directory, const struct weir_mail_store_options *options,
        struct weir_mail_store **ret)
{
	if (options && !options->message_max)
		return -EINVAL;
	struct maildir *maildir = calloc(1, sizeof *maildir);
	if (!maildir)
		return -ENOMEM;
	maildir->root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = maildir->root < 0 ? -errno : 0;
	if (error == 0) {
		int beneath =
		        maildir_open_beneath(maildir->root, ".", O_RDONLY | O_DIRECTORY, false);
		error = beneath < 0 ? beneath : 0;
		if (beneath >= 0)
			close(beneath);
	}
	if (error == 0)
		error = -pthread_mutex_init(&maildir->lock, NULL);
	if (error < 0) {
		if (maildir->root >= 0)
			close(maildir->root);
		free(maildir);
		return error;
	}
	maildir->base.type = &maildir_type;
	maildir->base.sink.type = &maildir_sink;
	refcount_init(&maildir->references);
	weir_mail_store_options_init(&maildir->options);
	if (options)
		maildir->options = *options;
	maildir->unnamed_files = mail_file_can_be_unnamed(maildir->root);
	weir_list_init(&maildir->unused);
	weir_list_init(&maildir->queues);
	*ret = &maildir->base;
	return 0;
}

/* -- directories ------------------------------------------------------------------------------- */

/*
 * The directories of a Maildir, opened beneath the root of the store and created if they are
 * missing.
 *
 * Invariant: a mailbox that was created here is on the disk before its descriptor is returned. No
 * component of the path may be a symbolic link.
 */

enum {
	PATH_SIZE = WEIR_USER_NAME_MAX + 8,
	SWEEP_MAX = 100000 /* entries that are examined */
};

static const char *const parts[] = {"tmp", "new", "cur"};

int maildir_open_beneath(int directory, const char *path, uint64_t flags, bool cached)
{
	uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
	return tree_open_beneath(directory, path, flags, resolve | (cached ? RESOLVE_CACHED : 0));
}

/* A file system whose directories need no sync returns EINVAL. */
int maildir_sync(struct maildir *maildir, int directory)
{
	maildir->counters.directory_syncs++;
	return fsync(directory) == 0 || errno == EINVAL ? 0 : -errno;
}

static int maildir_open_path(const struct maildir *maildir, const char *user, const char *part)
{
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/%s", user, part ? part : ".");
	return maildir_open_beneath(maildir->root, path, O_RDONLY | O_DIRECTORY, false);
}

/* After a crash, any of them may exist already. */
static int maildir_open_make(struct maildir *maildir, const char *user)
{
	if (mkdirat(maildir->root, user, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = maildir_open_path(maildir, user, NULL);
	if (fd < 0)
		return fd;
	int error = 0;
	for (unsigned i = 0; i < 3 && error == 0; i++)
		if (mkdirat(fd, parts[i], 0700) < 0 && errno != EEXIST)
			error = -errno;
	if (error == 0)
		error = maildir_sync(maildir, fd);
	close(fd);
	return error < 0 ? error : maildir_sync(maildir, maildir->root);
}

/* Whether all three exist; another program may have removed one. */
static bool maildir_open_is_whole(int user_directory)
{
	struct stat status;
	for (unsigned i = 0; i < 3; i++)
		if (fstatat(user_directory, parts[i], &status, AT_SYMLINK_NOFOLLOW) < 0)
			return false;
	return true;
}

int maildir_open_directory(struct maildir *maildir, const char *user, const char *part)
{
	int fd = maildir_open_path(maildir, user, part);
	if (fd >= 0 && !part && !maildir_open_is_whole(fd)) {
		close(fd);
		fd = -ENOENT;
	}
	if (fd != -ENOENT)
		return fd;
	int error = maildir_open_make(maildir, user);
	return error < 0 ? error : maildir_open_path(maildir, user, part);
}

bool maildir_is_message(int directory, const struct dirent *entry)
{
	struct stat status;
	if (entry->d_name[0] == '.')
		return false;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG;
	return fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode);
}

void maildir_sweep(int user_directory)
{
	struct stat status;
	int fd = maildir_open_beneath(user_directory, "tmp", O_RDONLY | O_DIRECTORY, false);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	if (!directory) {
		if (fd >= 0)
			close(fd);
		return;
	}
	struct dirent *entry;
	for (int i = 0; i < SWEEP_MAX && (entry = readdir(directory)); i++)
		if (maildir_is_message(fd, entry) &&
		        fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		        time(NULL) - status.st_mtime > WEIR_MAIL_STALE_S)
			unlinkat(fd, entry->d_name, 0);
	closedir(directory);
}
