/* SPDX-License-Identifier: Apache-2.0
 *
 * What H.264 does to a picture, in integers: blocks of 8 x 8 are predicted from the frame before (or
 * from their neighbours' edge), what is left is transformed with that standard's 8 x 8 integer
 * transform, divided by a step, rounded towards zero, and put back. Blocks that hardly changed are
 * skipped. There is no bit stream and no motion search.
 */
#include <stdint.h>
#include <stdlib.h>

enum { SIDE = 8, SCALE_BITS = 14, MOST_BLOCKS = 1 << 16 };

/* Sums of squares of the transform's rows. */
static const int32_t NORM[SIDE] = {512, 578, 320, 578, 512, 578, 320, 578};

typedef struct {
  int32_t width, height; /* multiples of 8 */
  int32_t step;          /* of a coefficient at the length 1, in 1/16 of a grey level */
  int32_t dead_zone;     /* of 256: what is added before the division; 128 would round */
  int32_t skip;          /* blocks whose differences sum to no more are not sent */
  int32_t intra;         /* 1: nothing is predicted from the frame before */
} Picture;

typedef struct {
  int32_t divisor[SIDE * SIDE]; /* of 16 coefficients, to their level */
  int32_t least[SIDE * SIDE];   /* 16 coefficients below this are nothing */
  int32_t factor[SIDE * SIDE];  /* of a level, to its share of the picture, in 2^-SCALE_BITS */
} Scale;

/* The rows of the transform are
 *   8  8  8  8 ..   12 10  6  3 ..   8  4 -4 -8 ..   10 -3 -12 -6 ..
 *   8 -8 -8  8 ..    6 -12 3 10 ..   4 -8  8 -4 ..    3 -6  10 -12 ..
 * mirrored, the odd ones with the other sign. */
static void odd_part(const int32_t d[4], int32_t out[4])
{
  out[0] = 12 * d[0] + 10 * d[1] + 6 * d[2] + 3 * d[3];
  out[1] = 10 * d[0] - 3 * d[1] - 12 * d[2] - 6 * d[3];
  out[2] = 6 * d[0] - 12 * d[1] + 3 * d[2] + 10 * d[3];
  out[3] = 3 * d[0] - 6 * d[1] + 10 * d[2] - 12 * d[3];
}

/* One line of 8, `apart` numbers apart: samples become coefficients. */
static void analyse(int32_t *line, int32_t apart)
{
  int32_t sum[4], difference[4], odd[4];

  for (int i = 0; i < 4; i++) {
    int32_t a = line[i * apart], b = line[(7 - i) * apart];

    sum[i] = a + b;
    difference[i] = a - b;
  }
  odd_part(difference, odd);
  line[0] = 8 * (sum[0] + sum[3] + sum[1] + sum[2]);
  line[4 * apart] = 8 * (sum[0] + sum[3] - sum[1] - sum[2]);
  line[2 * apart] = 8 * (sum[0] - sum[3]) + 4 * (sum[1] - sum[2]);
  line[6 * apart] = 4 * (sum[0] - sum[3]) - 8 * (sum[1] - sum[2]);
  for (int i = 0; i < 4; i++)
    line[(2 * i + 1) * apart] = odd[i];
}

/* The transpose: coefficients become samples. The odd part is its own transpose. */
static void synthesise(int32_t *line, int32_t apart)
{
  int32_t sum[4], odd[4];
  int32_t coefficient[4] = {line[apart], line[3 * apart], line[5 * apart], line[7 * apart]};
  int32_t both = 8 * (line[0] + line[4 * apart]), either = 8 * (line[0] - line[4 * apart]);
  int32_t outer = 8 * line[2 * apart] + 4 * line[6 * apart];
  int32_t inner = 4 * line[2 * apart] - 8 * line[6 * apart];

  odd_part(coefficient, odd);
  sum[0] = both + outer;
  sum[1] = either + inner;
  sum[2] = either - inner;
  sum[3] = both - outer;
  for (int i = 0; i < 4; i++) {
    line[i * apart] = sum[i] + odd[i];
    line[(7 - i) * apart] = sum[i] - odd[i];
  }
}

/* The whole number below or at the square root, bit by bit from the highest it can have. */
static int32_t root(int32_t square)
{
  int32_t found = 0;

  for (int32_t bit = 1 << 9; bit; bit >>= 1)
    if ((found + bit) * (found + bit) <= square)
      found += bit;
  return found;
}

static void fill(Scale *scale, int32_t step, int32_t dead_zone)
{
  for (int k = 0; k < SIDE * SIDE; k++) {
    int32_t norm = NORM[k / SIDE] * NORM[k % SIDE], length = root(norm);
    int64_t share = (((int64_t)step * length << SCALE_BITS) / 16 + norm / 2) / norm;

    scale->divisor[k] = step * length;
    scale->least[k] = scale->divisor[k] - scale->divisor[k] / 256 * dead_zone;
    scale->factor[k] = (int32_t)share;
  }
}

/* What the decoder makes of the coefficients; 0 if nothing is left of them. */
static int quantise(int32_t block[SIDE * SIDE], const Scale *scale)
{
  int any = 0;

  for (int k = 0; k < SIDE * SIDE; k++) {
    int32_t size = 16 * abs(block[k]), level = 0;

    if (size >= scale->least[k]) {
      level = (size - scale->least[k]) / scale->divisor[k] + 1;
      any = 1;
    }
    block[k] = (block[k] < 0 ? -level : level) * scale->factor[k];
  }
  return any;
}

/* The mean of the decoded edge above and to the left; mid-grey where there is none. */
static int32_t edge(const uint8_t *decoded, int32_t stride, int32_t x, int32_t y)
{
  int32_t sum = 0, count = 0;

  for (int i = 0; i < SIDE; i++) {
    if (y > 0)
      sum += decoded[(y - 1) * stride + x + i], count++;
    if (x > 0)
      sum += decoded[(y + i) * stride + x - 1], count++;
  }
  return count ? (sum + count / 2) / count : 128;
}

static uint8_t clamp(int32_t value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

static void code(const Picture *picture, const Scale *scale, const uint8_t *grey, uint8_t *decoded,
                 int32_t x0, int32_t y0)
{
  int32_t stride = picture->width, corner = y0 * stride + x0, moved = 0;
  int32_t mean = picture->intra ? edge(decoded, stride, x0, y0) : 0;
  int32_t base[SIDE * SIDE], left[SIDE * SIDE];

  for (int k = 0; k < SIDE * SIDE; k++) {
    int32_t at = corner + k / SIDE * stride + k % SIDE;

    base[k] = picture->intra ? mean : decoded[at];
    left[k] = grey[at] - base[k];
    moved += abs(left[k]);
  }
  if (!picture->intra && moved <= picture->skip)
    return;
  for (int i = 0; i < SIDE; i++)
    analyse(left + SIDE * i, 1);
  for (int i = 0; i < SIDE; i++)
    analyse(left + i, SIDE);
  if (quantise(left, scale)) {
    for (int i = 0; i < SIDE; i++)
      synthesise(left + i, SIDE);
    for (int i = 0; i < SIDE; i++)
      synthesise(left + SIDE * i, 1);
  } else if (!picture->intra) {
    return;
  }
  for (int k = 0; k < SIDE * SIDE; k++) {
    int32_t rounded = (left[k] + (1 << (SCALE_BITS - 1))) >> SCALE_BITS;

    decoded[corner + k / SIDE * stride + k % SIDE] = clamp(base[k] + rounded);
  }
}

/* One sample to each side of an edge moves towards the other, unless the edge is a real one. */
static void soften(uint8_t *low, uint8_t *high, int32_t limit)
{
  int32_t step = *high - *low;

  if (abs(step) < limit) {
    *low = (uint8_t)(*low + step / 4);
    *high = (uint8_t)(*high - step / 4);
  }
}

static void deblock(const Picture *picture, uint8_t *decoded)
{
  int32_t w = picture->width, h = picture->height, limit = picture->step / 24 + 1;

  for (int32_t y = 0; y < h; y++)
    for (int32_t x = SIDE; x < w; x += SIDE)
      soften(decoded + y * w + x - 1, decoded + y * w + x, limit);
  for (int32_t y = SIDE; y < h; y += SIDE)
    for (int32_t x = 0; x < w; x++)
      soften(decoded + (y - 1) * w + x, decoded + y * w + x, limit);
}

/* grey (height, width) -> decoded (height, width), which holds the frame before; 0, or -1 if the
 * picture cannot be. */
int32_t rooms_code(const Picture *picture, const uint8_t *grey, uint8_t *decoded)
{
  Scale scale;
  int32_t w = picture->width, h = picture->height;

  if (w <= 0 || h <= 0 || w % SIDE || h % SIDE || w / SIDE > MOST_BLOCKS / (h / SIDE) ||
      picture->step < 16 || picture->step > 16 * 256 || picture->dead_zone < 0 ||
      picture->dead_zone > 128 || picture->skip < 0)
    return -1;
  fill(&scale, picture->step, picture->dead_zone);
  for (int32_t y = 0; y < h; y += SIDE)
    for (int32_t x = 0; x < w; x += SIDE)
      code(picture, &scale, grey, decoded, x, y);
  deblock(picture, decoded);
  return 0;
}
