/* The shared library exports the functions that are declared WEIR_API, and nothing else. */
#ifndef WEIR_API_H
#define WEIR_API_H

#define WEIR_API __attribute__((visibility("default")))

#endif
