/* Vectors of 16 floats: x86-64 with AVX-512 F. */
#include <immintrin.h>

typedef __m512 vec;
enum { WIDTH = 16, TILE_ROWS = 8, TILE_VECTORS = 3, DOT_ROWS = 4 }; /* 24 sums, 3 weights and a factor of 32 registers */

static inline vec load(const float *p) { return _mm512_loadu_ps(p); }
static inline void store(float *p, vec a) { _mm512_storeu_ps(p, a); }
static inline vec broadcast(float a) { return _mm512_set1_ps(a); }
static inline vec add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec subtract(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec multiply(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec divide(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec fused(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec maximum(vec a, vec b) { return _mm512_max_ps(a, b); }
static inline vec minimum(vec a, vec b) { return _mm512_min_ps(a, b); }
static inline vec rounded(vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vec two_to_the(vec n) { return _mm512_scalef_ps(_mm512_set1_ps(1.0f), n); }
static inline float sum(vec a) { return _mm512_reduce_add_ps(a); }
static inline float greatest(vec a) { return _mm512_reduce_max_ps(a); }
static inline vec load_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static inline vec load_i8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline void store_f16(uint16_t *p, vec a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
