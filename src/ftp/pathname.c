/*
 * Pathnames, resolved by their text: `..` takes a part away, and cannot take away what is not
 * there, so that nobody leaves his home by one. (That symbolic links do not lead out of the root is
 * the tree's to see to.)
 */
#include <errno.h>
#include <string.h>

#include "pathname.h"

/* Appends the parts of `name` to the `size` bytes at `to`. The new size or -ENAMETOOLONG. */
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
