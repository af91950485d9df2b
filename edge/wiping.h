/* SPDX-License-Identifier: Apache-2.0
 *
 * What wiping.c and canvas.c share: when a frame arrived.
 */
#ifndef LETHE_WIPING_H
#define LETHE_WIPING_H

#include <gst/gst.h>

/* CLOCK_MONOTONIC in nanoseconds. */
guint64 lethe_monotonic_ns(void);

/* When `buffer` reached its sink; now, if it never passed a hooked sink. */
guint64 lethe_arrival_ns(GstBuffer *buffer);

#endif
