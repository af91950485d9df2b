/* SPDX-License-Identifier: Apache-2.0
 *
 * Skinning, projection and a depth buffer; see raster.h.
 */
#include "raster.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const float EDGE = 2e-5f; /* of a triangle: rounding leaves no gap between neighbours */

enum { FAR_OFF = 1 << 20 }; /* pixels: beyond that no triangle is worth its rounding errors */

typedef float Row __attribute__((vector_size(16)));

typedef struct {
  int32_t width, height;
  const float *limit;
  float *depth;
  int32_t *ids;
} Target;

static float least(float a, float b) { return a < b ? a : b; }
static float most(float a, float b) { return a > b ? a : b; }
static float dot(const float *a, const float *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static Row row(const float *values)
{
  Row loaded;

  memcpy(&loaded, values, sizeof loaded);
  return loaded;
}

void rooms_skin(int32_t vertices, const float *points, const float *normals, const uint8_t *bones,
                const float *weights, const float *matrices, float *placed, float *turned)
{
  for (int32_t v = 0; v < vertices; v++) {
    const float *p = points + 3 * (size_t)v, *n = normals + 3 * (size_t)v;
    Row mixed[3] = {{0}, {0}, {0}};

    for (int k = 0; k < WEIGHTS; k++) {
      float weight = weights[WEIGHTS * (size_t)v + k];
      const float *matrix = matrices + 12 * bones[WEIGHTS * (size_t)v + k];

      if (weight == 0)
        continue;
      for (int i = 0; i < 3; i++)
        mixed[i] += weight * row(matrix + 4 * i);
    }
    for (int i = 0; i < 3; i++) {
      float sideways = mixed[i][0] * p[0] + mixed[i][1] * p[1] + mixed[i][2] * p[2];

      placed[3 * (size_t)v + i] = sideways + mixed[i][3];
      turned[3 * (size_t)v + i] = mixed[i][0] * n[0] + mixed[i][1] * n[1] + mixed[i][2] * n[2];
    }
  }
}

static void into_view(const View *view, const float *point, float out[3])
{
  float away[3];

  for (int i = 0; i < 3; i++)
    away[i] = point[i] - view->position[i];
  for (int i = 0; i < 3; i++)
    out[i] = dot(view->rotation + 3 * i, away);
}

static float bent(const float *lens, float cosine)
{
  float at = most(0, least(1, cosine)) * LENS_STEPS;
  int step = (int)least(at, LENS_STEPS - 1);

  return lens[step] + (lens[step + 1] - lens[step]) * (at - (float)step);
}

/* In front of the view's nearest plane only. */
static Seen onto_image(const View *view, const float p[3])
{
  float inverse = 1 / p[2], scale = inverse;

  if (view->lens) {
    float distance = sqrtf(dot(p, p));
    scale = bent(view->lens, p[2] / distance) / distance;
  }
  return (Seen){view->centre[0] + view->focal[0] * p[0] * scale,
                view->centre[1] - view->focal[1] * p[1] * scale, inverse};
}

static int is_placed(Seen s)
{
  return s.x > -FAR_OFF && s.x < FAR_OFF && s.y > -FAR_OFF && s.y < FAR_OFF && s.inverse > 0;
}

void rooms_project(const View *view, int32_t vertices, const float *points, Seen *seen)
{
  for (int32_t v = 0; v < vertices; v++) {
    float p[3];

    into_view(view, points + 3 * (size_t)v, p);
    seen[v] = p[2] >= view->nearest ? onto_image(view, p) : (Seen){0, 0, 0};
    if (!is_placed(seen[v]))
      seen[v] = (Seen){0, 0, 0};
  }
}

/* The first pixel whose centre is at or after `edge`, and not beyond `count`. */
static int32_t first_pixel(float edge, int32_t count)
{
  float from = most(0, least((float)count, edge - 0.5f));
  int32_t pixel = (int32_t)from;

  return (float)pixel < from ? pixel + 1 : pixel;
}

static void fill(const Target *target, Seen a, Seen b, Seen c, int32_t id)
{
  int32_t x0 = first_pixel(least(a.x, least(b.x, c.x)), target->width);
  int32_t x1 = first_pixel(most(a.x, most(b.x, c.x)), target->width), y0, y1;
  float area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x), part;
  float u_x, u_y, w_x, w_y, z_x, z_y;

  if (x0 >= x1 || !(area > 1e-9f || area < -1e-9f))
    return;
  y0 = first_pixel(least(a.y, least(b.y, c.y)), target->height);
  y1 = first_pixel(most(a.y, most(b.y, c.y)), target->height);
  if (y0 >= y1)
    return;
  part = 1 / area;
  u_x = (c.y - a.y) * part; /* u is 1 at b, w is 1 at c, both are 0 at a */
  u_y = -(c.x - a.x) * part;
  w_x = -(b.y - a.y) * part;
  w_y = (b.x - a.x) * part;
  z_x = (b.inverse - a.inverse) * u_x + (c.inverse - a.inverse) * w_x;
  z_y = (b.inverse - a.inverse) * u_y + (c.inverse - a.inverse) * w_y;
  for (int32_t y = y0; y < y1; y++) {
    float across = (float)x0 + 0.5f - a.x, down = (float)y + 0.5f - a.y;
    float u = across * u_x + down * u_y, w = across * w_x + down * w_y;
    float z = a.inverse + across * z_x + down * z_y;
    size_t start = (size_t)y * (size_t)target->width;

    for (int32_t x = x0; x < x1; x++, u += u_x, w += w_x, z += z_x) {
      size_t i = start + (size_t)x;

      if (!(u >= -EDGE && w >= -EDGE && u + w <= 1 + EDGE && z > target->depth[i]))
        continue;
      if (target->limit && !(z < target->limit[i]))
        continue;
      target->depth[i] = z;
      if (target->ids)
        target->ids[i] = id;
    }
  }
}

/* Where the edge from a to b meets the nearest plane. */
static void cut(const float a[3], const float b[3], float nearest, float out[3])
{
  float share = (nearest - a[2]) / (b[2] - a[2]);

  for (int i = 0; i < 2; i++)
    out[i] = a[i] + share * (b[i] - a[i]);
  out[2] = nearest;
}

/* A face of which one or two corners are too near: what is left has three or four. */
static void fill_cut(const View *view, const Target *target, const float *points,
                     const int32_t *face, int32_t id)
{
  float corner[3][3], left[4][3];
  Seen seen[4];
  int count = 0;

  for (int k = 0; k < 3; k++)
    into_view(view, points + 3 * (size_t)face[k], corner[k]);
  for (int k = 0; k < 3; k++) {
    const float *a = corner[k], *b = corner[(k + 1) % 3];
    int a_fits = a[2] >= view->nearest, b_fits = b[2] >= view->nearest;

    if (a_fits)
      memcpy(left[count++], a, sizeof left[0]);
    if (a_fits != b_fits)
      cut(a, b, view->nearest, left[count++]);
  }
  for (int k = 0; k < count; k++) {
    seen[k] = onto_image(view, left[k]);
    if (!is_placed(seen[k]))
      return;
  }
  for (int k = 2; k < count; k++)
    fill(target, seen[0], seen[k - 1], seen[k], id);
}

void rooms_raster(const View *view, const Geometry *mesh, const Seen *seen, int32_t first,
                  const float *limit, float *depth, int32_t *ids)
{
  Target target = {view->width, view->height, limit, depth, ids};

  for (int32_t f = 0; f < mesh->faces; f++) {
    const int32_t *face = mesh->face + 3 * (size_t)f;
    Seen a = seen[face[0]], b = seen[face[1]], c = seen[face[2]];

    if (a.inverse > 0 && b.inverse > 0 && c.inverse > 0)
      fill(&target, a, b, c, first + f);
    else if (a.inverse > 0 || b.inverse > 0 || c.inverse > 0)
      fill_cut(view, &target, mesh->points, face, first + f);
  }
}

/* Shares of the corners at the point of the triangle that is nearest, about, to `at`. */
static void shares(const float *a, const float *b, const float *c, const float *at, float out[3])
{
  float ab[3], ac[3], ap[3], bb, bc, cc, pb, pc, scale, u, w;

  for (int i = 0; i < 3; i++) {
    ab[i] = b[i] - a[i];
    ac[i] = c[i] - a[i];
    ap[i] = at[i] - a[i];
  }
  bb = dot(ab, ab), bc = dot(ab, ac), cc = dot(ac, ac), pb = dot(ap, ab), pc = dot(ap, ac);
  scale = bb * cc - bc * bc;
  scale = scale > 1e-18f ? 1 / scale : 0;
  u = most(0, least(1, (pb * cc - pc * bc) * scale));
  w = most(0, least(1 - u, (pc * bb - pb * bc) * scale));
  out[0] = 1 - u - w, out[1] = u, out[2] = w;
}

static void mix(const float *values, const int32_t *face, const float share[3], float out[3])
{
  for (int i = 0; i < 3; i++)
    out[i] = share[0] * values[3 * (size_t)face[0] + i] +
             share[1] * values[3 * (size_t)face[1] + i] +
             share[2] * values[3 * (size_t)face[2] + i];
}

/* Unit, on the viewer's side. */
static void turn_to(const float *viewer, const float *position, float *normal)
{
  float towards[3], length = sqrtf(dot(normal, normal)), scale;

  for (int i = 0; i < 3; i++)
    towards[i] = viewer[i] - position[i];
  scale = length > 1e-12f ? 1 / length : 0;
  if (dot(towards, normal) < 0)
    scale = -scale;
  for (int i = 0; i < 3; i++)
    normal[i] *= scale;
}

void rooms_points(const View *view, const Geometry *mesh, int32_t first, uint8_t name,
                  const int32_t *ids, const float *depth, const float *rays, const Points *out)
{
  size_t pixels = (size_t)view->width * (size_t)view->height;

  for (size_t i = 0; i < pixels; i++) {
    const int32_t *face;
    float at[3], share[3], metres;

    if (ids[i] < first || ids[i] - first >= mesh->faces)
      continue;
    face = mesh->face + 3 * (size_t)(ids[i] - first);
    metres = 1 / depth[i];
    for (int k = 0; k < 3; k++)
      at[k] = view->position[k] + metres * rays[3 * i + k];
    shares(mesh->points + 3 * (size_t)face[0], mesh->points + 3 * (size_t)face[1],
           mesh->points + 3 * (size_t)face[2], at, share);
    mix(mesh->points, face, share, out->position + 3 * i);
    mix(mesh->normals, face, share, out->normal + 3 * i);
    turn_to(view->position, out->position + 3 * i, out->normal + 3 * i);
    out->who[i] = name;
    if (mesh->albedo)
      out->albedo[i] = share[0] * mesh->albedo[face[0]] + share[1] * mesh->albedo[face[1]] +
                       share[2] * mesh->albedo[face[2]];
  }
}
