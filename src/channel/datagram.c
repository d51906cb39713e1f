/*
 * UDP sockets. All memory of the batches is allocated at the beginning, one block a socket. The
 * kernel reports to which address a datagram was sent only if the socket is bound to any address.
 *
 * Invariant: between calls nothing waits to be sent. Path MTU discovery is switched off: with a
 * forged ICMP message an attacker could make the kernel send replies in fragments.
 */
#include <errno.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/datagram.h>
#include <weir/loop.h>
#include <weir/metrics.h>

enum {
	BATCH = WEIR_DATAGRAMS_BATCH,
	BUFFER_SIZE = 1024 * 1024, /* of the kernel, in each direction, up to its limit */
	CONTROL_SIZE = CMSG_SPACE(sizeof(struct in6_pktinfo)),
};

/* The control message of a datagram. */
union control {
	struct cmsghdr head;
	char bytes[CONTROL_SIZE];
};

struct weir_datagrams {
	struct weir_watch watch;
	struct weir_loop *loop;
	struct weir_address address;
	weir_datagram_answer_fn *answer;
	void *context;
	size_t receive_max;
	size_t reply_max;
	bool any; /* bound to any address */
	char *replies;
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_pieces[BATCH], out_pieces[BATCH];
	struct weir_address peers[BATCH];
	union control in_controls[BATCH], out_controls[BATCH];
	char bytes[];
};

/* -- the local address ------------------------------------------------------------------------- */

static struct weir_datagram_local datagram_local_of(struct msghdr *message)
{
	struct weir_datagram_local local = {0};
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
		if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(at), sizeof info);
			local.family = AF_INET;
			local.v4 = info.ipi_spec_dst;
		} else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(at), sizeof info);
			local.family = AF_INET6;
			local.v6 = info.ipi6_addr;
			/* A link-local address is valid on its link only. */
			if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
				local.interface = info.ipi6_ifindex;
		}
	}
	return local;
}

static void datagram_set_local(
        struct msghdr *message, union control *control, const struct weir_datagram_local *local)
{
	message->msg_control = NULL;
	message->msg_controllen = 0;
	if (!local || !local->family)
		return;
	memset(control, 0, sizeof *control);
	message->msg_control = control;
	if (local->family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = local->v4};
		control->head.cmsg_level = IPPROTO_IP;
		control->head.cmsg_type = IP_PKTINFO;
		control->head.cmsg_len = CMSG_LEN(sizeof info);
		memcpy(CMSG_DATA(&control->head), &info, sizeof info);
		message->msg_controllen = CMSG_SPACE(sizeof info);
	} else {
		struct in6_pktinfo info = {
		        .ipi6_addr = local->v6, .ipi6_ifindex = local->interface};
		control->head.cmsg_level = IPPROTO_IPV6;
		control->head.cmsg_type = IPV6_PKTINFO;
		control->head.cmsg_len = CMSG_LEN(sizeof info);
		memcpy(CMSG_DATA(&control->head), &info, sizeof info);
		message->msg_controllen = CMSG_SPACE(sizeof info);
	}
}

/* -- batches ----------------------------------------------------------------------------------- */

/* Sends them all. Those that the kernel does not take are dropped. */
static void datagram_send_batch(struct weir_datagrams *datagrams, unsigned count)
{
	struct weir_counters *counters = weir_loop_counters(datagrams->loop);
	for (unsigned sent = 0; sent < count;) {
		int done = sendmmsg(datagrams->watch.fd, datagrams->out + sent, count - sent, 0);
		weir_metric_add(&counters->sends, 1);
		for (int i = 0; i < done; i++)
			weir_metric_add(
			        &counters->bytes_out, datagrams->out[sent + (unsigned)i].msg_len);
		if (done > 0)
			sent += (unsigned)done;
		else if (errno == EAGAIN || errno == ENOBUFS)
			return;
		else if (errno != EINTR)
			sent++; /* this one cannot be sent; the others may be */
	}
}

static void datagram_prepare_reply(struct weir_datagrams *datagrams, unsigned at, unsigned reply,
        const struct weir_datagram_local *local, size_t size)
{
	struct msghdr *message = &datagrams->out[reply].msg_hdr;
	datagrams->out_pieces[reply] =
	        (struct iovec){datagrams->replies + reply * datagrams->reply_max, size};
	*message = (struct msghdr){
	        .msg_name = &datagrams->peers[at],
	        .msg_namelen = datagrams->in[at].msg_hdr.msg_namelen,
	        .msg_iov = &datagrams->out_pieces[reply],
	        .msg_iovlen = 1,
	};
	datagram_set_local(message, &datagrams->out_controls[reply], local);
}

static void datagram_answer_batch(struct weir_datagrams *datagrams, unsigned count)
{
	unsigned replies = 0;
	for (unsigned i = 0; i < count; i++) {
		struct msghdr *message = &datagrams->in[i].msg_hdr;
		struct weir_datagram_local local = {0};
		if (datagrams->any)
			local = datagram_local_of(message);
		struct weir_datagram datagram = {
		        .bytes = weir_span(
		                datagrams->in_pieces[i].iov_base, datagrams->in[i].msg_len),
		        .cut = message->msg_flags & MSG_TRUNC,
		        .peer = &datagrams->peers[i],
		        .local = &local,
		};
		weir_metric_add(
		        &weir_loop_counters(datagrams->loop)->bytes_in, datagram.bytes.size);
		size_t size = datagrams->answer(datagrams->context, &datagram,
		        datagrams->replies + replies * datagrams->reply_max, datagrams->reply_max);
		if (size)
			datagram_prepare_reply(datagrams, i, replies++, &local, size);
	}
	datagram_send_batch(datagrams, replies);
}

/* Returns the number of datagrams received; fewer than a batch are the last ones. */
static unsigned datagram_receive_batch(struct weir_datagrams *datagrams)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct msghdr *message = &datagrams->in[i].msg_hdr;
		message->msg_namelen = sizeof datagrams->peers[i];
		message->msg_controllen = datagrams->any ? sizeof datagrams->in_controls[i] : 0;
		message->msg_flags = 0;
	}
	int got = recvmmsg(datagrams->watch.fd, datagrams->in, BATCH, MSG_DONTWAIT, NULL);
	weir_metric_add(&weir_loop_counters(datagrams->loop)->receives, 1);
	return got < 0 ? 0 : (unsigned)got;
}

void weir_datagrams_receive(struct weir_datagrams *datagrams)
{
	for (unsigned total = 0; total < WEIR_DATAGRAMS_PER_TURN;) {
		unsigned got = datagram_receive_batch(datagrams);
		datagram_answer_batch(datagrams, got);
		total += got;
		if (got < BATCH)
			return;
	}
}

static void datagram_on_event(struct weir_watch *watch, unsigned events)
{
	(void)events;
	weir_datagrams_receive(WEIR_CONTAINER(watch, struct weir_datagrams, watch));
}

/* -- life -------------------------------------------------------------------------------------- */

static int datagram_set_options(int fd, const struct weir_datagrams_options *options, bool any)
{
	int on = 1, off = 0, size = BUFFER_SIZE, omit = IP_PMTUDISC_OMIT;
	bool v6 = options->address.any.sa_family == AF_INET6;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof omit);
	bool own = !options->open_socket;
	if (own && options->shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
		return -errno;
	if (v6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &omit, sizeof omit);
		if (own &&
		        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &off : &on, sizeof on) < 0)
			return -errno;
	}
	if (any && setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
	                   v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof on) < 0)
		return -errno;
	return 0;
}

static int datagram_open_socket(
        const struct weir_datagrams_options *options, bool any, struct weir_address *ret_address)
{
	socklen_t size = sizeof *ret_address;
	int fd = options->open_socket ? options->open_socket(options->socket_context, SOCK_DGRAM)
	                              : socket(options->address.any.sa_family,
	                                        SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return options->open_socket ? fd : -errno;
	int error = datagram_set_options(fd, options, any);
	if (error == 0 && !options->open_socket &&
	        bind(fd, &options->address.any, weir_address_size(&options->address)) < 0)
		error = -errno;
	if (error == 0 && getsockname(fd, &ret_address->any, &size) < 0)
		error = -errno;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

static bool datagram_is_any(const struct weir_address *address)
{
	return address->any.sa_family == AF_INET6
	               ? IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr)
	               : address->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

static void datagram_prepare_batch(struct weir_datagrams *datagrams)
{
	for (unsigned i = 0; i < BATCH; i++) {
		datagrams->in_pieces[i] = (struct iovec){
		        datagrams->bytes + i * datagrams->receive_max, datagrams->receive_max};
		datagrams->in[i].msg_hdr = (struct msghdr){
		        .msg_name = &datagrams->peers[i],
		        .msg_iov = &datagrams->in_pieces[i],
		        .msg_iovlen = 1,
		        .msg_control = datagrams->any ? &datagrams->in_controls[i] : NULL,
		};
	}
	datagrams->replies = datagrams->bytes + BATCH * datagrams->receive_max;
}

void weir_datagrams_options_init(struct weir_datagrams_options *options)
{
	*options = (struct weir_datagrams_options){
	        .receive_max = WEIR_DATAGRAM_MAX, .reply_max = WEIR_DATAGRAM_MAX};
}

int weir_datagrams_create(struct weir_loop *loop, const struct weir_datagrams_options *options,
        struct weir_datagrams **ret)
{
	if (!options->receive_max || !options->answer)
		return -EINVAL;
	struct weir_datagrams *datagrams =
	        calloc(1, sizeof *datagrams + BATCH * (options->receive_max + options->reply_max));
	if (!datagrams)
		return -ENOMEM;
	datagrams->loop = loop;
	datagrams->answer = options->answer;
	datagrams->context = options->context;
	datagrams->receive_max = options->receive_max;
	datagrams->reply_max = options->reply_max;
	datagrams->any = datagram_is_any(&options->address);
	datagram_prepare_batch(datagrams);
	int fd = datagram_open_socket(options, datagrams->any, &datagrams->address);
	int error = fd < 0 ? fd
	                   : weir_watch_start(
	                             loop, &datagrams->watch, fd, WEIR_READABLE, datagram_on_event);
	if (error == 0) {
		*ret = datagrams;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	free(datagrams);
	return error;
}

const struct weir_address *weir_datagrams_address(const struct weir_datagrams *datagrams)
{
	return &datagrams->address;
}

int weir_datagrams_send(struct weir_datagrams *datagrams, const struct weir_address *peer,
        const struct weir_datagram_local *local, struct weir_span bytes)
{
	union control control;
	struct iovec piece = {(void *)(uintptr_t)bytes.data, bytes.size};
	struct msghdr message = {
	        .msg_name = (void *)(uintptr_t)peer,
	        .msg_namelen = weir_address_size(peer),
	        .msg_iov = &piece,
	        .msg_iovlen = 1,
	};
	datagram_set_local(&message, &control, local);
	weir_metric_add(&weir_loop_counters(datagrams->loop)->sends, 1);
	if (sendmsg(datagrams->watch.fd, &message, 0) < 0)
		return -errno;
	weir_metric_add(&weir_loop_counters(datagrams->loop)->bytes_out, bytes.size);
	return 0;
}

void weir_datagrams_destroy(struct weir_datagrams *datagrams)
{
	if (!datagrams)
		return;
	/* See server_close_listener. */
	close(weir_watch_cancel(datagrams->loop, &datagrams->watch));
	free(datagrams);
}
