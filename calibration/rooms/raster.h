/* SPDX-License-Identifier: Apache-2.0
 *
 * Triangles onto a grid of pixels: who is seen where, how far away, and how much light falls there.
 *
 * Only + - * / and sqrt, in one order, without threads: every machine gets the same bits. Points
 * may be anything, NaN and infinity included; what cannot be placed is not drawn. Indices must have
 * been checked before. P is the number of pixels, V of vertices, F of faces,
 * L of lamps.
 */
#ifndef ROOMS_RASTER_H
#define ROOMS_RASTER_H

#include <stdint.h>

enum { LENS_STEPS = 4096, WEIGHTS = 4 };
enum { SHADOW = 256, BLOCK = 4, BLOCKS = SHADOW / BLOCK, BLOBS = 16 };

/* Keep in step with View in raster.py. */
typedef struct {
  float position[3];
  float rotation[9]; /* rows: right, up, forward */
  float focal[2];
  float centre[2];
  float nearest;
  int32_t width, height;
  const float *lens; /* (LENS_STEPS + 1) by the cosine off the axis, or NULL: a pinhole */
} View;

/* A vertex as a view has it. */
typedef struct {
  float x, y;    /* pixels */
  float inverse; /* 1 / depth in metres; 0: closer than the view's nearest, or no number */
} Seen;

/* Keep in step with Geometry in raster.py. */
typedef struct {
  int32_t vertices, faces;
  const float *points;  /* (V, 3) */
  const float *normals; /* (V, 3) */
  const float *albedo;  /* (V,), or NULL */
  const int32_t *face;  /* (F, 3), below V */
} Geometry;

/* What is seen in each pixel. */
typedef struct {
  float *position; /* (P, 3) */
  float *normal;   /* (P, 3), unit, towards the view */
  float *albedo;   /* (P,), left alone by a mesh without */
  uint8_t *who;    /* (P,) */
} Points;

/* Keep in step with Lamp in raster.py. The view is the cone in which it throws shadows. */
typedef struct {
  View view; /* SHADOW x SHADOW pixels, a pinhole */
  float power;
  float shadow;         /* 0 none .. 1 black */
  float texel;          /* width of a pixel of the view at one metre */
  const float *still;   /* (SHADOW, SHADOW) inverse metres: the standing room from the lamp */
  const float *moving;  /* the same of what moves */
  const uint8_t *cover; /* (BLOCKS, BLOCKS) 1: the block or one beside it has something moving */
} Lamp;

/* Keep in step with Baked in raster.py: what of a standing pixel's light never changes. */
typedef struct {
  float *direct;  /* (L, P) from the lamp, were there no shadow */
  float *lit;     /* (L, P) share of it that the standing room lets through */
  float *inverse; /* (L, P) inverse metres from the lamp */
  int16_t *spot;  /* (L, P, 2) pixel of the lamp's view, or -1 */
} Baked;

/* Keep in step with Blob in raster.py: a round thing that keeps light off its surroundings. */
typedef struct {
  float centre[3];
  float radius;
} Blob;

typedef struct {
  float low[3], high[3];
} Box;

/* Keep in step with Crowd in raster.py. */
typedef struct {
  int32_t people;
  const Box *around; /* (people,) all that a person darkens */
  const Blob *blobs; /* (people, BLOBS) */
} Crowd;

/* Keep in step with Touched in raster.py: pixels whose light those who are there may change. */
typedef struct {
  uint8_t *pixel; /* (P,) 1: it is one */
  float *open;    /* (P,) share of the ambient light that reaches it, only of those pixels */
  float *lamp;    /* (L, P) what each lamp sends there, only of those pixels */
} Touched;

/* Keep in step with Scene in raster.py. */
typedef struct {
  int32_t pixels, lamps;
  const Lamp *lamp;
  Points still;          /* who: NULL */
  const float *emission; /* (P,) */
  const float *tint;     /* (P,) what a mirror leaves; 1 elsewhere */
  Baked baked;
  Points moving;      /* who: 0 where the standing room is seen */
  const uint8_t *who; /* (P,) the same, but 0 also for whoever is seen in a mirror */
  Crowd crowd;
  float sky, ground; /* ambient light on what faces up and down */
  Touched touched;
} Scene;

/* Mesh at rest -> in the room. bones (V, 4) below the number of matrices (3, 4). */
void rooms_skin(int32_t vertices, const float *points, const float *normals, const uint8_t *bones,
                const float *weights, const float *matrices, float *placed, float *turned);

void rooms_project(const View *view, int32_t vertices, const float *points, Seen *seen);

/* Draw into depth (P,), inverse metres, larger is nearer, and ids (P,), or NULL: face f is
 * first + f. Nothing is drawn at or in front of limit (P,), inverse metres, unless that is NULL. */
void rooms_raster(const View *view, const Geometry *mesh, const Seen *seen, int32_t first,
                  const float *limit, float *depth, int32_t *ids);

/* Fill in the pixels whose id is one of this mesh's. rays (P, 3): one metre of depth. */
void rooms_points(const View *view, const Geometry *mesh, int32_t first, uint8_t name,
                  const int32_t *ids, const float *depth, const float *rays, const Points *out);

/* moving (SHADOW, SHADOW) -> cover (BLOCKS, BLOCKS). */
void rooms_cover(const float *moving, uint8_t *cover);

/* Each lamp's light on each pixel of points. */
void rooms_bake(const Lamp *lamps, int32_t count, int32_t pixels, const Points *points,
                const Baked *out);

/* gains (L + 2): of each lamp, of the ambient light, of what shines by itself -> empty (P,), the
 * room with nobody in it. */
void rooms_light(const Scene *scene, const float *gains, float *empty);

/* What those who are there now touch, and with how much of each lamp whose gain is not 0: true until
 * somebody moves or another lamp burns. */
void rooms_touch(const Scene *scene, const float *gains);

/* With those who are there now, radiance (P,): what they do not touch is copied from `empty`. Needs
 * rooms_touch. */
void rooms_shade(const Scene *scene, const float *gains, const float *empty, float *radiance);

#endif
