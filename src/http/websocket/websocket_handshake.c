/*
 * The opening handshake (RFC 6455 4.2; RFC 8441 5): what the request must have, and the fields of
 * the reply. Over HTTP/2 there is no key, since a cache cannot take the request for another one.
 */
#include <errno.h>
#include <string.h>

#include <openssl/evp.h>
#include <weir/base64.h>
#include <weir/error.h>

#include "syntax.h"
#include "websocket_state.h"

bool weir_websocket_asked(const struct weir_http_exchange *exchange)
{
	const struct weir_http_request *request = weir_http_request(exchange);
	const struct weir_http_field *field = NULL;
	while ((field = weir_http_request_next(request, WEIR_HTTP_UPGRADE, field)))
		if (http_list_has(field->value, WEIR_SPAN("websocket")))
			return true;
	return false;
}

/* The value of a field that occurs once. Data is NULL if there are none or several. */
static struct weir_span websocket_handshake_single(
        const struct weir_http_request *request, enum weir_http_known known)
{
	const struct weir_http_field *first = weir_http_request_next(request, known, NULL);
	if (!first || weir_http_request_next(request, known, first))
		return weir_span(NULL, 0);
	return first->value;
}

/* -- the key ----------------------------------------------------------------------------------- */

bool websocket_accept_value(struct weir_span key, char value[WEBSOCKET_ACCEPT_SIZE])
{
	static const char id[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[WEBSOCKET_KEY_SIZE + sizeof id - 1];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	if (key.size != WEBSOCKET_KEY_SIZE)
		return false;
	memcpy(text, key.data, WEBSOCKET_KEY_SIZE);
	memcpy(text + WEBSOCKET_KEY_SIZE, id, sizeof id - 1);
	if (EVP_Digest(text, sizeof text, digest, &size, EVP_sha1(), NULL) != 1 || size != 20)
		return false;
	weir_base64_encode(weir_span(digest, size), value);
	return true;
}

static bool websocket_handshake_key_is_valid(struct weir_span key)
{
	char bytes[16];
	size_t size;
	return key.size == WEBSOCKET_KEY_SIZE &&
	       weir_base64_decode(key, bytes, sizeof bytes, &size) == 0 && size == sizeof bytes;
}

/* -- the origin -------------------------------------------------------------------------------- */

/* "https://example.org:8443" is of the host "example.org:8443". */
static bool websocket_handshake_is_of_host(struct weir_span origin, struct weir_span host)
{
	const char *colon = memchr(origin.data, ':', origin.size);
	struct weir_span rest = origin;
	if (!colon)
		return false;
	rest = weir_span_skip(rest, (size_t)(colon - origin.data));
	if (!weir_span_starts(rest, WEIR_SPAN("://")))
		return false;
	return host.size && weir_span_equal_nocase(weir_span_skip(rest, 3), host);
}

static bool websocket_handshake_origin_is_allowed(
        const struct weir_websocket_options *options, const struct weir_http_request *request)
{
	if (!options->check_origin || !request->first[WEIR_HTTP_ORIGIN])
		return true;
	struct weir_span origin = websocket_handshake_single(request, WEIR_HTTP_ORIGIN);
	if (!origin.data)
		return false;
	if (websocket_handshake_is_of_host(origin, request->host))
		return true;
	for (const char *const *allowed = options->origins; allowed && *allowed; allowed++)
		if (weir_span_equal_nocase(origin, weir_span_of(*allowed)))
			return true;
	return false;
}

/* -- the subprotocol --------------------------------------------------------------------------- */

static bool websocket_handshake_offers(
        const struct weir_http_request *request, struct weir_span protocol)
{
	const struct weir_http_field *field = NULL;
	while ((field = weir_http_request_next(request, WEIR_HTTP_SEC_WEBSOCKET_PROTOCOL, field))) {
		struct weir_span rest = field->value, offered;
		for (bool more = true; more;) {
			more = weir_span_cut(&rest, ',', &offered);
			if (weir_span_equal(weir_span_trim(offered), protocol))
				return true;
		}
	}
	return false;
}

static int websocket_handshake_choose_protocol(
        struct weir_websocket *websocket, struct weir_http_exchange *exchange)
{
	const char *const *protocols = websocket->options->protocols;
	for (unsigned i = 0; protocols && protocols[i] && i < WEIR_WEBSOCKET_PROTOCOLS_MAX; i++) {
		struct weir_span protocol = weir_span_of(protocols[i]);
		if (!websocket_handshake_offers(exchange->handling->request, protocol))
			continue;
		websocket->protocol = (uint8_t)(i + 1);
		return weir_http_add_field(exchange, "Sec-WebSocket-Protocol", protocol);
	}
	return 0;
}

/* -- the whole --------------------------------------------------------------------------------- */

/* Returns 0, or the status that refuses the request. */
static unsigned websocket_handshake_check(
        struct weir_http_exchange *exchange, const struct weir_websocket_options *options)
{
	const struct weir_http_request *request = exchange->handling->request;
	bool stream = exchange->connection->frames_bodies;
	struct weir_span version =
	        websocket_handshake_single(request, WEIR_HTTP_SEC_WEBSOCKET_VERSION);
	if (!weir_websocket_asked(exchange) || !weir_span_equal(version, WEIR_SPAN("13"))) {
		weir_http_add_field(exchange, "Sec-WebSocket-Version", WEIR_SPAN("13"));
		weir_http_add_field(exchange, "Upgrade", WEIR_SPAN("websocket"));
		weir_http_add_field(exchange, "Connection", WEIR_SPAN("Upgrade"));
		return 426;
	}
	if (request->method != WEIR_HTTP_GET || !weir_http_may_upgrade(exchange) ||
	        (!stream && !websocket_handshake_key_is_valid(websocket_handshake_single(
	                            request, WEIR_HTTP_SEC_WEBSOCKET_KEY))))
		return 400;
	return websocket_handshake_origin_is_allowed(options, request) ? 0 : 403;
}

int websocket_handshake(
        struct weir_websocket *websocket, struct weir_http_exchange *exchange, unsigned *ret_status)
{
	char value[WEBSOCKET_ACCEPT_SIZE];
	int error = 0;
	*ret_status = websocket_handshake_check(exchange, websocket->options);
	if (*ret_status)
		return *ret_status == 403 ? -EACCES : WEIR_E_SYNTAX;
	*ret_status = 500;
	if (!exchange->connection->frames_bodies) {
		struct weir_span key = weir_http_request_known(
		        exchange->handling->request, WEIR_HTTP_SEC_WEBSOCKET_KEY);
		error = websocket_accept_value(key, value)
		                ? weir_http_add_field(exchange, "Sec-WebSocket-Accept",
		                          weir_span(value, sizeof value))
		                : -ENOMEM;
	}
	if (!error)
		error = websocket_handshake_choose_protocol(websocket, exchange);
	if (!error)
		error = websocket_extension_agree(websocket, exchange);
	return error;
}
