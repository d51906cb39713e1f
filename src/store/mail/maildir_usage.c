/*
 * The sizes of mailboxes in memory, so that a quota need not examine the files.
 *
 * Invariant: if `counted`, octets and messages are those of new/ and cur/ at `changed`, as far as
 * their times show. A refusal needs a recent count. Of the mailboxes without references
 * WEIR_MAILBOXES_KEPT are kept.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maildir_state.h"
#include "helper.h"

enum {
	SWEEP_PERIOD_S = 24 * 60 * 60,
	BELIEVED_S = 5, /* for so long a full mailbox is not counted again */
	PATH_SIZE = WEIR_USER_NAME_MAX + 8
};

static const char *const parts[2] = {"new", "cur"};

/* -- the table --------------------------------------------------------------------------------- */

static struct mailbox **maildir_usage_bucket_of(struct maildir *maildir, const char *user)
{
	uint32_t hash = 2166136261; /* FNV-1a; the names are our users' */
	for (const char *at = user; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619;
	return &maildir->buckets[hash % MAILBOX_BUCKETS];
}

static struct mailbox *maildir_usage_create(const char *user)
{
	size_t size = strlen(user) + 1;
	struct mailbox *mailbox = calloc(1, sizeof *mailbox + size);
	if (!mailbox)
		return NULL;
	if (pthread_mutex_init(&mailbox->lock, NULL) != 0) {
		free(mailbox);
		return NULL;
	}
	memcpy(mailbox->user, user, size);
	weir_list_init(&mailbox->link);
	return mailbox;
}

static void maildir_usage_destroy(struct mailbox *mailbox)
{
	pthread_mutex_destroy(&mailbox->lock);
	free(mailbox);
}

/* With maildir->lock held, like the next function. */
static void maildir_usage_drop(struct maildir *maildir, struct mailbox *mailbox)
{
	struct mailbox **at = maildir_usage_bucket_of(maildir, mailbox->user);
	while (*at != mailbox)
		at = &(*at)->next;
	*at = mailbox->next;
	weir_list_remove(&mailbox->link);
	maildir->unused_count--;
	maildir_usage_destroy(mailbox);
}

static struct mailbox *maildir_usage_get(struct maildir *maildir, const char *user)
{
	struct mailbox **bucket = maildir_usage_bucket_of(maildir, user);
	struct mailbox *mailbox = *bucket;
	while (mailbox && strcmp(mailbox->user, user) != 0)
		mailbox = mailbox->next;
	if (!mailbox) {
		mailbox = maildir_usage_create(user);
		if (!mailbox)
			return NULL;
		mailbox->next = *bucket;
		*bucket = mailbox;
	} else if (mailbox->references == 0) {
		weir_list_remove(&mailbox->link);
		maildir->unused_count--;
	}
	mailbox->references++;
	return mailbox;
}

struct mailbox *mailbox_get(struct maildir *maildir, const char *user)
{
	pthread_mutex_lock(&maildir->lock);
	struct mailbox *mailbox = maildir_usage_get(maildir, user);
	pthread_mutex_unlock(&maildir->lock);
	return mailbox;
}

static struct mailbox *maildir_usage_longest_unused(struct maildir *maildir)
{
	return WEIR_CONTAINER(maildir->unused.next, struct mailbox, link);
}

void mailbox_put(struct maildir *maildir, struct mailbox *mailbox)
{
	pthread_mutex_lock(&maildir->lock);
	if (--mailbox->references == 0) {
		weir_list_append(&maildir->unused, &mailbox->link);
		if (++maildir->unused_count > WEIR_MAILBOXES_KEPT)
			maildir_usage_drop(maildir, maildir_usage_longest_unused(maildir));
	}
	pthread_mutex_unlock(&maildir->lock);
}

void mailboxes_free(struct maildir *maildir)
{
	for (unsigned i = 0; i < MAILBOX_BUCKETS; i++)
		for (struct mailbox *at = maildir->buckets[i], *next; at; at = next) {
			next = at->next;
			maildir_usage_destroy(at);
		}
}

/* -- counting ---------------------------------------------------------------------------------- */

static int64_t maildir_usage_clock_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

static bool maildir_usage_has_quota(const struct maildir *maildir)
{
	return maildir->options.mailbox_max || maildir->options.messages_max;
}

static int maildir_usage_look(
        struct maildir *maildir, const struct mailbox *mailbox, struct timespec ret[2])
{
	char path[PATH_SIZE];
	struct stat status;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", mailbox->user, parts[i]);
		if (fstatat(maildir->root, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		ret[i] = status.st_mtim;
	}
	return 0;
}

static bool maildir_usage_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool maildir_usage_is_fresh(struct maildir *maildir, const struct mailbox *mailbox)
{
	struct timespec now[2] = {0};
	return maildir_usage_clock_s() - mailbox->counted_at_s < WEIR_MAIL_RECOUNT_S &&
	       maildir_usage_look(maildir, mailbox, now) == 0 &&
	       maildir_usage_same_time(&now[0], &mailbox->changed[0]) &&
	       maildir_usage_same_time(&now[1], &mailbox->changed[1]);
}

static uint64_t maildir_usage_stored_size(int directory, const char *entry)
{
	struct mail_name name;
	struct stat status;
	mail_name_parse(weir_span_of(entry), &name);
	if (name.stored)
		return name.stored;
	bool there = fstatat(directory, entry, &status, AT_SYMLINK_NOFOLLOW) == 0;
	return there ? (uint64_t)status.st_size : 0;
}

static int maildir_usage_count_part(
        struct maildir *maildir, struct mailbox *mailbox, const char *part)
{
	int fd = maildir_open_directory(maildir, mailbox->user, part);
	if (fd < 0)
		return fd;
	DIR *directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return -errno;
	}
	struct dirent *entry;
	errno = 0;
	while ((entry = readdir(directory))) {
		if (maildir_is_message(fd, entry)) {
			mailbox->messages++;
			mailbox->octets += maildir_usage_stored_size(fd, entry->d_name);
		}
		errno = 0;
	}
	int error = -errno;
	closedir(directory);
	return error;
}

static int maildir_usage_count(struct maildir *maildir, struct mailbox *mailbox)
{
	mailbox->octets = mailbox->messages = 0;
	maildir->counters.counts++;
	int error = maildir_usage_count_part(maildir, mailbox, parts[0]);
	if (error == 0)
		error = maildir_usage_count_part(maildir, mailbox, parts[1]);
	mailbox->counted = error == 0;
	mailbox->counted_at_s = maildir_usage_clock_s();
	return error;
}

void mailbox_begin(struct maildir *maildir, struct mailbox *mailbox)
{
	pthread_mutex_lock(&mailbox->lock);
	if (mailbox->counted && !maildir_usage_is_fresh(maildir, mailbox))
		mailbox->counted = false;
}

void mailbox_end(struct maildir *maildir, struct mailbox *mailbox)
{
	if (mailbox->counted && maildir_usage_look(maildir, mailbox, mailbox->changed) < 0)
		mailbox->counted = false;
	pthread_mutex_unlock(&mailbox->lock);
}

static bool maildir_usage_has_room(
        const struct maildir *maildir, const struct mailbox *mailbox, uint64_t octets)
{
	uint64_t most = maildir->options.mailbox_max, messages = maildir->options.messages_max;
	if (messages && mailbox->messages >= messages)
		return false;
	return !most || (octets <= most && mailbox->octets <= most - octets);
}

int mailbox_reserve(struct maildir *maildir, struct mailbox *mailbox, uint64_t octets)
{
	if (!maildir_usage_has_quota(maildir))
		return 0;
	bool good = mailbox->counted && maildir_usage_has_room(maildir, mailbox, octets);
	if (!good && !(mailbox->counted &&
	                     maildir_usage_clock_s() - mailbox->counted_at_s < BELIEVED_S)) {
		int error = maildir_usage_count(maildir, mailbox);
		if (error < 0)
			return error;
		good = maildir_usage_has_room(maildir, mailbox, octets);
	}
	if (!good) {
		maildir->counters.over_quota++;
		return -EDQUOT;
	}
	mailbox->octets += octets;
	mailbox->messages++;
	return 0;
}

void mailbox_release(struct mailbox *mailbox, uint64_t octets)
{
	if (!mailbox->counted)
		return;
	mailbox->octets -= min_of(octets, mailbox->octets);
	mailbox->messages -= mailbox->messages > 0;
}

/* The lock is held during writes to the disk: this must not wait for it. */
static void maildir_usage_show(struct mailbox *mailbox, weir_mailbox_usage_fn *show, void *context)
{
	if (pthread_mutex_trylock(&mailbox->lock) != 0)
		return;
	const struct weir_mailbox_usage usage = {mailbox->user, mailbox->octets, mailbox->messages};
	bool counted = mailbox->counted;
	pthread_mutex_unlock(&mailbox->lock);
	if (counted)
		show(context, &usage);
}

void maildir_each_usage(struct weir_mail_store *store, weir_mailbox_usage_fn *show, void *context)
{
	struct maildir *maildir = WEIR_CONTAINER(store, struct maildir, base);
	pthread_mutex_lock(&maildir->lock);
	for (unsigned i = 0; i < MAILBOX_BUCKETS; i++)
		for (struct mailbox *at = maildir->buckets[i]; at; at = at->next)
			maildir_usage_show(at, show, context);
	pthread_mutex_unlock(&maildir->lock);
}

void mailbox_note_use(struct mailbox *mailbox, bool worked)
{
	mailbox->usable = worked;
	mailbox->failed = !worked;
}

/*
 * A message grows by the fields that are added to it. The last one without room for these is
 * recognised by its SIZE.
 */
static uint64_t maildir_usage_mailbox_need(const struct mailbox *mailbox, uint64_t octets)
{
	return octets && octets == mailbox->unfit_announced ? mailbox->unfit : octets;
}

/* With mailbox->lock held. */
static bool maildir_usage_mailbox_fits(
        const struct maildir *maildir, const struct mailbox *mailbox, uint64_t octets)
{
	if (!maildir_usage_has_quota(maildir))
		return mailbox->usable;
	return mailbox->usable && mailbox->counted &&
	       maildir_usage_clock_s() - mailbox->counted_at_s < WEIR_MAIL_RECOUNT_S &&
	       maildir_usage_has_room(
	               maildir, mailbox, maildir_usage_mailbox_need(mailbox, octets));
}

bool mailbox_is_known_good(struct maildir *maildir, const char *user, uint64_t octets)
{
	bool good = false;
	pthread_mutex_lock(&maildir->lock);
	struct mailbox *mailbox = *maildir_usage_bucket_of(maildir, user);
	while (mailbox && strcmp(mailbox->user, user) != 0)
		mailbox = mailbox->next;
	/* The lock is held during writes to the disk: this must not wait for it. */
	if (mailbox && pthread_mutex_trylock(&mailbox->lock) == 0) {
		good = maildir_usage_mailbox_fits(maildir, mailbox, octets);
		pthread_mutex_unlock(&mailbox->lock);
	}
	pthread_mutex_unlock(&maildir->lock);
	return good;
}

/*
 * Modes and mount options show why a directory cannot be used. If they do not, it has to be tried.
 */
static int maildir_usage_probe_directory(int directory, bool thoroughly)
{
	static const char name[] = ".weir-probe";
	if (faccessat(directory, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return -errno;
	if (!thoroughly)
		return 0;
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return unlinkat(directory, name, 0) < 0 ? -errno : 0;
}

static int maildir_usage_probe(struct maildir *maildir, struct mailbox *mailbox, uint64_t octets)
{
	int directory = maildir_open_directory(maildir, mailbox->user, "new");
	int error = directory < 0 ? directory
	                          : maildir_usage_probe_directory(directory, mailbox->failed);
	if (directory >= 0)
		close(directory);
	mailbox_note_use(mailbox, error == 0);
	if (error < 0)
		return error;
	uint64_t need = maildir_usage_mailbox_need(mailbox, octets);
	error = mailbox_reserve(maildir, mailbox, need);
	if (error == 0 && maildir_usage_has_quota(maildir))
		mailbox_release(mailbox, need);
	return error;
}

int mailbox_probe(struct maildir *maildir, const char *user, uint64_t octets)
{
	struct mailbox *mailbox = mailbox_get(maildir, user);
	if (!mailbox)
		return -ENOMEM;
	mailbox_begin(maildir, mailbox);
	int error = maildir_usage_probe(maildir, mailbox, octets);
	mailbox_end(maildir, mailbox);
	mailbox_put(maildir, mailbox);
	return error;
}

bool mailbox_sweep_due(struct mailbox *mailbox)
{
	int64_t now = maildir_usage_clock_s();
	pthread_mutex_lock(&mailbox->lock);
	bool due = !mailbox->swept || now - mailbox->swept_at_s > SWEEP_PERIOD_S;
	mailbox->swept = true;
	mailbox->swept_at_s = now;
	pthread_mutex_unlock(&mailbox->lock);
	return due;
}
