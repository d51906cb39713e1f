/*
 * A small protocol of one's own: values by name. A line is a command; a value is a number of any
 * bytes, so that the terminator changes in the middle of a conversation.
 *
 *   client: set motd 5       server: ok          client: get motd       server: 5
 *           hello                                                               hello
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/sources.h>

enum {
	VALUES_MAX = 64,
	NAME_SIZE = 32,
	VALUE_SIZE = 4096
};

struct value {
	char name[NAME_SIZE + 1]; /* empty: free */
	char data[VALUE_SIZE];
	size_t size;
};

struct store {
	struct value values[VALUES_MAX];
};

static struct value *find(struct store *store, struct weir_span name)
{
	for (int i = 0; i < VALUES_MAX; i++)
		if (weir_span_equal(weir_span_of(store->values[i].name), name))
			return &store->values[i];
	return NULL;
}

/* The value of that name, perhaps a new one; NULL: the name or the store is full. */
static struct value *find_or_make(struct store *store, struct weir_span name)
{
	struct value *value = find(store, name);
	if (value || name.size == 0 || name.size > NAME_SIZE)
		return value;
	value = find(store, WEIR_SPAN(""));
	if (value)
		memcpy(value->name, name.data, name.size);
	return value;
}

static void get(struct weir_channel *channel, struct weir_span name)
{
	struct value *value = name.size ? find(weir_channel_context(channel), name) : NULL;
	if (!value) {
		weir_channel_push_static(channel, "none\r\n");
		return;
	}
	weir_channel_push(channel, weir_produce_format("%zu\r\n", value->size));
	/* A copy: the value may be set anew before this one has gone. */
	weir_channel_push_copy(channel, weir_span(value->data, value->size));
}

static void set(struct weir_channel *channel, struct weir_span name, struct weir_span size_text)
{
	uint64_t size;
	if (weir_span_number(size_text, 10, &size) < 0 || size < 1 || size > VALUE_SIZE) {
		/* The bytes of the value would be taken for commands. */
		weir_channel_push_static(channel, "bad size\r\n");
		weir_channel_close(channel);
		return;
	}
	struct value *value = find_or_make(weir_channel_context(channel), name);
	if (!value) {
		weir_channel_push_static(channel, "no room\r\n");
		weir_channel_close(channel);
		return;
	}
	/* The next request is the value: from the very next byte on, also if it is here already. */
	weir_channel_set_session(channel, value);
	weir_channel_await(channel, weir_length(size));
}

static void take_value(struct weir_channel *channel, struct value *value, struct weir_span bytes)
{
	memcpy(value->data, bytes.data, bytes.size);
	value->size = bytes.size;
	weir_channel_set_session(channel, NULL);
	weir_channel_await(channel, weir_until_line_end());
	weir_channel_push_static(channel, "ok\r\n");
}

static void request(struct weir_channel *channel, struct weir_span bytes)
{
	struct value *awaited = weir_channel_session(channel);
	struct weir_span verb, name;
	if (awaited) {
		take_value(channel, awaited, bytes);
		return;
	}
	weir_span_cut(&bytes, ' ', &verb);
	weir_span_cut(&bytes, ' ', &name);
	if (weir_span_equal(verb, WEIR_SPAN("get")))
		get(channel, name);
	else if (weir_span_equal(verb, WEIR_SPAN("set")))
		set(channel, name, bytes);
	else
		weir_channel_push_static(channel, "get NAME, or set NAME SIZE\r\n");
}

static const struct weir_protocol values = {.name = "values", .request = request};

int main(int count, char **arguments)
{
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7005";
	static struct store store;
	struct weir_loop *loop;
	struct weir_server *server;
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.protocol = &values;
	options.context = &store;
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&loop);
	if (error == 0)
		error = weir_server_create(loop, &options, &server);
	if (error) {
		fprintf(stderr, "protocol: cannot listen on %s: %s\n", address,
		        weir_error_text(error));
		return 1;
	}
	printf("protocol: listening on %s\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
