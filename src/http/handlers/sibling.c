/*
 * Siblings: files that are stored compressed beside others. The client's weights choose among the
 * codings; of equal ones the densest is first. A sibling of zstd is sent only if its window is one
 * that every client must have (RFC 9659).
 */
#include <string.h>
#include <sys/uio.h>

#include "fields.h"
#include "files.h"

static const struct file_sibling siblings[FILE_SIBLINGS] = {
        {".br", "br"},
        {".zst", "zstd"},
        {".gz", "gzip"},
};

unsigned http_siblings_choose(const struct weir_http_request *request,
        const struct file_sibling *ret_siblings[FILE_SIBLINGS])
{
	struct http_accept accept = http_accept_of(request);
	int weights[FILE_SIBLINGS] = {http_accept_weight(&accept, accept.br),
	        http_accept_weight(&accept, accept.zstd), http_accept_weight(&accept, accept.gzip)};
	unsigned count = 0;
	for (int wanted = 1000; wanted > 0;) {
		int below = 0;
		for (unsigned i = 0; i < FILE_SIBLINGS; i++)
			if (weights[i] == wanted)
				ret_siblings[count++] = &siblings[i];
			else if (weights[i] < wanted && weights[i] > below)
				below = weights[i];
		wanted = below;
	}
	return count;
}

/* -- the window of zstd (RFC 8878 3.1.1.1) ----------------------------------------------------- */

enum {
	ZSTD_HEAD_MAX = 18,
	ZSTD_WINDOW_MAX = 8 * 1024 * 1024,
};

/* The bytes of the frame's content, which is its window if it is a single segment. */
static uint64_t http_sibling_content_size(const uint8_t *at, unsigned flag)
{
	unsigned size = flag == 0 ? 1 : 1u << flag;
	uint64_t content = 0;
	for (unsigned i = 0; i < size; i++)
		content |= (uint64_t)at[i] << (8 * i);
	return flag == 1 ? content + 256 : content;
}

static bool http_sibling_window_is_good(const uint8_t head[ZSTD_HEAD_MAX])
{
	static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};
	uint8_t descriptor = head[4];
	/* Nobody has the dictionary of a frame. */
	if (memcmp(head, magic, sizeof magic) != 0 || (descriptor & 3) != 0)
		return false;
	if (descriptor & 0x20)
		return http_sibling_content_size(head + 5, descriptor >> 6) <= ZSTD_WINDOW_MAX;
	uint64_t base = 1ull << (10 + (head[5] >> 3));
	return base + base / 8 * (head[5] & 7) <= ZSTD_WINDOW_MAX;
}

bool http_sibling_can_be_sent(const struct file_sibling *sibling, const struct weir_file *file)
{
	uint8_t head[ZSTD_HEAD_MAX] = {0};
	if (strcmp(sibling->coding, "zstd") != 0)
		return true;
	if (file->content.data) {
		memcpy(head, file->content.data,
		        file->content.size < sizeof head ? file->content.size : sizeof head);
		return http_sibling_window_is_good(head);
	}
	/* A page that is not in memory is not waited for: another sibling is sent then. */
	struct iovec where = {head, sizeof head};
	return preadv2(file->fd, &where, 1, 0, RWF_NOWAIT) > 4 && http_sibling_window_is_good(head);
}
