/*
 * The order of precedence: what the command line says, then the file, then the defaults. A listener
 * on the command line replaces all of the file's, a directory all of its sites.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "config_file.h"
#include "kinds.h"
#include "load.h"
#include "say.h"
#include "welcome.h"

static int serve_root(struct config *config, const char *root)
{
	struct stat status;
	char *absolute = realpath(root, NULL);
	int error = !absolute || stat(absolute, &status) < 0 ? -errno : 0;
	if (error == 0 && !S_ISDIR(status.st_mode))
		error = -ENOTDIR;
	if (error < 0)
		say("cannot serve %s: %s", root, weir_error_text(error));
	else if ((error = config_set_root(config, absolute)) < 0)
		say("out of memory");
	free(absolute);
	return error;
}

static int choose_root(struct config *config, const struct options *options)
{
	if (options->root)
		return serve_root(config, options->root);
	if (config->sites.count || !kinds_include(config, SERVICE_HTTP))
		return 0;
	int error = welcome_create();
	return error < 0 ? error : serve_root(config, WELCOME_ROOT);
}

static int choose_listeners(struct config *config, const struct options *options)
{
	struct config_listener usual = {.kind = kind_find("http")};
	int error = 0;
	if (options->listener_count) {
		error = config_set_listeners(config, options->listeners, options->listener_count);
	} else if (config->listeners.count == 0) {
		weir_address_parse(WEIR_SPAN("127.0.0.1:8080"), &usual.address);
		error = config_set_listeners(config, &usual, 1);
	}
	if (error < 0)
		say("out of memory");
	return error;
}

/* Absolute, so that it stays the same file whatever becomes of the directory we were started in. */
static int choose_log(struct config *config, const struct options *options)
{
	char directory[PATH_MAX];
	if (!options->access_log_given)
		return 0;
	config->access_log = options->access_log;
	if (!options->access_log || options->access_log[0] == '/')
		return 0;
	if (!getcwd(directory, sizeof directory)) {
		int error = -errno;
		say("cannot tell where the log %s is: %s", options->access_log,
		        weir_error_text(error));
		return error;
	}
	config->access_log = config_path(config, directory, options->access_log);
	if (config->access_log)
		return 0;
	say("out of memory");
	return -ENOMEM;
}

static struct config *read_file(const char *path)
{
	struct problems problems = {.file = path};
	struct config *config = config_file_read(&problems);
	problems_print(&problems, stderr);
	problems_free(&problems);
	return config;
}

struct config *config_load(const struct options *options)
{
	const char *path = options->config_path;
	struct config *config = path ? read_file(path) : config_create();
	if (!config) {
		if (!path)
			say("out of memory");
		return NULL;
	}
	if (options->workers)
		config->workers = options->workers;
	if (choose_listeners(config, options) < 0 || choose_root(config, options) < 0 ||
	        choose_log(config, options) < 0) {
		config_release(config);
		return NULL;
	}
	return config;
}
