/*
 * A POST body: notes that are added by a form, listed, and looked at one by one. Try it:
 *
 *   ./post & pid=$!
 *   curl -d 'text=Buy+milk' http://127.0.0.1:7005/notes
 *   curl http://127.0.0.1:7005/notes
 *   curl http://127.0.0.1:7005/notes/1
 *   kill $pid
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/http.h>
#include <weir/http_form.h>
#include <weir/http_routes.h>
#include <weir/loop.h>
#include <weir/sources.h>

enum {
	NOTES_MAX = 100,
	NOTE_SIZE = 200,
	BODY_MAX = 1000
};

struct notes {
	char texts[NOTES_MAX][NOTE_SIZE + 1];
	unsigned count;
};

/* -- adding one -------------------------------------------------------------------------------- */

/* One form that is being received. It lives in the exchange's scratch memory. */
struct addition {
	struct notes *notes;
	struct weir_http_exchange *exchange;
	unsigned status;
};

static void add_field(void *context, struct weir_span name, struct weir_span value)
{
	struct addition *addition = context;
	struct notes *notes = addition->notes;
	if (!weir_span_equal(name, WEIR_SPAN("text")) || addition->status == 201)
		return;
	addition->status = value.size > NOTE_SIZE ? 413 : notes->count == NOTES_MAX ? 507 : 201;
	if (addition->status != 201)
		return;
	memcpy(notes->texts[notes->count], value.data, value.size);
	notes->texts[notes->count++][value.size] = 0;
}

static void add_end(void *context, int error)
{
	struct addition *addition = context;
	char location[32];
	if (error)
		return; /* HTTP replies with the status that fits */
	if (addition->status != 201) {
		weir_http_reply_error(addition->exchange, addition->status);
		return;
	}
	snprintf(location, sizeof location, "/notes/%u", addition->notes->count);
	weir_http_add_field(addition->exchange, "Location", weir_span_of(location));
	weir_http_reply_text(addition->exchange, 201, "text/plain", WEIR_SPAN("added\n"));
}

static void notes_add(void *context, struct weir_http_exchange *exchange)
{
	static const struct weir_http_form_receiver receiver = {add_field, add_end};
	struct addition *addition = weir_http_scratch(exchange);
	*addition = (struct addition){context, exchange, 400};
	int error = weir_http_form_receive(exchange, &receiver, addition, BODY_MAX);
	if (error)
		weir_http_reply_error(exchange, error == WEIR_E_SYNTAX  ? 415
		                                : error == WEIR_E_LIMIT ? 413
		                                                        : 500);
}

/* -- reading them ------------------------------------------------------------------------------ */

static void notes_list(void *context, struct weir_http_exchange *exchange)
{
	const struct notes *notes = context;
	struct weir_buffer text = {0};
	int error = 0;
	for (unsigned i = 0; i < notes->count && error == 0; i++)
		error = weir_buffer_format(&text, SIZE_MAX, "%u %s\n", i + 1, notes->texts[i]);
	weir_http_add_field(exchange, "Content-Type", WEIR_SPAN("text/plain; charset=utf-8"));
	weir_http_reply(exchange, 200, error ? NULL : weir_produce_copied(text.data, text.size));
	weir_buffer_finish(&text);
}

static void notes_show(void *context, struct weir_http_exchange *exchange)
{
	const struct notes *notes = context;
	uint64_t id;
	if (weir_span_number(weir_http_route_value(exchange, "id"), 10, &id) < 0 || id < 1 ||
	        id > notes->count) {
		weir_http_reply_error(exchange, 404);
		return;
	}
	weir_http_add_field(exchange, "Content-Type", WEIR_SPAN("text/plain; charset=utf-8"));
	weir_http_reply(exchange, 200, weir_produce_format("%s\n", notes->texts[id - 1]));
}

static const struct weir_http_route routes[] = {
        {"GET", "notes", notes_list},
        {"POST", "notes", notes_add},
        {"GET", "notes/{id}", notes_show},
};

int main(int count, char **arguments)
{
	static struct notes notes;
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7005";
	struct weir_loop *loop;
	struct weir_http_server *server;
	struct weir_http_options options;
	weir_http_options_init(&options);
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&loop);
	options.sites = weir_http_sites_create(
	        weir_http_routes_create(routes, sizeof routes / sizeof *routes, &notes));
	if (error == 0) /* this refuses sites that are NULL */
		error = weir_http_create(loop, &options, &server);
	if (error) {
		fprintf(stderr, "post: cannot listen on %s: %s\n", address, weir_error_text(error));
		return 1;
	}
	printf("post: http://%s/notes\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
