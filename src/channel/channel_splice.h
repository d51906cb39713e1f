/*
 * Streamed input that goes from the socket into a pipe, without a copy, for the protocols above:
 *
 *   channel_splice() ─▶ -EAGAIN: resume the channel ─▶ divert_ready(): paused ─▶ channel_splice() …
 *
 * From the first call on divert_ready() is called instead of piece(), until the last byte of the
 * stream, as of a chunk, was taken, or until channel_splice_end. No byte behind is taken. The
 * terminator finds the end as in input that the channel receives.
 */
#ifndef WEIR_CHANNEL_SPLICE_H
#define WEIR_CHANNEL_SPLICE_H

#include <weir/channel.h>

/*
 * Moves at most `size` bytes to the end of a pipe that is empty. Returns how many; -EAGAIN if there
 * are none now; -ENODATA at the end of the input; -EOPNOTSUPP if the channel uses TLS, the stream
 * is neither of a known length nor all of the input, or the channel has received a part of it
 * already; or an errno. An error but -EAGAIN ends the splicing: the channel meets its cause by
 * itself.
 */
ssize_t channel_splice(struct weir_channel *channel, int pipe, size_t size);

/* Returns whether the splicing goes on. */
bool channel_splices(const struct weir_channel *channel);

/* The channel receives again. Without effect if it does. */
void channel_splice_end(struct weir_channel *channel);

#endif
