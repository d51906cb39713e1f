/* What the shared library exports: every function declared WEIR_API, nothing else. */
#ifndef WEIR_API_H
#define WEIR_API_H

#define WEIR_API __attribute__((visibility("default")))

#endif
