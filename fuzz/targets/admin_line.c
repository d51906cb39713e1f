/* A command line of the admin socket: cut into words, and looked for in tables of commands. */
#include <stdlib.h>

#include "admin_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct admin_command few[] = {
        {.name = "a"}, {.name = "a b"}, {.name = "guard clear"}, {0}};
static const struct admin_command more[] = {{.name = "guard"}, {.name = "a b c"}, {0}};

/* The words lie in the line, in order, each with its NUL, and none is empty. */
static void check_words(const struct admin_line *line, size_t size)
{
	const char *from = line->text;
	for (unsigned i = 0; i < line->count; i++) {
		const char *word = line->words[i];
		if (word < from || !*word || strpbrk(word, " \t\r\n"))
			abort();
		from = word + strlen(word) + 1;
	}
	if (from > line->text + size + 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct admin_line line;
	struct admin_table second = {.commands = more}, first = {&second, few, NULL};
	const struct admin_table *table = NULL;
	unsigned words = 0;
	int error = admin_parse(weir_span(data, size), &line);
	if (error < 0)
		return 0;
	if (size > ADMIN_LINE_MAX || line.count > ADMIN_WORDS_MAX)
		abort();
	check_words(&line, size);
	const struct admin_command *command = admin_find(&first, &line, &table, &words);
	if (command && (!table || words == 0 || words > line.count))
		abort();
	return 0;
}
