/* The relay: from the queue to a host, with a clock that can be advanced; and the notifications. */
#include "../store/scratch.h"

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/mail_queue.h>
#include <weir/resolver.h>
#include <weir/smtp_relay.h>

#include "clock.h"
#include "host.h"
#include "peer.h"
#include "make_options.h"

static struct weir_mail_queue *queue;
static struct weir_smtp_relay *relay;
static struct host host;
static char logged[64 * 1024];

/* -- where local reports go -------------------------------------------------------------------- */

static struct {
	struct weir_mail_sink sink;
	struct weir_mail_delivery delivery;
	struct weir_task task;
	void (*done)(void *context, const int *errors);
	void *context;
	int count;
	int error;
	char user[32];
	char sender[32];
	struct weir_buffer text;
} mailbox;

static int mailbox_begin(struct weir_mail_sink *sink, struct weir_loop *on,
        const struct weir_mail_envelope *envelope, void (*ready)(void *context, int error),
        void *context, struct weir_mail_delivery **ret)
{
	(void)on;
	(void)ready;
	(void)context;
	snprintf(mailbox.user, sizeof mailbox.user, "%.*s", (int)envelope->recipients[0].user.size,
	        envelope->recipients[0].user.data);
	snprintf(mailbox.sender, sizeof mailbox.sender, "<%.*s>", (int)envelope->sender.size,
	        envelope->sender.data);
	mailbox.text.size = 0;
	mailbox.delivery.sink = sink;
	*ret = &mailbox.delivery;
	return 0;
}

static int mailbox_write(struct weir_mail_delivery *delivery, struct weir_span bytes)
{
	(void)delivery;
	return weir_buffer_append(&mailbox.text, bytes.data, bytes.size, SIZE_MAX);
}

static void mailbox_done(struct weir_task *task)
{
	(void)task;
	mailbox.count += mailbox.error == 0;
	weir_buffer_append(&mailbox.text, "", 1, SIZE_MAX);
	mailbox.done(mailbox.context, &mailbox.error);
}

static void mailbox_commit(struct weir_mail_delivery *delivery,
        void (*done)(void *context, const int *errors), void *context)
{
	(void)delivery;
	mailbox.done = done;
	mailbox.context = context;
	mailbox.task.run = mailbox_done;
	weir_loop_defer(loop, &mailbox.task);
}

static const struct weir_mail_sink_type mailbox_type = {
        .name = "mailbox",
        .begin = mailbox_begin,
        .write = mailbox_write,
        .commit = mailbox_commit,
};

static bool route(void *context, struct weir_span sender, struct weir_mail_sink **ret_sink,
        struct weir_span *ret_user)
{
	(void)context;
	if (!weir_span_equal(sender, WEIR_SPAN("al@here.example")))
		return false;
	*ret_sink = &mailbox.sink;
	*ret_user = WEIR_SPAN("al");
	return true;
}

static void on_log(void *context, const struct weir_queued *queued, struct weir_span address,
        enum weir_relay_outcome outcome, const char *text)
{
	static const char *const names[] = {"sent", "deferred", "failed", "reported", "unreported"};
	size_t size = strlen(logged);
	(void)context, (void)queued;
	snprintf(logged + size, sizeof logged - size, "%s %.*s %s\n", names[outcome],
	        (int)address.size, address.data, text);
}

/* -- putting messages in ----------------------------------------------------------------------- */

static int puts_done, put_error;

static void on_put(void *context, const int *errors)
{
	(void)context;
	puts_done++;
	put_error = errors[0];
}

static void enqueue(
        const char *sender, const struct weir_mail_recipient *to, size_t count, const char *text)
{
	struct weir_mail_envelope envelope = {.sender = weir_span_of(sender),
	        .recipients = to,
	        .count = count,
	        .envid = WEIR_SPAN("env 1")};
	struct weir_mail_sink *sink = weir_mail_queue_sink(queue);
	struct weir_mail_delivery *delivery;
	int before = puts_done;
	assert_int_equal(sink->type->begin(sink, loop, &envelope, NULL, NULL, &delivery), 0);
	assert_int_equal(sink->type->write(delivery, weir_span_of(text)), 0);
	sink->type->commit(delivery, on_put, NULL);
	turn_until(&puts_done, before + 1);
	assert_int_equal(put_error, 0);
}

static void enqueue_to(const char *sender, const char *address)
{
	struct weir_mail_recipient to = {
	        .address = weir_span_of(address), .orcpt = WEIR_SPAN("rfc822;orig@x")};
	enqueue(sender, &to, 1, "Subject: hello\r\nX: y\r\n\r\n.body\r\n");
}

static struct weir_smtp_relay_options options(void)
{
	static char port[8];
	(void)port;
	return OPTIONS(weir_smtp_relay_options, o.host = "127.0.0.1",
	        o.port = weir_address_port(weir_server_address(host.server)),
	        o.helo = "here.example", o.route = route, o.log = on_log);
}

static int setup(void **state)
{
	scratch_setup(state);
	memset(&mailbox, 0, sizeof mailbox);
	mailbox.sink.type = &mailbox_type;
	logged[0] = 0;
	host_start(&host, loop);
	struct weir_mail_queue_options where =
	        OPTIONS(weir_mail_queue_options, o.path = in_scratch("queue"));
	struct weir_smtp_relay_options from = options();
	return weir_mail_queue_open(&where, NULL, NULL, &queue) ||
	       weir_smtp_relay_create(loop, queue, &from, &relay);
}

static void on_drained(void *context)
{
	(*(int *)context)++;
}

static void stop_relay(uint32_t within_ms)
{
	int drained = 0;
	weir_smtp_relay_drain(relay, within_ms, on_drained, &drained);
	turn_until(&drained, 1);
	weir_smtp_relay_destroy(relay);
	relay = NULL;
}

static int teardown(void **state)
{
	if (relay)
		stop_relay(5000);
	weir_mail_queue_close(queue);
	weir_buffer_finish(&mailbox.text);
	host_stop(&host);
	for (int i = 0; i < 10; i++)
		weir_loop_turn(loop, 1);
	return scratch_teardown(state);
}

static void empty_queue(void)
{
	assert_true(TURN_UNTIL(loop, weir_mail_queue_count(queue) == 0));
}

static void turns(int count)
{
	for (int i = 0; i < count; i++)
		weir_loop_turn(loop, 1);
}

#define HAS(part) assert_non_null(strstr(mailbox.text.data, part))

/* -- */

static void messages_are_forwarded(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		enqueue_to("al@here.example", "bob@there.example");
	empty_queue();
	assert_int_equal(host.messages, 20);
	assert_in_range(host.connections, 1, WEIR_RELAY_CONNECTIONS_MAX);
	assert_int_equal(mailbox.count, 0);
	assert_int_equal(host.content_size, strlen("Subject: hello\r\nX: y\r\n\r\n.body\r\n"));
	assert_non_null(strstr(host.said, "RCPT TO:<bob@there.example> ORCPT=rfc822;orig@x\n"));
	assert_non_null(strstr(host.said, "ENVID=env+201"));
	assert_non_null(strstr(logged, "sent bob@there.example 250 2.0.0 Taken\n"));
	/* Idle connections are closed. */
	clock_advance(WEIR_RELAY_IDLE_MS + 1000);
	assert_true(TURN_UNTIL(loop, !host.open));
}

static void a_refusal_is_reported(void **state)
{
	(void)state;
	static const struct weir_mail_recipient to[] = {
	        {.address = {"bad@there.example", 17}},
	        {.address = {"bob@there.example", 17}},
	        {.address = {"bad2@there.example", 18}, .notify = WEIR_MAIL_NOTIFY_NEVER},
	        {.address = {"bad3@there.example", 18}, .notify = WEIR_MAIL_NOTIFY_FAILURE},
	};
	enqueue("al@here.example", to, 4, "Subject: hello\r\n\r\n.body\r\n");
	empty_queue();
	assert_int_equal(host.messages, 1);
	assert_int_equal(mailbox.count, 1);
	assert_string_equal(mailbox.user, "al");
	assert_string_equal(mailbox.sender, "<>");
	HAS("To: <al@here.example>\r\n");
	HAS("Subject: Failed: your message could not be delivered\r\n");
	HAS("Auto-Submitted: auto-replied\r\n");
	HAS("multipart/report; report-type=delivery-status;");
	HAS("Reporting-MTA: dns; here.example\r\n");
	HAS("Original-Envelope-Id: env 1\r\n");
	HAS("\r\n\r\nFinal-Recipient: rfc822; bad@there.example\r\nAction: failed\r\n"
	    "Status: 5.1.1\r\nRemote-MTA: dns; 127.0.0.1\r\n"
	    "Diagnostic-Code: smtp; 550 5.1.1 Who?\r\n");
	HAS("rfc822; bad3@there.example");
	assert_null(strstr(mailbox.text.data, "bad2@"));
	assert_null(strstr(mailbox.text.data, "bob@"));
	HAS("Content-Type: message/rfc822\r\n\r\nSubject: hello\r\n\r\n.body\r\n");
	assert_non_null(strstr(logged, "reported al@here.example final\n"));
}

/* For every kind of message and every host. */
static void a_report_can_be_sent_to_any_host(void **state)
{
	(void)state;
	static const char *const messages[] = {
	        "Subject: a\r\n\r\n\xc3\xa4\r\n",
	        "Subject: \xc3\xa4=\xff \r\nX: y\r\n\r\nbody\r\n",
	        "Subject: a\n\nbare\r\n",
	};
	static const char *const headers[] = {
	        "Content-Type: text/rfc822-headers\r\n\r\nSubject: a\r\n\r\n--",
	        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	        "Subject: =C3=A4=3D=FF=20\r\nX: y\r\n\r\n--",
	        "Content-Transfer-Encoding: quoted-printable\r\n\r\nSubject: a=0A\r\n--",
	};
	static const struct weir_mail_recipient to = {.address = {"bad\xc3\xa4@there.example", 19}};
	host.ehlo = "250-host\r\n250 SMTPUTF8\r\n";
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		host.said[0] = 0;
		enqueue("carol@far.example", &to, 1, messages[i]);
		empty_queue();
		assert_int_equal(host.messages, i + 1);
		assert_non_null(strstr(host.said, "MAIL FROM:<>\n"));
		host.content[host.content_size] = 0;
		assert_non_null(strstr(host.content, headers[i]));
		assert_non_null(strstr(
		        host.content, "Final-Recipient: utf-8; bad\\x{E4}@there.example\r\n"));
		for (size_t at = 0; at < host.content_size; at++)
			assert_true(host.content[at] > 0);
	}
	/* An address that needs SMTPUTF8 needs it for the notification, too. */
	host.ehlo = NULL;
	stop_relay(5000);
	struct weir_smtp_relay_options from = options();
	assert_int_equal(weir_smtp_relay_create(loop, queue, &from, &relay), 0);
	enqueue("c\xc3\xa4@far.example", &to, 1, messages[0]);
	empty_queue();
	assert_non_null(strstr(host.said, "MAIL FROM:<> SIZE="));
	host.content[host.content_size] = 0;
	assert_non_null(strstr(host.content, "Content-Type: message/global\r\n"
	                                     "Content-Transfer-Encoding: 8bit\r\n\r\nSubject"));
}

static void a_remote_sender_hears_by_the_queue(void **state)
{
	(void)state;
	enqueue_to("carol@far.example", "bad@there.example");
	empty_queue();
	/* The notification has been sent to the host. */
	assert_int_equal(host.messages, 1);
	assert_int_equal(mailbox.count, 0);
	assert_non_null(strstr(host.said, "MAIL FROM:<> "));
	assert_non_null(strstr(host.said, "RCPT TO:<carol@far.example> NOTIFY=NEVER\n"));
}

/* A notification that no host accepts is dropped. */
static void no_report_of_a_report(void **state)
{
	(void)state;
	enqueue_to("", "bad@there.example");
	enqueue_to("bad@far.example", "bad@there.example");
	empty_queue();
	turns(50);
	assert_int_equal(host.messages, 0);
	assert_int_equal(mailbox.count, 0);
	assert_int_equal(weir_mail_queue_count(queue), 0);
}

/* The length of the reply does not matter. */
static void a_long_refusal_is_final(void **state)
{
	(void)state;
	static char lines[16 * 1024], line[6000] = "550 ";
	size_t size = 0;
	for (int i = 0; i < 300; i++)
		size += (size_t)snprintf(lines + size, sizeof lines - size, "550-5.1.1 line\r\n");
	snprintf(lines + size, sizeof lines - size, "550 5.1.1 end\r\n");
	host.rcpt_bad = lines;
	enqueue_to("al@here.example", "bad@there.example");
	empty_queue();
	assert_int_equal(mailbox.count, 1);
	HAS("Status: 5.1.1\r\n");
	memset(line + 4, 'x', 5000);
	memcpy(line + 5004, "\r\n", 3);
	host.rcpt_bad = line;
	enqueue_to("al@here.example", "bad@there.example");
	empty_queue();
	assert_int_equal(mailbox.count, 2);
	HAS("Action: failed\r\n");
}

static void success_is_told_where_the_host_cannot(void **state)
{
	(void)state;
	struct weir_mail_recipient to = {
	        .address = WEIR_SPAN("bob@there.example"), .notify = WEIR_MAIL_NOTIFY_SUCCESS};
	enqueue("al@here.example", &to, 1, "Subject: x\r\n\r\nbody\r\n");
	empty_queue();
	assert_int_equal(mailbox.count, 0);
	stop_relay(5000);
	struct weir_smtp_relay_options from = options();
	host.ehlo = "250 host\r\n";
	assert_int_equal(weir_smtp_relay_create(loop, queue, &from, &relay), 0);
	enqueue("al@here.example", &to, 1, "Subject: x\r\n\r\nbody\r\n");
	empty_queue();
	assert_int_equal(mailbox.count, 1);
	HAS("Action: relayed\r\nStatus: 2.0.0\r\n");
	HAS("Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n\r\n--");
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned count = 0;
	for (; (text = strstr(text, what)); text++)
		count++;
	return count;
}

static void tried_later_and_given_up(void **state)
{
	(void)state;
	enqueue_to("al@here.example", "late@there.example");
	assert_true(TURN_UNTIL(loop, count_of(logged, "deferred late@") == 1));
	turns(20);
	assert_int_equal(count_of(logged, "deferred late@"), 1);
	/* After 5 minutes, not before; then after 10, and so on. */
	clock_advance((WEIR_RELAY_RETRY_FIRST_S - 10) * 1000);
	turns(100);
	assert_int_equal(count_of(logged, "deferred late@"), 1);
	clock_advance(12 * 1000);
	assert_true(TURN_UNTIL(loop, count_of(logged, "deferred late@") == 2));
	turns(20);
	clock_advance(9 * 60 * 1000);
	turns(100);
	assert_int_equal(count_of(logged, "deferred late@"), 2);
	assert_int_equal(mailbox.count, 0);
	for (int hours = 0; hours < 6; hours++) {
		clock_advance(60 * 60 * 1000);
		turns(60);
	}
	assert_true(TURN_UNTIL(loop, mailbox.count == 1));
	HAS("Subject: Delayed: ");
	HAS("Action: delayed\r\nStatus: 4.3.0\r\n");
	HAS("Will-Retry-Until: ");
	HAS("Original-Recipient: rfc822;orig@x\r\n");
	for (int days = 0; days < 6 && weir_mail_queue_count(queue); days++) {
		clock_advance(24 * 60 * 60 * 1000);
		turns(100);
	}
	empty_queue();
	assert_int_equal(mailbox.count, 2);
	HAS("Action: failed\r\nStatus: 5.4.7\r\n");
	HAS("Diagnostic-Code: smtp; 451 4.3.0 Later\r\n");
}

static void a_host_that_is_down(void **state)
{
	(void)state;
	struct weir_smtp_relay_options from = options();
	host_stop(&host);
	turns(5);
	for (int i = 0; i < 8; i++)
		enqueue_to("al@here.example", "bob@there.example");
	assert_true(TURN_UNTIL(loop, count_of(logged, "deferred bob@") >= 1));
	turns(100);
	/* Not all of them are tried. */
	assert_in_range(count_of(logged, "deferred bob@"), 1, WEIR_RELAY_CONNECTIONS_MAX);
	assert_non_null(strstr(logged, "127.0.0.1, port "));
	assert_non_null(strstr(logged, "Connection refused"));
	assert_int_equal(weir_mail_queue_count(queue), 8);
	host_start(&host, loop);
	from.port = weir_address_port(weir_server_address(host.server));
	assert_int_equal(weir_smtp_relay_reload(relay, &from), 0);
	clock_advance(WEIR_RELAY_RETRY_FIRST_S * 1000);
	empty_queue();
	assert_int_equal(host.messages, 8);
}

static void what_is_cut_off_stays(void **state)
{
	(void)state;
	host.message = ""; /* it closes the connection instead of a reply */
	enqueue_to("al@here.example", "bob@there.example");
	assert_true(TURN_UNTIL(loop, count_of(logged, "deferred bob@") == 1));
	assert_int_equal(weir_mail_queue_count(queue), 1);
	host.greeting = ""; /* it never sends one */
	clock_advance(WEIR_RELAY_RETRY_FIRST_S * 1000);
	turns(50);
	stop_relay(100);
	assert_int_equal(weir_mail_queue_count(queue), 1);
}

static void a_mailbox_that_is_full(void **state)
{
	(void)state;
	mailbox.error = -EDQUOT;
	enqueue_to("al@here.example", "bad@there.example");
	assert_true(TURN_UNTIL(loop, strstr(logged, "unreported al@")));
	turns(20);
	assert_int_equal(weir_mail_queue_count(queue), 1);
	mailbox.error = 0;
	clock_advance(WEIR_RELAY_RETRY_FIRST_S * 1000 + 1000);
	empty_queue();
	assert_int_equal(mailbox.count, 1);
	/* The message itself was sent once. */
	assert_int_equal(count_of(host.said, "MAIL FROM"), 1);
	mailbox.error = -ENOENT;
	enqueue_to("al@here.example", "bad@there.example");
	empty_queue();
}

static void drained_while_busy(void **state)
{
	(void)state;
	struct weir_smtp_relay_options from = options();
	for (int round = 0; round < 15; round++) {
		for (int i = 0; i < 3; i++)
			enqueue_to("al@here.example", i ? "bob@there.example" : "bad@x.example");
		for (int i = 0; i < round; i++)
			weir_loop_turn(loop, 0);
		stop_relay(round % 2 ? 0 : 5000);
		assert_int_equal(weir_smtp_relay_create(loop, queue, &from, &relay), 0);
	}
	clock_advance(WEIR_RELAY_RETRY_FIRST_S * 1000 + 1000);
	empty_queue();
	assert_true(host.messages >= 30);
	assert_true(mailbox.count >= 15);
}

/* -- claims that end --------------------------------------------------------------------------- */

/* The queue's own type, with claims that can be lost. */
static struct weir_mail_queue_type losing_type;
static const struct weir_mail_queue_type *kept_type;
static struct weir_queued *claimed_last;
static weir_mail_queue_claimed_fn *losing_claimed;
static bool claims_last;

static void losing_on_claimed(void *context, int error, struct weir_queued *queued)
{
	claimed_last = queued;
	losing_claimed(context, error, queued);
}

static int losing_claim(struct weir_mail_queue *of, struct weir_loop *on, int64_t now_s,
        weir_mail_queue_claimed_fn *claimed, void *context)
{
	losing_claimed = claimed;
	return kept_type->claim(of, on, now_s, losing_on_claimed, context);
}

static bool losing_may_send(struct weir_mail_queue *of, const struct weir_queued *queued)
{
	(void)of, (void)queued;
	return claims_last;
}

static void claims_can_be_lost(void)
{
	kept_type = queue->type;
	losing_type = *kept_type;
	losing_type.claim = losing_claim;
	losing_type.may_send = losing_may_send;
	queue->type = &losing_type;
	claims_last = true;
	claimed_last = NULL;
}

static void lose(void)
{
	claims_last = false;
	claimed_last->lost(claimed_last->context);
}

/* Its claim has ended before its turn comes: nothing is sent, and nobody is notified. */
static void a_message_whose_claim_has_ended_is_not_sent(void **state)
{
	(void)state;
	claims_can_be_lost();
	claims_last = false;
	enqueue_to("al@here.example", "bad@there.example");
	turns(50);
	assert_null(strstr(host.said, "MAIL"));
	assert_int_equal(weir_mail_queue_count(queue), 1);
	claims_last = true;
	clock_advance(WEIR_RELAY_RETRY_FIRST_S * 1000 + 1000);
	empty_queue();
	assert_int_equal(mailbox.count, 1);
}

/* In the middle of a transaction the connection is cut; the results so far are kept. */
static void a_claim_that_is_lost_ends_the_transaction(void **state)
{
	struct weir_mail_recipient to[] = {{.address = WEIR_SPAN("bad@there.example")},
	        {.address = WEIR_SPAN("bob@there.example")}};
	(void)state;
	claims_can_be_lost();
	host.data = ""; /* it does not reply, and the connection stays */
	host.drip = false;
	enqueue("al@here.example", to, 2, "Subject: hello\r\n\r\nbody\r\n");
	assert_true(TURN_UNTIL(loop, strstr(host.said, "DATA")));
	turns(20);
	host.data = NULL;
	unsigned messages = host.messages;
	lose();
	assert_true(TURN_UNTIL(loop, host.open == 0 || host.connections > 1));
	assert_int_equal(host.messages, messages);
	assert_null(strstr(logged, "sent bob@"));
	assert_int_equal(mailbox.count, 0);
	claims_last = true;
	clock_advance(WEIR_RELAY_RETRY_FIRST_S * 1000 + 1000);
	empty_queue();
	assert_int_equal(host.messages, messages + 1);
	assert_int_equal(mailbox.count, 1);
	assert_int_equal(count_of(host.said, "RCPT TO:<bob@"), 2);
}

/* When only the last reply is missing, the relay waits for it. */
static void a_claim_that_is_lost_at_the_end_counts(void **state)
{
	(void)state;
	claims_can_be_lost();
	host.message = "250-2.0.0 Not\r\n"; /* the last line of it is missing */
	enqueue_to("al@here.example", "bob@there.example");
	assert_true(TURN_UNTIL(loop, host.content_size > 10));
	turns(20);
	lose();
	turns(20);
	assert_int_equal(host.open, 1);
	clock_advance(WEIR_SMTP_CLIENT_MESSAGE_MS + 1000);
	assert_true(TURN_UNTIL(loop, strstr(logged, "deferred bob@")));
	host.message = NULL;
	claims_last = true;
	clock_advance(WEIR_RELAY_RETRY_FIRST_S * 1000 + 1000);
	empty_queue();
}

static void bad_options(void **state)
{
	(void)state;
	struct weir_smtp_relay_options from = options();
	from.helo = NULL;
	assert_int_equal(weir_smtp_relay_reload(relay, &from), -EINVAL);
	from = options();
	from.mode = WEIR_SMTP_CLIENT_TLS_REQUIRED;
	assert_int_equal(weir_smtp_relay_reload(relay, &from), -EINVAL);
	from = options();
	from.host = "no.such.host.invalid";
	assert_int_equal(weir_smtp_relay_reload(relay, &from), 0);
	enqueue_to("al@here.example", "bob@there.example");
	assert_true(TURN_UNTIL(loop, strstr(logged, "deferred bob@there.example no.such.host")));
	weir_smtp_relay_destroy(NULL);
}

/* A resolver that has smart.example from a file, and asks a server that never replies. */
static struct weir_resolver *make_resolver(int *ret_fd)
{
	struct weir_address address = local_address();
	struct weir_resolver *resolver;
	socklen_t size = sizeof address;
	char conf[64];
	*ret_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*ret_fd, &address.any, sizeof address.v4), 0);
	assert_int_equal(getsockname(*ret_fd, &address.any, &size), 0);
	snprintf(conf, sizeof conf, "nameserver [127.0.0.1]:%u\n", weir_address_port(&address));
	put("resolv.conf", conf);
	put("hosts", "127.0.0.1 smart.example\n");
	struct weir_resolver_options files;
	weir_resolver_options_init(&files);
	files.conf = in_scratch("resolv.conf");
	files.hosts = in_scratch("hosts");
	assert_int_equal(weir_resolver_create(loop, &files, &resolver), 0);
	return resolver;
}

/* New settings, and the end, during a lookup. */
static void a_host_by_name(void **state)
{
	(void)state;
	int fd;
	struct weir_resolver *resolver = make_resolver(&fd);
	struct weir_smtp_relay_options from = options();
	from.resolver = resolver;
	from.host = "silent.example";
	assert_int_equal(weir_smtp_relay_reload(relay, &from), 0);
	enqueue_to("al@here.example", "bob@there.example");
	turns(20);
	assert_int_equal(host.connections, 0);
	from.host = "smart.example";
	assert_int_equal(weir_smtp_relay_reload(relay, &from), 0);
	empty_queue();
	assert_int_equal(host.messages, 1);
	from.host = "silent.example";
	assert_int_equal(weir_smtp_relay_reload(relay, &from), 0);
	enqueue_to("al@here.example", "bob@there.example");
	turns(20);
	stop_relay(0);
	assert_int_equal(weir_mail_queue_count(queue), 1);
	weir_resolver_destroy(resolver);
	close(fd);
}

#define RELAY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        RELAY_TEST(messages_are_forwarded),
	        RELAY_TEST(a_refusal_is_reported),
	        RELAY_TEST(a_report_can_be_sent_to_any_host),
	        RELAY_TEST(a_remote_sender_hears_by_the_queue),
	        RELAY_TEST(no_report_of_a_report),
	        RELAY_TEST(a_long_refusal_is_final),
	        RELAY_TEST(success_is_told_where_the_host_cannot),
	        RELAY_TEST(tried_later_and_given_up),
	        RELAY_TEST(a_host_that_is_down),
	        RELAY_TEST(what_is_cut_off_stays),
	        RELAY_TEST(a_mailbox_that_is_full),
	        RELAY_TEST(drained_while_busy),
	        RELAY_TEST(a_message_whose_claim_has_ended_is_not_sent),
	        RELAY_TEST(a_claim_that_is_lost_ends_the_transaction),
	        RELAY_TEST(a_claim_that_is_lost_at_the_end_counts),
	        RELAY_TEST(bad_options),
	        RELAY_TEST(a_host_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
