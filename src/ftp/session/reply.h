/*
 * Replies of the control connection. A transfer has a deferred reply: it is in the queue from 150
 * to 226, and each text that is added leaves at once. Replies behind it wait for its end.
 */
#ifndef WEIR_FTP_REPLY_H
#define WEIR_FTP_REPLY_H

#include "session.h"

struct ftp_deferred;

/* Replies with a literal, with a format, or with a copy of a text. CRLF is added. */
#define FTP_REPLY(session, text) weir_channel_push_static((session)->channel, text "\r\n")
#define FTP_REPLY_FORMAT(session, format, ...)                                                     \
	weir_channel_push((session)->channel, weir_produce_format(format "\r\n", __VA_ARGS__))
void ftp_reply_text(struct ftp_session *session, const char *text);

/* The text may have NULs: a CR in a pathname is CR NUL. */
void ftp_reply_span(struct ftp_session *session, struct weir_span text);

/* The reply for an error of the store, without CRLF: "550 Permission denied." */
const char *ftp_error_text(int error);

/* The three digits of a reply. */
unsigned ftp_code(const char *reply);

/* Returns a copy from malloc, or NULL. */
char *ftp_copy(const char *text);

/* -- deferred replies -------------------------------------------------------------------------- */

/*
 * Puts a deferred reply last in the queue. `*owner` is set to it, and to NULL when the channel
 * closes before its end. Returns 0 or -ENOMEM (the channel is aborted then).
 */
int ftp_deferred_open(struct weir_channel *channel, struct ftp_deferred **owner);

/* Adds text, its CRLF included. Returns 0 or -ENOMEM (the channel is aborted then). */
int ftp_deferred_add(struct ftp_deferred *deferred, struct weir_span text);

/* Whether all text that was added has left. */
bool ftp_deferred_is_empty(const struct ftp_deferred *deferred);

/* Nothing more is added. Sets *owner to NULL. */
void ftp_deferred_end(struct ftp_deferred *deferred);

#endif
