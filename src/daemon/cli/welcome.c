/*
 * The banner, whose commands can be pasted into a shell as they are, and the first page, for
 * `weir serve` without arguments. A directory that exists is not changed, even
 * without index.html: it belongs to the user, who gets a listing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/version.h>

#include "cli.h"
#include "endpoint.h"
#include "say.h"
#include "say_log.h"
#include "service.h"

/* -- the first page ---------------------------------------------------------------------------- */

static const char page[] =
        "<!doctype html>\n"
        "<html lang=\"en\">\n"
        "<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>Weir is running</title>\n"
        "<style>\n"
        ":root { color-scheme: light dark; --ink: #17313e; --soft: #4d6672; --paper: #f4f8f9; "
        "--line: #cfdde2; --water: #0b7a99 }\n"
        "@media (prefers-color-scheme: dark) { :root { --ink: #e3eef2; --soft: #9db4be; "
        "--paper: #0e1b21; --line: #26404b; --water: #58c1de } }\n"
        "body { margin: 0; min-height: 100vh; display: grid; place-items: center; "
        "background: var(--paper); color: var(--ink); "
        "font: 17px/1.6 system-ui, sans-serif }\n"
        "main { max-width: 34rem; padding: 2rem }\n"
        "svg { width: 100%; height: auto; color: var(--water) }\n"
        "h1 { font-size: 2.2rem; line-height: 1.2; margin: 1rem 0 .5rem }\n"
        "p { color: var(--soft) }\n"
        "code { font: .9em ui-monospace, monospace; color: var(--ink); "
        "border: 1px solid var(--line); border-radius: 4px; padding: .1em .35em }\n"
        "</style>\n"
        "<main>\n"
        "<svg viewBox=\"0 0 340 80\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"3\" "
        "stroke-linecap=\"round\" aria-hidden=\"true\">\n"
        "<path d=\"M4 22q14-10 28 0t28 0 28 0 28 0 28 0 28 0q22 0 26 22t26 22\"/>\n"
        "<path d=\"M4 38q14-10 28 0t28 0 28 0 28 0 28 0\" opacity=\".45\"/>\n"
        "<path d=\"M226 66q14-10 28 0t28 0 28 0 26 0\"/>\n"
        "<path d=\"M190 34v38h-24V42\" opacity=\".7\"/>\n"
        "</svg>\n"
        "<h1>Weir is running</h1>\n"
        "<p>This page is <code>public/index.html</code>, made because there was no "
        "<code>public</code> directory yet. Put your files beside it, and they are served.</p>\n"
        "<p>To serve another directory: <code>weir serve DIR</code>. For names, passwords, uploads "
        "and the rest, write a <code>weir.yaml</code> (see <code>man weir.yaml</code>), try it with "
        "<code>weir check -c weir.yaml</code>, and serve with "
        "<code>weir serve -c weir.yaml</code>.</p>\n"
        "</main>\n"
        "</html>\n";

static int welcome_write_page(void)
{
	int fd = open(WELCOME_ROOT "/index.html", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	ssize_t put = write(fd, page, sizeof page - 1);
	int error = put < 0 ? -errno : put != (ssize_t)sizeof page - 1 ? -ENOSPC : 0;
	if (close(fd) < 0 && error == 0)
		error = -errno;
	if (error < 0)
		unlink(WELCOME_ROOT "/index.html");
	return error;
}

int welcome_create(void)
{
	if (mkdir(WELCOME_ROOT, 0755) < 0) {
		int error = -errno;
		if (error == -EEXIST)
			return 0;
		say("cannot make the directory ./" WELCOME_ROOT ": %s; name one to serve: "
		    "weir serve DIR",
		        weir_error_text(error));
		return error;
	}
	int error = welcome_write_page();
	if (error < 0)
		say("cannot write ./" WELCOME_ROOT "/index.html: %s", weir_error_text(error));
	return error;
}

/* -- the banner: each service prints its own part ---------------------------------------------- */

/* Makes a URL of an endpoint for clients on this machine. */
static void banner_format_url(const struct endpoint *endpoint, char *text, size_t size)
{
	char plain[WEIR_ADDRESS_TEXT_MAX];
	const char *scheme = endpoint->type->scheme;
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
		const char *name = endpoint->type->name;
		bool is_scheme = strcmp(name, endpoint->type->scheme) == 0;
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
	for (const struct listener_type *type = listener_types; type->name; type++) {
		size_t i = 0;
		while (i < endpoints->count && endpoints->items[i].type != type)
			i++;
		if (i == endpoints->count)
			continue;
		banner_format_url(&endpoints->items[i], url, sizeof url);
		services[type->service]->print_commands(config, url);
	}
}

static bool banner_has_log(const struct config *config)
{
	for (unsigned i = 0; i < LOG_COUNT; i++)
		if (config->logs[i] && strcmp(config->logs[i], SAY_LOG_STDERR_PATH) != 0)
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
		if (listeners_include(config, i))
			services[i]->print_served(config);
	printf("Try:\n");
	banner_print_commands(config, endpoints);
	printf("Stop with Ctrl-C%s.\n", banner_has_log(config) ? "; SIGHUP reopens the logs" : "");
	fflush(stdout);
}
