/*
 * Requests to the key process, as a server in the hands of an attacker sends them: any bytes, of
 * any size. An accepted one has the size that it states. An input that would be signed
 * begins as a handshake does, and secrets are of a purpose that the server may have.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "key_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const struct key_received *received, size_t size)
{
	const struct key_request *request = &received->request;
	struct weir_span text = key_request_text(received);
	bool signs = request->kind == KEY_SIGN || request->kind == KEY_SIGN_STORED;
	if ((size_t)(text.data + text.size - (const char *)received) != size)
		abort();
	if (signs && (request->digest >= KEY_DIGESTS ||
	                     (received->bytes[0] != ' ' && received->bytes[64] != 3)))
		abort();
	if (!signs && request->purpose >= KEY_PURPOSES)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct key_received received;
	struct key_reply reply = {0};
	memset(&received.request, 0, sizeof received.request);
	memcpy(&received, data, size < sizeof received ? size : sizeof received);
	if (key_request_check(&received, size) == 0)
		check_accepted(&received, size);
	memcpy(&reply, data, size < sizeof reply ? size : sizeof reply);
	if (key_reply_check(&reply, size, reply.id) == 0 && size != KEY_REPLY_HEAD + reply.size)
		abort();
	return 0;
}
