/*
 * The files: looked at on the work pool, since a disk may be slow, by what is taken once and lives
 * until both the resolver and the work are done with it. While the pool has it, it is the pool's.
 *
 * A file is another one when its place, size or times are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/open_file.h>

#include "resolver_state.h"

/* All zero: the file is missing. */
struct identity {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct resolver_file {
	char *path; /* NULL: it is not read */
	size_t max;
	struct identity identity;
	bool read; /* at the last look: it was another one than before */
};

struct resolver_look {
	struct weir_work work;
	struct weir_resolver *resolver; /* NULL: gone meanwhile */
	struct resolver_file conf_file, hosts_file;
	struct resolv_conf conf;
	struct hosts *hosts;
};

static struct identity resolver_files_identity_of(const struct stat *status)
{
	return (struct identity){
	        status->st_dev, status->st_ino, status->st_size, status->st_mtim, status->st_ctim};
}

static bool resolver_files_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool resolver_files_same(const struct identity *a, const struct identity *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       resolver_files_same_time(a->modified, b->modified) &&
	       resolver_files_same_time(a->changed, b->changed);
}

/* A file beyond the bound is cut after its last complete line. */
static size_t resolver_files_read_all(int fd, char *buffer, size_t size)
{
	size_t got = 0;
	ssize_t more;
	while (got < size && (more = read(fd, buffer + got, size - got)) > 0)
		got += (size_t)more;
	if (got < size)
		return got;
	const char *end = memrchr(buffer, '\n', got);
	return end ? (size_t)(end - buffer) : 0;
}

/*
 * The text, or NULL: as before (ret_size is SIZE_MAX then), empty, or no memory for it, which is as
 * before, too.
 */
static char *resolver_files_read_file(struct resolver_file *file, size_t *ret_size)
{
	struct identity identity = {0};
	struct stat status;
	int fd = weir_open_file(file->path);
	char *text = NULL;
	*ret_size = 0;
	file->read = false;
	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		identity = resolver_files_identity_of(&status);
	if (resolver_files_same(&identity, &file->identity)) {
		*ret_size = SIZE_MAX;
	} else if (identity.size > 0) {
		size_t size =
		        (size_t)identity.size < file->max ? (size_t)identity.size + 1 : file->max;
		text = malloc(size);
		*ret_size = text ? resolver_files_read_all(fd, text, size) : SIZE_MAX;
	}
	if (*ret_size != SIZE_MAX) {
		file->identity = identity;
		file->read = true;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

static void resolver_files_look_at_conf(struct resolver_look *look)
{
	size_t size;
	if (!look->conf_file.path)
		return;
	char *text = resolver_files_read_file(&look->conf_file, &size);
	if (look->conf_file.read)
		resolv_conf_parse(weir_span(text, size), &look->conf);
	free(text);
}

/* Without memory the next check finds the change again. */
static void resolver_files_look_at_hosts(struct resolver_look *look)
{
	size_t size;
	char *text = resolver_files_read_file(&look->hosts_file, &size);
	if (look->hosts_file.read) {
		look->hosts = hosts_parse(weir_span(text, size));
		if (!look->hosts)
			look->hosts_file.identity = (struct identity){.size = -1};
	}
	free(text);
}

static void resolver_files_run_look(struct weir_work *work)
{
	struct resolver_look *look = WEIR_CONTAINER(work, struct resolver_look, work);
	resolver_files_look_at_conf(look);
	resolver_files_look_at_hosts(look);
}

static void resolver_files_free_look(struct resolver_look *look)
{
	if (!look)
		return;
	hosts_free(look->hosts);
	free(look->conf_file.path);
	free(look->hosts_file.path);
	free(look);
}

struct weir_dns_upstreams_options resolver_upstreams(const struct resolv_conf *conf)
{
	struct weir_dns_upstreams_options options;
	weir_dns_upstreams_options_init(&options);
	options.addresses = conf->servers;
	options.count = conf->server_count;
	options.in_order = !conf->rotate;
	options.timeout_ms = conf->timeout_s * conf->attempts * 1000;
	return options;
}

/* Questions under way are asked of the new servers. */
static void resolver_files_adopt(struct weir_resolver *resolver)
{
	struct resolver_look *look = resolver->look;
	resolver->looked_ms = weir_loop_now_ms(resolver->loop);
	if (look->conf_file.read) {
		resolver->conf = look->conf;
		struct weir_dns_upstreams_options options = resolver_upstreams(&resolver->conf);
		if (resolver->upstreams)
			weir_dns_upstreams_change(resolver->upstreams, &options);
	}
	if (look->hosts) {
		hosts_free(resolver->hosts);
		resolver->hosts = look->hosts;
		look->hosts = NULL;
	}
}

static void resolver_files_look_done(struct weir_work *work)
{
	struct resolver_look *look = WEIR_CONTAINER(work, struct resolver_look, work);
	struct weir_resolver *resolver = look->resolver;
	if (!resolver) {
		resolver_files_free_look(look);
		return;
	}
	resolver->looking = false;
	resolver_files_adopt(resolver);
	resolver_begin_waiting(resolver);
}

bool resolver_looks(struct weir_resolver *resolver)
{
	int64_t now_ms = weir_loop_now_ms(resolver->loop);
	if (resolver->looking)
		return true;
	if (now_ms - resolver->looked_ms < WEIR_RESOLVER_LOOK_MS)
		return false;
	/* Without a successful check the previous content stays in effect. */
	resolver->looked_ms = now_ms;
	resolver->looking =
	        weir_work_submit_to(resolver->loop, WEIR_LANE_NAMES, &resolver->look->work,
	                resolver_files_run_look, resolver_files_look_done) == 0;
	return resolver->looking;
}

int resolver_read_files(struct weir_resolver *resolver, const char *conf, const char *hosts)
{
	struct resolver_look *look = resolver->look = calloc(1, sizeof *look);
	if (!look)
		return -ENOMEM;
	look->resolver = resolver;
	look->conf_file.max = WEIR_RESOLV_CONF_MAX;
	look->hosts_file.max = WEIR_HOSTS_FILE_MAX;
	/* No file is like this: at first each counts as changed. */
	look->conf_file.identity.size = look->hosts_file.identity.size = -1;
	look->hosts_file.path = weir_span_copy(weir_span_of(hosts));
	if (conf)
		look->conf_file.path = weir_span_copy(weir_span_of(conf));
	if (!look->hosts_file.path || (conf && !look->conf_file.path))
		return -ENOMEM;
	resolver_files_run_look(&look->work);
	if (!look->hosts || (conf && !look->conf_file.read))
		return -ENOMEM;
	resolver_files_adopt(resolver);
	return 0;
}

void resolver_forget_files(struct weir_resolver *resolver)
{
	if (resolver->looking)
		resolver->look->resolver = NULL;
	else
		resolver_files_free_look(resolver->look);
	hosts_free(resolver->hosts);
}
