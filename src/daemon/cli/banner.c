/*
 * Prints the banner to stdout. Its commands can be pasted into a shell as they are. Each service
 * prints its own content and commands.
 */
#include <stdio.h>
#include <string.h>

#include <weir/version.h>

#include "banner.h"
#include "kinds.h"
#include "services.h"

/* Makes a URL of an endpoint for clients on this machine. */
static void banner_format_url(const struct endpoint *endpoint, char *text, size_t size)
{
	char plain[WEIR_ADDRESS_TEXT_MAX];
	const char *scheme = endpoint->kind->scheme;
	unsigned port = weir_address_port(&endpoint->actual);
	weir_address_format(&endpoint->actual, plain);
	if (strncmp(plain, "0.0.0.0:", 8) == 0)
		snprintf(text, size, "%s://127.0.0.1:%u/", scheme, port);
	else if (strncmp(plain, "[::]:", 5) == 0)
		snprintf(text, size, "%s://localhost:%u/", scheme, port);
	else
		snprintf(text, size, "%s://%s/", scheme, plain);
}

static bool banner_is_any(const struct weir_address *address)
{
	char host[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(address, host);
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static void banner_print_endpoints(const struct endpoint_list *endpoints)
{
	char url[WEIR_ADDRESS_TEXT_MAX + 32];
	for (size_t i = 0; i < endpoints->count; i++) {
		const struct endpoint *endpoint = &endpoints->items[i];
		banner_format_url(endpoint, url, sizeof url);
		const char *name = endpoint->kind->name;
		bool is_scheme = strcmp(name, endpoint->kind->scheme) == 0;
		printf("  %s%s%s%s%s\n", url, is_scheme ? "" : "  (", is_scheme ? "" : name,
		        is_scheme ? "" : ")",
		        banner_is_any(&endpoint->actual)
		                ? "  (and every other address of this machine)"
		                : "");
	}
}

/* Prints the commands of the first endpoint of each type. */
static void banner_print_commands(
        const struct config *config, const struct endpoint_list *endpoints)
{
	char url[WEIR_ADDRESS_TEXT_MAX + 32];
	for (const struct kind *kind = kinds; kind->name; kind++) {
		size_t i = 0;
		while (i < endpoints->count && endpoints->items[i].kind != kind)
			i++;
		if (i == endpoints->count)
			continue;
		banner_format_url(&endpoints->items[i], url, sizeof url);
		services[kind->service]->print_commands(config, url);
	}
}

static bool banner_has_log(const struct config *config)
{
	for (unsigned i = 0; i < LOG_COUNT; i++)
		if (config->logs[i])
			return true;
	return false;
}

void banner_print(
        const struct config *config, const struct endpoint_list *endpoints, unsigned workers)
{
	printf("weir %s, %u worker%s, listening on\n", WEIR_VERSION, workers,
	        workers == 1 ? "" : "s");
	banner_print_endpoints(endpoints);
	printf("serving\n");
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		if (kinds_include(config, i))
			services[i]->print_content(config);
	printf("Try:\n");
	banner_print_commands(config, endpoints);
	printf("Stop with Ctrl-C%s.\n", banner_has_log(config) ? "; SIGHUP reopens the logs" : "");
	fflush(stdout);
}
