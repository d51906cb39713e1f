/* A queued message in memory, and the wake-up of a listener, for all kinds of queues. */
#ifndef WEIR_MAIL_QUEUED_H
#define WEIR_MAIL_QUEUED_H

#include <pthread.h>

#include <weir/loop.h>
#include <weir/mail_queue.h>

/* Checks the envelope of a new message. Returns 0, WEIR_E_LIMIT or -EINVAL. */
int mail_queue_check(uint64_t message_max, const struct weir_mail_envelope *envelope);

/* Whether a text of an envelope has no control characters. */
bool mail_queued_text_is_good(struct weir_span text);

/* Makes a message for this envelope, due at once; its size is set later. NULL without memory. */
struct weir_queued *mail_queued_make(const struct weir_mail_envelope *envelope, int64_t now_s);

/* The flags of an envelope as one number, and back. */
unsigned mail_queued_flags(const struct weir_mail_envelope *envelope);
void mail_queued_set_flags(struct weir_mail_envelope *envelope, unsigned flags);

/* Whether nothing is left to do for any recipient. */
bool mail_queued_is_done(const struct weir_queued *queued);

/* Closes its file and frees it. NULL is allowed. */
void mail_queued_free(struct weir_queued *queued);

/* -- waking the loop that listens -------------------------------------------------------------- */

/* Any thread wakes a loop; wake-ups that have not run yet are one. It may outlive its owner. */
struct mail_waker;

/*
 * `lock` covers the waker: it is held in the calls below, and not in `woken`. Returns NULL without
 * memory.
 */
struct mail_waker *mail_waker_create(
        struct weir_loop *loop, pthread_mutex_t *lock, void (*woken)(void *context), void *context);

/* Has `woken` called from the loop. */
void mail_waker_wake(struct mail_waker *waker);

/* On the loop's thread: `woken` is not called any more, and the waker belongs to nobody. */
void mail_waker_end(struct mail_waker *waker);

#endif
