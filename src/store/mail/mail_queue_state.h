/* The queue, for the files of this folder only. */
#ifndef WEIR_MAIL_QUEUE_STATE_H
#define WEIR_MAIL_QUEUE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <weir/buffer.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>

#include "mail_queued.h"
#include "refcount.h"

/* -- files: these block ------------------------------------------------------------------------ */

enum {
	QUEUE_NAME = 32,   /* bytes of a file name in the queue */
	QUEUE_FILE_ID = 17 /* bytes of an id: 16 hexadecimal digits and NUL */
};

void mail_queue_name(char ret[QUEUE_NAME], const char *id, const char *suffix);
bool mail_queue_is_id(const char *id, size_t size);

/* Makes a new id, unique in the directory. Returns 0 or -EIO. */
int mail_queue_make_id(char ret[QUEUE_FILE_ID]);

/* Formats an envelope's file. */
int mail_queued_format(const struct weir_queued *queued, struct weir_buffer *text);

/* Parses an envelope. Returns 0, WEIR_E_SYNTAX or -ENOMEM. The caller sets id and fd. */
int mail_queued_parse(struct weir_span text, struct weir_queued **ret);

/* Reads ID.env, and with `open_message` opens ID.msg. */
int mail_queued_load(int directory, const char *id, bool open_message, struct weir_queued **ret);

/* Replaces ID.env, and syncs. */
int mail_queued_store(int directory, const struct weir_queued *queued);

/* Removes both files: the envelope first, and synced before the message. */
int mail_queued_remove(int directory, const char *id);

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
	char id[QUEUE_FILE_ID];
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
struct queue_files {
	struct weir_mail_queue base;
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
	size_t capacity;            /* of each array */
	size_t unsaved_count;       /* number of entries with `unsaved` */
	char oldest[QUEUE_FILE_ID]; /* the least id; empty: it is to be looked for */
	size_t reserved;            /* reservations for messages on their way in */
	struct weir_loop *loop;     /* the loop that listens; NULL: none */
	struct mail_waker *waker;
	weir_mail_queue_changed_fn *changed;
	void *context;
	bool controlling; /* the work pool is reading control/ */
	pthread_cond_t processed;

	struct weir_watch watch; /* of the control directory; on the loop */
	struct control_job *control_job;
};

static inline struct queue_files *queue_files_of(struct weir_mail_queue *base)
{
	return WEIR_CONTAINER(base, struct queue_files, base);
}

/* The last release frees. */
void mail_queue_hold(struct queue_files *queue);
void mail_queue_release(struct queue_files *queue);

/*
 * Reserves room for one more. Returns 0, WEIR_E_LIMIT or -ENOMEM. Then release it, or use it in
 * mail_queue_add.
 */
int mail_queue_reserve(struct queue_files *queue);
void mail_queue_unreserve(struct queue_files *queue);

/* Adds a message that is on the disk; cannot fail. */
void mail_queue_add(struct queue_files *queue, struct queue_entry *entry);

/* Frees an entry. With the lock held, or when no other thread can have the queue. */
void mail_queue_free_entry(struct queue_files *queue, struct queue_entry *entry);

/* Opens ID.msg. */
int mail_queued_open(int directory, struct weir_queued *queued);

/* -- mail_queue_heap.c: with the lock held, and room in the arrays -- */

void mail_queue_heap(struct queue_files *queue, struct queue_entry *entry);
void mail_queue_unheap(struct queue_files *queue, struct queue_entry *entry);
void mail_queue_add_claimed(struct queue_files *queue, struct queue_entry *entry);
void mail_queue_remove_claimed(struct queue_files *queue, struct queue_entry *entry);
/* Finds an entry in both arrays, or NULL. */
struct queue_entry *mail_queue_find(struct queue_files *queue, const char *id);

/* -- mail_queue_entries.c and others: functions of the type -- */

size_t queue_files_count(struct weir_mail_queue *base);
int64_t queue_files_oldest_s(struct weir_mail_queue *base);
void queue_files_claims(struct weir_mail_queue *base, struct weir_mail_queue_claims *ret);
int queue_files_listen(struct weir_mail_queue *base, struct weir_loop *loop,
        weir_mail_queue_changed_fn *changed, void *context);
void queue_files_ignore(struct weir_mail_queue *base);
int64_t queue_files_next(struct weir_mail_queue *base);
int queue_files_claim(struct weir_mail_queue *base, struct weir_loop *loop, int64_t now_s,
        weir_mail_queue_claimed_fn *claimed, void *context);
void queue_files_requeue(struct weir_mail_queue *base, struct weir_loop *loop,
        struct weir_queued *queued, weir_mail_queue_requeued_fn *requeued, void *context);
int queue_files_list(struct weir_mail_queue *base, struct weir_loop *loop,
        weir_mail_queue_show_fn *show, weir_mail_queue_done_fn *done, void *context);
int queue_files_command(struct weir_mail_queue *base, struct weir_loop *loop,
        enum weir_queue_command command, const char *id, weir_mail_queue_done_fn *done,
        void *context);

/* -- and their parts -- */

/* Notifies the listener. With the lock held. */
void mail_queue_wake(struct queue_files *queue);

/* The name of a command's file in control/. */
void mail_queue_command_name(char ret[QUEUE_NAME], enum weir_queue_command command, const char *id);

int mail_queue_control_start(struct queue_files *queue);
void mail_queue_control_stop(struct queue_files *queue);

extern const struct weir_mail_sink_type mail_queue_sink_type;

#endif
