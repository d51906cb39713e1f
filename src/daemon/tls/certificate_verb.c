/*
 * weir certificate: the certificates in the database. A pair of files is checked as a server does
 * before anything is stored. A row has one of the names of its certificate.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <weir/database_certificates.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/tls.h>

#include "cli.h"
#include "config.h"
#include "helper.h"
#include "options.h"
#include "say.h"
#include "store.h"
#include "store_verb.h"
#include "stored_chain.h"
#include "verb_actions.h"

enum {
	CERTIFICATE_TIME = 24,
	CERTIFICATE_NAME = 256, /* bytes of a name that are shown, with a NUL */
};

struct certificate_action;

struct certificate_request {
	const char *config;
	const struct certificate_action *action;
	const char *words[ACTION_WORDS_MAX]; /* the name, the chain, the key */
	bool help;
	struct weir_buffer chain, key; /* of import */
};

struct certificate_verb {
	struct store_verb verb;
	const struct certificate_request *request;
	unsigned count;
};

static void certificate_verb_on_done(void *context, int error, const char *text)
{
	store_verb_done(&((struct certificate_verb *)context)->verb, error, text);
}

/* -- actions ----------------------------------------------------------------------------------- */

static void certificate_verb_format_time(int64_t seconds, char ret[CERTIFICATE_TIME])
{
	time_t time = (time_t)seconds;
	struct tm tm;
	if (seconds == INT64_MAX || !localtime_r(&time, &tm) ||
	        !strftime(ret, CERTIFICATE_TIME, "%Y-%m-%d %H:%M", &tm))
		text_copy(ret, CERTIFICATE_TIME, "?");
}

static void certificate_verb_print(
        void *context, struct weir_span name, struct weir_span chain, int64_t stored_s)
{
	struct certificate_verb *verb = context;
	char shown[CERTIFICATE_NAME], stored[CERTIFICATE_TIME], expires[CERTIFICATE_TIME];
	int64_t expires_s = stored_chain_expires_s(chain);
	text_copy_plain(shown, sizeof shown, name);
	certificate_verb_format_time(stored_s, stored);
	certificate_verb_format_time(expires_s, expires);
	if (!verb->count++)
		printf("%-40s  %-16s  %s\n", "CERTIFICATE", "STORED", "EXPIRES");
	printf("%-40s  %-16s  %s%s\n", shown, stored, expires,
	        expires_s <= (int64_t)time(NULL) ? "  expired" : "");
}

static bool certificate_verb_list(struct certificate_verb *verb)
{
	struct weir_database_call *call;
	bool good = store_verb_wait(&verb->verb,
	        weir_database_certificates_list(verb->verb.database, verb->verb.loop,
	                certificate_verb_print, NULL, certificate_verb_on_done, verb, &call));
	if (good && verb->count == 0)
		say("there is no certificate in the database");
	return good;
}

static bool certificate_verb_import(struct certificate_verb *verb)
{
	const struct certificate_request *request = verb->request;
	struct weir_database_call *call;
	return store_verb_wait(&verb->verb,
	        weir_database_certificate_put(verb->verb.database, verb->verb.loop,
	                request->words[0], weir_buffer_span(&request->chain),
	                weir_buffer_span(&request->key), certificate_verb_on_done, verb, &call));
}

static bool certificate_verb_remove(struct certificate_verb *verb)
{
	struct weir_database_call *call;
	return store_verb_wait(&verb->verb,
	        weir_database_certificate_remove(verb->verb.database, verb->verb.loop,
	                verb->request->words[0], certificate_verb_on_done, verb, &call));
}

/* -- the files --------------------------------------------------------------------------------- */

static void certificate_verb_on_mistake(void *context, const char *path, const char *text)
{
	(void)context;
	say("%s%s%s", path, *path ? ": " : "", text);
}

static bool certificate_verb_read(const char *path, struct weir_buffer *ret)
{
	int error = file_read_path(path, WEIR_DATABASE_SECRET_MAX, ret);
	if (error < 0)
		say("%s: %s", path, weir_error_text(error));
	return error == 0;
}

/* A row is found, and replaced by the next import, under a name that clients ask for. */
static bool certificate_verb_check_name(const struct certificate_request *request)
{
	struct weir_buffer names = {0};
	const char *name = request->words[0], *chain = request->words[1];
	bool good = stored_chain_is_for(weir_buffer_span(&request->chain), name, &names);
	if (!good && names.size)
		say("'%s' is no name of the certificate in %s: store it under one that it has: "
		    "%.*s",
		        name, chain, (int)names.size, names.data);
	else if (!good)
		say("the certificate in %s is for no name, so no client would get it: make one "
		    "with a subjectAltName for %s",
		        chain, name);
	weir_buffer_finish(&names);
	return good;
}

/* Reads the two files, and checks that they are a pair, and for the name. */
static bool certificate_verb_load(struct certificate_request *request)
{
	struct weir_tls_options options;
	struct weir_tls *tls;
	if (!request->words[0][0] || strpbrk(request->words[0], " \t\n")) {
		say("'%s' is not a name: it must have no spaces", request->words[0]);
		return false;
	}
	if (!certificate_verb_read(request->words[1], &request->chain) ||
	        !certificate_verb_read(request->words[2], &request->key))
		return false;
	struct weir_tls_certificate certificate = {.chain = request->words[1],
	        .key = request->words[2],
	        .chain_pem = weir_buffer_span(&request->chain),
	        .key_pem = weir_buffer_span(&request->key)};
	weir_tls_options_init(&options);
	options.certificates = &certificate;
	options.count = 1;
	if (weir_tls_server_create(&options, certificate_verb_on_mistake, NULL, &tls) < 0)
		return false;
	weir_tls_release(tls);
	return certificate_verb_check_name(request);
}

/* -- the command ------------------------------------------------------------------------------- */

struct certificate_action {
	struct verb_action base;
	bool (*read)(struct certificate_request *request); /* the files; or NULL */
	bool (*run)(struct certificate_verb *verb);
};

static const struct certificate_action certificate_actions[] = {
        {{"list", "", 0, 0}, NULL, certificate_verb_list},
        {{"import", " NAME CHAIN KEY", 3, 3}, certificate_verb_load, certificate_verb_import},
        {{"remove", " NAME", 1, 1}, NULL, certificate_verb_remove},
        {{0}},
};

static int certificate_verb_parse(int count, char **arguments, struct certificate_request *ret)
{
	static const struct verb_actions actions = {
	        "certificate", &certificate_actions[0].base, sizeof *certificate_actions, false};
	const struct action_option options[] = {{"config", .value = &ret->config}, {0}};
	const struct verb_action *action;
	int status = verb_actions_read(
	        &actions, options, count, arguments, &ret->help, &action, ret->words);
	if (status == 0 && !ret->help)
		ret->action = WEIR_CONTAINER(action, const struct certificate_action, base);
	return status;
}

static bool certificate_verb_run(const struct certificate_request *request, struct config *config)
{
	struct certificate_verb verb = {.request = request};
	if (!store_verb_has(config, request->config, STORE_KEYS))
		return false;
	bool good = store_verb_begin(&verb.verb, config) == 0 && request->action->run(&verb);
	store_verb_finish(&verb.verb);
	return fflush(stdout) == 0 && good;
}

int certificate_verb(int count, char **arguments)
{
	struct certificate_request request = {.config = STORE_VERB_CONFIG};
	int error = certificate_verb_parse(count, arguments, &request);
	if (error)
		return error;
	if (request.help)
		return help_print_verb("certificate");
	bool good = !request.action->read || request.action->read(&request);
	struct config *config = good ? store_verb_read(request.config) : NULL;
	good = config && certificate_verb_run(&request, config);
	config_release(config);
	weir_buffer_finish(&request.chain);
	buffer_erase(&request.key);
	return good ? EXIT_DONE : EXIT_FAILED;
}
