/*
 * The command line of the verbs. getopt_long splits it; every value is checked here, so that a
 * mistake is found before anything is opened. Files are looked at later.
 *
 * An option that is a key of the configuration is stored as text, and load.c applies it. An option
 * that means more than its key has a function here.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "helper.h"
#include "options.h"
#include "problems.h"
#include "types.h"

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

/* -- values ------------------------------------------------------------------------------------ */

int options_parse_value(const char *verb, const struct key *key, const char *text, void *target)
{
	struct memory memory = {0};
	struct problems problems = {.file = ""};
	struct reader reader = {
	        .memory = &memory, .problems = &problems, .directory = "/", .syntax_only = true};
	int result = 0;
	snprintf(reader.name, sizeof reader.name, "--%s", key->option);
	if (!key_parse(&reader, key, text, target) && problems.stored)
		result = usage_error(verb, "%s", problems.items[0].text);
	problems_free(&problems);
	memory_free(&memory);
	return result;
}

/* The largest value that a type stores. */
union any_value {
	uint64_t number;
	struct list list;
	struct weir_address address;
	struct config_listener listener;
	struct weir_dns_name name;
	struct config_ports ports;
};

static int options_store(
        struct options *options, const struct verb_option *option, const char *text)
{
	union any_value value = {0};
	if (!text)
		text = option->key->option_value;
	int error = options_parse_value("serve", option->key, text, &value);
	if (error)
		return error;
	if (options->value_count == OPTIONS_VALUES_MAX)
		return usage_error("serve", "too many options: --%s", option->key->option);
	options->values[options->value_count++] =
	        (struct option_value){option->key, option->offset, text};
	return 0;
}

static int options_add_listener(struct options *options, const struct key *key, const char *text)
{
	if (options->listener_count == CONFIG_LISTENERS_MAX)
		return usage_error("serve", "too many addresses: %s", text);
	struct config_listener *listener = &options->listeners[options->listener_count];
	*listener = (struct config_listener){0};
	int error = options_parse_value("serve", key, text, listener);
	options->listener_count += error == 0;
	return error;
}

static size_t options_count_files(const char *const *files)
{
	size_t count = 0;
	while (count < CONFIG_CERTIFICATES_MAX && files[count])
		count++;
	return count;
}

/* The first key belongs to the first chain, and so on. */
static int options_add_file(const char **files, const char *option, const char *path)
{
	size_t count = options_count_files(files);
	if (!*path)
		return usage_error("serve", "%s must be the path of a PEM file", option);
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

static int options_add_domain(struct options *options, const char *text)
{
	if (!*text)
		return usage_error("serve", "--domain must be a name such as example.org");
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
		        "--zone must be NAME=FILE such as example.org=example.org.zone, not '%s'",
		        text);
	if (options->zone_count == OPTIONS_ZONES_MAX)
		return usage_error("serve", "too many zones: %s", text);
	options->zones[options->zone_count++] = text;
	return 0;
}

static int options_add_forward(struct options *options, const struct key *key, const char *text)
{
	struct list list = {0};
	if (options->forward_count == WEIR_DNS_UPSTREAMS_MAX)
		return usage_error("serve", "too many servers to ask: %s", text);
	int error = options_parse_value("serve", key, text, &list);
	if (error == 0)
		type_parse_address(text, 53, &options->forward[options->forward_count++]);
	return error;
}

static int options_set_path(const char **path, const char *option, const char *text)
{
	if (!*text)
		return usage_error("serve", "%s must be a path", option);
	*path = text;
	return 0;
}

/* -- options that mean more than their key ----------------------------------------------------- */

typedef int option_function(struct options *options, const struct key *key, const char *value);

static int option_root(struct options *options, const struct key *key, const char *value)
{
	(void)key;
	return options_set_root(options, value);
}

static int option_cert(struct options *options, const struct key *key, const char *value)
{
	(void)key;
	return options_add_file(options->chains, "--cert", value);
}

static int option_key(struct options *options, const struct key *key, const char *value)
{
	(void)key;
	return options_add_file(options->keys, "--key", value);
}

static int option_mail(struct options *options, const struct key *key, const char *value)
{
	(void)key;
	return options_set_path(&options->mail, "--mail", value);
}

static int option_users(struct options *options, const struct key *key, const char *value)
{
	(void)key;
	return options_set_path(&options->users, "--users", value);
}

static int option_domain(struct options *options, const struct key *key, const char *value)
{
	(void)key;
	return options_add_domain(options, value);
}

static int option_zone(struct options *options, const struct key *key, const char *value)
{
	(void)key;
	return options_add_zone(options, value);
}

static int option_doh(struct options *options, const struct key *key, const char *value)
{
	(void)key, (void)value;
	options->doh = true;
	return 0;
}

static int option_ftp_writable(struct options *options, const struct key *key, const char *value)
{
	(void)key, (void)value;
	options->ftp_writable = true;
	return 0;
}

static int option_config(struct options *options, const struct key *key, const char *value)
{
	(void)key;
	options->config_path = value;
	return 0;
}

static int option_effective(struct options *options, const struct key *key, const char *value)
{
	(void)key, (void)value;
	options->effective = true;
	return 0;
}

static int option_help(struct options *options, const struct key *key, const char *value)
{
	(void)key, (void)value;
	options->help = true;
	return 0;
}

static const struct {
	const char *name;
	option_function *function;
} option_functions[] = {
        {"root", option_root},
        {"cert", option_cert},
        {"key", option_key},
        {"mail", option_mail},
        {"users", option_users},
        {"domain", option_domain},
        {"zone", option_zone},
        {"forward", options_add_forward},
        {"doh", option_doh},
        {"ftp-writable", option_ftp_writable},
        {"config", option_config},
        {"effective", option_effective},
        {"help", option_help},
};

static int options_set(void *context, const struct verb_option *option, const char *value)
{
	struct options *options = context;
	const char *name = option->key->option;
	for (size_t i = 0; i < sizeof option_functions / sizeof *option_functions; i++)
		if (strcmp(option_functions[i].name, name) == 0)
			return option_functions[i].function(options, option->key, value);
	if (option->section && option->section->one_key)
		return options_add_listener(options, option->key, value);
	return options_store(options, option, value);
}

/* -- parsing ----------------------------------------------------------------------------------- */

/* getopt_long returns a letter, or this number plus the index of the option. */
enum {
	OPTION_FIRST = 1000
};

/* The arguments of getopt_long. Options may have two names. */
struct known_options {
	struct verb_option options[VERB_OPTIONS_MAX];
	struct option known[2 * VERB_OPTIONS_MAX + 1];
	char letters[2 * VERB_OPTIONS_MAX + 3];
	size_t count;
};

static void options_know(struct known_options *ret, const struct verb *verb)
{
	size_t known = 0, letters = 0;
	*ret = (struct known_options){0};
	ret->count = verb_options(verb, ret->options);
	if (verb->command)
		ret->letters[letters++] = '+';
	ret->letters[letters++] = ':'; /* a missing value is not an unknown option */
	for (size_t i = 0; i < ret->count; i++) {
		const struct key *key = ret->options[i].key;
		int argument = verb_option_argument(key) ? required_argument
		               : key->option_argument    ? optional_argument
		                                         : no_argument;
		int value = OPTION_FIRST + (int)i;
		ret->known[known++] = (struct option){key->option, argument, NULL, value};
		if (key->option_alias)
			ret->known[known++] =
			        (struct option){key->option_alias, argument, NULL, value};
		if (key->option_letter)
			ret->letters[letters++] = key->option_letter;
		if (key->option_letter && argument == required_argument)
			ret->letters[letters++] = ':';
	}
}

static const struct verb_option *options_find(const struct known_options *known, int value)
{
	if (value >= OPTION_FIRST)
		return &known->options[value - OPTION_FIRST];
	for (size_t i = 0; i < known->count; i++)
		if (known->options[i].key->option_letter == value)
			return &known->options[i];
	return NULL;
}

/* `name` has no dashes. */
static int options_refuse_long(
        const char *verb, const struct known_options *known, struct weir_span name, bool valued)
{
	char typed[64];
	struct suggestion best = {0};
	int size = (int)name.size;
	bool fits = text_copy_span(typed, sizeof typed, name);
	for (size_t i = 0; fits && known->known[i].name; i++) {
		if (valued && strcmp(known->known[i].name, typed) == 0)
			return usage_error(verb, "--%s takes no value", typed);
		suggest(&best, typed, known->known[i].name);
	}
	if (best.name)
		return usage_error(verb, "there is no option '--%.*s'; did you mean '--%s'?", size,
		        name.data, best.name);
	return usage_error(verb, "there is no option '--%.*s'", size, name.data);
}

/*
 * Prints that an option is unknown or lacks its value. `letter` is that of getopt_long. Its optopt
 * is a letter, the value of a long option, or 0 for an unknown long one.
 */
static int options_refuse(
        const char *verb, const struct known_options *known, int letter, const char *argument)
{
	struct weir_span rest = weir_span_of(argument), name;
	bool is_long = optopt == 0 || optopt >= OPTION_FIRST;
	if (letter == ':')
		return is_long ? usage_error(verb, "%s needs a value", argument)
		               : usage_error(verb, "-%c needs a value", optopt);
	if (!is_long)
		return usage_error(verb, "there is no option '-%c'", optopt);
	bool valued = weir_span_cut(&rest, '=', &name);
	return options_refuse_long(verb, known, weir_span_skip(name, 2), valued);
}

int options_read(const char *verb, int count, char **arguments, options_set_fn *set, void *context)
{
	struct known_options known;
	int value;
	options_know(&known, verb_find(verb));
	optind = 1;
	opterr = 0;
	while ((value = getopt_long(count, arguments, known.letters, known.known, NULL)) != -1) {
		const struct verb_option *option = options_find(&known, value);
		if (!option)
			return options_refuse(verb, &known, value, arguments[optind - 1]);
		int error = set(context, option, optarg);
		if (error)
			return error;
	}
	return 0;
}

int options_parse_serve(int count, char **arguments, struct options *ret)
{
	*ret = (struct options){0};
	int error = options_read("serve", count, arguments, options_set, ret);
	if (error == 0)
		error = options_count_certificates(ret);
	for (; error == 0 && optind < count; optind++)
		error = options_set_root(ret, arguments[optind]);
	return error;
}

int options_parse_check(int count, char **arguments, struct options *ret)
{
	*ret = (struct options){0};
	int error = options_read("check", count, arguments, options_set, ret);
	if (error || ret->help)
		return error;
	if (!ret->config_path && optind < count)
		ret->config_path = arguments[optind++];
	if (optind < count)
		return usage_error(
		        "check", "one file can be checked, and '%s' is another", arguments[optind]);
	if (!ret->config_path)
		return usage_error("check", "check needs a file: weir check -c weir.yaml");
	return 0;
}
