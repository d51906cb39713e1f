/*
 * The shared library exports the functions that are declared WEIR_API, and nothing else.
 *
 * All memory comes from malloc, and what a function returns to be freed is freed by free. There is
 * no allocator to set.
 */
#ifndef WEIR_API_H
#define WEIR_API_H

#define WEIR_API __attribute__((visibility("default")))

/* Between these, declarations have C's linkage in C++, too. */
#ifdef __cplusplus
#define WEIR_C_BEGIN extern "C" {
#define WEIR_C_END }
#else
#define WEIR_C_BEGIN
#define WEIR_C_END
#endif

#endif
