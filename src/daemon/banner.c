/*
 * The greeting at the start, to stdout. Everything in it can be pasted into a shell as it stands.
 */
#include <stdio.h>
#include <string.h>

#include "banner.h"

/* The address as a client on this machine can use it. */
static void format_url(const struct weir_address *address, char *text, size_t size)
{
	char plain[WEIR_ADDRESS_TEXT_MAX];
	unsigned port = weir_address_port(address);
	weir_address_format(address, plain);
	if (strncmp(plain, "0.0.0.0:", 8) == 0)
		snprintf(text, size, "http://127.0.0.1:%u/", port);
	else if (strncmp(plain, "[::]:", 5) == 0)
		snprintf(text, size, "http://localhost:%u/", port);
	else
		snprintf(text, size, "http://%s/", plain);
}

static bool is_any(const struct weir_address *address)
{
	char host[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(address, host);
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static void print_site(const struct config_site *site)
{
	printf("  ");
	for (size_t i = 0; i < site->names.count; i++)
		printf("%s%s", i ? ", " : "", site->names.items[i]);
	printf("%s%s\n", site->names.count ? ": " : "", site->root);
}

static void print_commands(const struct config *config, const char *url)
{
	const struct config_site *site = &config->sites.items[0];
	const struct config_uploads *uploads = &site->uploads;
	const char *user = site->auth.count ? "-u USER " : "";
	printf("Try:\n  curl -i %s%s\n", user, url);
	if (uploads->present && uploads->put)
		printf("  curl %s-T FILE %s%s%s\n", user, url,
		        uploads->prefix ? uploads->prefix : "",
		        uploads->prefix && *uploads->prefix ? "/" : "");
	for (size_t i = 1; i < config->sites.count && i < 3; i++)
		if (config->sites.items[i].names.count &&
		        config->sites.items[i].names.items[0][0] != '*')
			printf("  curl -i -H 'Host: %s' %s\n",
			        config->sites.items[i].names.items[0], url);
}

void banner_print(
        const struct config *config, const struct endpoint_list *endpoints, unsigned workers)
{
	char url[WEIR_ADDRESS_TEXT_MAX + 16];
	printf("weir %s, %u worker%s, listening on\n", WEIR_VERSION, workers,
	        workers == 1 ? "" : "s");
	for (size_t i = 0; i < endpoints->count; i++) {
		const struct weir_address *address = &endpoints->items[i].actual;
		format_url(address, url, sizeof url);
		printf("  %s%s\n", url,
		        is_any(address) ? "  (and every other address of this machine)" : "");
	}
	printf("serving\n");
	for (size_t i = 0; i < config->sites.count; i++)
		print_site(&config->sites.items[i]);
	format_url(&endpoints->items[0].actual, url, sizeof url);
	print_commands(config, url);
	printf("Stop with Ctrl-C%s.\n", config->access_log ? "; SIGHUP reopens the log" : "");
	fflush(stdout);
}
