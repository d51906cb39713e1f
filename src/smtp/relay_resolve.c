/*
 * The smart host's addresses, by the resolver given, or by one of the relay's own that is made when
 * it is first needed. What was found is believed for WEIR_RELAY_ADDRESSES_S.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weir/limits.h>
#include <weir/resolver.h>

#include "relay_state.h"

static void smtp_relay_resolve_on_resolved(void *context, const struct weir_resolved *resolved)
{
	struct weir_smtp_relay *relay = context;
	char text[256];
	snprintf(text, sizeof text, "%s: %s", relay->settings->options.host,
	        weir_resolved_text(resolved->error));
	relay->resolution = NULL;
	relay->address_count = 0;
	for (; relay->address_count < RELAY_ADDRESSES && relay->address_count < resolved->count;
	        relay->address_count++)
		relay->addresses[relay->address_count] = resolved->addresses[relay->address_count];
	relay->resolved_s = weir_loop_wall_s(relay->loop);
	smtp_relay_resolved(relay, resolved->error, text);
}

int smtp_relay_resolve(struct weir_smtp_relay *relay)
{
	static const struct weir_resolver_options as_set_up = {.cache_bytes = WEIR_DNS_CACHE_MIN};
	const struct weir_smtp_relay_options *options = &relay->settings->options;
	struct weir_resolver *resolver = options->resolver;
	int error = 0;
	if (relay->resolution)
		return 0;
	if (!resolver && !relay->resolver)
		error = weir_resolver_create(relay->loop, &as_set_up, &relay->resolver);
	if (error < 0)
		return error;
	return weir_resolve_addresses(resolver ? resolver : relay->resolver, options->host,
	        options->port, 0, smtp_relay_resolve_on_resolved, relay, &relay->resolution);
}

void smtp_relay_resolve_anew(struct weir_smtp_relay *relay)
{
	if (!relay->resolution)
		return;
	smtp_relay_resolve_cancel(relay);
	int error = smtp_relay_resolve(relay);
	if (error < 0)
		smtp_relay_resolved(relay, error, weir_resolved_text(error));
}

void smtp_relay_resolve_cancel(struct weir_smtp_relay *relay)
{
	weir_resolving_cancel(relay->resolution);
	relay->resolution = NULL;
}
