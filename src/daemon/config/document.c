/*
 * Two passes: the first looks at the events only, and finds what is no YAML, too deep, or more than
 * one document; the second builds the nodes. Invariant: the second pass sees nothing that it could
 * take long over, since libyaml's time grows with the square of the depth.
 */
#include "document.h"

/* Where libyaml stumbled; its reader of characters tells an offset only. */
static struct file_position document_place_of(
        const yaml_parser_t *parser, const unsigned char *data)
{
	struct file_position place = {
	        parser->problem_mark.line + 1, parser->problem_mark.column + 1};
	if (parser->error != YAML_READER_ERROR)
		return place;
	place = (struct file_position){1, 1};
	for (size_t i = 0; i < parser->problem_offset; i++, place.column++)
		if (data[i] == '\n')
			place = (struct file_position){place.line + 1, 0};
	return place;
}

static void document_tell_syntax(
        struct problems *problems, const yaml_parser_t *parser, const unsigned char *data)
{
	const char *text = parser->problem ? parser->problem : "cannot be read";
	if (parser->error == YAML_MEMORY_ERROR)
		problems_add(problems, (struct file_position){0}, "out of memory");
	else if (parser->context)
		problems_add(problems, document_place_of(parser, data),
		        "not YAML: %s, %s (which began in line %zu)", text, parser->context,
		        parser->context_mark.line + 1);
	else
		problems_add(problems, document_place_of(parser, data), "not YAML: %s", text);
}

struct survey {
	unsigned depth;
	unsigned documents;
};

/* False ends the pass: a problem was found. */
static bool document_look_at(
        struct problems *problems, const yaml_event_t *event, struct survey *document_survey)
{
	struct file_position place = {event->start_mark.line + 1, event->start_mark.column + 1};
	switch (event->type) {
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (document_survey->depth++ < DOCUMENT_DEPTH_MAX)
			return true;
		problems_add(problems, place, "lists and mappings stand too deep in each other");
		return false;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		document_survey->depth--;
		return true;
	case YAML_DOCUMENT_START_EVENT:
		if (document_survey->documents++ == 0)
			return true;
		problems_add(
		        problems, place, "a second document ('---') begins here; one is enough");
		return false;
	default:
		return true;
	}
}

static bool document_survey(struct problems *problems, const unsigned char *data, size_t size)
{
	struct survey document_survey = {0, 0};
	yaml_parser_t parser;
	yaml_event_t event;
	bool good = yaml_parser_initialize(&parser), end = false;
	if (!good) {
		problems_add(problems, (struct file_position){0}, "out of memory");
		return false;
	}
	yaml_parser_set_input_string(&parser, data, size);
	while (good && !end) {
		if (!yaml_parser_parse(&parser, &event)) {
			document_tell_syntax(problems, &parser, data);
			good = false;
			break;
		}
		end = event.type == YAML_STREAM_END_EVENT;
		good = document_look_at(problems, &event, &document_survey);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	if (good && document_survey.documents == 0)
		problems_add(problems, (struct file_position){0},
		        "the file says nothing; it needs 'sites'");
	return good && document_survey.documents;
}

bool document_load(
        struct problems *problems, const unsigned char *data, size_t size, yaml_document_t *ret)
{
	yaml_parser_t parser;
	if (!document_survey(problems, data, size))
		return false;
	if (!yaml_parser_initialize(&parser)) {
		problems_add(problems, (struct file_position){0}, "out of memory");
		return false;
	}
	yaml_parser_set_input_string(&parser, data, size);
	bool good = yaml_parser_load(&parser, ret);
	if (!good)
		document_tell_syntax(problems, &parser, data);
	yaml_parser_delete(&parser);
	return good;
}
