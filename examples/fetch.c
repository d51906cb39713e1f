/*
 * Gets all URLs at the same time, and prints the status, size and checksum of each when it is
 * there. The bodies are not kept, so they may have any size. Try it:
 *
 *   ./fetch http://127.0.0.1:8080/ http://127.0.0.1:8080/none
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir/http_client.h>
#include <weir/loop.h>

struct get {
	const char *url;
	unsigned status;
	unsigned long long size;
	unsigned sum;
};

static struct weir_loop *loop;
static int left, failures;

static void get_head(void *context, const struct weir_http_reply_head *head)
{
	struct get *get = context;
	get->status = head->status;
}

static void get_piece(void *context, struct weir_span bytes)
{
	struct get *get = context;
	get->size += bytes.size;
	for (size_t i = 0; i < bytes.size; i++)
		get->sum = get->sum * 31 + (unsigned char)bytes.data[i];
}

static void get_end(void *context, const struct weir_http_call_end *end)
{
	const struct get *get = context;
	if (end->error)
		printf("%s: %s\n", get->url, end->text);
	else
		printf("%s: %u, %llu bytes, %08x\n", get->url, get->status, get->size, get->sum);
	failures += end->error != 0;
	if (--left == 0)
		weir_loop_stop(loop);
}

static const struct weir_http_call_events events = {
        .head = get_head, .piece = get_piece, .end = get_end};

int main(int count, char **arguments)
{
	struct weir_http_client_options client_options;
	struct weir_http_client *client;
	if (count < 2) {
		fputs("fetch URL…\n", stderr);
		return 2;
	}
	struct get *gets = calloc((size_t)count, sizeof *gets);
	weir_http_client_options_init(&client_options);
	if (!gets || weir_loop_create(&loop) < 0 ||
	        weir_http_client_create(loop, &client_options, &client) < 0)
		abort();
	for (int i = 1; i < count; i++) {
		struct weir_http_call_options options;
		struct weir_http_call *call; /* to cancel it by, which nobody does here */
		weir_http_call_options_init(&options);
		options.url = gets[i].url = arguments[i];
		options.redirects_max = 5;
		if (weir_http_call_start(client, &options, &events, &gets[i], &call) == 0) {
			left++;
		} else {
			printf("%s: not a URL of http\n", arguments[i]);
			failures++;
		}
	}
	if (left)
		weir_loop_run(loop);
	weir_http_client_destroy(client);
	weir_loop_destroy(loop);
	free(gets);
	return failures ? 1 : 0;
}
