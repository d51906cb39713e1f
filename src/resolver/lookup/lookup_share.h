/*
 * The questions that the loops of one cache are asking, so that each is asked once for all of them.
 * The loop that asks a question is its owner; the pending questions of other loops that wait for
 * the same answer are its partners.
 *
 *             enter                         the asker has answered
 *   (new) ─┬─────────▶ ASKED ─────────────────────────────────────────────▶ (answered, freed)
 *          │             ▲ task: asks
 *          │           HANDED
 *          │             ▲ the owner left: posted
 *          └─────────▶ JOINED ──────────────▶ ANSWERED ───────────────────▶ (answered, freed)
 *                         the owner has published: posted      task
 *
 * If the lookups of a pending question are destroyed while its task is posted, it is ABANDONED, and
 * the task frees it. Every function must be called on the thread of the pending question's loop.
 */
#ifndef WEIR_DNS_LOOKUP_SHARE_H
#define WEIR_DNS_LOOKUP_SHARE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <weir/dns_lookup.h>
#include <weir/list.h>
#include <weir/loop.h>

struct dns_accepted;
struct dns_pending;

enum {
	DNS_PENDING_BUCKETS = 1024
};

/* Part of a cache. */
struct dns_questions {
	pthread_mutex_t lock; /* guards this, and the `shared` of each pending question */
	struct dns_pending *owners[DNS_PENDING_BUCKETS];
};

void dns_questions_init(struct dns_questions *questions);
void dns_questions_finish(struct dns_questions *questions);

/* An answer on its way to the partners of the loop that has it. */
struct dns_shared_reply {
	atomic_uint holds;
	struct weir_dns_lookup_info info;
	size_t size;
	uint8_t bytes[];
};

void dns_shared_reply_release(struct dns_shared_reply *reply);

enum dns_share_state {
	DNS_SHARE_ASKED,
	DNS_SHARE_JOINED,
	DNS_SHARE_HANDED,
	DNS_SHARE_ANSWERED,
	DNS_SHARE_ABANDONED,
};

/* The part of a pending question that other loops see. */
struct dns_share {
	enum dns_share_state state;
	struct dns_pending *next;  /* of an owner: in its bucket */
	struct weir_list partners; /* of an owner */
	struct weir_list link;     /* of a partner */
	struct weir_task task;     /* posted in HANDED, ANSWERED and ABANDONED */
	/* In ANSWERED and ABANDONED: a hold, or NULL, if there was no memory for it. */
	struct dns_shared_reply *reply;
};

enum dns_share_entry {
	DNS_SHARE_OWNS,  /* ASKED: this loop has to ask */
	DNS_SHARE_WAITS, /* JOINED, or what follows that by now */
	DNS_SHARE_KNOWN, /* the cache has a fresh answer, which another loop has just put there */
};

/*
 * The pending question becomes an owner, or the partner of one. `on_posted` is the task's function.
 * DNS_SHARE_KNOWN is returned only if `unless_known` is set; nothing has changed then.
 */
enum dns_share_entry dns_share_enter(
        struct dns_pending *pending, void (*on_posted)(struct weir_task *task), bool unless_known);

/* The task runs: the state that was posted. HANDED has become ASKED. */
enum dns_share_state dns_share_posted(struct dns_pending *pending);

/* An owner's answer: it is no owner any more, and its partners are ANSWERED. */
void dns_share_publish(struct dns_pending *pending, const struct dns_accepted *accepted);

/*
 * Takes the pending question out. A question that it owns is handed to the first of its partners.
 * True: it is ABANDONED, so that its task frees it.
 */
bool dns_share_leave(struct dns_pending *pending);

#endif
