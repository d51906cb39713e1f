/*
 * POST of a form to a directory. Each file is streamed to the disk as it comes, so that memory does
 * not depend on its size. While a file is being opened, or the disk is slower than the client, the
 * parser is paused and the connection is not read.
 *
 * No file appears before the form is complete. Then the files are committed one after the other, in
 * the order of the form. If one fails, the reply is its error, and the later ones do not appear.
 * Those before it stay, since they may have replaced other files, and cannot be undone.
 *
 * The reply is 201 with the names, one in each line, escaped as relative references; or, for a
 * browser, which asks for HTML, 303 to the directory. Left out: fields that are no files are
 * skipped, and no directory is made.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/sources.h>
#include <weir/upload.h>

#include "exchange.h"
#include "fields.h"
#include "form_upload_parts.h"
#include "path.h"
#include "upload_handler.h"

enum {
	FORM_FILES_MAX = 100, /* each has a file open up to the end of the form */
	FORM_LIST_MAX = FORM_FILES_MAX * (255 * 3 + 3), /* bytes of the names in a reply, escaped */
};

struct form_file {
	struct form_upload *form;
	struct weir_upload *upload; /* NULL once it was committed */
	size_t name_size;
	char name[];
};

struct form_upload {
	struct http_upload *handler;
	struct weir_http_exchange *exchange;
	struct weir_lookup lookup;
	struct form_parts parts;
	struct form_file *files[FORM_FILES_MAX];
	unsigned count;
	unsigned committed;
	unsigned status; /* the status for the parser's error; 0: by its code */
	bool body_ended;
	struct form_file *awaited; /* not open yet, or its queue is full: nothing is parsed */
};

static void http_form_upload_free(struct form_upload *form)
{
	for (unsigned i = 0; i < form->count; i++) {
		weir_upload_abort(form->files[i]->upload);
		free(form->files[i]);
	}
	form_parts_free(&form->parts);
	free(form);
}

static void http_form_upload_fail(struct form_upload *form, unsigned status)
{
	struct weir_http_exchange *exchange = form->exchange;
	http_form_upload_free(form);
	http_upload_refuse(exchange, status);
}

/* Refuses a form that breaks the grammar in `bytes`, and logs why. */
static void http_form_upload_fail_malformed(
        struct form_upload *form, const char *fault, struct weir_span bytes)
{
	struct http_loop *loop_state = form->exchange->server->loop_state;
	http_log_note_fault(loop_state, fault, bytes);
	http_form_upload_fail(form, 400);
	http_log_clear_fault(loop_state);
}

static unsigned http_form_upload_status_of(const struct form_upload *form, int error)
{
	if (form->status)
		return form->status;
	return error == WEIR_E_LIMIT ? 413 : 500;
}

/* -- the reply --------------------------------------------------------------------------------- */

/* Returns whether an element of Accept, as "text/html;q=0.9", accepts HTML. */
static bool http_form_upload_names_html(struct weir_span element)
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

static bool http_form_upload_wants_html(const struct weir_http_request *request)
{
	const struct weir_http_field *field = NULL;
	while ((field = weir_http_request_next(request, WEIR_HTTP_ACCEPT, field))) {
		struct weir_span list = field->value, element;
		for (bool more = true; more;) {
			more = weir_span_cut(&list, ',', &element);
			if (http_form_upload_names_html(element))
				return true;
		}
	}
	return false;
}

/* Composes the directory's path, with '/' at its end. Returns 0 or an error. */
static int http_form_upload_add_location(struct weir_http_exchange *exchange)
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

static int http_form_upload_list_names(const struct form_upload *form, struct weir_buffer *list)
{
	int error = 0;
	for (unsigned i = 0; i < form->count && error == 0; i++) {
		const struct form_file *file = form->files[i];
		error = weir_buffer_append(list, ".", 1, FORM_LIST_MAX);
		if (error == 0)
			error = http_location_put(
			        list, weir_span(file->name, file->name_size), FORM_LIST_MAX);
		if (error == 0)
			error = weir_buffer_append(list, "\n", 1, FORM_LIST_MAX);
	}
	return error;
}

static void http_form_upload_reply(struct form_upload *form)
{
	struct weir_http_exchange *exchange = form->exchange;
	struct weir_buffer list = {0};
	int located = http_form_upload_add_location(exchange);
	if (located == 0 && http_form_upload_wants_html(weir_http_request(exchange))) {
		http_form_upload_free(form);
		weir_http_reply_error(exchange, 303);
		return;
	}
	int error = http_form_upload_list_names(form, &list);
	http_form_upload_free(form);
	weir_http_add_field(exchange, "Content-Type", WEIR_SPAN("text/plain"));
	if (error == 0) {
		weir_http_reply(exchange, 201, weir_produce_owned(list.data, list.size));
	} else {
		weir_buffer_finish(&list);
		weir_http_reply(exchange, 201, weir_produce_borrowed("", 0));
	}
}

/* -- the commits ------------------------------------------------------------------------------- */

static void http_form_upload_commit(struct form_upload *form);

static void http_form_upload_on_committed(void *context, int error, bool created)
{
	struct form_upload *form = context;
	(void)created;
	form->files[form->committed++]->upload = NULL;
	if (error < 0)
		http_form_upload_fail(form, http_upload_status(error));
	else
		http_form_upload_commit(form);
}

static void http_form_upload_commit(struct form_upload *form)
{
	if (form->committed == form->count)
		http_form_upload_reply(form);
	else
		weir_upload_commit(
		        form->files[form->committed]->upload, http_form_upload_on_committed, form);
}

/* -- parsing ----------------------------------------------------------------------------------- */

/* Continues parsing and reading, or commits the form. Frees the form after an error. */
static void http_form_upload_go_on(struct form_upload *form, struct weir_span bytes)
{
	int error = form_parts_feed(&form->parts, bytes);
	if (error == WEIR_E_SYNTAX && !form->status)
		http_form_upload_fail_malformed(
		        form, "a boundary or the header of a part in a form", bytes);
	else if (error < 0)
		http_form_upload_fail(form, http_form_upload_status_of(form, error));
	else if (form->awaited)
		weir_http_pause(form->exchange);
	else if (!form->body_ended)
		weir_http_resume(form->exchange);
	else if (!form_parts_complete(&form->parts))
		http_form_upload_fail_malformed(
		        form, "a form without its closing boundary", WEIR_SPAN(""));
	else if (form->count == 0)
		http_form_upload_fail(form, 400);
	else
		http_form_upload_commit(form);
}

static void http_form_upload_on_ready(void *context, int error)
{
	struct form_file *file = context;
	struct form_upload *form = file->form;
	if (error < 0) {
		http_form_upload_fail(form, http_upload_status(error));
	} else if (form->awaited == file) {
		form->awaited = NULL;
		http_form_upload_go_on(form, WEIR_SPAN(""));
	}
}

static int http_form_upload_refuse(struct form_upload *form, unsigned status)
{
	form->status = status;
	return -ECANCELED;
}

/* A name must not be a path, begin with a dot or have control characters. */
static bool http_form_upload_name_allowed(struct weir_span name)
{
	if (name.size == 0 || name.size > 255 || *name.data == '.')
		return false;
	for (size_t i = 0; i < name.size; i++)
		if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f)
			return false;
	return true;
}

static bool http_form_upload_has_name(const struct form_upload *form, struct weir_span name)
{
	for (unsigned i = 0; i < form->count; i++) {
		const struct form_file *file = form->files[i];
		if (weir_span_equal(weir_span(file->name, file->name_size), name))
			return true;
	}
	return false;
}

static int http_form_upload_begin(struct form_upload *form, struct form_file *file)
{
	struct weir_span directory = weir_http_path(form->exchange);
	struct weir_upload_options options;
	weir_upload_options_init(&options);
	options.size_max = form->handler->size_max;
	options.mode = form->handler->mode;
	char path[WEIR_PATH_MAX];
	size_t size = directory.size + (directory.size > 0) + file->name_size;
	if (size >= sizeof path)
		return http_form_upload_refuse(form, 414);
	memcpy(path, directory.data, directory.size);
	if (directory.size)
		path[directory.size] = '/';
	memcpy(path + size - file->name_size, file->name, file->name_size);
	path[size] = 0;
	int error = weir_upload_begin(form->handler->tree, path, &options,
	        http_form_upload_on_ready, file, &file->upload);
	return error < 0 ? http_form_upload_refuse(form, http_upload_status(error)) : 0;
}

static int http_form_upload_begin_file(struct form_parts *parts, struct weir_span filename)
{
	struct form_upload *form = WEIR_CONTAINER(parts, struct form_upload, parts);
	struct weir_span name = http_filename_base(filename);
	if (!http_form_upload_name_allowed(name) || http_form_upload_has_name(form, name))
		return WEIR_E_SYNTAX;
	if (form->count == FORM_FILES_MAX)
		return WEIR_E_LIMIT;
	struct form_file *file = malloc(sizeof *file + name.size);
	if (!file)
		return -ENOMEM;
	*file = (struct form_file){.form = form, .name_size = name.size};
	memcpy(file->name, name.data, name.size);
	form->files[form->count++] = file;
	form->awaited = file;
	return http_form_upload_begin(form, file);
}

static int http_form_upload_write_file(struct form_parts *parts, struct weir_span bytes)
{
	struct form_upload *form = WEIR_CONTAINER(parts, struct form_upload, parts);
	struct form_file *file = form->files[form->count - 1];
	int result = weir_upload_write(file->upload, bytes);
	if (result == WEIR_UPLOAD_FULL)
		form->awaited = file;
	if (result < 0 && result != WEIR_E_LIMIT)
		return http_form_upload_refuse(form, http_upload_status(result));
	return result < 0 ? result : 0;
}

/* All files are committed together. */
static int http_form_upload_end_file(struct form_parts *parts)
{
	(void)parts;
	return 0;
}

static bool http_form_upload_is_held(const struct form_parts *parts)
{
	return WEIR_CONTAINER(parts, const struct form_upload, parts)->awaited;
}

static const struct form_parts_type parts_type = {
        .begin = http_form_upload_begin_file,
        .bytes = http_form_upload_write_file,
        .end = http_form_upload_end_file,
        .held = http_form_upload_is_held,
};

/* -- receiving --------------------------------------------------------------------------------- */

static void http_form_upload_on_piece(void *context, struct weir_span bytes)
{
	http_form_upload_go_on(context, bytes);
}

static void http_form_upload_on_end(void *context, int error)
{
	struct form_upload *form = context;
	form->body_ended = true;
	if (error < 0)
		http_form_upload_free(
		        form); /* HTTP replies by itself, if the client is still there */
	else
		http_form_upload_go_on(form, WEIR_SPAN(""));
}

static void http_form_upload_on_directory(
        struct weir_lookup *lookup, int error, struct weir_file *file)
{
	static const struct weir_http_receiver receiver = {
	        http_form_upload_on_piece, http_form_upload_on_end};
	struct form_upload *form = WEIR_CONTAINER(lookup, struct form_upload, lookup);
	if (error == -ENOENT || error == -ENOTDIR)
		http_form_upload_fail(form, 404);
	else if (error < 0)
		http_form_upload_fail(form, http_upload_status(error));
	else if (file->kind != WEIR_FILE_DIRECTORY)
		http_form_upload_fail(form, 405);
	else if (weir_http_receive(form->exchange, &receiver, form, form->handler->size_max) < 0)
		http_form_upload_fail(form, 413);
}

/* Returns 0, or the status if this is not a form with files. */
static unsigned http_form_upload_parse_type(const struct weir_http_exchange *exchange,
        char buffer[WEIR_HTTP_BOUNDARY_MAX], struct weir_span *ret_boundary)
{
	struct weir_span value =
	        weir_http_request_known(weir_http_request(exchange), WEIR_HTTP_CONTENT_TYPE);
	struct weir_span rest = value, type;
	if (weir_http_path_is_hidden(exchange))
		return 404;
	if (http_parameter_head(&rest, &type) < 0 ||
	        !weir_span_equal_nocase(type, WEIR_SPAN("multipart/form-data")))
		return 415;
	if (http_boundary_parse(value, buffer, ret_boundary) < 0)
		return 400;
	return weir_http_has_body(exchange) ? 0 : 400;
}

void http_upload_form(struct http_upload *upload, struct weir_http_exchange *exchange)
{
	char buffer[WEIR_HTTP_BOUNDARY_MAX];
	struct weir_span boundary;
	unsigned status = http_form_upload_parse_type(exchange, buffer, &boundary);
	struct form_upload *form = status ? NULL : calloc(1, sizeof *form);
	if (!form) {
		http_upload_refuse(exchange, status ? status : 500);
		return;
	}
	form->handler = upload;
	form->exchange = exchange;
	form_parts_init(&form->parts, &parts_type, boundary);
	weir_tree_lookup(upload->tree, &form->lookup, weir_http_path(exchange).data,
	        http_form_upload_on_directory);
}
