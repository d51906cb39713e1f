/*
 * A late reply: it stands in the control connection's queue while a transfer runs, and grows. What
 * is said meanwhile leaves at once; replies behind it wait for its end.
 */
#ifndef WEIR_FTP_LATE_H
#define WEIR_FTP_LATE_H

#include <weir/channel.h>

struct ftp_late;

/*
 * Puts it last in the queue. `*owner` is set to it, and to NULL when it is gone before its end,
 * with the channel. 0 or -ENOMEM (the channel is aborted then).
 */
int ftp_late_open(struct weir_channel *channel, struct ftp_late **owner);

/* More text, CRLF included. -ENOMEM: the channel is aborted. */
int ftp_late_say(struct ftp_late *late, struct weir_span text);

/* Everything said has been taken. */
bool ftp_late_taken(const struct ftp_late *late);

/* The last was said; *owner is NULL. */
void ftp_late_end(struct ftp_late *late);

#endif
