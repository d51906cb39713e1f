/*
 * Whether a sanitizer watches the program: exhaustive tests take larger steps then. With the one
 * for threads, sweeps of a single thread take even larger ones: the other sanitizers run them, too.
 */
#ifndef TESTS_SANITIZED_H
#define TESTS_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define THREAD_SANITIZED 1
#else
#define THREAD_SANITIZED 0
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
