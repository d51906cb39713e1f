/*
 * The agreement on permessage-deflate (RFC 7692 5 and 7.1). Offers are tried in the client's order.
 * One with a parameter that is not known, is malformed, or cannot be met is declined.
 */
#include <stdio.h>
#include <string.h>

#include "helper.h"
#include "syntax.h"
#include "websocket_state.h"

struct websocket_offer {
	bool server_no_takeover, client_no_takeover;
	bool client_bits;     /* the client lets the server bound its window */
	unsigned server_bits; /* the largest window that the client takes; 0: not given */
};

/* A window of 8 to 15 bits, in quotes or not; 0 if it is malformed. */
static unsigned websocket_extension_bits(struct weir_span value)
{
	uint64_t bits;
	if (value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"')
		value = weir_span(value.data + 1, value.size - 2);
	if (value.size == 0 || value.data[0] == '0' || weir_span_number(value, 10, &bits) < 0)
		return 0;
	return bits >= 8 && bits <= 15 ? (unsigned)bits : 0;
}

static bool websocket_extension_set_flag(bool *flag, bool has_value)
{
	bool again = *flag;
	*flag = true;
	return !again && !has_value;
}

/* Returns false if the offer is to be declined. */
static bool websocket_extension_read(struct websocket_offer *offer, struct weir_span name,
        bool has_value, struct weir_span value)
{
	if (weir_span_equal_nocase(name, WEIR_SPAN("server_no_context_takeover")))
		return websocket_extension_set_flag(&offer->server_no_takeover, has_value);
	if (weir_span_equal_nocase(name, WEIR_SPAN("client_no_context_takeover")))
		return websocket_extension_set_flag(&offer->client_no_takeover, has_value);
	if (weir_span_equal_nocase(name, WEIR_SPAN("client_max_window_bits")))
		return websocket_extension_set_flag(&offer->client_bits, false) &&
		       (!has_value || websocket_extension_bits(value));
	if (!weir_span_equal_nocase(name, WEIR_SPAN("server_max_window_bits")) ||
	        offer->server_bits)
		return false;
	offer->server_bits = websocket_extension_bits(value);
	return offer->server_bits;
}

/* An element of the list: "permessage-deflate; name; name=value". */
static bool websocket_extension_parse(struct weir_span element, struct websocket_offer *ret)
{
	struct weir_span parameter, name;
	struct websocket_offer offer = {0};
	bool more = weir_span_cut(&element, ';', &name);
	if (!weir_span_equal_nocase(weir_span_trim(name), WEIR_SPAN("permessage-deflate")))
		return false;
	while (more) {
		more = weir_span_cut(&element, ';', &parameter);
		bool has_value = weir_span_cut(&parameter, '=', &name);
		if (!websocket_extension_read(
		            &offer, weir_span_trim(name), has_value, weir_span_trim(parameter)))
			return false;
	}
	*ret = offer;
	return true;
}

static bool websocket_extension_find(
        const struct weir_http_request *request, struct websocket_offer *ret)
{
	for (unsigned i = 0; i < request->field_count; i++) {
		struct weir_span rest = request->fields[i].value, element;
		if (!weir_span_equal_nocase(
		            request->fields[i].name, WEIR_SPAN("Sec-WebSocket-Extensions")))
			continue;
		for (bool more = true; more;) {
			more = weir_span_cut(&rest, ',', &element);
			if (websocket_extension_parse(element, ret))
				return true;
		}
	}
	return false;
}

/* zlib has no window of 8 bits: blocks of that size have no need of one. */
static void websocket_extension_choose_takeover(
        struct weir_websocket *websocket, const struct websocket_offer *offer)
{
	unsigned bits = clamp_size(websocket->options->window_bits, 9, 15);
	bool server = !offer->server_no_takeover && offer->server_bits != 8;
	if (websocket->options->deflate != WEIR_WEBSOCKET_DEFLATE_TAKEOVER ||
	        (!server && offer->client_no_takeover) || !websocket_takeover_begin(websocket))
		return;
	websocket->server_takeover = server;
	websocket->client_takeover = !offer->client_no_takeover;
	if (server)
		websocket->window_bits = min_of(bits, (unsigned)websocket->window_bits) & 15u;
}

int websocket_extension_agree(struct weir_websocket *websocket, struct weir_http_exchange *exchange)
{
	struct websocket_offer offer;
	char text[160], window[40] = "";
	if (websocket->options->deflate == WEIR_WEBSOCKET_DEFLATE_OFF ||
	        !websocket_extension_find(exchange->handling->request, &offer))
		return 0;
	websocket->deflate = true;
	websocket->window_bits = or_default(offer.server_bits, 15u) & 15u;
	websocket_extension_choose_takeover(websocket, &offer);
	if (offer.server_bits || websocket->window_bits < 15)
		snprintf(window, sizeof window, "; server_max_window_bits=%u",
		        (unsigned)websocket->window_bits);
	int size = snprintf(text, sizeof text, "permessage-deflate%s%s%s",
	        websocket->server_takeover ? "" : "; server_no_context_takeover",
	        websocket->client_takeover ? "" : "; client_no_context_takeover", window);
	return weir_http_add_field(
	        exchange, "Sec-WebSocket-Extensions", weir_span(text, (size_t)size));
}
