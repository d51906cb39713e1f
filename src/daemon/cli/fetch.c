/*
 * weir fetch: one call of the library's HTTP client (weir/http_client.h) for the command line.
 *
 * A write that blocks stops the loop, so the call is paused meanwhile: then the server waits, too,
 * and is not to blame for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/http_client.h>
#include <weir/loop.h>
#include <weir/sources.h>
#include <weir/tls.h>
#include <weir/version.h>

#include "cli.h"
#include "fetch_output.h"
#include "options.h"
#include "say.h"
#include "verb_actions.h"

enum {
	FIELDS_MAX = 100,
	REDIRECTS_MAX = 10,
	STATUS_ERRORS = 400, /* the first status that is an error */
};

struct fetch_verb {
	const char *url;
	const char *method;
	const char *path; /* of the output, or NULL */
	const char *data; /* text, @FILE, or @- */
	const char *unix_path;
	const char *ca;
	struct weir_http_field fields[FIELDS_MAX];
	unsigned field_count;
	uint64_t timeout_ms; /* 0: the defaults */
	bool show_head;
	bool follow;
	bool insecure;
	bool help;

	struct weir_loop *loop;
	struct weir_http_client *client;
	struct weir_http_call *call;
	struct fetch_output output;
	char final_url[WEIR_HTTP_CLIENT_URL_MAX + 1]; /* of the last redirect */
	unsigned status;
	bool wants_body; /* the body is written */
	int code;        /* for the exit */
};

/* -- the command line -------------------------------------------------------------------------- */

static int fetch_add_field(void *context, const char *text)
{
	struct fetch_verb *fetch = context;
	struct weir_span value = weir_span_of(text), name;
	if (!weir_span_cut(&value, ':', &name) || name.size == 0)
		return usage_error("fetch", "'%s' is no field such as 'Accept: text/html'", text);
	if (fetch->field_count == FIELDS_MAX)
		return usage_error("fetch", "at most %d fields can be sent", FIELDS_MAX);
	fetch->fields[fetch->field_count++] =
	        (struct weir_http_field){.name = name, .value = weir_span_trim(value)};
	return 0;
}

static int fetch_set_timeout(void *context, const char *text)
{
	struct fetch_verb *fetch = context;
	const struct key *key = verb_find("fetch")->options;
	while (strcmp(key->name, "timeout") != 0)
		key++;
	return options_parse_value("fetch", key, text, &fetch->timeout_ms);
}

static int fetch_set_head(void *context, const char *text)
{
	struct fetch_verb *fetch = context;
	(void)text;
	fetch->show_head = true;
	fetch->method = "HEAD";
	return 0;
}

static int fetch_parse(int count, char **arguments, struct fetch_verb *fetch)
{
	const struct action_option options[] = {
	        {"output", .value = &fetch->path},
	        {"include", .given = &fetch->show_head},
	        {"head", .set = fetch_set_head, .context = fetch},
	        {"follow", .given = &fetch->follow},
	        {"field", .set = fetch_add_field, .context = fetch},
	        {"data", .value = &fetch->data},
	        {"method", .value = &fetch->method},
	        {"unix-socket", .value = &fetch->unix_path},
	        {"ca", .value = &fetch->ca},
	        {"timeout", .set = fetch_set_timeout, .context = fetch},
	        {"insecure", .given = &fetch->insecure},
	        {0},
	};
	int status = verb_actions_options(count, arguments, options, &fetch->help);
	if (status || fetch->help)
		return status;
	if (optind == count)
		return usage_error(
		        "fetch", "a URL is missing, as in `weir fetch http://host/`%s", "");
	if (count - optind > 1)
		return usage_error(
		        "fetch", "one URL at a time, without '%s'", arguments[optind + 1]);
	if (fetch->insecure && fetch->ca)
		return usage_error("fetch", "give --ca or --insecure, not both%s", "");
	fetch->url = arguments[optind];
	if (!fetch->method)
		fetch->method = fetch->data ? "POST" : "GET";
	return 0;
}

/* -- the request ------------------------------------------------------------------------------- */

static bool fetch_has_field(const struct fetch_verb *fetch, struct weir_span name)
{
	for (unsigned i = 0; i < fetch->field_count; i++)
		if (weir_span_equal_nocase(fetch->fields[i].name, name))
			return true;
	return false;
}

/* The field Host is an option of the library. Returns its text, or NULL. */
static char *fetch_take_host(struct fetch_verb *fetch)
{
	for (unsigned i = 0; i < fetch->field_count; i++) {
		struct weir_http_field *field = &fetch->fields[i];
		if (!weir_span_equal_nocase(field->name, WEIR_SPAN("Host")))
			continue;
		char *host = strndup(field->value.data, field->value.size);
		*field = fetch->fields[--fetch->field_count];
		return host;
	}
	return NULL;
}

static void fetch_add_defaults(struct fetch_verb *fetch)
{
	static const struct weir_http_field defaults[] = {
	        {WEIR_SPAN("User-Agent"), WEIR_SPAN("weir/" WEIR_VERSION)},
	        {WEIR_SPAN("Accept"), WEIR_SPAN("*/*")},
	};
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
		if (fetch->field_count < FIELDS_MAX && !fetch_has_field(fetch, defaults[i].name))
			fetch->fields[fetch->field_count++] = defaults[i];
}

/* A file is sent with its length, and again after a redirect; a pipe is sent once, chunked. */
static struct weir_producer *fetch_read_file(
        const struct fetch_verb *fetch, const char *path, int fd)
{
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0) {
		say("%s: %s", path, weir_error_text(-errno));
		return NULL;
	}
	if (S_ISREG(status.st_mode))
		return weir_produce_file(fd, true, 0, (uint64_t)status.st_size);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
		say("%s: %s", path, weir_error_text(-errno));
		close(fd);
		return NULL;
	}
	return weir_produce_stream(fetch->loop, fd);
}

static struct weir_producer *fetch_make_body(void *context)
{
	const struct fetch_verb *fetch = context;
	if (*fetch->data != '@')
		return weir_produce_borrowed(fetch->data, strlen(fetch->data));
	const char *path = fetch->data + 1;
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
	                                : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fetch_read_file(fetch, path, fd);
}

/* Returns 0 or an exit code. */
static int fetch_set_body(struct fetch_verb *fetch, struct weir_http_call_options *options)
{
	if (!fetch->data)
		return 0;
	if (strcmp(fetch->data, "@-") != 0) {
		options->make_body = fetch_make_body;
		options->make_body_context = fetch;
		return 0;
	}
	options->body = fetch_make_body(fetch);
	return options->body ? 0 : EXIT_FAILED;
}

/* -- the reply --------------------------------------------------------------------------------- */

static int fetch_print_head(struct fetch_verb *fetch, const struct weir_http_reply_head *head)
{
	struct weir_buffer text = {0};
	int error = weir_buffer_format(&text, SIZE_MAX, "HTTP/1.%u %u %.*s\n", head->minor,
	        head->status, (int)head->reason.size, head->reason.data);
	for (unsigned i = 0; i < head->field_count && !error; i++)
		error = weir_buffer_format(&text, SIZE_MAX, "%.*s: %.*s\n",
		        (int)head->fields[i].name.size, head->fields[i].name.data,
		        (int)head->fields[i].value.size, head->fields[i].value.data);
	if (!error)
		error = weir_buffer_append(&text, "\n", 1, SIZE_MAX);
	if (!error)
		error = fetch_output_write(&fetch->output, weir_buffer_span(&text));
	weir_buffer_finish(&text);
	return error;
}

static void fetch_give_up(struct fetch_verb *fetch)
{
	fetch->code = EXIT_FAILED;
	weir_http_call_cancel(fetch->call);
	weir_loop_stop(fetch->loop);
}

/* An error page is not what the file is for. */
static void fetch_on_head(void *context, const struct weir_http_reply_head *head)
{
	struct fetch_verb *fetch = context;
	fetch->status = head->status;
	fetch->wants_body = head->status < STATUS_ERRORS || !fetch->path;
	snprintf(fetch->final_url, sizeof fetch->final_url, "%s", head->url);
	if (head->status >= 300 && head->status < STATUS_ERRORS && head->status != 304) {
		struct weir_span to = weir_http_reply_head_field(head, WEIR_SPAN("Location"));
		if (to.size)
			say("%s: %u leads to %.*s; %s", head->url, head->status, (int)to.size,
			        to.data,
			        fetch->follow ? "it is not followed" : "--follow goes there");
	}
	if (!fetch->wants_body)
		return;
	if (fetch_output_begin(&fetch->output, head->length, weir_loop_now_ms(fetch->loop)) < 0 ||
	        (fetch->show_head && fetch_print_head(fetch, head) < 0))
		fetch_give_up(fetch);
}

static void fetch_on_piece(void *context, struct weir_span bytes)
{
	struct fetch_verb *fetch = context;
	if (!fetch->wants_body)
		return;
	weir_http_call_pause(fetch->call);
	if (fetch_output_add(&fetch->output, bytes, weir_loop_now_ms(fetch->loop)) < 0)
		fetch_give_up(fetch);
	else
		weir_http_call_resume(fetch->call);
}

/* Returns a hint for the user, or "". */
static const char *fetch_advice(const struct fetch_verb *fetch, int error, const char *text)
{
	bool distrusted = strstr(text, "certificate") || strstr(text, "mismatch");
	if (error == WEIR_E_TLS && !fetch->insecure && distrusted)
		return "; --ca FILE trusts another authority, --insecure any certificate";
	if (error == WEIR_E_TLS)
		return "; does the server speak TLS on this port?";
	if (error == -ECONNREFUSED)
		return "; is the server running?";
	if (error == -ETIMEDOUT)
		return "; --timeout TIME waits longer";
	if (error == -ENOENT && !fetch->unix_path)
		return "; check the name in the URL";
	return "";
}

static void fetch_on_end(void *context, const struct weir_http_call_end *end)
{
	struct fetch_verb *fetch = context;
	const char *url = *fetch->final_url ? fetch->final_url : fetch->url;
	bool complete = end->error == 0 && fetch->status < STATUS_ERRORS;
	if (fetch_output_end(&fetch->output, complete) < 0)
		complete = false;
	if (end->error)
		say("%s: %s%s", url, end->text, fetch_advice(fetch, end->error, end->text));
	else if (fetch->status >= STATUS_ERRORS)
		say("%s: the server replied with status %u", url, fetch->status);
	fetch->code = complete ? EXIT_DONE : EXIT_FAILED;
	weir_loop_stop(fetch->loop);
}

/* -- the whole --------------------------------------------------------------------------------- */

static int fetch_refused(const struct fetch_verb *fetch, int error)
{
	if (error == WEIR_E_SYNTAX)
		return usage_error("fetch",
		        "the URL, method or a field is malformed: a URL is such as "
		        "http://host:8080/path, with a space as %%20%s",
		        "");
	if (error == -EINVAL)
		return usage_error("fetch",
		        "CONNECT and fields of the connection, such as Content-Length, cannot be "
		        "sent%s",
		        "");
	say("%s: %s", fetch->url, weir_error_text(error));
	return EXIT_FAILED;
}

static int fetch_call(struct fetch_verb *fetch)
{
	static const struct weir_http_call_events events = {
	        .head = fetch_on_head, .piece = fetch_on_piece, .end = fetch_on_end};
	struct weir_http_call_options options;
	weir_http_call_options_init(&options);
	char *host = fetch_take_host(fetch);
	fetch_add_defaults(fetch);
	options.url = fetch->url;
	options.method = fetch->method;
	options.unix_path = fetch->unix_path;
	options.host = host;
	options.fields = fetch->fields;
	options.field_count = fetch->field_count;
	options.redirects_max = fetch->follow ? REDIRECTS_MAX : 0;
	fetch->code = fetch_set_body(fetch, &options);
	if (!fetch->code) {
		int error =
		        weir_http_call_start(fetch->client, &options, &events, fetch, &fetch->call);
		if (error < 0)
			fetch->code = fetch_refused(fetch, error);
		else
			weir_loop_run(fetch->loop);
	}
	free(host);
	fetch_output_end(&fetch->output, false);
	return fetch->code;
}

static void fetch_on_tls_mistake(void *context, const char *path, const char *text)
{
	(void)context;
	say("%s: %s", path, text);
}

/* The certificates of the system take longer to read than many a reply, so only if needed. */
static int fetch_make_tls(const struct fetch_verb *fetch, struct weir_tls **ret)
{
	struct weir_tls_client_options options;
	if (!fetch->follow && strncasecmp(fetch->url, "https:", 6) != 0)
		return 0;
	weir_tls_client_options_init(&options);
	options.ca = fetch->ca;
	options.verify = !fetch->insecure;
	return weir_tls_client_create(&options, fetch_on_tls_mistake, NULL, ret);
}

/* Creates the loop and the client. Returns 0 or a negative errno. */
static int fetch_prepare(struct fetch_verb *fetch)
{
	struct weir_http_client_options options;
	weir_http_client_options_init(&options);
	if (fetch->timeout_ms)
		options.connect_ms = options.head_ms = options.body_ms =
		        (uint32_t)fetch->timeout_ms;
	int error = fetch_make_tls(fetch, &options.tls);
	if (!error)
		error = weir_loop_create(&fetch->loop);
	if (!error)
		error = weir_http_client_create(fetch->loop, &options, &fetch->client);
	weir_tls_release(options.tls);
	return error;
}

int fetch(int count, char **arguments)
{
	struct fetch_verb *fetch = calloc(1, sizeof *fetch);
	int code = fetch ? fetch_parse(count, arguments, fetch) : EXIT_FAILED;
	if (!code && fetch->help) {
		code = help_print_verb("fetch");
	} else if (!code) {
		signal(SIGPIPE, SIG_IGN);
		fetch_output_init(&fetch->output, fetch->path);
		int error = fetch_prepare(fetch);
		if (error < 0 && error != WEIR_E_SYNTAX)
			say("%s", weir_error_text(error));
		code = error < 0 ? EXIT_FAILED : fetch_call(fetch);
		weir_http_client_destroy(fetch->client);
		weir_loop_destroy(fetch->loop);
	}
	free(fetch);
	return code;
}
