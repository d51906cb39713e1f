/*
 * Starts key processes. The master opens the files of the keys, and reads none of them: the process
 * gets their descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/error.h>

#include "child.h"
#include "keys.h"
#include "say.h"

enum {
	KEYS_PAUSE_MS = 500, /* before the restart of a process that ends at once */
};

/* -- the process ------------------------------------------------------------------------------- */

/* The descriptors of the keys, and behind them that of the `secret-key-file`. */
struct keys_files {
	int fds[CONFIG_CERTIFICATES_MAX + 1];
	size_t count;
};

/* Returns -1 for a file that cannot be opened, which was reported. */
static int keys_open_file(const struct keys *keys, const char *path)
{
	int fd = *path ? child_open_file(keys->user, path) : -1;
	if (fd < 0 && *path)
		say("%s: cannot be read: %s", path, weir_error_text(fd));
	return fd < 0 ? -1 : fd;
}

static void keys_open_files(const struct keys *keys, struct keys_files *ret)
{
	ret->count = keys->count + 1;
	for (size_t i = 0; i < keys->count; i++)
		ret->fds[i] = keys_open_file(keys, keys->paths[i]);
	ret->fds[keys->count] = keys_open_file(keys, keys->seal);
}

/* Writes the argument of key_process.h. Returns NULL without memory. */
static char *keys_argument(const struct keys *keys, const struct keys_files *files)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	if (!to)
		return NULL;
	fprintf(to, "%d", (int)getppid()); /* in the child: the master */
	for (size_t i = 0; i < KEY_SOCKETS; i++)
		fprintf(to, "%c%d", i ? ',' : ':', keys->own[i]);
	for (size_t i = 0; i < files->count; i++)
		fprintf(to, "%c%d", i ? ',' : ':', files->fds[i]);
	fclose(to);
	return text;
}

/* In the child. */
static void keys_exec(const struct keys *keys, const struct keys_files *files)
{
	static const char *const none[] = {NULL};
	char *argument = keys_argument(keys, files);
	for (size_t i = 0; i < KEY_SOCKETS; i++)
		fcntl(keys->own[i], F_SETFD, 0);
	for (size_t i = 0; i < files->count; i++)
		if (files->fds[i] >= 0)
			fcntl(files->fds[i], F_SETFD, 0);
	child_execute(keys->program, argument ? child_arguments("@keys", argument, none) : NULL,
	        keys->user);
}

static int keys_fork(struct keys *keys)
{
	struct keys_files files;
	keys_open_files(keys, &files);
	keys->pid = fork();
	if (keys->pid == 0)
		keys_exec(keys, &files);
	int error = keys->pid < 0 ? -errno : 0;
	keys->pid = error < 0 ? 0 : keys->pid;
	keys->started_ms = weir_loop_now_ms(keys->loop);
	for (size_t i = 0; i < files.count; i++)
		if (files.fds[i] >= 0)
			close(files.fds[i]);
	return error;
}

static void keys_on_restart(struct weir_timer *timer)
{
	struct keys *keys = WEIR_CONTAINER(timer, struct keys, restart);
	if (keys_fork(keys) < 0)
		weir_timer_start(keys->loop, timer, KEYS_PAUSE_MS, keys_on_restart);
}

void keys_restart(struct keys *keys, int status)
{
	if (WIFSIGNALED(status))
		say("the key process %d was killed by signal %d (%s); another one starts",
		        (int)keys->pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		say("the key process %d has ended with status %d; another one starts",
		        (int)keys->pid, WEXITSTATUS(status));
	keys->pid = 0;
	if (weir_loop_now_ms(keys->loop) - keys->started_ms > KEYS_PAUSE_MS)
		keys_on_restart(&keys->restart);
	else
		weir_timer_start(keys->loop, &keys->restart, KEYS_PAUSE_MS, keys_on_restart);
}

/* -- life -------------------------------------------------------------------------------------- */

static struct keys *keys_create(struct weir_loop *loop, int program)
{
	struct keys *keys = calloc(1, sizeof *keys);
	if (!keys)
		return NULL;
	keys->loop = loop;
	keys->program = program;
	keys->seal = strdup("");
	if (!keys->seal) {
		free(keys);
		return NULL;
	}
	weir_list_init(&keys->restart.link);
	for (size_t i = 0; i < KEY_SOCKETS; i++)
		keys->server[i] = keys->own[i] = -1;
	return keys;
}

/* `path` is NULL for a certificate whose key the server makes, until there is another. */
static int keys_add_path(struct keys *keys, const char *path)
{
	char **grown = realloc(keys->paths, (keys->count + 1) * sizeof *grown);
	if (!grown)
		return -ENOMEM;
	keys->paths = grown;
	grown[keys->count] = strdup(path ? path : "");
	return grown[keys->count++] ? 0 : -ENOMEM;
}

static int keys_set_seal(struct keys *keys, const char *path)
{
	char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	free(keys->seal);
	keys->seal = copy;
	return 0;
}

static int keys_fill(struct keys *keys, const struct config *config, struct grants *table)
{
	const char *seal = config->store.url ? config->store.seal_path : NULL;
	int error = 0;
	if (config->user && !(keys->user = strdup(config->user)))
		return -ENOMEM;
	if (seal && (error = keys_set_seal(keys, seal)) < 0)
		return error;
	for (size_t i = 0; i < config->tls.all.count && error == 0; i++)
		error = keys_add_path(keys, config->tls.all.items[i].key);
	for (unsigned i = 0; i < KEY_SOCKETS && error == 0; i++) {
		char name[16];
		int pair[2];
		snprintf(name, sizeof name, "%u", i);
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
			return -errno;
		keys->server[i] = pair[0];
		keys->own[i] = pair[1];
		error = grants_add(table, GRANT_KEYS, name, NULL, 0, pair[0]);
	}
	return error;
}

int keys_start(struct weir_loop *loop, int program, const struct config *config,
        struct grants *table, struct keys **ret)
{
	*ret = NULL;
	if (!config->tls.key_process || config->tls.all.count == 0)
		return 0;
	struct keys *keys = keys_create(loop, program);
	int error = keys ? keys_fill(keys, config, table) : -ENOMEM;
	if (error == 0)
		error = keys_fork(keys);
	if (error == 0) {
		*ret = keys;
		return 0;
	}
	say("cannot start a key process: %s", weir_error_text(error));
	keys_destroy(keys);
	return error;
}

void keys_destroy(struct keys *keys)
{
	if (!keys)
		return;
	weir_timer_stop(&keys->restart);
	for (size_t i = 0; i < KEY_SOCKETS; i++) {
		if (keys->server[i] >= 0)
			close(keys->server[i]);
		if (keys->own[i] >= 0)
			close(keys->own[i]);
	}
	for (size_t i = 0; i < keys->count; i++)
		free(keys->paths[i]);
	free(keys->paths);
	free(keys->seal);
	free(keys->user);
	free(keys);
}

/* -- upgrades ---------------------------------------------------------------------------------- */

void keys_write(const struct keys *keys, FILE *to)
{
	if (!keys)
		return;
	fprintf(to, "keys %d %s\n", (int)keys->pid, keys->user ? keys->user : "");
	for (size_t i = 0; i < KEY_SOCKETS; i++)
		fprintf(to, "key-socket %zu %d %d\n", i, keys->server[i], keys->own[i]);
	for (size_t i = 0; i < keys->count; i++)
		fprintf(to, "key %s\n", keys->paths[i]);
	fprintf(to, "key-seal %s\n", keys->seal);
}

bool keys_read(struct keys **ret, const char *line, struct weir_loop *loop, int program)
{
	struct keys *keys = *ret;
	int pid, start = 0, server, own;
	size_t at;
	if (!keys) {
		keys = *ret = keys_create(loop, program);
		if (!keys || sscanf(line, "keys %d %n", &pid, &start) != 1)
			return false;
		keys->pid = pid;
		keys->started_ms = weir_loop_now_ms(loop);
		return line[start] == 0 || (keys->user = strdup(line + start));
	}
	if (strncmp(line, "key ", 4) == 0)
		return keys_add_path(keys, line + 4) == 0;
	if (strncmp(line, "key-seal ", 9) == 0)
		return keys_set_seal(keys, line + 9) == 0;
	if (sscanf(line, "key-socket %zu %d %d", &at, &server, &own) != 3)
		return false;
	/* Another version may have another number of them. */
	if (at < KEY_SOCKETS) {
		keys->server[at] = server;
		keys->own[at] = own;
	}
	return true;
}

void keys_keep_open(const struct keys *keys, bool keep)
{
	for (size_t i = 0; keys && i < KEY_SOCKETS; i++) {
		if (keys->server[i] >= 0)
			fcntl(keys->server[i], F_SETFD, keep ? 0 : FD_CLOEXEC);
		if (keys->own[i] >= 0)
			fcntl(keys->own[i], F_SETFD, keep ? 0 : FD_CLOEXEC);
	}
}

void keys_adopt_grants(const struct keys *keys, struct grants *table)
{
	for (unsigned i = 0; keys && i < KEY_SOCKETS; i++) {
		char name[16];
		snprintf(name, sizeof name, "%u", i);
		grants_set_fd(table, GRANT_KEYS, name, keys->server[i]);
	}
}
