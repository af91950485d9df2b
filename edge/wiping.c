/* SPDX-License-Identifier: Apache-2.0
 *
 * Zero every GStreamer buffer that held pixels at the moment its last user lets go of it.
 *
 * A probe on every source pad of a pipeline, also of elements and pads that appear later, puts our
 * dispose function in front of GStreamer's own on each buffer that passes. GStreamer calls it when
 * the last reference is gone and before the buffer returns to its pool or is freed, so every hop
 * wipes itself at the right time, whatever element made it.
 *
 * Why not a GstMeta whose free function wipes: a meta can be added only to a buffer with one
 * reference, and a decoder keeps a second one on each frame that it still needs as a reference.
 * The dispose pointer is a public field of GstMiniObject and may be set on a shared buffer.
 *
 * Memory that somebody else still holds is left to that holder. Memory whose mapping is not its
 * pixels (NVMM and other device memory) is never touched, only counted.
 */
#define _GNU_SOURCE
#include "wiping.h"

#include <string.h>

/* Keep in step with WipeStats in wiping.py. */
typedef struct {
  guint64 frames;       /* buffers that reached a sink */
  guint64 frames_wiped; /* of these, zeroed */
  guint64 buffers;      /* zeroed at any hop, encoded data included */
  guint64 bytes;        /* zeroed */
  guint64 shared;       /* memories left to their other holder */
  guint64 outside;      /* buffers of device memory, not ours to touch */
  guint64 failed;       /* memories that could not be mapped for writing */
} LetheStats;

static LetheStats stats;
static GQuark arrival_quark;
static GstMiniObjectDisposeFunction gstreamer_dispose;

#define COUNT(field, n) __atomic_add_fetch(&stats.field, (guint64)(n), __ATOMIC_RELAXED)

static gboolean is_plain_memory(GstMemory *memory)
{
  return gst_memory_is_type(memory, GST_ALLOCATOR_SYSMEM)
      || gst_memory_is_type(memory, "V4l2Memory");
}

/* Zero all of `memory`, padding included. The caller holds the only reference. */
static gboolean wipe_memory(GstMemory *memory)
{
  GstMapInfo map;

  if (!is_plain_memory(memory) || !gst_memory_map(memory, &map, GST_MAP_WRITE)) {
    COUNT(failed, 1);
    return FALSE;
  }
  explicit_bzero(map.data - memory->offset, memory->maxsize);
  gst_memory_unmap(memory, &map);
  COUNT(bytes, memory->maxsize);
  return TRUE;
}

/* Zero a buffer's memories that nobody else holds. TRUE when none was left over. */
static gboolean wipe_buffer(GstBuffer *buffer)
{
  gboolean all = TRUE;

  for (guint i = 0; i < gst_buffer_n_memory(buffer); i++) {
    GstMemory *memory = gst_buffer_peek_memory(buffer, i);
    /* A part of a larger memory: the whole is ours when each step up has one holder. */
    while (memory->parent != NULL && GST_MINI_OBJECT_REFCOUNT_VALUE(memory) == 1)
      memory = memory->parent;
    if (GST_MINI_OBJECT_REFCOUNT_VALUE(memory) != 1) {
      COUNT(shared, 1);
      all = FALSE;
    } else if (!wipe_memory(memory)) {
      all = FALSE;
    }
  }
  COUNT(buffers, 1);
  return all;
}

static gboolean dispose_buffer(GstMiniObject *object)
{
  wipe_buffer(GST_BUFFER_CAST(object));
  return gstreamer_dispose(object);
}

/* A buffer that reached a sink: the same, and counted as a frame. */
static gboolean dispose_frame(GstMiniObject *object)
{
  if (wipe_buffer(GST_BUFFER_CAST(object)))
    COUNT(frames_wiped, 1);
  /* It may come back from its pool and be dropped on the way: then it is no frame. */
  g_atomic_pointer_set(&object->dispose, dispose_buffer);
  return gstreamer_dispose(object);
}

static void claim(GstBuffer *buffer)
{
  GstMiniObject *object = GST_MINI_OBJECT_CAST(buffer);

  /* Only GStreamer's own function is replaced, so that chaining to it is always right. */
  if (g_atomic_pointer_get(&object->dispose) == gstreamer_dispose)
    g_atomic_pointer_set(&object->dispose, dispose_buffer);
}

static gboolean claim_in_list(GstBuffer **buffer, guint index, gpointer unused)
{
  (void)index;
  (void)unused;
  claim(*buffer);
  return TRUE;
}

static gboolean carries_system_memory(GstPad *pad)
{
  GstCaps *caps = gst_pad_get_current_caps(pad);
  gboolean plain = TRUE;

  if (caps != NULL && gst_caps_get_size(caps) > 0)
    plain = gst_caps_features_contains(gst_caps_get_features(caps, 0),
                                       GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY);
  gst_clear_caps(&caps);
  return plain;
}

static GstPadProbeReturn on_source_data(GstPad *pad, GstPadProbeInfo *info, gpointer unused)
{
  (void)unused;
  if (info->data == NULL)
    return GST_PAD_PROBE_OK;
  if (!carries_system_memory(pad)) {
    COUNT(outside, 1);
    return GST_PAD_PROBE_OK;
  }
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST)
    gst_buffer_list_foreach(GST_PAD_PROBE_INFO_BUFFER_LIST(info), claim_in_list, NULL);
  else
    claim(GST_PAD_PROBE_INFO_BUFFER(info));
  return GST_PAD_PROBE_OK;
}

guint64 lethe_arrival_ns(GstBuffer *buffer)
{
  gpointer arrival = NULL;

  if (arrival_quark != 0)
    arrival = gst_mini_object_get_qdata(GST_MINI_OBJECT_CAST(buffer), arrival_quark);
  return arrival != NULL ? (guint64)(guintptr)arrival : lethe_monotonic_ns();
}

static GstPadProbeReturn on_sink_data(GstPad *pad, GstPadProbeInfo *info, gpointer unused)
{
  GstMiniObject *object = GST_MINI_OBJECT_CAST(info->data);

  (void)pad;
  (void)unused;
  if (object == NULL)
    return GST_PAD_PROBE_OK;
  COUNT(frames, 1);
  gst_mini_object_set_qdata(object, arrival_quark, (gpointer)(guintptr)lethe_monotonic_ns(), NULL);
  if (g_atomic_pointer_get(&object->dispose) == dispose_buffer)
    g_atomic_pointer_set(&object->dispose, dispose_frame);
  return GST_PAD_PROBE_OK;
}

static void hook_pad(GstElement *element, GstPad *pad, gpointer unused)
{
  (void)unused;
  if (GST_PAD_IS_SRC(pad))
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST,
                      on_source_data, NULL, NULL);
  else if (GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SINK))
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_sink_data, NULL, NULL);
}

/* A decoder with threads of its own works ahead, and each frame ahead is one more in memory. */
static void use_one_thread(GstElement *element)
{
  static const gchar *const names[] = {"max-threads", "n-threads", "threads"};

  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), names[i]);
    if (spec != NULL && (spec->value_type == G_TYPE_INT || spec->value_type == G_TYPE_UINT))
      g_object_set(element, names[i], 1, NULL);
  }
}

static gboolean hook_existing_pad(GstElement *element, GstPad *pad, gpointer unused)
{
  hook_pad(element, pad, unused);
  return TRUE;
}

static void hook_element(GstElement *element)
{
  if (GST_IS_BIN(element))
    return;
  use_one_thread(element);
  g_signal_connect(element, "pad-added", G_CALLBACK(hook_pad), NULL);
  gst_element_foreach_pad(element, hook_existing_pad, NULL);
}

static void hook_found(const GValue *value, gpointer unused)
{
  (void)unused;
  hook_element(g_value_get_object(value));
}

static void hook_added(GstBin *bin, GstBin *child, GstElement *element, gpointer unused)
{
  (void)bin;
  (void)child;
  (void)unused;
  hook_element(element);
}

/* GStreamer's own dispose function, as it stands in every new buffer. */
static void learn_dispose(void)
{
  GstBuffer *example = gst_buffer_new();

  arrival_quark = g_quark_from_static_string("lethe-arrival");
  gstreamer_dispose = GST_MINI_OBJECT_CAST(example)->dispose;
  gst_buffer_unref(example);
}

/* Wipe every buffer of `pipeline`. Call it before the pipeline leaves the state NULL, and from one
 * thread at a time. */
void lethe_hook(GstElement *pipeline)
{
  GstIterator *elements = gst_bin_iterate_recurse(GST_BIN(pipeline));

  if (gstreamer_dispose == NULL)
    learn_dispose();
  gst_iterator_foreach(elements, hook_found, NULL);
  gst_iterator_free(elements);
  g_signal_connect(pipeline, "deep-element-added", G_CALLBACK(hook_added), NULL);
}

/* The counters now, each read whole. */
void lethe_stats(LetheStats *out)
{
  const guint64 *from = (const guint64 *)&stats;
  guint64 *to = (guint64 *)out;

  for (gsize i = 0; i < sizeof stats / sizeof *to; i++)
    to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}
