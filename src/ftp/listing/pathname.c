/*
 * Pathnames are resolved by their text: `..` removes a component and stops at the root, so that
 * it does not lead out of a home. The tree ensures the same for symbolic links.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "listing.h"
#include "session.h"

/* -- text ------------------------------------------------------------------------------------- */

/*
 * Appends the components of `name` to the `size` bytes at `to`. Returns the new size or
 * -ENAMETOOLONG.
 */
static int ftp_pathname_append_parts(char *to, int size, const char *name)
{
	while (*name) {
		size_t part = strcspn(name, "/");
		if (part == 2 && name[0] == '.' && name[1] == '.') {
			while (size && to[--size] != '/')
				;
		} else if (part && !(part == 1 && name[0] == '.')) {
			if ((size_t)size + 1 + part >= WEIR_PATH_MAX)
				return -ENAMETOOLONG;
			to[size++] = '/';
			memcpy(to + size, name, part);
			size += (int)part;
		}
		name += part;
		name += *name == '/';
	}
	return size;
}

int ftp_path_resolve(const char *base, const char *name, char ret[WEIR_PATH_MAX])
{
	int size = 0;
	if (name[0] != '/')
		size = ftp_pathname_append_parts(ret, 0, base);
	if (size >= 0)
		size = ftp_pathname_append_parts(ret, size, name);
	if (size < 0)
		return size;
	if (size == 0)
		ret[size++] = '/';
	ret[size] = 0;
	return 0;
}

static bool ftp_pathname_has_part(const char *path, const char *beginning)
{
	size_t size = strlen(beginning);
	for (const char *at = path; (at = strchr(at, '/')); at++)
		if (strncmp(at + 1, beginning, size) == 0)
			return true;
	return false;
}

bool ftp_path_is_hidden(const char *path)
{
	return ftp_pathname_has_part(path, ".");
}

bool ftp_path_is_temporary(const char *path)
{
	return ftp_pathname_has_part(path, ".weir-");
}

bool ftp_path_shows_target(const char *target, bool hidden)
{
	const char *begin = hidden ? ".weir-" : ".";
	for (; *target; target += strspn(target, "/")) {
		size_t size = strcspn(target, "/");
		bool dots = target[0] == '.' && (size == 1 || (size == 2 && target[1] == '.'));
		if (!dots && strncmp(target, begin, strlen(begin)) == 0)
			return false;
		target += size;
	}
	return true;
}

bool ftp_path_shows_all(const char *pattern, const char *name)
{
	return strncmp(name, ".weir-", 6) != 0 && (!pattern || ftp_wildcard(pattern, name));
}

bool ftp_path_shows_plain(const char *pattern, const char *name)
{
	return name[0] != '.' && (!pattern || ftp_wildcard(pattern, name));
}

/* -- paths in the tree ------------------------------------------------------------------------ */

int ftp_path_find(const struct ftp_session *session, const char *name, struct ftp_path *ret)
{
	int error =
	        ftp_path_resolve(session->directory ? session->directory : "", name, ret->shown);
	if (error < 0)
		return error;
	if (ftp_path_is_temporary(ret->shown) ||
	        (!session->server->rules.hidden && ftp_path_is_hidden(ret->shown)))
		return -ENOENT;
	size_t home = strlen(session->user->home), size = strlen(ret->shown);
	if (home + size + 1 > WEIR_PATH_MAX)
		return -ENAMETOOLONG;
	/* Two slashes make the home a root (weir/tree.h), so that no link leads out of it. */
	char *to = ret->tree;
	if (home) {
		memcpy(to, session->user->home + 1, home - 1);
		to += home - 1;
		*to++ = '/';
		*to++ = '/';
	}
	memcpy(to, ret->shown + 1, size);
	return 0;
}

struct weir_tree *ftp_tree(struct weir_ftp_server *server)
{
	if (!server->attached)
		weir_tree_attach(server->tree, server->loop);
	server->attached = true;
	return server->tree;
}

/* -- patterns --------------------------------------------------------------------------------- */

/*
 * Whether `c` is in the set whose text begins at `set`, after the bracket. Sets *ret_end to the
 * text after the closing bracket, or to NULL if there is none: the opening one is an ordinary
 * character then.
 */
static bool ftp_wildcard_set(const char *set, unsigned char c, const char **ret_end)
{
	bool negated = *set == '!' || *set == '^';
	bool found = false;
	const char *at = set + negated;
	*ret_end = NULL;
	for (bool first = true; *at && (first || *at != ']'); first = false) {
		unsigned char low = (unsigned char)*at++, high = low;
		if (at[0] == '-' && at[1] && at[1] != ']') {
			high = (unsigned char)at[1];
			at += 2;
		}
		found |= low <= c && c <= high;
	}
	if (*at == ']')
		*ret_end = at + 1;
	return found != negated;
}

/*
 * Whether an element of the pattern other than a star fits `c`. Sets *ret_next to the next
 * element.
 */
static bool ftp_wildcard_fits(const char *pattern, char c, const char **ret_next)
{
	const char *end;
	*ret_next = pattern + 1;
	if (*pattern == '?')
		return true;
	if (*pattern == '[') {
		bool in = ftp_wildcard_set(pattern + 1, (unsigned char)c, &end);
		if (end) {
			*ret_next = end;
			return in;
		}
	}
	return *pattern == c;
}

/*
 * After a mismatch only the last star is tried again, one character further on. So the time is
 * bounded by the product of the lengths. The C library's fnmatch takes a time that is exponential
 * in the number of stars.
 */
bool ftp_wildcard(const char *pattern, const char *name)
{
	const char *star = NULL, *resume = NULL, *next;
	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = name;
		} else if (*pattern && ftp_wildcard_fits(pattern, *name, &next)) {
			pattern = next;
			name++;
		} else if (star) {
			pattern = star;
			name = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

const char *ftp_is_wildcard(const char *text)
{
	return strpbrk(text, "*?[");
}
