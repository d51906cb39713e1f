/*
 * A line as verb and arguments. Spaces at the end are nobody's argument; a password's own are kept
 * in `rest`. Leaves out which verbs there are: see session.c.
 */
#include <weir/error.h>

#include "pop3_command.h"

static struct weir_span pop3_command_without_trailing_spaces(struct weir_span span)
{
	while (span.size && span.data[span.size - 1] == ' ')
		span.size--;
	return span;
}

int pop3_command_parse(struct weir_span line, struct pop3_command *ret)
{
	*ret = (struct pop3_command){0};
	for (size_t i = 0; i < line.size; i++)
		if ((unsigned char)line.data[i] < 0x20 || line.data[i] == 0x7f)
			return WEIR_E_SYNTAX;
	struct weir_span rest = line, argument;
	if (weir_span_cut(&rest, ' ', &ret->verb))
		ret->rest = rest;
	if (!ret->verb.size)
		return WEIR_E_SYNTAX;
	if (!ret->rest.data)
		return 0;
	rest = pop3_command_without_trailing_spaces(rest);
	for (bool more = rest.size; more; ret->count++) {
		more = weir_span_cut(&rest, ' ', &argument);
		if (ret->count == POP3_ARGUMENTS_MAX)
			more = false;
		else
			ret->arguments[ret->count] = argument;
	}
	return 0;
}

int pop3_number(struct weir_span argument, uint64_t *ret)
{
	if (argument.size > 20)
		return WEIR_E_SYNTAX;
	return weir_span_number(argument, 10, ret);
}
