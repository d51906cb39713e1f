/*
 * A table of PostgreSQL as JSON, streamed: rows leave as they arrive, and a client that does not
 * read makes the database wait. DATABASE is a URL such as postgres://me@/shop?host=/run/postgresql.
 * Try it:
 *
 *   psql -q -c 'CREATE TABLE item (id int, name text)' $DATABASE
 *   psql -q -c "INSERT INTO item SELECT n, md5(n::text) FROM generate_series(1, 100000) n" \
 *           $DATABASE
 *   ./query $DATABASE & pid=$!
 *   curl -s 'http://127.0.0.1:7012/item' | tail -n 2
 *   curl -s --limit-rate 5M 'http://127.0.0.1:7012/item' | wc -l
 *   kill $pid
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/loop.h>
#include <weir/postgres.h>

enum {
	ROW_MAX = 1 << 20, /* bytes of a row's JSON, and of what waits before it */
};

/* One request. It is the producer's, whose close frees it. */
struct listing {
	struct weir_http_exchange *exchange; /* NULL: it has been replied to */
	struct weir_producer *rows;
	bool second;
};

/* The database makes the JSON of a row; here go the brackets and commas. */
static int listing_format(
        void *context, const struct weir_postgres_row *row, struct weir_buffer *to)
{
	struct listing *listing = context;
	const char *before = listing->second ? ",\n" : "[\n";
	if (!row)
		return weir_buffer_format(to, ROW_MAX, "%s", listing->second ? "\n]\n" : "[]\n");
	struct weir_span value = weir_postgres_row_value(row, 0);
	listing->second = true;
	return weir_buffer_format(to, ROW_MAX, "%s%.*s", before, (int)value.size, value.data);
}

/* Until now nothing has been sent: a database that fails can have a status of its own. */
static void listing_begun(void *context, const struct weir_postgres_end *end)
{
	struct listing *listing = context;
	struct weir_http_exchange *exchange = listing->exchange;
	struct weir_producer *rows = listing->rows;
	listing->exchange = NULL;
	weir_http_on_gone(exchange, NULL, NULL);
	if (end && end->error) {
		fprintf(stderr, "query: %s\n", end->text);
		weir_producer_close(rows, WEIR_CLOSE_FAILED);
		weir_http_reply_error(exchange, end->error == WEIR_E_DATABASE ? 500 : 503);
		return;
	}
	weir_http_add_field(exchange, "Content-Type", WEIR_SPAN("application/json"));
	weir_http_reply(exchange, 200, rows);
}

/* The client does not wait for the first row any more. */
static void listing_gone(void *context)
{
	struct listing *listing = context;
	struct weir_http_exchange *exchange = listing->exchange;
	weir_producer_close(listing->rows, WEIR_CLOSE_ABORTED);
	weir_http_reply_empty(exchange, 503);
}

static void listing_close(void *context, enum weir_close_reason why)
{
	(void)why;
	free(context);
}

static const struct weir_postgres_produce_events listing_events = {
        .format = listing_format, .begun = listing_begun, .close = listing_close};

static void listing_handle(void *context, struct weir_http_exchange *exchange)
{
	static const struct weir_postgres_statement statement = {
	        .text = "SELECT row_to_json(item) FROM item ORDER BY id"};
	struct weir_postgres_call_options options;
	struct listing *listing = calloc(1, sizeof *listing);
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.idempotent = true;
	if (!listing || weir_produce_query(
	                        context, &options, &listing_events, listing, &listing->rows) < 0) {
		free(listing);
		weir_http_reply_error(exchange, 503);
		return;
	}
	listing->exchange = exchange;
	weir_http_on_gone(exchange, listing_gone, listing);
}

static int fail(const char *why)
{
	fprintf(stderr, "query: %s\n", why);
	return 1;
}

int main(int count, char **arguments)
{
	const char *address = count > 2 ? arguments[2] : "127.0.0.1:7012";
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_loop *loop;
	struct weir_postgres *database;
	struct weir_http_server *server;
	struct weir_postgres_options pool;
	struct weir_http_options options;
	if (count < 2)
		return fail("give the URL of a database");
	weir_postgres_options_init(&pool);
	weir_http_options_init(&options);
	pool.url = arguments[1];
	pool.wait_ms = 2000;
	int error = weir_loop_create(&loop);
	if (error < 0)
		return fail(weir_error_text(error));
	if (weir_postgres_create(loop, &pool, why, &database) < 0)
		return fail(why);
	options.sites =
	        weir_http_sites_create(weir_http_function_create("item", listing_handle, database));
	error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_http_create(loop, &options, &server);
	if (error < 0)
		return fail(weir_error_text(error));
	printf("query: http://%s/item\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
