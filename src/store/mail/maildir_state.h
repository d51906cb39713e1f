/*
 * A store of Maildirs, for its files.
 *
 *   maildir.c           the store, its tables of functions, directories beneath the root
 *   maildir_usage.c     the size of each mailbox, in memory
 *   maildir_delivery.c  the sink (see mail_intake.c): the file of a message; checks of recipients
 *   maildir_commit.c    batches of messages, and writing one
 *   maildir_list.c      the names of a mailbox
 *   maildir_drop.c      maildrops: open, info, removing messages, close
 *   maildir_fetch.c     maildrops: opening a message
 */
#ifndef WEIR_MAILDIR_STATE_H
#define WEIR_MAILDIR_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include <weir/buffer.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/mail_store.h>

#include "mail_message.h"
#include "refcount.h"

/* -- the store --------------------------------------------------------------------------------- */

enum {
	MAILBOX_BUCKETS = 1024
};

struct maildir_counters {
	atomic_uint_fast64_t messages, files, file_syncs, directory_syncs, counts, over_quota;
};

struct maildir {
	struct weir_mail_store base;
	struct refcount references; /* the creator's, and one for everything under way */
	int root;
	bool unnamed_files; /* the file system supports unnamed files that can be linked later */
	struct weir_mail_store_options options;
	struct maildir_counters counters;

	pthread_mutex_t lock; /* covers the fields below */
	struct mailbox *buckets[MAILBOX_BUCKETS];
	struct weir_list unused; /* mailboxes without references, the longest unused first */
	unsigned unused_count;
	struct weir_list queues; /* one for each loop that has deliveries */
};

struct maildir *maildir_hold(struct maildir *maildir);
void maildir_release(struct maildir *maildir);

/*
 * -- calls (struct weir_mail_call) ---------------------------------------------------------------
 */

/* The first field of every job of a call. `call` is NULL if it was cancelled. */
struct maildir_job {
	struct weir_work work;
	struct weir_mail_call *call;
};

static inline struct maildir_job *maildir_job(struct weir_work *work)
{
	return WEIR_CONTAINER(work, struct maildir_job, work);
}

/* Submits the job and points the call to it. Returns 0 or an error of weir_work_submit. */
int maildir_submit(struct weir_loop *loop, enum weir_lane lane, struct maildir_job *job,
        struct weir_mail_call *call, void (*run)(struct weir_work *work),
        void (*done)(struct weir_work *work));

/* Ends a job: returns its call, detached from it; NULL: cancelled. */
struct weir_mail_call *maildir_job_end(struct maildir_job *job);

/*
 * -- directories: any thread, blocking -----------------------------------------------------------
 */

/*
 * Opens USER, or USER/part if `part` is not NULL; creates the mailbox if it does not exist. Returns
 * the descriptor or a negative errno.
 */
int maildir_open_directory(struct maildir *maildir, const char *user, const char *part);

/* Opens `path` beneath a directory; nothing on the way may be a symbolic link. */
int maildir_open_beneath(int directory, const char *path, uint64_t flags, bool cached);

/* Removes old files from tmp/. */
void maildir_sweep(int user_directory);

/* Whether the entry of a directory is a regular file that can be a message. */
struct dirent;
bool maildir_is_message(int directory, const struct dirent *entry);

/* fsync, which is counted. */
int maildir_sync(struct maildir *maildir, int directory);

/*
 * -- the size of a mailbox ------------------------------------------------------------------------
 */

struct mailbox {
	struct mailbox *next;  /* in its bucket */
	struct weir_list link; /* in maildir->unused */
	unsigned references;   /* under maildir->lock */

	pthread_mutex_t
	        lock; /* covers the fields below; also held while the directories are changed */
	bool counted;
	bool swept;
	uint64_t octets;
	uint64_t messages;
	struct timespec changed[2]; /* mtimes of new/ and cur/ after our last change */
	int64_t counted_at_s;       /* by the monotonic clock */
	bool usable;                /* the last use of its directories has succeeded */
	bool failed;                /* the last use has failed: checking the modes is not enough */
	uint64_t unfit_announced;   /* SIZE of the last message for which there was no room */
	uint64_t unfit;             /* bytes of that message */
	int64_t swept_at_s;
	char user[];
};

/* Returns the user's mailbox; NULL without memory. Any thread. */
struct mailbox *mailbox_get(struct maildir *maildir, const char *user);
void mailbox_put(struct maildir *maildir, struct mailbox *mailbox);
void mailboxes_free(struct maildir *maildir);

/* Must enclose our changes to new/ and cur/: the lock is held from `begin` to `end`. */
void mailbox_begin(struct maildir *maildir, struct mailbox *mailbox);
void mailbox_end(struct maildir *maildir, struct mailbox *mailbox);

/* Between these: reserves room for a message. Returns 0, -EDQUOT, or an errno of counting. */
int mailbox_reserve(struct maildir *maildir, struct mailbox *mailbox, uint64_t octets);
void mailbox_release(struct mailbox *mailbox, uint64_t octets);

/* Between these, at the end of a use: records whether the directories could be used. */
void mailbox_note_use(struct mailbox *mailbox, bool worked);

/* Whether a message of `size` bytes (0: not known) fits, as far as memory knows; false: probe. */
bool mailbox_is_known_good(struct maildir *maildir, const char *user, uint64_t octets);

/* Examines the directories. Returns 0, -EDQUOT, or the error that prevents a use. Blocks. */
int mailbox_probe(struct maildir *maildir, const char *user, uint64_t octets);

/* A function of struct weir_mail_store_type. */
void maildir_each_usage(struct weir_mail_store *store, weir_mailbox_usage_fn *show, void *context);

/* Returns true from time to time: tmp/ should be swept. */
bool mailbox_sweep_due(struct mailbox *mailbox);

/*
 * -- the file of a message ------------------------------------------------------------------------
 */

struct mail_file {
	int fd; /* -1: not open */
	uint64_t size;
	uint64_t writeback_started;
	char *hidden; /* its path in tmp/, beneath the root; NULL: unnamed */
};

/*
 * Any thread, blocking. Errors are negative errnos. `user`: the owner of the tmp/ that is used for
 * a name. `several`: the file will be linked more than once.
 */
int mail_file_sync(struct maildir *maildir, struct mail_file *file);
int mail_file_link(
        struct maildir *maildir, const struct mail_file *file, int directory, const char *name);
/* Closes the file and removes its name in tmp/. Has no effect if it is closed. */
void mail_file_close(struct maildir *maildir, struct mail_file *file);

/* Whether the file system of `root` supports unnamed files. */
bool mail_file_can_be_unnamed(int root);

/*
 * -- deliveries
 * ------------------------------------------------------------------------------------
 */

struct maildir_delivery {
	struct mail_intake intake;
	struct maildir *maildir;
	struct maildir_queue *queue;
	struct maildir_delivery *next; /* in its queue or batch */
	struct mail_scan scan;
	struct mail_file file; /* the work pool's at times; see mail_intake.h */
	bool together;         /* all recipients or none */
	uint64_t announced;    /* SIZE of the client, in bytes */
	char name[MAIL_NAME_SIZE];
	const char **users; /* one for each recipient; NULL: the name can have no mailbox */
};

extern const struct weir_mail_sink_type maildir_sink;

/* A function of struct mail_intake_type. */
int maildir_delivery_write(struct mail_intake *intake, struct weir_span bytes);

/*
 * -- batches
 * ---------------------------------------------------------------------------------------
 */

/* A batch under way. */
struct maildir_lane {
	struct weir_work work;
	struct maildir_queue *queue;
	struct maildir_delivery *first;
	bool busy;
};

/* The deliveries of a loop that wait for the disk. Belongs to the loop, except `link`. */
struct maildir_queue {
	struct weir_list link; /* in maildir->queues */
	struct weir_task task; /* starts lanes */
	struct maildir *maildir;
	struct weir_loop *loop;
	struct local_refcount references; /* of deliveries */
	struct maildir_delivery *first;
	struct maildir_delivery **last;
	unsigned waiting;
	struct maildir_lane lanes[WEIR_MAIL_LANES];
};

struct maildir_queue *maildir_queue_get(struct maildir *maildir, struct weir_loop *loop);
void maildir_queue_put(struct maildir_queue *queue);

/* Adds a committed delivery to the next batch. Returns 0 or WEIR_E_LIMIT. */
int maildir_queue_add(struct maildir_queue *queue, struct maildir_delivery *delivery);

/* On the work pool: writes, syncs, links and syncs again; sets each delivery's errors. */
void maildir_commit(struct maildir *maildir, struct maildir_delivery *first);

/*
 * -- maildrops
 * -------------------------------------------------------------------------------------
 */

enum message_flag {
	MESSAGE_CUR = 1,      /* in cur/, otherwise in new/ */
	MESSAGE_MEASURED = 2, /* two uint64_t are before the name: bytes of the file, and octets */
	MESSAGE_DOTLESS = 4,  /* no line begins with a dot, and the last line is complete */
};

/*
 * Names in one block: [measures][flags][name NUL]. A message is the offset of its flags, so that it
 * takes its name and six bytes.
 */
struct maildir_list {
	struct weir_buffer names;
	struct weir_buffer offsets; /* of uint32_t, oldest first */
};

struct maildir_message {
	const char *name;
	uint8_t flags;
	uint64_t stored;
	uint64_t octets;
	struct weir_span unique;
	bool dotless;
};

/* Reads new/ and cur/. Returns 0 or a negative errno. On the work pool. */
int maildir_list_read(struct maildir_list *list, int user_directory);
void maildir_list_free(struct maildir_list *list);
void maildir_list_get(const struct maildir_list *list, size_t index, struct maildir_message *ret);

/* Finds the message of this name, with any flags. Returns 0 or -ENOENT. */
int maildir_list_find(
        const struct maildir_list *list, struct weir_span unique, struct maildir_message *ret);

struct maildir_drop {
	struct weir_maildrop base;
	struct maildir *maildir;
	struct weir_loop *loop;
	struct mailbox *mailbox;
	int directory; /* the user's, locked */
	bool removing; /* a removal is on the work pool */
	bool closed;   /* closed during the removal */
	struct maildir_list list;
};

void maildir_open(struct weir_mail_store *store, struct weir_loop *loop, struct weir_span user,
        struct weir_mail_call *call, weir_mail_opened_fn *done);
void maildir_info(const struct weir_maildrop *base, size_t index, struct weir_mail_info *ret);
void maildir_fetch(struct weir_maildrop *base, size_t index, struct weir_mail_call *call,
        weir_mail_fetched_fn *done);
void maildir_remove(struct weir_maildrop *base, const uint8_t *marks, struct weir_mail_call *call,
        weir_mail_removed_fn *done);
void maildir_close(struct weir_maildrop *base);

#endif
