/* Checks of messages. Both ends do these before they look at anything else in a message. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "key_message.h"

const char *const key_digests[KEY_DIGESTS] = {NULL, "SHA256", "SHA384", "SHA512"};

/* -- the input --------------------------------------------------------------------------------- */

enum {
	SPACES = 64,       /* RFC 8446 4.4.3 */
	RANDOM_BYTES = 64, /* of the client and of the server; RFC 5246 7.4.3 */
	NAMED_CURVE = 3,   /* RFC 8422 5.4 */
	CURVE_HEAD = 4,
};

/* With the zero byte behind it. */
static const char server_context[] = "TLS 1.3, server CertificateVerify";

/* Spaces, the context, and the hash of the handshake so far. */
static bool key_input_is_tls13(const unsigned char *input, size_t size)
{
	size_t head = SPACES + sizeof server_context;
	if (size != head + 32 && size != head + 48)
		return false;
	for (size_t i = 0; i < SPACES; i++)
		if (input[i] != ' ')
			return false;
	return memcmp(input + SPACES, server_context, sizeof server_context) == 0;
}

/* Both random values, a named curve, and a point on it. */
static bool key_input_is_tls12(const unsigned char *input, size_t size)
{
	static const struct {
		unsigned group, point; /* its bytes */
	} groups[] = {{23, 65}, {24, 97}, {25, 133}, {29, 32}, {30, 56}};
	const unsigned char *curve = input + RANDOM_BYTES;
	if (size < RANDOM_BYTES + CURVE_HEAD || curve[0] != NAMED_CURVE)
		return false;
	unsigned group = (unsigned)curve[1] << 8 | curve[2];
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
		if (groups[i].group == group)
			return curve[3] == groups[i].point &&
			       size == RANDOM_BYTES + CURVE_HEAD + groups[i].point;
	return false;
}

/* -- messages ---------------------------------------------------------------------------------- */

int key_request_check(const struct key_request *request, size_t size)
{
	if (size < KEY_REQUEST_HEAD || request->magic != KEY_MAGIC ||
	        request->digest >= KEY_DIGESTS || request->pss > 1 ||
	        request->size > KEY_INPUT_MAX || size != KEY_REQUEST_HEAD + request->size)
		return -EPROTO;
	return key_input_is_tls13(request->input, request->size) ||
	                       key_input_is_tls12(request->input, request->size)
	               ? 0
	               : -EPROTO;
}

int key_reply_check(const struct key_reply *reply, size_t size, uint32_t id)
{
	return size >= KEY_REPLY_HEAD && reply->magic == KEY_MAGIC && reply->id == id &&
	                       reply->size <= KEY_SIGNATURE_MAX &&
	                       size == KEY_REPLY_HEAD + reply->size
	               ? 0
	               : -EPROTO;
}
