/* A queued message in memory, for all kinds of queues. */
#ifndef WEIR_MAIL_QUEUED_H
#define WEIR_MAIL_QUEUED_H

#include <weir/mail_queue.h>

/* Checks the envelope of a new message. Returns 0, WEIR_E_LIMIT or -EINVAL. */
int mail_queue_check(uint64_t message_max, const struct weir_mail_envelope *envelope);

/* Makes a message for this envelope, due at once; its size is set later. NULL without memory. */
struct weir_queued *mail_queued_make(const struct weir_mail_envelope *envelope, int64_t now_s);

/* Whether nothing is left to do for any recipient. */
bool mail_queued_is_done(const struct weir_queued *queued);

/* Closes its file and frees it. NULL is allowed. */
void mail_queued_free(struct weir_queued *queued);

#endif
