/*
 * Options with their defaults and what a test changes, as an expression:
 *
 *   start_server(OPTIONS(weir_ftp_options, o.rules.writable = true, o.rules.hidden = true));
 */
#ifndef WEIR_TESTS_MAKE_OPTIONS_H
#define WEIR_TESTS_MAKE_OPTIONS_H

#define OPTIONS(type, ...)                                                                         \
	__extension__({                                                                            \
		struct type o;                                                                     \
		type##_init(&o);                                                                   \
		__VA_ARGS__;                                                                       \
		o;                                                                                 \
	})

#endif
