/*
 * Requests to the key process, as a server in the hands of an attacker sends them: any bytes, of
 * any size. An accepted one has the size that it states, and begins as a handshake does.
 */
#include <stdlib.h>
#include <string.h>

#include "key_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_request request = {0};
	struct key_reply reply = {0};
	memcpy(&request, data, size < sizeof request ? size : sizeof request);
	if (key_request_check(&request, size) == 0 &&
	        (request.digest >= KEY_DIGESTS || size != KEY_REQUEST_HEAD + request.size ||
	                (request.input[0] != ' ' && request.input[64] != 3)))
		abort();
	memcpy(&reply, data, size < sizeof reply ? size : sizeof reply);
	if (key_reply_check(&reply, size, reply.id) == 0 && size != KEY_REPLY_HEAD + reply.size)
		abort();
	return 0;
}
