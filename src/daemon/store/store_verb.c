/*
 * weir store: makes the tables, brings them up to date, checks them. Each action blocks its own
 * loop.
 */
#include "store_verb.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weir/database.h>
#include <weir/database_check.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "cli.h"
#include "config.h"
#include "helper.h"
#include "options.h"
#include "problems.h"
#include "resources.h"
#include "say.h"
#include "sources.h"
#include "store.h"

/* -- for all verbs ----------------------------------------------------------------------------- */

/* The files that were left unread are those of secrets. */
static bool store_verb_read_secrets(struct config *config)
{
	struct problems problems = {.file = config->store.password_path};
	struct reader reader = {.memory = &config->memory, .problems = &problems};
	if (config->store.password_path)
		config->store.password =
		        reader_password(&reader, NULL, config->store.password_path);
	if (config->store.seal_path) {
		problems.file = config->store.seal_path;
		store_read_seal(&reader, NULL, &config->store);
	}
	bool good = problems.count == 0;
	problems_print(&problems, stderr);
	problems_free(&problems);
	return good;
}

struct config *store_verb_read(const char *path)
{
	struct problems problems = {.file = path};
	sources_skim(NULL);
	struct config *config = config_file_read(&problems, NULL);
	sources_end();
	problems_print(&problems, stderr);
	problems_free(&problems);
	if (config && store_verb_read_secrets(config))
		return config;
	config_release(config);
	return NULL;
}

/* Root becomes the user that serves, so that the server of the database knows it by its socket. */
static int store_verb_become(struct config *config)
{
	if (geteuid() != 0)
		return 0;
	if (!config->user && getpwnam(RESOURCES_USER))
		config->user = RESOURCES_USER;
	return resources_lend(config->user);
}

int store_verb_begin(struct store_verb *verb, struct config *config)
{
	*verb = (struct store_verb){0};
	int error = store_verb_become(config);
	if (error == 0)
		error = store_open(config, &verb->database);
	if (error == 0 && (error = weir_loop_create(&verb->loop)) < 0)
		say("cannot make an event loop: %s", weir_error_text(error));
	return error;
}

void store_verb_finish(struct store_verb *verb)
{
	store_leave(verb->database, verb->loop);
	weir_database_release(verb->database);
	weir_loop_destroy(verb->loop);
	resources_return();
}

void store_verb_done(void *context, int error, const char *text)
{
	struct store_verb *verb = context;
	verb->ended = true;
	verb->failed = error;
	if (error)
		say("the database: %s", text);
}

bool store_verb_wait(struct store_verb *verb, int error)
{
	verb->ended = false;
	while (error >= 0 && !verb->ended)
		error = weir_loop_turn(verb->loop, -1);
	if (error < 0)
		say("the database: %s", weir_error_text(error));
	return error >= 0 && !verb->failed;
}

/* -- the schema -------------------------------------------------------------------------------- */

enum {
	STORE_VERB_PARTS = 16 /* more than the schema has */
};

struct store_looking {
	struct store_verb verb;
	struct weir_database_part parts[STORE_VERB_PARTS];
	unsigned count;
	unsigned steps; /* of a migration, that were done */
};

static void store_verb_on_part(void *context, const struct weir_database_part *part)
{
	struct store_looking *looking = context;
	unsigned i = 0;
	while (i < looking->count && strcmp(looking->parts[i].name, part->name) != 0)
		i++;
	if (i == looking->count) {
		if (looking->count < STORE_VERB_PARTS)
			looking->parts[looking->count++] = *part;
		return;
	}
	say("%s: from version %u to %u", part->name, looking->parts[i].have, part->have);
	looking->parts[i] = *part;
	looking->steps++;
}

static unsigned store_verb_count_there(const struct store_looking *looking)
{
	unsigned there = 0;
	for (unsigned i = 0; i < looking->count; i++)
		there += looking->parts[i].have > 0;
	return there;
}

static void store_verb_on_done(void *context, int error, const char *text)
{
	store_verb_done(&((struct store_looking *)context)->verb, error, text);
}

static bool store_verb_look(struct store_looking *looking)
{
	struct store_verb *verb = &looking->verb;
	return store_verb_wait(verb, weir_database_look(verb->database, verb->loop,
	                                     store_verb_on_part, store_verb_on_done, looking));
}

static bool store_verb_migrate(struct store_looking *looking, bool first)
{
	struct store_verb *verb = &looking->verb;
	if (!store_verb_look(looking))
		return false;
	unsigned there = store_verb_count_there(looking);
	if (first ? there > 0 : there == 0) {
		say(first ? "the tables are there; `weir store migrate` brings them up to date"
		          : "there are no tables; `weir store init` makes them");
		return first;
	}
	looking->count = 0;
	if (!store_verb_wait(verb, weir_database_migrate(verb->database, verb->loop,
	                                   store_verb_on_part, store_verb_on_done, looking)))
		return false;
	bool newer = false;
	for (unsigned i = 0; i < looking->count; i++)
		newer |= looking->parts[i].have > looking->parts[i].wanted;
	if (looking->steps == 0)
		say("nothing to do: the tables are %s",
		        newer ? "newer than this program" : "up to date");
	return true;
}

/* The reasons are warnings: the configuration is good. */
void store_verb_warn(struct config *config)
{
	struct store_looking looking = {.count = 0};
	if (!config->store.url)
		return;
	config->store.wait_ms = store_start_ms(config);
	bool replied = store_verb_begin(&looking.verb, config) == 0 && store_verb_look(&looking);
	for (unsigned i = 0; i < looking.count && replied; i++) {
		const char *lack = store_part_lack(&looking.parts[i]);
		if (lack && store_uses(config, &looking.parts[i]))
			say("the tables of %s in the database are %s", looking.parts[i].name, lack);
	}
	store_verb_finish(&looking.verb);
}

/* -- checks ------------------------------------------------------------------------------------ */

struct store_checking {
	struct store_verb verb;
	unsigned problems;
};

static void store_verb_print(
        const char *part, struct weir_span what, struct weir_span value, const char *problem)
{
	printf("%-10s %-24.*s %.*s%s%s\n", part ? part : "server", (int)what.size,
	        what.size ? what.data : "", (int)value.size, value.size ? value.data : "",
	        problem ? "  <- " : "", problem ? problem : "");
}

static void store_verb_on_finding(void *context, const struct weir_database_finding *finding)
{
	struct store_checking *checking = context;
	checking->problems += finding->problem;
	store_verb_print(finding->part, finding->what, finding->value,
	        finding->problem ? "look at this" : NULL);
}

static void store_verb_on_checked(void *context, int error, const char *text)
{
	store_verb_done(&((struct store_checking *)context)->verb, error, text);
}

static unsigned store_verb_print_parts(
        const struct store_looking *looking, const struct config *config)
{
	unsigned problems = 0;
	for (unsigned i = 0; i < looking->count; i++) {
		char text[64];
		const struct weir_database_part *part = &looking->parts[i];
		const char *lack = store_part_lack(part);
		bool used = store_uses(config, part);
		snprintf(text, sizeof text, "version %u, of this program %u", part->have,
		        part->wanted);
		store_verb_print(part->name, WEIR_SPAN("schema"), weir_span_of(text), lack);
		problems += lack && used;
	}
	return problems;
}

static bool store_verb_check(const struct store_looking *looking, const struct config *config)
{
	struct store_checking checking = {.verb = looking->verb};
	checking.problems = store_verb_print_parts(looking, config);
	bool good = store_verb_wait(
	        &checking.verb, weir_database_check(checking.verb.database, checking.verb.loop,
	                                store_verb_on_finding, store_verb_on_checked, &checking));
	if (checking.problems)
		say("%u problem%s", checking.problems, checking.problems == 1 ? "" : "s");
	return fflush(stdout) == 0 && good && checking.problems == 0;
}

/* -- the command ------------------------------------------------------------------------------- */

struct store_request {
	const char *config;
	const char *action;
	bool help;
};

static int store_verb_parse(int count, char **arguments, struct store_request *ret)
{
	static const struct option known[] = {
	        {"config", required_argument, NULL, 'c'},
	        {"help", no_argument, NULL, 'h'},
	        {0},
	};
	int letter;
	optind = 1;
	opterr = 0;
	while ((letter = getopt_long(count, arguments, ":c:h", known, NULL)) != -1) {
		if (letter == '?' || letter == ':')
			return refuse_option(arguments[0], letter, arguments);
		ret->config = letter == 'c' ? optarg : ret->config;
		ret->help |= letter == 'h';
	}
	if (ret->help)
		return 0;
	if (optind == count)
		return usage_error("store", "an action is missing: init, migrate or check%s", "");
	ret->action = arguments[optind++];
	if (strcmp(ret->action, "init") != 0 && strcmp(ret->action, "migrate") != 0 &&
	        strcmp(ret->action, "check") != 0)
		return usage_error(
		        "store", "there is no action '%s': init, migrate or check", ret->action);
	if (optind < count)
		return usage_error("store", "%s takes no arguments", ret->action);
	return 0;
}

static bool store_verb_run(const struct store_request *request, struct config *config)
{
	struct store_looking looking = {.count = 0};
	bool good = false;
	if (store_verb_begin(&looking.verb, config) == 0) {
		if (strcmp(request->action, "check") == 0)
			good = store_verb_look(&looking) && store_verb_check(&looking, config);
		else
			good = store_verb_migrate(&looking, strcmp(request->action, "init") == 0);
	}
	store_verb_finish(&looking.verb);
	return good;
}

int store_verb(int count, char **arguments)
{
	struct store_request request = {.config = STORE_VERB_CONFIG};
	int error = store_verb_parse(count, arguments, &request);
	if (error)
		return error;
	if (request.help)
		return help_print_verb("store");
	struct config *config = store_verb_read(request.config);
	bool good = config;
	if (config && !config->store.url) {
		say("%s: there is no 'store'", request.config);
		good = false;
	}
	if (good)
		good = store_verb_run(&request, config);
	config_release(config);
	return good ? EXIT_DONE : EXIT_FAILED;
}
