/* SPDX-License-Identifier: Apache-2.0
 *
 * From GStreamer's stream to one packed canvas in memory of the caller.
 *
 * In C, because `gi` would hand a frame over as a Python `bytes`, which cannot be wiped.
 */
#define _GNU_SOURCE
#include "wiping.h"

#include <errno.h>
#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* Keep in step with Pulled in wiping.py. */
typedef struct {
  guint64 arrival_ns; /* CLOCK_MONOTONIC when the frame reached the sink */
  guint64 digest;     /* keyed: equal for equal frames, tells nothing else */
} LethePulled;

/* Keep in step with Pull in wiping.py. */
enum { LETHE_FRAME = 0, LETHE_TIMEOUT = 1, LETHE_ENDED = 2, LETHE_BAD_FRAME = 3 };

typedef struct {
  guint64 period_ns;
  guint64 due_ns;
} Pace;

enum { LANES = 4 };

static guint64 digest_key[2];

guint64 lethe_monotonic_ns(void)
{
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (guint64)now.tv_sec * GST_SECOND + (guint64)now.tv_nsec;
}

/* Let at most one frame per period through. What is dropped here loses its last user and is wiped.
 * A quarter of a period early is in time: a camera's clock jitters. */
static GstPadProbeReturn on_paced_data(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Pace *pace = data;
  guint64 time_ns = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));

  (void)pad;
  if (!GST_CLOCK_TIME_IS_VALID(time_ns))
    time_ns = lethe_monotonic_ns();
  if (time_ns + 2 * pace->period_ns < pace->due_ns)
    pace->due_ns = time_ns; /* the source's time was set back */
  if (time_ns + pace->period_ns / 4 < pace->due_ns)
    return GST_PAD_PROBE_DROP;
  pace->due_ns = MAX(pace->due_ns + pace->period_ns, time_ns + pace->period_ns / 2);
  return GST_PAD_PROBE_OK;
}

/* At most one frame per `period_ns` of stream time enters `element`. 0, or an errno. */
int lethe_pace(GstElement *element, guint64 period_ns)
{
  GstPad *pad = gst_element_get_static_pad(element, "sink");
  Pace *pace;

  if (pad == NULL)
    return EINVAL;
  pace = g_new0(Pace, 1);
  pace->period_ns = period_ns;
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_paced_data, pace, g_free);
  gst_object_unref(pad);
  return 0;
}

/* A fresh key for the digests of this process. 0, or an errno. */
int lethe_canvas_init(void)
{
  if (getrandom(digest_key, sizeof digest_key, 0) != sizeof digest_key)
    return errno;
  digest_key[1] |= 1; /* an odd multiplier loses nothing */
  return 0;
}

static guint64 mix(guint64 digest, guint64 word)
{
  digest = (digest ^ word) * digest_key[1];
  return (digest << 29) | (digest >> 35);
}

/* In lanes that do not wait for each other; what is left at the end, less than a word for each
 * lane, does not count. */
static guint64 digest_of(const guint8 *canvas, gsize size)
{
  guint64 word[LANES], lane[LANES];
  guint64 digest = digest_key[0];

  for (guint i = 0; i < LANES; i++)
    lane[i] = digest_key[0];
  for (gsize at = 0; at + sizeof word <= size; at += sizeof word) {
    memcpy(word, canvas + at, sizeof word);
    for (guint i = 0; i < LANES; i++)
      lane[i] = mix(lane[i], word[i]);
  }
  for (guint i = 0; i < LANES; i++)
    digest = mix(digest, lane[i]);
  return digest;
}

/* Keep in step with PIXELS in kernels/frame.py. */
static const GstVideoFormat FORMATS[] = {
  GST_VIDEO_FORMAT_GRAY8, GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_BGRx,
};

typedef struct {
  GstVideoFormat format;
  gint width, height;
} Layout;

typedef struct {
  const guint8 *first; /* its upper left byte */
  gsize row_bytes;     /* that hold pixels */
  gsize rows;
  gsize stride; /* bytes from one row to the next, at least row_bytes */
} Plane;

/* The buffer may carry its own description, and the caps another: both must be what was asked. */
static gboolean is_wanted(GstSample *sample, GstVideoInfo *info, const Layout *wanted)
{
  GstCaps *caps = gst_sample_get_caps(sample);
  GstBuffer *buffer = gst_sample_get_buffer(sample);
  GstVideoMeta *meta;

  if (caps == NULL || buffer == NULL || !gst_video_info_from_caps(info, caps)
      || GST_VIDEO_INFO_FORMAT(info) != wanted->format
      || GST_VIDEO_INFO_WIDTH(info) != wanted->width
      || GST_VIDEO_INFO_HEIGHT(info) != wanted->height)
    return FALSE;
  meta = gst_buffer_get_video_meta(buffer);
  return meta == NULL
      || (meta->format == wanted->format && meta->width == (guint)wanted->width
          && meta->height == (guint)wanted->height
          && meta->n_planes == GST_VIDEO_INFO_N_PLANES(info));
}

/* Where plane number `index` lies; FALSE when its rows overlap or leave the memory mapped. */
static gboolean find_plane(const GstVideoFrame *frame, guint index, Plane *plane)
{
  const GstMapInfo *map = &frame->map[frame->meta != NULL ? index : 0];
  gint stride = GST_VIDEO_FRAME_PLANE_STRIDE(frame, index);
  gint component[GST_VIDEO_MAX_COMPONENTS];
  gsize start;

  gst_video_format_info_component(frame->info.finfo, index, component);
  plane->first = GST_VIDEO_FRAME_PLANE_DATA(frame, index);
  plane->rows = GST_VIDEO_FRAME_COMP_HEIGHT(frame, component[0]);
  plane->row_bytes = (gsize)GST_VIDEO_FRAME_COMP_WIDTH(frame, component[0])
      * GST_VIDEO_FRAME_COMP_PSTRIDE(frame, component[0]);
  if (stride < 0 || (gsize)stride < plane->row_bytes)
    return FALSE;
  plane->stride = stride;
  start = (gsize)plane->first - (gsize)map->data; /* before the map is far beyond it */
  return start <= map->size
      && (plane->rows - 1) * plane->stride + plane->row_bytes <= map->size - start;
}

static guint8 *copy_plane(guint8 *out, const Plane *plane)
{
  for (gsize row = 0; row < plane->rows; row++, out += plane->row_bytes)
    memcpy(out, plane->first + row * plane->stride, plane->row_bytes);
  return out;
}

/* Copy the sample into `canvas`, plane after plane without padding: all of it or nothing. */
static gboolean copy_canvas(GstSample *sample, guint8 *canvas, const Layout *wanted)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  Plane planes[GST_VIDEO_MAX_PLANES];
  gboolean whole = TRUE;

  if (!is_wanted(sample, &info, wanted)
      || !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ))
    return FALSE;
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(&frame); i++)
    whole = whole && find_plane(&frame, i, &planes[i]);
  for (guint i = 0; whole && i < GST_VIDEO_FRAME_N_PLANES(&frame); i++)
    canvas = copy_plane(canvas, &planes[i]);
  gst_video_frame_unmap(&frame);
  return whole;
}

/* Wait for the newest frame of `sink`; copy it into `canvas` if it is (height, width) pixels of
 * format number `pixels`, `size` bytes when packed. LETHE_... */
int lethe_pull(GstElement *sink, guint64 timeout_ns, guint8 *canvas, guint size, guint pixels,
               guint width, guint height, LethePulled *out)
{
  const Layout wanted = {FORMATS[pixels], (gint)width, (gint)height};
  GstSample *sample = gst_app_sink_try_pull_sample(GST_APP_SINK(sink), timeout_ns);
  gboolean copied;

  if (sample == NULL)
    return gst_app_sink_is_eos(GST_APP_SINK(sink)) ? LETHE_ENDED : LETHE_TIMEOUT;
  copied = copy_canvas(sample, canvas, &wanted);
  if (copied) {
    out->arrival_ns = lethe_arrival_ns(gst_sample_get_buffer(sample));
    out->digest = digest_of(canvas, size);
  }
  gst_sample_unref(sample);
  return copied ? LETHE_FRAME : LETHE_BAD_FRAME;
}
