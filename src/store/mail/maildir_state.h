/*
 * A Maildir store, for its files.
 *
 *   maildir.c           the store and its tables of functions
 *   maildir_open.c      directories beneath the root
 *   maildir_usage.c     what is remembered of a mailbox: how full it is
 *   maildir_file.c      the file of a message on its way
 *   maildir_delivery.c  a message on its way (mail_intake.c), and what is special about these
 *   maildir_check.c     whether a mailbox would take a message
 *   maildir_queue.c     which messages go to the disk together
 *   maildir_commit.c    … and how
 *   maildir_list.c      the names of a mailbox
 *   maildir_drop.c      maildrops: open, info, close
 *   maildir_fetch.c     … a message to read
 *   maildir_remove.c    … messages to remove
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

#include "mail_intake.h"
#include "mail_name.h"

/* -- the store --------------------------------------------------------------------------------- */

enum {
	MAILBOX_BUCKETS = 1024
};

struct maildir_counters {
	atomic_uint_fast64_t messages, files, file_syncs, directory_syncs, counts;
};

struct maildir {
	struct weir_mail_store base;
	atomic_uint references; /* its creator's, and one for all that is under way */
	int root;
	bool nameless; /* files without a name can be had, and named later */
	struct weir_mail_store_options options;
	struct maildir_counters counters;

	pthread_mutex_t lock; /* guards what follows */
	struct mailbox *buckets[MAILBOX_BUCKETS];
	struct weir_list unused; /* mailboxes without references, the longest unused first */
	unsigned unused_count;
	struct weir_list queues; /* one a loop that has deliveries */
};

struct maildir *maildir_hold(struct maildir *maildir);
void maildir_release(struct maildir *maildir);

/* -- calls (struct weir_mail_call) --------------------------------------------------------------- */

/* Begins every job of a call. `call` is NULL once it was cancelled. */
struct maildir_job {
	struct weir_work work;
	struct weir_mail_call *call;
};

static inline struct maildir_job *maildir_job(struct weir_work *work)
{
	return WEIR_CONTAINER(work, struct maildir_job, work);
}

/* Submits the job, which its call then points to. 0 or an error of weir_work_submit. */
int maildir_submit(struct weir_loop *loop, enum weir_lane lane, struct maildir_job *job,
        struct weir_mail_call *call, void (*run)(struct weir_work *work),
        void (*done)(struct weir_work *work));

/* The call of a job that is done, now without it; NULL: cancelled. */
struct weir_mail_call *maildir_job_end(struct maildir_job *job);

/* -- directories: any thread, blocking ----------------------------------------------------------- */

/* Whether a mailbox may have this name. */
bool maildir_user_good(struct weir_span user);

/*
 * Opens USER, or USER/part if `part` is not NULL; makes the mailbox if it is not there. The
 * descriptor or a negative errno.
 */
int maildir_open_directory(struct maildir *maildir, const char *user, const char *part);

/* Opens `path` beneath a directory; nothing on the way may be a symbolic link. */
int maildir_open_beneath(int directory, const char *path, uint64_t flags, bool cached);

/* Removes what was left in tmp/ long ago. */
void maildir_sweep(int user_directory);

/* Whether a directory's entry can be a message, and is a regular file. */
struct dirent;
bool maildir_is_message(int directory, const struct dirent *entry);

/* fsync, counted. */
int maildir_sync(struct maildir *maildir, int directory);

/* -- how full a mailbox is ------------------------------------------------------------------------ */

struct mailbox {
	struct mailbox *next;  /* in its bucket */
	struct weir_list link; /* in maildir->unused */
	unsigned references;   /* under maildir->lock */

	pthread_mutex_t lock; /* guards what follows, and is held while we change the directories */
	bool counted;
	bool swept;
	uint64_t octets;
	uint64_t messages;
	struct timespec changed[2]; /* mtimes of new/ and cur/ as we left them */
	int64_t counted_at_s;       /* by the monotonic clock */
	bool usable;                /* what was done with its directories last has worked */
	bool failed;                /* … has not: a look at the modes will not do */
	uint64_t unfit_announced;   /* of the message that had no room last: what it said to have */
	uint64_t unfit;             /* … and its bytes */
	int64_t swept_at_s;
	char user[];
};

/* A mailbox of its own for each user; NULL without memory. Any thread. */
struct mailbox *mailbox_get(struct maildir *maildir, const char *user);
void mailbox_put(struct maildir *maildir, struct mailbox *mailbox);
void mailboxes_free(struct maildir *maildir);

/* Around changes of ours to new/ and cur/: the lock is held from `begin` to `end`. */
void mailbox_begin(struct maildir *maildir, struct mailbox *mailbox);
void mailbox_end(struct maildir *maildir, struct mailbox *mailbox);

/* Between them. Room for a message? 0, it counts now; -EDQUOT; or an errno of counting. */
int mailbox_take(struct maildir *maildir, struct mailbox *mailbox, uint64_t octets);
void mailbox_give(struct mailbox *mailbox, uint64_t octets);

/* Between them, as the end of a use: whether the directories could be used. */
void mailbox_note_use(struct mailbox *mailbox, bool worked);

/* True if a message of so many bytes (0: not known) fits, from memory alone; false: look. */
bool mailbox_is_known_good(struct maildir *maildir, const char *user, uint64_t octets);

/* Looks at the directories of the mailbox: 0, -EDQUOT or what keeps it from being used. Blocks. */
int mailbox_probe(struct maildir *maildir, const char *user, uint64_t octets);

/* True once in a while: tmp/ should be swept. */
bool mailbox_sweep_due(struct mailbox *mailbox);

/* -- the file of a message ------------------------------------------------------------------------ */

struct mail_file {
	int fd; /* -1: none yet */
	uint64_t size;
	uint64_t kicked;
	char *hidden; /* its path in tmp/, beneath the root; NULL: it has no name */
};

/*
 * Any thread, blocking. Errors are negative errnos. `user`: in whose tmp/ a name may be. `several`:
 * it will be linked more than once.
 */
int mail_file_open(struct maildir *maildir, struct mail_file *file, const char *user, bool several);
int mail_file_write(struct mail_file *file, struct weir_span bytes);
int mail_file_sync(struct maildir *maildir, struct mail_file *file);
int mail_file_link(
        struct maildir *maildir, const struct mail_file *file, int directory, const char *name);
/* Closes it; a name in tmp/ goes. Harmless when it is closed. */
void mail_file_close(struct maildir *maildir, struct mail_file *file);

/* Whether `root` is on a file system that has files without a name. */
bool mail_file_can_be_unnamed(int root);

/* -- deliveries ------------------------------------------------------------------------------------ */

struct maildir_delivery {
	struct mail_intake intake;
	struct maildir *maildir;
	struct maildir_queue *queue;
	struct maildir_delivery *next; /* in its queue or batch */
	struct mail_scan scan;
	struct mail_file file; /* the work pool's, as is told in mail_intake.h */
	bool together;         /* for all or for none */
	uint64_t announced;    /* bytes, as the client said */
	char name[MAIL_NAME_SIZE];
	const char **users; /* one a recipient: whose mailbox; NULL: there can be none */
};

extern const struct weir_mail_sink_type maildir_sink;

/* Of struct weir_mail_sink_type; see maildir_check.c. */
int maildir_check(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_recipient *recipient, uint64_t size, struct weir_mail_check *check,
        void (*done)(void *context, int error), void *context);
void maildir_check_cancel(struct weir_mail_check *check);

/* Of struct mail_intake_type. */
int maildir_delivery_write(struct mail_intake *intake, struct weir_span bytes);

/* -- batches --------------------------------------------------------------------------------------- */

/* A batch under way. */
struct maildir_lane {
	struct weir_work work;
	struct maildir_queue *queue;
	struct maildir_delivery *first;
	bool busy;
};

/* What one loop has waiting for the disk. Its own, but for `link`. */
struct maildir_queue {
	struct weir_list link; /* in maildir->queues */
	struct weir_task task; /* starts lanes */
	struct maildir *maildir;
	struct weir_loop *loop;
	unsigned references; /* deliveries */
	struct maildir_delivery *first;
	struct maildir_delivery **last;
	unsigned waiting;
	struct maildir_lane lanes[WEIR_MAIL_LANES];
};

struct maildir_queue *maildir_queue_get(struct maildir *maildir, struct weir_loop *loop);
void maildir_queue_put(struct maildir_queue *queue);

/* Puts a committed delivery in the next batch. 0 or WEIR_E_LIMIT. */
int maildir_queue_add(struct maildir_queue *queue, struct maildir_delivery *delivery);

/* On the work pool: writes, syncs, links and syncs again; sets each one's errors. */
void maildir_commit(struct maildir *maildir, struct maildir_delivery *first);

/* -- maildrops ------------------------------------------------------------------------------------- */

enum message_flag {
	MESSAGE_CUR = 1, /* in cur/, else in new/ */
	MESSAGE_MEASURED =
	        2,           /* two uint64_t stand before the name: bytes of the file, and octets */
	MESSAGE_DOTLESS = 4, /* … and ended */
};

/*
 * Names in one block: [measures][flags][name NUL]. A message is the offset of its flags: what a
 * message costs is its name and six bytes.
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

/* Reads new/ and cur/. 0 or a negative errno. On the work pool. */
int maildir_list_read(struct maildir_list *list, int user_directory);
void maildir_list_free(struct maildir_list *list);
void maildir_list_get(const struct maildir_list *list, size_t index, struct maildir_message *ret);

/* The message of this name, whatever its flags. 0 or -ENOENT. */
int maildir_list_find(
        const struct maildir_list *list, struct weir_span unique, struct maildir_message *ret);

struct maildir_drop {
	struct weir_maildrop base;
	struct maildir *maildir;
	struct weir_loop *loop;
	struct mailbox *mailbox;
	int directory; /* the user's, and locked */
	bool removing; /* on the work pool */
	bool closed;   /* … meanwhile */
	struct maildir_list list;
};

void maildir_open(struct weir_mail_store *store, struct weir_loop *loop, struct weir_span user,
        struct weir_mail_call *call,
        void (*done)(struct weir_mail_call *call, int error, struct weir_maildrop *drop));
void maildir_info(const struct weir_maildrop *base, size_t index, struct weir_mail_info *ret);
void maildir_fetch(struct weir_maildrop *base, size_t index, struct weir_mail_call *call,
        void (*done)(struct weir_mail_call *call, int error, struct weir_mail_body *body));
void maildir_remove(struct weir_maildrop *base, const uint8_t *marks, struct weir_mail_call *call,
        void (*done)(struct weir_mail_call *call, int error, size_t removed));
void maildir_close(struct weir_maildrop *base);

#endif
