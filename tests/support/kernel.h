/* A kernel that refuses: a test makes system calls fail. */
#ifndef WEIR_TEST_KERNEL_H
#define WEIR_TEST_KERNEL_H

/* After `good` further calls of epoll_ctl, `count` calls fail with the errno `error`. */
void fail_epoll_ctl(unsigned good, unsigned count, int error);

/* The next `count` calls of accept4 fail with the errno `error`. */
void fail_accept(unsigned count, int error);

#endif
