/*
 * Reads any bytes as /etc/hosts and /etc/resolv.conf. Each name of the former must be found in it.
 */
#include <stdlib.h>
#include <string.h>

#include "system_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_into_hosts(struct weir_span text)
{
	struct weir_address found[4];
	const char *names[4];
	struct hosts *hosts = hosts_parse(text);
	if (!hosts)
		return;
	size_t count = hosts_addresses(hosts, WEIR_SPAN("a"), found, 4);
	for (size_t i = 0; i < count; i++) {
		bool there = false;
		size_t all = hosts_names(hosts, &found[i], names, 4);
		for (size_t k = 0; k < all; k++)
			there |= strcmp(names[k], "a") == 0;
		if (!there && all < 4)
			abort();
	}
	hosts_free(hosts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolv_conf conf;
	struct weir_span text = weir_span(data, size);
	look_into_hosts(text);
	resolv_conf_parse(text, &conf);
	if (conf.server_count == 0 || conf.server_count > WEIR_DNS_UPSTREAMS_MAX ||
	        conf.search_count > WEIR_RESOLV_SEARCH_MAX || !conf.timeout_s || !conf.attempts)
		abort();
	return 0;
}
