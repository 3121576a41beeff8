/* Vectors of 4 floats: 64-bit ARM, all of which have NEON with conversions from and to half precision. */
#include <arm_neon.h>
#include <string.h>

typedef float32x4_t vec;
enum { WIDTH = 4, TILE_ROWS = 4, TILE_VECTORS = 6, DOT_ROWS = 4 }; /* 24 sums, 6 weights and a factor of 32 registers */

static inline vec load(const float *p) { return vld1q_f32(p); }
static inline void store(float *p, vec a) { vst1q_f32(p, a); }
static inline vec broadcast(float a) { return vdupq_n_f32(a); }
static inline vec add(vec a, vec b) { return vaddq_f32(a, b); }
static inline vec subtract(vec a, vec b) { return vsubq_f32(a, b); }
static inline vec multiply(vec a, vec b) { return vmulq_f32(a, b); }
static inline vec divide(vec a, vec b) { return vdivq_f32(a, b); }
static inline vec fused(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
static inline vec maximum(vec a, vec b) { return vmaxq_f32(a, b); }
static inline vec minimum(vec a, vec b) { return vminq_f32(a, b); }
static inline vec rounded(vec a) { return vrndnq_f32(a); }
static inline float sum(vec a) { return vaddvq_f32(a); }
static inline float greatest(vec a) { return vmaxvq_f32(a); }
static inline vec load_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline void store_f16(uint16_t *p, vec a) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a))); }
static inline vec load_i8(const int8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8((uint32_t)four)))));
}

static inline vec two_to_the(vec n) /* whole numbers from -126 to 127 */
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
}
