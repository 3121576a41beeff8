/* Vectors of 8 floats: x86-64 with AVX2, FMA and F16C. Fast halves of a vector go by the names of Intel's intrinsics guide. */
#include <immintrin.h>

typedef __m256 vec;
enum { WIDTH = 8, TILE_ROWS = 4, TILE_VECTORS = 3, DOT_ROWS = 2 }; /* 12 sums, 3 weights and a factor: 16 registers */

static inline vec load(const float *p) { return _mm256_loadu_ps(p); }
static inline void store(float *p, vec a) { _mm256_storeu_ps(p, a); }
static inline vec broadcast(float a) { return _mm256_set1_ps(a); }
static inline vec add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec subtract(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec multiply(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec divide(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec fused(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec maximum(vec a, vec b) { return _mm256_max_ps(a, b); }
static inline vec minimum(vec a, vec b) { return _mm256_min_ps(a, b); }
static inline vec rounded(vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vec load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
static inline vec load_i8(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline void store_f16(uint16_t *p, vec a)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline vec two_to_the(vec n) /* whole numbers from -126 to 127 */
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}

static inline float sum(vec a)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

static inline float greatest(vec a)
{
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}
