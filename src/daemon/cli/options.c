/*
 * The command line of the verbs. getopt_long cuts it; every value is checked here, so that a
 * mistake is found before anything is opened. Whether files exist is not looked at.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config_dns.h"
#include "kinds.h"
#include "options.h"

int usage_error(const char *verb, const char *format, ...)
{
	va_list arguments;
	fputs("weir: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\nTry `weir %s --help`.\n", verb);
	return EXIT_USAGE;
}

/* The option's name is that of the kind, but that --smtps is what the port is mostly called. */
static int options_add_listener(struct options *options, const char *kind, const char *text)
{
	if (options->listener_count == CONFIG_LISTENERS_MAX)
		return usage_error("serve", "too many addresses: %s", text);
	struct config_listener *listener = &options->listeners[options->listener_count];
	if (weir_address_parse(weir_span_of(text), &listener->address) < 0)
		return usage_error("serve",
		        "--%s wants ADDRESS:PORT, as 127.0.0.1:8080, [::1]:8080 or :8080, and "
		        "got '%s'",
		        kind, text);
	listener->kind = kind_find(strcmp(kind, "smtps") == 0 ? "submissions" : kind);
	options->listener_count++;
	return 0;
}

static size_t options_count_files(const char *const *files)
{
	size_t count = 0;
	while (count < CONFIG_CERTIFICATES_MAX && files[count])
		count++;
	return count;
}

/* Chains and keys belong together in the order in which they come. */
static int options_add_file(const char **files, const char *option, const char *path)
{
	size_t count = options_count_files(files);
	if (!*path)
		return usage_error("serve", "%s wants the path of a PEM file", option);
	if (count == CONFIG_CERTIFICATES_MAX)
		return usage_error("serve", "too many certificates: %s", path);
	files[count] = path;
	return 0;
}

static int options_count_certificates(struct options *options)
{
	size_t chains = options_count_files(options->chains),
	       keys = options_count_files(options->keys);
	if (chains != keys)
		return usage_error("serve",
		        "each --cert needs its --key: there are %zu of the one and %zu of the "
		        "other",
		        chains, keys);
	options->certificate_count = chains;
	return 0;
}

static int options_set_root(struct options *options, const char *text)
{
	if (options->root)
		return usage_error(
		        "serve", "one directory can be served, and '%s' is another", text);
	if (!*text)
		return usage_error("serve", "the directory has no name");
	options->root = text;
	return 0;
}

static int options_set_workers(struct options *options, const char *text)
{
	uint64_t number;
	if (weir_span_number(weir_span_of(text), 10, &number) < 0 || number < 1 ||
	        number > CONFIG_WORKERS_MAX)
		return usage_error(
		        "serve", "--workers wants a number from 1 to 64, and got '%s'", text);
	options->workers = (unsigned)number;
	return 0;
}

static int options_set_log(struct options *options, enum config_log log, const char *text)
{
	static const char *const names[] = {[LOG_ACCESS] = "--access-log",
	        [LOG_MAIL] = "--mail-log",
	        [LOG_FTP] = "--ftp-log",
	        [LOG_DNS] = "--dns-log"};
	if (!*text)
		return usage_error("serve", "%s wants a path, or off", names[log]);
	options->log_given[log] = true;
	options->logs[log] = strcmp(text, "off") == 0 ? NULL : text;
	return 0;
}

static int options_add_domain(struct options *options, const char *text)
{
	if (!*text)
		return usage_error("serve", "--domain wants a name, as example.org");
	if (options->domain_count == CONFIG_NAMES_MAX)
		return usage_error("serve", "too many domains: %s", text);
	options->domains[options->domain_count++] = text;
	return 0;
}

static int options_add_zone(struct options *options, const char *text)
{
	struct weir_span file = weir_span_of(text), name;
	struct weir_dns_name parsed;
	if (!weir_span_cut(&file, '=', &name) || name.size == 0 || file.size == 0 ||
	        weir_dns_name_parse(name, &parsed) < 0)
		return usage_error("serve",
		        "--zone wants NAME=FILE, as example.org=example.org.zone, and got '%s'",
		        text);
	if (options->zone_count == OPTIONS_ZONES_MAX)
		return usage_error("serve", "too many zones: %s", text);
	options->zones[options->zone_count++] = text;
	return 0;
}

static int options_add_forward(struct options *options, const char *text)
{
	if (options->forward_count == WEIR_DNS_UPSTREAMS_MAX)
		return usage_error("serve", "too many servers to ask: %s", text);
	if (!config_dns_parse_peer(text, &options->forward[options->forward_count]))
		return usage_error("serve",
		        "--forward wants the address of a DNS server, as 192.0.2.1, 2001:db8::1 or "
		        "192.0.2.1:5353, and got '%s'",
		        text);
	options->forward_count++;
	return 0;
}

static int options_set_path(const char **path, const char *option, const char *text)
{
	if (!*text)
		return usage_error("serve", "%s wants a path", option);
	*path = text;
	return 0;
}

int refuse_option(const char *verb, int letter, char **arguments)
{
	char name[] = {'-', (char)optopt, 0};
	const char *argument = arguments[optind - 1];
	bool is_long = strncmp(argument, "--", 2) == 0;
	if (letter == ':')
		return usage_error(verb, "%s wants a value", is_long ? argument : name);
	if (is_long && strchr(argument, '='))
		return usage_error(verb, "cannot make sense of '%s'", argument);
	return usage_error(verb, "there is no option '%s'", is_long ? argument : name);
}

static int options_set_option(struct options *options, int letter, const char *value)
{
	switch (letter) {
	case 'M':
		return options_set_path(&options->mail, "--mail", value);
	case 'U':
		return options_set_path(&options->users, "--users", value);
	case 'D':
		return options_add_domain(options, value);
	case 'L':
		return options_set_log(options, LOG_MAIL, value);
	case 'F':
		return options_set_log(options, LOG_FTP, value);
	case 'Z':
		return options_add_zone(options, value);
	case 'R':
		return options_add_forward(options, value);
	case 'N':
		return options_set_log(options, LOG_DNS, value);
	case 'O':
		options->doh = true;
		return 0;
	case 'W':
		options->ftp_writable = true;
		return 0;
	case 'e':
		return options_add_file(options->chains, "--cert", value);
	case 'k':
		return options_add_file(options->keys, "--key", value);
	case 'r':
		return options_set_root(options, value);
	case 'w':
		return options_set_workers(options, value);
	case 'l':
		return options_set_log(options, LOG_ACCESS, value);
	case 'c':
		options->config_path = value;
		return 0;
	default:
		options->help = true;
		return 0;
	}
}

static int options_parse(const char *letters, const struct option *known, int count,
        char **arguments, struct options *ret)
{
	int letter, index = 0;
	optind = 1;
	opterr = 0;
	*ret = (struct options){0};
	while ((letter = getopt_long(count, arguments, letters, known, &index)) != -1) {
		if (letter == '?' || letter == ':')
			return refuse_option(arguments[0], letter, arguments);
		int error = letter == 'a' ? options_add_listener(ret, known[index].name, optarg)
		                          : options_set_option(ret, letter, optarg);
		if (error)
			return error;
	}
	return 0;
}

int options_parse_serve(int count, char **arguments, struct options *ret)
{
	static const struct option known[] = {
	        {"http", required_argument, NULL, 'a'},
	        {"https", required_argument, NULL, 'a'},
	        {"smtp", required_argument, NULL, 'a'},
	        {"submission", required_argument, NULL, 'a'},
	        {"submissions", required_argument, NULL, 'a'},
	        {"smtps", required_argument, NULL, 'a'},
	        {"lmtp", required_argument, NULL, 'a'},
	        {"pop3", required_argument, NULL, 'a'},
	        {"pop3s", required_argument, NULL, 'a'},
	        {"ftp", required_argument, NULL, 'a'},
	        {"ftps", required_argument, NULL, 'a'},
	        {"dns", required_argument, NULL, 'a'},
	        {"dot", required_argument, NULL, 'a'},
	        {"doh", no_argument, NULL, 'O'},
	        {"zone", required_argument, NULL, 'Z'},
	        {"forward", required_argument, NULL, 'R'},
	        {"dns-log", required_argument, NULL, 'N'},
	        {"mail", required_argument, NULL, 'M'},
	        {"users", required_argument, NULL, 'U'},
	        {"domain", required_argument, NULL, 'D'},
	        {"mail-log", required_argument, NULL, 'L'},
	        {"ftp-log", required_argument, NULL, 'F'},
	        {"ftp-writable", no_argument, NULL, 'W'},
	        {"cert", required_argument, NULL, 'e'},
	        {"key", required_argument, NULL, 'k'},
	        {"root", required_argument, NULL, 'r'},
	        {"workers", required_argument, NULL, 'w'},
	        {"access-log", required_argument, NULL, 'l'},
	        {"config", required_argument, NULL, 'c'},
	        {"help", no_argument, NULL, 'h'},
	        {0},
	};
	int error = options_parse(":c:h", known, count, arguments, ret);
	if (error == 0)
		error = options_count_certificates(ret);
	for (; error == 0 && optind < count; optind++)
		error = options_set_root(ret, arguments[optind]);
	return error;
}

int options_parse_check(int count, char **arguments, struct options *ret)
{
	static const struct option known[] = {
	        {"config", required_argument, NULL, 'c'},
	        {"help", no_argument, NULL, 'h'},
	        {0},
	};
	int error = options_parse(":c:h", known, count, arguments, ret);
	if (error || ret->help)
		return error;
	if (!ret->config_path && optind < count)
		ret->config_path = arguments[optind++];
	if (optind < count)
		return usage_error(
		        "check", "one file can be checked, and '%s' is another", arguments[optind]);
	if (!ret->config_path)
		return usage_error("check", "check wants a file: weir check -c weir.yaml");
	return 0;
}
