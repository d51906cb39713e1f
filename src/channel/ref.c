/* Names of channels: a descriptor and the generation of its watch, found again through the loop. */
#include "channel_state.h"
#include "loop_internal.h"

struct weir_channel_ref weir_channel_ref(const struct weir_channel *channel)
{
	return (struct weir_channel_ref){
	        channel->host->loop, channel->watch.fd, channel->watch.generation};
}

struct weir_channel *weir_channel_find(struct weir_channel_ref ref)
{
	struct weir_watch *watch = loop_watch_find(ref.loop, ref.fd, ref.generation);
	struct weir_channel *channel =
	        watch ? WEIR_CONTAINER(watch, struct weir_channel, watch) : NULL;
	return channel && !channel_dead(channel) ? channel : NULL;
}
