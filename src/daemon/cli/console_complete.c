/* Walks along each usage line, word by word, with the words that are typed. */
#include <ctype.h>
#include <string.h>

#include "console_complete.h"
#include "helper.h"

/* Cuts the next word off, and skips the spaces before it. */
static struct weir_span complete_cut_word(struct weir_span *text)
{
	struct weir_span word;
	while (text->size && text->data[0] == ' ')
		*text = weir_span_skip(*text, 1);
	weir_span_cut(text, ' ', &word);
	return word;
}

/* Cuts the next of the words between | off a word of a usage line, without its brackets. */
static struct weir_span complete_cut_choice(struct weir_span *usage)
{
	struct weir_span choice;
	weir_span_cut(usage, '|', &choice);
	if (choice.size && choice.data[0] == '[')
		choice = weir_span_skip(choice, 1);
	if (choice.size && choice.data[choice.size - 1] == ']')
		choice.size--;
	return choice;
}

static bool complete_is_any(struct weir_span choice)
{
	return choice.size && isupper((unsigned char)choice.data[0]);
}

static bool complete_allows(struct weir_span usage, struct weir_span word)
{
	while (usage.size) {
		struct weir_span choice = complete_cut_choice(&usage);
		if (complete_is_any(choice) || weir_span_equal(choice, word))
			return true;
	}
	return false;
}

static bool complete_begins(struct weir_span word, struct weir_span part)
{
	return part.size <= word.size && memcmp(word.data, part.data, part.size) == 0;
}

static bool complete_has(struct weir_span proposals, struct weir_span word)
{
	struct weir_span line;
	while (proposals.size) {
		weir_span_cut(&proposals, '\n', &line);
		if (weir_span_equal(line, word))
			return true;
	}
	return false;
}

static int complete_add(struct weir_buffer *ret, struct weir_span word)
{
	if (complete_has(weir_buffer_span(ret), word))
		return 0;
	size_t before = ret->size;
	int error = weir_buffer_append(ret, word.data, word.size, CONSOLE_PROPOSALS_MAX);
	if (error == 0)
		error = weir_buffer_append(ret, "\n", 1, CONSOLE_PROPOSALS_MAX);
	if (error < 0)
		ret->size = before;
	return error;
}

static int complete_add_choices(
        struct weir_buffer *ret, struct weir_span usage, struct weir_span part)
{
	int error = 0;
	while (usage.size && error == 0) {
		struct weir_span choice = complete_cut_choice(&usage);
		if (choice.size && !complete_is_any(choice) && complete_begins(choice, part))
			error = complete_add(ret, choice);
	}
	return error;
}

/* The usage ends where two spaces begin what the command does. */
static struct weir_span complete_usage(struct weir_span line)
{
	const char *end = memmem(line.data, line.size, "  ", 2);
	return end ? weir_span(line.data, (size_t)(end - line.data)) : line;
}

int console_complete(struct weir_span help, struct weir_span typed, struct weir_buffer *ret)
{
	struct weir_span part = console_last_word(typed), line;
	int error = 0;
	typed.size -= part.size;
	while (help.size && error == 0) {
		weir_span_cut(&help, '\n', &line);
		struct weir_span usage = line.size ? complete_usage(line) : line, before = typed;
		struct weir_span word = complete_cut_word(&before);
		while (word.size && usage.size && complete_allows(complete_cut_word(&usage), word))
			word = complete_cut_word(&before);
		if (!word.size)
			error = complete_add_choices(ret, complete_cut_word(&usage), part);
	}
	return error;
}

struct weir_span console_common(struct weir_span proposals)
{
	struct weir_span common = {0}, line;
	for (bool first = true; proposals.size; first = false) {
		weir_span_cut(&proposals, '\n', &line);
		size_t size = first ? line.size : min_of(common.size, line.size), same = 0;
		while (same < size && (first || common.data[same] == line.data[same]))
			same++;
		common = weir_span(line.data, same);
	}
	return common;
}

struct weir_span console_last_word(struct weir_span typed)
{
	size_t at = typed.size;
	while (at && typed.data[at - 1] != ' ')
		at--;
	return weir_span_skip(typed, at);
}
