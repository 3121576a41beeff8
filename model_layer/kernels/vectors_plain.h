/* Vectors of one float: any processor. */
#include <math.h>
#include <string.h>

typedef float vec;
enum { WIDTH = 1, TILE_ROWS = 4, TILE_VECTORS = 4, DOT_ROWS = 2 };

static inline vec load(const float *p) { return *p; }
static inline void store(float *p, vec a) { *p = a; }
static inline vec broadcast(float a) { return a; }
static inline vec add(vec a, vec b) { return a + b; }
static inline vec subtract(vec a, vec b) { return a - b; }
static inline vec multiply(vec a, vec b) { return a * b; }
static inline vec divide(vec a, vec b) { return a / b; }
static inline vec fused(vec a, vec b, vec c) { return a * b + c; }
static inline vec maximum(vec a, vec b) { return a > b ? a : b; }
static inline vec minimum(vec a, vec b) { return a < b ? a : b; }
static inline vec rounded(vec a) { return nearbyintf(a); }
static inline float sum(vec a) { return a; }
static inline float greatest(vec a) { return a; }
static inline vec load_i8(const int8_t *p) { return *p; }
static inline vec two_to_the(vec n) { return exp2f(n); }

static inline vec load_f16(const uint16_t *p) /* the bits move 13 places; a product sets the exponent right, subnormals too */
{
    uint32_t bits = ((uint32_t)(*p & 0x8000) << 16) | ((uint32_t)(*p & 0x7fff) << 13);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value * 0x1p112f;
}

static inline void store_f16(uint16_t *p, vec a) /* to the nearest, ties to even; 65,504 at most */
{
    uint32_t bits, sign, rounded_bits;
    memcpy(&bits, &a, sizeof bits);
    sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits > 0x7f800000)
        rounded_bits = 0x7e00; /* not a number */
    else if (bits < 0x38800000) { /* subnormal: the float's own adder rounds at 2^-24 */
        float magnitude;
        memcpy(&magnitude, &bits, sizeof magnitude);
        magnitude += 0.5f;
        memcpy(&bits, &magnitude, sizeof bits);
        rounded_bits = bits - 0x3f000000;
    } else
        rounded_bits = (bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13;
    *p = (uint16_t)(sign | rounded_bits);
}
