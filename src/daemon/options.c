/*
 * The command line of the verbs. getopt_long cuts it; every value is checked here, so that a
 * mistake is found before anything is opened. Whether files exist is not looked at.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "options.h"

int usage_error(const char *verb, const char *format, const char *what)
{
	fputs("weir: ", stderr);
	fprintf(stderr, format, what);
	fprintf(stderr, "\nTry `weir %s --help`.\n", verb);
	return EXIT_USAGE;
}

static int add_listener(struct options *options, const char *text)
{
	if (options->listener_count == CONFIG_LISTENERS_MAX)
		return usage_error("serve", "too many addresses: %s", text);
	struct weir_address *address = &options->listeners[options->listener_count];
	if (weir_address_parse(weir_span_of(text), address) < 0)
		return usage_error("serve",
		        "--http wants ADDRESS:PORT, as 127.0.0.1:8080, [::1]:8080 or :8080, and "
		        "got '%s'",
		        text);
	options->listener_count++;
	return 0;
}

static int set_root(struct options *options, const char *text)
{
	if (options->root)
		return usage_error(
		        "serve", "one directory can be served, and '%s' is another", text);
	if (!*text)
		return usage_error("serve", "the directory has no name%s", "");
	options->root = text;
	return 0;
}

static int set_workers(struct options *options, const char *text)
{
	uint64_t number;
	if (weir_span_number(weir_span_of(text), 10, &number) < 0 || number < 1 ||
	        number > CONFIG_WORKERS_MAX)
		return usage_error(
		        "serve", "--workers wants a number from 1 to 64, and got '%s'", text);
	options->workers = (unsigned)number;
	return 0;
}

static int set_access_log(struct options *options, const char *text)
{
	if (!*text)
		return usage_error("serve", "--access-log wants a path, or off%s", "");
	options->access_log_given = true;
	options->access_log = strcmp(text, "off") == 0 ? NULL : text;
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

static int set_option(struct options *options, int letter, const char *value)
{
	switch (letter) {
	case 'a':
		return add_listener(options, value);
	case 'r':
		return set_root(options, value);
	case 'w':
		return set_workers(options, value);
	case 'l':
		return set_access_log(options, value);
	case 'c':
		options->config_path = value;
		return 0;
	default:
		options->help = true;
		return 0;
	}
}

static int parse(const char *letters, const struct option *known, int count, char **arguments,
        struct options *ret)
{
	int letter;
	optind = 1;
	opterr = 0;
	*ret = (struct options){0};
	while ((letter = getopt_long(count, arguments, letters, known, NULL)) != -1) {
		if (letter == '?' || letter == ':')
			return refuse_option(arguments[0], letter, arguments);
		int error = set_option(ret, letter, optarg);
		if (error)
			return error;
	}
	return 0;
}

int options_parse_serve(int count, char **arguments, struct options *ret)
{
	static const struct option known[] = {
	        {"http", required_argument, NULL, 'a'},
	        {"root", required_argument, NULL, 'r'},
	        {"workers", required_argument, NULL, 'w'},
	        {"access-log", required_argument, NULL, 'l'},
	        {"config", required_argument, NULL, 'c'},
	        {"help", no_argument, NULL, 'h'},
	        {0},
	};
	int error = parse(":c:h", known, count, arguments, ret);
	for (; error == 0 && optind < count; optind++)
		error = set_root(ret, arguments[optind]);
	return error;
}

int options_parse_check(int count, char **arguments, struct options *ret)
{
	static const struct option known[] = {
	        {"config", required_argument, NULL, 'c'},
	        {"help", no_argument, NULL, 'h'},
	        {0},
	};
	int error = parse(":c:h", known, count, arguments, ret);
	if (error || ret->help)
		return error;
	if (!ret->config_path && optind < count)
		ret->config_path = arguments[optind++];
	if (optind < count)
		return usage_error(
		        "check", "one file can be checked, and '%s' is another", arguments[optind]);
	if (!ret->config_path)
		return usage_error("check", "check wants a file: weir check -c weir.yaml%s", "");
	return 0;
}
