/* The table of a configuration's sources, written by the master and read by the server. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grants.h"
#include "sources.h"

static struct grants *sources_to;         /* of the master, while it records */
static const struct grants *sources_from; /* of the server, while it replays */
static bool sources_leaving;              /* the files that are named stay unread */
static int sources_error;

static void sources_set(const struct grants *from, struct grants *to, bool leaving)
{
	sources_from = from;
	sources_to = to;
	sources_leaving = leaving;
	sources_error = 0;
}

void sources_record(struct grants *grants)
{
	sources_set(NULL, grants, true);
}

void sources_replay(const struct grants *grants)
{
	sources_set(grants, NULL, false);
}

void sources_keep(struct grants *grants)
{
	sources_set(NULL, grants, false);
}

void sources_skim(const struct grants *grants)
{
	sources_set(grants, NULL, true);
}

void sources_repeat(const struct grants *from, struct grants *to, bool leave)
{
	sources_set(from, to, leave);
}

int sources_end(void)
{
	int error = sources_error;
	sources_set(NULL, NULL, false);
	return error;
}

bool sources_replaying(void)
{
	return sources_from;
}

static void sources_add(enum grant_kind kind, const char *key, const void *value, size_t size)
{
	int error = sources_to ? grants_add(sources_to, kind, key, value, size, -1) : 0;
	if (error < 0 && sources_error == 0)
		sources_error = error;
}

/* Whether another process may read the file is not known here. */
static int sources_find(const char *path)
{
	bool missing = sources_to && path && access(path, F_OK) < 0 &&
	               (errno == ENOENT || errno == ENOTDIR);
	return missing ? -errno : 0;
}

bool sources_leave(const char *path, int *ret_error)
{
	if (sources_leaving && path)
		sources_add(GRANT_FILE, path, NULL, 0);
	return sources_leave_to_keys(path, ret_error);
}

bool sources_leave_to_keys(const char *path, int *ret_error)
{
	*ret_error = sources_leaving ? sources_find(path) : 0;
	return sources_leaving;
}

bool sources_text(const char *path, struct weir_buffer *buffer, int *ret_error)
{
	if (!sources_from)
		return false;
	const struct grant *grant = grants_find(sources_from, GRANT_TEXT, path, 0);
	*ret_error =
	        grant ? weir_buffer_append(buffer, grant->value, grant->size, SIZE_MAX) : -ENOENT;
	if (grant)
		sources_add(GRANT_TEXT, path, grant->value, grant->size);
	return true;
}

bool sources_recorded(const char *path, struct weir_buffer *buffer, int *ret_error)
{
	return !sources_to && sources_text(path, buffer, ret_error);
}

void sources_add_text(const char *path, struct weir_span text)
{
	sources_add(GRANT_TEXT, path, text.data, text.size);
}

char *sources_real_path(const char *path)
{
	if (sources_from) {
		const struct grant *grant = grants_find(sources_from, GRANT_DIRECTORY, path, 0);
		errno = grant ? ENOMEM : ENOENT;
		if (grant)
			sources_add(GRANT_DIRECTORY, path, grant->value, grant->size);
		return grant ? strdup(grant->value) : NULL;
	}
	char *real = realpath(path, NULL);
	if (real)
		sources_add(GRANT_DIRECTORY, path, real, strlen(real));
	return real;
}

/* -- patterns ---------------------------------------------------------------------------------- */

static size_t sources_count_matches(const char *pattern)
{
	size_t count = 0;
	while (grants_find(sources_from, GRANT_MATCH, pattern, count))
		count++;
	return count;
}

/* Fills what globfree() frees. */
static int sources_replay_matches(const char *pattern, glob_t *ret)
{
	size_t count = sources_count_matches(pattern);
	*ret = (glob_t){0};
	if (count == 0)
		return GLOB_NOMATCH;
	ret->gl_pathv = calloc(count + 1, sizeof *ret->gl_pathv);
	for (size_t i = 0; ret->gl_pathv && i < count; i++) {
		ret->gl_pathv[i] =
		        strdup(grants_find(sources_from, GRANT_MATCH, pattern, i)->value);
		if (!ret->gl_pathv[i])
			break;
		sources_add(GRANT_MATCH, pattern, ret->gl_pathv[i], strlen(ret->gl_pathv[i]));
		ret->gl_pathc++;
	}
	if (ret->gl_pathc == count)
		return 0;
	globfree(ret);
	return GLOB_NOSPACE;
}

int sources_glob(const char *pattern, glob_t *ret)
{
	if (sources_from)
		return sources_replay_matches(pattern, ret);
	int error = glob(pattern, GLOB_ERR, NULL, ret);
	for (size_t i = 0; error == 0 && i < ret->gl_pathc; i++)
		sources_add(GRANT_MATCH, pattern, ret->gl_pathv[i], strlen(ret->gl_pathv[i]));
	return error;
}
