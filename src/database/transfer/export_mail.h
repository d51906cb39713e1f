/*
 * An export of mailboxes, for its files:
 *
 *   export_mail.c  mailboxes, one after another in each lane
 *   export_page.c  a page of the messages of a mailbox
 */
#ifndef DATABASE_EXPORT_MAIL_H
#define DATABASE_EXPORT_MAIL_H

#include <weir/buffer.h>
#include <weir/limits.h>

#include "database_transfer.h"
#include "export_file.h"

enum {
	EXPORT_LANES = 3,                    /* of the streams of a pool */
	EXPORT_PAGE = 256,                   /* messages */
	EXPORT_PAGE_BYTES = 8 * 1024 * 1024, /* of a stream; one message may have more */
	EXPORT_NAMES = 64,                   /* mailboxes that are asked for at a time */
	EXPORT_NAME = WEIR_MAIL_UID_MAX + 72,
};

struct mail_export;

struct export_message {
	int64_t uid;
	uint64_t octets;
	int64_t arrived_us;
	bool written; /* whole, in tmp/ */
	char name[EXPORT_NAME];
};

struct export_lane {
	struct mail_export *export;
	char user[WEIR_USER_NAME_MAX + 1]; /* empty: the lane is idle */
	int64_t validity;
	int64_t after; /* the last UID of the page before */
	int parts[2];  /* tmp/ and new/ */
	struct weir_postgres_call *call;
	struct export_message messages[EXPORT_PAGE];
	unsigned listed; /* rows of the page */
	unsigned count;  /* of them, those that are missing */
	unsigned at;     /* WRITING: the message of the file */
	struct export_file file;
	int error; /* of the files */
};

struct mail_export {
	struct database_transfer base;
	int root;
	char last[WEIR_USER_NAME_MAX + 1]; /* the name up to which mailboxes were asked for */
	struct weir_buffer names;          /* of mailboxes: [validity][name NUL] */
	size_t next;                       /* in them */
	bool ended;                        /* there are no more */
	struct weir_postgres_call *call;   /* asks for more */
	int error;
	unsigned active;
	struct export_lane lanes[EXPORT_LANES];
};

enum {
	EXPORT_TMP,
	EXPORT_NEW
};

/* The disk is full, say: there is no use in going on. */
void export_mail_fail(struct export_lane *lane, int error);

/* Exports the messages behind `after`; then calls export_mailbox_end. */
void export_page_list(struct export_lane *lane);

void export_mailbox_end(struct export_lane *lane);

#endif
