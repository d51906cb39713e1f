/*
 * Looks names up, all at the same time, and prints what was found as it comes. Try it:
 *
 *   resolve host example.org mail.example.org     resolve mx example.org
 *   resolve name 192.0.2.1
 *   resolve -c my-resolv.conf srv _imap._tcp.example.org
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weir/loop.h>
#include <weir/resolver.h>

static struct weir_loop *loop;
static int left, failures;

/* One of those asked for is over; each of them has its name as context. */
static void end_one(const char *name, const struct weir_resolved *resolved)
{
	if (--left == 0)
		weir_loop_stop(loop);
	if (resolved->error < 0) {
		printf("%s: %s\n", name, weir_resolved_text(resolved->error));
		failures++;
	} else if (resolved->none) {
		printf("%s: says that there is none\n", name);
	}
}

static void print_addresses(void *name, const struct weir_resolved *resolved)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	end_one(name, resolved);
	for (size_t i = 0; i < resolved->count; i++) {
		weir_address_host(&resolved->addresses[i], text);
		printf("%s: %s\n", (char *)name, text);
	}
}

static void print_names(void *name, const struct weir_resolved *resolved)
{
	end_one(name, resolved);
	for (size_t i = 0; i < resolved->count; i++)
		printf("%s: %s\n", (char *)name, resolved->names[i]);
}

static void print_mx(void *name, const struct weir_resolved *resolved)
{
	end_one(name, resolved);
	for (size_t i = 0; i < resolved->count; i++)
		printf("%s: %u %s\n", (char *)name, resolved->mx[i].preference,
		        resolved->mx[i].host);
}

static void print_srv(void *name, const struct weir_resolved *resolved)
{
	end_one(name, resolved);
	for (size_t i = 0; i < resolved->count; i++)
		printf("%s: %u %u %s:%u\n", (char *)name, resolved->srv[i].priority,
		        resolved->srv[i].weight, resolved->srv[i].host, resolved->srv[i].port);
}

static void print_txt(void *name, const struct weir_resolved *resolved)
{
	end_one(name, resolved);
	for (size_t i = 0; i < resolved->count; i++)
		printf("%s: \"%.*s\"\n", (char *)name, (int)resolved->texts[i].size,
		        resolved->texts[i].data);
}

static int ask(struct weir_resolver *resolver, const char *type, char *name)
{
	struct weir_resolving *resolving; /* to cancel it by, which nobody does here */
	struct weir_address address;
	char text[WEIR_ADDRESS_TEXT_MAX];
	if (strcmp(type, "host") == 0)
		return weir_resolve_addresses(
		        resolver, name, 0, 0, print_addresses, name, &resolving);
	if (strcmp(type, "mx") == 0)
		return weir_resolve_mx(resolver, name, print_mx, name, &resolving);
	if (strcmp(type, "srv") == 0)
		return weir_resolve_srv(resolver, name, print_srv, name, &resolving);
	if (strcmp(type, "txt") == 0)
		return weir_resolve_txt(resolver, name, print_txt, name, &resolving);
	snprintf(text, sizeof text, strchr(name, ':') ? "[%s]:0" : "%s:0", name);
	if (strcmp(type, "name") == 0 && weir_address_parse(weir_span_of(text), &address) == 0)
		return weir_resolve_names(resolver, &address, print_names, name, &resolving);
	return -1;
}

int main(int argc, char **argv)
{
	struct weir_resolver_options options;
	struct weir_resolver *resolver;
	weir_resolver_options_init(&options);
	if (argc > 2 && strcmp(argv[1], "-c") == 0) {
		options.conf = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc < 3) {
		fputs("resolve [-c resolv.conf] host|name|mx|srv|txt NAME…\n", stderr);
		return 2;
	}
	if (weir_loop_create(&loop) < 0 || weir_resolver_create(loop, &options, &resolver) < 0)
		return 1;
	for (int i = 2; i < argc; i++) {
		if (ask(resolver, argv[1], argv[i]) == 0)
			left++;
		else
			failures++;
	}
	if (left)
		weir_loop_run(loop);
	weir_resolver_destroy(resolver);
	weir_loop_destroy(loop);
	return failures ? 1 : 0;
}
