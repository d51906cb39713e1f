/*
 * Lines of the control connection: what is left of telnet's bytes is no longer than the line, ended
 * by its only NUL; a verb is capitals, an argument lies in the line; names resolve to clean paths.
 */
#include <stdlib.h>

#include "session.h"
#include "listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *argument)
{
	char path[WEIR_PATH_MAX], again[WEIR_PATH_MAX];
	if (ftp_path_resolve("/a/b", argument, path) < 0)
		return;
	size_t size = strlen(path);
	if (path[0] != '/' || size >= WEIR_PATH_MAX || (size > 1 && path[size - 1] == '/') ||
	        strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../"))
		abort();
	/* A resolved path resolves to itself. */
	if (ftp_path_resolve("", path, again) < 0 || strcmp(path, again) != 0)
		abort();
	ftp_wildcard(argument, path);
	if (!ftp_is_wildcard(argument) && !ftp_wildcard(argument, argument))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ftp_telnet_answer answer;
	if (size > WEIR_FTP_LINE_MAX)
		return 0;
	char *line = malloc(size + 1);
	if (!line)
		return 0;
	ssize_t left = ftp_telnet_strip(weir_span(data, size), line, &answer);
	if (left >= 0) {
		if ((size_t)left > size || strlen(line) != (size_t)left || answer.size % 3)
			abort();
		struct ftp_command command = ftp_command_parse(line);
		if (command.argument < line || command.argument > line + left ||
		        strpbrk(command.verb, "abcdefghijklmnopqrstuvwxyz "))
			abort();
		check_path(command.argument);
	}
	free(line);
	return 0;
}
