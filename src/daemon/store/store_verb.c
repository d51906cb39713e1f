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
	*verb = (struct store_verb){.wait_ms = config->store.wait_ms};
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
	if (error && weir_span_starts(weir_span_of(text), WEIR_SPAN("relation ")) &&
	        strstr(text, "does not exist"))
		say("`weir store check` lists the tables that are missing, and `weir store init` "
		    "makes them");
	if (error && weir_span_starts(weir_span_of(text), WEIR_SPAN("permission denied")))
		say("its user needs rights on the tables, which `weir store check` lists, and must own the "
		    "database to make or change them");
}

enum {
	STORE_VERB_PATIENCE_MS = 1500, /* until a person wants to know what a verb waits for */
};

/* A connection was refused, and others are tried. */
static void store_verb_report_wait(const struct store_verb *verb)
{
	struct weir_postgres *pool;
	const char *why = weir_database_pool(verb->database, verb->loop, &pool) == 0
	                          ? weir_postgres_failure(pool)
	                          : NULL;
	if (why)
		say("the database: %s; trying for %llu s in all", why,
		        (unsigned long long)(verb->wait_ms + 999) / 1000);
}

bool store_verb_wait(struct store_verb *verb, int error)
{
	int64_t begun = error >= 0 ? weir_loop_now_ms(verb->loop) : 0;
	bool reported = false;
	verb->ended = false;
	while (error >= 0 && !verb->ended) {
		error = weir_loop_turn(verb->loop, reported ? -1 : STORE_VERB_PATIENCE_MS);
		if (error < 0 || verb->ended || reported ||
		        weir_loop_now_ms(verb->loop) - begun < STORE_VERB_PATIENCE_MS)
			continue;
		reported = true;
		store_verb_report_wait(verb);
	}
	if (error < 0)
		say("the database: %s", weir_error_text(error));
	return error >= 0 && !verb->failed;
}
