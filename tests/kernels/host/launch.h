// SPDX-License-Identifier: Apache-2.0
//
// What a library built by build.py offers to its callers: Python through ctypes, or more C++ linked
// into it. Launches exclude each other; a call that finds one under way waits.

#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// How many parameters a kernel has (-1: there is none of that name); *sizes: of each, in bytes.
int shim_parameters(const char* name, const size_t** sizes);

// Runs a kernel to its end. grid and block have three entries each; arguments[i] points at the value
// of parameter i. `seed` decides the order of blocks and threads. Returns 0, or 1 and shim_error().
int shim_launch(const char* name, const unsigned* grid, const unsigned* block, size_t shared_bytes,
                void** arguments, uint64_t seed);

// Why the last launch failed.
const char* shim_error();

// The most bytes of dynamic shared memory that any block of the last launch left other than zero.
size_t shim_residue();
}
