/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that a mesh, a pose, a camera or a lamp may bring into the renderer, built with the
 * sanitizers: numbers that are none, huge and tiny ones, faces behind, around and beside the
 * camera. Indices are valid: raster.py refuses the others. Prints how many pixels were drawn.
 */
#include "raster.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 40, HEIGHT = 32, PIXELS = WIDTH * HEIGHT, VERTICES = 60, FACES = 120, CASES = 4000 };

static uint64_t state = 88172645463325252u;

static uint32_t chance(uint32_t below)
{
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 33) % below;
}

static float number(void)
{
  static const float odd[] = {0, -0.0f, 1e-30f, 1e30f, -1e30f, 3.4e38f, 0.03f, 1e-3f, 5, -5};
  switch (chance(24)) {
  case 0: return NAN;
  case 1: return chance(2) ? INFINITY : -INFINITY;
  case 2: return odd[chance(sizeof odd / sizeof *odd)];
  default: return (float)chance(100000) / 20000 - 2.5f;
  }
}

static float *numbers(size_t count)
{
  float *made = malloc(count * sizeof *made);
  for (size_t i = 0; i < count; i++)
    made[i] = number();
  return made;
}

static View view(int width, int height, const float *lens)
{
  View made = {.focal = {(float)width, (float)width}, .nearest = 0.03f, .lens = lens};
  made.centre[0] = (float)width / 2;
  made.centre[1] = (float)height / 2;
  made.width = width;
  made.height = height;
  for (int i = 0; i < 3; i++) {
    made.rotation[4 * i] = 1;
    made.position[i] = chance(8) ? 0.1f * (float)i : number();
  }
  made.position[2] -= 3;
  return made;
}

static size_t draw(const float *lens)
{
  float *rest = numbers(3 * VERTICES), *normals = numbers(3 * VERTICES);
  float *albedo = numbers(VERTICES);
  float *placed = numbers(3 * VERTICES), *turned = numbers(3 * VERTICES);
  float *matrices = numbers(16 * 12), *weights = numbers(WEIGHTS * VERTICES);
  uint8_t *bones = malloc(WEIGHTS * VERTICES);
  int32_t *face = malloc(3 * FACES * sizeof *face);
  Seen *seen = malloc(VERTICES * sizeof *seen);
  float *depth = calloc(PIXELS, sizeof *depth), *limit = numbers(PIXELS);
  float *rays = numbers(3 * PIXELS);
  int32_t *ids = malloc(PIXELS * sizeof *ids);
  float *radiance = numbers(PIXELS), *emission = numbers(PIXELS), *tint = numbers(PIXELS);
  float *still_map = numbers(SHADOW * SHADOW), *moving_map = calloc(SHADOW * SHADOW, sizeof(float));
  uint8_t *cover = malloc(BLOCKS * BLOCKS), *who = calloc(PIXELS, 1);
  Points still = {numbers(3 * PIXELS), numbers(3 * PIXELS), numbers(PIXELS), calloc(PIXELS, 1)};
  Points moving = {numbers(3 * PIXELS), numbers(3 * PIXELS), numbers(PIXELS), calloc(PIXELS, 1)};
  Baked baked = {numbers(2 * PIXELS), numbers(2 * PIXELS), numbers(2 * PIXELS),
                 malloc(2 * PIXELS * 2 * sizeof(int16_t))};
  Touched touched = {malloc(PIXELS), numbers(PIXELS), numbers(2 * PIXELS)};
  Blob *blobs = (Blob *)numbers(4 * 2 * BLOBS);
  Box *around = (Box *)numbers(6 * 2);
  View camera = view(WIDTH, HEIGHT, lens);
  Geometry mesh = {VERTICES, FACES, placed, turned, chance(2) ? albedo : NULL, face};
  Lamp lamps[2];
  float gains[4];
  size_t drawn = 0;

  for (int i = 0; i < WEIGHTS * VERTICES; i++)
    bones[i] = (uint8_t)chance(16);
  for (int i = 0; i < 3 * FACES; i++)
    face[i] = (int32_t)chance(VERTICES);
  memset(ids, -1, PIXELS * sizeof *ids);
  rooms_skin(VERTICES, rest, normals, bones, weights, matrices, placed, turned);
  if (chance(2))
    memcpy(placed, rest, 3 * VERTICES * sizeof *rest);
  rooms_project(&camera, VERTICES, placed, seen);
  rooms_raster(&camera, &mesh, seen, 7, chance(2) ? limit : NULL, depth, ids);
  rooms_points(&camera, &mesh, 7, 1, ids, depth, rays, &moving);
  for (int l = 0; l < 2; l++) {
    lamps[l] = (Lamp){view(SHADOW, SHADOW, NULL), number(), number(), number(),
                      still_map, moving_map, cover};
    rooms_project(&lamps[l].view, VERTICES, placed, seen);
    rooms_raster(&lamps[l].view, &mesh, seen, 0, NULL, moving_map, NULL);
  }
  rooms_cover(moving_map, cover);
  rooms_bake(lamps, 2, PIXELS, &still, &baked);
  for (int i = 0; i < 4; i++)
    gains[i] = number();
  {
    Scene scene = {PIXELS, 2, lamps, still, emission, tint, baked, moving, who,
                   {2, around, blobs}, number(), number(), touched};
    rooms_light(&scene, gains, emission);
    rooms_touch(&scene, gains);
    rooms_shade(&scene, gains, emission, radiance);
  }
  for (int i = 0; i < PIXELS; i++)
    drawn += ids[i] >= 0;

  void *made[] = {rest, normals, albedo, placed, turned, matrices, weights, bones, face, seen,
                  depth, limit, rays, ids, radiance, emission, tint, still_map, moving_map, cover,
                  who,
                  still.position, still.normal, still.albedo, still.who, moving.position,
                  moving.normal, moving.albedo, moving.who, baked.direct, baked.lit, baked.inverse,
                  baked.spot, touched.pixel, touched.open, touched.lamp, blobs, around};
  for (size_t i = 0; i < sizeof made / sizeof *made; i++)
    free(made[i]);
  return drawn;
}

int main(int count, char **words)
{
  float lens[LENS_STEPS + 1];
  size_t drawn = 0;

  for (int i = 0; i <= LENS_STEPS; i++)
    lens[i] = 1 + (float)(LENS_STEPS - i) / LENS_STEPS;
  for (int i = 0; i < (count > 1 ? atoi(words[1]) : CASES); i++)
    drawn += draw(i % 2 ? lens : NULL);
  printf("%zu\n", drawn);
  return 0;
}
