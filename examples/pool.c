/*
 * Work that blocks, on the pool: a line names a file, and the answer is the number of its lines.
 * The loop serves others while a thread of the pool reads. Try it:
 *
 *   ./pool & pid=$!
 *   printf '/etc/passwd\n/nonexistent\n' | nc -N 127.0.0.1 7008
 *   kill $pid
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/sources.h>

enum {
	SIZE_MAX_READ = 1 << 30 /* bytes of a file, so that /dev/zero ends */
};

/* One count. While the pool has it, the loop's thread leaves it alone, and the other way round. */
struct count {
	struct weir_work work;
	struct weir_reply *reply;
	uint64_t lines;
	int error;
	char path[];
};

/* Only a regular file: a pipe that nobody writes to would keep a thread of the pool for ever. */
static FILE *count_open(const char *path)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		return fdopen(fd, "r");
	close(fd);
	errno = EINVAL;
	return NULL;
}

/* On a thread of the pool: nothing of the channel may be touched here. */
static void count_run(struct weir_work *work)
{
	struct count *count = WEIR_CONTAINER(work, struct count, work);
	char block[16384];
	size_t got, total = 0;
	FILE *file = count_open(count->path);
	if (!file) {
		count->error = -errno;
		return;
	}
	while (total < SIZE_MAX_READ && (got = fread(block, 1, sizeof block, file)) > 0) {
		total += got;
		for (size_t i = 0; i < got; i++)
			count->lines += block[i] == '\n';
	}
	if (ferror(file))
		count->error = -EIO;
	fclose(file);
}

/* Back on the loop. The client may have gone meanwhile: filling its reply does no harm. */
static void count_done(struct weir_work *work)
{
	struct count *count = WEIR_CONTAINER(work, struct count, work);
	struct weir_producer *text =
	        count->error ? weir_produce_format("%s\r\n", weir_error_text(count->error))
	                     : weir_produce_format("%llu\r\n", (unsigned long long)count->lines);
	weir_reply_fill(count->reply, text);
	free(count);
}

static int pool_open(struct weir_channel *channel)
{
	weir_channel_await(channel, weir_until_any_line_end());
	return 0;
}

static void pool_request(struct weir_channel *channel, struct weir_span line)
{
	struct count *count = calloc(1, sizeof *count + line.size + 1);
	if (count)
		count->reply = weir_reply_open(channel);
	if (!count || !count->reply) {
		free(count);
		weir_channel_abort(channel, -ENOMEM);
		return;
	}
	if (line.size)
		memcpy(count->path, line.data, line.size);
	int error =
	        weir_work_submit(weir_channel_loop(channel), &count->work, count_run, count_done);
	if (error) { /* the pool's queue is full: say so, now */
		count->error = error;
		count_done(&count->work);
	}
}

static const struct weir_protocol pool = {
        .name = "pool", .open = pool_open, .request = pool_request};

int main(int arguments_count, char **arguments)
{
	const char *address = arguments_count > 1 ? arguments[1] : "127.0.0.1:7008";
	struct weir_loop *loop;
	struct weir_server *server;
	/* Of one client, four files are read at a time; its other lines wait unread. */
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.protocol = &pool;
	options.listener.bounds.replies_max = 4;
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&loop);
	if (error == 0)
		error = weir_server_create(loop, &options, &server);
	if (error) {
		fprintf(stderr, "pool: cannot listen on %s: %s\n", address, weir_error_text(error));
		return 1;
	}
	printf("pool: listening on %s\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
