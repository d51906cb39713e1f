/*
 * From what a user calls a file to where it is in the tree: his directory, his home, and what is not
 * to be seen.
 */
#include <errno.h>
#include <string.h>

#include "pathname.h"
#include "session.h"

int ftp_place_find(const struct ftp_session *session, const char *name, struct ftp_place *ret)
{
	int error = ftp_path_resolve(session->directory ? session->directory : "", name, ret->path);
	if (error < 0)
		return error;
	if (ftp_path_is_temporary(ret->path) ||
	        (!session->server->rules.hidden && ftp_path_is_hidden(ret->path)))
		return -ENOENT;
	size_t home = strlen(session->user->home), size = strlen(ret->path);
	if (home + size + 1 > WEIR_PATH_MAX)
		return -ENAMETOOLONG;
	/* Two slashes make the home the root of what follows, so that no link leads out of it. */
	char *to = ret->tree;
	if (home) {
		memcpy(to, session->user->home + 1, home - 1);
		to += home - 1;
		*to++ = '/';
		*to++ = '/';
	}
	memcpy(to, ret->path + 1, size);
	return 0;
}

struct weir_tree *ftp_tree(struct weir_ftp_server *server)
{
	if (!server->attached)
		weir_tree_attach(server->tree, server->loop);
	server->attached = true;
	return server->tree;
}
