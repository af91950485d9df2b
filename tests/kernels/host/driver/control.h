// SPDX-License-Identifier: Apache-2.0
//
// What a test may ask of this driver; a real one has none of it.

#pragma once

#include <cstddef>

extern "C" {

// As after a start of the machine: one device, today's driver, nothing in use, no plan, no problems,
// an empty trace.
void lethe_driver_reset();

void lethe_driver_machine(int driver_version, int device_count);

// The `nth` call from now (1: the next) of `function`, and so many `times`, does nothing and returns
// `status`. An empty name counts every call.
void lethe_driver_fail(const char* function, int nth, int status, int times);

// Node `node` of the next graph that runs is left out. Status 0: and nobody is told. Otherwise that
// is where the graph ends, and the status is what whoever waits for it is told.
void lethe_driver_break_node(int node, int status);

// The next copy to the host stops after so many bytes, and nobody is told.
void lethe_driver_truncate_copy(long bytes);

// The functions called since the beginning, a line each, without a version suffix.
const char* lethe_driver_trace();

// What went wrong that a real driver might have let pass, a line each.
const char* lethe_driver_problems();

// How often these bytes occur in device memory and in registered host memory.
size_t lethe_driver_count(const void* needle, size_t bytes);

// Device memory that is not zero, in bytes, now and when it was given back.
size_t lethe_driver_nonzero();
size_t lethe_driver_nonzero_freed();

// Allocations, registrations, streams, modules, graphs, events and retained contexts.
int lethe_driver_live();
}
