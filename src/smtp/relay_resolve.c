/*
 * The smart host's addresses, by getaddrinfo on the work pool: it blocks, and knows of files, DNS and
 * whatever the system is set up for. What was found is believed for WEIR_RELAY_ADDRESSES_S.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_state.h"

struct relay_resolution {
	struct weir_work work;
	struct weir_smtp_relay *relay;
	struct relay_settings *settings;
	struct weir_address addresses[RELAY_ADDRESSES];
	unsigned count;
	int result; /* of getaddrinfo */
};

static void run_resolve(struct weir_work *work)
{
	struct relay_resolution *resolution = WEIR_CONTAINER(work, struct relay_resolution, work);
	const struct weir_smtp_relay_options *options = &resolution->settings->options;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
	char port[8];
	snprintf(port, sizeof port, "%u", options->port);
	resolution->result = getaddrinfo(options->host, port, &hints, &found);
	if (resolution->result)
		return;
	for (struct addrinfo *at = found; at && resolution->count < RELAY_ADDRESSES;
	        at = at->ai_next)
		if (at->ai_addrlen <= sizeof resolution->addresses[0])
			memcpy(&resolution->addresses[resolution->count++], at->ai_addr,
			        at->ai_addrlen);
	freeaddrinfo(found);
}

static void resolve_done(struct weir_work *work)
{
	struct relay_resolution *resolution = WEIR_CONTAINER(work, struct relay_resolution, work);
	struct weir_smtp_relay *relay = resolution->relay;
	bool current = resolution->settings == relay->settings;
	char text[256];
	relay->resolution = NULL;
	if (current) {
		memcpy(relay->addresses, resolution->addresses, sizeof relay->addresses);
		relay->address_count = resolution->count;
		relay->resolved_s = weir_loop_wall_s(relay->loop);
	}
	snprintf(text, sizeof text, "%s: %s", resolution->settings->options.host,
	        resolution->result ? gai_strerror(resolution->result) : "no address");
	weir_relay_release(resolution->settings);
	free(resolution);
	/* Of another host by now: look again. */
	int error = current ? (relay->address_count ? 0 : -ENOENT) : weir_relay_resolve(relay);
	if (current || error < 0)
		weir_relay_resolved(relay, error, text);
}

int weir_relay_resolve(struct weir_smtp_relay *relay)
{
	if (relay->resolution)
		return 0;
	struct relay_resolution *resolution = calloc(1, sizeof *resolution);
	if (!resolution)
		return -ENOMEM;
	resolution->relay = relay;
	resolution->settings = relay->settings;
	int error = weir_work_submit(relay->loop, &resolution->work, run_resolve, resolve_done);
	if (error < 0) {
		free(resolution);
		return error;
	}
	relay->settings->references++;
	relay->resolution = resolution;
	return 0;
}
