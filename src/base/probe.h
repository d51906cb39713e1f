/*
 * USDT probes of the provider "weir", for bpftrace, perf and SystemTap. A probe is one instruction
 * that does nothing until a tool is attached to it; its arguments are values that the code has
 * anyway. docs/probes.md lists them. Without <sys/sdt.h> (build option `probes`) they are not
 * compiled.
 */
#ifndef WEIR_PROBE_H
#define WEIR_PROBE_H

#include "probe_config.h"

#ifdef WEIR_PROBES
#include <sys/sdt.h>
#define PROBE1(name, one) DTRACE_PROBE1(weir, name, one)
#define PROBE2(name, one, two) DTRACE_PROBE2(weir, name, one, two)
#define PROBE3(name, one, two, three) DTRACE_PROBE3(weir, name, one, two, three)
#define PROBE4(name, one, two, three, four) DTRACE_PROBE4(weir, name, one, two, three, four)
#else
#define PROBE1(name, one) ((void)(one))
#define PROBE2(name, one, two) ((void)(one), (void)(two))
#define PROBE3(name, one, two, three) ((void)(one), (void)(two), (void)(three))
#define PROBE4(name, one, two, three, four) ((void)(one), (void)(two), (void)(three), (void)(four))
#endif

#endif
