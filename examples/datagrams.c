/*
 * Datagrams: each is answered with itself in capitals, from the address that it came to. Try it:
 *
 *   ./datagrams & pid=$!
 *   bash -c 'exec 3<>/dev/udp/127.0.0.1/7011; echo hello >&3; head -n 1 <&3'
 *   kill $pid
 */
#include <stdio.h>

#include <weir/datagram.h>
#include <weir/error.h>
#include <weir/loop.h>

enum {
	SIZE = 1200 /* what any network carries in one piece */
};

/*
 * Written straight into the batch that is sent. A reply is never longer than what it answers, or
 * strangers could use this server to flood others under their addresses.
 */
static size_t answer(void *context, const struct weir_datagram *datagram, void *reply, size_t room)
{
	char *to = reply;
	(void)context;
	if (datagram->cut || datagram->bytes.size > room)
		return 0;
	for (size_t i = 0; i < datagram->bytes.size; i++) {
		char c = datagram->bytes.data[i];
		to[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	return datagram->bytes.size;
}

int main(int count, char **arguments)
{
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7011";
	struct weir_loop *loop;
	struct weir_datagrams *datagrams;
	struct weir_datagrams_options options;
	weir_datagrams_options_init(&options);
	options.receive_max = SIZE;
	options.reply_max = SIZE;
	options.answer = answer;
	int error = weir_address_parse(weir_span_of(address), &options.address);
	if (error == 0)
		error = weir_loop_create(&loop);
	if (error == 0)
		error = weir_datagrams_create(loop, &options, &datagrams);
	if (error) {
		fprintf(stderr, "datagrams: cannot bind to %s: %s\n", address,
		        weir_error_text(error));
		return 1;
	}
	printf("datagrams: bound to %s\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
