/* The queue, for the files of this folder only. */
#ifndef WEIR_MAIL_QUEUE_STATE_H
#define WEIR_MAIL_QUEUE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <weir/buffer.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>

#include "refcount.h"

/* -- files: these block ------------------------------------------------------------------------ */

enum {
	QUEUE_NAME = 32 /* bytes of a file name in the queue */
};

void mail_queue_name(char ret[QUEUE_NAME], const char *id, const char *suffix);
bool mail_queue_is_id(const char *id, size_t size);

/* Makes a new id, unique in the directory. Returns 0 or -EIO. */
int mail_queue_make_id(char ret[WEIR_QUEUE_ID_SIZE]);

/* Formats an envelope's file. */
int mail_queued_format(const struct weir_queued *queued, struct weir_buffer *text);

/* Checks an envelope. Returns 0, WEIR_E_LIMIT or -EINVAL. */
int mail_queue_check(
        const struct weir_mail_queue *queue, const struct weir_mail_envelope *envelope);

/* Makes a message for this envelope, due at once; its size is set later. NULL without memory. */
struct weir_queued *mail_queued_make(const struct weir_mail_envelope *envelope, int64_t now_s);

/* Parses an envelope. Returns 0, WEIR_E_SYNTAX or -ENOMEM. The caller sets id and fd. */
int mail_queued_parse(struct weir_span text, struct weir_queued **ret);

/* Reads ID.env, and with `open_message` opens ID.msg. */
int mail_queued_load(int directory, const char *id, bool open_message, struct weir_queued **ret);

/* Replaces ID.env, and syncs. */
int mail_queued_store(int directory, const struct weir_queued *queued);

/* Removes both files: the envelope first, and synced before the message. */
int mail_queued_remove(int directory, const char *id);

/* Closes its file and frees it. NULL is allowed. */
void mail_queued_free(struct weir_queued *queued);

/* Calls `found` for each name of ID and `suffix`, until it returns false. */
int mail_queue_scan(int directory, const char *suffix, bool (*found)(void *context, const char *id),
        void *context);

/*
 * Locks the queue. Returns the descriptor, -EBUSY if another process has it, or an errno. After
 * -EBUSY *turn, which is -1 at first, may be another lock, on the directory: nobody else gets the
 * queue before this process tries again, or ends. So what it stores meanwhile is found by the next
 * one, even if this one never gets the queue.
 */
int mail_queue_lock(int directory, int *turn);
void mail_queue_give_up_turn(int *turn);

int mail_queue_write(int fd, struct weir_span bytes);

/* -- in memory --------------------------------------------------------------------------------- */

struct queue_entry {
	char id[WEIR_QUEUE_ID_SIZE];
	bool claimed; /* not in the heap */
	bool deleted; /* to be removed when it is requeued */
	bool retried; /* to be due at once when it is requeued */
	/*
	 * The present state, if it could not be written: recipients that have got the message must
	 * not be forgotten as long as the process lives.
	 */
	struct weir_queued *unsaved;
	size_t index; /* in the heap, or among the claimed ones */
	int64_t next_s;
};

/*
 * A binary heap of entries, with the one that is due first in front; then the claimed ones, in any
 * order.
 */
struct weir_mail_queue {
	struct weir_mail_sink sink;
	int directory;
	int control;
	int lock_fd;
	int turn;    /* see mail_queue_lock */
	bool merges; /* it was taken over: entries may be found twice */
	uint64_t message_max;
	unsigned messages_max;

	struct refcount references; /* the owner's, and those of deliveries, which may end later */
	pthread_mutex_t lock;       /* covers the fields below */
	struct queue_entry **heap;
	size_t heap_count;
	struct queue_entry **claimed;
	size_t claimed_count;
	size_t capacity;                 /* of each array */
	size_t unsaved_count;            /* number of entries with `unsaved` */
	char oldest[WEIR_QUEUE_ID_SIZE]; /* the least id; empty: it is to be looked for */
	size_t reserved;                 /* reservations for messages on their way in */
	struct weir_loop *loop;          /* the loop that listens; NULL: none */
	struct queue_waker *waker;
	weir_mail_queue_changed_fn *changed;
	void *context;
	bool controlling; /* the work pool is reading control/ */
	pthread_cond_t processed;

	struct weir_watch watch; /* of the control directory; on the loop */
	struct control_job *control_job;
};

/* The last release frees. */
void mail_queue_hold(struct weir_mail_queue *queue);
void mail_queue_release(struct weir_mail_queue *queue);

/*
 * Reserves room for one more. Returns 0, WEIR_E_LIMIT or -ENOMEM. Then release it, or use it in
 * mail_queue_add.
 */
int mail_queue_reserve(struct weir_mail_queue *queue);
void mail_queue_unreserve(struct weir_mail_queue *queue);

/* Adds a message that is on the disk; cannot fail. */
void mail_queue_add(struct weir_mail_queue *queue, struct queue_entry *entry);

/* Frees an entry. With the lock held, or when no other thread can have the queue. */
void mail_queue_free_entry(struct weir_mail_queue *queue, struct queue_entry *entry);

/* Opens ID.msg. */
int mail_queued_open(int directory, struct weir_queued *queued);

/* -- mail_queue_heap.c: with the lock held, and room in the arrays -- */

void mail_queue_heap(struct weir_mail_queue *queue, struct queue_entry *entry);
void mail_queue_unheap(struct weir_mail_queue *queue, struct queue_entry *entry);
void mail_queue_add_claimed(struct weir_mail_queue *queue, struct queue_entry *entry);
void mail_queue_remove_claimed(struct weir_mail_queue *queue, struct queue_entry *entry);
/* Finds an entry in both arrays, or NULL. */
struct queue_entry *mail_queue_find(struct weir_mail_queue *queue, const char *id);

/* -- mail_queue.c and others -- */

/* Notifies the listener. With the lock held. */
void mail_queue_wake(struct weir_mail_queue *queue);

int mail_queue_control_start(struct weir_mail_queue *queue);
void mail_queue_control_stop(struct weir_mail_queue *queue);

extern const struct weir_mail_sink_type mail_queue_sink_type;

#endif
