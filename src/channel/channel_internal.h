/* What the protocols above need of a channel and its users do not. */
#ifndef WEIR_CHANNEL_INTERNAL_H
#define WEIR_CHANNEL_INTERNAL_H

#include <weir/channel.h>

/*
 * Says that the peer owes the rest of a request, of which each part is cut as a request of its own (as
 * the chunks of a body). Until that is over the peer's time limits apply also between the parts, and
 * while its reply is in the queue; and to close is to read and drop what may still come.
 */
void weir_channel_set_owed(struct weir_channel *channel, bool owed);

#endif
