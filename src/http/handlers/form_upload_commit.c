/*
 * The end of a form: its files are committed one after the other, in the order of the form. If one
 * fails, the reply is its error, and the later ones do not appear. Those before it stay, since they
 * may have replaced other files, and cannot be undone.
 *
 * The reply is 201 with the names, one in each line, escaped as relative references; or, for a
 * browser, which asks for HTML, 303 to the directory.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/limits.h>
#include <weir/list.h>
#include <weir/sources.h>

#include "accept.h"
#include "form_upload.h"
#include "escape.h"

enum {
	LIST_MAX = FORM_FILES_MAX * (255 * 3 + 3)
};

/* -- the reply --------------------------------------------------------------------------------- */

/* Returns whether an element of Accept, as "text/html;q=0.9", accepts HTML. */
static bool http_form_upload_commit_names_html(struct weir_span element)
{
	struct weir_span type, parameter;
	bool more = weir_span_cut(&element, ';', &type);
	if (!weir_span_equal_nocase(weir_span_trim(type), WEIR_SPAN("text/html")))
		return false;
	while (more) {
		more = weir_span_cut(&element, ';', &parameter);
		parameter = weir_span_trim(parameter);
		if (parameter.size > 2 &&
		        weir_span_equal_nocase(weir_span(parameter.data, 2), WEIR_SPAN("q=")))
			return http_weight_parse(weir_span_skip(parameter, 2)) > 0;
	}
	return true;
}

static bool http_form_upload_commit_wants_html(const struct weir_http_request *request)
{
	const struct weir_http_field *field = NULL;
	while ((field = weir_http_request_next(request, WEIR_HTTP_ACCEPT, field))) {
		struct weir_span list = field->value, element;
		for (bool more = true; more;) {
			more = weir_span_cut(&list, ',', &element);
			if (http_form_upload_commit_names_html(element))
				return true;
		}
	}
	return false;
}

/* Composes the directory's path, with '/' at its end. Returns 0 or an error. */
static int http_form_upload_commit_add_location(struct weir_http_exchange *exchange)
{
	const size_t limit = WEIR_HTTP_REPLY_FIELDS_MAX;
	struct weir_buffer location = {0};
	int error = http_location_put(&location, weir_http_path(exchange), limit);
	if (error == 0)
		error = weir_buffer_append(&location, "/", 1, limit);
	if (error == 0)
		error = weir_http_add_field(exchange, "Location", weir_buffer_span(&location));
	weir_buffer_finish(&location);
	return error;
}

static int http_form_upload_commit_list_names(
        const struct form_upload *form, struct weir_buffer *list)
{
	int error = 0;
	for (unsigned i = 0; i < form->count && error == 0; i++) {
		const struct form_file *file = form->files[i];
		error = weir_buffer_append(list, ".", 1, LIST_MAX);
		if (error == 0)
			error = http_location_put(
			        list, weir_span(file->name, file->name_size), LIST_MAX);
		if (error == 0)
			error = weir_buffer_append(list, "\n", 1, LIST_MAX);
	}
	return error;
}

static void http_form_upload_commit_reply(struct form_upload *form)
{
	struct weir_http_exchange *exchange = form->exchange;
	struct weir_buffer list = {0};
	int located = http_form_upload_commit_add_location(exchange);
	if (located == 0 && http_form_upload_commit_wants_html(weir_http_request(exchange))) {
		http_form_free(form);
		weir_http_reply_error(exchange, 303);
		return;
	}
	int error = http_form_upload_commit_list_names(form, &list);
	http_form_free(form);
	weir_http_add_field(exchange, "Content-Type", WEIR_SPAN("text/plain"));
	if (error == 0) {
		weir_http_reply(exchange, 201, weir_produce_owned(list.data, list.size));
	} else {
		weir_buffer_finish(&list);
		weir_http_reply(exchange, 201, weir_produce_borrowed("", 0));
	}
}

/* -- the commits ------------------------------------------------------------------------------- */

static void http_form_upload_commit_on_committed(void *context, int error, bool created)
{
	struct form_upload *form = context;
	(void)created;
	form->files[form->committed++]->upload = NULL;
	if (error < 0)
		http_form_fail(form, http_upload_status(error));
	else
		http_form_commit(form);
}

void http_form_commit(struct form_upload *form)
{
	if (form->committed == form->count)
		http_form_upload_commit_reply(form);
	else
		weir_upload_commit(form->files[form->committed]->upload,
		        http_form_upload_commit_on_committed, form);
}
