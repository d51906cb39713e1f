/* weir zone: the command line; lists, removals, and keys of TSIG. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/base64.h>
#include <weir/database_zones.h>
#include <weir/dns_tsig.h>
#include <weir/dns_zone.h>
#include <weir/error.h>

#include "cli.h"
#include "config.h"
#include "helper.h"
#include "options.h"
#include "say.h"
#include "store.h"
#include "zone_verb.h"

enum {
	ZONE_TIME = 24,
	ZONE_ALGORITHM = 32, /* bytes that are shown, with a NUL */
};

struct zone_action {
	struct verb_action base;
	bool (*read)(
	        struct zone_request *request); /* what the words behind the name mean; or NULL */
	bool (*run)(struct zone_verb *verb);
	enum config_store_part part;
};

static void zone_verb_format_time(int64_t seconds, char ret[ZONE_TIME])
{
	struct tm tm;
	time_t time = (time_t)seconds;
	if (!localtime_r(&time, &tm) || !strftime(ret, ZONE_TIME, "%Y-%m-%d %H:%M", &tm))
		snprintf(ret, ZONE_TIME, "?");
}

/* -- listing ----------------------------------------------------------------------------------- */

static void zone_verb_print(void *context, const struct weir_database_zone *zone)
{
	struct zone_verb *verb = context;
	char name[WEIR_DNS_TEXT_MAX], made[ZONE_TIME];
	text_copy_plain(name, sizeof name, zone->name);
	zone_verb_format_time(zone->made_s, made);
	if (!verb->count++)
		printf("%-40s  %10s  %9s  %s\n", "ZONE", "SERIAL", "RECORDS", "STORED");
	printf("%-40s  %10" PRIu32 "  %9" PRIu64 "  %s%s\n", name, zone->serial, zone->records,
	        made, zone->current && verb->request->name_text[0] ? "  current" : "");
}

static const struct weir_database_zone_events zone_verb_listing = {
        .zone = zone_verb_print, .done = zone_verb_on_done};

static bool zone_verb_list(struct zone_verb *verb)
{
	const char *name = verb->request->name_text[0] ? verb->request->name_text : NULL;
	struct weir_database_call *call;
	bool good = store_verb_wait(
	        &verb->verb, weir_database_zones_list(verb->verb.database, verb->verb.loop, name,
	                             &zone_verb_listing, verb, &call));
	if (good && verb->count == 0)
		say(name ? "there is no zone %s in the database"
		         : "there is no zone in the database",
		        name);
	return good && (verb->count || !name);
}

/* -- removing, and keys ------------------------------------------------------------------------ */

static bool zone_verb_remove(struct zone_verb *verb)
{
	struct weir_database_call *call;
	return store_verb_wait(
	        &verb->verb, weir_database_zone_remove(verb->verb.database, verb->verb.loop,
	                             verb->request->name_text, zone_verb_on_done, verb, &call));
}

static void zone_verb_on_key(void *context, struct weir_span name, struct weir_span algorithm,
        struct weir_span secret, int error)
{
	struct zone_verb *verb = context;
	char shown[WEIR_DNS_TEXT_MAX], by[ZONE_ALGORITHM];
	text_copy_plain(shown, sizeof shown, name);
	text_copy_plain(by, sizeof by, algorithm);
	if (!verb->count++)
		printf("%-40s  %s\n", "KEY", "ALGORITHM");
	printf("%-40s  %s%s\n", shown, by,
	        error == -ENOKEY                    ? "  encrypted"
	        : error == -EBADMSG                 ? "  encrypted by another key"
	        : error                             ? "  damaged"
	        : secret.size < WEIR_DNS_SECRET_MIN ? "  short"
	                                            : "");
}

static bool zone_verb_keys(struct zone_verb *verb)
{
	struct weir_database_call *call;
	bool good = store_verb_wait(
	        &verb->verb, weir_database_tsig_list(verb->verb.database, verb->verb.loop,
	                             zone_verb_on_key, NULL, zone_verb_on_done, verb, &call));
	if (good && verb->count == 0)
		say("there is no key of TSIG in the database");
	return good;
}

static bool zone_verb_set_key(struct zone_verb *verb)
{
	struct weir_database_call *call;
	return store_verb_wait(&verb->verb,
	        weir_database_tsig_put(verb->verb.database, verb->verb.loop,
	                verb->request->name_text, verb->request->algorithm,
	                weir_buffer_span(&verb->request->secret), zone_verb_on_done, verb, &call));
}

static bool zone_verb_remove_key(struct zone_verb *verb)
{
	struct weir_database_call *call;
	return store_verb_wait(
	        &verb->verb, weir_database_tsig_remove(verb->verb.database, verb->verb.loop,
	                             verb->request->name_text, zone_verb_on_done, verb, &call));
}

/* -- what the words name ----------------------------------------------------------------------- */

static bool zone_verb_read_name(struct zone_request *request)
{
	if (weir_dns_name_parse(weir_span_of(request->words[0]), &request->name) < 0) {
		say("'%s' is not a domain name", request->words[0]);
		return false;
	}
	weir_dns_name_lower(&request->name);
	weir_dns_name_format(&request->name, request->name_text);
	return true;
}

static bool zone_verb_read_serial(struct zone_request *request)
{
	uint64_t serial;
	if (!request->words[1])
		return true;
	if (weir_span_number(weir_span_of(request->words[1]), 10, &serial) < 0 ||
	        serial > UINT32_MAX) {
		say("'%s' is not a serial", request->words[1]);
		return false;
	}
	request->serial = (uint32_t)serial;
	return true;
}

/* The secret is the first line of the standard input, so that no list of processes shows it. */
static bool zone_verb_read_secret(struct zone_request *request)
{
	char line[WEIR_BASE64_ENCODED(WEIR_DNS_SECRET_MAX) + 2] = "";
	enum weir_dns_tsig_algorithm algorithm;
	size_t size = 0;
	if (!weir_dns_tsig_algorithm(weir_span_of(request->algorithm), &algorithm)) {
		say("'%s' is not an algorithm: hmac-sha256, hmac-sha512 or hmac-sha1",
		        request->algorithm);
		return false;
	}
	bool good = fgets(line, sizeof line, stdin) &&
	            weir_buffer_reserve(&request->secret, WEIR_DNS_SECRET_MAX, SIZE_MAX) == 0;
	line[strcspn(line, "\r\n")] = 0;
	good = good &&
	       weir_base64_decode(
	               weir_span_of(line), request->secret.data, WEIR_DNS_SECRET_MAX, &size) == 0 &&
	       size >= WEIR_DNS_SECRET_MIN;
	request->secret.size = size;
	explicit_bzero(line, sizeof line);
	if (!good)
		say("the standard input must have a secret of %d to %d bytes in base64, as "
		    "`openssl rand -base64 32` makes it",
		        WEIR_DNS_SECRET_MIN, WEIR_DNS_SECRET_MAX);
	return good;
}

/* -- the command line -------------------------------------------------------------------------- */

static const struct zone_action zone_actions[] = {
        {{"list", "", 0, 0}, NULL, zone_verb_list, STORE_ZONES},
        {{"import", " ZONE FILE", 2, 2}, zone_verb_load, zone_verb_import, STORE_ZONES},
        {{"export", " ZONE [SERIAL]", 1, 2}, zone_verb_read_serial, zone_verb_export, STORE_ZONES},
        {{"history", " ZONE", 1, 1}, NULL, zone_verb_list, STORE_ZONES},
        {{"remove", " ZONE", 1, 1}, NULL, zone_verb_remove, STORE_ZONES},
        {{"keys", "", 0, 0}, NULL, zone_verb_keys, STORE_KEYS},
        {{"set-key", " NAME", 1, 1}, zone_verb_read_secret, zone_verb_set_key, STORE_KEYS},
        {{"remove-key", " NAME", 1, 1}, NULL, zone_verb_remove_key, STORE_KEYS},
        {{0}},
};

static int zone_verb_parse(int count, char **arguments, struct zone_request *ret)
{
	static const struct verb_actions actions = {
	        "zone", &zone_actions[0].base, sizeof *zone_actions, false};
	const struct action_option options[] = {
	        {"config", .value = &ret->config}, {"algorithm", .value = &ret->algorithm}, {0}};
	const struct verb_action *action;
	int status = verb_actions_read(
	        &actions, options, count, arguments, &ret->help, &action, ret->words);
	if (status == 0 && !ret->help)
		ret->action = WEIR_CONTAINER(action, const struct zone_action, base);
	return status;
}

static bool zone_verb_read_words(struct zone_request *request)
{
	if (request->words[0] && !zone_verb_read_name(request))
		return false;
	return !request->action->read || request->action->read(request);
}

static bool zone_verb_run(const struct zone_request *request, struct config *config)
{
	struct zone_verb verb = {.request = request};
	if (!store_verb_has(config, request->config, request->action->part))
		return false;
	bool good = store_verb_begin(&verb.verb, config) == 0 && request->action->run(&verb);
	store_verb_finish(&verb.verb);
	weir_buffer_finish(&verb.text);
	return fflush(stdout) == 0 && good;
}

int zone_verb(int count, char **arguments)
{
	struct zone_request request = {.config = STORE_VERB_CONFIG, .algorithm = "hmac-sha256"};
	int error = zone_verb_parse(count, arguments, &request);
	if (error)
		return error;
	if (request.help)
		return help_print_verb("zone");
	struct config *config =
	        zone_verb_read_words(&request) ? store_verb_read(request.config) : NULL;
	bool good = config && zone_verb_run(&request, config);
	config_release(config);
	weir_dns_zone_release(request.file);
	buffer_erase(&request.secret);
	return good ? EXIT_DONE : EXIT_FAILED;
}
