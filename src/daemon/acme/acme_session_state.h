/* The state of a session, for acme_session.c and acme_account.c. */
#ifndef DAEMON_ACME_SESSION_STATE_H
#define DAEMON_ACME_SESSION_STATE_H

#include "acme_session.h"
#include "acme_state.h"

enum acme_request {
	ACME_NOTHING,
	ACME_GET,
	ACME_POST,
};

struct acme_session {
	struct weir_loop *loop;
	struct acme_share *share;
	struct acme_store *store; /* of the share */
	const struct config_acme *acme;
	const struct config_authority *authority;
	struct weir_http_client *client;
	struct acme_directory directory;
	int64_t directory_ms; /* when it was fetched; 0: it was not */

	/* The account. */
	EVP_PKEY *key;
	EVP_PKEY *next; /* that a change of the key is trying; or NULL */
	char kid[ACME_URL_SIZE];
	char folder[ACME_NAME_SIZE + 32];

	/* The request that is under way. */
	enum acme_request kind;
	struct weir_http_call *call;
	char url[ACME_URL_SIZE];
	struct weir_buffer payload;
	struct weir_buffer signed_body;
	EVP_PKEY *signer; /* signs with its public key instead of the account's URL; or NULL */
	unsigned tries;
	bool asking_nonce; /* the call fetches a nonce for it */
	acme_reply_fn *done;
	void *context;
	struct weir_task failing;
	int failure;

	/* Its reply. */
	unsigned status;
	char nonce[ACME_TEXT_SIZE]; /* for the next request; "": none */
	char location[ACME_URL_SIZE];
	int64_t retry_after_s;
	struct weir_buffer body;

	/* A start, or a change of the key, which take several requests. */
	acme_reply_fn *started;
	void *started_context;
	struct weir_task fresh;
};

/* -- acme_session.c -- */
/* End a start. */
void acme_session_end_start(struct acme_session *session, const struct acme_reply *reply);
void acme_session_refuse(struct acme_session *session, int error, const char *why);

/* -- acme_account.c -- */
void acme_account_name_folder(struct acme_session *session);
/* Finds or makes the account, and ends the start. */
void acme_account_open(struct acme_session *session);

#endif
