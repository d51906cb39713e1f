/* The queue, for the files of this folder only. */
#ifndef WEIR_MAIL_QUEUE_STATE_H
#define WEIR_MAIL_QUEUE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <weir/buffer.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>

/* -- files: these block ------------------------------------------------------------------------ */

enum {
	QUEUE_NAME = 32 /* room for the name of a file in the queue */
};

void mail_queue_name(char ret[QUEUE_NAME], const char *id, const char *suffix);
bool mail_queue_is_id(const char *id, size_t size);

/* A new one; no two of a directory are alike. 0 or -EIO. */
int mail_queue_make_id(char ret[WEIR_QUEUE_ID_SIZE]);

/* The text of an envelope's file. */
int mail_queued_format(const struct weir_queued *queued, struct weir_buffer *text);

/* May it be put in? 0, WEIR_E_LIMIT or -EINVAL. */
int mail_queue_check(
        const struct weir_mail_queue *queue, const struct weir_mail_envelope *envelope);

/* A new message for this envelope, due at once; its size is 0 yet. NULL without memory. */
struct weir_queued *mail_queued_make(const struct weir_mail_envelope *envelope, int64_t now_s);

/* 0, WEIR_E_SYNTAX or -ENOMEM. The id and fd are the caller's to set. */
int mail_queued_parse(struct weir_span text, struct weir_queued **ret);

/* Reads ID.env; and with `open_message` opens ID.msg. */
int mail_queued_load(int directory, const char *id, bool open_message, struct weir_queued **ret);

/* Replaces ID.env by it, on the disk. */
int mail_queued_store(int directory, const struct weir_queued *queued);

/* Both files; the envelope first, and on the disk before the message goes. */
int mail_queued_remove(int directory, const char *id);

/* Closes what is open. NULL is allowed. */
void mail_queued_free(struct weir_queued *queued);

/* The names in a directory that are ID and `suffix`. `found` answers false to stop. */
int mail_queue_scan(int directory, const char *suffix, bool (*found)(void *context, const char *id),
        void *context);

/* Locks it. -EBUSY: another process has. The descriptor, or a negative errno. */
int mail_queue_lock(int directory);

int mail_queue_write(int fd, struct weir_span bytes);

/* -- in memory --------------------------------------------------------------------------------- */

struct queue_entry {
	char id[WEIR_QUEUE_ID_SIZE];
	bool taken;   /* not in the heap */
	bool deleted; /* to be removed when it is given back */
	bool retried; /* … or due at once */
	/*
	 * What it is like now, where the disk would not take that: whom it was sent to must not be
	 * forgotten as long as the process lives.
	 */
	struct weir_queued *kept;
	size_t place; /* in the heap, or among those taken */
	int64_t next_s;
};

/* Entries, the one that is due first in front (a binary heap); then those taken, in any order. */
struct weir_mail_queue {
	struct weir_mail_sink sink;
	int directory;
	int control;
	int lock_fd;
	uint64_t message_max;
	unsigned messages_max;

	atomic_uint references; /* the owner's, and those of deliveries, which may end later */
	pthread_mutex_t lock;   /* guards all below */
	struct queue_entry **heap;
	size_t heap_count;
	struct queue_entry **taken;
	size_t taken_count;
	size_t capacity;        /* of either */
	size_t kept_count;      /* entries with `kept` */
	size_t reserved;        /* messages on their way in */
	struct weir_loop *loop; /* who listens; NULL: nobody */
	struct queue_waker *waker;
	void (*changed)(void *context);
	void *context;
	bool obeying; /* the work pool reads control/ */
	pthread_cond_t obeyed;

	struct weir_watch watch; /* of the control directory; the loop's */
	struct control_job *control_job;
};

/* The last frees. */
void mail_queue_hold(struct weir_mail_queue *queue);
void mail_queue_release(struct weir_mail_queue *queue);

/* A place for one more: 0, WEIR_E_LIMIT, -ENOMEM. Given up, or used by mail_queue_add. */
int mail_queue_reserve(struct weir_mail_queue *queue);
void mail_queue_unreserve(struct weir_mail_queue *queue);

/* Puts a message that is on the disk in; cannot fail. */
void mail_queue_add(struct weir_mail_queue *queue, struct queue_entry *entry);

/* The entry, or NULL. With the lock. */
struct queue_entry *mail_queue_find(struct weir_mail_queue *queue, const char *id);

/* With the lock, or when nobody else can have it. */
void mail_queue_free_entry(struct weir_mail_queue *queue, struct queue_entry *entry);

/* Opens ID.msg. */
int mail_queued_open(int directory, struct weir_queued *queued);

/* Takes it out of the heap. With the lock. */
void mail_queue_unheap(struct weir_mail_queue *queue, struct queue_entry *entry);
void mail_queue_heap(struct weir_mail_queue *queue, struct queue_entry *entry);

/* Tells who listens. With the lock. */
void mail_queue_wake(struct weir_mail_queue *queue);

/* What stands in control/. On the work pool. */
void mail_queue_obey(struct weir_mail_queue *queue);

int mail_queue_control_start(struct weir_mail_queue *queue);
void mail_queue_control_stop(struct weir_mail_queue *queue);

extern const struct weir_mail_sink_type mail_queue_sink_type;

#endif
