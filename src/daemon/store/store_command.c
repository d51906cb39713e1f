/*
 * weir store: makes the tables, brings them up to date, checks them; store_transfer.c fills them
 * from files. Each action blocks its own loop.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <weir/database.h>
#include <weir/database_check.h>

#include "cli.h"
#include "config.h"
#include "helper.h"
#include "options.h"
#include "say.h"
#include "store.h"
#include "store_rows.h"
#include "store_transfer.h"
#include "store_verb.h"
#include "verb_actions.h"

/* -- the schema -------------------------------------------------------------------------------- */

enum {
	STORE_COMMAND_PARTS = 16,  /* more than the schema has */
	STORE_COMMAND_TEXT = 1024, /* bytes of a text that are shown, with a NUL */
};

struct store_looking {
	struct store_verb verb;
	struct weir_database_part parts[STORE_COMMAND_PARTS];
	unsigned count;
	unsigned steps; /* of a migration, that were done */
};

static void store_command_on_part(void *context, const struct weir_database_part *part)
{
	struct store_looking *looking = context;
	unsigned i = 0;
	while (i < looking->count && strcmp(looking->parts[i].name, part->name) != 0)
		i++;
	if (i == looking->count) {
		if (looking->count < STORE_COMMAND_PARTS)
			looking->parts[looking->count++] = *part;
		return;
	}
	say("%s: from version %u to %u", part->name, looking->parts[i].have, part->have);
	looking->parts[i] = *part;
	looking->steps++;
}

static void store_command_print(
        const char *part, struct weir_span what, struct weir_span value, const char *problem)
{
	char plain_what[STORE_COMMAND_TEXT], plain_value[STORE_COMMAND_TEXT];
	text_copy_plain(plain_what, sizeof plain_what, what);
	text_copy_plain(plain_value, sizeof plain_value, value);
	printf("%-10s %-27s %s%s%s\n", part ? part : "server", plain_what, plain_value,
	        problem ? "  <- " : "", problem ? problem : "");
}

static void store_command_print_version(const struct weir_database_part *part, const char *lack)
{
	char text[64];
	snprintf(text, sizeof text, "version %u, of this program %u", part->have, part->wanted);
	store_command_print(part->name, WEIR_SPAN("schema"), weir_span_of(text), lack);
}

static unsigned store_command_count_there(const struct store_looking *looking)
{
	unsigned there = 0;
	for (unsigned i = 0; i < looking->count; i++)
		there += looking->parts[i].have > 0;
	return there;
}

static void store_command_on_done(void *context, int error, const char *text)
{
	store_verb_done(&((struct store_looking *)context)->verb, error, text);
}

static bool store_command_look(struct store_looking *looking)
{
	struct store_verb *verb = &looking->verb;
	return store_verb_wait(
	        verb, weir_database_look(verb->database, verb->loop, store_command_on_part,
	                      store_command_on_done, looking));
}

static void store_command_print_step(const char *part, unsigned step)
{
	const char *statement;
	for (unsigned i = 0; (statement = weir_database_statement(part, step, i)); i++)
		printf("%s;\n", statement);
}

/* What weir_database_repair, for `first`, or weir_database_migrate would do. */
static bool store_command_print_migration(const struct store_looking *looking, bool first)
{
	unsigned steps = 0;
	for (unsigned i = 0; i < looking->count; i++) {
		const struct weir_database_part *part = &looking->parts[i];
		unsigned from = first && part->have <= part->wanted ? 0 : part->have;
		if (from >= part->wanted)
			continue;
		if (steps == 0)
			store_command_print_step(NULL, 0);
		if (part->have < part->wanted)
			say("%s would go from version %u to %u", part->name, part->have,
			        part->wanted);
		for (; from < part->wanted; from++, steps++)
			store_command_print_step(part->name, from);
	}
	if (steps == 0)
		say("there is nothing to do");
	return fflush(stdout) == 0;
}

static bool store_command_migrate(struct store_looking *looking, bool first, bool dry)
{
	struct store_verb *verb = &looking->verb;
	if (!store_command_look(looking))
		return false;
	if (!first && store_command_count_there(looking) == 0) {
		say("there are no tables; `weir store init` makes them");
		return false;
	}
	if (dry)
		return store_command_print_migration(looking, first);
	looking->count = 0;
	int error = (first ? weir_database_repair : weir_database_migrate)(
	        verb->database, verb->loop, store_command_on_part, store_command_on_done, looking);
	if (!store_verb_wait(verb, error))
		return false;
	bool newer = false, good = true;
	for (unsigned i = 0; i < looking->count; i++) {
		const char *lack = store_part_lack(&looking->parts[i]);
		newer |= looking->parts[i].have > looking->parts[i].wanted;
		good &= !lack;
		if (lack)
			say("the tables of %s are %s", looking->parts[i].name, lack);
		if (first)
			store_command_print_version(&looking->parts[i], NULL);
	}
	if (looking->steps == 0 && good)
		say("%s are there, and %s", first ? "all tables" : "the tables",
		        newer ? "newer than this program, which can use them" : "up to date");
	return fflush(stdout) == 0 && good;
}

/* -- checks ------------------------------------------------------------------------------------ */

struct store_checking {
	struct store_verb verb;
	unsigned problems;
	bool missing; /* a table, a column or an index */
	bool sealed;  /* a secret that cannot be decrypted */
};

static void store_command_on_finding(void *context, const struct weir_database_finding *finding)
{
	struct store_checking *checking = context;
	checking->problems += finding->problem;
	checking->missing |= finding->missing;
	checking->sealed |= finding->sealed;
	store_command_print(finding->part, finding->what, finding->value,
	        finding->missing   ? "make it: see below"
	        : finding->sealed  ? "give its key: see below"
	        : finding->problem ? "a problem"
	                           : NULL);
}

static void store_command_on_checked(void *context, int error, const char *text)
{
	store_verb_done(&((struct store_checking *)context)->verb, error, text);
}

static unsigned store_command_print_parts(
        const struct store_looking *looking, const struct config *config)
{
	unsigned problems = 0;
	for (unsigned i = 0; i < looking->count; i++) {
		const struct weir_database_part *part = &looking->parts[i];
		const char *lack = store_part_lack(part);
		char waits[STORE_WAITS_SIZE];
		bool due = lack || store_part_waits(part, waits, sizeof waits);
		store_command_print_version(part, lack  ? lack
		                                  : due ? "run `weir store migrate`"
		                                        : NULL);
		problems += due && store_parts_include(store_parts(config), part);
	}
	return problems;
}

/* Servers use all rows of users and aliases or none, and say so in their logs alone. */
static unsigned store_command_check_users(struct store_checking *checking, struct config *config)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	bool bad = store_rows_are_bad(&checking->verb, config, why);
	if (bad)
		store_command_print(store_part_names[STORE_USERS], WEIR_SPAN("rows"),
		        weir_span_of(why), "no server uses a change before this is corrected");
	return bad;
}

static bool store_command_are_there(const struct store_looking *looking, enum config_store_part of)
{
	for (unsigned i = 0; i < looking->count; i++)
		if (strcmp(looking->parts[i].name, store_part_names[of]) == 0)
			return !store_part_lack(&looking->parts[i]);
	return false;
}

static bool store_command_check(const struct store_looking *looking, struct config *config)
{
	struct store_checking checking = {.verb = looking->verb};
	checking.problems = store_command_print_parts(looking, config);
	bool good = store_verb_wait(&checking.verb,
	        weir_database_check(checking.verb.database, checking.verb.loop,
	                store_command_on_finding, store_command_on_checked, &checking));
	if (good && !checking.missing && store_has(config, STORE_USERS) &&
	        store_command_are_there(looking, STORE_USERS))
		checking.problems += store_command_check_users(&checking, config);
	if (checking.missing)
		say("a table or index is missing: `weir store init` makes it, a table without rows");
	if (checking.sealed)
		say("a secret cannot be decrypted: give the 'secret-key-file' with which it was "
		    "stored, or store it again (`weir certificate`, `weir zone set-key`); shared "
		    "secrets are made anew after `DELETE FROM weir_secret`");
	if (checking.problems)
		say("%u problem%s", checking.problems, checking.problems == 1 ? "" : "s");
	return fflush(stdout) == 0 && good && checking.problems == 0;
}

/* -- the command ------------------------------------------------------------------------------- */

struct store_request {
	const char *config;
	const struct store_action *action;
	bool help;
	bool dry;
	struct store_transfer_request transfer;
};

enum store_kind {
	STORE_INIT,
	STORE_MIGRATE,
	STORE_CHECK,
	STORE_IMPORT,
	STORE_EXPORT,
};

static const struct store_action {
	struct verb_action base;
	enum store_kind kind;
} store_actions[] = {
        {{"init", "", 0, 0}, STORE_INIT},
        {{"migrate", "", 0, 0}, STORE_MIGRATE},
        {{"check", "", 0, 0}, STORE_CHECK},
        {{"import", " [PART...] [URL]", 0, ACTION_WORDS_ANY}, STORE_IMPORT},
        {{"export", " [PART...] DIR [URL]", 1, ACTION_WORDS_ANY}, STORE_EXPORT},
        {{0}},
};

static bool store_command_transfers(const struct store_request *request)
{
	return request->action->kind >= STORE_IMPORT;
}

static int store_command_parse(int count, char **arguments, struct store_request *ret)
{
	static const struct verb_actions actions = {
	        "store", &store_actions[0].base, sizeof *store_actions, true};
	const struct action_option options[] = {
	        {"config", .value = &ret->config}, {"dry-run", .given = &ret->dry}, {0}};
	const struct verb_action *found;
	const char *words[ACTION_WORDS_MAX];
	int status =
	        verb_actions_read(&actions, options, count, arguments, &ret->help, &found, words);
	if (status || ret->help)
		return status;
	ret->action = WEIR_CONTAINER(found, const struct store_action, base);
	if (ret->dry && ret->action->kind > STORE_MIGRATE)
		return usage_error(
		        "store", "--dry-run is for init and migrate, not for %s", found->name);
	return store_command_transfers(ret)
	               ? store_transfer_parse(ret->action->kind == STORE_EXPORT, count - optind - 1,
	                         arguments + optind + 1, &ret->transfer)
	               : 0;
}

static bool store_command_run(const struct store_request *request, struct config *config)
{
	struct store_looking looking = {.count = 0};
	bool good = false;
	if (store_verb_begin(&looking.verb, config) == 0) {
		if (request->action->kind == STORE_CHECK)
			good = store_command_look(&looking) &&
			       store_command_check(&looking, config);
		else
			good = store_command_migrate(
			        &looking, request->action->kind == STORE_INIT, request->dry);
	}
	store_verb_finish(&looking.verb);
	return good;
}

int store_verb(int count, char **arguments)
{
	struct store_request request = {.config = STORE_VERB_CONFIG};
	int error = store_command_parse(count, arguments, &request);
	if (error)
		return error;
	if (request.help)
		return help_print_verb("store");
	struct config *config = store_verb_read(request.config);
	bool good = config;
	if (config && !request.transfer.url)
		good = store_verb_is_there(config, request.config);
	if (good)
		good = store_command_transfers(&request)
		               ? store_transfer_run(&request.transfer, config)
		               : store_command_run(&request, config);
	config_release(config);
	return good ? EXIT_DONE : EXIT_FAILED;
}
