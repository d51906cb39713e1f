/*
 * The client of the admin socket: where the socket is, and one command with its reply (see
 * admin_command.h). Every command has a connection of its own, so that the daemon may be restarted
 * during an interactive session.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/error.h>

#include "admin_command.h"
#include "cli.h"
#include "config.h"
#include "document.h"
#include "options.h"
#include "say.h"
#include "types.h"

#define CONSOLE_CONFIG "/etc/weir/weir.yaml"

/* -- where the socket is ----------------------------------------------------------------------- */

/* The item that is a path: table_admin.c distinguishes them in the same way. */
static const struct node *console_find_path(const struct node *value)
{
	struct weir_address address;
	for (size_t i = 0; value && value->type == NODE_LIST && i < value->count; i++) {
		const struct node *item = value->items[i];
		if (item->type == NODE_SCALAR && item->text &&
		        (strchr(item->text, '/') || !type_parse_address(item->text, 0, &address)))
			return item;
	}
	return value && value->type == NODE_SCALAR && !node_is_empty(value) && !value->broken &&
	                       !strchr(value->text, '/') &&
	                       type_parse_address(value->text, 0, &address)
	               ? NULL
	               : value;
}

/*
 * Reads the value of `admin` alone: the operator may have no right to read the other files, and so
 * included files are not read. Returns -ENOENT if there is none, or -EINVAL if its variables cannot
 * be replaced.
 */
static int console_find_admin(const char *file, const struct node *root, char ret[PATH_MAX])
{
	const struct node *value = console_find_path(node_find(root, "admin"));
	if (!value || value->type != NODE_SCALAR || node_is_empty(value))
		return -ENOENT;
	if (value->broken)
		return -EINVAL;
	const char *slash = value->text[0] == '/' ? NULL : strrchr(file, '/');
	int size =
	        slash ? snprintf(ret, PATH_MAX, "%.*s/%s", (int)(slash - file), file, value->text)
	              : snprintf(ret, PATH_MAX, "%s", value->text);
	return size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int console_parse_config(
        const char *file, const struct weir_buffer *buffer, char ret[PATH_MAX])
{
	struct problems problems = {.file = file};
	struct memory memory = {0};
	const struct source source = {.path = file, .directory = "/"};
	struct node *root = NULL;
	int error = -EINVAL;
	if (document_load(&problems, &memory, &source, (unsigned char *)buffer->data, buffer->size,
	            &root))
		error = console_find_admin(file, root, ret);
	if (error == -EINVAL)
		problems_print(&problems, stderr);
	else if (error == -ENAMETOOLONG)
		say("%s: the path of 'admin' is too long", file);
	else if (error < 0)
		say("%s has no 'admin' with a path: add 'admin: /run/weir/admin.sock' and reload "
		    "the daemon",
		        file);
	problems_free(&problems);
	memory_free(&memory);
	return error;
}

static int console_read_config(const char *file, char ret[PATH_MAX])
{
	struct weir_buffer buffer = {0};
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int error = fd < 0 ? -errno : weir_buffer_read(&buffer, fd, CONFIG_FILE_MAX);
	if (fd >= 0)
		close(fd);
	if (error < 0)
		say("%s: %s", file, weir_error_text(error));
	else
		error = console_parse_config(file, &buffer, ret);
	weir_buffer_finish(&buffer);
	return error;
}

int console_find(const char *verb, const char *config, const char *socket, char ret[PATH_MAX])
{
	if (config && socket)
		return usage_error(verb, "give --config or --admin, not both%s", "");
	if (!socket && console_read_config(config ? config : CONSOLE_CONFIG, ret) == 0)
		return 0;
	if (!socket && !config && access(CONSOLE_CONFIG, F_OK) < 0)
		say("name the configuration by `-c FILE`, or the socket by `--admin PATH`");
	if (!socket)
		return EXIT_FAILED;
	if (snprintf(ret, PATH_MAX, "%s", socket) >= PATH_MAX)
		return usage_error(verb, "the path of the socket is too long%s", "");
	return 0;
}

/* -- one command ------------------------------------------------------------------------------- */

static int console_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	int error = -errno;
	if (fd >= 0)
		close(fd);
	return error;
}

static int console_send(int fd, const char *line)
{
	char text[ADMIN_LINE_MAX + 1];
	size_t size = strlen(line);
	if (size >= sizeof text)
		return WEIR_E_LIMIT;
	memcpy(text, line, size);
	text[size++] = '\n';
	for (size_t sent = 0; sent < size;) {
		ssize_t put = send(fd, text + sent, size - sent, MSG_NOSIGNAL);
		if (put < 0 && errno != EINTR)
			return -errno;
		sent += put > 0 ? (size_t)put : 0;
	}
	return 0;
}

/* Prints the reply up to its last line, or appends it to `to`. Returns whether that line is ok. */
static bool console_read_reply(FILE *from, struct weir_buffer *to)
{
	char *line = NULL;
	size_t size = 0;
	bool ended = false, good = false;
	while (!ended && getline(&line, &size, from) > 0) {
		line[strcspn(line, "\n")] = 0;
		ended = line[0] != ' ';
		good = strcmp(line, "ok") == 0;
		if (!ended && to)
			good = weir_buffer_format(to, ADMIN_REPLY_MAX, "%s\n", line + 1) == 0;
		else if (!ended)
			puts(line + 1);
		else if (strncmp(line, "error ", 6) == 0)
			fprintf(stderr, "weir: %s\n", line + 6);
		else if (!good)
			say("the reply is not one of the admin socket of weir");
	}
	if (!ended)
		say("the daemon has closed the connection before the end of its reply");
	free(line);
	return good && fflush(stdout) == 0;
}

bool console_ask(const char *path, const char *line, struct weir_buffer *ret)
{
	int fd = console_connect(path);
	if (fd < 0) {
		say("cannot connect to %s: %s%s", path, weir_error_text(fd),
		        fd == -ENOENT || fd == -ECONNREFUSED ? "; is the daemon running?" : "");
		return false;
	}
	int error = console_send(fd, line);
	/* The daemon may have refused this client already; its reply has the reason. */
	if (error == -EPIPE)
		error = 0;
	if (error == WEIR_E_LIMIT)
		say("a command has at most %d bytes", ADMIN_LINE_MAX);
	else if (error < 0)
		say("cannot send the command: %s", weir_error_text(error));
	FILE *from = error < 0 ? NULL : fdopen(fd, "r");
	if (!from) {
		close(fd);
		return false;
	}
	bool good = console_read_reply(from, ret);
	fclose(from);
	return good;
}

bool console_command(const char *path, const char *line)
{
	return console_ask(path, line, NULL);
}
