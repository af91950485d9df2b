/* SPDX-License-Identifier: Apache-2.0
 *
 * Light on what is seen: lamps with shadows of the room and of those who move in it, ambient light
 * that people keep off the floor beside them; see raster.h.
 */
#include "raster.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { SOFT = 2, SHARP = 1 }; /* pixels of a shadow's edge to each side */

static const float WRAP = 0.15f;     /* of a right angle, about: light that creeps round an edge */
static const float FALLOFF = 0.125f; /* slower than a bare lamp's: walls give some of it back */
static const float LIFT_M = 0.02f;   /* from a surface, so that it does not shade itself */
static const float SLACK = 1.02f;
static const float NEAR_M = 0.05f;
static const float REACH_M = 0.5f;

static float least(float a, float b) { return a < b ? a : b; }
static float most(float a, float b) { return a > b ? a : b; }
static float dot(const float *a, const float *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static void difference(const float *a, const float *b, float out[3])
{
  for (int i = 0; i < 3; i++)
    out[i] = a[i] - b[i];
}

/* Without shadows. */
static float direct(const Lamp *lamp, const float *position, const float *normal)
{
  float towards[3], square, facing;

  difference(lamp->view.position, position, towards);
  square = dot(towards, towards);
  facing = dot(towards, normal) / sqrtf(square + 1e-9f);
  facing = (facing + WRAP) / (1 + WRAP);
  return facing > 0 ? lamp->power * facing / (1 + FALLOFF * square) : 0;
}

/* Pixel of the lamp's view: 0 outside of it, where nothing throws a shadow. */
static int spot(const Lamp *lamp, const float *position, const float *normal, int16_t at[2],
                float *inverse)
{
  const View *view = &lamp->view;
  float lifted[3], away[3], seen[3], x, y, lift;

  difference(position, view->position, away);
  lift = LIFT_M + 2 * lamp->texel * sqrtf(dot(away, away));
  for (int i = 0; i < 3; i++)
    lifted[i] = away[i] + lift * normal[i];
  for (int i = 0; i < 3; i++)
    seen[i] = dot(view->rotation + 3 * i, lifted);
  if (!(seen[2] >= NEAR_M))
    return 0;
  x = view->centre[0] + view->focal[0] * seen[0] / seen[2];
  y = view->centre[1] - view->focal[1] * seen[1] / seen[2];
  if (!(x >= SOFT && x < SHADOW - SOFT && y >= SOFT && y < SHADOW - SOFT))
    return 0;
  at[0] = (int16_t)x;
  at[1] = (int16_t)y;
  *inverse = SLACK / seen[2];
  return 1;
}

/* Share of the lamp that is seen past what `map` holds, from (2 radius + 1) squared tries. */
static float passed(const float *map, const int16_t at[2], float inverse, int radius)
{
  int free = 0, side = 2 * radius + 1;

  for (int y = at[1] - radius; y <= at[1] + radius; y++)
    for (int x = at[0] - radius; x <= at[0] + radius; x++)
      free += map[y * SHADOW + x] < inverse;
  return (float)free / (float)(side * side);
}

static int is_covered(const Lamp *lamp, const int16_t at[2])
{
  return lamp->cover[at[1] / BLOCK * BLOCKS + at[0] / BLOCK];
}

/* Depths are never negative: a block is empty when all its bits together are nought. */
static uint32_t bits_of(const float *block)
{
  uint32_t row[BLOCK], any = 0;

  for (int y = 0; y < BLOCK; y++) {
    memcpy(row, block + y * SHADOW, sizeof row);
    for (int x = 0; x < BLOCK; x++)
      any |= row[x];
  }
  return any;
}

void rooms_cover(const float *moving, uint8_t *cover)
{
  uint8_t taken[BLOCKS + 2][BLOCKS + 2];

  memset(taken, 0, sizeof taken);
  memset(cover, 0, BLOCKS * BLOCKS);
  for (int y = 0; y < BLOCKS; y++)
    for (int x = 0; x < BLOCKS; x++)
      taken[y + 1][x + 1] = bits_of(moving + y * BLOCK * SHADOW + x * BLOCK) != 0;
  for (int y = 0; y < BLOCKS; y++)
    for (int x = 0; x < BLOCKS; x++)
      for (int j = 0; j < 3; j++)
        cover[y * BLOCKS + x] |= taken[y + j][x] | taken[y + j][x + 1] | taken[y + j][x + 2];
}

void rooms_bake(const Lamp *lamps, int32_t count, int32_t pixels, const Points *points,
                const Baked *out)
{
  for (int32_t l = 0; l < count; l++)
    for (int32_t i = 0; i < pixels; i++) {
      const float *position = points->position + 3 * (size_t)i;
      const float *normal = points->normal + 3 * (size_t)i;
      size_t k = (size_t)l * (size_t)pixels + (size_t)i;

      out->direct[k] = direct(lamps + l, position, normal);
      out->lit[k] = 1;
      if (spot(lamps + l, position, normal, out->spot + 2 * k, out->inverse + k))
        out->lit[k] = passed(lamps[l].still, out->spot + 2 * k, out->inverse[k], SOFT);
      else
        out->spot[2 * k] = -1;
    }
}

/* Of the half-sphere over a point, how much a ball hides: its share falls with the third power of
 * the distance, faster than a ball's would, so that what is out of REACH_M may be forgotten. */
static float hidden(const Blob *blob, const float *position, const float *normal)
{
  float towards[3], square, facing, shape = blob->radius * blob->radius, spread;

  difference(blob->centre, position, towards);
  square = dot(towards, towards);
  if (!(square < REACH_M * REACH_M))
    return 0;
  facing = most(dot(towards, normal), 0);
  spread = square + 0.5f * shape;
  return least(0.55f, 1.2f * facing * blob->radius * shape / (spread * spread));
}

static int is_around(const Crowd *crowd, int32_t person, const float *position)
{
  const Box *around = crowd->around + person;

  for (int i = 0; i < 3; i++)
    if (!(position[i] > around->low[i] && position[i] < around->high[i]))
      return 0;
  return 1;
}

static float openness(const Crowd *crowd, const float *position, const float *normal)
{
  float open = 1;

  for (int32_t p = 0; p < crowd->people; p++)
    if (is_around(crowd, p, position))
      for (int b = 0; b < BLOBS; b++)
        open *= 1 - hidden(crowd->blobs + (size_t)p * BLOBS + b, position, normal);
  return open;
}

static float ambient(const Scene *scene, const float *normal)
{
  return scene->ground + (scene->sky - scene->ground) * (0.5f + 0.5f * normal[1]);
}

static float dimmed(const Lamp *lamp, float share)
{
  return 1 - lamp->shadow + lamp->shadow * share;
}

/* Whether anybody may shade pixel i of the standing room, or keep ambient light off it. */
static int is_touched(const Scene *scene, size_t i)
{
  const float *position = scene->still.position + 3 * i;

  for (int32_t p = 0; p < scene->crowd.people; p++)
    if (is_around(&scene->crowd, p, position))
      return 1;
  for (int32_t l = 0; l < scene->lamps; l++) {
    const int16_t *at = scene->baked.spot + 2 * ((size_t)l * (size_t)scene->pixels + i);

    if (at[0] >= 0 && is_covered(scene->lamp + l, at))
      return 1;
  }
  return 0;
}

/* Of one lamp on pixel i of the standing room. */
static float on_room(const Scene *scene, int32_t l, size_t i)
{
  const Lamp *lamp = scene->lamp + l;
  const Baked *baked = &scene->baked;
  size_t k = (size_t)l * (size_t)scene->pixels + i;
  float share = baked->lit[k];

  if (baked->direct[k] == 0)
    return 0;
  if (share > 0 && baked->spot[2 * k] >= 0 && is_covered(lamp, baked->spot + 2 * k))
    share = least(share, passed(lamp->moving, baked->spot + 2 * k, baked->inverse[k], SOFT));
  return baked->direct[k] * dimmed(lamp, share);
}

/* Of one lamp on whoever moves. */
static float on_mover(const Lamp *lamp, const float *position, const float *normal)
{
  float light = direct(lamp, position, normal), share = 1, inverse;
  int16_t at[2];

  if (light > 0 && spot(lamp, position, normal, at, &inverse)) {
    share = passed(lamp->still, at, inverse, SHARP);
    if (share > 0)
      share = least(share, passed(lamp->moving, at, inverse, SHARP));
  }
  return light * dimmed(lamp, share);
}

void rooms_touch(const Scene *scene, const float *gains)
{
  for (size_t i = 0; i < (size_t)scene->pixels; i++) {
    int moves = scene->moving.who[i] != 0;
    const Points *points = moves ? &scene->moving : &scene->still;
    const float *position = points->position + 3 * i, *normal = points->normal + 3 * i;

    scene->touched.pixel[i] = moves || is_touched(scene, i);
    if (!scene->touched.pixel[i])
      continue;
    scene->touched.open[i] = openness(&scene->crowd, position, normal);
    for (int32_t l = 0; l < scene->lamps; l++)
      if (gains[l] != 0)
        scene->touched.lamp[(size_t)l * (size_t)scene->pixels + i] =
            moves ? on_mover(scene->lamp + l, position, normal) : on_room(scene, l, i);
  }
}

static float shaded(const Scene *scene, const float *gains, size_t i)
{
  int moves = scene->moving.who[i] != 0;
  const Points *points = moves ? &scene->moving : &scene->still;
  float light = gains[scene->lamps] * ambient(scene, points->normal + 3 * i) *
                scene->touched.open[i];

  for (int32_t l = 0; l < scene->lamps; l++)
    if (gains[l] != 0)
      light += gains[l] * scene->touched.lamp[(size_t)l * (size_t)scene->pixels + i];
  light *= points->albedo[i];
  if (!moves)
    light += gains[scene->lamps + 1] * scene->emission[i];
  return most(light, 0) * (scene->who[i] ? 1 : scene->tint[i]);
}

void rooms_light(const Scene *scene, const float *gains, float *empty)
{
  size_t pixels = (size_t)scene->pixels;

  for (size_t i = 0; i < pixels; i++)
    empty[i] = gains[scene->lamps] * ambient(scene, scene->still.normal + 3 * i);
  for (int32_t l = 0; l < scene->lamps; l++) {
    const float *direct_light = scene->baked.direct + (size_t)l * pixels;
    const float *lit = scene->baked.lit + (size_t)l * pixels;

    for (size_t i = 0; i < pixels; i++)
      empty[i] += gains[l] * (direct_light[i] * dimmed(scene->lamp + l, lit[i]));
  }
  for (size_t i = 0; i < pixels; i++) {
    float shine = gains[scene->lamps + 1] * scene->emission[i];

    empty[i] = most(empty[i] * scene->still.albedo[i] + shine, 0) * scene->tint[i];
  }
}

void rooms_shade(const Scene *scene, const float *gains, const float *empty, float *radiance)
{
  for (size_t i = 0; i < (size_t)scene->pixels; i++)
    radiance[i] = scene->touched.pixel[i] ? shaded(scene, gains, i) : empty[i];
}
