/* Checks of messages. Both ends do these before they look at anything else in a message. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <weir/database_secrets.h>

#include "key_message.h"
#include "store.h"

const char *const key_digests[KEY_DIGESTS] = {NULL, "SHA256", "SHA384", "SHA512"};

const char *const key_purposes[KEY_PURPOSES] = {
        WEIR_DATABASE_SEAL_TSIG, STORE_SECRET_TICKET, STORE_SECRET_COOKIE};

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

struct weir_span key_request_input(const struct key_received *received)
{
	return weir_span((const char *)received->bytes, received->request.input_size);
}

struct weir_span key_request_name(const struct key_received *received)
{
	const struct key_request *request = &received->request;
	return weir_span((const char *)received->bytes + request->input_size, request->name_size);
}

struct weir_span key_request_text(const struct key_received *received)
{
	const struct key_request *request = &received->request;
	return weir_span((const char *)received->bytes + request->input_size + request->name_size,
	        request->text_size);
}

static bool key_request_is_sized(const struct key_request *request, size_t size)
{
	return size >= sizeof *request && request->input_size <= KEY_INPUT_MAX &&
	       request->name_size <= KEY_NAME_MAX && request->text_size <= KEY_TEXT_MAX &&
	       size == sizeof *request + request->input_size + request->name_size +
	                       request->text_size;
}

static bool key_request_is_handshake(const struct key_received *received)
{
	const struct key_request *request = &received->request;
	return request->digest < KEY_DIGESTS && request->pss <= 1 &&
	       (key_input_is_tls13(received->bytes, request->input_size) ||
	               key_input_is_tls12(received->bytes, request->input_size));
}

int key_request_check(const struct key_received *received, size_t size)
{
	const struct key_request *request = &received->request;
	bool good = false;
	if (!key_request_is_sized(request, size) || request->magic != KEY_MAGIC)
		return -EPROTO;
	switch ((enum key_kind)request->kind) {
	case KEY_SIGN:
		good = !request->name_size && !request->text_size &&
		       key_request_is_handshake(received);
		break;
	case KEY_SIGN_STORED:
		good = request->text_size && key_request_is_handshake(received);
		break;
	case KEY_SEAL:
		good = request->purpose < KEY_PURPOSES && !request->text_size;
		break;
	case KEY_UNSEAL:
		good = request->purpose < KEY_PURPOSES && !request->input_size;
		break;
	case KEY_KINDS:
		break;
	}
	return good ? 0 : -EPROTO;
}

int key_reply_check(const struct key_reply *reply, size_t size, uint32_t id)
{
	return size >= KEY_REPLY_HEAD && reply->magic == KEY_MAGIC && reply->id == id &&
	                       reply->size <= KEY_REPLY_MAX &&
	                       size == KEY_REPLY_HEAD + reply->size && reply->error <= 0 &&
	                       (reply->error == 0 || reply->size == 0)
	               ? 0
	               : -EPROTO;
}
