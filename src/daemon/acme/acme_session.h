/*
 * The dealings with one authority: its directory, nonces, the account, and signed requests.
 *
 *   start ─▶ directory ─▶ account ─▶ ready      (a nonce is fetched where there is none)
 *   post, get ─▶ reply                          one at a time
 *
 * A request whose nonce is refused (badNonce) is sent again with a new one. All other failures are
 * the caller's. The account's URL and key are in the store of the share, which is claimed; an
 * account that the authority does not know any more is made again at the next start.
 */
#ifndef DAEMON_ACME_SESSION_H
#define DAEMON_ACME_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/http_client.h>
#include <weir/loop.h>

#include "acme_jose.h"
#include "acme_message.h"
#include "acme_share.h"
#include "acme_store.h"
#include "config.h"

enum {
	ACME_NONCE_TRIES = 3,                  /* with nonces that are refused */
	ACME_RETRY_AFTER_MAX_S = 24 * 60 * 60, /* a longer Retry-After is cut */
};

/* How a request, or a start, has ended. Valid during the callback. */
struct acme_reply {
	int error;       /* 0: there is a reply, perhaps of a failure; else a negative errno */
	unsigned status; /* 0 without a reply */
	struct weir_span body;
	const char *location;  /* "" if there is none, or it is malformed */
	int64_t retry_after_s; /* 0: none was sent */
	struct acme_problem problem;
	const char *why; /* of a failure, for people */
};

/* Whether the reply is one of success. */
static inline bool acme_reply_is_good(const struct acme_reply *reply)
{
	return reply->error == 0 && reply->status >= 200 && reply->status < 300;
}

typedef void acme_reply_fn(void *context, const struct acme_reply *reply);

struct acme_session;

/*
 * The share, the section and the texts must outlive the session. Returns 0 or a negative errno,
 * reported.
 */
int acme_session_create(struct weir_loop *loop, struct acme_share *share,
        const struct config_acme *acme, const struct config_authority *authority,
        struct acme_session **ret);

/* Calls nothing any more. NULL is allowed. */
void acme_session_destroy(struct acme_session *session);

/*
 * Has the session fetch the directory and find or make the account. Afterwards requests may be
 * made. Not while a request is under way.
 */
void acme_session_start(struct acme_session *session, acme_reply_fn *done, void *context);

/* Cancels what is under way. */
void acme_session_cancel(struct acme_session *session);

/* After a start. */
const struct acme_directory *acme_session_directory(const struct acme_session *session);
EVP_PKEY *acme_session_key(const struct acme_session *session);
const char *acme_session_url(const struct acme_session *session);

/*
 * Sends a signed request, with a payload in JSON; an empty one is POST-as-GET. `done` is not called
 * from within.
 */
void acme_session_post(struct acme_session *session, const char *url, struct weir_span payload,
        acme_reply_fn *done, void *context);

/* Sends a GET that needs no account. */
void acme_session_get(
        struct acme_session *session, const char *url, acme_reply_fn *done, void *context);

/* Puts a new key in the place of the account's (RFC 8555 7.3.5), if it is older than that. */
void acme_session_roll_over(
        struct acme_session *session, int64_t age_s, acme_reply_fn *done, void *context);

/* The authority does not know the account: the next start makes one. */
void acme_session_forget_account(struct acme_session *session);

#endif
