/*
 * From a command line to the function that carries it out, and from what that function prints to a
 * reply. Sockets are in admin.c.
 *
 * Invariant: every line of text in a reply begins with a space and has no control character.
 * Nothing that a reply shows can forge the line that ends it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/channel.h>
#include <weir/error.h>
#include <weir/sources.h>

#include "admin_command.h"
#include "helper.h"

/* -- the command line -------------------------------------------------------------------------- */

int admin_parse(struct weir_span text, struct admin_line *ret)
{
	ret->count = 0;
	if (text.size > ADMIN_LINE_MAX)
		return WEIR_E_LIMIT;
	for (size_t i = 0; i < text.size; i++) {
		if (text_is_control(text.data[i]) && text.data[i] != '\t')
			return WEIR_E_SYNTAX;
		ret->text[i] = text.data[i];
	}
	ret->text[text.size] = 0;
	for (char *word = ret->text; *(word += strspn(word, " \t"));) {
		char *end = word + strcspn(word, " \t");
		if (ret->count == ADMIN_WORDS_MAX)
			return WEIR_E_LIMIT;
		ret->words[ret->count++] = word;
		word = end + (*end != 0);
		*end = 0;
	}
	return 0;
}

/* How many words the name has if the line begins with them, or 0. */
static unsigned admin_match(const char *name, const struct admin_line *line)
{
	for (unsigned i = 0; i < line->count; i++) {
		size_t size = strcspn(name, " ");
		if (strlen(line->words[i]) != size || memcmp(name, line->words[i], size) != 0)
			return 0;
		name += size;
		if (!*name)
			return i + 1;
		name++;
	}
	return 0;
}

const struct admin_command *admin_find(const struct admin_table *tables,
        const struct admin_line *line, const struct admin_table **ret_table, unsigned *ret_words)
{
	const struct admin_command *found = NULL;
	unsigned found_words = 0;
	for (const struct admin_table *table = tables; table; table = table->next)
		for (const struct admin_command *command = table->commands; command->name;
		        command++) {
			unsigned words = admin_match(command->name, line);
			if (words <= found_words)
				continue;
			found = command;
			found_words = words;
			*ret_table = table;
			*ret_words = words;
		}
	return found;
}

/* -- the reply --------------------------------------------------------------------------------- */

/* Writes a line into the buffer: `lead`, then the text with its control characters replaced. */
static int admin_line_add(
        struct weir_buffer *buffer, const char *lead, const char *format, va_list arguments)
{
	char text[ADMIN_LINE_MAX];
	int size = vsnprintf(text, sizeof text, format, arguments);
	if (size < 0)
		return WEIR_E_SYNTAX;
	for (char *c = text; *c; c++)
		if (text_is_control(*c))
			*c = '?';
	return weir_buffer_format(buffer, ADMIN_REPLY_MAX, "%s%s\n", lead, text);
}

void admin_print(struct admin_request *request, const char *format, ...)
{
	va_list arguments;
	if (request->error < 0)
		return;
	va_start(arguments, format);
	request->error = admin_line_add(&request->text, " ", format, arguments);
	va_end(arguments);
}

/* Gives the text to the channel, with the line that ends it, and frees the request. */
static void admin_finish(struct admin_request *request, const char *format, va_list arguments)
{
	static const char incomplete[] = "error the reply is not complete\n";
	struct weir_buffer *text = &request->text;
	int error = request->error;
	if (error == 0 && format)
		error = admin_line_add(text, "error ", format, arguments);
	else if (error == 0)
		error = weir_buffer_append(text, "ok\n", 3, ADMIN_REPLY_MAX);
	/* A reply that is at its limit still has room for this line, unless memory is short. */
	if (error < 0)
		error = weir_buffer_append(
		        text, incomplete, sizeof incomplete - 1, ADMIN_REPLY_MAX + ADMIN_LINE_MAX);
	if (error < 0) {
		weir_buffer_finish(text);
		weir_reply_fill(
		        request->reply, weir_produce_borrowed(incomplete, sizeof incomplete - 1));
	} else {
		weir_reply_fill(request->reply, weir_produce_owned(text->data, text->size));
	}
	free(request);
}

static void admin_finish_format(struct admin_request *request, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	admin_finish(request, format, arguments);
	va_end(arguments);
}

void admin_ok(struct admin_request *request)
{
	admin_finish_format(request, NULL);
}

void admin_error(struct admin_request *request, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	admin_finish(request, format, arguments);
	va_end(arguments);
}

/* -- commands ---------------------------------------------------------------------------------- */

static void admin_help(const struct admin_table *tables, struct admin_request *request)
{
	admin_print(request, "%-40s  %s", "help", "lists the commands");
	for (const struct admin_table *table = tables; table; table = table->next)
		for (const struct admin_command *command = table->commands; command->name;
		        command++) {
			char name[80];
			snprintf(name, sizeof name, "%s%s%s", command->name,
			        *command->arguments ? " " : "", command->arguments);
			admin_print(request, "%-40s  %s", name, command->help);
		}
	admin_ok(request);
}

static void admin_dispatch(const struct admin_table *tables, struct admin_request *request)
{
	const struct admin_table *table = NULL;
	unsigned words = 0;
	if (request->line.count == 0) {
		admin_ok(request);
		return;
	}
	if (request->line.count == 1 && strcmp(request->line.words[0], "help") == 0) {
		admin_help(tables, request);
		return;
	}
	const struct admin_command *command = admin_find(tables, &request->line, &table, &words);
	if (!command) {
		admin_error(request, "there is no command '%.64s'; 'help' lists the commands",
		        request->line.words[0]);
		return;
	}
	request->arguments = request->line.words + words;
	request->count = request->line.count - words;
	if (request->count < command->least || request->count > command->most)
		admin_error(request, "usage: %s %s", command->name, command->arguments);
	else
		command->run(table->context, request);
}

void admin_run(
        const struct admin_table *tables, struct weir_channel *channel, struct weir_span text)
{
	struct admin_request *request = calloc(1, sizeof *request);
	if (!request) {
		weir_channel_push_static(channel, "error there is no memory\n");
		return;
	}
	request->reply = weir_reply_open(channel);
	if (!request->reply) {
		free(request);
		return;
	}
	int error = admin_parse(text, &request->line);
	if (error == WEIR_E_LIMIT)
		admin_error(request, "a command has at most %d bytes and %d words", ADMIN_LINE_MAX,
		        ADMIN_WORDS_MAX);
	else if (error < 0)
		admin_error(request, "a command has no control characters");
	else
		admin_dispatch(tables, request);
}
