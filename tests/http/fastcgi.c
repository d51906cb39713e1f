/* The handler of FastCGI: which script is run, what the application gets, and what is never run. */
#include "proxied.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/http_fastcgi.h>
#include <weir/http_files.h>
#include <weir/tree.h>

#include "records.h"

/* -- the site ---------------------------------------------------------------------------------- */

static char root[64];

static void make(const char *path, const char *content)
{
	char full[256];
	snprintf(full, sizeof full, "%s/%s", root, path);
	int fd = open(full, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
}

static void make_directory(const char *path)
{
	char full[256];
	snprintf(full, sizeof full, "%s/%s", root, path);
	assert_int_equal(mkdir(full, 0755), 0);
}

static void make_root(void)
{
	char link[128];
	snprintf(root, sizeof root, "/tmp/weir-fastcgi-XXXXXX");
	assert_non_null(mkdtemp(root));
	make_directory("dir");
	make_directory("plain");
	make_directory("lib.php");
	make_directory("up");
	make("index.php", "source");
	make("a.php", "source");
	make("dir/index.php", "source");
	make("plain/index.html", "html");
	make("lib.php/b.php", "source");
	make("up/evil.php", "source");
	make("avatar.jpg", "picture");
	make(".hidden.php", "source");
	snprintf(link, sizeof link, "%s/out.php", root);
	assert_int_equal(symlink("/etc/passwd", link), 0);
}

static void remove_root(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static struct weir_tree *open_tree(void)
{
	struct weir_tree *tree;
	assert_int_equal(weir_tree_open(NULL, root, NULL, &tree), 0);
	return tree;
}

static void start_site(struct weir_http_fastcgi_options options, bool scripts)
{
	struct weir_http_files_options files;
	char to[128];
	struct weir_http_upstream one = {.url = to, .weight = 1};
	snprintf(to, sizeof to, "fastcgi://%s", origin.authority);
	options.upstreams =
	        GROUP(o.fastcgi = true, o.upstreams = &one, o.count = 1, o.retries_max = 0);
	if (scripts) {
		options.tree = open_tree();
		options.root = root;
	}
	weir_http_files_options_init(&files);
	struct weir_http_handler *handler = weir_http_fastcgi_create(&options);
	weir_http_upstreams_release(options.upstreams);
	web = (struct web){0};
	web_start(&web, loop, web_chain(handler, weir_http_files_create(open_tree(), &files)));
	client = peer_connect(loop, weir_server_address(weir_http_listener(web.server)), 0);
	upstream = (struct peer){.fd = -1, .loop = loop};
}

#define SITE(...)                                                                                  \
	start_site(OPTIONS(weir_http_fastcgi_options, o.request_id = false, ##__VA_ARGS__), true)
#define APPLICATION(...)                                                                           \
	start_site(OPTIONS(weir_http_fastcgi_options, o.request_id = false, ##__VA_ARGS__), false)

/* -- the application --------------------------------------------------------------------------- */

static void read_request(struct weir_buffer *ret)
{
	static const char end[] = "\1\5\0\1\0\0\0";
	upstream = origin_accept(&origin);
	while (upstream.got.size < 8 ||
	        memcmp(upstream.got.data + upstream.got.size - 8, end, 8) != 0)
		assert_true(peer_read_more(&upstream));
	record_describe(weir_buffer_span(&upstream.got), ret);
}

static void reply_hello(void)
{
	struct weir_buffer bytes = {0};
	record_put(&bytes, OUT, WEIR_SPAN("Content-Type: text/plain\r\n\r\nhello"), 0);
	record_put_end(&bytes, 0, 0);
	peer_send_bytes(&upstream, bytes.data, bytes.size);
	weir_buffer_finish(&bytes);
}

static void close_upstream(void)
{
	peer_close(&upstream);
	upstream = (struct peer){.fd = -1, .loop = loop};
}

/* The value of a variable as "NAME=value"; "NAME" if it is not there. */
static const char *variable(const struct weir_buffer *request, const char *name, char *text)
{
	struct weir_span rest = weir_buffer_span(request), line;
	size_t size = strlen(name);
	snprintf(text, 512, "%s", name);
	for (bool more = true; more;) {
		more = weir_span_cut(&rest, '\n', &line);
		if (line.size > size && memcmp(line.data, name, size) == 0 &&
		        line.data[size] == '=')
			snprintf(text, 512, "%.*s", (int)line.size, line.data);
	}
	return text;
}

static void has(const struct weir_buffer *request, const char *name, const char *expected)
{
	char text[512];
	assert_string_equal(variable(request, name, text), expected);
}

/* The request runs this script with this PATH_INFO ("": none). */
static void runs(const char *target, const char *script, const char *info)
{
	char head[512], name[512], file[512], path[512];
	struct weir_buffer request = {0};
	snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
	peer_send(&client, head);
	read_request(&request);
	snprintf(name, sizeof name, "SCRIPT_NAME=%s", script);
	snprintf(file, sizeof file, "SCRIPT_FILENAME=%s%s", root, script);
	snprintf(path, sizeof path, "PATH_INFO%s%s", *info ? "=" : "", info);
	has(&request, "SCRIPT_NAME", name);
	has(&request, "SCRIPT_FILENAME", file);
	has(&request, "PATH_INFO", path);
	reply_hello();
	assert_int_equal(status_of_client(), 200);
	peer_read(&client, client.got.size + 1);
	while (!memmem(client.got.data, client.got.size, "\r\n0\r\n\r\n", 7))
		assert_true(peer_read_more(&client));
	assert_non_null(memmem(client.got.data, client.got.size, "hello", 5));
	client.got.size = 0;
	close_upstream();
	weir_buffer_finish(&request);
}

/* The request does not reach the application; its reply has this status, and perhaps a text. */
static void runs_nothing(const char *method, const char *target, unsigned status, const char *text)
{
	char head[512];
	snprintf(head, sizeof head, "%s %s HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", method,
	        target);
	int fd = web_connect(&web);
	assert_true(web_send(&web, fd, head, strlen(head)));
	const char *got = web_read(&web, fd, NULL);
	if (strtoul(got + 9, NULL, 10) != status || (text && !strstr(got, text)) ||
	        strstr(got, "source"))
		fail_msg("%s %s: %s", method, target, got);
	close(fd);
	assert_true(origin_is_left_alone(&origin));
}

/* -- tests ------------------------------------------------------------------------------------- */

static void scripts(void **state)
{
	(void)state;
	SITE();
	runs("/a.php", "/a.php", "");
	runs("/a.php?x=1", "/a.php", "");
	runs("/a.php/", "/a.php", "/");
	runs("/a.php/3/x%20y?z", "/a.php", "/3/x y");
	runs("/a.php/dir/", "/a.php", "/dir/");
	runs("/%61.php", "/a.php", "");
	runs("/a.php/b.php", "/a.php", "/b.php");
	runs("/lib.php/b.php/c", "/lib.php/b.php", "/c");
	runs("/", "/index.php", "");
	runs("/dir/", "/dir/index.php", "");
	runs("/plain/../dir/", "/dir/index.php", "");
	stop_proxy();
}

static void files_and_directories(void **state)
{
	(void)state;
	SITE();
	runs_nothing("GET", "/avatar.jpg", 200, "picture");
	runs_nothing("GET", "/plain/", 200, "html");
	runs_nothing("GET", "/dir", 301, "/dir/");
	runs_nothing("GET", "/lib.php", 301, "/lib.php/");
	runs_nothing("GET", "/none", 404, NULL);
	runs_nothing("POST", "/avatar.jpg", 405, NULL);
	stop_proxy();
}

/* Only scripts beneath the root reach the application, and the source of none is sent. */
static void what_is_never_run(void **state)
{
	static const char *const never[] = {"up"};
	(void)state;
	SITE(o.never = never, o.never_count = 1);
	static const char *const absent[] = {"/avatar.jpg/x.php", "/avatar.jpg/.php", "/x.php",
	        "/x.php/a.php", "/none/a.php", "/out.php", "/.hidden.php", "/dir/.x.php",
	        "/up/evil.php", "/up/evil.php/x", "/up/none.php", "/a.php%20", "/.php"};
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
		runs_nothing("GET", absent[i], 404, NULL);
		runs_nothing("HEAD", absent[i], 404, NULL);
	}
	runs_nothing("PUT", "/new.php", 404, NULL);
	runs_nothing("POST", "/up/evil.php", 404, NULL);
	runs_nothing("GET", "/a.php%00.jpg", 400, NULL);
	runs_nothing("GET", "/../a.php", 400, NULL);
	stop_proxy();
}

static void a_front_controller(void **state)
{
	(void)state;
	SITE(o.script = "index.php", o.index = NULL);
	runs("/about/us?x", "/index.php", "");
	runs("/none.php", "/index.php", "");
	runs("/avatar.jpg/x.php", "/index.php", "");
	runs("/a.php", "/a.php", "");
	runs_nothing("GET", "/avatar.jpg", 200, "picture");
	runs_nothing("GET", "/plain/", 200, "html");
	runs_nothing("GET", "/.hidden.php", 404, NULL);
	stop_proxy();
	SITE(o.script = "none.php");
	runs_nothing("GET", "/about", 404, NULL);
	stop_proxy();
}

static void an_application_without_scripts(void **state)
{
	static const struct {
		const char *prefix, *target, *script, *info;
	} cases[] = {
	        {"", "/", "SCRIPT_NAME=", "PATH_INFO=/"},
	        {"", "/a/b.php", "SCRIPT_NAME=", "PATH_INFO=/a/b.php"},
	        {"", "/a/", "SCRIPT_NAME=", "PATH_INFO=/a/"},
	        {"app", "/app", "SCRIPT_NAME=/app", "PATH_INFO"},
	        {"app", "/app/", "SCRIPT_NAME=/app", "PATH_INFO=/"},
	        {"app", "/app/x%2fy", NULL, NULL},
	        {"app", "/app/x/y", "SCRIPT_NAME=/app", "PATH_INFO=/x/y"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_buffer request = {0};
		char head[128];
		APPLICATION(o.prefix = cases[i].prefix);
		if (!cases[i].script) {
			runs_nothing("GET", cases[i].target, 400, NULL);
			stop_proxy();
			continue;
		}
		snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].target);
		peer_send(&client, head);
		read_request(&request);
		has(&request, "SCRIPT_NAME", cases[i].script);
		has(&request, "PATH_INFO", cases[i].info);
		has(&request, "SCRIPT_FILENAME", "SCRIPT_FILENAME");
		has(&request, "DOCUMENT_ROOT", "DOCUMENT_ROOT");
		weir_buffer_finish(&request);
		stop_proxy();
	}
}

static void variables(void **state)
{
	char text[512], document_root[128];
	struct weir_buffer request = {0};
	(void)state;
	SITE();
	peer_send(&client,
	        "POST /a.php/i?q=1 HTTP/1.0\r\nHost: a.example:81\r\nProxy: evil\r\n"
	        "X-Forwarded-For: 1.2.3.4\r\nX_Forwarded_For: 1.2.3.4\r\n"
	        "Connection: X-Hop\r\nX-Hop: 1\r\nCookie: a=b\r\nExpect: 100-continue\r\n"
	        "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi");
	read_request(&request);
	snprintf(document_root, sizeof document_root, "DOCUMENT_ROOT=%s", root);
	has(&request, "DOCUMENT_ROOT", document_root);
	has(&request, "REQUEST_METHOD", "REQUEST_METHOD=POST");
	has(&request, "REQUEST_URI", "REQUEST_URI=/a.php/i?q=1");
	has(&request, "QUERY_STRING", "QUERY_STRING=q=1");
	has(&request, "SERVER_PROTOCOL", "SERVER_PROTOCOL=HTTP/1.0");
	has(&request, "SERVER_NAME", "SERVER_NAME=a.example");
	has(&request, "SERVER_ADDR", "SERVER_ADDR=127.0.0.1");
	has(&request, "SERVER_SOFTWARE", "SERVER_SOFTWARE=weir");
	has(&request, "REMOTE_ADDR", "REMOTE_ADDR=127.0.0.1");
	has(&request, "REQUEST_SCHEME", "REQUEST_SCHEME=http");
	has(&request, "REDIRECT_STATUS", "REDIRECT_STATUS=200");
	has(&request, "HTTP_HOST", "HTTP_HOST=a.example:81");
	has(&request, "HTTP_COOKIE", "HTTP_COOKIE=a=b");
	has(&request, "CONTENT_TYPE", "CONTENT_TYPE=text/plain");
	has(&request, "CONTENT_LENGTH", "CONTENT_LENGTH=2");
	static const char *const absent[] = {"HTTPS", "HTTP_PROXY", "HTTP_X_FORWARDED_FOR",
	        "HTTP_X_HOP", "HTTP_CONNECTION", "HTTP_EXPECT", "HTTP_CONTENT_LENGTH",
	        "HTTP_CONTENT_TYPE", "REMOTE_USER", "AUTH_TYPE"};
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
		has(&request, absent[i], absent[i]);
	assert_true(strncmp(variable(&request, "SERVER_PORT", text), "SERVER_PORT=", 12) == 0);
	assert_true(strncmp(variable(&request, "REMOTE_PORT", text), "REMOTE_PORT=", 12) == 0);
	assert_non_null(memmem(request.data, request.size, "stdin: hi", 9));
	weir_buffer_finish(&request);
	stop_proxy();
}

static void trusted_clients(void **state)
{
	struct weir_network local;
	struct weir_buffer request = {0};
	(void)state;
	assert_int_equal(weir_network_parse(WEIR_SPAN("127.0.0.0/8"), &local), 0);
	SITE(o.trusted = &local, o.trusted_count = 1, o.request_id = true);
	peer_send(&client, "GET /a.php HTTP/1.1\r\n" HOST "X-Forwarded-For: 1.2.3.4\r\n"
	                   "X-Request-ID: abc\r\n\r\n");
	read_request(&request);
	has(&request, "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_FOR=1.2.3.4");
	has(&request, "HTTP_X_REQUEST_ID", "HTTP_X_REQUEST_ID=abc");
	has(&request, "REMOTE_ADDR", "REMOTE_ADDR=127.0.0.1");
	weir_buffer_finish(&request);
	stop_proxy();
}

static void bodies(void **state)
{
	(void)state;
	SITE(o.body_max = 10);
	peer_send(&client,
	        "POST /a.php HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	assert_int_equal(status_of_client(), 411);
	stop_proxy();
	SITE(o.body_max = 10);
	peer_send(&client, "POST /a.php HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n");
	assert_int_equal(status_of_client(), 413);
	stop_proxy();
}

/* -- failures ---------------------------------------------------------------------------------- */

/* The status for what an application replies before a body. */
static unsigned status_for(const char *bytes, size_t size)
{
	struct weir_buffer request = {0};
	SITE();
	peer_send(&client, "GET /a.php HTTP/1.1\r\n" HOST "\r\n");
	read_request(&request);
	peer_send_bytes(&upstream, bytes, size);
	peer_finish(&upstream);
	unsigned status = status_of_client();
	weir_buffer_finish(&request);
	stop_proxy();
	return status;
}

static void malformed_replies(void **state)
{
	static const char http[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	struct weir_buffer bytes = {0};
	(void)state;
	assert_int_equal(status_for("", 0), 502);
	assert_int_equal(status_for(http, sizeof http - 1), 502);
	record_put_end(&bytes, 0, 0);
	assert_int_equal(status_for(bytes.data, bytes.size), 502);
	bytes.size = 0;
	record_put_end(&bytes, 0, 2);
	assert_int_equal(status_for(bytes.data, bytes.size), 503);
	bytes.size = 0;
	record_put(&bytes, OUT, WEIR_SPAN("Status: 101 Up\nUpgrade: websocket\n\n"), 0);
	record_put_end(&bytes, 0, 0);
	assert_int_equal(status_for(bytes.data, bytes.size), 502);
	weir_buffer_finish(&bytes);
}

/* A body without its end: the client's connection ends without one. */
static void a_body_that_breaks_off(void **state)
{
	struct weir_buffer bytes = {0}, request = {0};
	(void)state;
	SITE();
	peer_send(&client, "GET /a.php HTTP/1.1\r\n" HOST "\r\n");
	read_request(&request);
	record_put(&bytes, OUT, WEIR_SPAN("A: b\n\nhello"), 0);
	record_put(&bytes, OUT, WEIR_SPAN(""), 0);
	peer_send_bytes(&upstream, bytes.data, bytes.size);
	assert_int_equal(status_of_client(), 200);
	peer_finish(&upstream);
	assert_true(peer_read_end(&client));
	assert_null(memmem(client.got.data, client.got.size, "\r\n0\r\n", 5));
	weir_buffer_finish(&bytes);
	weir_buffer_finish(&request);
	stop_proxy();
}

static void a_client_that_leaves(void **state)
{
	struct weir_buffer request = {0};
	(void)state;
	SITE();
	peer_send(&client, "GET /a.php HTTP/1.1\r\n" HOST "\r\n");
	read_request(&request);
	peer_reset(&client);
	client.fd = -1;
	assert_true(peer_read_end(&upstream));
	weir_buffer_finish(&request);
	stop_proxy();
}

/* -- options ----------------------------------------------------------------------------------- */

static void handlers_that_cannot_be(void **state)
{
	struct weir_http_fastcgi_options options;
	struct weir_http_proxy_options proxy;
	(void)state;
	weir_http_fastcgi_options_init(&options);
	assert_null(weir_http_fastcgi_create(&options));
	options.upstreams = GROUP();
	assert_null(weir_http_fastcgi_create(&options));
	weir_http_upstreams_release(options.upstreams);
	struct weir_http_upstream one = {.url = "unix:/nowhere", .weight = 1};
	options.upstreams = GROUP(o.fastcgi = true, o.upstreams = &one, o.count = 1);
	options.tree = open_tree();
	assert_null(weir_http_fastcgi_create(&options)); /* no root */
	options.tree = open_tree();
	options.root = root;
	options.extension = "";
	assert_null(weir_http_fastcgi_create(&options));
	weir_http_proxy_options_init(&proxy);
	proxy.upstreams = options.upstreams;
	assert_null(weir_http_proxy_create(&proxy));
	weir_http_upstreams_release(options.upstreams);
	struct weir_http_upstreams *made;
	struct weir_http_upstreams_options group;
	weir_http_upstreams_options_init(&group);
	group.upstreams = &(struct weir_http_upstream){.url = "http://127.0.0.1", .weight = 1};
	group.count = 1;
	group.fastcgi = true;
	assert_int_equal(weir_http_upstreams_create(&group, &made), WEIR_E_SYNTAX);
}

static int setup_fastcgi(void **state)
{
	make_root();
	return setup_proxied(state);
}

static int teardown_fastcgi(void **state)
{
	remove_root();
	return teardown_proxied(state);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_fastcgi, teardown_fastcgi)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(scripts),
	        TEST(files_and_directories),
	        TEST(what_is_never_run),
	        TEST(a_front_controller),
	        TEST(an_application_without_scripts),
	        TEST(variables),
	        TEST(trusted_clients),
	        TEST(bodies),
	        TEST(malformed_replies),
	        TEST(a_body_that_breaks_off),
	        TEST(a_client_that_leaves),
	        TEST(handlers_that_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
