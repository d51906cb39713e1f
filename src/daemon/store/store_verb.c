/* The configuration, the loop and the waits of verbs that work on a database. */
#include "store_verb.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weir/database.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "config.h"
#include "helper.h"
#include "options.h"
#include "problems.h"
#include "resources.h"
#include "say.h"
#include "sources.h"
#include "store.h"
#include "table.h"

bool store_verb_read_secrets(struct config *config, const char *path)
{
	struct problems problems = {.file = path};
	struct reader reader = {.memory = &config->memory, .problems = &problems};
	if (config->store.password_path)
		config->store.password =
		        reader_password(&reader, NULL, config->store.password_path);
	if (config->store.seal_path)
		store_read_seal(&reader, NULL, &config->store);
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
	if (config && store_verb_read_secrets(config, path))
		return config;
	if (strcmp(path, STORE_VERB_CONFIG) == 0 && access(path, F_OK) < 0)
		say("name the configuration by `-c FILE`");
	config_release(config);
	return NULL;
}

bool store_verb_is_there(const struct config *config, const char *path)
{
	if (!config->store.url)
		say("%s: there is no 'store'", path);
	return config->store.url;
}

bool store_verb_has(const struct config *config, const char *path, enum config_store_part part)
{
	if (!store_verb_is_there(config, path))
		return false;
	bool has = store_has(config, part);
	if (!has)
		say("%s: 'store' does not have the %s", path, store_part_names[part]);
	return has;
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
	config->store.hasty = true;
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
	if (error && weir_span_starts(weir_span_of(text), WEIR_SPAN("permission denied")))
		say("its user needs rights on the tables, which `weir store check` lists, and must own the "
		    "database to make or change them");
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
