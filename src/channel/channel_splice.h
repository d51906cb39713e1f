/*
 * Streamed input that goes from the socket into a pipe, without a copy, for the protocols above:
 *
 *   channel_splice() ─▶ -EAGAIN: resume the channel ─▶ divert_ready(): paused ─▶ channel_splice() …
 *
 * From the first call on divert_ready() is called instead of piece(), until channel_splice_end. No
 * byte behind the end of the stream may be taken; the terminator finds that end as in input that
 * the channel receives.
 */
#ifndef WEIR_CHANNEL_SPLICE_H
#define WEIR_CHANNEL_SPLICE_H

#include <weir/channel.h>

/*
 * Moves at most `size` bytes to the end of a pipe that is empty. Returns how many; 0 at the end of
 * the input; -EAGAIN if there are none now; -EOPNOTSUPP if the channel uses TLS, the input is not
 * streamed, or the channel has received a part of it already; or an errno. After 0 and an errno but
 * -EAGAIN, end the splicing: the channel then meets the end or the error itself.
 */
ssize_t channel_splice(struct weir_channel *channel, int pipe, size_t size);

/* The channel receives again. Without effect if it does. */
void channel_splice_end(struct weir_channel *channel);

#endif
