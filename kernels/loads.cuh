// What becomes of an operand's numbers on their way from global to shared memory. A source
// (gemm.cuh, patches.cuh) reads quads of them into registers, multiplies the last ones meanwhile,
// and then finishes them: so it is at the second step that a number may need its channel's
// constants. What does not exist (padding, beyond the end) is 0 afterwards, whatever is done to the
// rest.
#pragma once

#include "conv2d.h"
#include "groups.cuh"

namespace oddity::kernels {

/// quad = p[0 … 4), zeros from `size` on. With kVector, p is 16-byte aligned and size all or none.
template <bool kVector>
__device__ __forceinline__ void load_quad(const float* p, int size, float (&quad)[4]) {
  if constexpr (kVector) {
    const float4 v = size > 0 ? load4(p) : make_float4(0, 0, 0, 0);
    quad[0] = v.x;
    quad[1] = v.y;
    quad[2] = v.z;
    quad[3] = v.w;
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) quad[i] = i < size ? p[i] : 0;
  }
}

/// A quad's numbers that exist, a bit each.
inline constexpr unsigned kWholeQuad = 15;
__device__ __forceinline__ bool exists_in(unsigned bits, int i) { return (bits >> i & 1) != 0; }

/// Load: numbers as they are.
struct AsStored {
  using Pointer = const float*;
  struct Quad {
    float x[4];
  };

  /// Image n of x [·, size].
  __device__ __forceinline__ Pointer image(const float* x, int64_t n, int64_t size) const {
    return x + n * size;
  }
  /// Numbers p[at … at + 4), all or none of them; at is a multiple of 4.
  __device__ __forceinline__ void read(Pointer p, int at, bool exist, Quad& quad) const {
    load_quad<true>(p + at, exist ? 4 : 0, quad.x);
  }
  /// Number i of the quad, p[at].
  __device__ __forceinline__ void read(Pointer p, int at, bool exists, int i, Quad& quad) const {
    quad.x[i] = exists ? p[at] : 0;
  }
  /// `channel` is that of the first, the others' follow; `exist`: those that do.
  template <bool kVector>
  __device__ __forceinline__ void finish(const Quad& quad, int /*channel*/, unsigned /*exist*/,
                                         float (&out)[4]) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) out[i] = quad.x[i];
  }
};

/// Constants of each channel in shared memory, `tables` tables of them. A table goes on with the
/// first channels: the channel after the last is the first of the next pixel.
__host__ __device__ inline int table_pitch(int channels) { return (channels + 3 + 3) / 4 * 4; }

/// Entries channel … channel + 3 of a table.
template <bool kVector>
__device__ __forceinline__ Four table_entries(const float* table, int channel) {
  return load_group<4>(table + channel, kVector);
}

/// Load: a map normalised, x · scale + shift.
struct Normalised : AsStored {
  const float* tables;  // [2, pitch]: scale, shift
  int pitch;

  static constexpr int kTables = 2;
  template <bool kVector>
  __device__ __forceinline__ void finish(const Quad& quad, int channel, unsigned exist,
                                         float (&out)[4]) const {
    const Four scale = table_entries<kVector>(tables, channel);
    const Four shift = table_entries<kVector>(tables + pitch, channel);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      out[i] = exists_in(exist, i) ? fmaf(quad.x[i], scale.at[i], shift.at[i]) : 0;
    }
  }
};

/// Load: the gradient of a normalised map's numbers taken back through the normalisation and
/// LeakyReLU: (dy · factor + y · slope + constant) · (y > 0 ? 1 : .2), y the activation.
struct Differentiated {
  using Pointer = const float*;
  struct Quad {
    float dy[4];
    float y[4];
  };
  const float* tables;  // [3, pitch]: factor, slope, constant
  int pitch;
  int64_t activation;  // the activation's address less that of the gradient, in floats

  static constexpr int kTables = 3;
  __device__ __forceinline__ Pointer image(const float* dy, int64_t n, int64_t size) const {
    return dy + n * size;
  }
  __device__ __forceinline__ void read(Pointer p, int at, bool exist, Quad& quad) const {
    load_quad<true>(p + at, exist ? 4 : 0, quad.dy);
    load_quad<true>(p + activation + at, exist ? 4 : 0, quad.y);
  }
  __device__ __forceinline__ void read(Pointer p, int at, bool exists, int i, Quad& quad) const {
    quad.dy[i] = exists ? p[at] : 0;
    quad.y[i] = exists ? p[activation + at] : 0;
  }
  template <bool kVector>
  __device__ __forceinline__ void finish(const Quad& quad, int channel, unsigned exist,
                                         float (&out)[4]) const {
    const Four factor = table_entries<kVector>(tables, channel);
    const Four slope = table_entries<kVector>(tables + pitch, channel);
    const Four constant = table_entries<kVector>(tables + 2 * pitch, channel);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float y = quad.y[i];
      const float delta = fmaf(quad.dy[i], factor.at[i], fmaf(y, slope.at[i], constant.at[i]));
      out[i] = !exists_in(exist, i) ? 0 : y > 0 ? delta : kLeakyReluSlope * delta;
    }
  }
};

}  // namespace oddity::kernels
