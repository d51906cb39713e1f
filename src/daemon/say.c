/*
 * Lines to stderr. They are composed first and written whole: several threads may speak at once.
 * What does not fit is cut off; nothing here allocates, so that it works when memory is short.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "say.h"

enum {
	LINE_SIZE = 4096
};

void say(const char *format, ...)
{
	char line[LINE_SIZE] = "weir: ";
	size_t used = strlen(line);
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(line + used, sizeof line - used - 1, format, arguments);
	va_end(arguments);
	if (size < 0)
		return;
	used = strlen(line);
	line[used++] = '\n';
	ssize_t put = write(STDERR_FILENO, line, used);
	(void)put; /* there is nobody else to tell */
}
