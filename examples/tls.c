/*
 * TLS from the first byte: the echo server, in secret. The protocol needs to know nothing of it;
 * this one greets with what was agreed on. Try it:
 *
 *   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
 *           -subj /CN=localhost -keyout key.pem -out chain.pem 2>/dev/null
 *   ./tls chain.pem key.pem & pid=$!
 *   (echo hello; sleep 1) | openssl s_client -quiet -no_ign_eof -connect 127.0.0.1:7009 2>/dev/null
 *   kill $pid
 */
#include <stdio.h>

#include <weir/error.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/sources.h>
#include <weir/tls.h>

/* Called when the handshake is complete. */
static int tls_open(struct weir_channel *channel)
{
	struct weir_tls_info info;
	weir_channel_await(channel, weir_until_any_line_end());
	if (!weir_channel_tls(channel, &info))
		return WEIR_E_CLOSED;
	return weir_channel_push(
	        channel, weir_produce_format("%s %s\r\n", info.version, info.cipher));
}

static void tls_request(struct weir_channel *channel, struct weir_span line)
{
	weir_channel_push_copy(channel, line);
	weir_channel_push_static(channel, "\r\n");
}

static const struct weir_protocol protocol = {
        .name = "tls", .open = tls_open, .request = tls_request};

/* Prints a mistake of the certificate or the key. */
static void report(void *context, const char *path, const char *text)
{
	(void)context;
	fprintf(stderr, "tls: %s: %s\n", path, text);
}

static void handshake_failed(
        void *context, const struct weir_address *peer, uint64_t id, const char *why)
{
	(void)context, (void)peer, (void)id;
	fprintf(stderr, "tls: no handshake: %s\n", why);
}

int main(int count, char **arguments)
{
	if (count < 3) {
		fputs("usage: tls CHAIN KEY [ADDRESS]\n", stderr);
		return 2;
	}
	const char *address = count > 3 ? arguments[3] : "127.0.0.1:7009";
	struct weir_loop *loop;
	struct weir_server *server;
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.protocol = &protocol;
	options.tls_refusal = "speak TLS, please\r\n";
	options.listener.tls_failed = handshake_failed;
	struct weir_tls_certificate certificate = {.chain = arguments[1], .key = arguments[2]};
	struct weir_tls_options tls;
	weir_tls_options_init(&tls);
	tls.certificates = &certificate;
	tls.count = 1;
	int error = weir_tls_server_create(&tls, report, NULL, &options.listener.tls);
	if (error == 0)
		error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&loop);
	if (error == 0)
		error = weir_server_create(loop, &options, &server);
	weir_tls_release(options.listener.tls); /* the server holds it */
	if (error) {
		fprintf(stderr, "tls: cannot listen on %s: %s\n", address, weir_error_text(error));
		return 1;
	}
	printf("tls: listening on %s\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
