/*
 * The queue: messages are stored and claimed, survive a kill at any moment, and commands of other
 * processes are run.
 */
#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <weir/error.h>
#include <weir/mail_queue.h>

#include "allocation.h"
#include "mail_queue_state.h"
#include "make_options.h"

static struct weir_mail_queue *queue;

static int open_queue(void)
{
	struct weir_mail_queue_options options =
	        OPTIONS(weir_mail_queue_options, o.path = in_scratch("queue"));
	return weir_mail_queue_open(&options, NULL, NULL, &queue);
}

/* -- putting ----------------------------------------------------------------------------------- */

struct put_message {
	int done;
	int errors[4];
	int ready;
	int failed;
};

static void on_put(void *context, const int *errors)
{
	struct put_message *put = context;
	put->done++;
	put->errors[0] = errors[0];
}

static void on_ready(void *context, int error)
{
	struct put_message *put = context;
	put->ready++;
	put->failed = error;
}

static const struct weir_mail_recipient two[] = {
        {.address = {"bob@example.org", 15},
                .orcpt = {"rfc822;b+ob=x y@example.org", 27},
                .notify = WEIR_MAIL_NOTIFY_FAILURE | WEIR_MAIL_NOTIFY_DELAY},
        {.address = {"\"a b\"@example.org", 17}},
};

static struct weir_mail_envelope envelope(const char *sender)
{
	return (struct weir_mail_envelope){.sender = weir_span_of(sender),
	        .recipients = two,
	        .count = 2,
	        .utf8 = true,
	        .headers_only = true,
	        .envid = WEIR_SPAN("id +=\xc3\xa4"),
	        .trace = WEIR_SPAN("1abc")};
}

static int put_one(const char *sender, size_t size)
{
	struct put_message put = {0};
	struct weir_mail_sink *sink = weir_mail_queue_sink(queue);
	struct weir_mail_envelope from = envelope(sender);
	struct weir_mail_delivery *delivery;
	int error = sink->type->begin(sink, loop, &from, on_ready, &put, &delivery);
	if (error < 0)
		return error;
	for (size_t at = 0; at < size; at += 1000) {
		char bytes[1000];
		memset(bytes, 'a' + (int)(at / 1000 % 26), sizeof bytes);
		size_t count = size - at < sizeof bytes ? size - at : sizeof bytes;
		int ready = put.ready;
		error = sink->type->write(delivery, weir_span(bytes, count));
		if (error < 0) {
			sink->type->abort(delivery);
			return error;
		}
		if (error == WEIR_MAIL_FULL)
			turn_until(&put.ready, ready + 1);
		if (put.failed) {
			sink->type->abort(delivery);
			return put.failed;
		}
	}
	sink->type->commit(delivery, on_put, &put);
	assert_int_equal(put.done, 0);
	turn_until(&put.done, 1);
	return put.errors[0];
}

/* -- taking ------------------------------------------------------------------------------------ */

static struct weir_queued *taken;
static int takes, take_error, gives, give_error;

static void on_taken(void *context, int error, struct weir_queued *queued)
{
	(void)context;
	takes++;
	take_error = error;
	taken = queued;
}

static void on_given(void *context, int error)
{
	(void)context;
	gives++;
	give_error = error;
}

static int take_at(int64_t now_s)
{
	int before = takes;
	taken = NULL;
	int result = weir_mail_queue_claim(queue, loop, now_s, on_taken, NULL);
	if (result == 1)
		turn_until(&takes, before + 1);
	return result;
}

static void give(enum weir_queued_state first, enum weir_queued_state second, int64_t next_s)
{
	int before = gives;
	taken->recipients[0].state = first;
	taken->recipients[1].state = second;
	taken->next_s = next_s;
	weir_mail_queue_requeue(queue, loop, taken, on_given, NULL);
	turn_until(&gives, before + 1);
}

static bool equal(struct weir_span span, const char *text)
{
	return weir_span_equal(span, weir_span_of(text));
}

static void envelope_and_bytes(void **state)
{
	static const size_t sizes[] = {0, 1, 999, 70000, 3000000};
	(void)state;
	assert_int_equal(open_queue(), 0);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assert_int_equal(put_one(i ? "al@example.org" : "", sizes[i]), 0);
		assert_int_equal(take_at(weir_loop_wall_s(loop) + 1), 1);
		assert_int_equal(take_error, 0);
		assert_true(equal(taken->envelope.sender, i ? "al@example.org" : ""));
		assert_true(equal(taken->envelope.envid, "id +=\xc3\xa4"));
		assert_true(equal(taken->envelope.trace, "1abc"));
		assert_true(taken->envelope.utf8 && taken->envelope.headers_only);
		assert_false(taken->envelope.eight_bit || taken->envelope.binary);
		assert_int_equal(taken->count, 2);
		assert_true(equal(taken->recipients[0].address, "bob@example.org"));
		assert_true(equal(taken->recipients[0].orcpt, "rfc822;b+ob=x y@example.org"));
		assert_int_equal(taken->recipients[0].notify,
		        WEIR_MAIL_NOTIFY_FAILURE | WEIR_MAIL_NOTIFY_DELAY);
		assert_true(equal(taken->recipients[1].address, "\"a b\"@example.org"));
		assert_int_equal(taken->size, sizes[i] ? sizes[i] + 2 : 0);
		for (size_t at = 0; at < sizes[i]; at += 997) {
			char c;
			assert_int_equal(pread(taken->fd, &c, 1, (off_t)at), 1);
			assert_int_equal(c, 'a' + (int)(at / 1000 % 26));
		}
		give(WEIR_QUEUED_DONE, WEIR_QUEUED_DONE, 0);
		assert_int_equal(give_error, 0);
		assert_int_equal(weir_mail_queue_count(queue), 0);
		assert_int_equal(count_entries("queue"), 2);
	}
	weir_mail_queue_close(queue);
}

static void the_oldest_message_is_known(void **state)
{
	char first[WEIR_QUEUE_ID_SIZE];
	(void)state;
	assert_int_equal(open_queue(), 0);
	assert_true(weir_mail_queue_oldest_s(queue) == INT64_MAX);
	assert_int_equal(put_one("al@example.org", 10), 0);
	int64_t now_s = weir_loop_wall_s(loop);
	assert_in_range(weir_mail_queue_oldest_s(queue), now_s - 60, now_s + 60);
	assert_int_equal(put_one("al@example.org", 10), 0);
	memcpy(first, queue_files_of(queue)->oldest, sizeof queue_files_of(queue)->oldest);
	assert_true(strcmp(queue_files_of(queue)->heap[0]->id, first) >= 0);
	assert_true(strcmp(queue_files_of(queue)->heap[1]->id, first) >= 0);
	/* It is found anew when it has gone, among the claimed ones, too. */
	for (int left = 2; left; left--) {
		assert_int_equal(take_at(now_s + 60), 1);
		assert_true(weir_mail_queue_oldest_s(queue) < INT64_MAX);
		give(WEIR_QUEUED_DONE, WEIR_QUEUED_DONE, 0);
	}
	assert_true(weir_mail_queue_oldest_s(queue) == INT64_MAX);
	weir_mail_queue_close(queue);
}

static void what_is_held_is_nobodys_until_it_is_released(void **state)
{
	(void)state;
	assert_int_equal(open_queue(), 0);
	for (int release = 0; release < 2; release++) {
		struct put_message put = {0};
		struct weir_mail_sink *sink = weir_mail_queue_sink(queue);
		struct weir_mail_envelope to = envelope("al@example.org");
		struct weir_mail_delivery *delivery;
		assert_int_equal(sink->type->begin(sink, loop, &to, on_ready, &put, &delivery), 0);
		assert_int_equal(sink->type->write(delivery, WEIR_SPAN("x\r\n")), 0);
		sink->type->hold(delivery);
		sink->type->commit(delivery, on_put, &put);
		turn_until(&put.done, 1);
		assert_int_equal(put.errors[0], 0);
		assert_int_equal(weir_mail_queue_count(queue), 0);
		assert_int_equal(weir_mail_queue_next(queue), INT64_MAX);
		if (release)
			sink->type->release(delivery);
		else
			sink->type->abort(delivery);
		settle();
		assert_int_equal(weir_mail_queue_count(queue), release);
		/* The lock, control/, and two files. */
		assert_int_equal(count_entries("queue"), release ? 4 : 2);
	}
	weir_mail_queue_close(queue);
	queue = NULL;
}

static void states_are_kept(void **state)
{
	(void)state;
	assert_int_equal(open_queue(), 0);
	assert_int_equal(put_one("al@example.org", 10), 0);
	int64_t now_s = weir_loop_wall_s(loop);
	assert_int_equal(take_at(now_s), 1);
	taken->tries = 3;
	taken->warned = true;
	snprintf(taken->recipients[1].status, sizeof taken->recipients[1].status,
	        "450 4.2.0 a <b> +c=d");
	give(WEIR_QUEUED_DONE, WEIR_QUEUED_WAITING, now_s + 300);
	assert_int_equal(weir_mail_queue_next(queue), now_s + 300);
	weir_mail_queue_close(queue);
	assert_int_equal(open_queue(), 0);
	assert_int_equal(weir_mail_queue_count(queue), 1);
	assert_int_equal(take_at(now_s + 299), 0);
	assert_int_equal(take_at(now_s + 300), 1);
	assert_int_equal(taken->tries, 3);
	assert_true(taken->warned);
	assert_int_equal(taken->recipients[0].state, WEIR_QUEUED_DONE);
	assert_int_equal(taken->recipients[1].state, WEIR_QUEUED_WAITING);
	assert_string_equal(taken->recipients[1].status, "450 4.2.0 a <b> +c=d");
	give(WEIR_QUEUED_DONE, WEIR_QUEUED_FAILED, now_s + 300);
	assert_int_equal(weir_mail_queue_count(queue), 1);
	weir_mail_queue_close(queue);
}

static void the_first_that_is_due_comes_first(void **state)
{
	(void)state;
	uint64_t next = 12345, due[60];
	int64_t last_s = 0;
	assert_int_equal(open_queue(), 0);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(put_one("x", 1), 0);
		assert_int_equal(take_at(weir_loop_wall_s(loop)), 1);
		next = next * 6364136223846793005 + 1442695040888963407;
		due[i] = 4000000000 + (next >> 40) % 1000;
		give(WEIR_QUEUED_WAITING, WEIR_QUEUED_WAITING, (int64_t)due[i]);
	}
	for (int i = 0; i < 60; i++) {
		int64_t next_s = weir_mail_queue_next(queue);
		assert_true(next_s >= last_s);
		last_s = next_s;
		assert_int_equal(take_at(next_s - 1), 0);
		assert_int_equal(take_at(next_s), 1);
		assert_int_equal(taken->next_s, next_s);
		give(WEIR_QUEUED_DONE, WEIR_QUEUED_DONE, 0);
	}
	assert_int_equal(weir_mail_queue_next(queue), INT64_MAX);
	weir_mail_queue_close(queue);
}

/* A disk without room: recipients that have got the message are remembered. */
static void states_survive_a_full_disk(void **state)
{
	(void)state;
	struct rlimit before, none;
	assert_int_equal(open_queue(), 0);
	assert_int_equal(put_one("x", 10), 0);
	assert_int_equal(take_at(weir_loop_wall_s(loop)), 1);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = (struct rlimit){0, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	give(WEIR_QUEUED_DONE, WEIR_QUEUED_WAITING, 7);
	assert_int_equal(give_error, -EFBIG);
	assert_int_equal(put_one("x", 10), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(weir_mail_queue_count(queue), 1);
	assert_int_equal(weir_mail_queue_next(queue), 7);
	assert_int_equal(take_at(7), 1);
	assert_int_equal(take_error, 0);
	assert_int_equal(taken->recipients[0].state, WEIR_QUEUED_DONE);
	char c;
	assert_int_equal(pread(taken->fd, &c, 1, 0), 1);
	give(WEIR_QUEUED_DONE, WEIR_QUEUED_WAITING, 8);
	assert_int_equal(give_error, 0);
	weir_mail_queue_close(queue);
	assert_int_equal(count_entries("queue"), 4);
	assert_int_equal(open_queue(), 0);
	assert_int_equal(take_at(8), 1);
	assert_int_equal(taken->recipients[0].state, WEIR_QUEUED_DONE);
	/* In the end no file of it is left. */
	setrlimit(RLIMIT_FSIZE, &none);
	give(WEIR_QUEUED_DONE, WEIR_QUEUED_WAITING, 9);
	setrlimit(RLIMIT_FSIZE, &before);
	weir_mail_queue_close(queue);
}

static void bounds_and_bad_input(void **state)
{
	(void)state;
	struct weir_mail_queue_options options = OPTIONS(weir_mail_queue_options,
	        o.path = in_scratch("queue"), o.message_max = 2000, o.messages_max = 2);
	assert_int_equal(weir_mail_queue_open(&options, NULL, NULL, &queue), 0);
	struct weir_mail_queue *own = queue;
	assert_int_equal(weir_mail_queue_open(&options, NULL, NULL, &queue), -EBUSY);
	queue = own;
	assert_int_equal(put_one("x", 2001), WEIR_E_LIMIT);
	assert_int_equal(put_one("a\nb", 1), -EINVAL);
	assert_int_equal(put_one("x", 1998), 0);
	assert_int_equal(put_one("x", 1), 0);
	assert_int_equal(put_one("x", 1), WEIR_E_LIMIT);
	assert_int_equal(weir_mail_queue_count(queue), 2);
	assert_int_equal(count_entries("queue"), 6);
	weir_mail_queue_close(queue);
	weir_mail_queue_close(NULL);
}

/* A file that is a prefix of an envelope, or lacks a byte, is refused. */
static void no_half_envelope_is_believed(void **state)
{
	(void)state;
	char text[2048], path[300];
	assert_int_equal(open_queue(), 0);
	assert_int_equal(put_one("al@example.org", 1), 0);
	assert_int_equal(take_at(weir_loop_wall_s(loop)), 1);
	snprintf(path, sizeof path, "queue/%s.env", taken->id);
	int fd = open(in_scratch(path), O_RDONLY);
	ssize_t size = read(fd, text, sizeof text);
	close(fd);
	give(WEIR_QUEUED_DONE, WEIR_QUEUED_DONE, 0);
	weir_mail_queue_close(queue);
	for (size_t i = 0; i + 1 < (size_t)size; i++) {
		struct weir_queued *queued;
		if (mail_queued_parse(weir_span(text, i), &queued) == 0)
			fail_msg("%zu bytes are taken", i);
	}
}

static void leftovers_are_removed(void **state)
{
	(void)state;
	assert_int_equal(open_queue(), 0);
	assert_int_equal(put_one("x", 1), 0);
	weir_mail_queue_close(queue);
	put("queue/0123456789abcdef.tmp", "x");
	put("queue/0123456789abcdee.msg", "x");
	put("queue/0123456789abcded.new", "x");
	put("queue/0123456789abcdec.env", "nonsense");
	put("queue/README", "mine");
	assert_int_equal(open_queue(), 0);
	assert_int_equal(weir_mail_queue_count(queue), 1);
	assert_null(text_of("queue/0123456789abcdef.tmp"));
	assert_null(text_of("queue/0123456789abcdee.msg"));
	assert_null(text_of("queue/0123456789abcded.new"));
	assert_non_null(text_of("queue/0123456789abcdec.env"));
	assert_non_null(text_of("queue/README"));
	weir_mail_queue_close(queue);
}

/* -- other processes --------------------------------------------------------------------------- */

static char shown[2000][WEIR_QUEUE_ID_SIZE];
static int shows, unreadable;

static void on_show(void *context, const char *id, const struct weir_queued *queued)
{
	(void)context;
	unreadable += !queued;
	strcpy(shown[shows++], id);
}

static int look(void)
{
	shows = unreadable = 0;
	assert_int_equal(weir_mail_queue_each(in_scratch("queue"), on_show, NULL), 0);
	return shows;
}

static int changes;

static void on_changed(void *context)
{
	(void)context;
	changes++;
}

/* Runs the command in a child, while this process turns the loop. */
static int ask_from_outside(enum weir_queue_command command, const char *id)
{
	int status = 0;
	pid_t child = fork();
	if (child == 0)
		_exit(-weir_mail_queue_command(in_scratch("queue"), command, id, 5000));
	while (waitpid(child, &status, WNOHANG) == 0)
		weir_loop_turn(loop, 5);
	return -WEXITSTATUS(status);
}

static void others_may_ask(void **state)
{
	(void)state;
	assert_int_equal(open_queue(), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(put_one("x", 1), 0);
	assert_int_equal(look(), 4);
	assert_int_equal(weir_mail_queue_listen(queue, loop, on_changed, NULL), 0);
	int64_t later_s = weir_loop_wall_s(loop) + 1000;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(take_at(weir_loop_wall_s(loop)), 1);
		give(WEIR_QUEUED_WAITING, WEIR_QUEUED_WAITING, later_s);
	}
	assert_int_equal(take_at(weir_loop_wall_s(loop)), 0);
	assert_int_equal(ask_from_outside(WEIR_QUEUE_RETRY, "0123456789abcdef"), -ENOENT);
	assert_int_equal(ask_from_outside(WEIR_QUEUE_DELETE, "../../x"), -EINVAL);
	changes = 0;
	assert_int_equal(ask_from_outside(WEIR_QUEUE_RETRY, shown[2]), 0);
	weir_loop_turn(loop, 10);
	assert_true(changes > 0);
	assert_int_equal(take_at(weir_loop_wall_s(loop)), 1);
	assert_string_equal(taken->id, shown[2]);
	/* A claimed message is deleted when it is requeued, whatever its state. */
	assert_int_equal(ask_from_outside(WEIR_QUEUE_DELETE, shown[2]), 0);
	assert_int_equal(weir_mail_queue_count(queue), 4);
	give(WEIR_QUEUED_WAITING, WEIR_QUEUED_WAITING, later_s);
	assert_int_equal(weir_mail_queue_count(queue), 3);
	assert_int_equal(ask_from_outside(WEIR_QUEUE_DELETE, shown[0]), 0);
	assert_int_equal(weir_mail_queue_count(queue), 2);
	assert_int_equal(ask_from_outside(WEIR_QUEUE_RETRY_ALL, NULL), 0);
	assert_int_equal(take_at(weir_loop_wall_s(loop)), 1);
	give(WEIR_QUEUED_DONE, WEIR_QUEUED_DONE, 0);
	assert_int_equal(look(), 1);
	assert_int_equal(count_entries("queue/control"), 0);
	/* Deleted after it is on the disk again and before the requeue has ended. */
	int64_t next_s = weir_mail_queue_next(queue);
	pthread_mutex_lock(&queue_files_of(queue)->lock);
	mail_queue_find(queue_files_of(queue), shown[0])->deleted = true;
	pthread_mutex_unlock(&queue_files_of(queue)->lock);
	assert_int_equal(take_at(next_s), 1);
	assert_int_equal(take_error, -ENOENT);
	assert_int_equal(look(), 0);
	assert_int_equal(weir_mail_queue_count(queue), 0);
	assert_int_equal(put_one("x", 1), 0);
	assert_int_equal(look(), 1);
	weir_mail_queue_ignore(queue);
	weir_mail_queue_close(queue);
	/* No process serves the queue. */
	assert_int_equal(
	        weir_mail_queue_command(in_scratch("queue"), WEIR_QUEUE_RETRY_ALL, NULL, 100), 0);
	assert_int_equal(
	        weir_mail_queue_command(in_scratch("queue"), WEIR_QUEUE_RETRY, shown[0], 100), 0);
	assert_int_equal(open_queue(), 0);
	assert_int_equal(weir_mail_queue_next(queue), 0);
	weir_mail_queue_close(queue);
	assert_int_equal(
	        weir_mail_queue_command(in_scratch("queue"), WEIR_QUEUE_DELETE, shown[0], 100), 0);
	assert_int_equal(look(), 0);
}

/* -- failures ---------------------------------------------------------------------------------- */

static void memory_may_fail_anywhere(void **state)
{
	(void)state;
	bool failed = true;
	make_directory("queue");
	for (unsigned good = 0; failed; good++) {
		queue = NULL;
		fail_allocation_after(good, false);
		int error = open_queue();
		if (error == 0)
			error = put_one("x", 100000);
		failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
		weir_mail_queue_close(queue);
		if (failed)
			assert_int_equal(look(), 0);
	}
	assert_int_equal(look(), 1);
	failed = true;
	for (unsigned good = 0; failed; good++) {
		assert_int_equal(open_queue(), 0);
		fail_allocation_after(good, false);
		taken = NULL;
		int result = take_at(INT64_MAX / 2);
		failed = stop_failing_allocations();
		if (result == 1 && take_error == 0)
			give(WEIR_QUEUED_WAITING, WEIR_QUEUED_WAITING, 0);
		else
			assert_true(failed && (result == -ENOMEM || take_error == -ENOMEM));
		weir_mail_queue_close(queue);
	}
	assert_int_equal(look(), 1);
}

/*
 * A child adds and claims messages. It writes to a pipe what was reported as stored ('+') and what
 * it is about to requeue as done ('-'), and is killed at some moment. Afterwards the queue has all
 * messages that were stored and not done, and nothing else, except the one that was being
 * processed.
 */
static void child(int to)
{
	if (open_queue() < 0)
		_exit(1);
	for (int i = 0;; i++) {
		if (put_one("x", (size_t)(i % 5) * 40000) < 0 || write(to, "+", 1) != 1)
			_exit(2);
		if (i % 3 == 2)
			continue;
		if (take_at(INT64_MAX / 2) != 1 || take_error)
			_exit(3);
		if (write(to, "-", 1) != 1)
			_exit(4);
		give(WEIR_QUEUED_DONE, WEIR_QUEUED_DONE, 0);
		if (write(to, ".", 1) != 1)
			_exit(5);
	}
}

static void killed_at_any_moment(void **state)
{
	(void)state;
	int there = 0;
	make_directory("queue"); /* the first child may be killed before it has made it */
	for (int round = 0; round < 40; round++) {
		int ends[2], status, put = 0, begun = 0, gone = 0;
		char said[4096];
		assert_int_equal(pipe(ends), 0);
		/* The child has its own loop, since work threads do not survive a fork. */
		pid_t pid = fork();
		if (pid == 0) {
			close(ends[0]);
			if (weir_loop_create(&loop) < 0)
				_exit(6);
			child(ends[1]);
		}
		close(ends[1]);
		sleep_ms(5 + round * 3);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		for (ssize_t got; (got = read(ends[0], said, sizeof said)) > 0;)
			for (ssize_t i = 0; i < got; i++) {
				put += said[i] == '+';
				begun += said[i] == '-';
				gone += said[i] == '.';
			}
		close(ends[0]);
		/* One message may have been stored, and one removed, without a report. */
		int now = look();
		assert_int_equal(unreadable, 0);
		assert_in_range(now, there + put - begun, there + put - gone + 1);
		there = now;
		if (there > 100) {
			for (int i = 0; i < there; i++)
				assert_int_equal(weir_mail_queue_command(in_scratch("queue"),
				                         WEIR_QUEUE_DELETE, shown[i], 0),
				        0);
			there = 0;
		}
	}
}

/* -- three processes, one after the other ------------------------------------------------------ */

static struct weir_mail_queue *open_as_successor(int expected)
{
	struct weir_mail_queue *opened = NULL;
	struct weir_mail_queue_options options =
	        OPTIONS(weir_mail_queue_options, o.path = in_scratch("queue"), o.successor = true);
	assert_int_equal(weir_mail_queue_open(&options, NULL, NULL, &opened), expected);
	return opened;
}

static void a_successor_takes_over(void **state)
{
	(void)state;
	assert_int_equal(open_queue(), 0);
	struct weir_mail_queue *before = queue;
	assert_int_equal(put_one("before@example.org", 10), 0);
	queue = open_as_successor(0);
	assert_int_equal(put_one("after@example.org", 10), 0);
	assert_int_equal(weir_mail_queue_count(queue), 1);
	assert_int_equal(weir_mail_queue_take_over(queue, NULL, NULL), -EBUSY);
	weir_mail_queue_close(before);
	assert_int_equal(weir_mail_queue_take_over(queue, NULL, NULL), 0);
	assert_int_equal(weir_mail_queue_count(queue), 2);
	weir_mail_queue_close(queue);
}

/* The process in the middle never has the queue: nobody may read it before that one ends. */
static void no_third_process_overtakes(void **state)
{
	(void)state;
	assert_int_equal(open_queue(), 0);
	struct weir_mail_queue *middle = open_as_successor(0);
	weir_mail_queue_close(queue);
	struct weir_mail_queue *third = open_as_successor(0);
	assert_int_equal(weir_mail_queue_take_over(third, NULL, NULL), -EBUSY);
	assert_int_equal(open_queue(), -EBUSY);
	queue = middle;
	assert_int_equal(put_one("middle@example.org", 10), 0);
	/* Another process's command is for the one whose turn it is. */
	assert_int_equal(
	        weir_mail_queue_command(in_scratch("queue"), WEIR_QUEUE_RETRY_ALL, NULL, 0),
	        -ETIMEDOUT);
	weir_mail_queue_close(middle);
	assert_int_equal(weir_mail_queue_take_over(third, NULL, NULL), 0);
	assert_int_equal(weir_mail_queue_count(third), 1);
	weir_mail_queue_close(third);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(killed_at_any_moment),
	        SCRATCH_TEST(envelope_and_bytes),
	        SCRATCH_TEST(the_oldest_message_is_known),
	        SCRATCH_TEST(what_is_held_is_nobodys_until_it_is_released),
	        SCRATCH_TEST(states_are_kept),
	        SCRATCH_TEST(the_first_that_is_due_comes_first),
	        SCRATCH_TEST(states_survive_a_full_disk),
	        SCRATCH_TEST(bounds_and_bad_input),
	        SCRATCH_TEST(no_half_envelope_is_believed),
	        SCRATCH_TEST(leftovers_are_removed),
	        SCRATCH_TEST(others_may_ask),
	        SCRATCH_TEST(a_successor_takes_over),
	        SCRATCH_TEST(no_third_process_overtakes),
	        SCRATCH_TEST(memory_may_fail_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
