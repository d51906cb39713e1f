/* Composing a delivery status notification (RFC 3464). */
#ifndef WEIR_SMTP_DSN_H
#define WEIR_SMTP_DSN_H

#include <weir/buffer.h>
#include <weir/mail_queue.h>

enum dsn_kind {
	DSN_FINAL, /* of recipients whose state is FAILED or SENT */
	DSN_LATE,  /* of those WAITING who may hear of it */
};

struct dsn {
	enum dsn_kind kind;
	const struct weir_queued *queued;
	const char *host; /* the reporting one: ours */
	const char *next; /* the one that was asked to take it */
	int64_t now_s;
	int64_t until_s; /* LATE: when it will be given up */
};

/* Whether the report needs SMTPUTF8: only if the sender's address does. If not, it is ASCII. */
bool dsn_needs_utf8(const struct dsn *dsn);

/* Does this recipient stand in such a report? */
bool smtp_dsn_is_about(const struct dsn *dsn, const struct weir_queued_recipient *recipient);

/* The whole message, in *text; reads the original's file, blocks. 0, WEIR_E_LIMIT, -ENOMEM, -EIO. */
int smtp_dsn_compose(const struct dsn *dsn, struct weir_buffer *text);

/* "5.1.1" of "550 5.1.1 Who?", or made of the first digit; NUL-ended. */
void smtp_dsn_status(const char *text, enum weir_queued_state state, char ret[16]);

#endif
